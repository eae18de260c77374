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
from narrows.io.arrays import Array


@dataclass(frozen=True)
class Coded:
    """The bytes of samples, and the digest of what every machine decodes them to."""

    data: bytes
    digest: bytes


class Way(ABC):
    """One way of coding, opened for a promise and, if it needs one, with a model."""

    @abstractmethod
    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        """Whether it can store samples of these shapes, `(H, W, C)` or `(D,)`."""

    @abstractmethod
    def encode(self, samples: Sequence[Array]) -> Coded:
        """Samples that fit as bytes. Raises `ModelError` where the model can only decode."""

    @abstractmethod
    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> tuple[list[Array], bytes]:
        """The samples of bytes, and their digest. Raises `ArchiveError` for bytes that are seen to be damaged."""

    @abstractmethod
    def digest(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bytes:
        """The digest alone, which may take less time. Raises as `decode` does."""


@dataclass(frozen=True)
class WayRow:
    """A way as the format knows it: its `number` is the first byte of its blocks, and of its compact models.

    A `learned` way needs a model; a `lossy` one keeps a quality, any other an error. `opener` is the function that
    opens it, as "module:name".
    """

    number: int
    opener: str
    learned: bool = False
    lossy: bool = False

    def open(self, promise: Promise, model: CompactModel | None) -> Way:
        """Load the module and open the way. Raises `ModelError` or `ArchiveError` for a damaged model."""
        module, _, name = self.opener.partition(":")
        opener: Callable[[Promise, CompactModel | None], Way]
        opener = getattr(importlib.import_module(f"narrows.codecs.{module}"), name)
        return opener(promise, model)


# Part of the format: a number is never given to another way.
RAW, PNG, PLANES, DIFFERENCES, PIXELS, LEVELS, TRANSFORM, FACTORIZED = 0, 1, 2, 3, 16, 17, 18, 19
WAYS = (
    WayRow(RAW, "fallback:raw"),
    WayRow(PNG, "fallback:png"),
    WayRow(PLANES, "fallback:planes"),
    WayRow(DIFFERENCES, "fallback:differences"),
    WayRow(PIXELS, "pixels:open_pixels", learned=True),
    WayRow(LEVELS, "levels:open_levels", learned=True, lossy=True),
    WayRow(TRANSFORM, "transform:open_transform", learned=True, lossy=True),
    WayRow(FACTORIZED, "transform:open_factorized", learned=True, lossy=True),
)


def row_of(number: int) -> WayRow | None:
    """The row of a way, None for a number that this version does not know."""
    return next((row for row in WAYS if row.number == number), None)
