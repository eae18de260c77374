"""Rate-distortion curves: what is measured is what is there, and BD-rate says what it should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from narrows.evaluation import curves
from narrows.evaluation.curves import Curve, Point, bd_rate, measure, rate_at
from narrows.evaluation.rivals import Coded
from narrows.io.arrays import Array


def point(bits: float, psnr: float, how: str = "", model: float = 0.0) -> Point:
    return Point(how, 50, int(bits * 1000), int(model * 1000), bits, bits + model, psnr, None, None, 0.0, 0.0)


def curve(name: str, bits: Sequence[float], psnrs: Sequence[float], model: float = 0.0) -> Curve:
    return Curve(name, name, tuple(point(b, p, model=model) for b, p in zip(bits, psnrs, strict=True)))


BITS, PSNRS = np.array([0.1, 0.2, 0.4, 0.8]), [28.0, 31.0, 33.5, 35.0]


def test_a_curve_against_itself_is_level_and_at_half_the_bits_fifty_per_cent_below() -> None:
    base, half = curve("base", BITS, PSNRS), curve("half", BITS / 2, PSNRS)
    assert bd_rate(base, base).percent == pytest.approx(0)
    assert bd_rate(half, base).percent == pytest.approx(-50)
    assert bd_rate(base, half).percent == pytest.approx(100)
    assert bd_rate(half, base).words == "-50.0 % bytes at equal PSNR, 28.0 to 35.0 dB"


def test_the_model_is_counted_where_it_is_asked_for() -> None:
    base = curve("base", BITS, PSNRS)
    ours = replace(
        base, points=tuple(replace(p, bits_per_pixel_with_model=2 * p.bits_per_pixel) for p in base.points)
    )
    assert bd_rate(ours, base).percent == pytest.approx(0)
    assert bd_rate(ours, base, with_model=True).percent == pytest.approx(100)


def test_curves_that_share_no_psnr_are_not_compared_and_it_is_said_why() -> None:
    low, high, single = curve("low", BITS, PSNRS), curve("high", BITS, [40, 41, 42, 43]), curve("PNG", [5], [100])
    apart = bd_rate(low, high)
    assert apart.percent is None
    assert apart.words == "no PSNR in common: 40.0 to 43.0 dB against 28.0 to 35.0 dB"
    assert bd_rate(low, single).words == "PNG has a single point"
    assert rate_at(low, 36) is None
    assert rate_at(low, 31) == pytest.approx(0.2)


def test_the_front_takes_the_better_way_at_each_rate() -> None:
    each = [point(1.0, 30, "one file each"), point(2.0, 36, "one file each")]
    sheet = [point(0.5, 28, "on one sheet"), point(1.0, 29, "on one sheet"), point(2.5, 35, "on one sheet")]
    both = Curve("webp", "WebP", (*each, *sheet))
    assert [(p.bits_per_pixel, p.psnr_db) for p in both.front()] == [(0.5, 28), (1.0, 30), (2.0, 36)]
    between = point(1.4, 30.5, "on one sheet")  # a file each would have 33 dB there
    assert Curve("webp", "WebP", (*both.points, between)).front() == both.front()
    assert both.used("one file each").front() == tuple(each)


def test_noise_of_known_variance_has_the_psnr_it_should_averaged_over_images_of_any_size() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(60, 190, (size, 180, 3)).astype(np.uint8) for size in (190, 190, 176, 300)]
    sigmas = [2.0, 4.0, 8.0, 16.0]

    def add_noise(images: Sequence[Array], quality: int) -> Coded:
        noisy = [np.rint(i + rng.normal(0, s, i.shape)) for i, s in zip(images, sigmas, strict=True)]
        return Coded(1000, [n.clip(0, 255).astype(np.uint8) for n in noisy], 1.0, 2.0, model_bytes=500)

    result = measure(add_noise, images, 7, "noise")
    # Rounding to whole values adds a variance of 1/12.
    expected = np.mean([10 * np.log10(255**2 / (s**2 + 1 / 12)) for s in sigmas])
    assert result.psnr_db == pytest.approx(expected, abs=0.02)
    pixels = 180 * (190 + 190 + 176 + 300)
    assert result.bits_per_pixel == pytest.approx(8 * 1000 / pixels)
    assert result.bits_per_pixel_with_model == pytest.approx(8 * 1500 / pixels)
    assert (result.quality, result.how, result.encode_seconds, result.decode_seconds) == (7, "noise", 1.0, 2.0)
    assert result.ssim is not None
    assert result.ms_ssim is not None
    assert 0.5 < result.ssim < result.ms_ssim < 1


def test_images_too_small_for_a_similarity_have_none() -> None:
    rng = np.random.default_rng(0)
    for side, has in ((4, (False, False)), (28, (True, False)), (175, (True, False)), (176, (True, True))):
        images = [rng.integers(0, 256, (side, side, 1)).astype(np.uint8)]
        result = measure(lambda images, quality: Coded(1, list(images), 0, 0), images, 1)
        assert (result.ssim is not None, result.ms_ssim is not None) == has
        assert result.psnr_db == 100.0


def test_what_lies_under_clear_pixels_does_not_count() -> None:
    image = np.zeros((20, 20, 4), np.uint8)
    image[5:10, 5:10] = (200, 100, 50, 255)
    other = image.copy()
    other[image[..., 3] == 0, :3] = 77
    result = measure(lambda images, quality: Coded(1, [other], 0, 0), [image], 1)
    assert result.psnr_db == 100.0
    white = curves.on_white([image])[0]
    assert white.shape == (20, 20, 3)
    assert white[0, 0].tolist() == [255, 255, 255]
    assert white[6, 6].tolist() == [200, 100, 50]


def test_an_even_choice_of_images_keeps_to_the_pixels_asked_for() -> None:
    images = [np.zeros((10, 10, 1), np.uint8)] * 50
    assert curves.spread(images, 10**9) == list(range(50))
    assert len(curves.spread(images, 1000)) == 10
    assert curves.spread(images, 1) == [0]
