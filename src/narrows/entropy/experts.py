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
from narrows.entropy.linear import clip

Shorts = npt.NDArray[np.int32]

# Part of the format.
POINT_BITS = 4  # of a mean, after the point
SCALE_BITS = 12  # of a mean absolute error, after the point
LEAST_SCALE = 1 << SCALE_BITS - 5
SCALES_A_UNIT = 6  # a bucket near the centre is at most a sixth of the mean absolute error wide, and at least 1
STEEPNESS = 197  # steps of the curve to a mean absolute error: 128 to a logistic scale, 0.65 of it
REACH = 40 * 128  # steps from the mean to where the curve ends
CURVE_BITS, SHARE_BITS, SLOPE_BITS = 20, 10, 10
LEAST_SHARE = 2
MOST_SLOPE, MOST_BEGIN, MOST_AWAY = 1 << 23, 1 << 29, 1 << 36
WIDE_UNITS = 8  # bits of units beyond which means and scales are coarser
CAUTION_BITS = 2  # opinions are alike, so that what they earned counts for a quarter
FORGET_BITS = 6  # what an opinion earned fades by 2**-6 a step
STRIP = 64  # signals looked at in one go
SEEN_BITS = 12  # masses are told apart down to 2**-12


def _offsets() -> Integers:
    right = [*range(16), *range(16, 32, 2), *range(32, 64, 4), *range(64, 129, 8)]
    return np.array([-r for r in right[:0:-1]] + right, np.int64)


def _curve() -> Shorts:
    """63/64 of a logistic function at steps of 1/128 and 1/64 of one four times as wide, times 2**20, rounded."""
    one = 1 << 60
    ratio = one - (1 << 51) + (1 << 41) - (1 << 33) // 6 + (1 << 22) // 24  # exp(-1/512)
    power, narrow, wide = one, [], []
    for place in range(4 * REACH + 1):
        if place <= REACH:
            wide.append(one * one // (one + power))
        if place % 4 == 0:
            narrow.append(one * one // (one + power))
        power = power * ratio >> 60
    shift = 60 + 6 - CURVE_BITS
    right = [63 * n + w + (1 << shift - 1) >> shift for n, w in zip(narrow, wide, strict=True)]
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
    seen: tuple[Integers, Integers, Integers] = field(init=False)

    def code(
        self,
        coder: Coder,
        bits: BitWriter | BitReader,
        values: Integers | None,
        means: Integers,
        scales: Integers,
        alive: npt.NDArray[np.bool_],
        shifts: Integers | None = None,
    ) -> Integers:
        """Code values `(L,)` (None unless encoding) of the signals that are `alive`, and return them, 0 for others.
        The `means` `(E, L)` are in 1/16, the mean absolute errors `scales` `(E, L)` in 1/4096; the last ones decide
        centre and units. What opinions earned counts with `shifts` `(L, E)` added, if there are any."""
        scales = np.maximum(scales, LEAST_SCALE)
        centre = means[-1] + (1 << POINT_BITS - 1) >> POINT_BITS
        units = np.frexp((scales[-1] // (SCALES_A_UNIT << SCALE_BITS)).astype(np.float64))[1].astype(np.int64)
        units = np.maximum(units - 1, 0)
        slope = np.minimum((STEEPNESS << units + SCALE_BITS + SLOPE_BITS) // scales, MOST_SLOPE)
        away = clip((centre << POINT_BITS) - (1 << POINT_BITS - 1) - means, MOST_AWAY)
        coarser = np.maximum(units - WIDE_UNITS, 0)  # so that no product leaves 64 bits
        away = (away >> coarser) * (STEEPNESS << SCALE_BITS + SLOPE_BITS - POINT_BITS)
        begin = clip(away // np.maximum(scales >> coarser, 1), MOST_BEGIN)
        ends = self._curves(slope.T.astype(np.int32), begin.T.astype(np.int32), shifts)
        parts = np.empty((len(ends), SYMBOLS), np.int64)
        parts[:, 0], parts[:, -1] = ends[:, 0], TOTAL - ends[:, -1]
        np.subtract(ends[:, 1:], ends[:, :-1], out=parts[:, 1:-1])
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
        self.seen = symbols, centre, units
        bucket = np.minimum(np.maximum(symbols - 1, 0), SYMBOLS - 3)
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
        values = (centre + found) * alive
        return values

    def _curves(self, slope: Shorts, begin: Shorts, shifts: Integers | None) -> Shorts:
        """Where symbols end, `(L, S - 1)` in 2**-24. A few signals at a time, so that they stay in the processor's
        cache."""
        ends = np.empty((len(slope), SYMBOLS - 1), np.int32)
        shares = _shares((self.earned >> CAUTION_BITS) + (0 if shifts is None else shifts))
        for first in range(0, len(slope), STRIP):
            some = slice(first, first + STRIP)
            places = slope[some, :, None] * _EDGES
            places += begin[some, :, None] + (REACH << SLOPE_BITS)
            places >>= SLOPE_BITS
            below = CURVE.take(places, mode="clip")  # (L, E, S - 1)
            mixed = np.einsum("lej,le->lj", below, shares[some]) >> CURVE_BITS + SHARE_BITS - 24
            np.subtract(mixed, mixed * np.int32(SYMBOLS) >> 24, out=ends[some])
        ends += _PLACES
        return ends

    def learn(self, means: Integers, scales: Integers) -> None:
        """Give each opinion what it earned by the mass that it gave to the buckets of the last values, by its own
        mean and scale."""
        symbols, centre, units = self.seen
        scales = np.maximum(scales, LEAST_SCALE)
        low = _below(centre + (OFFSETS[np.maximum(symbols - 1, 0)] << units), means, scales)
        high = _below(centre + (OFFSETS[np.minimum(symbols, SYMBOLS - 2)] << units), means, scales)
        low[:, symbols == 0], high[:, symbols == SYMBOLS - 1] = 0, 1 << CURVE_BITS
        self.earned += LOGS[high - low >> CURVE_BITS - SEEN_BITS].T - (self.earned >> FORGET_BITS)
        self.earned -= self.earned.max(axis=1, keepdims=True)


def _below(edges: Integers, means: Integers, scales: Integers) -> Integers:
    """The mass of opinions `(E, L)` below where buckets begin, in 2**-20."""
    away = clip((edges << POINT_BITS) - (1 << POINT_BITS - 1) - means, MOST_AWAY)
    places = away * (STEEPNESS << SCALE_BITS - POINT_BITS) // scales
    return CURVE.take(places + REACH, mode="clip").astype(np.int64)


def _shares(logs: Integers) -> Shorts:
    """The shares of the opinions in the mixture, `(L, E)`, which sum to 2**10, from their logarithms."""
    weights = powers(logs.max(axis=1, keepdims=True) - logs)
    count = weights.shape[1]
    shares = np.floor(weights * float((1 << SHARE_BITS) - count * LEAST_SHARE) / weights.sum(axis=1)[:, None])
    whole: Shorts = shares.astype(np.int32) + LEAST_SHARE
    whole[np.arange(len(whole)), logs.argmax(axis=1)] += (1 << SHARE_BITS) - whole.sum(axis=1, dtype=np.int32)
    return whole
