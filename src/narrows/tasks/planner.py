"""Which models a training needs for what a person wants, and why.

Next door: `train` carries the plan out; `models.catalogue` knows which network suits which samples.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from narrows.data.character import drawn, often_alike
from narrows.data.columns import Column
from narrows.data.samples import Kind, Samples
from narrows.degradations.base import Degradation
from narrows.entropy.passes import CODE_SECTION
from narrows.errors import ModelError, SettingsError
from narrows.models import shipped
from narrows.models.base import TABULAR, Model, Purpose
from narrows.models.catalogue import CATALOGUE, REFERENCES_MOST, build, named, usual
from narrows.models.loading import load
from narrows.models.makers import Effort, Request

CODE_MOST = 32  # numbers of the code of a table's rows, where nobody says how many
SMALL_FOLD = 4  # pixels a side of the blocks of drawings
PHOTO_SIDE = 64  # pixels a side from which an image may be a photograph
NONE = "none"  # in place of weights to begin from
Promise = Literal["both", "quality", "max-error"]


@dataclass(frozen=True)
class Choices:
    """What a person may choose of a model; None where the plan decides.

    `promise` says which promises a model for compression is to keep, `effort` how much work coding may be,
    `memory` how many training images it keeps as references. `network`, `code` and `width` are as `build` takes them.
    `begin` is a model whose weights training begins from, its path or the name of weights that come with narrows;
    "none" for none. Where nothing is said, photographs begin at the latter if these validate better than the linear
    optimum. `missing_value` are the words that stand for missing cells of a table, in place of the usual ones.
    With `noisy_samples` a model learns to denoise from samples that are noisy themselves, where none are clean.
    `kind` says that an array holds signals or the rows of a table follow in time, so many at a `rate` in a second;
    sounds of other rates are resampled to it. With `hearing`, errors of sounds at a quality count as listeners
    have it.
    """

    network: str | None = None
    code: int | None = None
    width: int | None = None
    promise: Promise | None = None
    effort: Effort | None = None
    memory: int | None = None
    begin: Model | str | os.PathLike[str] | None = None
    missing_value: tuple[str, ...] = ()
    noisy_samples: bool = False
    kind: Kind | None = None
    rate: float = 0.0
    hearing: bool = False

    def check(self, purpose: Purpose) -> None:
        """Raise `SettingsError` for choices that exclude each other or have no place with this purpose, such as
        "compress"."""
        if purpose != "compress":
            for name in ("promise", "effort", "memory"):
                if (value := getattr(self, name)) is not None:
                    raise SettingsError(
                        f"{name} {value} was given to {purpose}; it is for models that compress: leave it out"
                    )
        if self.hearing and purpose != "compress":
            raise SettingsError(f"hearing was given to {purpose}; it is for models that compress: leave it out")
        if self.missing_value and purpose not in TABULAR:
            raise SettingsError(f"a missing value was given to {purpose}; it is for tables: leave it out")
        if self.noisy_samples and purpose != "denoise":
            raise SettingsError(f"noisy samples were said to {purpose}; only denoising is learned from them")
        if self.effort is not None and (self.network is not None or self.width is not None):
            raise SettingsError("of effort on one side and network and width on the other, choose one")
        if self.network is not None:
            named(self.network, "exact" if self.promise == "max-error" else purpose)


@dataclass(frozen=True)
class Plan:
    """The models to train, one after the other: the arguments of `build` for each. `notes` tell a person why.

    Each may begin at the weights of another model, one of `begins`; if this is `sure`, it does, else only where these
    validate better than the usual start.
    """

    jobs: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()
    begins: tuple[tuple[str, Model] | None, ...] = ()
    sure: bool = False

    def build(self, job: int, samples: Samples, seed: int) -> Model:
        """The untrained model of one job."""
        return build(samples.description, seed=seed, **self.jobs[job])


def plan(
    samples: Samples,
    purpose: Purpose,
    choices: Choices,
    degradation: Degradation | None = None,
    columns: Sequence[Column] | None = None,
) -> Plan:
    """The models that `purpose` needs: for both promises of "compress" a lossy and an exact one, else one.

    Raises `SettingsError` for choices that exclude each other, `ModelError` for a model to begin from that cannot be
    read or is for another purpose.
    """
    choices.check(purpose)
    shape = {"network": choices.network, "code": choices.code, "width": choices.width}
    notes: list[str] = []
    if purpose != "compress":
        if columns is not None and choices.code is None:
            # Of each cell a vector also says whether it is known; half of the others make a row smaller.
            shape["code"] = max(1, min(CODE_MOST, samples.description.values // 4))
        what = {"purpose": purpose} if degradation is None else {"degradation": degradation}
        jobs = [{**shape, **what, "columns": columns}]
        purposes: tuple[Purpose, ...] = (purpose,)
    else:
        purposes = _promised(samples, choices, notes)
        jobs = [{"purpose": promised, "effort": choices.effort or "usual"} for promised in purposes]
        if choices.hearing:
            jobs[purposes.index("compress") if "compress" in purposes else 0] |= {"hearing": True}
        jobs[0] |= shape  # of both, what was said of networks is for the lossy one
    scale = 1 if degradation is None else degradation.scale
    begins = _begins(samples, purposes, choices, scale)
    for job, begin in zip(jobs, begins, strict=True):
        if begin is not None and job.get("network") is None:
            job |= _like(begin[1], samples, job)
    if purpose == "compress" and begins[0] is None:
        jobs[0] |= _blocks(samples, choices, purposes[0], notes)
    return Plan(tuple(jobs), tuple(notes), begins, choices.begin is not None)


def _like(other: Model, samples: Samples, job: dict[str, Any]) -> dict[str, Any]:
    """The network of another model, in its size where a job does not choose, so that its weights fit."""
    own, coded = other.specification, other.specification.degradation is None
    code = job.get("code")
    if code is None and coded and not job.get("width") and samples.description.channels == other.description.channels:
        code = own.code or None
    width = job.get("width") or own.width or None
    return {"network": own.network, "code": code, "width": width, "fold": own.fold or None, "memory": own.memory}


def _begins(
    samples: Samples, purposes: tuple[Purpose, ...], choices: Choices, scale: int
) -> tuple[tuple[str, Model] | None, ...]:
    """The weights that each job may begin from, with their name."""
    if choices.begin == NONE:
        return (None,) * len(purposes)
    if choices.begin is None:
        free = not any((choices.network, choices.code, choices.width, choices.effort, choices.memory))
        names = [
            shipped.beginning(purpose, scale) if free and _photographs(samples) else None for purpose in purposes
        ]
        found = (None if name is None else (name, load(name)) for name in names)
        return tuple(each if each and each[1].parameter_count else None for each in found)  # some are for files only
    given = choices.begin
    other = given if isinstance(given, Model) else load(given)
    title = "the model given" if isinstance(given, Model) else os.fspath(given)
    if other.specification.purpose not in purposes:
        raise ModelError(
            f"{title} was given to begin from, a model to {other.specification.purpose}, not to {purposes[0]}; give "
            "one that was trained for this, or leave it out"
        )
    return tuple((title, other) if other.specification.purpose == purpose else None for purpose in purposes)


def _photographs(samples: Samples) -> bool:
    """Whether these are images as the weights that come with narrows know them."""
    description = samples.description
    if (description.axes, description.channels, description.dtype) != (2, 3, "uint8"):
        return False
    return (description.varied or min(description.shape[:2]) >= PHOTO_SIDE) and not drawn(samples)


def _promised(samples: Samples, choices: Choices, notes: list[str]) -> tuple[Purpose, ...]:
    """What is learned for the promises: "compress" keeps that of a quality, "exact" that of an error."""
    description = samples.description
    whole = np.dtype(description.dtype).kind in "ui" and np.dtype(description.dtype).itemsize <= 4
    learned = whole if description.axes == 1 else (description.axes, description.dtype) == (2, "uint8")
    if choices.promise is None and not learned:
        notes.append(
            "only images of 8 bits and signals of whole numbers are learned for --max-error; general ways will store "
            "these exactly"
        )
        return ("compress",)
    both: dict[str, tuple[Purpose, ...]] = {"quality": ("compress",), "max-error": ("exact",)}
    return both.get(choices.promise or "both", ("compress", "exact"))


def _blocks(samples: Samples, choices: Choices, purpose: Purpose, notes: list[str]) -> dict[str, Any]:
    """The size of a transform's blocks and its references, where the network has such."""
    description, found = samples.description, {}
    request = Request("", description, purpose, effort=choices.effort or "usual")
    row = CATALOGUE[choices.network or usual(request)]
    fits = (choices.code or 1) <= SMALL_FOLD**2 * description.channels
    if description.axes == 2 and "fold" in row.accepts and choices.network is None and fits and drawn(samples):
        notes.append("these are drawings, so the blocks of the transform are 4 pixels a side, not 8")
        found["fold"] = SMALL_FOLD
    memory = choices.memory
    if memory is None and "memory" in row.accepts and 0 < max(description.shape[:2]) <= CODE_SECTION:
        memory = min(len(samples), REFERENCES_MOST) if often_alike(samples) else 0
        if memory:
            notes.append(f"many images are alike, so the model remembers {memory} of them; --memory 0 does without")
    return found | ({} if memory is None else {"memory": memory})
