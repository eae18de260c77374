"""Files kept as they are, to the byte, where that takes less than their pixels: JPEGs above all.

A JPEG is coded anew by lepton, which gives back the very file; any other file is stored in LZMA2, or as it is. What a
block decodes to, and has the digest of, are the bytes of the file; its pixels are read from them.
Next door: `tasks.compress` decides which files are kept; `block` walks the table of ways.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.digest import digest_of
from narrows.archive.entries import SAMPLE_BYTES, Shape
from narrows.archive.promise import Promise
from narrows.archive.varints import from_varints, to_varints
from narrows.codecs import planes
from narrows.codecs.base import FILE, JPEG, PACKED, Coded, Way
from narrows.codecs.compact_model import CompactModel
from narrows.errors import ArchiveError, DataError
from narrows.io.arrays import Array

LOOKED_AT_BYTES, LOOKED_AT_PIECES, WORTH_PACKING = 1 << 14, 8, 0.97
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


def packed(promise: Promise, model: CompactModel | None) -> Way:
    """A file in LZMA2."""
    return KeptFile(_from_lzma)


def is_jpeg(content: bytes) -> bool:
    """Whether a file begins as a JPEG does."""
    return content.startswith(START_OF_JPEG)


def kept(content: bytes, pixels: Array | None = None) -> Block:
    """The block of a file that is kept to the byte, in the way that takes fewer bytes; `pixels` are those of a
    picture, where it is stored as an image."""
    payload = bytes([FILE]) + content
    if is_jpeg(content):
        coded = _to_lepton(content)
        if coded is not None and len(coded) < len(content):
            payload = bytes([JPEG]) + coded
    values = np.frombuffer(content, np.uint8)
    if worth_packing(content):
        coded = to_varints([len(content)]) + planes.encode([values], False)
        if len(coded) < len(payload) - 1:
            payload = bytes([PACKED]) + coded
    samples = values if pixels is None else pixels
    return Block(payload, digest_of([values]), (samples.shape,), samples.dtype.name)


def file_in(payload: bytes, digest: bytes) -> bytes | None:
    """The file that a block keeps; None for a block of another way. Raises `ArchiveError` for a damaged one."""
    number, data = (payload[0] if payload else None), payload[1:]
    if number not in (FILE, JPEG, PACKED):
        return None
    content = data if number == FILE else _from_lepton(data) if number == JPEG else _from_lzma(data)
    if digest_of([np.frombuffer(content, np.uint8)]) != digest:
        raise ArchiveError("a damaged block: what it decodes to does not match its digest")
    return content


def worth_packing(content: bytes) -> bool:
    """Whether a few pieces of a file deflate; most formats of pictures, sound and archives do not."""
    count = max(1, len(content) // LOOKED_AT_BYTES)
    places = sorted({number * count // LOOKED_AT_PIECES * LOOKED_AT_BYTES for number in range(LOOKED_AT_PIECES)})
    pieces = b"".join(content[at : at + LOOKED_AT_BYTES] for at in places)
    return len(zlib.compress(pieces, 1)) < WORTH_PACKING * len(pieces)


def _from_lzma(data: bytes) -> bytes:
    (length,), at = from_varints(data, 0, 1)
    if not 1 <= length <= SAMPLE_BYTES:
        raise ArchiveError(f"a damaged block: a file of {length} bytes; 1 to {SAMPLE_BYTES} are allowed")
    return planes.decode(data[at:], [(int(length),)], np.dtype(np.uint8), False)[0].tobytes()


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
