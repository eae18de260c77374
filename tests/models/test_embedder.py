"""Models that embed: their code hardly changes with what does not matter; all else is as with others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.data.batches import to_tensor
from narrows.data.samples import Samples
from narrows.models.autoencoder import Autoencoder
from narrows.models.base import Purpose
from narrows.models.embedder import Embedder
from narrows.networks.views import view
from narrows.tasks.density import learn
from narrows.tasks.embed import embed
from narrows.tasks.find import find
from narrows.tasks.generate import sample
from narrows.tasks.outliers import outliers
from narrows.training.settings import Settings


def trained(
    samples: Samples, purpose: Purpose = "embed", steps: int = 150, network: str | None = None
) -> Autoencoder:
    model = narrows.build(samples.description, network, 8, purpose=purpose)
    for _ in narrows.fit(model, samples, Settings(steps=steps, validation=0.2)):
        pass
    assert isinstance(model, Autoencoder)
    return model


@torch.no_grad()
def moved(model: Autoencoder, samples: Samples) -> float:
    """How far codes of other looks at samples are, as a share of how far apart samples are."""
    x = to_tensor(np.asarray(samples.values), samples.description)
    looks = view(x, torch.Generator().manual_seed(1))
    code, other = model.encoder(x), model.encoder(looks)
    return float((code - other).square().mean() / (code - code.roll(1, dims=0)).square().mean())


def test_codes_of_two_looks_are_closer_than_without_and_samples_are_still_reconstructed(digits: Samples) -> None:
    plain, model = trained(digits, "reconstruct", 400), trained(digits, steps=400)
    assert isinstance(model, Embedder)
    assert moved(model, digits) < 0.7 * moved(plain, digits)
    history = model.provenance["history"]
    assert history[-1]["score"] < history[0]["score"]
    assert history[-1]["validation_mse"] < 0.5 * np.var(np.asarray(digits.values) / digits.description.high)


def test_it_is_saved_and_read_and_serves_every_use_of_a_code(digits: Samples, tmp_path: Path) -> None:
    trained(digits, steps=5).save(tmp_path / "model.safetensors")
    model = narrows.load(tmp_path / "model.safetensors")
    assert isinstance(model, Embedder)
    learn(model, digits)
    assert embed(model, digits).rows.shape == (len(digits), 8)
    assert len(outliers(model, digits).scores) == len(digits)
    assert sample(model, 3).shape == (3, *digits.description.shape)
    assert find(model, digits.take(np.arange(2)), digits, 1).neighbours.indices[:, 0].tolist() == [0, 1]


def test_rows_of_codes_over_a_plane_are_means_of_channels(digits: Samples) -> None:
    model = trained(digits, steps=3, network="lesson-conv")
    assert embed(model, digits).rows.shape == (len(digits), 8)
    assert embed(trained(digits, "reconstruct", 3, "lesson-conv"), digits).rows.shape[1] > 8


@pytest.mark.parametrize("data", ["digits", "table.csv"])
def test_a_training_for_it_makes_such_a_model(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text("a,b,c\n" + "".join(f"{n},{n * n % 7},{'xy'[n % 2]}\n" for n in range(60)))
    model = narrows.train(data, "model.safetensors", purpose="embed", settings=Settings(steps=3)).run()
    assert isinstance(model, Embedder)
    assert isinstance(narrows.load("model.safetensors"), Embedder)


def test_of_fewer_samples_than_numbers_in_the_code_held_out_ones_are_not_out_of_all_proportion(
    digits: Samples,
) -> None:
    few = digits.take(np.arange(30))
    model = narrows.build(few.description, purpose="embed")
    for _ in narrows.fit(model, few, Settings(steps=2)):
        pass
    assert all(0 <= entry["score"] < 1000 for entry in model.provenance["history"])


@pytest.mark.parametrize("kind", ["vectors", "signals"])
def test_vectors_and_signals_are_embedded_too(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(64, 12) if kind == "vectors" else (20, 400, 1)).astype(np.float32)
    samples = narrows.from_arrays(values, kind=None if kind == "vectors" else "signals")
    model = trained(samples, steps=3)
    assert np.isfinite(embed(model, samples).rows).all()
