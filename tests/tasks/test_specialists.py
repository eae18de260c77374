"""Weights for a single kind of damage, and where they serve."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.models import shipped
from narrows.tasks.specialists import scattered, suited


def pixels(share: float, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    return np.random.default_rng(0).random(size) < share


@pytest.mark.parametrize("share", [0.02, 0.5, 0.8, 0.95])
def test_pixels_that_are_missing_one_by_one_are_scattered(share: float) -> None:
    assert scattered(pixels(share))


def test_holes_and_lines_are_not_scattered() -> None:
    hole, line, thick = (np.zeros((60, 80), bool) for _ in range(3))
    hole[20:40, 20:40] = line[:, 30] = thick[10:14] = True
    for mask in (hole, line, thick, pixels(0.5) | hole, ~hole):
        assert not scattered(mask)
    assert not scattered(np.zeros((4, 4), bool))
    assert not scattered(np.ones((4, 4), bool))


def test_sizes_of_one_row_or_pixel_are_told_apart_too() -> None:
    assert scattered(np.array([[True, False, True, False]]))
    assert not scattered(np.array([[True]]))
    assert scattered(pixels(0.5, (300, 1)))


def test_the_weights_for_holes_give_way_where_single_pixels_are_missing(natural: np.ndarray) -> None:
    model = narrows.load("photo-inpaint")
    assert model.shipped == "photo-inpaint"
    image = natural[:60, :80]
    assert suited(model, image, pixels(0.5)).shipped == "photo-inpaint-pixels"
    hole = np.zeros((60, 80), bool)
    hole[20:40, 20:40] = True
    assert suited(model, image, hole) is model
    assert narrows.load(shipped.path_of("photo-inpaint")).shipped == ""  # a file is taken for what it is


def test_each_sample_goes_through_the_weights_that_suit_its_mask(natural: np.ndarray) -> None:
    single, hole = pixels(0.5, natural.shape[:2]), np.zeros(natural.shape[:2], bool)
    hole[20:40, 20:40] = True
    both = narrows.restore("photo-inpaint", np.stack([natural, natural]), mask=[single, hole])
    by_pixels = narrows.restore("photo-inpaint-pixels", natural[None], mask=single)
    by_holes = narrows.restore(narrows.load(shipped.path_of("photo-inpaint")), natural[None], mask=hole)
    assert np.array_equal(both, np.concatenate([by_pixels, by_holes]))
    worse = narrows.restore(narrows.load(shipped.path_of("photo-inpaint")), natural[None], mask=single)
    errors = [np.square(found[0].astype(float) - natural).mean() for found in (by_pixels, worse)]
    assert errors[0] < errors[1]


def test_the_weights_for_noise_and_jpeg_give_way_where_no_jpeg_file_has_been(natural: np.ndarray) -> None:
    model, rng = narrows.load("photo-denoise"), np.random.default_rng(0)
    noisy = np.rint(np.clip(natural + rng.normal(0, 20, natural.shape), 0, 255)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(natural).save(file, "JPEG", quality=40)
    coarse = np.asarray(Image.open(file))
    assert suited(model, noisy).shipped == "photo-denoise-noise"
    assert suited(model, coarse) is model
    both = narrows.restore("photo-denoise", np.stack([noisy, coarse]))
    names = ("photo-denoise", "photo-denoise-noise")
    alone = [narrows.restore(narrows.load(shipped.path_of(name)), noisy[None])[0] for name in names]
    assert np.array_equal(both[0], alone[1])
    errors = [np.square(found.astype(float) - natural).mean() for found in (alone[1], alone[0])]
    assert errors[0] < errors[1]
    assert np.square(both[1].astype(float) - natural).mean() < np.square(coarse.astype(float) - natural).mean()
