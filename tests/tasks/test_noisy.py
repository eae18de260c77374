"""Learning to denoise from samples that are noisy themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Missing, Noise, combined, from_json, to_json
from narrows.errors import SettingsError
from narrows.models.restorer import Restoring
from narrows.tasks.noisy import own_noise

LEVEL = 0.15


@pytest.fixture(scope="module")
def spoilt(pictures: Samples) -> Samples:
    """The pictures with noise, as files of 8 bits."""
    rng = np.random.default_rng(0)
    noisy = [np.clip(np.round(x + rng.normal(0, 255 * LEVEL, x.shape)), 0, 255) for x in pictures.values]
    return narrows.from_arrays([x.astype(np.uint8) for x in noisy])


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(a.astype(float) - b).mean())


def test_a_model_that_saw_noisy_samples_alone_denoises(pictures: Samples, spoilt: Samples, tmp_path: Path) -> None:
    training = narrows.train(
        spoilt.values,
        tmp_path / "m.safetensors",
        purpose="denoise",
        noisy_samples=True,
        width=8,
        begin="none",
        settings=narrows.Settings(steps=40, crop=32, batch_size=8),
    )
    assert any("learns from noisy samples alone" in note for note in training.notes)
    training.run()
    model = narrows.load(tmp_path / "m.safetensors")
    assert isinstance(model, Restoring)
    assert isinstance(model.degradation, Noise)
    assert model.degradation.own == 0  # from here on it denoises as others do
    back = narrows.restore(model, list(spoilt.values))
    gains = [error(x, y) / error(z, y) for x, y, z in zip(back, pictures.values, spoilt.values, strict=True)]
    assert np.mean(gains) < 0.4


def test_the_noise_of_what_is_seen_says_nothing_about_the_noise_of_the_target() -> None:
    rng = torch.Generator().manual_seed(0)
    clean = torch.full((64, 3, 32, 32), 0.5)
    own = Noise(own=0.1)
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=rng)
    observed = own.observe(noisy, rng)
    assert observed.target is not None
    a, b = (observed.seen - clean).flatten(), (observed.target - clean).flatten()
    assert abs(float((a * b).mean() / (a.std() * b.std()))) < 0.01
    told = observed.condition.flatten(1)[:, 0]
    assert torch.allclose((observed.seen - clean).flatten(1).std(dim=1), told, rtol=0.05)


def test_the_level_is_found(spoilt: Samples) -> None:
    found = own_noise(spoilt)
    assert found.own == pytest.approx(LEVEL, rel=0.1)
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize(
    ("data", "choices", "words"),
    [
        (np.zeros((20, 8, 8, 1), np.uint8), {}, "images of 32 pixels a side or more are needed"),
        (np.full((20, 64, 64, 3), 7, np.uint8), {}, "less than 0.005; train without it"),
        (np.zeros((20, 64, 64, 3), np.uint8), {"degradation": Noise(0.1)}, "whose own noise is found; leave it out"),
        (np.zeros((20, 64, 64, 3), np.uint8), {"purpose": "upscale"}, "only denoising is learned from them"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(data: np.ndarray, choices, words: str, tmp_path: Path) -> None:
    choices = {"purpose": "denoise", **choices}
    with pytest.raises(SettingsError, match=words):
        narrows.train(data, tmp_path / "m.safetensors", noisy_samples=True, **choices)


def test_own_noise_goes_alone() -> None:
    with pytest.raises(SettingsError, match="own noise alone"):
        combined([Noise(own=0.1), Missing(0.2)])
    with pytest.raises(SettingsError, match="goes with gaussian noise"):
        Noise(0.1, "poisson", own=0.1)
