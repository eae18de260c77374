"""Which degradation a person means, checked, and as JSON in a model's file.

Next door: `degrade` does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import torch

from narrows.checks import brief, real, whole
from narrows.data.columns import Column
from narrows.degradations.base import Degradation, Task
from narrows.degradations.cells import Cells
from narrows.degradations.compose import Combination, Custom
from narrows.degradations.kinds import VIVIDNESS_MOST, Grey, Missing, Noise, NoiseKind, Smaller
from narrows.degradations.masks import Kind
from narrows.errors import SettingsError

SCALES = (2, 4)  # from, to
USUAL_NOISE = (0.0, 55 / 255)  # the range of the published denoisers
USUAL_MISSING = (0.1, 0.9)
USUAL_CELLS = (0.1, 0.4)
_NAMES: dict[str, type[Any]] = {
    "smaller": Smaller,
    "grey": Grey,
    "noise": Noise,
    "missing": Missing,
    "cells": Cells,
    "custom": Custom,
}
_KEPT = {
    "smaller": ("factor",),
    "grey": ("vividness",),
    "noise": ("low", "high", "kind", "clip"),
    "missing": ("low", "high", "kind"),
    "cells": ("low", "high", "columns"),
    "custom": ("name", "task", "scale"),
}
Range = float | tuple[float, float]


def noise(level: Range = USUAL_NOISE, kind: NoiseKind = "gaussian", clip: bool = False) -> Noise:
    """Noise of one level or of a range of them, as a share of the value range; raises `SettingsError`."""
    return Noise(*_range("noise", level), _one_of("kind of noise", kind, get_args(NoiseKind)), bool(clip))


def missing(share: Range = USUAL_MISSING, kind: Kind = "any") -> Missing:
    """Missing pixels, a share or a range of shares; raises `SettingsError`."""
    return Missing(*_range("missing", share, 0.99), _one_of("what is missing", kind, get_args(Kind)))


def given(mask: Any) -> Missing:
    """What a mask `(H, W)` marks by other than 0 is missing of every sample; raises `SettingsError`."""
    marked = np.asarray(mask) != 0
    marked = marked[..., 0] if marked.ndim == 3 and marked.shape[2] == 1 else marked
    if marked.ndim != 2 or marked.all() or not marked.any():
        raise SettingsError(
            f"a mask of shape {marked.shape} that marks {int(marked.sum())} pixels was given; it has to be of (H, W) "
            "and mark some and not all"
        )
    share = float(marked.mean())
    return Missing(share, share, "given", torch.from_numpy(marked.copy()))


def cells(columns: Sequence[Column], share: Range = USUAL_CELLS) -> Cells:
    """Missing cells of a table with these columns, a share or a range of shares; raises `SettingsError`."""
    return Cells(*_range("missing", share, 0.99), tuple(columns))


def grey(vividness: float = 1.0) -> Grey:
    """No colour; what a network answers is multiplied by `vividness`, 0 to 4; raises `SettingsError`."""
    return Grey(real("vividness", vividness, 0, VIVIDNESS_MOST))


def smaller(scale: int) -> Smaller:
    """Sides divided by 2, 3 or 4; raises `SettingsError`."""
    return Smaller(whole("scale", scale, *SCALES))


def custom(function: Any, task: Task = "denoise", scale: int = 1) -> Custom:
    """A function of a person's own; see `Custom`."""
    if not callable(function):
        raise SettingsError(f"{brief(function)} was given as a degradation; give a function of samples and generator")
    name = str(getattr(function, "__name__", type(function).__name__))[:80]
    return Custom(name, function, _one_of("task", task, get_args(Task)), whole("scale", scale, 1, SCALES[1]))


def combined(parts: Sequence[Degradation]) -> Degradation:
    """One degradation of several, in the order in which they happen whatever the order given: smaller, grey, noise,
    missing. Raises `SettingsError` for none, for two of a kind, and for a function that is not alone."""
    if not parts:
        raise SettingsError("no degradation was given; give at least one")
    names = [_name(part) for part in parts]
    if len(set(names)) < len(names) or ({"custom", "cells"} & {*names} and len(names) > 1):
        raise SettingsError(
            f"degradations {' + '.join(names)} cannot be combined; take different ones, a function or cells alone"
        )
    ordered = sorted(parts, key=lambda part: list(_NAMES).index(_name(part)))
    return ordered[0] if len(ordered) == 1 else Combination(tuple(ordered))


def parts_of(degradation: Degradation) -> tuple[Degradation, ...]:
    """The degradation itself, or those that it combines."""
    return degradation.parts if isinstance(degradation, Combination) else (degradation,)


def noise_of(degradation: Degradation) -> Noise | None:
    """The noise in it, if there is any."""
    return next((part for part in parts_of(degradation) if isinstance(part, Noise)), None)


def to_json(degradation: Degradation) -> list[dict[str, Any]]:
    """A degradation as JSON values: a list of parts, each with its name in `degradation`."""
    return [
        {"degradation": _name(part), **{key: _plain(getattr(part, key)) for key in _KEPT[_name(part)]}}
        for part in parts_of(degradation)
    ]


def from_json(parts: Any) -> Degradation:
    """The inverse of `to_json`. Raises `SettingsError` for anything else."""
    try:
        return combined([_part(dict(part)) for part in parts])
    except (TypeError, KeyError, ValueError) as error:
        raise SettingsError(
            f"{brief(parts)} is no degradation ({brief(str(error))}); train the model again"
        ) from None


def words(degradation: Degradation) -> str:
    """A degradation in a few words, for people."""
    told = []
    for part in parts_of(degradation):
        if isinstance(part, Noise):
            told.append(f"{part.kind} noise {_span(part.low, part.high)}{', clipped' * part.clip}")
        elif isinstance(part, Missing):
            told.append(f"{_span(part.low, part.high)} missing ({part.kind})")
        elif isinstance(part, Cells):
            told.append(f"{_span(part.low, part.high)} of the cells hidden")
        elif isinstance(part, Smaller):
            told.append(f"{part.factor} times smaller")
        else:
            told.append("grey" if isinstance(part, Grey) else f"by {getattr(part, 'name', '?')}")
    return " + ".join(told)


def _part(fields_: dict[str, Any]) -> Degradation:
    name = fields_.pop("degradation")
    if name not in _NAMES or set(fields_) != set(_KEPT[name]):
        raise KeyError(name)
    if name == "noise":
        return noise((fields_["low"], fields_["high"]), fields_["kind"], fields_["clip"])
    if name == "missing":
        if fields_["kind"] == "given":
            return Missing(*_range("missing", (fields_["low"], fields_["high"])), "given")
        return missing((fields_["low"], fields_["high"]), fields_["kind"])
    if name == "cells":
        return cells([Column.from_json(fields) for fields in fields_["columns"]], (fields_["low"], fields_["high"]))
    if name == "smaller":
        return smaller(fields_["factor"])
    if name == "grey":
        return grey(fields_["vividness"])
    scale = whole("scale", fields_["scale"], 1, SCALES[1])
    return Custom(str(fields_["name"]), None, _one_of("task", fields_["task"], get_args(Task)), scale)


def _plain(value: Any) -> Any:
    """A field as a JSON value."""
    return [column.to_json() for column in value] if isinstance(value, tuple) else value


def _name(part: Degradation) -> str:
    found = next((name for name, kind in _NAMES.items() if isinstance(part, kind)), None)
    if found is None:
        raise SettingsError(f"{brief(part)} was given as a degradation; make one with narrows.degradations.damage")
    return found


def _range(name: str, value: Any, most: float = 1.0) -> tuple[float, float]:
    low, high = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, value)
    low, high = real(name, low, 0, most), real(name, high, 0, most)
    if low > high or high == 0:
        raise SettingsError(f"{name} {low:g} to {high:g} was given; the end must be above 0 and not below the start")
    return low, high


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> Any:
    if value not in allowed:
        raise SettingsError(f"{name} {brief(value)} was given; allowed are {', '.join(allowed)}")
    return value


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:.3g} to {high:.3g}"
