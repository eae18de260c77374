"""fit(): the one training loop, read from top to bottom.

It yields progress and prints nothing. Batches and validation depend on the seed and the step alone, so the same data,
settings and machine give the same weights to the bit, whether or not the run was interrupted.
Next door: `settings` makes the plan, `checkpoint` stores the state.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from narrows.checks import real
from narrows.data.batches import Batches, Indices, split
from narrows.data.samples import Samples
from narrows.errors import OutputError, SettingsError, TrainingError
from narrows.models.base import TRAINED, Beginning, Model, measured
from narrows.models.lossy import companions
from narrows.training import checkpoint as checkpoints
from narrows.training import device as devices
from narrows.training import health
from narrows.training.average import SHARE, Average
from narrows.training.checkpoint import State
from narrows.training.optimiser import Optimiser
from narrows.training.settings import Plan, Settings, decide, validation_interval

YIELD_SECONDS = 0.2
PAUSE_SECONDS = 60.0  # and twenty times the usual; a step that takes longer is not counted as time of training
MOST_GRADIENT = 10.0  # the norm of a gradient at a steady rate
VALIDATION_BYTES = 256 << 20  # of floats


@dataclass(frozen=True)
class Progress:
    """Where training stands. `loss` is the mean training loss since the last validation, `validation_mse` the last
    one measured (on training samples if none are held out), `validation_loss` the same in the units of the loss,
    `validation_bits` the bits per sample, if they are counted. `stage` is "training", or "whole numbers" while a
    model that compresses is made ready for files; `notes` say what went wrong, if anything did: those of the last,
    `finished` progress all of it."""

    step: int
    steps: int
    epoch: float
    seconds: float
    loss: float
    validation_mse: float
    samples_per_second: float
    plan: Plan
    validation_bits: float | None = None
    validation_loss: float | None = None
    stage: str = "training"
    finished: bool = False
    notes: tuple[str, ...] = ()


def fit(
    model: Model,
    samples: Any,
    settings: Settings | None = None,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 30.0,
    resume: bool = False,
) -> Generator[Progress, None, None]:
    """Train `model` in place on samples (see `open_samples` and `from_arrays`), yielding progress.

    With `checkpoint`, the whole state is written there every `checkpoint_seconds`, when the iteration is closed
    early, and after the last step (if it cannot be written, the final notes say so); `resume` continues from it.
    However the iteration ends, the model then holds the weights that validated best, and its `provenance` says how
    they were trained.

    Raises `DataError`, `ModelError` or `SettingsError` for samples or settings that do not fit, `TrainingError` when
    the loss is no longer a number.
    """
    settings = settings or Settings()
    real("checkpoint seconds", checkpoint_seconds, 0)
    samples = model.fitting(samples)
    plan = decide(model, samples, settings)
    run = {
        "specification": model.specification.to_json(),
        "settings": asdict(settings) | {"minutes": settings.minutes and 0},  # the plan has the steps
        "data": checkpoints.fingerprint(samples),
    }
    with devices.using(plan.threads):
        yield from _train(model.to(plan.device), samples, plan, run, settings, checkpoint, checkpoint_seconds, resume)


def _train(
    model: Model,
    samples: Samples,
    plan: Plan,
    run: dict[str, Any],
    settings: Settings,
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_seconds: float,
    resume: bool,
) -> Generator[Progress, None, None]:
    began = time.perf_counter()
    training, batches, validation_x = _drawn(model, samples, plan)

    state = State(earlier=model.provenance.get("from", []))
    model.start(samples, training, Beginning(plan.start, plan.crop, plan.seed, plan.device))
    if resume:
        if checkpoint is None:
            raise SettingsError("resume was asked for without a checkpoint; name one")
        state, tensors, stored = checkpoints.read(checkpoint, run)
        plan = Plan(**stored)
        began -= state.seconds
    optimisers = _optimisers(model, plan)
    average = Average(model, SHARE if plan.schedule == "steady" else 0.0)
    if resume:
        model.load_state_dict(checkpoints.under(tensors, "model."))
        for number, optimiser in enumerate(optimisers):
            optimiser.restore(checkpoints.under(tensors, f"optimiser.{number}."))
        average.restore(checkpoints.under(tensors, "mean."))
    measuring = time.perf_counter()
    if state.step == 0:
        _validate(model, validation_x, plan.seed, state)
    if settings.minutes and not resume:
        now = time.perf_counter()
        # When training has ended, as much is measured twice more.
        plan = _with_steps(plan, model, batches, settings.minutes - (now - began + 2 * (now - measuring)) / 60)
    run["plan"] = plan.to_json()

    def progress(**more: Any) -> Progress:
        seconds = time.perf_counter() - began
        seen = state.step * plan.batch_size
        last = state.history[-1] if state.history else {}
        loss = state.loss_sum / state.loss_steps if state.loss_steps else last.get("loss", float("nan"))
        return Progress(
            step=state.step,
            steps=plan.steps,
            epoch=seen / plan.training,
            seconds=seconds,
            loss=float(loss),
            validation_mse=last.get("validation_mse", state.best_mse),
            validation_bits=last.get("bits", state.best_bits),
            validation_loss=last.get("score"),
            samples_per_second=seen / seconds,
            plan=plan,
            **more,
        )

    def save_state() -> None:
        if checkpoint is not None:
            state.seconds = time.perf_counter() - began
            now = {f"model.{k}": v for k, v in model.state_dict().items()}
            for number, optimiser in enumerate(optimisers):
                now |= {f"optimiser.{number}.{k}": v for k, v in optimiser.state().items()}
            now |= {f"mean.{k}": v for k, v in average.mean.items()}
            try:
                checkpoints.write(checkpoint, state, now, run)
            except OutputError as error:  # a full disk: worth a note, but not the training
                trouble[:] = [f"{error}; an interrupted run could not continue from here"]

    trouble: list[str] = []
    # In double precision, so that the sum does not depend on how often it is read.
    running = torch.zeros((), dtype=torch.float64, device=plan.device)
    said = saved = time.perf_counter()
    try:
        while state.step < plan.steps:
            before_step = time.perf_counter()
            running += _step(model, batches, optimisers, plan, state.step, plan.rate(state.step))
            state.step += 1
            state.loss_steps += 1
            average.update(state.step)

            due = state.step % plan.validate_every == 0 or state.step == plan.steps
            now = time.perf_counter()
            if now - before_step > max(PAUSE_SECONDS, 20 * (before_step - began) / state.step):
                began += now - before_step  # the program was stopped, or the computer slept
            if due or now - said > YIELD_SECONDS or now - saved > checkpoint_seconds:
                state.loss_sum += running.item()
                running.zero_()
                if not np.isfinite(state.loss_sum):
                    raise _diverged(state)
                if due:
                    with average.applied():
                        _validate(model, validation_x, plan.seed, state)
                if now - saved > checkpoint_seconds:
                    before = list(trouble)
                    save_state()
                    saved = now
                    if trouble != before:
                        yield progress(notes=tuple(trouble))
                said = now
                yield progress()
        save_state()
    except GeneratorExit:
        save_state()
        raise
    finally:
        last_score = state.history[-1]["score"] if state.history else float("nan")
        if state.best:
            model.load_state_dict(state.best)
        model.eval()
        notes = trouble + health.overfitting(state, last_score, plan.validation > 0, plan.steps)
        model.provenance = checkpoints.provenance(samples, plan, state, time.perf_counter() - began, notes)
    seen = Batches(samples, training, min(len(training), len(validation_x)), 0, plan.crop, beside=batches.beside)
    alone = validation_x if batches.beside is None else validation_x[:, : model.description.channels]
    metrics = {"train_mse": measured(model, seen.draw(0), plan.seed).mse, **model.baselines(alone)}
    model.provenance["metrics"] |= metrics
    notes += model.examine(alone, state.best_mse)
    model.provenance["notes"] = notes
    model.settle(alone)
    last = progress(finished=True, notes=tuple(notes))
    yield replace(last, validation_mse=state.best_mse, validation_bits=state.best_bits)


def first_score(model: Model, samples: Any, settings: Settings, beside: Model) -> float:
    """The score of held-out samples before the first step, the model put at its start, as it compares with that of
    the model `beside`; the lower the better. Raises as `fit` does."""
    samples = model.fitting(samples)
    plan = decide(model, samples, settings)
    with devices.using(plan.threads):
        training, _, validation_x = _drawn(model.to(plan.device), samples, plan)
        model.start(samples, training, Beginning(plan.start, plan.crop, plan.seed, plan.device))
        model.judge_as(beside)
        return measured(model, validation_x, plan.seed).score


def _drawn(model: Model, samples: Samples, plan: Plan) -> tuple[Indices, Batches, torch.Tensor]:
    """The numbers of the samples to train on, their batches, and what is held out, or some of the former."""
    training, held = split(len(samples), plan.validation, plan.seed)
    align, beside = model.grid.align, companions(model, samples)
    batches = Batches(
        samples,
        training,
        plan.batch_size,
        plan.seed,
        plan.crop,
        plan.shift,
        plan.device,
        align,
        beside,
        model.recipe.views if plan.crop else 1,
    )
    watched = held if len(held) else training[: plan.batch_size]
    validation = Batches(
        samples, watched, len(watched), plan.seed + 1, plan.crop, device=plan.device, align=align, beside=beside
    )
    each = model.description.values_in(plan.crop) * (1 if beside is None else 2)
    validation.size = max(1, min(len(watched), VALIDATION_BYTES // (4 * each)))
    return training, batches, validation.draw(0)


def _step(
    model: Model, batches: Batches, optimisers: list[Optimiser], plan: Plan, step: int, rate: float
) -> torch.Tensor:
    """One training step at `rate` times the learning rates; returns the loss."""
    x = batches.draw(step)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
        loss = model.train().loss(x, step, plan.seed)
    loss.backward()  # type: ignore[no-untyped-call]
    if plan.schedule == "steady":  # a rate that does not fall leaves a bad batch more power
        torch.nn.utils.clip_grad_norm_(model.parameters(), MOST_GRADIENT)
    for optimiser in optimisers:
        optimiser.step(rate)
    return loss.detach()


def _optimisers(model: Model, plan: Plan) -> list[Optimiser]:
    half = plan.precision == "bfloat16"
    trained = plan.start == TRAINED
    parts = model.trained(plan.learning_rate, plan.muon)
    return [Optimiser(p.module, p.learning_rate, p.muon, half, trained) for p in parts]


def _with_steps(plan: Plan, model: Model, batches: Batches, minutes: float) -> Plan:
    """The plan with as many steps as fit into the minutes; a few are timed, at a learning rate of 0."""
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trial = _optimisers(model, plan)
    count, began, seconds = 0, time.perf_counter(), 0.0
    while seconds < 1.0 or count < 3:
        _step(model, batches, trial, plan, count, 0.0)
        count += 1
        if count == 1:  # the first step also builds kernels and is not representative
            began = time.perf_counter()
        seconds = time.perf_counter() - began
    model.load_state_dict(before)
    # Validation and checkpoints take about a twentieth of the time.
    steps = max(1, int(0.95 * (60 * minutes - seconds) / (seconds / (count - 1))))
    every = validation_interval(steps, plan.validation, plan.batch_size)
    return replace(plan, steps=steps, validate_every=every)


def _validate(model: Model, x: torch.Tensor, seed: int, state: State) -> None:
    found = measured(model, x, seed)
    if not np.isfinite(found.score):
        raise _diverged(state)
    said = {"loss": state.loss_sum / state.loss_steps} if state.loss_steps else {}  # the start has none
    said |= {"validation_mse": found.mse, "score": found.score}
    state.history.append({"step": state.step, **said} | ({} if found.bits is None else {"bits": found.bits}))
    state.loss_sum, state.loss_steps = 0.0, 0
    if found.score < state.best_score:
        state.best_score, state.best_mse, state.best_bits = found.score, found.mse, found.bits
        state.best_step = state.step
        state.best = {k: v.detach().clone() for k, v in model.state_dict().items()}


def _diverged(state: State) -> TrainingError:
    kept = f"; the weights of step {state.best_step} were kept" if state.best else ""
    return TrainingError(
        f"the loss is no longer a number after step {state.step}{kept}; "
        "lower the learning rate or use --precision float32"
    )
