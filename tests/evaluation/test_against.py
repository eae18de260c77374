"""A model compared with the general formats on the same images, counting every byte: table, JSON and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.cli.main import run
from narrows.data.samples import Samples, from_arrays
from narrows.errors import DataError, NarrowsError
from narrows.evaluation import against, rivals
from narrows.evaluation.against import Contest
from narrows.evaluation.curves import Comparison, on_white
from narrows.evaluation.evaluate import comparison_table, comparison_values
from narrows.evaluation.rivals import RIVALS, Coded
from narrows.io.arrays import Array

MODEL_BYTES = 1000


def quiet(what: str, done: int, total: int | None) -> None:
    assert total is None or done <= total


def half_webp(images: Sequence[Array], quality: int) -> Coded:
    """Stands for a codec that needs half the bytes of WebP, one file each, and a model."""
    coded = rivals.one_each(RIVALS["webp"], {}, on_white(images), min(quality, 95))
    return Coded(coded.data_bytes // 2, coded.images, coded.encode_seconds, coded.decode_seconds, MODEL_BYTES)


@pytest.fixture(scope="module")
def contest(pictures: Samples) -> Contest:
    return against.contest(half_webp, rivals.choose("jpeg,webp,png"), pictures.take(np.arange(3)))


@pytest.fixture(scope="module")
def comparison(contest: Contest) -> Comparison:
    return contest.compare(quiet)


def test_a_codec_with_half_the_bytes_of_webp_is_fifty_per_cent_below_it(
    contest: Contest, comparison: Comparison
) -> None:
    values = json.loads(json.dumps(comparison_values(comparison), allow_nan=False))
    assert values["images"] == 3
    assert values["pixels"] == sum(i.shape[0] * i.shape[1] for i in contest.images)
    assert values["bd_rate"]["webp"]["without_model"]["percent"] == pytest.approx(-50, abs=1)
    assert values["bd_rate"]["webp"]["with_model"]["percent"] > -50
    assert values["bd_rate"]["png"]["without_model"]["percent"] is None
    assert "single point" in values["bd_rate"]["png"]["without_model"]["words"]
    point = values["curves"]["narrows"][0]
    assert point["bits_per_pixel_with_model"] - point["bits_per_pixel"] == pytest.approx(
        8 * MODEL_BYTES / values["pixels"]
    )
    table = comparison_table(comparison)
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert [row[0].split(",")[0] for row in table.rows] == ["narrows", "narrows and its model", "JPEG", "WebP", "PNG"]


def test_at_equal_bytes_a_rival_takes_no_more_than_we_do_and_all_it_can_use(
    contest: Contest, comparison: Comparison
) -> None:
    original, ours, *others = contest.at_equal_bytes(comparison, quiet)
    assert [row.title for row in others] == ["JPEG", "WebP"]
    assert original.bytes_each == np.mean([i.nbytes for i in contest.images])
    for row, curve in zip(others, comparison.rivals[:2], strict=True):
        smallest = curve.front()[0].data_bytes / comparison.images
        assert row.bytes_each <= max(ours.bytes_each, smallest)
        assert len(row.images) == len(row.psnrs_db) == 3
        if smallest < ours.bytes_each:
            assert row.bytes_each > 0.85 * ours.bytes_each


def test_the_two_pictures_are_written(contest: Contest, comparison: Comparison, tmp_path: Path) -> None:
    written = contest.draw(comparison, tmp_path, quiet)
    assert [path.name for path in written] == ["rate-distortion.png", "equal-bytes.png"]
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_images_with_alpha_are_compared_on_white_and_large_sets_in_part() -> None:
    clear = np.zeros((6, 20, 20, 4), np.uint8)
    contest = against.contest(half_webp, rivals.choose("png"), from_arrays(clear), most_pixels=1200)
    assert len(contest.images) == 3
    assert [note.split(";")[0] for note in contest.notes] == [
        "compared on 3 of 6 images, evenly picked",
        "compared as they look on white",
    ]
    assert contest.compare(quiet).rivals[0].points[0].psnr_db == 100


@pytest.mark.parametrize("data", [np.zeros((3, 5)), np.zeros((3, 8, 8), np.uint16)])
def test_what_is_no_8_bit_image_is_refused(data: Array) -> None:
    with pytest.raises(DataError, match="8-bit images only"):
        against.contest(half_webp, rivals.choose("png"), from_arrays(data))


def test_a_model_that_was_not_trained_to_compress_is_refused_in_one_line(
    digits: Samples, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.safetensors"
    model = narrows.build(digits.description, "dense", 4)
    with pytest.raises(NarrowsError, match="--for compress"):
        against.narrows_coder(model, "it")
    model.save(path)
    with pytest.raises(SystemExit) as caught:
        run(["evaluate", str(path), "digits", "--against", "webp", "-o", str(tmp_path / "out")])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        f"narrows: {path}: this model was not trained to compress; train one with --for compress, "
        "or leave out --against\n"
    )
    assert not (tmp_path / "out").exists()
