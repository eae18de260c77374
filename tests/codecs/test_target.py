"""A target is met by the quality nearest to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from narrows.codecs import target
from narrows.codecs.target import quality_for
from narrows.errors import SettingsError

SAMPLES = [np.zeros((4, 4, 1), np.uint8)]


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec that takes quality / 100 bits a pixel and reaches 20 + quality / 5 dB."""

    def measure(packed: bytes, samples: Any, quality: int) -> tuple[float, float]:
        return quality / 100, 20 + quality / 5

    monkeypatch.setattr(target, "_measure", measure)


def test_bits_are_the_most_that_are_allowed() -> None:
    for wanted, quality in ((0.01, 1), (0.5, 50), (0.509, 50), (1.0, 100), (7.0, 100)):
        assert quality_for(b"", SAMPLES, bits_per_pixel=wanted) == quality


def test_a_psnr_is_reached_with_the_fewest_bits() -> None:
    for wanted, quality in ((1.0, 1), (20.2, 1), (20.3, 2), (30.0, 50), (40.0, 100)):
        assert quality_for(b"", SAMPLES, psnr_db=wanted) == quality


def test_targets_out_of_reach_are_refused_with_what_there_is() -> None:
    with pytest.raises(SettingsError, match=r"quality 1 takes 0\.01"):
        quality_for(b"", SAMPLES, bits_per_pixel=0.005)
    with pytest.raises(SettingsError, match=r"quality 100 reaches 40"):
        quality_for(b"", SAMPLES, psnr_db=41)
    with pytest.raises(SettingsError, match="one target"):
        quality_for(b"", SAMPLES)


def test_what_pieces_say_is_corrected_by_whole_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of an image may take more bits, or fewer, than the whole."""

    def measure(packed: bytes, samples: Any, quality: int) -> tuple[float, float]:
        whole = samples[0].shape[0] == 400
        return quality / (100 if whole else 60), 20 + quality / 5 - 3 * (not whole)

    monkeypatch.setattr(target, "_measure", measure)
    images = [np.zeros((400, 500 + i, 3), np.uint8) for i in range(5)]
    assert quality_for(b"", images, bits_per_pixel=0.5) == 50
    assert quality_for(b"", images, psnr_db=30.0) == 50


def test_pieces_come_from_every_image_and_keep_within_the_limit() -> None:
    images = [np.full((400, 500 + i, 3), i, np.uint8) for i in range(9)]
    pieces = target._few(images)
    assert [int(piece[0, 0, 0]) for piece in pieces] == list(range(9))
    assert sum(piece.size for piece in pieces) <= target.MOST_VALUES
    assert target._few(images[:2])[0] is images[0]
    vectors = [np.zeros(1 << 19, np.float32)] * 9
    assert len(target._few(vectors)) == 4
