"""Codes of signals to bytes and back: the walk over `networks.bands` in integers.

Blocks come one after another, so that each can see all before it; signals of one walk take it side by side. A number
of the code is a whole number of steps. The networks predict its scale, from which a table of a stored family follows.
Next door: `waves` makes signals of codes; `entropy.rounds` has the order of the walk; `latents` does the same for
codes of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from narrows.codecs.compact_model import UNKNOWN
from narrows.codecs.packed_arrays import take
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.gaussians import LEAST_SCALE, OCTAVE, SCALES, Gaussians
from narrows.entropy.integer_networks import IntegerNetwork, from_arrays, to_arrays
from narrows.entropy.passes import QUALITIES
from narrows.entropy.rounds import MEMORIES, PAST, ROUNDS
from narrows.errors import ModelError

Floats = npt.NDArray[np.float32]
# All of these are part of the format.
VALUE_BITS = 7  # of a factor of 2, as networks see sizes and scales
OUT_BITS = 10  # of a factor of 2, in their outputs
MEMORY_BITS = 6  # further bits of a memory
SIZE_LIMIT, BASE_LIMIT = 24 << VALUE_BITS, 16 << VALUE_BITS
STEP_BITS = 20  # of a step
MOST_NUMBERS = 1 << 14  # of a block
INPUTS, SIDE = 3 + PAST + len(MEMORIES) + 1, 13  # of a band, and bands that a network sees at once


@dataclass(frozen=True)
class IntegerBands:
    """`networks.bands.Bands` in integers: the density of codes of `channels` numbers a block.

    For each quality, `(100,)`: `dials` for the networks, `steps` in 2**-20, `logs` of the steps in 2**-10 of a factor
    of 2. For each number of a block, `(K,)`: `widths`, the logarithm of its deviation, likewise.
    """

    dials: Integers
    steps: Integers
    logs: Integers
    widths: Integers
    gaussians: Gaussians
    networks: tuple[IntegerNetwork, ...]

    @property
    def channels(self) -> int:
        """Numbers K of a block."""
        return len(self.widths)

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        parts = [array for network in self.networks for array in to_arrays(network)]
        return [self.dials, self.steps, self.logs, self.widths, *self.gaussians.to_arrays(), *parts]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers], worth: float) -> IntegerBands:
        """The inverse, taking its arrays from an iterator; `worth` is for `Gaussians`. Raises `ModelError` for other
        arrays."""
        dials, steps, logs, widths, lengths, halves = take(arrays, 6)
        gaussians = Gaussians(lengths, halves, worth=worth)
        known = all(a.shape == (QUALITIES,) for a in (dials, steps, logs)) and widths.ndim == 1
        if not known or not 1 <= len(widths) <= MOST_NUMBERS:
            raise ModelError(UNKNOWN)
        wrong = (np.abs(dials) > 1 << VALUE_BITS).any() or (np.abs(np.append(logs, widths)) > 1 << 16).any()
        if wrong or (steps < 1).any() or (steps >= 1 << 30).any():
            raise ModelError("a compact model whose numbers are out of their limits; make the model again")
        networks = tuple(from_arrays(arrays) for _ in ROUNDS)
        if any(network.ends != (SIDE * INPUTS, 1, VALUE_BITS, OUT_BITS) for network in networks):
            raise ModelError("a compact model whose parts do not fit together; make the model again")
        return cls(dials, steps, logs, widths, gaussians, networks)

    def values(self, symbols: Integers, quality: int) -> Doubles:
        """Walked symbols in the units of codes."""
        found: Doubles = symbols.astype(np.float64) * (float(self.steps[quality - 1]) * 2.0**-STEP_BITS)
        return found

    def walk(
        self, coder: Coder, codes: Sequence[Doubles] | None, lengths: Sequence[int], qualities: Integers
    ) -> list[Integers]:
        """Code numbers `(t, K)` of signals (None unless encoding), whose `lengths` in blocks never rise, each at a
        quality of its own, `(n,)`; returns them as coded, in steps."""
        count, size, longest = len(lengths), self.channels, lengths[0]
        symbols = np.zeros((longest, count, size), np.int64)
        base = self.widths - self.logs[qualities - 1][:, None]  # (n, K)
        edge = SIDE // 2
        padded = np.zeros((count, size + 2 * edge, INPUTS), np.float32)
        inputs = padded[:, edge : edge + size]  # (n, K, INPUTS)
        inputs[..., 0] = np.clip(base >> OUT_BITS - VALUE_BITS, -BASE_LIMIT, BASE_LIMIT)
        inputs[..., 1] = (np.arange(size) << VALUE_BITS) // max(1, size - 1)
        inputs[..., 2] = self.dials[qualities - 1][:, None]
        memories = np.zeros((len(MEMORIES), count, size), np.int64)
        steps = self.steps[qualities - 1] * 2.0**-STEP_BITS
        offset = base - int(LEAST_SCALE * (1 << OUT_BITS))
        for block in range(longest):
            own = sum(length > block for length in lengths)
            wanted = None if codes is None else np.stack([codes[i][block] for i in range(own)]) / steps[:own, None]
            x = inputs[:own]
            x[..., 3 + PAST : -1] = np.moveaxis(memories[:, :own] >> MEMORY_BITS, 0, -1)
            x[..., -1] = 0
            for number, at in enumerate(ROUNDS):
                places = np.arange(size)[at]
                if not len(places):
                    continue
                near = padded[:own, places[:, None] + np.arange(SIDE)].reshape(own, 1, len(places), -1)
                found = self.networks[number](torch.from_numpy(near)).numpy().astype(np.int64)[:, 0, :, 0]
                index = (found + offset[:own, at]) * OCTAVE + (1 << OUT_BITS - 1) >> OUT_BITS
                index = np.clip(index, 0, SCALES - 1)
                given = None if wanted is None else self.gaussians.choice(wanted[:, at], index)
                symbols[block, :own, at] = self.gaussians.code(coder, given, index)
                x[:, at, -1] = sizes(symbols[block, :own, at])
            now = sizes(symbols[block])
            x[..., 4 : 3 + PAST] = x[..., 3 : 2 + PAST].copy()
            x[..., 3] = now[:own]
            for memory, shift in zip(memories, MEMORIES, strict=True):
                memory += (now << MEMORY_BITS) - memory >> shift
        return [symbols[:length, i] for i, length in enumerate(lengths)]


def sizes(symbols: Integers) -> Integers:
    """About the binary logarithm of 1 + |symbol| in 2**-7, linear between powers of 2."""
    above = np.minimum(np.abs(symbols), (1 << 23) - 1) + 1
    power = np.frexp(above.astype(np.float64))[1].astype(np.int64) - 1  # exact below 2**53
    found: Integers = (power << VALUE_BITS) + ((above - (1 << power) << VALUE_BITS) >> power)
    return found
