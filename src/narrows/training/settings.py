"""What can be set about training, and the plan that settles everything else.

Next door: `device` knows processors, `loop` carries out the plan.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

from narrows.checks import brief, real, whole
from narrows.data.samples import Samples
from narrows.errors import SettingsError
from narrows.models.base import TRAINED, Model
from narrows.training import device as devices

VALIDATION_MOST = 2048  # samples
VALIDATION_COST, VALIDATION_LEAST = 5 * 10**10, 64  # multiplications for all of them, but so many samples at least
SHIFT_SIDE = 16  # pixels; in smaller images a shift by one pixel is too large a change
LEAST_STEPS = 1000  # of a run without a given budget
Schedule = Literal["one-cycle", "constant", "steady"]
WARM_STEPS = 300  # in which a steady learning rate rises
STEADY_STEPS = 20_000  # of a steady run, which may be endless; it is validated as often as one of so many
_WHOLE = (
    ("steps", 1, 10**12),
    ("batch_size", 1, 10**9),
    ("crop", 8, 1 << 16),
    ("shift", 0, 8),
    ("seed", 0, 2**63 - 1),
    ("threads", 1, max(64, os.cpu_count() or 1)),
)


@dataclass(frozen=True)
class Settings:
    """All fields are optional; None leaves the choice to the network's recipe or the machine.

    One of `epochs`, `steps` and `minutes` sets the budget. With a `learning_rate`, Adam alone trains every parameter,
    at a constant rate, as in the lesson, unless `schedule` is given. A "steady" schedule keeps the mean of late
    weights, and so may be ended, or prolonged, at any step. `validation` is the share of samples held out, at most
    2048 of them, and fewer where measuring them would take long. `threads` and `precision` ("float32", "bfloat16")
    suit the processor. Raises `SettingsError`.
    """

    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    schedule: Schedule | None = None
    start: Literal["pca", "random"] = "pca"
    validation: float = 0.05
    crop: int | None = None
    shift: int | None = None
    seed: int = 0
    device: str | None = None
    precision: Literal["float32", "bfloat16"] | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        budgets = [b for b in (self.epochs, self.steps, self.minutes) if b is not None]
        if len(budgets) > 1:
            raise SettingsError("more than one of epochs, steps and minutes was given; choose one")
        for name, low, high in _WHOLE:
            self._hold(name, whole, low, high)
        for name, most in (("epochs", 1e12), ("minutes", 1e12), ("learning_rate", math.inf)):
            self._hold(name, partial(real, above=True), 0, most)
        self._hold("validation", real, 0, 0.9)
        for name, allowed in (
            ("schedule", (None, "one-cycle", "constant", "steady")),
            ("start", ("pca", "random")),
            ("precision", (None, "float32", "bfloat16")),
        ):
            if getattr(self, name) not in allowed:
                choices = ", ".join(str(a) for a in allowed if a)
                raise SettingsError(f"{name} {brief(getattr(self, name))} was given; allowed are {choices}")

    def _hold(self, name: str, checked: Callable[[str, Any, Any, Any], float], low: float, high: float) -> None:
        """Store a number as a plain int or float, which JSON can hold; None only where it is the default."""
        value = getattr(self, name)
        if value is not None or getattr(Settings, name) is not None:
            object.__setattr__(self, name, checked(name.replace("_", " "), value, low, high))


@dataclass(frozen=True)
class Plan:
    """How a model is trained, in full; stored with the model. `muon` is its learning rate, 0 for Adam alone;
    `training` and `validation` count samples, `crop` and `shift` are in pixels, 0 for none."""

    steps: int
    batch_size: int
    learning_rate: float
    muon: float
    schedule: Schedule
    start: str
    training: int
    validation: int
    crop: int
    shift: int
    seed: int
    device: str
    precision: str
    threads: int
    validate_every: int

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    def rate(self, step: int) -> float:
        """The factor of the learning rate at a step: one-cycle rises for a tenth of them, then falls as a cosine to
        0; steady rises, too, and then stays."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "steady":
            return min(1.0, (step + 1) / WARM_STEPS)
        done = (step + 0.5) / self.steps
        return done / 0.1 if done < 0.1 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.1) / 0.9)

    def __str__(self) -> str:
        how = f"Muon {self.muon:g} and Adam {self.learning_rate:g}" if self.muon else f"Adam {self.learning_rate:g}"
        pieces = [
            f"{self.steps} steps of {self.batch_size}",
            f"{how}, {self.schedule}",
            f"start {self.start}",
            f"{self.device}, {self.precision}, {self.threads} threads",
            f"seed {self.seed}",
        ]
        pieces += [f"crops of {self.crop}"] * bool(self.crop) + [f"shifts of {self.shift}"] * bool(self.shift)
        return "; ".join(pieces)


def decide(model: Model, samples: Samples, settings: Settings) -> Plan:
    """The plan for these settings, always the same on one machine. A budget in minutes leaves `steps` at 0; the loop
    sets it after timing its first steps. Raises `SettingsError` for a device or crop that cannot be used."""
    recipe, description = model.recipe, samples.description
    crop = _crop(model, samples, settings.crop, recipe.crop)
    device = devices.choose(settings.device)
    cost = devices.multiplications(model, crop)
    most = min(VALIDATION_MOST, max(VALIDATION_LEAST, VALIDATION_COST // max(1, cost)))
    held = min(round(len(samples) * settings.validation), most, len(samples) - 1)
    training = len(samples) - held
    usual = recipe.crops if crop and recipe.crops else recipe.batch_size
    batch_size = min(settings.batch_size or min(usual, max(16, training // 10)), training)
    epochs = settings.epochs or recipe.epochs
    steps = settings.steps or max(math.ceil(epochs * training / batch_size), 0 if settings.epochs else LEAST_STEPS)
    # Smaller batches have noisier gradients; with the root, the noise adds up to as much per epoch.
    noise = min(1.0, batch_size / usual) ** 0.5
    rate = settings.learning_rate or recipe.learning_rate * noise
    schedule = settings.schedule or ("one-cycle" if settings.learning_rate is None else "constant")
    shiftable = description.axes == 2 and not crop and min(description.shape[:2]) >= SHIFT_SIDE
    steady = schedule == "steady"
    return Plan(
        steps=0 if settings.minutes else steps,
        batch_size=batch_size,
        learning_rate=rate,
        muon=recipe.muon * noise if settings.learning_rate is None else 0.0,
        schedule=schedule,
        start=TRAINED if model.provenance else settings.start,
        training=training,
        validation=held,
        crop=crop,
        shift=(recipe.shift if shiftable else 0) if settings.shift is None else settings.shift,
        seed=settings.seed,
        device=device,
        precision=settings.precision or devices.precision(device, cost if recipe.half else 0),
        threads=settings.threads or devices.threads(cost * batch_size),
        validate_every=validation_interval(min(steps, STEADY_STEPS) if steady else steps, held, batch_size),
    )


def validation_interval(steps: int, held: int, batch_size: int) -> int:
    """Steps between two validations: 20 per run, but fewer if they would take over a tenth of its time."""
    return max(1, steps // 20, 10 * math.ceil(held / batch_size / 3))


def _crop(model: Model, samples: Samples, wanted: int | None, usual: int) -> int:
    """The side of training crops; 0 trains on whole samples."""
    if not model.grid.step:
        if wanted:
            raise SettingsError(
                f"crops were asked for, but {model.specification.network} takes whole samples only; leave it out"
            )
        return 0
    if wanted is None and not samples.description.varied and max(samples.description.sides) <= usual:
        return 0
    return model.grid.padded(wanted or usual)
