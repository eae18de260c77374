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
