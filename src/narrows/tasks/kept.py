"""Files to the byte: those of no kind that narrows reads, into an archive in parts, so that they need not fit into
memory, and back; and those of pictures where that takes less than their pixels.

Next door: `compress` and `decompress` call it; `codecs.files` makes the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from narrows.archive.codec import Block
from narrows.archive.entries import Entry
from narrows.archive.varints import from_varints, to_varints
from narrows.codecs.block import SURE, BlockCodec
from narrows.codecs.fallback import quick_size
from narrows.codecs.files import START_OF_JPEG, is_jpeg, kept
from narrows.errors import ArchiveError, DataError
from narrows.io.arrays import Array
from narrows.io.files import open_file
from narrows.tasks.inputs import Source

SIZE = "file"  # key of the extras of a file in parts: its bytes; what the last part has beyond them are zeros
PART_BYTES = 1 << 22


def entry_of(source: Source) -> Entry:
    """The entry of a file: one sample, or several of one size where it is empty or long."""
    if 0 < source.size <= PART_BYTES:
        return Entry(source.name, "array", (source.size,), "uint8")
    parts, each = -(-source.size // PART_BYTES), PART_BYTES if source.size else 1
    return Entry(source.name, "array", (each,), "uint8", parts, extras={SIZE: to_varints([source.size])})


def blocks_of(source: Source) -> Iterator[Block]:
    """The blocks of that entry; raises `DataError` where the file cannot be read."""
    left = source.size
    try:
        with source.path.open("rb") as file:
            while left:
                part = file.read(min(left, PART_BYTES))
                if not part:
                    raise DataError(f"{source.path}: it became shorter while it was read; try again")
                left -= len(part)
                yield kept(part if source.size <= PART_BYTES else part.ljust(PART_BYTES, b"\0"))
    except OSError as error:
        raise DataError(f"{source.path}: cannot be read ({error.strerror}); replace or remove it") from None


def size_of(entry: Entry) -> int | None:
    """The bytes of a file in parts; None for any other entry. Raises `ArchiveError` for a size that it cannot
    have."""
    if SIZE not in entry.extras:
        return None
    (size,), end = from_varints(entry.extras[SIZE], 0, 1)
    if end != len(entry.extras[SIZE]) or not -entry.sample_bytes < size - entry.count * entry.sample_bytes <= 0:
        raise ArchiveError(f"{entry.name}: damaged: a file of {size} bytes in {entry.count} parts")
    return int(size)


def write_parts(file: IO[bytes], size: int, parts: Iterator[Array]) -> None:
    """Write a file of that many bytes from its parts."""
    for part in parts:
        content = part.tobytes()[:size]
        file.write(content)
        size -= len(content)


def smaller_whole(codec: BlockCodec, source: Source, entry: Entry, pixels: Array) -> Block | None:
    """The block of an image's file, kept to the byte, where that takes fewer bytes than its pixels."""
    quick = quick_size([pixels])
    if source.size >= quick:
        return None  # a general format at its fastest takes fewer, and the codec has better ones
    block = kept(source.path.read_bytes(), pixels)
    if len(block.payload) <= SURE * quick:
        return block
    apart = sum(len(data) for data in entry.extras.values())
    return block if len(block.payload) <= len(codec.encode([pixels], verify=False).payload) + apart else None


def is_jpeg_file(source: Source) -> bool:
    """Whether a file begins as JPEG does."""
    with open_file(source.path) as file:
        return is_jpeg(file.read(len(START_OF_JPEG)))
