"""`narrows.train` does from Python what `narrows train` does: it plans, keeps both promises, saves, and goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Missing, Noise
from narrows.errors import OutputError, SettingsError, TrainingError
from narrows.models.base import Model

QUICK = narrows.Settings(steps=2, batch_size=16)


@pytest.fixture(scope="module")
def few(digits: Samples) -> Samples:
    return digits.take(np.arange(60))


def same_weights(a: Model, b: Model) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_a_codec_for_both_promises_is_planned_trained_and_saved(few: Samples, tmp_path: Path) -> None:
    path = tmp_path / "codec.safetensors"
    training = narrows.train(few, path, purpose="compress", settings=QUICK)
    seen = list(training)
    assert [p.finished for p in seen].count(True) == 2  # a lossy and an exact model
    assert {p.stage for p in seen} == {"training", "whole numbers"}
    assert not list(tmp_path.glob("*.checkpoint"))
    for model in (training.model, narrows.load(path)):
        exact = narrows.Codec(model, max_error=0)
        assert np.array_equal(exact.decompress(exact.compress(few.values)), few.values)
        lossy = narrows.Codec(model, quality=50)
        assert lossy.decompress(lossy.compress(few.values)).shape == few.values.shape
        assert model.provenance["exact"]["steps_done"] == 2


def test_run_trains_to_the_end_and_returns_the_saved_model(few: Samples, tmp_path: Path) -> None:
    model = narrows.train(few, tmp_path / "m", network="dense", code=4, settings=QUICK).run()
    assert model.specification.code == 4
    assert same_weights(model, narrows.load(tmp_path / "m"))


def test_the_purpose_and_its_degradation_make_a_model_that_restores(few: Samples, tmp_path: Path) -> None:
    usual = narrows.train(few, tmp_path / "m", purpose="denoise", settings=QUICK)
    assert str(usual.degradation).startswith("gaussian noise")
    model = narrows.train(few, tmp_path / "m", purpose="denoise", degradation=Noise(0.1), settings=QUICK).run()
    assert model.specification.purpose == "denoise"
    assert narrows.restore(model, few, strength=0.1).shape == few.values.shape


def test_an_iteration_closed_early_saves_and_goes_on_to_the_same_bits(few: Samples, tmp_path: Path) -> None:
    settings = narrows.Settings(steps=12, batch_size=16, seed=3)
    undisturbed = narrows.train(few, tmp_path / "whole", network="dense", settings=settings).run()
    path = tmp_path / "m"
    iteration = iter(narrows.train(few, path, network="dense", settings=settings, checkpoint_seconds=0))
    for progress in iteration:
        if progress.step >= 5:
            iteration.close()
    assert narrows.load(path).provenance["steps_done"] < 12
    assert (tmp_path / "m.checkpoint").exists()
    resumed = narrows.train(few, path, network="dense", settings=settings, resume=True).run()
    assert same_weights(resumed, undisturbed)
    assert not (tmp_path / "m.checkpoint").exists()


def test_what_cannot_be_trained_is_refused_before_anything_is_read(few: Samples, tmp_path: Path) -> None:
    path = tmp_path / "m"
    for arguments, words in (
        ({"network": "deep"}, "network 'deep' was given"),
        ({"effort": "fast"}, "for models that compress"),
        ({"layers": 3}, "layers was given; allowed are begin, code"),
        ({"purpose": "compress", "effort": "fast", "width": 32}, "choose one"),
        ({"purpose": "denoise", "degradation": Missing(0.5)}, "goes with inpaint"),
        ({"resume": True}, "no checkpoint to resume from"),
        ({"network": "dense", "settings": narrows.Settings(crop=8)}, "whole samples only"),
    ):
        with pytest.raises(SettingsError, match=words):
            narrows.train("there-is-no-such-set", path, **arguments)
    with pytest.raises(OutputError):
        narrows.train(few, tmp_path / "none" / "m")
    with pytest.raises(SettingsError, match="iterate over the training first"):
        _ = narrows.train(few, path, settings=QUICK).model
    assert not path.exists()


def test_the_best_weights_are_saved_when_the_loss_is_no_number(few: Samples, tmp_path: Path) -> None:
    settings = narrows.Settings(steps=40, batch_size=16, learning_rate=1e30)
    training = narrows.train(few, tmp_path / "m", network="dense", settings=settings)
    with pytest.raises(TrainingError, match="no longer a number"):
        training.run()
    assert narrows.load(tmp_path / "m").provenance["metrics"]["step"] == 0


def test_a_model_built_and_fitted_in_python_is_a_codec(few: Samples) -> None:
    model = narrows.build(few.description, purpose="compress")
    for _ in narrows.fit(model, few, QUICK):
        pass
    codec = narrows.Codec(model, quality=50)
    assert codec.decompress(codec.compress(few.values)).shape == few.values.shape


def test_samples_that_are_noisy_themselves_are_told_and_clean_ones_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :64]
    clean = np.stack([128 + 60 * np.sin(rows / (8 + n) + columns / (5 + n)) for n in range(6)])
    for sigma, told in ((0, False), (12, True)):
        x = np.clip(np.rint(clean + rng.normal(0, sigma, clean.shape)), 0, 255).astype(np.uint8)
        for purpose in ("denoise", "upscale", "reconstruct"):
            training = narrows.train(x, tmp_path / "m", purpose=purpose, settings=narrows.Settings(steps=1))
            noted = any("the samples seem noisy themselves, at a level of about 0.05" in n for n in training.notes)
            assert noted == (told and purpose != "reconstruct")
