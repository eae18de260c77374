"""From data to a saved model: the whole of `narrows train`, as an iteration.

Next door: `planner` decides what is trained; `training.loop` trains it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from narrows.checks import real
from narrows.codecs.make import make_compact
from narrows.data.sources import refuse_overwriting
from narrows.degradations.base import Degradation
from narrows.errors import OutputError, SettingsError, TrainingError
from narrows.io.atomic import check_new, check_writable
from narrows.io.images import Report
from narrows.models.autoencoder import Autoencoder
from narrows.models.base import Model, Purpose
from narrows.models.catalogue import named
from narrows.models.loading import begin_from, check_room, seconds_of
from narrows.models.lossy import Compressing
from narrows.surroundings import own
from narrows.tasks.density import LEAST_SAMPLES, learn
from narrows.tasks.opening import open_data
from narrows.tasks.planner import Choices, plan
from narrows.tasks.suited import copies
from narrows.training import checkpoint as checkpoints
from narrows.training import device as devices
from narrows.training import loop
from narrows.training.loop import Progress
from narrows.training.settings import Settings

_log = logging.getLogger(__name__)
FIRST = 0.6  # of the minutes for both promises, the share of the first
CONVERTING = 0.03  # of the minutes, at least, for the way of a model to whole numbers
QUICK = 60.0  # seconds of training; a model of fewer is replaced with a word, and needs no force
LEAST = 0.05  # of the minutes, for each job, however late it is


@own
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
    early, and after the last step; `resume` goes on from it. However the iteration ends, the model then holds the
    best weights that validation saw, its `provenance` says how they came about, and a model that compresses has been
    put into whole numbers, ready for `Codec`.

    Raises `DataError`, `ModelError` or `SettingsError` for samples or settings that do not fit, `TrainingError`
    when the loss is no longer a number.
    """
    checked = model.fitting(samples)
    iteration = loop.fit(
        model, checked, settings, checkpoint=checkpoint, checkpoint_seconds=checkpoint_seconds, resume=resume
    )
    try:
        for progress in iteration:
            if progress.finished and isinstance(model, Compressing):
                yield replace(progress, finished=False, stage="whole numbers")
                make_compact(model, checked)
            yield progress
    except (GeneratorExit, TrainingError):
        iteration.close()
        if isinstance(model, Compressing):
            make_compact(model, checked)
        raise


class Training:
    """A training from data to a saved model. Iterate over it for progress; then `model` is what was saved.

    What can be refused is refused when it is made, before anything is trained. `notes` tell why the plan is as it
    is, `beginning` which weights the model that is being trained began from. When the iteration is closed early, or
    the loss is no longer a number, the best weights so far are saved, and the checkpoint beside the model lets the
    same call with `resume` go on to the same result.
    """

    @own
    def __init__(
        self,
        data: Any,
        output: str | os.PathLike[str],
        *,
        purpose: Purpose = "reconstruct",
        degradation: Degradation | None = None,
        choices: Choices | None = None,
        settings: Settings | None = None,
        skip_bad: bool = False,
        resume: bool = False,
        force: bool = False,
        checkpoint_seconds: float = 30.0,
        report: Report | None = None,
    ) -> None:
        """As `train`, with what it gathers as `choices`."""
        self._began = time.perf_counter()
        self.notes: tuple[str, ...] = ()
        self.output, self.resume, self._settings = Path(output), resume, settings or Settings()
        self._force, self._compresses = force, purpose == "compress"
        self._checkpoint_seconds = real("checkpoint seconds", checkpoint_seconds, 0)
        choices = choices or Choices()
        choices.check(purpose)
        self._check_early(data, choices, purpose)
        opened = open_data(data, purpose, degradation, choices, skip_bad, report)
        self.samples, degradation = opened.samples, opened.degradation
        self.degradation = degradation
        self.plan = plan(self.samples, purpose, choices, degradation, opened.columns)
        alike = copies(self.samples)
        self.notes += (*self.samples.notes, *opened.notes, *((alike,) if alike else ()), *self.plan.notes)
        if self._settings.minutes and len(self.plan.jobs) > 1:
            first = FIRST * self._settings.minutes
            rest = self._settings.minutes - first
            self.notes += (f"about {first:.2g} minutes for the promise of a quality, then {rest:.2g} for exactness",)
        for note in self.notes:
            _log.info(note)
        self._made: list[Model] = []
        self._converting = 0.0  # seconds that the last way to whole numbers took
        self.beginning: str | None = None

    def _check_early(self, data: Any, choices: Choices, purpose: Purpose) -> None:
        """Refuse what can be refused before the data are read."""
        if self.resume and self._force:
            raise SettingsError("of resume and force, choose one")
        check_writable(self.output)
        if isinstance(data, (str, os.PathLike)):
            refuse_overwriting(self.output, data)
        if not (self.resume or self._force) and (left := self.checkpoint(0)).exists():
            raise OutputError(
                f"{left}: an earlier run that was interrupted can go on from here; add --resume to go on with it, or "
                "--force to begin anew"
            )
        replacing = self.resume or self._force
        made = seconds_of(self.output) if self.output.is_file() and not replacing else None
        if made is not None and made < QUICK:  # nothing is lost that is worth a question
            self.notes = (f"{self.output} was there, a model of {made:.0f} seconds of training, and is replaced",)
            replacing = True
        check_new(self.output, replacing)
        if self.resume:
            checkpoints.check(self.checkpoint(0))
        if choices.network is not None and self._settings.crop and not named(choices.network, purpose).axes:
            raise SettingsError(
                f"crops were asked for, but {choices.network} takes whole samples only; leave out the crop"
            )
        devices.choose(self._settings.device)

    @property
    def model(self) -> Model:
        """The model that is, or will be, saved: for both promises of compression the lossy one, which then holds
        what the exact one needs too. Raises `SettingsError` before the iteration has begun."""
        if not self._made:
            raise SettingsError("nothing has been trained yet; iterate over the training first")
        return self._made[0]

    @property
    def current(self) -> Model:
        """The model that is being trained."""
        return self._made[-1]

    def checkpoint(self, job: int) -> Path:
        """Where the state of a job is kept while it is trained."""
        return self.output.with_name(f"{self.output.name}{'.exact' * (job > 0)}.checkpoint")

    @own
    def __iter__(self) -> Generator[Progress, None, None]:
        self._made = []
        for job in range(len(self.plan.jobs)):
            path = self.checkpoint(job)
            resume = self.resume and (path.exists() or job == 0)
            self._made.append(self.plan.build(job, self.samples, self._settings.seed) if resume else self._begun(job))
            check_room(self.output, self.current)
            iteration = fit(
                self.current,
                self.samples,
                self._timed(job),
                checkpoint=path,
                checkpoint_seconds=self._checkpoint_seconds,
                resume=resume,
            )
            try:
                converting = 0.0
                for progress in iteration:
                    if progress.stage != "training":
                        converting = time.perf_counter()
                    for note in progress.notes:
                        _log.warning(note)
                    if progress.finished:
                        self._converting = time.perf_counter() - converting if converting else 0.0
                        if isinstance(self.current, Autoencoder) and len(self.samples) >= LEAST_SAMPLES:
                            learn(self.current, self.samples)
                        self._save()
                    yield progress
            except (GeneratorExit, TrainingError):
                iteration.close()
                self._save()
                raise
        for job in range(len(self.plan.jobs)):
            self.checkpoint(job).unlink(missing_ok=True)

    def _timed(self, job: int) -> Settings:
        """The settings of a job: of the minutes in all, what is left for it now, less the ways to whole numbers."""
        minutes = self._settings.minutes
        if minutes is None or self.resume:
            return self._settings
        left = minutes - (time.perf_counter() - self._began) / 60
        last = job + 1 == len(self.plan.jobs)
        left -= 0 if last else (1 - FIRST) * minutes
        left -= max(CONVERTING * minutes, self._converting / 60) if self._compresses else 0.0
        return replace(self._settings, minutes=max(left, LEAST * minutes))

    def _begun(self, job: int) -> Model:
        """The model of a job, with the weights that it begins from."""
        model, begin = self.plan.build(job, self.samples, self._settings.seed), self.plan.begins[job]
        self.beginning = None
        if begin is None:
            return model
        name, other = begin
        left = begin_from(model, other)
        parts = f", all but {len(left)} of its {len(model.state_dict())} tensors, whose shapes differ" if left else ""
        self.beginning = f"begins at the weights of {name}{parts}"
        if self.plan.sure:
            return model
        usual = self.plan.build(job, self.samples, self._settings.seed)
        found, rival = (loop.first_score(each, self.samples, self._settings, model) for each in (model, usual))
        better = f"{found:.4g} against {rival:.4g}, the lower the better"
        if found < rival:
            self.beginning += f", which validate better than the linear optimum ({better})"
            return model
        self.beginning = f"begins at the linear optimum: the weights of {name} do not validate better ({better})"
        return self.plan.build(job, self.samples, self._settings.seed)

    def run(self) -> Model:
        """Train to the end, without a look at the progress; returns the saved model."""
        for _ in self:
            pass
        return self.model

    def _save(self) -> None:
        """Write the first model, with what the second has for exact coding."""
        first, *others = self._made
        for other in others:
            assert isinstance(first, Compressing)
            assert isinstance(other, Compressing)
            for promise, compact in other.packed.items():
                first.keep_packed(promise, compact)
            first.provenance["exact"] = other.provenance
        first.save(self.output)
        _log.info("%s is saved", self.output)


def train(
    data: Any,
    output: str | os.PathLike[str],
    *,
    purpose: Purpose = "reconstruct",
    degradation: Degradation | None = None,
    settings: Settings | None = None,
    skip_bad: bool = False,
    resume: bool = False,
    force: bool = False,
    checkpoint_seconds: float = 30.0,
    report: Report | None = None,
    **choices: Any,
) -> Training:
    """Learn a model from data and save it at `output`, as `narrows train` does: plan, train, write.

    `data` is what `open_samples` takes, or a table (.csv, .tsv, .parquet) to reconstruct, embed or inpaint. The
    `purpose` is "reconstruct", "embed", "compress", "denoise", "inpaint", "colourise" or "upscale"; for the latter
    four, `degradation` says how samples are damaged. `choices` are the fields of `tasks.planner.Choices`: `network`,
    `code`, `width`, `promise`, `effort`, `memory`, `begin`, `noisy_samples`.

    A file that is there already is replaced only with `force`, unless it is a model of less than a minute of
    training; an earlier run that was interrupted goes on with `resume`.

    Iterate over what comes back for progress, or call its `run()`. Raises `DataError`, `SettingsError` or
    `OutputError` for what cannot be trained or written.

        training = narrows.train("photos/", "photos.safetensors", purpose="compress")
        for progress in training:
            print(progress.step, progress.steps)
        codec = narrows.Codec(training.model, quality=80)
    """
    known = set(Choices.__dataclass_fields__)
    if unknown := sorted(set(choices) - known):
        raise SettingsError(f"{unknown[0]} was given; allowed are {', '.join(sorted(known))}, and what train names")
    return Training(
        data,
        output,
        purpose=purpose,
        degradation=degradation,
        choices=Choices(**choices),
        settings=settings,
        skip_bad=skip_bad,
        resume=resume,
        force=force,
        checkpoint_seconds=checkpoint_seconds,
        report=report,
    )
