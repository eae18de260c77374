"""What JPEG leaves in pixels, told from those that never were in such a file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from narrows.degradations.traces import been_jpeg


def planes(image: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.atleast_3d(image) / 255.0, 2, 0)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    return np.rint(np.clip(image + np.random.default_rng(0).normal(0, sigma, image.shape), 0, 255)).astype(np.uint8)


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("sigma", [0, 3, 15, 50])
def test_pixels_with_noise_have_not_been_jpeg(natural: np.ndarray, sigma: float) -> None:
    assert not been_jpeg(planes(noisy(natural, sigma)))
    assert not been_jpeg(planes(natural) + np.random.default_rng(1).normal(0, sigma / 255, (3, 106, 160)))


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 92])
def test_jpeg_is_seen_also_where_the_picture_was_cut_or_is_grey(natural: np.ndarray, quality: int) -> None:
    for image in (natural, natural[..., 0], noisy(natural, 15)):
        assert been_jpeg(planes(through_jpeg(image, quality)[5:, 3:]))


def test_jpeg_is_seen_beneath_a_little_noise_but_not_beneath_much(natural: np.ndarray) -> None:
    assert been_jpeg(planes(noisy(through_jpeg(natural, 30), 2)))
    assert not been_jpeg(planes(noisy(through_jpeg(natural, 30), 25)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 22, 300), (1, 15, 15), (3, 300, 8)])
def test_images_with_few_blocks_tell_nothing(shape: tuple[int, int, int]) -> None:
    assert not been_jpeg(np.full(shape, 0.5))


def test_a_flat_image_is_no_jpeg() -> None:
    assert not been_jpeg(np.zeros((3, 64, 64)))
