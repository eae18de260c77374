"""Several opinions of the next value, each a logistic distribution, mixed by how well they did of late.

A value is told by its bucket, relative to a centre: narrow ones near it, wider ones farther away, each with a mass
under the mixture; its place in the bucket is a few bits as they are. Signals stand side by side.
Next door: `coder` codes the buckets, `bits` the rest; `codecs.series` has the opinions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from narrows.entropy.bits import BitReader, BitWriter
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import TOTAL, CumulativeTables, Integers, from_weights, powers

# Part of the format.
POINT_BITS = 4  # of a mean, after the point
SCALE_BITS = 12  # of a mean absolute error, after the point
LEAST_SCALE = 1 << SCALE_BITS - 4
SCALES_A_UNIT = 6  # a bucket near the centre is at most a sixth of the mean absolute error wide, and at least 1
STEEPNESS = 233  # steps of the curve to a mean absolute error: 128 to the curve's own scale, 0.55 of it
REACH = 12 * 128  # steps from the mean to where the curve ends
CURVE_BITS, SHARE_BITS, SLOPE_BITS = 20, 10, 12
LEAST_SHARE = 2
MOST_SLOPE, MOST_BEGIN, MOST_AWAY = 1 << 23, 1 << 29, 1 << 34
FORGET_BITS = 6  # what an opinion earned fades by 2**-6 a step
SEEN_BITS = 12  # masses are told apart down to 2**-12


def _offsets() -> Integers:
    right = [*range(16), *range(16, 32, 2), *range(32, 64, 4), *range(64, 129, 8)]
    return np.array([-r for r in right[:0:-1]] + right, np.int64)


def _curve() -> npt.NDArray[np.int32]:
    """The logistic function at steps of 1/128, times 2**20, rounded. The exponentials are powers, in 2**-60 and
    rounded down, of a fifth-order exp(-1/128)."""
    one = 1 << 60
    ratio = one - (1 << 53) + (1 << 45) - (1 << 39) // 6 + (1 << 32) // 24 - (1 << 25) // 120
    power, right = one, []
    for _ in range(REACH + 1):
        right.append(((one << CURVE_BITS) + (one + power) // 2) // (one + power))
        power = power * ratio >> 60
    return np.array([(1 << CURVE_BITS) - r for r in right[:0:-1]] + right, np.int32)


def _logarithms() -> Integers:
    """256 times the logarithm to the base 2 of 1/4096 to 4097/4096, rounded down."""
    return np.array([((n**256).bit_length() - 1) - 256 * SEEN_BITS for n in range(1, (1 << SEEN_BITS) + 2)], np.int64)


OFFSETS = _offsets()  # where buckets begin, in units from the centre; the last is where the last one ends
OUTER = int(OFFSETS[-1])
BUCKET_OF = np.searchsorted(OFFSETS, np.arange(-OUTER, OUTER), side="right") - 1
WIDTHS = np.array([int(w).bit_length() - 1 for w in np.diff(OFFSETS)], np.int64)  # a power of 2
SYMBOLS = len(OFFSETS) + 1  # the first and the last are all that lies outside
NO_SYMBOL = SYMBOLS // 2  # of what is not coded
CURVE, LOGS = _curve(), _logarithms()
OUTSIDE = CumulativeTables((from_weights(np.array([0, 1])),), (0,))
_EDGES, _PLACES = OFFSETS.astype(np.int32), np.arange(1, SYMBOLS, dtype=np.int32)


@dataclass
class Experts:
    """How well each of E opinions did of late, for each of L signals: `earned` `(L, E)`, at most 0."""

    earned: Integers
    seen: tuple[npt.NDArray[np.int32], Integers] = field(init=False)

    def code(
        self,
        coder: Coder,
        bits: BitWriter | BitReader,
        values: Integers | None,
        means: Integers,
        scales: Integers,
        alive: npt.NDArray[np.bool_],
    ) -> Integers:
        """Code values `(L,)` (None unless encoding) of the signals that are `alive`, and return them, 0 for others.
        The `means` `(E, L)` are in 1/16, the mean absolute errors `scales` `(E, L)` in 1/4096; the last ones decide
        centre and units."""
        scales = np.maximum(scales, LEAST_SCALE)
        centre = means[-1] + (1 << POINT_BITS - 1) >> POINT_BITS
        units = np.frexp((scales[-1] // (SCALES_A_UNIT << SCALE_BITS)).astype(np.float64))[1].astype(np.int64)
        units = np.maximum(units - 1, 0)
        slope = np.minimum((STEEPNESS << units + SCALE_BITS + SLOPE_BITS) // scales, MOST_SLOPE)
        away = np.clip((centre << POINT_BITS) - (1 << POINT_BITS - 1) - means, -MOST_AWAY, MOST_AWAY)
        begin = np.clip(away * (STEEPNESS << SCALE_BITS + SLOPE_BITS - POINT_BITS) // scales, -MOST_BEGIN, MOST_BEGIN)
        places = slope.T.astype(np.int32)[:, :, None] * _EDGES
        places += begin.T.astype(np.int32)[:, :, None] + (REACH << SLOPE_BITS)
        places >>= SLOPE_BITS
        below = CURVE.take(places, mode="clip")  # (L, E, S - 1)
        ends = np.einsum("lej,le->lj", below, self._shares()) >> CURVE_BITS + SHARE_BITS - 24
        ends += _PLACES - (ends * np.int32(SYMBOLS) >> 24)
        parts = np.diff(ends, axis=1, prepend=np.int32(0), append=np.int32(TOTAL)).astype(np.int64)
        symbols, rest = None, None
        if values is not None:
            rest = values - centre
            place = rest >> units
            symbols = BUCKET_OF.take(place + OUTER, mode="clip") + 1
            symbols[place < -OUTER], symbols[place >= OUTER] = 0, SYMBOLS - 1
        all_alive = bool(alive.all())
        if all_alive:
            symbols = coder.by_parts(symbols, parts)
        else:
            coded = coder.by_parts(None if symbols is None else symbols[alive], parts[alive])
            symbols = np.full(len(alive), NO_SYMBOL)
            symbols[alive] = coded
        self.seen = below, symbols
        bucket = np.clip(symbols - 1, 0, SYMBOLS - 3)
        inside = (symbols > 0) & (symbols < SYMBOLS - 1)
        told = inside & alive
        first = OFFSETS[bucket] << units
        low = bits.code(None if rest is None else (rest - first) * told, (WIDTHS[bucket] + units) * told)
        found = first + low
        if not inside.all():
            out = np.flatnonzero(~inside)
            sign = np.where(symbols[out] > 0, 1, -1)
            edge = np.where(sign > 0, OUTER << units[out], -(OUTER << units[out]) - 1)
            given = None if rest is None else (rest[out] - edge) * sign
            found[out] = edge + sign * coder.by_table(given, np.zeros(len(out), np.int64), OUTSIDE)
        return (centre + found) * alive

    def learn(self) -> None:
        """Give each opinion what it earned by the mass that it had given to the last values."""
        below, symbols = self.seen
        rows = np.arange(len(symbols))
        high = below[rows, :, np.minimum(symbols, SYMBOLS - 2)].astype(np.int64)
        low = below[rows, :, np.maximum(symbols - 1, 0)].astype(np.int64)
        high[symbols == SYMBOLS - 1], low[symbols == 0] = 1 << CURVE_BITS, 0
        self.earned += LOGS[high - low >> CURVE_BITS - SEEN_BITS] - (self.earned >> FORGET_BITS)
        self.earned -= self.earned.max(axis=1, keepdims=True)

    def _shares(self) -> npt.NDArray[np.int32]:
        """The shares of the opinions in the mixture, `(L, E)`, which sum to 2**10."""
        weights = powers(-self.earned)
        count = weights.shape[1]
        shares = np.floor(weights * float((1 << SHARE_BITS) - count * LEAST_SHARE) / weights.sum(axis=1)[:, None])
        whole = shares.astype(np.int32) + LEAST_SHARE
        rows = np.arange(len(whole))
        whole[rows, self.earned.argmax(axis=1)] += (1 << SHARE_BITS) - whole.sum(axis=1, dtype=np.int32)
        return whole
