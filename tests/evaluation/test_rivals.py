"""The general formats: what goes in comes back, and every byte of theirs is counted."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from narrows.errors import MissingExtraError, NarrowsError, SettingsError
from narrows.evaluation import rivals
from narrows.evaluation.curves import Curve, bd_rate, measure
from narrows.evaluation.rivals import RIVALS
from narrows.io.arrays import Array


def smooth(count: int, height: int, width: int, channels: int) -> list[Array]:
    """Images with something in them that formats can use, each another."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width][..., None]
    waves = [
        np.sin(x / 5 + rng.uniform(0, 6, channels)) + np.cos(y / 7 + rng.uniform(0, 6, channels))
        for _ in range(count)
    ]
    return [(128 + 60 * wave).astype(np.uint8) for wave in waves]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_png_brings_every_image_back_from_its_place_on_a_sheet(count: int, channels: int) -> None:
    images = list(np.random.default_rng(1).integers(0, 256, (count, 9, 13, channels)).astype(np.uint8))
    for code in (rivals.one_each, rivals.on_sheet):
        coded = code(RIVALS["png"], {}, images, 100)
        assert len(coded.images) == count
        assert all(np.array_equal(a, b) for a, b in zip(coded.images, images, strict=True))


def test_more_images_than_fit_on_a_sheet_take_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "SHEET_SIDE", 40)
    images = list(np.random.default_rng(1).integers(0, 256, (50, 9, 13, 3)).astype(np.uint8))
    sheets = rivals.tile(images)
    assert len(sheets) > 1
    assert all(max(sheet.shape[:2]) <= 40 for sheet in sheets)
    assert np.array_equal(rivals.cut(sheets, (9, 13), 50), images)


def test_bytes_are_those_that_a_file_on_disk_would_have() -> None:
    image = smooth(1, 40, 50, 3)[0]
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", quality=50, method=6)
    assert rivals.one_each(RIVALS["webp"], {}, [image, image], 50).data_bytes == 2 * file.tell()


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "jxl"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_higher_quality_costs_more_bytes_and_brings_images_back_closer(name: str, channels: int) -> None:
    if name == "jxl":
        pytest.importorskip("pillow_jxl")
    images = smooth(3, 40, 50, channels)
    coders = rivals.ways(RIVALS[name], images)
    assert coders
    for coder in coders.values():
        coded = [coder(images, quality) for quality in (5, 90)]
        assert coded[0].data_bytes < coded[1].data_bytes
        errors = [np.square(np.float64(c.images) - np.float64(images)).mean() for c in coded]
        assert errors[0] > errors[1]
        assert errors[1] < 30


def test_small_images_of_one_size_are_also_tried_on_a_sheet_and_colour_at_two_resolutions() -> None:
    small, large = smooth(4, 28, 28, 3), smooth(2, 130, 130, 3)
    assert list(rivals.ways(RIVALS["webp"], small)) == ["one file each", "on one sheet"]
    assert list(rivals.ways(RIVALS["webp"], large)) == ["one file each"]
    assert list(rivals.ways(RIVALS["webp"], [small[0], small[1][:20]])) == ["one file each"]
    assert len(rivals.ways(RIVALS["avif"], small)) == 4
    assert len(rivals.ways(RIVALS["jpeg"], smooth(2, 28, 28, 1))) == 2


def test_avif_is_tuned_for_psnr_by_which_it_is_compared() -> None:
    image = [np.random.default_rng(2).normal(0, 1, (160, 160, 3)).cumsum(0).cumsum(1)]
    image = [np.clip(128 + x / np.abs(x).max() * 127, 0, 255).astype(np.uint8) for x in image]
    for_psnr, for_eyes = (
        Curve("avif", "AVIF", tuple(measure(partial(rivals.one_each, rival, {}), image, q) for q in (20, 40, 60, 80)))
        for rival in (RIVALS["avif"], replace(RIVALS["avif"], options={"speed": 6}))
    )
    percent = bd_rate(for_psnr, for_eyes).percent
    assert percent is not None
    assert percent < -3


def test_a_sheet_of_digits_is_smaller_than_a_file_each() -> None:
    images = smooth(30, 28, 28, 1)
    each, sheet = (coder(images, 50) for coder in rivals.ways(RIVALS["webp"], images).values())
    assert sheet.data_bytes < each.data_bytes / 2


def test_rivals_are_chosen_by_name_in_the_order_given() -> None:
    assert [rival.name for rival in rivals.choose("webp, PNG,webp")] == ["webp", "png"]
    for wrong in ("", "webp,gif", ","):
        with pytest.raises(SettingsError, match="jpeg, webp, avif, jxl, png") as caught:
            rivals.choose(wrong)
        assert "\n" not in str(caught.value)


def test_without_its_package_jpeg_xl_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'narrows\[jxl\]'"):
        rivals.choose("webp,jxl")


def test_an_image_that_a_format_cannot_hold_is_refused_in_one_line() -> None:
    with pytest.raises(NarrowsError, match="leave webp out") as caught:
        rivals.one_each(RIVALS["webp"], {}, [np.zeros((1, 17000, 3), np.uint8)], 50)
    assert "\n" not in str(caught.value)
