"""Several degradations as one, the degradation for a purpose, and degradations as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from narrows.checks import brief, real
from narrows.degradations.base import TASKS, Degradation, Hints, Observed, Residual, uniform
from narrows.degradations.cells import Cells
from narrows.degradations.colour import Grey
from narrows.degradations.custom import Custom
from narrows.degradations.gaps import Gaps
from narrows.degradations.jpeg import Jpeg
from narrows.degradations.masks import Missing
from narrows.degradations.noise import Noise
from narrows.degradations.rates import LowerRate
from narrows.degradations.ratio import SignalNoise
from narrows.degradations.resample import Smaller
from narrows.errors import SettingsError

IMAGE_KINDS = (Smaller, Grey, Noise, Jpeg, Missing, Cells)  # in the order in which damage happens
SIGNAL_KINDS = (LowerRate, SignalNoise, Gaps)
KINDS = (*IMAGE_KINDS, *SIGNAL_KINDS, Custom)
OFF_BY = 0.1  # the deviation of the logarithm of an estimated level from that of the true one
ADDED = 0.003  # of the value range: the deviation of what estimates take for noise in clean samples
USUAL = (Noise(), Missing(), Grey(), Smaller(), SignalNoise(), Gaps(), LowerRate())  # what tasks undo by default


@dataclass(frozen=True)
class Combination(Residual):
    """Several degradations one after the other, as in a camera: an image becomes smaller, loses its colour, gets
    noisy, then pixels go missing. Make it with `combined`, which checks and sorts the parts.

    The conditions of all parts are joined, and a network returns the difference from their guesses in turn. The share
    `together` of the samples, drawn at random, meets all parts, each of the others only one of them.

    A level of noise is told to a network as what can be seen of it: of noise under a part that veils it, such as
    JPEG, any share between none and all. Where a part can veil it, no level is told exactly, as no estimate of it
    would be exact: each is off by a factor and by what structure adds (`OFF_BY`, `ADDED`).
    """

    parts: tuple[Degradation, ...]
    together: float = 1.0

    def __post_init__(self) -> None:
        scale = self.parts[0].scale  # only `Smaller` has one, and it comes first
        vars(self).update(  # frozen: not by assignment
            name=" + ".join(part.name for part in self.parts),
            task=max((part.task for part in self.parts), key=TASKS.index),  # it includes the others
            scale=scale,
            axes=self.parts[0].axes,
            fold=max(scale, min(part.fold for part in self.parts)),  # at least the block that became one pixel
            condition_channels=sum(part.condition_channels for part in self.parts),
            needs=tuple(hint for part in self.parts for hint in part.needs),
        )

    def __str__(self) -> str:
        words = " + ".join(map(str, self.parts))
        return words if self.together == 1 else f"{words} ({self.together:.0%} with all, the others with one)"

    def to_json(self) -> list[dict[str, Any]]:
        return to_json(self)

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        seen = clean
        found: list[tuple[Degradation, torch.Tensor]] = []
        for part, met in zip(self.parts, self._met(clean, generator), strict=True):
            observed = part.observe(seen, generator)
            if part.veils:
                left = torch.where(met, uniform((0, 1), seen, generator), 1.0)
                found = [(one, left * c if "level" in one.needs else c) for one, c in found]
            if self.together < 1:
                spared = part.given(seen, Hints(torch.zeros_like(seen[:, 0, 0, 0]), torch.ones_like(seen[:, :1])))
                observed = Observed(
                    torch.where(met, observed.seen, seen), torch.where(met, observed.condition, spared.condition)
                )
            seen = observed.seen
            found.append((part, observed.condition))
        if any(part.veils for part in self.parts):
            found = [(part, _estimated(c, generator) if "level" in part.needs else c) for part, c in found]
        return Observed(seen, torch.cat([condition for _, condition in found], dim=1))

    def _met(self, clean: torch.Tensor, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """For each part, which samples meet it: `(N, 1, ...)`."""
        everything = torch.ones((len(clean), *(1,) * (clean.ndim - 1)), dtype=torch.bool, device=clean.device)
        if self.together < 1:
            everything = uniform((0, 1), clean, generator) < self.together
            alone = (uniform((0, 1), clean, generator) * len(self.parts)).long()
            yield from (everything | (alone == i) for i in range(len(self.parts)))
        else:
            yield from (everything for _ in self.parts)

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        conditions = []
        for part in self.parts:
            observed = part.given(seen, hints)
            seen = observed.seen
            conditions.append(observed.condition)
        return Observed(seen, torch.cat(conditions, dim=1))

    def hints(self, observed: Observed) -> Hints:
        found = [part.hints(Observed(observed.seen, condition)) for part, condition in self._apart(observed)]
        level = next((one.level for one in found if one.level is not None), None)
        known = next((one.known for one in found if one.known is not None), None)
        return Hints(level, known)

    def guess(self, observed: Observed) -> torch.Tensor:
        seen = observed.seen
        for part, condition in reversed(self._apart(observed)):
            seen = part.guess(Observed(seen, condition))
        return seen

    def colours(self, clean: int) -> tuple[int, ...]:
        return tuple({n for n in (1, clean) if all(n in part.colours(clean) for part in self.parts)})

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + answer

    def _apart(self, observed: Observed) -> list[tuple[Degradation, torch.Tensor]]:
        """Each part with its own condition."""
        mask = observed.seen.shape[1] if observed.seen.ndim == 2 else 1  # of vectors, a mask is as long as they are
        sizes = [mask if "known" in part.needs else part.condition_channels for part in self.parts]
        return list(zip(self.parts, torch.split(observed.condition, sizes, dim=1), strict=True))


def combined(parts: Sequence[Degradation], together: float = 1.0) -> Degradation:
    """One degradation made of several, which happen in the order of `KINDS` whatever the order given. The share
    `together` of the samples, 0 to 1, meets all of them, each of the others one only.

    Raises `SettingsError` for no parts, for two of a kind, for cells or a function with others, and for a share where
    samples that one part spares would not be of the same size and colours.
    """
    together = real("together", together, 0, 1)
    singles = _singles(parts)
    if not singles:
        raise SettingsError("no degradation was given; give at least one")
    names = [part.name for part in singles]
    alone = any(isinstance(part, Cells | Custom) or (isinstance(part, Noise) and part.own) for part in singles)
    if len(set(names)) < len(names) or (alone and len(names) > 1):
        raise SettingsError(
            f"degradations {' + '.join(names)} cannot be combined; give different ones, and cells, a function or the "
            "samples' own noise alone"
        )
    if len({part.axes for part in singles}) > 1:
        raise SettingsError(
            f"degradations {' + '.join(names)} cannot be combined; some are of signals alone, others never of these"
        )
    order = [kind.name for kind in KINDS]
    singles.sort(key=lambda part: order.index(part.name))
    if together < 1 and any(isinstance(part, Smaller | Grey) or part.axes == 1 for part in singles):
        raise SettingsError(f"together {together:g} was given with {' + '.join(names)}; only 1 goes with these")
    return singles[0] if len(singles) == 1 else Combination(tuple(singles), together)


def degradation_for(purpose: str, parts: Sequence[Degradation] = (), axes: int = 2) -> Degradation | None:
    """The degradation that a model of this purpose undoes: these parts, and the usual one of its task if none of them
    is of it; None for purposes other than restoring. For signals `axes` is 1, and what makes images smaller lowers
    their rate.

    A model that inpaints may also denoise, one that colourises may inpaint, one that upscales may do all of these.
    Raises `SettingsError` for parts that do not go with the purpose, and as `combined` does.
    """
    singles = _singles(parts)
    if axes == 1:
        singles = [LowerRate(part.scale) if isinstance(part, Smaller) else part for part in singles]
    for part in singles:
        goes_with = TASKS[TASKS.index(part.task) :]
        if purpose not in goes_with:
            raise SettingsError(f"{part} was given with purpose {purpose}; it goes with {' or '.join(goes_with)}")
    if purpose not in TASKS:
        return None
    own = (
        []
        if any(part.task == purpose for part in singles)
        else [part for part in USUAL if part.task == purpose and (part.axes == 1) == (axes == 1)]
    )
    if not own and not singles:
        raise SettingsError(f"purpose {purpose} was given for signals; it is for pictures: choose another")
    return combined([*own, *singles], min(map(together_of, parts), default=1.0))


def _estimated(level: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Levels `(N, 1, ...)` as an estimate would find them, the same all over a sample."""
    shape = (2, len(level), *(1,) * (level.ndim - 1))
    factor, more = torch.randn(shape, generator=generator, device=level.device)
    told: torch.Tensor = level * torch.exp(OFF_BY * factor) + ADDED * more.abs()
    return told


def _singles(parts: Sequence[Degradation]) -> list[Degradation]:
    return [single for part in parts for single in parts_of(part)]


def parts_of(degradation: Degradation) -> tuple[Degradation, ...]:
    """The degradation itself, or those that it combines. Raises `SettingsError` for anything else."""
    parts = degradation.parts if isinstance(degradation, Combination) else (degradation,)
    for part in parts:
        if not isinstance(part, KINDS):
            raise SettingsError(
                f"{brief(part)} was given as a degradation; give one of narrows.degradations, or Custom(function)"
            )
    return parts


def settled(degradation: Degradation, dtype: str, rate: float = 0.0) -> Degradation:
    """The degradation for samples of this dtype and rate: noise whose `clip` is None is clipped if they are integers,
    and the lengths of gaps in seconds are for that rate. Raises `SettingsError` for gaps where there is none."""
    whole, found = np.dtype(dtype).kind in "ui", list(parts_of(degradation))
    for i, part in enumerate(found):
        if isinstance(part, Noise) and part.clip is None:
            found[i] = Noise(part.level, part.kind, whole, part.own)
        if isinstance(part, Gaps):
            found[i] = part.at(rate)
    return combined(found, together_of(degradation))


def together_of(degradation: Degradation) -> float:
    """The share of the samples that meet all its parts."""
    return degradation.together if isinstance(degradation, Combination) else 1.0


def noise_of(degradation: Degradation) -> Noise | None:
    """The noise among its parts, if there is any."""
    return next((part for part in parts_of(degradation) if isinstance(part, Noise)), None)


def to_json(degradation: Degradation) -> list[dict[str, Any]]:
    """A degradation as a list of JSON objects, one per part, each with its name under `degradation`; then, where not
    all samples meet all parts, the share that does."""
    share = together_of(degradation)
    fields = [each for part in parts_of(degradation) for each in part.to_json()]
    return fields if share == 1 else [*fields, {"together": share}]


def from_json(parts: Any) -> Degradation:
    """The inverse of `to_json`. Raises `SettingsError` for anything that it does not write."""
    try:
        shares = [part["together"] for part in parts if "degradation" not in part]
        made = combined([_part(**part) for part in parts if "degradation" in part], *shares)
        if to_json(made) != list(parts):
            raise ValueError("it has other fields")
    except (TypeError, KeyError, ValueError) as error:
        raise SettingsError(
            f"{brief(parts)} is not a degradation ({brief(str(error))}); train the model again"
        ) from None
    return made


def _part(degradation: str, **fields: Any) -> Degradation:
    kinds: dict[str, Callable[..., Degradation]] = {kind.name: kind for kind in KINDS}
    return kinds[degradation](**fields)
