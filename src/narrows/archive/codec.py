"""What an archive asks of a codec, and of a finder of models; both are handed in.

`narrows.codecs` has those for narrows' own ways of coding.
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
    """Some samples as bytes that decode alone, and the digest of what they decode to.

    They have these `shapes` and this `dtype`. `promise` is the one that they were encoded for, None for a file kept
    to the byte, which keeps any; `model` is the hash of the compact model that decoding takes, empty where it takes
    none.
    """

    payload: bytes
    digest: bytes
    shapes: tuple[Shape, ...]
    dtype: str
    promise: Promise | None = None
    model: bytes = b""

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return len(self.shapes)


class CodesBlocks(Protocol):
    """Turns samples of one dtype and number of channels into the bytes of a block and back.

    `compact_model` are the bytes that decoding needs, empty without a model. Calls come from several threads at a
    time. A codec that starts threads of its own MUST use only one core where `parallel.in_pool()` holds.
    """

    @property
    def promise(self) -> Promise: ...

    @property
    def compact_model(self) -> bytes: ...

    def encode(self, samples: Sequence[Array], verify: bool = True) -> Block:
        """Encode samples `(H, W, C)` or `(D,)`; with `verify`, decode them again and check the promise."""

    def decode(
        self, payload: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic], digest: bytes
    ) -> list[Array]:
        """The samples, of these shapes; raises `ArchiveError` if they do not match the digest."""

    def file(self, payload: bytes, digest: bytes) -> bytes | None:
        """The file that a block keeps to the byte, None for any other block."""


OpenCodec = Callable[[Promise, bytes], CodesBlocks]
"""Opens a codec for a promise and a compact model."""

FindModel = Callable[[bytes], bytes | None]
"""Finds the compact model whose SHA-256 begins with these 16 bytes, or None."""
