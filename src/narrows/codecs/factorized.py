"""Codes of small samples to bytes and back, fast: the table of a number depends on the quality alone.

Without a network between the code and its bytes, coding takes less time and more bytes.
Next door: `latents` predicts; `transform` makes samples of codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from narrows.archive.entries import Shape
from narrows.codecs.compact_model import UNKNOWN
from narrows.codecs.latents import FRACTION, MOST_CHANNELS, OUT_BITS, RATIO_SHIFT, Shorts, deviations_are_wrong
from narrows.codecs.packed_arrays import take
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.gaussians import SCALES, Gaussians
from narrows.entropy.passes import QUALITIES
from narrows.errors import ModelError

SILENT = 16  # scales below this, of a quarter of a step, are not worth a symbol


@dataclass(frozen=True)
class Factorized:
    """A factorized density of codes of K numbers: each has its own tables, the same for every sample.

    For each quality: `steps` `(100,)` in 2**-20; `scales` `(100, K)`, 0 for numbers that are not coded, else 1 more
    than a scale of `gaussians`; `means` `(100, K)` in 2**-18 of each number's deviation. `inverses` `(K,)` of the
    deviations are in 2**-20.
    """

    steps: Integers
    inverses: Integers
    scales: Integers
    means: Integers
    gaussians: Gaussians
    spatial = False

    @property
    def channels(self) -> int:
        """Numbers of a code."""
        return len(self.inverses)

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        return [self.steps, self.inverses, self.scales, self.means, *self.gaussians.to_arrays()]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers]) -> Factorized:
        """The inverse, taking its arrays from an iterator; raises `ModelError` for other arrays."""
        steps, inverses, scales, means = take(arrays, 4)
        gaussians = Gaussians(*take(arrays, 2))
        known = inverses.ndim == 1 and 1 <= len(inverses) <= MOST_CHANNELS and steps.shape == (QUALITIES,)
        if not known or scales.shape != means.shape or scales.shape != (QUALITIES, len(inverses)):
            raise ModelError(UNKNOWN)
        wrong = deviations_are_wrong(steps, inverses) or (np.abs(means) >= 1 << 40).any()
        if wrong or (scales < 0).any() or (scales > SCALES).any():
            raise ModelError("a compact model whose numbers are out of their limits; make the model again")
        return cls(steps, inverses, scales, means, gaussians)

    def values(self, code: Integers) -> Doubles:
        """A walked code `(N, 1, 1, K)` in the units of samples."""
        return code * (2.0**20 / self.inverses * 2.0 ** -(OUT_BITS + FRACTION))

    def walk(
        self, coder: Coder, codes: Doubles | None, shape: Shape, quality: int, reference: Shorts | None = None
    ) -> Integers:
        """Code numbers `(N, 1, 1, K)` in the units of samples (None unless encoding); returns them as coded, in
        2**-18 of each number's deviation. It never has a `reference`."""
        count, scales, mean = shape[0], self.scales[quality - 1], self.means[quality - 1]
        on = np.flatnonzero(scales)
        index, ratio = scales[on] - 1, np.maximum(1, self.inverses * self.steps[quality - 1] >> RATIO_SHIFT)[on]
        symbols = None
        if codes is not None:
            slopes = self.inverses[on] * 2.0 ** (OUT_BITS + FRACTION - 20) / ratio
            offsets = codes.reshape(count, -1)[:, on].T * slopes[:, None] - (mean[on] / ratio)[:, None]
            symbols = self.gaussians.choice(offsets, np.broadcast_to(index[:, None], offsets.shape))
        found = self.gaussians.code_rows(coder, symbols, index, count)
        found *= ratio[:, None]
        known = np.empty((count, self.channels), np.int64)
        known[:] = mean
        known[:, on] += found.T
        return known.reshape(shape)
