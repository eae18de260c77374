"""Signals of whole numbers, one value of each at a time: predicted from what came before, then coded.

Signals are cut into pieces, and every channel of a piece is a lane. All lanes walk side by side; a channel is one
step behind the channel before it, so that it sees that one's present.
Next door: `linear` predicts, `experts` codes, `advice` corrects; `codecs.series` makes whole numbers of samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from narrows.entropy.advice import PAST, Adviser, features, relative
from narrows.entropy.bits import BitReader, BitWriter
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.experts import POINT_BITS, SCALE_BITS, Experts
from narrows.entropy.linear import WEIGHT_BITS, Gradient, clip, products, solve
from narrows.errors import ArchiveError

# Part of the format.
OWN = 32  # last values of a lane that its predictions see
TAPS = {2: 8, 3: 4}  # and of every other channel, by the number of channels
FEW_TAPS, MOST_OTHERS = 2, 15
SPANS = ((8, 0, 20), (16, 2, 9), (OWN, 64, 2))  # own values, those of others, and how fast it forgets, in 1/32
NEAR = 16  # errors that the gradient filter sees
EARLY = (4, 8, 12, 16, 24)  # steps after which weights are solved anew, besides every 32nd
EVERY = 32
UNIT_BITS, MOST_SEEN = 6, 1 << 20  # of values for least squares, a mean absolute error being 1.0
RIDGE, MIX_RIDGE = 1 << 8, 1 << 2 * UNIT_BITS
MOST_ERROR, MOST_MOVE = 1 << 24, 1 << 31
RATES = (
    65536 // np.array([32, 32, 32, 32, 8, 64, 32])[:, None]
)  # of mean absolute errors: of four predictions, of their mixture, and for weights


@dataclass(frozen=True)
class Layout:
    """Which lanes there are: `pieces` are (sample, first frame, frames), the longest first; every one has `channels`
    lanes, one after the other."""

    pieces: tuple[tuple[int, int, int], ...]
    channels: int

    @classmethod
    def of(cls, lengths: Sequence[int], channels: int, most: int) -> Layout:
        """For samples of these lengths, in pieces of at most `most` frames, of one sample as equal as can be."""
        pieces = []
        for sample, length in enumerate(lengths):
            count = -(-length // most)
            size = -(-length // count)
            pieces += [(sample, first, min(size, length - first)) for first in range(0, length, size)]
        return cls(tuple(sorted(pieces, key=lambda piece: -piece[2])), channels)

    @property
    def starts(self) -> Integers:
        """The step of each lane's first value."""
        return np.tile(np.arange(self.channels), len(self.pieces))

    @property
    def ends(self) -> Integers:
        """The step after each lane's last value."""
        return np.repeat([frames for *_, frames in self.pieces], self.channels) + self.starts

    @property
    def steps(self) -> int:
        """Steps of the whole walk."""
        return self.pieces[0][2] + self.channels - 1

    def to_lanes(self, samples: Sequence[Integers]) -> Integers:
        """Samples `(T, C)` as lanes `(steps, L)`, zero outside."""
        lanes = np.zeros((self.steps, len(self.pieces) * self.channels), np.int64)
        for number, (sample, first, frames) in enumerate(self.pieces):
            for c in range(self.channels):
                lanes[c : c + frames, number * self.channels + c] = samples[sample][first : first + frames, c]
        return lanes

    def to_samples(self, lanes: Integers, lengths: Sequence[int]) -> list[Integers]:
        """The inverse."""
        samples = [np.empty((length, self.channels), np.int64) for length in lengths]
        for number, (sample, first, frames) in enumerate(self.pieces):
            for c in range(self.channels):
                samples[sample][first : first + frames, c] = lanes[c : c + frames, number * self.channels + c]
        return samples


@dataclass(frozen=True)
class Others:
    """Where the values of other channels stand that a lane sees: `rows` before the present `(n, L)`, in `lanes`."""

    rows: Integers
    lanes: Integers

    @classmethod
    def of(cls, channels: int, pieces: int) -> Others:
        """The nearest channels, those before first; a value of a channel before may be of the same time."""
        count = min(channels - 1, MOST_OTHERS)
        taps = TAPS.get(channels, FEW_TAPS)
        rows, lanes = np.zeros((2, taps * count, channels), np.int64)
        for own in range(channels):
            nearest = sorted(set(range(channels)) - {own}, key=lambda other: (abs(own - other), other))[:count]
            for place, other in enumerate(nearest):
                for tap in range(taps):
                    rows[tap * count + place, own] = (own - other if other < own else 1) + tap
                    lanes[tap * count + place, own] = other
        firsts = np.repeat(channels * np.arange(pieces), channels)
        return cls(np.tile(rows, pieces), np.tile(lanes, pieces) + firsts)


@dataclass
class Walk:
    """One walk over the lanes of a layout, all of whose values lie within `low` to `high`; a mean absolute error
    is `scale` / 16 at the beginning."""

    layout: Layout
    low: int
    high: int
    scale: int
    adviser: Adviser | None = None

    def __post_init__(self) -> None:
        channels, pieces = self.layout.channels, len(self.layout.pieces)
        self.others = Others.of(channels, pieces)
        self.before = OWN + channels  # zeros ahead of all lanes
        count, lanes = OWN + len(self.others.rows), channels * pieces
        per_tap = min(channels - 1, MOST_OTHERS)
        self.spans = [
            np.concatenate([np.arange(own), OWN + np.arange(min(taps * per_tap, count - OWN)), [count]])
            for own, taps, _ in SPANS
        ]
        self.powers = [np.zeros((len(s), len(s), lanes), np.int64) for s in self.spans]
        self.weights = np.zeros((len(SPANS), count, lanes), np.int64)
        self.mix_powers = np.zeros((4, 4, lanes), np.int64)
        self.mix = np.zeros((3, lanes), np.int64)
        self.gradient = Gradient(np.zeros((NEAR, lanes), np.int64))
        self.experts = Experts(np.zeros((lanes, len(RATES) - 1), np.int64))
        self.scales = np.full((len(RATES), lanes), self.scale << SCALE_BITS - POINT_BITS, np.int64)
        self.past = np.zeros((PAST, lanes), np.int64)
        self.seen: list[Doubles] = []
        self.mix_seen: list[Doubles] = []

    def code(self, coder: Coder, bits: BitWriter | BitReader, given: Integers | None) -> Integers:
        """Code lanes `(steps, L)` (None unless encoding); returns them."""
        starts, ends = self.layout.starts, self.layout.ends
        steps, lanes = self.layout.steps, len(ends)
        values = np.zeros((self.before + steps, lanes), np.int64)
        moves = np.zeros((self.before + steps, lanes), np.int64)
        errors = np.zeros((NEAR + steps, lanes), np.int64)
        at = self.others.lanes - self.others.rows * lanes
        regressors = np.zeros((OWN + len(at) + 1, lanes), np.int64)
        for step in range(steps):
            row = self.before + step
            if step % EVERY == 0:
                left = int(np.flatnonzero(ends > step)[-1]) + 1
                if left < 0.9 * regressors.shape[1]:
                    self._narrow(left)
                    regressors, at, starts, ends = (
                        regressors[:, :left].copy(),
                        at[:, :left].copy(),
                        starts[:left],
                        ends[:left],
                    )
            live = regressors.shape[1]
            regressors[1:OWN] = moves[row - OWN + 1 : row, :live][::-1]
            regressors[0] = values[row - 1, :live]
            moves.take(at + row * lanes, out=regressors[OWN:-1])
            near = errors[step : step + NEAR, :live]
            alive = (starts <= step) & (ends > step)
            own = None if given is None else given[step, :live]
            found, last = self._one(coder, bits, own, regressors, near, alive, step)
            values[row, :live] = found
            moves[row, :live] = regressors[-1]
            errors[NEAR + step, :live] = last
            if (step + 1) % EVERY == 0 or step + 1 in EARLY:
                self._solve(step >= EVERY)
        return values[self.before :]

    def _one(
        self,
        coder: Coder,
        bits: BitWriter | BitReader,
        given: Integers | None,
        regressors: Integers,
        near: Integers,
        alive: np.ndarray,
        step: int,
    ) -> tuple[Integers, Integers]:
        """One value of every lane, and by how much the longest prediction missed it."""
        count = len(regressors) - 1
        low, high = self.low << POINT_BITS, self.high << POINT_BITS
        means = np.empty((len(RATES), regressors.shape[1]), np.int64)
        straight = np.einsum("snl,nl->sl", self.weights, regressors[:count])
        shift = WEIGHT_BITS - POINT_BITS
        straight = (straight + (1 << shift - 1) >> shift) + (regressors[0] << POINT_BITS)
        means[:3] = _between(straight, low, high)
        means[3] = means[2] + self.gradient.predict(near)
        middle = means[:4].sum(axis=0) >> 2
        apart = means[:4] - middle
        means[4:] = _between(middle + (np.einsum("nl,nl->l", self.mix, apart[:3]) >> WEIGHT_BITS), low, high)
        opinions, widths, shifts = means[:-1], self.scales[:-1], None
        if self.adviser is not None:
            seen = features(opinions, widths, self.experts.earned, self.past)
            opinions, widths, shifts = self.adviser.advise(seen, opinions, widths, self.experts.earned)
        found = self.experts.code(coder, bits, given, opinions, widths, alive, shifts)
        if found.min() < self.low or found.max() > self.high:
            raise ArchiveError("a damaged block: a value out of its range")
        exact = found << POINT_BITS
        if self.adviser is not None:
            self.adviser.told(found, alive)
            self.past = np.concatenate([relative(exact - means[-1], self.scales[-2])[None] * alive, self.past[:-1]])
        self.experts.learn(means[:-1], self.scales[:-1])
        missed = np.abs(exact - means) << SCALE_BITS - POINT_BITS
        rates = np.maximum(RATES, 65536 // (step + 2))
        self.scales += ((missed - self.scales) * rates >> 16) * alive
        last = clip(exact - means[2], MOST_ERROR)
        self.gradient.learn(near, clip(exact - means[3], MOST_ERROR))
        regressors[count] = clip(found - regressors[0], MOST_MOVE)
        # A row is divided by the mean absolute error, so that loud passages count no more than quiet ones.
        inverse = np.maximum((1 << 32) // ((self.scales[-1] >> 4) + 128), 1)
        self.seen.append(_seen(regressors, inverse, 18))
        apart[3] = exact - middle
        self.mix_seen.append(_seen(apart, inverse, 18 + POINT_BITS))
        return found, last

    def _solve(self, forgets: bool) -> None:
        """Take in what was seen since the last time, and solve for new weights."""
        fresh, mixed = products(np.stack(self.seen)), products(np.stack(self.mix_seen))
        self.seen, self.mix_seen = [], []
        for number, (span, (_, _, faster)) in enumerate(zip(self.spans, SPANS, strict=True)):
            powers = self.powers[number]
            if forgets:
                powers -= (powers >> 5) * faster
            powers += fresh[np.ix_(span, span)]
            self.weights[number][span[:-1]] = solve(powers, RIDGE)
        if forgets:
            self.mix_powers -= self.mix_powers >> 4
        self.mix_powers += mixed
        self.mix = solve(self.mix_powers, MIX_RIDGE)

    def _narrow(self, left: int) -> None:
        """Leave out lanes that have ended."""
        self.powers = [p[..., :left].copy() for p in self.powers]
        self.weights, self.mix_powers = self.weights[..., :left].copy(), self.mix_powers[..., :left].copy()
        self.mix, self.scales = self.mix[:, :left].copy(), self.scales[:, :left].copy()
        self.gradient = Gradient(self.gradient.weights[:, :left].copy())
        self.experts = Experts(self.experts.earned[:left].copy())
        self.past = self.past[:, :left].copy()


def _seen(values: Integers, inverse: Integers, shift: int) -> Doubles:
    scaled = values * inverse + (1 << shift - 1) >> shift
    return clip(scaled, MOST_SEEN).astype(np.float64)


def _between(values: Integers, low: int, high: int) -> Integers:
    return np.minimum(np.maximum(values, low), high)
