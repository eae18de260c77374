"""The loop: the same bits each time, interrupted or not, and words for what went wrong."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.data.samples import Samples, from_arrays
from narrows.errors import SettingsError, TrainingError
from narrows.models.base import measured
from narrows.models.catalogue import CATALOGUE, build
from narrows.training import health, loop
from narrows.training.checkpoint import State
from narrows.training.settings import Settings, decide

AUTOENCODERS = [name for name, row in CATALOGUE.items() if "reconstruct" in row.purposes]


def train(samples: Samples, network: str = "dense", code: int | None = None, **settings: object):
    checkpoint = settings.pop("checkpoint", None)
    model = build(samples.description, network, code, seed=int(settings.get("seed", 0)))
    last = None
    for progress in narrows.fit(model, samples, Settings(**settings), checkpoint=checkpoint):
        last = progress
    return model, last


def same_bits(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("network", AUTOENCODERS)
def test_the_same_seed_gives_the_same_weights_to_the_bit(network: str, digits: Samples) -> None:
    first, second = (train(digits, network, steps=12, seed=5)[0] for _ in range(2))
    assert same_bits(first, second)
    assert not same_bits(first, train(digits, network, steps=12, seed=6)[0])


def test_crops_of_differing_images_train_to_the_same_bits(pictures: Samples) -> None:
    first, second = (train(pictures, "conv", 6, steps=5, crop=32)[0] for _ in range(2))
    assert same_bits(first, second)


@pytest.mark.parametrize(("network", "code", "epochs"), [("dense", 8, 14), ("conv", 4, 5), ("lesson-linear", 8, 20)])
def test_training_improves_on_the_start(network: str, code: int, epochs: int, digits: Samples) -> None:
    model, last = train(digits, network, code, epochs=epochs, validation=0.2)
    assert last.finished
    assert last.step == last.steps
    # One layer each way can do little more than PCA; the others can.
    share = 0.95 if network == "lesson-linear" else 0.8
    assert last.validation_mse < share * model.provenance["metrics"]["pca_mse"]


@pytest.mark.parametrize("network", ["dense", "lesson-conv"])
@pytest.mark.parametrize("stop", [1, 7, 24])
def test_a_run_closed_early_resumes_to_the_same_bits(
    network: str, stop: int, digits: Samples, tmp_path: Path
) -> None:
    settings = Settings(steps=25, seed=2)
    undisturbed = build(digits.description, network, seed=2)
    list(narrows.fit(undisturbed, digits, settings))

    path = tmp_path / "checkpoint"
    model = build(digits.description, network, seed=2)
    # Writing a checkpoint at every step also makes the loop yield at every step.
    run = narrows.fit(model, digits, settings, checkpoint=path, checkpoint_seconds=0)
    assert [progress.step for progress in itertools.islice(run, stop)] == list(range(1, stop + 1))
    run.close()
    assert np.isfinite(model.encode(digits.values[:5])).all()

    resumed = build(digits.description, network, seed=2)
    last = list(narrows.fit(resumed, digits, settings, checkpoint=path, resume=True))[-1]
    assert last.finished
    assert same_bits(undisturbed, resumed)
    assert resumed.provenance["history"] == undisturbed.provenance["history"]


def test_a_checkpoint_of_another_run_is_refused(digits: Samples, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    model = build(digits.description, "dense", 8)
    next(run := narrows.fit(model, digits, Settings(steps=9), checkpoint=path))
    run.close()
    for settings, data, words in (
        (Settings(steps=9, seed=1), digits, "seed was 0, is 1"),
        (Settings(steps=9), digits.take(np.arange(100)), "data differs"),
    ):
        with pytest.raises(SettingsError, match=words):
            list(narrows.fit(build(digits.description, "dense", 8), data, settings, checkpoint=path, resume=True))
    with pytest.raises(SettingsError, match="no checkpoint to resume from"):
        list(narrows.fit(model, digits, Settings(steps=9), checkpoint=tmp_path / "none", resume=True))


def test_a_damaged_checkpoint_is_refused(digits: Samples, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    next(run := narrows.fit(build(digits.description, "dense", 8), digits, Settings(steps=9), checkpoint=path))
    run.close()
    whole, model = path.read_bytes(), build(digits.description, "dense", 8)
    for content in (whole[:-100], whole[:100], b""):
        path.write_bytes(content)
        with pytest.raises(narrows.NarrowsError, match="start without --resume"):
            list(narrows.fit(model, digits, Settings(steps=9), checkpoint=path, resume=True))


def test_a_budget_in_minutes_fixes_the_steps_and_ends_the_schedule(digits: Samples) -> None:
    model, last = train(digits, "lesson-linear", minutes=0.03)
    assert last.step == last.steps > 10
    assert model.provenance["plan"]["steps"] == last.steps


def test_the_schedule_rises_falls_and_ends_at_zero(digits: Samples) -> None:
    plan = decide(build(digits.description), digits, Settings(steps=200))
    rates = [plan.rate(step) for step in range(200)]
    assert 0 < rates[0] < 0.1
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[-1] < 1e-3
    assert np.argmax(rates) == pytest.approx(20, abs=1)


@pytest.mark.parametrize("network", ["lesson-linear", "lesson-conv", "dense"])
def test_a_learning_rate_given_by_hand_is_adams_and_stays_constant(network: str, digits: Samples) -> None:
    plan = decide(build(digits.description, network), digits, Settings(steps=50, learning_rate=1e-3))
    assert {plan.rate(step) for step in range(50)} == {1.0}
    assert (plan.learning_rate, plan.muon) == (1e-3, 0.0)


def test_the_seed_decides_what_is_held_out_and_the_model_says_so(digits: Samples) -> None:
    model, last = train(digits, "lesson-linear", steps=5, validation=0.1)
    assert (last.plan.training, last.plan.validation) == (1437 - 144, 144)
    assert model.provenance["plan"]["validation"] == 144
    assert train(digits, "lesson-linear", steps=5, validation=0)[1].plan.validation == 0


def test_a_loss_that_is_no_number_stops_with_words(digits: Samples) -> None:
    with pytest.raises(TrainingError, match="no longer a number"):
        train(digits, "lesson-conv", steps=300, learning_rate=1e30, schedule="constant")


def test_dead_units_are_counted(digits: Samples) -> None:
    model = build(digits.description, "lesson-linear", 8)
    settings = Settings(steps=3, start="random", learning_rate=1e-6)
    with torch.no_grad():
        model.encoder[1].bias.fill_(-100)
    notes = list(narrows.fit(model, digits, settings))[-1].notes
    assert any("8 of 8 code units are dead" in note for note in notes)
    assert any("no better than the mean sample" in note for note in notes)


def test_a_network_worse_than_pca_is_told_apart_from_one_that_is_better(digits: Samples) -> None:
    notes = train(digits, "dense", 8, steps=3, start="random")[1].notes
    assert any("no better than PCA with as many numbers" in note or "mean sample" in note for note in notes)
    assert train(digits, "dense", 8, epochs=10)[1].notes == ()


def test_overfitting_is_said_and_the_best_weights_are_kept(digits: Samples) -> None:
    model, last = train(digits.take(np.arange(60)), "dense", 8, steps=200, learning_rate=3e-3, validation=0.3)
    assert any("overfitting" in note for note in last.notes)
    history = model.provenance["history"]
    assert last.validation_mse == min(h["validation_mse"] for h in history) < history[-1]["validation_mse"]


def test_a_rise_of_validation_is_told_from_one_percent_on_where_training_reached_its_end() -> None:
    state = State(best_score=0.000434, best_mse=0.000434, best_step=7, step=20)
    assert health.overfitting(state, 0.000437, True, 20) == []
    (note,) = health.overfitting(state, 0.000441, True, 20)
    assert "overfitting: the validation error rose by 2% after step 7; the weights of that step were kept" in note
    assert health.overfitting(state, 0.000441, True, 200) == []  # it was stopped early
    (note,) = health.overfitting(state, 0.0005, False, 20)
    assert "validation" not in note
    assert "the error on training samples rose" in note


def test_where_nothing_is_held_out_no_validation_error_is_told(digits: Samples) -> None:
    for samples, settings in ((digits, {"validation": 0.0}), (digits.take(np.arange(1)), {})):
        model, last = train(samples, "dense", 4, steps=3, **settings)
        assert model.provenance["metrics"]["validation_mse"] is None
        assert np.isfinite(last.validation_mse)
        assert not any("validation" in note for note in last.notes)


def test_the_history_begins_with_the_start(digits: Samples) -> None:
    model, _ = train(digits, "dense", 8, steps=3)
    start, end = model.provenance["history"]
    assert (start["step"], end["step"]) == (0, 3)
    assert start["validation_mse"] == pytest.approx(model.provenance["metrics"]["pca_mse"], rel=1e-2)
    assert "loss" not in start


def test_a_code_that_keeps_everything_gets_no_warnings() -> None:
    table = from_arrays(np.random.default_rng(0).random((200, 6)).astype(np.float32))
    assert train(table, "dense", 6, steps=30)[1].notes == ()


@pytest.mark.parametrize("every", [0, 1000])
def test_a_checkpoint_that_cannot_be_written_costs_a_word_and_not_the_training(
    every: float, digits: Samples, tmp_path: Path
) -> None:
    models = []
    for checkpoint in (None, tmp_path / "no folder" / "checkpoint"):
        model = build(digits.description, "lesson-linear", 4)
        run = narrows.fit(model, digits, Settings(steps=5), checkpoint=checkpoint, checkpoint_seconds=every)
        models.append((model, list(run)[-1].notes))
    assert same_bits(models[0][0], models[1][0])
    assert not any("checkpoint" in note for note in models[0][1])
    assert "cannot be written" in models[1][1][0]
    assert models[1][0].provenance["notes"] == list(models[1][1])


def test_one_sample_alone_can_be_learned() -> None:
    for data in (np.full((1, 8, 8), 9, np.uint8), np.ones((1, 3), np.float32)):
        model, last = train(from_arrays(data), "dense", 2, steps=4)
        assert last.finished
        assert np.isfinite(model.encode(data if data.ndim < 3 else data[..., None])).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, "epochs 0 was given; allowed is a finite number above 0"),
        ({"epochs": 1, "steps": 2}, "choose one"),
        ({"minutes": -1}, "minutes -1"),
        ({"batch_size": 0}, "batch size 0"),
        ({"learning_rate": float("nan")}, "learning rate nan"),
        ({"validation": 1.0}, "from 0 up to 0.9"),
        ({"crop": 4}, "from 8"),
        ({"shift": 99}, "0 to 8"),
        ({"seed": -1}, "from 0"),
        ({"seed": 10**30}, "seed 10000"),
        ({"seed": 1.5}, "seed 1.5 was given; allowed is a whole number"),
        ({"steps": 1.5}, "steps 1.5"),
        ({"steps": True}, "steps True"),
        ({"epochs": "a"}, "epochs 'a'"),
        ({"epochs": float("inf")}, "allowed is a finite number"),
        ({"batch_size": "3"}, "batch size '3'"),
        ({"learning_rate": "x"}, "learning rate 'x'"),
        ({"validation": "x"}, "validation 'x'"),
        ({"validation": None}, "validation None"),
        ({"threads": 1.5}, "threads 1.5"),
        ({"threads": 100_000}, "threads 100000 was given; allowed is a whole number from 1 to"),
        ({"start": "kmeans"}, "allowed are pca, random"),
        ({"precision": "int4"}, "allowed are float32, bfloat16"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_line(settings: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_count_and_are_kept_as_plain_ones() -> None:
    settings = Settings(steps=np.int64(3), learning_rate=np.float32(0.5), seed=np.uint8(2))
    assert [type(v) for v in (settings.steps, settings.learning_rate, settings.seed)] == [int, float, int]


def test_a_time_between_checkpoints_that_makes_no_sense_is_refused(digits: Samples) -> None:
    for seconds in (-1, float("nan"), "x", True):
        run = narrows.fit(build(digits.description), digits, Settings(steps=1), checkpoint_seconds=seconds)
        with pytest.raises(SettingsError, match="checkpoint seconds"):
            next(run)


def test_an_unknown_device_is_refused(digits: Samples) -> None:
    for device in ("warp", "cuda:99", "xpu", 1.5):
        with pytest.raises(SettingsError, match="cannot be used"):
            train(digits, "dense", steps=2, device=device)


def test_what_the_machine_decided_is_decided_alike_and_stored(digits: Samples) -> None:
    plans = [decide(build(digits.description), digits, Settings()) for _ in range(2)]
    assert plans[0] == plans[1]
    model, _ = train(digits, "dense", steps=3)
    assert {"precision", "threads", "device"} <= model.provenance["plan"].keys()


def test_threads_are_put_back(digits: Samples) -> None:
    before = torch.get_num_threads()
    train(digits, "lesson-linear", steps=3, threads=1)
    assert torch.get_num_threads() == before


def test_a_trained_model_goes_on_from_where_it_was(digits: Samples) -> None:
    model, first = train(digits, "dense", 8, epochs=5)
    last = list(narrows.fit(model, digits, Settings(epochs=5)))[-1]
    assert last.validation_mse < first.validation_mse
    assert last.plan.start == "none, trained before"


def test_what_validation_measures_is_the_same_in_pieces(digits: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(digits.description, "dense", 8)
    x = torch.rand(50, 1, 8, 8)
    whole = measured(model, x, 0)
    monkeypatch.setattr("narrows.models.base.MEASURED_VALUES", {2: 7 * 64})
    assert measured(model, x, 0).mse == pytest.approx(whole.mse, rel=1e-5)


def test_a_pause_is_no_time_of_training(digits: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stopped, step = time.perf_counter, [0.0], loop._step
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + stopped[0])

    def interrupted(*arguments):
        stopped[0] += 3600 if arguments[4] == 7 else 0
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", interrupted)
    model, last = train(digits, steps=10)
    assert last.seconds < 600
    assert model.provenance["seconds"] < 600
