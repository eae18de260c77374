"""Signals at a quality: their level, then the transform of blocks that overlap, in whole steps, coded exactly.

Long signals are coded in sections, to bound the memory; sections of as many blocks are coded together. Each has a
level, means of its channels and a quality of its own. The transform runs in float32: another machine may encode to
other numbers, but bytes decode to the same numbers everywhere.
Next door: `latents` has the walk over the code; `transform` does the same for images and vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs.base import WAVES, LearnedWay
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.decoder import SampleDecoder, dials
from narrows.codecs.latents import IntegerPrior
from narrows.codecs.transform import opened
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import CumulativeTables, Doubles, Integers, from_weights
from narrows.entropy.integer_networks import plain_products
from narrows.entropy.passes import QUALITIES
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array
from narrows.networks.loudness import LEAST, LEVELS, Loudness, loudness

# Part of the format.
SECTION = 1 << 17  # steps
TOGETHER = 1 << 18  # values of sections that are coded together, unless a single one has more
REACH = 40  # of the table of small numbers, on both sides of 0

Section = tuple[int, slice]


def _tables() -> CumulativeTables:
    """One table of levels, all alike, and one of numbers that are mostly small; the escape comes last."""
    small = np.maximum(1, (1 << 16) >> np.abs(np.arange(-REACH, REACH + 1)))
    levels = np.ones(LEVELS, np.int64)
    return CumulativeTables(
        tuple(from_weights(np.append(w, e)) for w, e in ((levels, 0), (small, 16))), (LEAST, -REACH)
    )


TABLES = _tables()


@dataclass(frozen=True)
class Heads:
    """What sections have beside their codes: their `loud`ness, and the `quality` `(n,)` of each."""

    loud: Loudness
    quality: Integers

    def numbers(self) -> Integers:
        """Level, means and quality in a row for each section, `(n, 2 + C)`."""
        return np.column_stack([self.loud.level.numpy(), self.loud.mean.numpy(), self.quality])


class WavesWay(LearnedWay):
    """Signals of the model's dtype and number of channels, of any length. Without `encoder` it only decodes."""

    def __init__(
        self, make: SampleDecoder, density: IntegerPrior, quality: int, encoder: nn.Module | None = None
    ) -> None:
        """Raises `ModelError` if the parts do not fit together."""
        self.make, self.density, self.quality, self.encoder = make, density, quality, encoder
        if density.channels != make.code or density.axes != 1:
            raise ModelError("a compact model whose parts do not fit together; make the model again")

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        own = self.make.description
        return dtype == np.dtype(own.dtype) and all(len(s) == 2 and s[1] == own.channels for s in shapes)

    def walk(self, coder: Coder, samples: Sequence[Array] | None, shapes: Sequence[Shape]) -> list[Array]:
        found: list[Array] = []
        for part, blocks in self._parts(shapes):
            heads = codes = None
            if samples is not None:
                heads, codes = self._analysed([samples[i][section] for i, section in part])
            heads = self._heads(coder, heads, len(part))
            shape = (len(part), 1, blocks, self.density.channels)
            found += [heads.numbers(), self.density.walk(coder, codes, shape, heads.quality)]
        return found

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        samples = [np.empty(shape, self.make.description.dtype) for shape in shapes]
        for number, (part, _) in enumerate(self._parts(shapes)):
            made = self._synthesised(*numbers[2 * number : 2 * number + 2])
            for (i, section), own in zip(part, made, strict=True):
                signal = samples[i][section]
                signal[:] = self._values(own[:, 0, : len(signal)].T.numpy())
        return samples

    def _parts(self, shapes: Sequence[Shape]) -> Iterator[tuple[list[Section], int]]:
        """Sections of signals that are coded together, which have as many blocks; and how many."""
        by_blocks: dict[int, list[Section]] = {}
        for i, shape in enumerate(shapes):
            for start in range(0, shape[0], SECTION):
                length = min(SECTION, shape[0] - start)
                blocks = self.make.grid.padded(length) // self.make.grid.step
                by_blocks.setdefault(blocks, []).append((i, slice(start, start + length)))
        for blocks, sections in by_blocks.items():
            most = max(1, TOGETHER // (blocks * self.density.channels))
            for first in range(0, len(sections), most):
                yield sections[first : first + most], blocks

    def _values(self, x: Doubles) -> Array:
        """Signals in 0..1 in their own dtype; those louder than any in training are not cut."""
        own = self.make.description
        dtype, x = np.dtype(own.dtype), x * (own.high - own.low) + own.low
        limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        x = np.clip(x if dtype.kind == "f" else np.rint(x), float(limits.min), float(limits.max))
        return x.astype(dtype)

    def _heads(self, coder: Coder, heads: Heads | None, count: int) -> Heads:
        """Code what sections have beside their codes. Raises `ArchiveError` for what no encoder writes."""
        channels = self.make.description.channels
        given = None if heads is None else heads.numbers() - np.array([0, *[0] * channels, self.quality])
        which = np.tile([0, *[1] * (channels + 1)], count)
        found = coder.by_table(None if given is None else given.reshape(-1), which, TABLES).reshape(count, -1)
        level, mean, quality = found[:, 0], found[:, 1:-1], found[:, -1] + self.quality
        if (
            (level < LEAST).any()
            or (level >= LEAST + LEVELS).any()
            or (quality < 1).any()
            or (quality > QUALITIES).any()
        ):
            raise ArchiveError("a damaged block: a level or quality that there is not")
        return Heads(Loudness(torch.from_numpy(level.copy()), torch.from_numpy(mean.copy())), quality)

    @torch.no_grad()
    def _analysed(self, signals: Sequence[Array]) -> tuple[Heads, Doubles]:
        """Loudness, qualities and codes `(n, 1, t, K)` of signals `(T, C)` of as many blocks."""
        if self.encoder is None:
            raise ModelError("this model came with an archive and only decodes; give the model file with -m")
        own = self.make.description
        made, louds = [], []
        for signal in signals:
            x = torch.from_numpy((signal.astype(np.float64) - own.low) / (own.high - own.low)).T[None, :, None]
            louds.append(loudness(x))
            lack = self.make.grid.lacks((1, len(signal)))[1]
            made.append(functional.pad(louds[-1].normal(x).float(), (0, lack, 0, 0), mode="replicate"))
        loud = Loudness(torch.cat([each.level for each in louds]), torch.cat([each.mean for each in louds]))
        quality = np.full(len(signals), self.quality)
        with plain_products(torch.device("cpu")):
            code = self.encoder(torch.cat(made), dials()[quality - 1])
        return Heads(loud, quality), np.ascontiguousarray(code.permute(0, 2, 3, 1).double().numpy())

    @torch.no_grad()
    def _synthesised(self, heads: Integers, found: Integers) -> torch.Tensor:
        """Signals `(n, C, 1, T)` in 0..1, in float64, of walked codes."""
        x = torch.from_numpy(self.density.values(found).astype(np.float32)).permute(0, 3, 1, 2)
        with plain_products(torch.device("cpu")):
            y = self.make.network(x, dials()[heads[:, -1] - 1])
        return Loudness(torch.from_numpy(heads[:, 0]), torch.from_numpy(heads[:, 1:-1])).back(y.double())


def open_waves(promise: Promise, compact: CompactModel | None) -> WavesWay:
    """The way of a compact model of signals."""
    assert compact is not None
    assert promise.quality is not None
    make, density, encoder, _ = opened(WAVES, compact)
    assert isinstance(density, IntegerPrior)
    return WavesWay(make, density, promise.quality, encoder)
