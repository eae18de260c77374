"""Training that begins at the weights of another model, and the mean of late weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import narrows
from narrows.data.samples import Samples
from narrows.errors import ModelError
from narrows.models.catalogue import build
from narrows.models.loading import begin_from
from narrows.training.average import Average
from narrows.training.loop import fit
from narrows.training.optimiser import Optimiser
from narrows.training.settings import Settings

STEADY = Settings(steps=6, batch_size=4, crop=32, schedule="steady")


def test_a_training_begins_at_the_weights_of_another_and_says_so(pictures: Samples, tmp_path: Path) -> None:
    first = build(pictures.description, "pyramid", width=16, purpose="compress")
    list(fit(first, pictures, STEADY))
    second = build(pictures.description, "pyramid", width=16, purpose="compress", seed=5)
    assert begin_from(second, first) == ()
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    run = fit(second, pictures, STEADY, checkpoint=tmp_path / "c", checkpoint_seconds=0)
    begun = next(run)
    assert begun.plan.start == "none, trained before"
    run.close()
    third = build(pictures.description, "pyramid", width=16, purpose="compress")
    last = list(fit(third, pictures, STEADY, checkpoint=tmp_path / "c", resume=True))[-1]
    assert last.finished
    (earlier,) = third.provenance["from"]
    assert earlier["steps_done"] == 6
    assert third.provenance["history"][0]["score"] <= first.provenance["history"][0]["score"]


def test_matrices_decay_towards_what_training_began_with_and_others_towards_0() -> None:
    ends = []
    for trained in (False, True):
        layer = torch.nn.Linear(9, 9, bias=False)
        torch.nn.init.ones_(layer.weight)
        optimiser = Optimiser(layer, 1e-3, 1e-1, half=False, trained=trained)
        with torch.no_grad():
            layer.weight.mul_(2)
        for _ in range(100):
            layer.weight.grad = torch.zeros(9, 9)
            optimiser.step(1.0)
        ends.append(float(layer.weight.detach().mean()))
    assert ends[0] == pytest.approx(2 * 0.99**100, rel=1e-3)
    assert ends[1] == pytest.approx(1 + 0.99**100, rel=1e-3)


def test_a_state_of_version_0_1_0_decays_towards_0_as_it_did() -> None:
    layer = torch.nn.Linear(9, 9, bias=False)
    optimiser = Optimiser(layer, 1e-3, 1e-1, half=False, trained=True)
    optimiser.restore({name: tensor for name, tensor in optimiser.state().items() if not name.startswith("origin")})
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.zeros(9, 9)
    optimiser.step(1.0)
    assert torch.allclose(layer.weight, 0.99 * before)


@pytest.mark.parametrize("schedule", ["steady", "one-cycle"])
def test_a_begun_training_goes_on_to_the_same_bits(pictures: Samples, tmp_path: Path, schedule: str) -> None:
    settings = Settings(steps=6, batch_size=4, crop=32, schedule=schedule)  # type: ignore[arg-type]
    first = build(pictures.description, "pyramid", width=16, purpose="compress")
    list(fit(first, pictures, STEADY))
    ends = []
    for stops in (False, True):
        model = build(pictures.description, "pyramid", width=16, purpose="compress")
        begin_from(model, first)
        run = fit(model, pictures, settings, checkpoint=tmp_path / "c", checkpoint_seconds=0)
        if stops:
            next(run)
            next(run)
            run.close()
            model = build(pictures.description, "pyramid", width=16, purpose="compress")
            run = fit(model, pictures, settings, checkpoint=tmp_path / "c", resume=True)
        list(run)
        ends.append(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(end.values() for end in ends), strict=True))


def test_what_does_not_fit_is_left_and_what_has_nothing_in_common_refused(pictures: Samples, digits: Samples) -> None:
    narrow = build(pictures.description, "pyramid", width=16, purpose="compress")
    wide = build(pictures.description, "pyramid", width=32, purpose="compress")
    left = begin_from(wide, narrow)
    assert "encoder.last.weight" in left
    assert "encoder.linear.weight" not in left
    with pytest.raises(ModelError, match="nothing in common"):
        begin_from(build(digits.description, "lesson-linear"), narrow)


def test_the_mean_of_late_weights_reaches_back_a_twentieth() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    average = Average(model, 0.05)
    for step in range(1, 2001):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.update(step)
    assert 1850 < float(average.mean["weight"]) < 1950
    with average.applied():
        assert model.weight.item() < 1950
    assert model.weight.item() == 2000
    nothing = Average(model, 0.0)
    nothing.update(1)
    with nothing.applied():
        assert model.weight.item() == 2000


def test_a_steady_training_goes_on_to_the_same_bits(pictures: Samples, tmp_path: Path) -> None:
    whole, parted = (build(pictures.description, "pyramid", width=16, purpose="compress") for _ in range(2))
    list(fit(whole, pictures, STEADY))
    run = fit(parted, pictures, STEADY, checkpoint=tmp_path / "c", checkpoint_seconds=0)
    next(run)
    next(run)
    run.close()
    parted = build(pictures.description, "pyramid", width=16, purpose="compress")
    list(fit(parted, pictures, STEADY, checkpoint=tmp_path / "c", resume=True))
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), parted.state_dict().values(), strict=True)
    )
    assert narrows.Settings(schedule="steady").schedule == "steady"
