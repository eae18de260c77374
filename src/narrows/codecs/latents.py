"""Codes of transforms to bytes and back: the walk over `networks.prior` in integers.

A number of the code is held in units of 2**-18 of its channel's deviation. The networks predict its mean and scale;
what is coded is the number of steps from the mean, with a table of a stored family. The mean, the table and the step
are computed from whole numbers alone.
Next door: `transform` makes samples of codes; `entropy.passes` has the order of the walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from narrows.archive.entries import Shape
from narrows.codecs.compact_model import UNKNOWN
from narrows.codecs.packed_arrays import take
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.gaussians import LEAST_SCALE, OCTAVE, SCALES, Gaussians
from narrows.entropy.integer_networks import IntegerNetwork, from_arrays, to_arrays
from narrows.entropy.passes import CODE_HALVINGS, QUALITIES, REACH, CodePass, code_passes, places
from narrows.errors import ModelError

Shorts = npt.NDArray[np.int16]
# All of these are part of the format.
VALUE_BITS = 7  # of a deviation, as the networks see it
OUT_BITS = 10  # of a deviation, or of a factor of 2, in their outputs
FRACTION = 8  # further bits of a number of the code
RATIO_SHIFT = 22  # 2**20 over the deviation times 2**20 of the step to 2**18 of a deviation
MOST_CHANNELS, MOST_GROUPS = 1 << 14, 64


@dataclass(frozen=True)
class IntegerPrior:
    """`networks.prior.Prior` in integers: the density of codes of `channels` numbers per block of an image, or per
    vector.

    Groups of channels lie between `edges`. For each quality, `(100,)`: `dials` for the networks, `steps` in 2**-20,
    `logs` of the steps in 2**-10 of a factor of 2. For each channel, `(K,)`: `inverses` of the deviation in 2**-20,
    and `widths`, its logarithm. A density that `refers` is conditioned on the code of a reference (see `references`),
    or, where `beside` is above 0, on that many channels that are known before the code.
    """

    spatial: bool
    edges: Integers
    dials: Integers
    steps: Integers
    logs: Integers
    inverses: Integers
    widths: Integers
    gaussians: Gaussians
    networks: tuple[IntegerNetwork, ...]
    refers: bool = False
    beside: int = 0

    @property
    def channels(self) -> int:
        """Numbers K of the code at one place."""
        return len(self.inverses)

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        head = [np.array([int(self.spatial)]), self.edges, self.dials, self.steps, self.logs, self.inverses]
        parts = [array for network in self.networks for array in to_arrays(network)]
        return [*head, self.widths, *self.gaussians.to_arrays(), *parts]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers], refers: bool = False, beside: int = 0) -> IntegerPrior:
        """The inverse, taking its arrays from an iterator; raises `ModelError` for other arrays."""
        flag, edges, dials, steps, logs, inverses, widths = take(arrays, 7)
        gaussians, spatial = Gaussians(*take(arrays, 2)), flag.tolist() == [1]
        known = flag.tolist() in ([0], [1]) and all(a.shape == (QUALITIES,) for a in (dials, steps, logs))
        known &= inverses.ndim == 1 and inverses.shape == widths.shape and 1 <= len(inverses) <= MOST_CHANNELS
        known &= edges.ndim == 1 and 2 <= len(edges) <= MOST_GROUPS + 1 and bool((np.diff(edges) > 0).all())
        known = known and (edges[0], edges[-1]) == (0, len(inverses))
        if not known:
            raise ModelError(UNKNOWN)
        wrong = (np.abs(dials) > 1 << VALUE_BITS).any() or (np.abs(np.append(logs, widths)) > 1 << 16).any()
        if wrong or deviations_are_wrong(steps, inverses):
            raise ModelError("a compact model whose numbers are out of their limits; make the model again")
        walk = code_passes(edges.tolist(), spatial, beside)
        networks = tuple(from_arrays(arrays) for _ in range(1 + max(p.number for p in walk)))
        for p in walk:
            inputs = 1 + spatial + p.seen + refers * p.referred
            wrong |= networks[p.number].ends != (inputs, 2 * (p.last - p.first), VALUE_BITS, OUT_BITS)
        if wrong:
            raise ModelError("a compact model whose parts do not fit together; make the model again")
        return cls(spatial, edges, dials, steps, logs, inverses, widths, gaussians, networks, refers, beside)

    def ratios(self, quality: int) -> Integers:
        """Steps `(K,)` in 2**-18 of a deviation."""
        ratios: Integers = np.maximum(1, self.inverses * self.steps[quality - 1] >> RATIO_SHIFT)
        return ratios

    def values(self, code: Integers) -> Doubles:
        """A walked code `(N, h, w, K)` in the units of samples."""
        return code * (2.0**20 / self.inverses * 2.0 ** -(OUT_BITS + FRACTION))

    def seen(self, known: Integers) -> Integers:
        """Walked codes as networks see them, in 2**-7 of a deviation, clipped to 4 deviations."""
        shift, limit = OUT_BITS + FRACTION - VALUE_BITS, REACH << VALUE_BITS
        cut: Integers = np.clip(known + (1 << shift - 1) >> shift, -limit, limit)
        return cut

    def walk(
        self, coder: Coder, codes: Doubles | None, shape: Shape, quality: int, reference: Shorts | None = None
    ) -> Integers:
        """Code numbers `(N, h, w, K)` in the units of samples (None unless encoding); returns them as coded, in
        2**-18 of each channel's deviation. `reference` are other codes of that shape, as networks see them."""
        known = np.zeros(shape, np.int64)
        wanted = None if codes is None else codes * (self.inverses * 2.0 ** (OUT_BITS + FRACTION - 20))
        ratios = self.ratios(quality)
        for p in code_passes(self.edges.tolist(), self.spatial, self.beside):
            plane = known[:, :: p.spacing, :: p.spacing]
            at = places(p.where, *plane.shape[1:3])
            if not at.any():
                continue
            own = slice(p.first, p.last)
            predicted = self._predict(p, plane, quality, reference, None if at.all() else np.flatnonzero(at))
            mean, scale = predicted.reshape(-1, 2, p.last - p.first).swapaxes(0, 1)
            index = scale + (self.widths[own] - int(self.logs[quality - 1]) - int(LEAST_SCALE * (1 << OUT_BITS)))
            index = np.clip(index * OCTAVE + (1 << OUT_BITS - 1) >> OUT_BITS, 0, SCALES - 1)
            mean <<= FRACTION
            symbols = None
            if wanted is not None:
                offsets = wanted[:, :: p.spacing, :: p.spacing, own][:, at].reshape(mean.shape)
                symbols = self.gaussians.choice((offsets - mean) / ratios[own], index)
            found = self.gaussians.code(coder, symbols, index)
            plane[:, at, own] = (mean + found * ratios[own]).reshape(len(plane), -1, p.last - p.first)
        return known

    def _predict(
        self, p: CodePass, plane: Integers, quality: int, reference: Shorts | None, at: Integers | None
    ) -> Integers:
        """The output of a pass's network, means and scales, `(N, h, w, 2 n)`, or at places `(N, 1, M, 2 n)`."""
        heads = [int(self.dials[quality - 1])]
        if self.spatial:
            heads.append((p.spacing.bit_length() - 1 << VALUE_BITS) // CODE_HALVINGS)
        end = len(heads) + p.seen
        inputs = np.zeros((*plane.shape[:3], end + self.refers * p.referred), np.float32)
        inputs[..., : len(heads)] = heads
        inputs[..., len(heads) : end] = self.seen(plane[..., : p.seen])
        if reference is not None:
            inputs[..., end:] = reference[:, :: p.spacing, :: p.spacing, : p.referred]
        out: Integers = self.networks[p.number](torch.from_numpy(inputs), at).numpy().astype(np.int64)
        return out


def deviations_are_wrong(steps: Integers, inverses: Integers) -> bool:
    """Whether steps or inverses of deviations are outside their limits."""
    wrong = (steps < 1).any() or (steps >= 1 << 30).any() or (inverses < 1).any() or (inverses > 1 << 36).any()
    return bool(wrong) or int(steps.max()) * int(inverses.max()) >= 1 << 52
