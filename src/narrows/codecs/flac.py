"""Signals as one FLAC stream, one after the other: in far less time than `series` takes, in a few more bytes.

Next door: `fallback` takes it for values in steps as well; `series` predicts better.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from narrows.archive.entries import Shape
from narrows.archive.varints import from_varints, to_varints
from narrows.entropy.cumulative import Integers
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

# Part of the format.
CHANNELS = 8  # at most
DEPTHS = {16: "PCM_16", 24: "PCM_24"}  # bits of the numbers in a stream
RATE = 48000  # in Hz, that every stream claims
MOST_BITS = 32  # of a value


def fits(shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
    """Whether one stream can hold numbers of such samples."""
    whole = dtype.kind in "ui" and 8 * dtype.itemsize <= MOST_BITS
    return whole and all(len(shape) == 2 and shape[1] == shapes[0][1] <= CHANNELS for shape in shapes)


def holds(samples: Sequence[Array]) -> bool:
    """Whether one stream can hold samples that fit: their values, counted in what divides them all, have 24 bits."""
    values = np.concatenate(samples).astype(np.int64)
    return _counted(values) is not None


def encode(samples: Sequence[Array]) -> bytes:
    """The stream of samples that it can hold, after what its numbers stand for."""
    import soundfile

    values = np.concatenate(samples).astype(np.int64)
    counted = _counted(values)
    assert counted is not None
    first, unit, depth = counted
    numbers = ((values - first) // unit << 32 - depth).astype(np.int32)
    file = io.BytesIO()
    soundfile.write(file, numbers, RATE, format="FLAC", subtype=DEPTHS[depth], compression_level=1.0)
    return to_varints([2 * abs(first) + (first < 0), unit]) + file.getvalue()


def decode(data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
    """The inverse; raises `ArchiveError` for bytes that do not give these shapes."""
    import soundfile

    (first, unit), at = from_varints(data, 0, 2)
    first = -(first >> 1) if first & 1 else first >> 1
    if not 1 <= unit <= 1 << MOST_BITS or abs(first) > 1 << MOST_BITS:
        raise ArchiveError("a damaged block: numbers out of their limits")
    frames, channels = sum(shape[0] for shape in shapes), shapes[0][1]
    try:
        with soundfile.SoundFile(io.BytesIO(data[at:])) as file:
            depth = next((bits for bits, name in DEPTHS.items() if name == file.subtype), 0)
            if file.format != "FLAC" or not depth or (file.frames, file.channels) != (frames, channels):
                raise ArchiveError("a damaged block: its FLAC stream has another form")
            numbers = file.read(frames, "int32", always_2d=True)
    except soundfile.LibsndfileError:
        raise ArchiveError("a damaged block: its FLAC stream cannot be read") from None
    if len(numbers) != frames:
        raise ArchiveError("a damaged block: its FLAC stream is shorter than it claims")
    values = first + unit * (numbers.astype(np.int64) >> 32 - depth)
    limits = np.iinfo(dtype.name)
    if values.min() < limits.min or values.max() > limits.max:
        raise ArchiveError(f"a damaged block: a value outside {dtype}")
    return np.split(values.astype(dtype), np.cumsum([shape[0] for shape in shapes])[:-1])


def _counted(values: Integers) -> tuple[int, int, int] | None:
    """From which value on, in which unit, and in how many bits to count values; None where no depth is enough."""
    low, high = int(values.min()), int(values.max())
    for depth in DEPTHS:
        if _within(low, high, depth):
            return 0, 1, depth
    unit = max(1, int(np.gcd.reduce(values - low, axis=None)))
    for first in (low % unit, low + ((high - low) // unit + 1) // 2 * unit):
        for depth in DEPTHS:
            if _within((low - first) // unit, (high - first) // unit, depth):
                return first, unit, depth
    return None


def _within(low: int, high: int, depth: int) -> bool:
    """Whether whole numbers have so many bits."""
    return -1 << depth - 1 <= low and high < 1 << depth - 1
