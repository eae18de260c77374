"""What a way of coding can do, and the table of all ways that a block may be stored in.

A new way is a module and a row. The module is loaded when a block or a model needs it: blocks that need no model are
read without PyTorch.
Next door: `block` walks the table; `fallback` has the ways that need no model.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs.compact_model import CompactModel
from narrows.entropy.coder import Coder, RangeDecoder, RangeEncoder
from narrows.io.arrays import Array


@dataclass(frozen=True)
class Coded:
    """The bytes of samples, and the numbers that every machine decodes them to."""

    data: bytes
    numbers: Sequence[Array]


class Way(ABC):
    """One way of coding, opened for a promise and, if it needs one, with a model.

    It codes numbers, which are the same on every machine and whose digest a block has; samples are made from them.
    """

    @abstractmethod
    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        """Whether it can store samples of these shapes, `(H, W, C)`, `(T, C)` or `(D,)`."""

    def holds(self, samples: Sequence[Array]) -> bool:
        """Whether it can store the values of samples that fit."""
        return True

    @abstractmethod
    def encode(self, samples: Sequence[Array]) -> Coded:
        """Encode samples that fit. Raises `ModelError` if the model can only decode."""

    @abstractmethod
    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> Sequence[Array]:
        """The numbers in `data`. Raises `ArchiveError` if the bytes are visibly damaged."""

    @abstractmethod
    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        """The samples, of these shapes, that numbers stand for."""


class LearnedWay(Way):
    """A way whose encoder and decoder take one walk over the numbers of samples."""

    @abstractmethod
    def walk(self, coder: Coder, samples: Sequence[Array] | None, shapes: Sequence[Shape]) -> Sequence[Array]:
        """Code samples (None unless encoding) of these shapes; returns their numbers."""

    def encode(self, samples: Sequence[Array]) -> Coded:
        coder = RangeEncoder()
        numbers = self.walk(coder, samples, [s.shape for s in samples])
        return Coded(coder.finish(), numbers)

    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> Sequence[Array]:
        coder = RangeDecoder(data)
        numbers = self.walk(coder, None, shapes)
        coder.finish()
        return numbers


@dataclass(frozen=True)
class WayRow:
    """A way as the format knows it: its `number` is the first byte of its blocks, and of its compact models.

    A `learned` way needs a model; a `lossy` one keeps a quality, any other an error; a `whole` one keeps a file to
    the byte; a `bounded` one an error that is not 0, which its blocks say. `opener` is the function that opens it, as
    "module:name".
    """

    number: int
    opener: str
    learned: bool = False
    lossy: bool = False
    whole: bool = False
    bounded: bool = False

    def open(self, promise: Promise, model: CompactModel | None) -> Way:
        """Load the module and open the way. Raises `ModelError` or `ArchiveError` for a damaged model."""
        module, _, name = self.opener.partition(":")
        opener: Callable[[Promise, CompactModel | None], Way]
        opener = getattr(importlib.import_module(f"narrows.codecs.{module}"), name)
        return opener(promise, model)


# Part of the format: a number is never given to another way.
RAW, PNG, PLANES, DIFFERENCES, JPEG, FILE, SERIES = range(7)
INTERPOLATION, PACKED, FLAC = 8, 9, 10
PIXELS, LEVELS, TRANSFORM, FACTORIZED, PYRAMID, RESIDUALS = range(16, 22)
ADVISED, WAVES, CORRECTED = 22, 23, 24
WAYS = (
    WayRow(RAW, "fallback:raw"),
    WayRow(PNG, "fallback:png"),
    WayRow(PLANES, "fallback:planes"),
    WayRow(DIFFERENCES, "fallback:differences"),
    WayRow(JPEG, "files:jpeg", whole=True),
    WayRow(FILE, "files:file", whole=True),
    WayRow(SERIES, "series:open_series"),
    WayRow(INTERPOLATION, "interpolation:open_interpolation", bounded=True),
    WayRow(PACKED, "files:packed", whole=True),
    WayRow(FLAC, "fallback:flac"),
    WayRow(PIXELS, "pixels:open_pixels", learned=True),
    WayRow(LEVELS, "levels:open_levels", learned=True, lossy=True),
    WayRow(TRANSFORM, "transform:open_transform", learned=True, lossy=True),
    WayRow(FACTORIZED, "transform:open_factorized", learned=True, lossy=True),
    WayRow(PYRAMID, "transform:open_pyramid", learned=True, lossy=True),
    WayRow(RESIDUALS, "residuals:open_residuals", learned=True),
    WayRow(ADVISED, "advised:open_advised", learned=True),
    WayRow(WAVES, "waves:open_waves", learned=True, lossy=True),
    WayRow(CORRECTED, "residuals:open_residuals", learned=True),
)


def row_of(number: int) -> WayRow | None:
    """The row of a way, None for a number that this version does not know."""
    return next((row for row in WAYS if row.number == number), None)
