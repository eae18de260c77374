"""The network with levels: where it begins, what it takes, and that noise and brightness scale it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Custom, Degradation, Grey, Missing, Noise, Observed, Smaller, combined
from narrows.errors import ModelError, SettingsError
from narrows.models.base import cut

KINDS = {
    "noise": Noise(0.2),
    "missing": Missing(0.5, "pixels"),
    "grey": Grey(),
    "smaller": Smaller(2),
    "a third": Smaller(3),
    "both": combined([Noise(0.1), Smaller(2)]),
}


@pytest.fixture(scope="module")
def tinted(pictures: Samples) -> Samples:
    """Pictures whose colour follows from their brightness."""
    grey = [image[..., :1].astype(float) for image in pictures.values]
    colours = [np.concatenate([g, 255 - g, 0.3 * g + 40], axis=2) for g in grey]
    return narrows.from_arrays([np.round(image).astype(np.uint8) for image in colours])


def trained(samples: Samples, degradation: Degradation, steps: int, **settings) -> narrows.Model:
    model = narrows.build(samples.description, width=8, degradation=degradation)
    list(narrows.fit(model, samples, narrows.Settings(steps=steps, crop=32, batch_size=8, **settings)))
    return model


def observed(model: narrows.Model, samples: Samples, number: int = 0) -> tuple[torch.Tensor, Observed]:
    x = torch.from_numpy(samples.values[number]).permute(2, 0, 1)[None].float() / 255
    return x, model.observe(x, torch.Generator().manual_seed(5))[0]


@pytest.fixture(scope="module")
def learned(tinted: Samples) -> Callable[[str], narrows.Autoencoder]:
    """A model that has learned to undo damage of one of `KINDS`; each is trained once."""
    return functools.cache(lambda kind: trained(tinted, KINDS[kind], 40))


@pytest.mark.parametrize("kind", KINDS)
def test_training_makes_it_better_than_the_first_guess(kind: str, learned, tinted: Samples) -> None:
    model = learned(kind)
    errors = []
    with torch.no_grad():
        for number in range(len(tinted)):  # the one that is held out says little by itself
            x, seen = observed(model, tinted, number)
            both = (KINDS[kind].guess(seen), model.restored(seen))
            errors.append([float((cut(y, x).clamp(0, 1) - x).square().mean()) for y in both])
    first, then = np.mean(errors, axis=0)
    assert then < 0.9 * first


@pytest.mark.parametrize("kind", ["noise", "smaller", "grey"])
def test_it_begins_as_a_linear_filter_that_is_better_than_the_first_guess(kind: str, tinted: Samples) -> None:
    # One step at no rate: what is kept is the start.
    model = trained(tinted, KINDS[kind], 1, learning_rate=1e-12)
    metrics = model.provenance["metrics"]
    assert metrics["validation_mse"] < 0.95 * metrics["damaged_mse"]
    assert model.decoder is not None
    assert not model.decoder.leave.weight.abs().max() > 1e-6


def test_without_that_start_it_begins_with_the_first_guess(pictures: Samples) -> None:
    model = trained(pictures, KINDS["smaller"], 1, learning_rate=1e-12, start="random")
    metrics = model.provenance["metrics"]
    assert metrics["validation_mse"] == pytest.approx(metrics["damaged_mse"], rel=1e-3)


def test_a_picture_twice_as_bright_and_noisy_gives_twice_the_answer(learned, pictures: Samples) -> None:
    model = learned("noise")
    _, seen = observed(model, pictures)
    with torch.no_grad():
        once = model.restored(seen)
        twice = model.restored(Observed(2 * seen.seen, 2 * seen.condition))
    assert torch.allclose(2 * once, twice, atol=1e-4)


def test_what_is_known_is_kept_to_the_bit(learned, pictures: Samples) -> None:
    model = learned("missing")
    x, seen = observed(model, pictures)
    with torch.no_grad():
        y = model.restored(seen)
    assert torch.equal(torch.where(seen.condition > 0, y, 0), torch.where(seen.condition > 0, x, 0))
    assert not torch.equal(y, x)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_from_its_file(kind: str, learned, pictures: Samples, tmp_path: Path) -> None:
    model = learned(kind)
    model.save(tmp_path / "m.safetensors")
    again = narrows.load(tmp_path / "m.safetensors")
    assert again.specification == model.specification
    assert again.degradation == model.degradation
    _, seen = observed(model, pictures)
    with torch.no_grad():
        assert torch.equal(again.restored(seen), model.restored(seen))


def test_a_function_of_ones_own_is_undone_by_a_loaded_model(pictures: Samples, tmp_path: Path) -> None:
    darker = Custom(lambda x, generator: x / 2)
    model = trained(pictures, darker, 10)
    assert model.provenance["metrics"]["validation_mse"] < 0.01 * model.provenance["metrics"]["damaged_mse"]
    model.save(tmp_path / "m.safetensors")
    dark = [image // 2 for image in pictures.values[:2]]
    found = narrows.restore(narrows.load(tmp_path / "m.safetensors"), dark)
    assert all(np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(found, pictures.values[:2], strict=True))


def test_an_interrupted_training_goes_on_to_the_same_bits(pictures: Samples, tmp_path: Path) -> None:
    settings = narrows.Settings(steps=8, crop=32, batch_size=4)
    whole = narrows.build(pictures.description, width=8, degradation=KINDS["noise"])
    list(narrows.fit(whole, pictures, settings))
    path = tmp_path / "c"
    parts = narrows.build(pictures.description, width=8, degradation=KINDS["noise"])
    iteration = narrows.fit(parts, pictures, settings, checkpoint=path, checkpoint_seconds=0)
    for progress in iteration:
        if progress.step >= 3:
            break
    iteration.close()
    again = narrows.build(pictures.description, width=8, degradation=KINDS["noise"])
    list(narrows.fit(again, pictures, settings, checkpoint=path, resume=True))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("network", ["lesson-denoise", "conv", "dense", "lesson-linear"])
def test_autoencoders_learn_to_restore_too(network: str, digits: Samples) -> None:
    model = narrows.build(digits.description, network, degradation=Noise(0.5, clip=True))
    list(narrows.fit(model, digits, narrows.Settings(epochs=2)))
    metrics = model.provenance["metrics"]
    assert metrics["pca_mse"] is None
    assert metrics["validation_mse"] < 0.75 * metrics["damaged_mse"]


def test_a_mask_is_kept_by_autoencoders_too(digits: Samples) -> None:
    model = narrows.build(digits.description, "dense", degradation=Missing(0.5, "pixels"))
    list(narrows.fit(model, digits, narrows.Settings(steps=30)))
    mask = np.random.default_rng(0).random((20, 8, 8)) < 0.5
    few = np.asarray(digits.values[:20])
    found = narrows.restore(model, few, mask=mask)
    assert np.array_equal(found[~mask], few[~mask])
    assert not np.array_equal(found[mask], few[mask])


def test_what_cannot_be_built_is_refused(digits: Samples, pictures: Samples) -> None:
    rows = narrows.from_arrays(np.zeros((9, 5), np.float32)).description
    for make, words in (
        (lambda: narrows.build(digits.description, degradation=Grey()), "RGB images are needed"),
        (lambda: narrows.build(rows, degradation=Smaller(2)), "it needs images"),
        (lambda: narrows.build(pictures.description, code=7, degradation=Grey()), "leave it out"),
        (lambda: narrows.build(pictures.description, width=2, degradation=Grey()), "width"),
        (lambda: narrows.build(pictures.description, "unet"), "network 'unet' was given"),
        (lambda: narrows.build(pictures.description, purpose="compress", degradation=Grey()), "purpose compress"),
        (lambda: narrows.build(pictures.description, purpose="denoise"), "needs a degradation"),
    ):
        with pytest.raises(SettingsError, match=words):
            make()
    with pytest.raises(ModelError, match="restores nothing"):
        narrows.restore(narrows.build(pictures.description), pictures)


def test_a_network_that_learned_nothing_says_so(pictures: Samples) -> None:
    model = narrows.build(pictures.description, width=8, degradation=Smaller(2))
    settings = narrows.Settings(steps=2, crop=32, learning_rate=1e-12, start="random")
    *_, last = narrows.fit(model, pictures, settings)
    assert any("no better than the damaged samples" in note for note in last.notes)
    flat = np.full((40, 32, 32, 1), 200, np.uint8)
    flat[0] = 0
    model = narrows.build(narrows.from_arrays(flat).description, width=8, degradation=Smaller(2))
    *_, last = narrows.fit(model, flat, settings)
    assert any("nothing can be learned" in note for note in last.notes)
