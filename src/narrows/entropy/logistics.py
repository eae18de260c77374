"""A family of tables for residuals: the distance of a value from its prediction, by scale, by where between two whole
numbers the prediction lies, and by how heavy the tails are.

Table by table they begin as mixtures of two logistic distributions of one mean; counts then correct them.
Next door: `codecs.residuals` says which value has which table; `gaussians` is the family for codes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import (
    LOGIT_BITS,
    MOST_SYMBOLS,
    PRECISION,
    CumulativeTables,
    Doubles,
    Integers,
    from_logits,
)
from narrows.errors import ModelError

# Part of the format.
MEAN_BITS = 4  # of a prediction, after the point
TOLD_BITS = 9  # of the scale, a power of 2, and of the tail's logit, after the point
NARROWEST = -5  # of a scale, as a power of 2
STEPS = 6  # scales to a factor of 2
SCALES = 11 * STEPS + 1
FINE, MEDIUM = 4 * STEPS, 6 * STEPS + 4  # scales below the first have five phases, below the second three, others one
TAIL_EDGES = (-2304, -1664, -1152, -640, -128, 512, 1536)  # logits between the kinds of tails
TAILS = len(TAIL_EDGES) + 1
LOGIT_SHIFT = 4  # stored logits are in 1/16 of a factor of 2
PHASES = np.where(np.arange(SCALES) < FINE, 5, np.where(np.arange(SCALES) < MEDIUM, 3, 1))
FIRSTS = np.concatenate([[0], np.cumsum(PHASES)])  # of each scale, among pairs of scale and phase
TABLES = int(FIRSTS[-1]) * TAILS
MOST_DIFFERENCE = 1 << 20  # of neighbouring logits

_HALF = 1 << MEAN_BITS - 1
_LEAST_TAIL = TAIL_EDGES[0] - 1
# The kinds of tails, from that one on.
_KINDS = np.searchsorted(TAIL_EDGES, np.arange(_LEAST_TAIL, TAIL_EDGES[-1] + 1), side="right")


@dataclass(frozen=True)
class Residual:
    """What is known of values before they come: whole numbers `(N,)`. The `centre` is the prediction, rounded; the
    distance from it, in steps and times `turn`, has table `which`."""

    centre: Integers
    turn: Integers
    which: Integers


def residual(mean: Integers, scale: Integers, tail: Integers, step: int = 1) -> Residual:
    """From a prediction in 1/16 of a value, 0..255, the scale of its error and the logit of its tail in 1/512, for
    values that are coded in steps of an odd number."""
    centre = mean + _HALF >> MEAN_BITS
    off = mean - (centre << MEAN_BITS)
    return Residual(centre, np.where(off < 0, -1, 1), tables_of(off, scale, tail, step))


def tables_of(off: Integers, scale: Integers, tail: Integers, step: int) -> Integers:
    """The numbers of the tables `(N,)` of a `residual` whose prediction lies so far `off` its centre, -8..7 in 1/16
    of a value; the others are as there."""
    if step > 1:
        scale = scale - _logarithm(step)
    index = ((scale - (NARROWEST << TOLD_BITS)) * STEPS + (1 << TOLD_BITS - 1)) >> TOLD_BITS
    index = np.minimum(np.maximum(index, 0), SCALES - 1)
    kind = np.minimum(np.maximum(tail - _LEAST_TAIL, 0), len(_KINDS) - 1)
    found: Integers = _pairs(step).take((index << MEAN_BITS) + off + _HALF) * TAILS + _KINDS.take(kind)
    return found


@functools.cache
def _pairs(step: int) -> Integers:
    """The numbers of the pairs of scale and phase, scale by scale and then by where the centre lies."""
    away = (2 * np.abs(np.arange(-_HALF, _HALF)) + step) // (2 * step)
    phases = PHASES[:, None]
    phase = np.where(phases == 5, away + 1 >> 1, np.where(phases == 3, away + 2 >> 2, 0))
    return (FIRSTS[:-1, None] + phase).reshape(-1)


@functools.cache
def _logarithm(step: int) -> int:
    """512 times the logarithm of a step to the base 2, rounded, in whole numbers."""
    power: int = step ** (2 << TOLD_BITS)
    return power.bit_length() >> 1


@dataclass(frozen=True)
class Logistics:
    """The tables: `lengths` `(T,)`, `lowest` `(T,)`, and `logits` of all symbols one after another, the escape last
    of each, in 1/16 of a factor of 2 below the largest. Raises `ModelError` for anything else."""

    lengths: Integers
    lowest: Integers
    logits: Integers

    def __post_init__(self) -> None:
        flat = self.lengths.shape == self.lowest.shape == (TABLES,) and self.logits.ndim == 1
        if not flat or (self.lengths < 2).any() or (self.lengths > MOST_SYMBOLS).any():
            raise ModelError("a compact model of a kind that this narrows does not know; update narrows")
        if self.lengths.sum() != len(self.logits) or (self.logits > 0).any() or (np.abs(self.lowest) > 1 << 16).any():
            raise ModelError("a compact model whose tables are invalid; make the model again")

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers; logits as differences within their table, which are small."""
        starts = np.cumsum(self.lengths)[:-1]
        differences = np.diff(self.logits, prepend=0)
        differences[starts] = self.logits[starts]
        return [self.lengths, self.lowest, differences]

    @classmethod
    def from_arrays(cls, lengths: Integers, lowest: Integers, differences: Integers) -> Logistics:
        """The inverse; raises `ModelError` for other arrays."""
        flat = lengths.ndim == differences.ndim == 1 and (lengths > 0).all() and lengths.sum() == len(differences)
        if not flat or (np.abs(differences) > MOST_DIFFERENCE).any():
            raise ModelError("a compact model whose tables are invalid; make the model again")
        sums = np.cumsum(differences)
        ends = np.cumsum(lengths)
        return cls(lengths, lowest, sums - np.repeat(np.append(0, sums[ends[:-1] - 1]), lengths))

    @functools.cached_property
    def tables(self) -> CumulativeTables:
        """The tables themselves."""
        rows = np.split(np.maximum(self.logits, -64 << LOGIT_BITS) << LOGIT_SHIFT, np.cumsum(self.lengths)[:-1])
        return CumulativeTables(tuple(from_logits(row) for row in rows), tuple(self.lowest.tolist()))

    @functools.cached_property
    def _costs(self) -> tuple[Doubles, Integers]:
        """The bits of all symbols, table after table, and where each table begins."""
        return PRECISION - np.log2(np.concatenate(self.tables.parts)), np.cumsum(self.lengths) - self.lengths

    def bits(self, steps: Integers, known: Residual) -> Doubles:
        """The cost of whole numbers of steps from the centre `(N,)`, without the digits after an escape."""
        bits, starts = self._costs
        symbols, last = steps * known.turn - self.lowest.take(known.which), self.lengths.take(known.which) - 1
        symbols = np.where((symbols < 0) | (symbols > last), last, symbols)
        return bits.take(starts.take(known.which) + symbols)

    def code(self, coder: Coder, steps: Integers | None, known: Residual) -> Integers:
        """Code whole numbers of steps from the centre `(N,)` (None unless encoding); returns them."""
        given = None if steps is None else steps * known.turn
        return coder.by_table(given, known.which, self.tables) * known.turn
