"""Models that compress train in the same loop: the same bits each time, interrupted or not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import narrows
from narrows.data.samples import Samples
from narrows.errors import SettingsError
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.training.settings import Settings

SETTINGS = Settings(steps=12, batch_size=32, seed=3)


def fresh(digits: Samples) -> Model:
    return build(digits.description, width=16, seed=3, purpose="compress")


def same_bits(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_codec_closed_early_resumes_to_the_same_bits(digits: Samples, tmp_path: Path) -> None:
    undisturbed = fresh(digits)
    list(narrows.fit(undisturbed, digits, SETTINGS))
    path = tmp_path / "checkpoint"
    run = narrows.fit(fresh(digits), digits, SETTINGS, checkpoint=path, checkpoint_seconds=0)
    for progress in run:
        if progress.step >= 5:
            run.close()
            break
    resumed = fresh(digits)
    last = list(narrows.fit(resumed, digits, SETTINGS, checkpoint=path, resume=True))[-1]
    assert last.finished
    assert same_bits(resumed, undisturbed)


def test_training_finds_fewer_bits_for_less_error(digits: Samples) -> None:
    model = fresh(digits)
    list(narrows.fit(model, digits, Settings(steps=30, batch_size=64, validation=0.2)))
    history = model.provenance["history"]
    assert history[-1]["score"] < 0.95 * history[0]["score"]
    assert model.provenance["metrics"]["validation_bits"] > 0


def test_networks_without_a_dial_do_not_compress(digits: Samples) -> None:
    with pytest.raises(SettingsError, match="levels"):
        build(digits.description, "lesson-linear", purpose="compress")
