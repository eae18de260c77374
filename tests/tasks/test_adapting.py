"""Learning from the picture that is to be filled in: what it brings, and where it is left out."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Missing, Noise, combined
from narrows.degradations.masks import draw
from narrows.tasks import adapting
from narrows.tasks.adapting import adapted


@pytest.fixture(scope="module")
def filler(pictures: Samples, made) -> narrows.Model:
    return made(pictures, Missing())


@pytest.fixture(scope="module")
def stripes() -> np.ndarray:
    """A pattern unlike the smooth pictures that the model has learned from."""
    rows, columns = np.mgrid[:140, :150]
    bright = 200 * ((rows + 2 * columns) % 7 < 3) + 20
    return np.stack([bright, bright // 2, 255 - bright], axis=2).astype(np.uint8)


def gone(kind, share: float, image: np.ndarray) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    shape = (1, 1, *image.shape[:2])
    return draw(kind, torch.full((1, 1, 1, 1), share), shape, generator, torch.device("cpu"))[0, 0].numpy() == 0


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(a.astype(float) - b).mean())


@pytest.mark.parametrize(("kind", "share"), [("pixels", 0.5), ("strokes", 0.1)])
def test_what_repeats_in_a_picture_is_learned_from_it(kind, share: float, filler, stripes, monkeypatch) -> None:
    monkeypatch.setattr(adapting, "RATE", 3e-3)  # so small a network learns fast
    mask, before = gone(kind, share, stripes), {k: v.clone() for k, v in filler.state_dict().items()}
    seen = np.where(mask[..., None], 0, stripes)
    usual, best = (narrows.restore(filler, [seen], mask=[mask], effort=e)[0] for e in ("usual", "best"))
    monkeypatch.setattr(adapting, "LEAST", 1000)
    eight = narrows.restore(filler, [seen], mask=[mask], effort="best")[0]
    assert error(best, stripes) < 0.85 * min(error(usual, stripes), error(eight, stripes))
    assert np.array_equal(best[~mask], stripes[~mask])
    assert all(torch.equal(v, before[k]) for k, v in filler.state_dict().items())


def test_the_same_is_learned_every_time_and_told_on_the_way(filler, stripes) -> None:
    told: list[tuple[str, int, int | None]] = []
    mask = gone("pixels", 0.3, stripes)
    one, other = (
        adapted(filler, stripes, mask, report=lambda *a: told.append(a)).state_dict().values() for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    steps = adapting.PASSES * mask.size // adapting.CROP**2
    assert told[:steps] == [("learning from the picture", n + 1, steps) for n in range(steps)]


def test_what_helps_nobody_is_left_out(pictures: Samples, filler, stripes, monkeypatch, made) -> None:
    mask = gone("pixels", 0.3, stripes)
    assert adapted(filler, stripes[:60], mask[:60]) is filler
    denoiser = made(pictures, Noise(0.1), 2)
    assert adapted(denoiser, stripes, mask) is denoiser
    assert adapted(filler, stripes, mask) is not filler
    frozen = copy.deepcopy(filler).requires_grad_(False)
    assert adapted(frozen, stripes, mask) is not frozen
    monkeypatch.setattr(adapting, "RATE", 10.0)  # which ruins every network
    assert adapted(filler, stripes, mask) is filler
    monkeypatch.undo()
    assert adapted(filler, stripes, ~np.eye(*mask.shape, dtype=bool)) is not None  # hardly anything to learn from


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_grey_pictures_and_those_with_alpha_learn_too(channels: int, filler, stripes) -> None:
    image = stripes[..., :1] if channels < 3 else stripes
    if channels in (2, 4):
        alpha = np.full((*image.shape[:2], 1), 200, np.uint8)
        alpha[:, :30] = 0
        image = np.concatenate([image, alpha], axis=2)
    mask = gone("pixels", 0.4, image)
    learned = adapted(filler, image, mask)
    assert learned is not filler
    found = narrows.restore(filler, [np.where(mask[..., None], 0, image)], mask=[mask], effort="best")[0]
    assert found.shape == image.shape
    assert np.array_equal(found[~mask], image[~mask])
    if channels in (2, 4):  # what is under transparent pixels teaches nothing
        other = image.copy()
        other[:, :30, :-1] = 77
        again = adapted(filler, other, mask).state_dict().values()
        assert all(torch.equal(a, b) for a, b in zip(learned.state_dict().values(), again, strict=True))


def test_models_that_know_alpha_or_noise_learn_too(pictures: Samples, stripes, made) -> None:
    both = [np.concatenate([i, 255 - i[..., :1]], axis=2) for i in pictures.values]
    mask = gone("pixels", 0.4, stripes)
    for samples, degradation in (
        (narrows.from_arrays(both), Missing()),
        (pictures, combined([Missing(0.4, "pixels"), Noise((0, 0.2))])),
    ):
        model = made(samples, degradation, 5)
        assert adapted(model, stripes, mask, 0.02 if "level" in degradation.needs else None) is not model
        assert narrows.restore(model, [stripes], mask=[mask], effort="best")[0].shape == stripes.shape
