"""Fuzz the reading of archives: `python fuzz/archive.py TARGET [CORPUS] [libFuzzer's options]`, with a target: file,
index, block, learned and bounded.

An input that raises anything but `ArchiveError`, takes ten seconds or 2 GB is a crash. `run.py` runs all of them.
"""

from __future__ import annotations

import functools
import io
import sys

import atheris
import numpy as np
from golden import HEAD_BYTES, LEARNED, model_of

with atheris.instrument_imports(include=["narrows"]):
    from narrows.archive.digest import DIGEST_BYTES
    from narrows.archive.entries import DTYPES
    from narrows.archive.index import HEAD, crc
    from narrows.archive.promise import Promise
    from narrows.archive.varints import to_varints
    from narrows.codecs.block import BlockCodec
    from narrows.codecs.opening import open_archive
    from narrows.errors import ArchiveError

DATA = bytes(range(200))  # what the pieces of a forged index consist of


def read(content: bytes) -> None:
    """Open an archive and read what it has, up to a hundred names and parts."""
    try:
        archive = open_archive(io.BytesIO(content))
    except ArchiveError as error:
        check(error)
        return
    for _, name in zip(range(100), archive, strict=False):
        try:
            archive.entry(name)
            for _, (_, _, part) in zip(range(10), archive.parts(name), strict=False):
                if isinstance(part, ArchiveError):
                    check(part)
        except ArchiveError as error:
            check(error)


def check(error: ArchiveError) -> None:
    """A message has one line of a length that can be read."""
    if "\n" in str(error) or len(str(error)) > 1000:
        raise ValueError("a message of more than a line")


def file(data: bytes) -> None:
    """Any bytes as an archive; most are refused by their checksum."""
    read(data)


def index(data: bytes) -> None:
    """Any bytes as an index, stored or deflated, whose checksum is right."""
    stored, form = data[1:], data[0] & 1 if data else 0
    end = stored + to_varints([2 * len(stored) + form])[::-1]
    read(HEAD + DATA + end + crc(HEAD + end))


def block(data: bytes) -> None:
    """Any bytes as a payload; shapes, dtype and promise are decided by the first eight."""
    if len(data) < 8:
        return
    channels = data[0] % 6
    shape: tuple[int, ...] = (1 + data[1] % 64, 1 + data[2] % 64, channels) if channels else (1 + data[1],)
    if channels and data[6] & 2:
        shape = (1 + data[1], channels)  # a signal
    shapes = [shape] * (1 + data[3] % 9)
    if channels and data[6] & 1:
        shapes.append((1 + data[7] % 64, *shape[1:]))
    dtype = np.dtype(DTYPES[data[4] % len(DTYPES)])
    try:
        BlockCodec(Promise(data[5])).decode(data[8:], shapes, dtype, bytes(DIGEST_BYTES))
    except ArchiveError as error:
        check(error)
        return
    raise ValueError("bytes that nobody wrote have the digest 0")


def bounded(data: bytes) -> None:
    """Any bytes as values within an error; dtype and shapes are decided by the first eight."""
    if len(data) < 8:
        return
    shapes = [(1 + data[1] + 256 * (data[2] % 16),)] * (1 + data[3] % 64)
    dtype = np.dtype(DTYPES[data[4] % (len(DTYPES) - 1)])
    try:
        BlockCodec(Promise(0.5)).decode(data[8:], shapes, dtype, bytes(DIGEST_BYTES))
    except ArchiveError as error:
        check(error)
        return
    raise ValueError("bytes that nobody wrote have the digest 0")


@functools.cache
def codec_of(number: int) -> BlockCodec:
    """The codec of a golden archive that needs a model."""
    with open_archive(LEARNED[number]) as archive, open_archive(model_of(LEARNED[number])) as other:
        return BlockCodec(archive.promise, other.compact_model())


def learned(data: bytes) -> None:
    """Any bytes as a code under a model; which model, and how many samples of which shape, the first five say."""
    if len(data) <= HEAD_BYTES:
        return
    number, count, height = data[0] % len(LEARNED), 1 + data[1] % 40, 1 + data[2] % 40
    shape: tuple[int, ...] = (height, 1 + data[3] % 40, 1 + data[4] % 4)
    other = {
        "quality-60-vectors": ((6,), np.float32),
        "exact-signals-advised": ((1 + data[2], 1 + data[4] % 4), np.int16),
        "quality-60-signals": ((1 + 4 * data[2], 1), np.int16),
    }
    shape, dtype = other.get(LEARNED[number].stem, (shape, np.uint8))
    try:
        codec_of(number).decode(data[HEAD_BYTES:], [shape] * count, np.dtype(dtype), bytes(DIGEST_BYTES))
    except ArchiveError as error:
        check(error)
        return
    raise ValueError("bytes that nobody wrote have the digest 0")


if __name__ == "__main__":
    target = {"file": file, "index": index, "block": block, "learned": learned, "bounded": bounded}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
