"""The estimated level of noise: right in files, where noise is clipped, and for floats."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.data.samples import from_arrays
from narrows.degradations import Missing, Noise, combined, from_json, noise_of, settled, to_json
from narrows.degradations.level import deviation
from narrows.errors import SettingsError
from narrows.models.catalogue import build


def picture(low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Smooth, with edges, from `low` to `high`."""
    y, x = np.mgrid[:160, :200] / 200
    waves = np.stack([np.sin(7 * x + 5 * y + c) / 2 + 0.5 for c in range(3)])
    waves[:, 40:90, 60:140] = 0.9
    return low + (high - low) * np.clip(waves, 0, 1)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("level", [0.01, 0.03, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.0, 0.3), (0.8, 1.0)])
def test_the_level_is_found_within_six_percent(level: float, clip: bool, ends: tuple[float, float]) -> None:
    noisy = picture(*ends) + np.random.default_rng(0).normal(0, level, (3, 160, 200))
    noisy = np.round(np.clip(noisy, 0, 1) * 255) / 255 if clip else noisy
    assert deviation(noisy) == pytest.approx(level, rel=0.06)


def test_a_black_ground_is_known() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        digit = np.zeros((1, 28, 28))
        digit[:, 6:22, rng.integers(8, 14) : rng.integers(15, 20)] = 0.9
        found.append(deviation(np.round(np.clip(digit + rng.normal(0, 0.1, digit.shape), 0, 1) * 255) / 255))
    assert np.mean(found) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    "sample", [np.zeros((1, 4, 4)), np.ones((3, 7, 40)), np.zeros((3, 40, 40)), np.full((1, 40, 40), 0.5)]
)
def test_where_nothing_can_be_seen_there_is_no_noise(sample: np.ndarray) -> None:
    assert deviation(sample) == 0.0


def test_noise_is_clipped_as_samples_are_stored() -> None:
    whole = from_arrays(np.zeros((4, 16, 16, 3), np.uint8)).description
    floats = from_arrays(np.random.default_rng(0).random((4, 16, 16, 3), np.float32)).description
    for description, clip in ((whole, True), (floats, False)):
        model = build(description, degradation=Noise(0.2))
        assert model.specification.degradation is not None
        assert model.specification.degradation[0]["clip"] is clip
    assert build(whole, degradation=Noise(0.2, clip=False)).specification.degradation[0]["clip"] is False  # type: ignore[index]
    both = settled(combined([Noise(0.1), Missing(0.3)]), "uint16")
    noise = noise_of(both)
    assert noise is not None
    assert noise.clip is True
    assert from_json(to_json(both)) == both


def test_every_second_sample_may_be_clipped() -> None:
    import torch

    noise = Noise(0.5, clip="some")
    seen = noise.observe(torch.full((64, 1, 8, 8), 0.5), torch.Generator().manual_seed(0)).seen
    outside = (seen < 0).flatten(1).any(dim=1).float().mean()
    assert 0.3 < outside < 0.7
    assert from_json(to_json(noise)) == noise
    assert "clipped or not" in str(noise)
    with pytest.raises(SettingsError, match="clip"):
        Noise(0.5, clip="sometimes")  # type: ignore[arg-type]
