"""Settings that a user gives, checked in one place and refused in one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from narrows.errors import SettingsError


def whole(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int from `low` to `high`; raises `SettingsError`. NumPy's integers count, True and 2.0 do not."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not low <= int(value) <= high:
        raise SettingsError(f"{name} {brief(value)} was given; allowed is a whole number from {low} to {high}")
    return int(value)


def real(name: str, value: Any, low: float, high: float = math.inf, *, above: bool = False) -> float:
    """`value` as a finite float from `low` (or only `above` it) to `high`; raises `SettingsError`."""
    number: Any = value if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not low <= number <= high or number == math.inf or (above and number == low):
        end = "" if high == math.inf else f" up to {high:g}"
        span = f"above {low:g}" if above else f"from {low:g}"
        raise SettingsError(f"{name} {brief(value)} was given; allowed is a finite number {span}{end}")
    return float(number)


def brief(value: Any) -> str:
    """Any object as text of one line, at most 40 characters."""
    words = " ".join(repr(value).split())
    return words if len(words) <= 40 else f"{words[:39]}…"


def one_of(name: str, value: Any, allowed: Sequence[Any]) -> Any:
    """`value`, which must be one of those `allowed`; raises `SettingsError`."""
    if value not in allowed:
        raise SettingsError(f"{name} {brief(value)} was given; allowed are {', '.join(map(str, allowed))}")
    return value


def legible(text: str) -> str:
    """Text that can be printed and drawn on one line: control characters, and bytes that are no text, as U+FFFD."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
