"""Files kept as they are, to the byte, where that takes less than their pixels: JPEGs above all.

A JPEG is coded anew by lepton, which gives back the very file; any other file is stored as it is. What a block
decodes to, and has the digest of, are the bytes of the file; its pixels are read from them.
Next door: `tasks.compress` decides which files are kept; `block` walks the table of ways.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.digest import digest_of
from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs.base import FILE, JPEG, Coded, Way
from narrows.codecs.compact_model import CompactModel
from narrows.errors import ArchiveError, DataError
from narrows.io.arrays import Array

START_OF_JPEG = b"\xff\xd8\xff"


class KeptFile(Way):
    """One file in a block, as a vector of its bytes or as the image in it; `unpacked` makes the file of what is
    stored."""

    def __init__(self, unpacked: Callable[[bytes], bytes]) -> None:
        self._unpacked = unpacked

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        return len(shapes) == 1 and (dtype == np.uint8 or (dtype == np.uint16 and len(shapes[0]) == 3))

    def encode(self, samples: Sequence[Array]) -> Coded:
        raise NotImplementedError("blocks of files are made by `kept`")

    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> Sequence[Array]:
        return [np.frombuffer(self._unpacked(data), np.uint8)]

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        (content,), (shape,) = numbers, shapes
        if shape == content.shape:
            return [content]
        from narrows.io.pictures import picture_in  # loads Pillow

        try:
            pixels = picture_in(content.tobytes()).pixels
        except DataError as error:
            raise ArchiveError(f"a damaged block: {error}") from None
        if pixels.shape != shape:
            raise ArchiveError(f"a damaged block: an image {pixels.shape} in place of {shape}")
        return [pixels]


def jpeg(promise: Promise, model: CompactModel | None) -> Way:
    """A JPEG, coded anew."""
    return KeptFile(_from_lepton)


def file(promise: Promise, model: CompactModel | None) -> Way:
    """A file as it is."""
    return KeptFile(lambda data: data)


def is_jpeg(content: bytes) -> bool:
    """Whether a file begins as a JPEG does."""
    return content.startswith(START_OF_JPEG)


def kept(content: bytes) -> Block:
    """The block of a file that is kept to the byte, in the way that takes fewer bytes."""
    payload = bytes([FILE]) + content
    if is_jpeg(content):
        coded = _to_lepton(content)
        if coded is not None and len(coded) < len(content):
            payload = bytes([JPEG]) + coded
    return Block(payload, digest_of([np.frombuffer(content, np.uint8)]), 1)


def file_in(payload: bytes, digest: bytes) -> bytes | None:
    """The file that a block keeps; None for a block of another way. Raises `ArchiveError` for a damaged one."""
    if payload[:1] not in (bytes([FILE]), bytes([JPEG])):
        return None
    content = payload[1:] if payload[0] == FILE else _from_lepton(payload[1:])
    if digest_of([np.frombuffer(content, np.uint8)]) != digest:
        raise ArchiveError("a damaged block: what it decodes to does not match its digest")
    return content


def _to_lepton(content: bytes) -> bytes | None:
    """The JPEG coded anew; None if lepton cannot, or does not give back the very bytes."""
    import lepton_jpeg_python  # type: ignore[import-untyped]

    try:
        coded: bytes = lepton_jpeg_python.compress_bytes(content, {})
        return coded if lepton_jpeg_python.decompress_bytes(coded) == content else None
    except BaseException as error:  # kinds of JPEG that it does not know, such as arithmetic ones
        _unless_ours(error)
        return None


def _from_lepton(data: bytes) -> bytes:
    import lepton_jpeg_python

    try:
        content: bytes = lepton_jpeg_python.decompress_bytes(data)
    except BaseException as error:
        _unless_ours(error)
        raise ArchiveError("a damaged block: its bytes are not a JPEG that was coded anew") from None
    return content


def _unless_ours(error: BaseException) -> None:
    """Raise what does not come from lepton, whose panics on damaged bytes are no `Exception`."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)):
        raise error
