"""What an archive asks of whoever turns samples into bytes and back, and of whoever knows models.

An archive knows no way of coding and no model: both are handed in. `narrows.codecs` has them for narrows' own ways.
Next door: `writer` and `reader` call what is declared here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.io.arrays import Array


@dataclass(frozen=True)
class Block:
    """Some samples as bytes that decode alone: how many there are, and the digest of what they decode to."""

    payload: bytes
    digest: bytes
    samples: int


class CodesBlocks(Protocol):
    """Turns samples of one dtype and number of channels into the bytes of a block and back.

    `promise` is what it keeps; `compact_model` are the bytes that decoding needs, empty where no model takes part.
    Calls come from several threads at a time. A codec that would start threads of its own MUST use one core only
    where `parallel.in_pool()` holds.
    """

    @property
    def promise(self) -> Promise: ...

    @property
    def compact_model(self) -> bytes: ...

    def encode(self, samples: Sequence[Array], verify: bool = True) -> Block:
        """Samples `(H, W, C)` or `(D,)`; with `verify`, they were decoded again and the promise was checked."""

    def decode(
        self, payload: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic], digest: bytes
    ) -> list[Array]:
        """The samples, of these shapes; raises `ArchiveError` where they do not match the digest."""


OpenCodec = Callable[[Promise, bytes], CodesBlocks]
"""Opens a codec for a promise and a compact model."""

FindModel = Callable[[bytes], bytes | None]
"""Finds the compact model whose SHA-256 begins with these 16 bytes, or None."""
