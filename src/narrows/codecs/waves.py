"""Signals at a quality: their level, then the transform of blocks that overlap, in whole steps, coded exactly.

Long signals are coded in sections, to bound the memory, all of them side by side. Each has a level, means of its
channels and a quality of its own. The transform runs in float32: another machine may encode to
other numbers, but bytes decode to the same numbers everywhere.
Next door: `bands` has the walk over the code; `transform` does the same for images and vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs.bands import IntegerBands
from narrows.codecs.base import WAVES, LearnedWay
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.decoder import SampleDecoder, dial
from narrows.codecs.transform import opened
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import CumulativeTables, Doubles, Integers, from_weights
from narrows.entropy.passes import QUALITIES
from narrows.entropy.products import plain_products
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array
from narrows.networks.loudness import LEAST, LEVELS, Loudness, loudness

# Part of the format.
SECTION = 1 << 17  # steps
REACH = 40  # of the table of small numbers, on both sides of 0

Section = tuple[int, slice, int]
"""The number of a signal, the part of it, and the blocks of that."""


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
        self, make: SampleDecoder, density: IntegerBands, quality: int, encoder: nn.Module | None = None
    ) -> None:
        """Raises `ModelError` if the parts do not fit together."""
        self.make, self.density, self.quality, self.encoder = make, density, quality, encoder
        if density.channels != make.code:
            raise ModelError("a compact model whose parts do not fit together; make the model again")

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        own = self.make.description
        return dtype == np.dtype(own.dtype) and all(len(s) == 2 and s[1] == own.channels for s in shapes)

    def walk(self, coder: Coder, samples: Sequence[Array] | None, shapes: Sequence[Shape]) -> list[Array]:
        parts = self._sections(shapes)
        heads = codes = None
        if samples is not None:
            heads, codes = self._analysed([samples[i][section] for i, section, _ in parts])
        heads = self._heads(coder, heads, len(parts))
        return [heads.numbers(), *self.density.walk(coder, codes, [blocks for *_, blocks in parts], heads.quality)]

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        samples = [np.empty(shape, self.make.description.dtype) for shape in shapes]
        for (i, section, _), head, found in zip(self._sections(shapes), numbers[0], numbers[1:], strict=True):
            signal = samples[i][section]
            signal[:] = self._values(self._synthesised(head, found)[:, : len(signal)].T.numpy())
        return samples

    def _sections(self, shapes: Sequence[Shape]) -> list[Section]:
        """The sections of signals that are coded side by side, the longest first."""
        sections: list[Section] = []
        for i, shape in enumerate(shapes):
            for start in range(0, shape[0], SECTION):
                length = min(SECTION, shape[0] - start)
                sections.append(
                    (i, slice(start, start + length), self.make.grid.padded(length) // self.make.grid.step)
                )
        return sorted(sections, key=lambda section: -section[2])

    def _values(self, x: Doubles) -> Array:
        """Signals in 0..1 in their own dtype; those louder than any in training are not cut."""
        own = self.make.description
        dtype, x = np.dtype(own.dtype), x * own.spans + own.lows
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
    def _analysed(self, signals: Sequence[Array]) -> tuple[Heads, list[Doubles]]:
        """Loudness, qualities and codes `(t, K)` of signals `(T, C)`."""
        if self.encoder is None:
            raise ModelError("this model came with an archive and only decodes; give the model file with -m")
        own, louds, codes = self.make.description, [], []
        for signal in signals:
            x = torch.from_numpy((signal.astype(np.float64) - own.lows) / own.spans).T[None, :, None]
            louds.append(loudness(x))
            lack = self.make.grid.lacks((1, len(signal)))[1]
            x = functional.pad(louds[-1].normal(x).float(), (0, lack, 0, 0), mode="replicate")
            with plain_products(torch.device("cpu")):
                code = self.encoder(x, dial(self.quality, 1))
            codes.append(np.ascontiguousarray(code[0, :, 0].T.double().numpy()))
        loud = Loudness(torch.cat([each.level for each in louds]), torch.cat([each.mean for each in louds]))
        return Heads(loud, np.full(len(signals), self.quality)), codes

    @torch.no_grad()
    def _synthesised(self, head: Integers, found: Integers) -> torch.Tensor:
        """A section `(C, T)` in 0..1, in float64, of walked symbols."""
        level, mean, quality = torch.from_numpy(head[:1]), torch.from_numpy(head[None, 1:-1]), int(head[-1])
        x = torch.from_numpy(self.density.values(found, quality).astype(np.float32)).T[None, :, None]
        with plain_products(torch.device("cpu")):
            y = self.make.network(x, dial(quality, 1))
        return Loudness(level, mean).back(y.double())[0, :, 0]


def open_waves(promise: Promise, compact: CompactModel | None) -> WavesWay:
    """The way of a compact model of signals."""
    assert compact is not None
    assert promise.quality is not None
    make, density, encoder, _ = opened(WAVES, compact)
    assert isinstance(density, IntegerBands)
    return WavesWay(make, density, promise.quality, encoder)
