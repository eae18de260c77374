"""What an archive will take, from pieces of a few files, before minutes are spent on it.

Next door: `compress` asks, and tells whoever waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from narrows.codecs.block import BlockCodec
from narrows.errors import NarrowsError
from narrows.io.arrays import Array
from narrows.io.images import MODES, read_header
from narrows.io.sound import read_chunks, sound_header
from narrows.tasks.inputs import Source, read

FILES = 6  # of which pieces are tried
SIDE = 96  # pixels of a piece of an image
SAMPLES = 256  # of an array
FRAMES, CHUNKS = 1 << 14, 4  # of a sound


@dataclass(frozen=True)
class Forecast:
    """Pieces of some files, and how many times more there is in all."""

    pieces: tuple[tuple[Array, ...], ...]
    times: float

    def size(self, codec: BlockCodec) -> float:
        """The bytes that everything will take with a codec, without the model; 0 where nothing could be tried."""
        return self.times * sum(len(codec.encode(list(piece), verify=False).payload) for piece in self.pieces)


def forecast(sources: Sequence[Source]) -> Forecast:
    """Pieces of files that are evenly picked; those that cannot be read are no part of it."""
    raw = sum(map(_raw_bytes, sources))
    pieces = [piece for piece in map(_piece, sources[:: -(-len(sources) // FILES)]) if piece]
    tried = sum(sample.nbytes for piece in pieces for sample in piece)
    return Forecast(tuple(pieces), raw / tried if tried else 0.0)


def _piece(source: Source) -> tuple[Array, ...]:
    try:
        if source.kind == "sounds":
            lossy = sound_header(source.path).lossy
            return () if lossy else tuple(islice(read_chunks(source.path, FRAMES), CHUNKS))
        samples: Iterable[Array] = read(source).samples
        found = list(islice(samples, SAMPLES))
    except NarrowsError:  # it is told when its turn comes
        return ()
    if len(found) == 1 and found[0].ndim == 3:
        return tuple(_parts(found[0]))
    return tuple(found)


def _parts(image: Array) -> Iterator[Array]:
    """The middle and the corners of an image; all of a small one."""
    ends = [max(0, side - SIDE) for side in image.shape[:2]]
    if not any(ends):
        yield image
        return
    for down, across in ((0.5, 0.5), (0, 0), (0, 1), (1, 0), (1, 1)):
        top, left = int(down * ends[0]), int(across * ends[1])
        yield np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])


def _raw_bytes(source: Source) -> int:
    """Bytes of the samples in a file, from its header."""
    try:
        if source.kind == "arrays":
            return source.size
        if source.kind == "sounds":
            sound = sound_header(source.path)
            return 0 if sound.lossy else sound.frames * sound.channels * np.dtype(sound.dtype).itemsize
        header = read_header(source.path)
        return header.height * header.width * len(MODES[header.content]) * (2 if header.wide else 1)
    except NarrowsError:
        return 0
