"""A family of tables by width, and how an encoder chooses the whole number of steps that it codes with one of them.

Table t is about a Gaussian around 0 with a standard deviation of 2**(t / 8 - 4) steps. For wider scales than there
are tables, the last bits are coded evenly.
Next door: `codecs.latents` and `codecs.factorized` say which number has which table; `codecs.calibrate` makes them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import PRECISION, TOTAL, CumulativeTables, Doubles, Integers, from_weights
from narrows.errors import ArchiveError, ModelError

CHOICE = 0.1  # squared steps that a bit is worth when an encoder chooses a symbol; measured

# The rest is part of the format.
LEAST_SCALE, MOST_SCALE = -4.0, 12.0  # of a Gaussian in steps, as powers of 2
OCTAVE = 8  # tables to a factor of 2 in scale
WIDEST = 5  # of a scale that has a table, as a power of 2
GAUSSIANS = int(WIDEST - LEAST_SCALE) * OCTAVE + 1
SCALES = int(MOST_SCALE - LEAST_SCALE) * OCTAVE + 1
LOW_BITS = -(-(SCALES - GAUSSIANS) // OCTAVE)
MOST = 1 << 23  # steps from a mean


@dataclass(frozen=True)
class Gaussians:
    """Symmetric tables: `halves` holds the right half of each, from 0 up, the escape last, one after another;
    `lengths` `(73,)` are those of the halves. A bit is `worth` so many squared steps to an encoder. Raises
    `ModelError` for anything else."""

    lengths: Integers
    halves: Integers
    worth: float = field(default=CHOICE, kw_only=True)  # not part of the format

    def __post_init__(self) -> None:
        if self.lengths.shape != (GAUSSIANS,) or self.halves.ndim != 1:
            raise ModelError("a compact model of a kind that this narrows does not know; update narrows")
        wrong = (self.lengths < 3).any() or (self.lengths > 1 << 15).any() or self.lengths.sum() != len(self.halves)
        wrong |= bool((self.halves < 1).any() or (self.halves > TOTAL).any())
        if wrong:
            raise ModelError("a compact model whose numbers are out of their limits; make the model again")
        try:
            _ = self.tables
        except ValueError:
            raise ModelError("a compact model whose tables are invalid; make the model again") from None

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        return [self.lengths, self.halves]

    @functools.cached_property
    def tables(self) -> CumulativeTables:
        """The Gaussians, then even tables for 1, 2, ... last bits."""
        halves = np.split(self.halves, np.cumsum(self.lengths)[:-1])
        parts = [np.concatenate([half[-2:0:-1], half]) for half in halves]
        lowest = [1 - len(part) // 2 for part in parts]
        even = [from_weights(np.append(np.ones(1 << bits, np.int64), 0)) for bits in range(1, LOW_BITS + 1)]
        return CumulativeTables((*parts, *even), (*lowest, *(0 for _ in even)))

    @functools.cached_property
    def _costs(self) -> tuple[Doubles, Integers, Integers]:
        """Bits of every symbol of all Gaussians in a row, the place of each one's 0, and how far each reaches."""
        parts, lowest = self.tables.parts[:GAUSSIANS], np.array(self.tables.lowest[:GAUSSIANS])
        starts = np.cumsum([0, *(len(p) for p in parts)])[:-1]
        return PRECISION - np.log2(np.concatenate(parts)), starts - lowest, -lowest

    def choice(self, offsets: Doubles, index: Integers) -> Integers:
        """The symbol of each offset in steps under its scale `index`, of the same shape: the nearest, or the next
        towards 0 if it costs less."""
        far = np.abs(offsets)
        near = np.rint(far)
        np.minimum(near, MOST - 1, out=near)
        near[far < self._zeroed[index]] = 0
        at = np.flatnonzero((near > 1) & (index < GAUSSIANS))
        if len(at):
            table, most = index.reshape(-1)[at], near.reshape(-1)[at].astype(np.int64)
            costs, zeros, reaches = self._costs
            reach = reaches[table]
            saved = np.where(most <= reach, costs[zeros[table] + np.minimum(most, reach)], costs.max())
            saved -= costs[zeros[table] + np.minimum(most - 1, reach)]
            less = 2 * (far.reshape(-1)[at] - most) + 1 < self.worth * saved
            near.reshape(-1)[at[less]] -= 1
        symbols: Integers = np.copysign(near, offsets).astype(np.int64)
        return symbols

    @functools.cached_property
    def _zeroed(self) -> Doubles:
        """For each scale, the offset below which 0 costs less in all than 1."""
        costs, zeros, _ = self._costs
        ends: Doubles = np.full(SCALES, 0.5)
        ends[:GAUSSIANS] += np.clip(self.worth / 2 * (costs[zeros + 1] - costs[zeros]), 0, 1)
        return ends

    def code(self, coder: Coder, symbols: Integers | None, index: Integers) -> Integers:
        """Code symbols (None unless encoding) of any shape, each under its scale. Raises `ArchiveError` for symbols
        that no encoder writes."""
        which, bits = _parted(index)
        high = None if symbols is None else (symbols >> bits).reshape(-1)
        found = coder.by_table(high, which.reshape(-1), self.tables).reshape(index.shape)
        return self._with_low(coder, symbols, found, bits)

    def code_rows(self, coder: Coder, symbols: Integers | None, index: Integers, count: int) -> Integers:
        """The same for symbols `(K, count)` whose scale depends on the row, `index` `(K,)`, in another order."""
        which, bits = _parted(index)
        high = None if symbols is None else symbols >> bits[:, None]
        found = coder.by_row(high, which, self.tables, count)
        return self._with_low(coder, symbols, found, np.broadcast_to(bits[:, None], found.shape))

    def _with_low(self, coder: Coder, symbols: Integers | None, found: Integers, bits: Integers) -> Integers:
        if found.size and max(-int(found.min()), int(found.max())) > MOST:
            raise ArchiveError("a damaged block: a number far outside its range")
        some = bits > 0
        if some.any():
            found <<= bits
            low = None if symbols is None else (symbols & (1 << bits) - 1)[some]
            read = coder.by_table(low, GAUSSIANS - 1 + bits[some], self.tables)
            if (read >> bits[some]).any():  # an escape, which no encoder writes here
                raise ArchiveError("a damaged block: last bits out of range")
            found[some] |= read
        return found


def _parted(index: Integers) -> tuple[Integers, Integers]:
    """The table of each scale, and the number of last bits that are coded evenly."""
    bits = np.maximum(0, -((GAUSSIANS - 1 - index) // OCTAVE))
    return index - OCTAVE * bits, bits
