"""Which models a training needs for what a person wants, and why.

Next door: `train` carries the plan out; `models.catalogue` knows which network suits which samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from narrows.data.character import drawn, often_alike
from narrows.data.samples import Samples
from narrows.degradations.base import Degradation
from narrows.entropy.passes import CODE_SECTION
from narrows.errors import SettingsError
from narrows.models.base import Model, Purpose
from narrows.models.catalogue import CATALOGUE, REFERENCES_MOST, build, named, usual
from narrows.models.makers import Effort, Request

SMALL_FOLD = 4  # pixels a side of the blocks of drawings
Promise = Literal["both", "quality", "max-error"]


@dataclass(frozen=True)
class Choices:
    """What a person may choose of a model; None where the plan decides.

    `promise` says which promises a model for compression is to keep, `effort` how much work coding may be,
    `memory` how many training images it keeps as references. `network`, `code` and `width` are as `build` takes them.
    """

    network: str | None = None
    code: int | None = None
    width: int | None = None
    promise: Promise | None = None
    effort: Effort | None = None
    memory: int | None = None

    def check(self, purpose: Purpose) -> None:
        """Raise `SettingsError` for choices that exclude each other or have no place with this purpose, such as
        "compress"."""
        if purpose != "compress":
            for name in ("promise", "effort", "memory"):
                if (value := getattr(self, name)) is not None:
                    raise SettingsError(
                        f"{name} {value} was given to {purpose}; it is for models that compress: leave it out"
                    )
        if self.effort is not None and (self.network is not None or self.width is not None):
            raise SettingsError("of effort on one side and network and width on the other, choose one")
        if self.network is not None:
            named(self.network, "exact" if self.promise == "max-error" else purpose)


@dataclass(frozen=True)
class Plan:
    """The models to train, one after the other: the arguments of `build` for each. `notes` tell a person why."""

    jobs: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()

    def build(self, job: int, samples: Samples, seed: int) -> Model:
        """The untrained model of one job."""
        return build(samples.description, seed=seed, **self.jobs[job])


def plan(samples: Samples, purpose: Purpose, choices: Choices, degradation: Degradation | None = None) -> Plan:
    """The models that `purpose` needs: for both promises of "compress" a lossy and an exact one, else one.

    Raises `SettingsError` for choices that exclude each other.
    """
    choices.check(purpose)
    shape = {"network": choices.network, "code": choices.code, "width": choices.width}
    if purpose != "compress":
        return Plan(({**shape, "degradation": degradation},))
    notes: list[str] = []
    jobs: list[dict[str, Any]] = []
    for promised in _promised(samples, choices, notes):
        jobs.append({"purpose": promised, "effort": choices.effort or "usual"})
    jobs[0] |= shape  # of both, what was said of networks is for the lossy one
    jobs[0] |= _blocks(samples, choices, jobs[0]["purpose"], notes)
    return Plan(tuple(jobs), tuple(notes))


def _promised(samples: Samples, choices: Choices, notes: list[str]) -> tuple[Purpose, ...]:
    """What is learned for the promises: "compress" keeps that of a quality, "exact" that of an error."""
    description = samples.description
    if choices.promise is None and (description.axes, description.dtype) != (2, "uint8"):
        notes.append("only images of 8 bits are learned for --max-error; general ways will store these exactly")
        return ("compress",)
    both: dict[str, tuple[Purpose, ...]] = {"quality": ("compress",), "max-error": ("exact",)}
    return both.get(choices.promise or "both", ("compress", "exact"))


def _blocks(samples: Samples, choices: Choices, purpose: Purpose, notes: list[str]) -> dict[str, Any]:
    """The size of a transform's blocks and its references, where the network has such."""
    description, found = samples.description, {}
    request = Request("", description, purpose, effort=choices.effort or "usual")
    row = CATALOGUE[choices.network or usual(request)]
    fits = (choices.code or 1) <= SMALL_FOLD**2 * description.channels
    if "fold" in row.accepts and choices.network is None and fits and drawn(samples):
        notes.append("these are drawings, so the blocks of the transform are 4 pixels a side, not 8")
        found["fold"] = SMALL_FOLD
    memory = choices.memory
    if memory is None and "memory" in row.accepts and 0 < max(description.shape[:2]) <= CODE_SECTION:
        memory = min(len(samples), REFERENCES_MOST) if often_alike(samples) else 0
        if memory:
            notes.append(f"many images are alike, so the model remembers {memory} of them; --memory 0 does without")
    return found | ({} if memory is None else {"memory": memory})
