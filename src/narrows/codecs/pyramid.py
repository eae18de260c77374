"""Codes of two resolutions to bytes and back: `networks.pyramid.PyramidPrior` in integers.

The coarse channels are walked first. What they say about the blocks is computed in whole numbers and lies beside the
other channels, which are walked next, at twice the resolution.
Next door: `latents` has the walk over one resolution; `transform` makes samples of codes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from narrows.archive.entries import Shape
from narrows.codecs.latents import FRACTION, OUT_BITS, VALUE_BITS, IntegerPrior, Shorts
from narrows.codecs.packed_arrays import take
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.passes import REACH
from narrows.errors import ModelError
from narrows.io.arrays import Array

# Part of the format.
BACK_BITS = 12  # of the weights of the way back from coarse channels to those of blocks
MOST_COARSE = 1 << OUT_BITS + FRACTION + 6  # 64 deviations, to which coarse channels are clipped on that way
MOST_BACK = 1 << 20  # of such a weight
MOST_SMOOTH = 256  # channels of blocks that are coded in coarse ones


@dataclass(frozen=True)
class IntegerPyramid:
    """The density of codes `(N, h, w, 4 S + 4 K)`: 4 S `coarse` channels, and K `fine` ones of each of four blocks.

    `back` `(4 S, 4 S)`, in 2**-12, makes of coarse channels, in their deviations, what the S first channels of the
    four blocks would be, in theirs.
    """

    coarse: IntegerPrior
    fine: IntegerPrior
    back: Integers

    spatial = True

    @property
    def channels(self) -> int:
        """Numbers of the code in one coarse block."""
        return self.coarse.channels + 4 * self.fine.channels

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        return [self.back, *self.coarse.to_arrays(), *self.fine.to_arrays()]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers]) -> IntegerPyramid:
        """The inverse, taking its arrays from an iterator; raises `ModelError` for other arrays."""
        (back,) = take(arrays, 1)
        side = len(back) if back.ndim == 2 else 0
        if back.shape != (side, side) or not 4 <= side <= 4 * MOST_SMOOTH or side % 4:
            raise ModelError("a compact model whose parts do not fit together; make the model again")
        if np.abs(back).max() > MOST_BACK:
            raise ModelError("a compact model whose numbers are out of their limits; make the model again")
        coarse = IntegerPrior.from_arrays(arrays)
        fine = IntegerPrior.from_arrays(arrays, refers=True, beside=side // 4)
        if coarse.channels != side or not coarse.spatial or not fine.spatial:
            raise ModelError("a compact model whose parts do not fit together; make the model again")
        return cls(coarse, fine, back)

    def values(self, code: Integers) -> Doubles:
        """A walked code `(N, h, w, 4 S + 4 K)` in the units of samples."""
        coarse, fine = self._parted(code)
        return np.concatenate([self.coarse.values(coarse), gathered(self.fine.values(fine))], axis=3)

    def walk(
        self, coder: Coder, codes: Doubles | None, shape: Shape, quality: int, reference: Shorts | None = None
    ) -> Integers:
        """As `IntegerPrior.walk`, each number in 2**-18 of its channel's deviation; there are no references."""
        count, height, width, _ = shape
        parts = (None, None) if codes is None else self._parted(codes)
        coarse = self.coarse.walk(coder, parts[0], (count, height, width, self.coarse.channels), quality)
        size = (count, 2 * height, 2 * width, self.fine.channels)
        fine = self.fine.walk(coder, parts[1], size, quality, self.context(coarse))
        return np.concatenate([coarse, gathered(fine)], axis=3)

    def context(self, coarse: Integers) -> Shorts:
        """What walked coarse channels say about the first channels of blocks, `(N, 2 h, 2 w, S)`, as networks see
        it."""
        # Every sum stays below 2**53, so float64 holds it whatever the order of the additions.
        sums = np.clip(coarse, -MOST_COARSE, MOST_COARSE) @ self._back
        shift, limit = OUT_BITS + FRACTION + BACK_BITS - VALUE_BITS, REACH << VALUE_BITS
        seen = np.clip(np.floor(sums * 2.0**-shift + 0.5), -limit, limit)
        return scattered(seen.astype(np.int16))

    @functools.cached_property
    def _back(self) -> Doubles:
        return np.ascontiguousarray(self.back.T, np.float64)

    def _parted(self, code: Array) -> tuple[Array, Array]:
        first = self.coarse.channels
        return code[..., :first], scattered(code[..., first:])


def scattered(coarse: Array) -> Array:
    """Coarse blocks `(N, h, w, 4 K)` as blocks `(N, 2 h, 2 w, K)`, as `pixel_shuffle` does."""
    count, height, width, channels = coarse.shape
    parts = coarse.reshape(count, height, width, channels // 4, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return np.ascontiguousarray(parts).reshape(count, 2 * height, 2 * width, channels // 4)


def gathered(blocks: Array) -> Array:
    """The inverse, as `pixel_unshuffle` does."""
    count, height, width, channels = blocks.shape
    parts = blocks.reshape(count, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 5, 2, 4)
    return np.ascontiguousarray(parts).reshape(count, height // 2, width // 2, 4 * channels)
