"""Probabilities as integers: the only border between floats and a file.

A table gives each symbol 0..S-1 a whole number of 2**24 parts, none of them 0. What computes in floats
(`from_probabilities`) runs once, when a model is made, and its results are stored. Decoding runs `from_logits`, which
is exact.
Next door: `families` makes tables of distributions; `coder` spends the parts as bits; `integer_networks` computes the
logits.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

# All of these are part of the format.
PRECISION = 24  # bits; what the coder works with
TOTAL = 1 << PRECISION
MOST_SYMBOLS = 1 << 16
LOGIT_BITS = 8  # a logit of 256 is a factor of 2
_REACH = 20 << LOGIT_BITS  # logits so far below the largest get the least part
_SHIFT = 20  # bits of the largest weight

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CumulativeTables:
    """Several tables, of differing length: `parts[t]` is `(S_t,)`, sums to 2**24 and has no 0.

    Symbol s of table t stands for the integer `lowest[t] + s`; the last is the escape: an integer outside the table
    follows.
    """

    parts: tuple[Integers, ...]
    lowest: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.lowest):
            raise ValueError(f"{len(self.parts)} tables with {len(self.lowest)} offsets")
        for part in self.parts:
            check(part)

    @functools.cached_property
    def last(self) -> tuple[int, ...]:
        """The escape of each table."""
        return tuple(len(parts) - 1 for parts in self.parts)

    @functools.cached_property
    def kept(self) -> dict[int, Any]:
        """What a coder has made of tables, by their numbers."""
        return {}

    def bits(self, values: Integers, which: Integers) -> Doubles:
        """The cost of each of `values` `(N,)` under its table, without the digits after an escape."""
        bits = np.empty(len(values))
        for table in np.unique(which):
            at = which == table
            parts = self.parts[table]
            symbols = values[at] - self.lowest[table]
            escaped = (symbols < 0) | (symbols >= len(parts) - 1)
            bits[at] = PRECISION - np.log2(parts[np.where(escaped, len(parts) - 1, symbols)])
        return bits


def check(parts: Integers) -> None:
    """Raise ValueError unless the last axis of `parts` is a table."""
    if not 2 <= parts.shape[-1] <= MOST_SYMBOLS:
        raise ValueError(f"a table of {parts.shape[-1]} symbols; 2 to {MOST_SYMBOLS} are allowed")
    if parts.dtype != np.int64 or (parts < 1).any() or (parts.sum(axis=-1) != TOTAL).any():
        raise ValueError(f"a table must hold int64 parts of at least 1 that sum to {TOTAL}")


def from_weights(weights: Integers) -> Integers:
    """Tables in proportion to integer weights `(..., S)` of a sum below 2**38; integers throughout.

    Every symbol gets one part; the rest is shared by weight, rounded down; what remains goes to the first of the
    heaviest. Raises ValueError for weights that are negative, all 0, or too large.
    """
    size = weights.shape[-1]
    whole = weights.sum(axis=-1, keepdims=True)
    if (weights < 0).any() or (whole < 1).any() or (whole >= 1 << 38).any():
        raise ValueError("weights must not be negative, and their sum must be 1 to 2**38 - 1")
    parts: Integers = 1 + weights * (TOTAL - size) // whole  # products below 2**62
    heaviest = weights.argmax(axis=-1)[..., None]
    rest = TOTAL - parts.sum(axis=-1, keepdims=True)
    np.put_along_axis(parts, heaviest, np.take_along_axis(parts, heaviest, -1) + rest, -1)
    return parts


def from_logits(logits: npt.NDArray[Any]) -> Integers:
    """Tables `(..., S)` from whole logits in units of 1/256 of a factor of 2: those of `from_weights` for the weights
    2**20 times 2 to the power of (logit - largest) / 256, rounded as in `_powers`, cut to integers.

    It runs for every symbol, so it computes in float64, which is exact here: all numbers and sums are whole and below
    2**45. A quotient is at most 2**44 / W for a sum of weights W, so IEEE 754 rounds it by at most 2**-9 / W; if not
    whole, it is at least 1 / W from the next whole number, so the floor is right.
    """
    size = logits.shape[-1]
    if not 2 <= size <= MOST_SYMBOLS:
        raise ValueError(f"a table of {size} symbols; 2 to {MOST_SYMBOLS} are allowed")
    largest = logits.max(axis=-1, keepdims=True)
    weights = _WEIGHTS.take(np.minimum(largest - logits, _REACH).astype(np.intp, copy=False))
    ones = np.ones(size)
    parts = weights * float(TOTAL - size)
    parts /= (weights @ ones)[..., None]
    np.floor(parts, out=parts)
    parts += 1
    first = logits.argmax(axis=-1)[..., None]
    missing = TOTAL - (parts @ ones)[..., None]
    np.put_along_axis(parts, first, np.take_along_axis(parts, first, -1) + missing, -1)
    whole: Integers = parts.astype(np.int64)
    return whole


def powers(below: Integers) -> Doubles:
    """2**20 times 2 to the power of -k / 256, cut to whole numbers, for whole k from 0."""
    return _WEIGHTS.take(np.minimum(below, _REACH))


def from_probabilities(probabilities: Doubles) -> Integers:
    """Tables from floats `(..., S)` that need not sum to 1. Made once and stored: floats may differ elsewhere."""
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise ValueError("probabilities must be finite and not negative")
    largest = probabilities.max(axis=-1, keepdims=True)
    if (largest <= 0).any():
        raise ValueError("some probability must be above 0")
    scale = 2.0 ** (37 - int(np.ceil(np.log2(probabilities.shape[-1]))))
    return from_weights(np.rint(probabilities / largest * scale).astype(np.int64))


def _powers() -> Integers:
    """2**20 times 2 to the power of -k/256 for k in 0..255, to the nearest integer; in decimals, since exponentials
    of floats differ between machines."""
    context, steps = Context(prec=40), 1 << LOGIT_BITS
    roots = (context.power(Decimal(2), context.divide(Decimal(-k), Decimal(steps))) for k in range(steps))
    powers = [context.multiply(Decimal(1 << _SHIFT), root) for root in roots]
    return np.array([int(p.to_integral_value(ROUND_HALF_EVEN)) for p in powers], np.int64)


_POWERS = _powers()
_WEIGHTS = np.array([int(_POWERS[d & 255]) >> (d >> LOGIT_BITS) for d in range(_REACH + 1)], np.float64)
