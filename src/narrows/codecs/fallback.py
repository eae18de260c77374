"""Ways without a model, so that nothing is stored worse than by a general format.

The bytes as they are, PNG, FLAC, and LZMA2 over the byte planes of the values or of their differences. Where an error
E is allowed, they store multiples of 2 E + 1.
Next door: `block` tries a model's way as well; `png`, `flac` and `planes` do the work.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs import planes as byte_planes
from narrows.codecs.base import Coded, Way
from narrows.codecs.compact_model import CompactModel
from narrows.io.arrays import Array

STRIP = 1 << 16  # values looked at in one go, so that they stay in the processor's cache
Encode = Callable[[Sequence[Array]], bytes]
Decode = Callable[[bytes, Sequence[Shape], np.dtype[np.generic]], list[Array]]
Fits = Callable[[Sequence[Shape], np.dtype[np.generic]], bool]
Holds = Callable[[Sequence[Array]], bool]


class Fallback(Way):
    """A lossless format as a way of coding: with an error E, what it stores are values in steps of 2 E + 1."""

    def __init__(
        self, promise: Promise, encode: Encode, decode: Decode, fits: Fits | None = None, holds: Holds | None = None
    ) -> None:
        self._error = promise.steps
        self._encode, self._decode, self._fits, self._holds = encode, decode, fits, holds

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        return self._fits is None or self._fits(shapes, dtype)

    def holds(self, samples: Sequence[Array]) -> bool:
        return self._holds is None or self._holds(to_steps(samples, self._error))

    def encode(self, samples: Sequence[Array]) -> Coded:
        steps = to_steps(samples, self._error)
        return Coded(self._encode(steps), from_steps(steps, self._error))

    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
        return from_steps(self._decode(data, shapes, dtype), self._error)

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        return list(numbers)


def raw(promise: Promise, model: CompactModel | None) -> Way:
    """The values as they are."""
    return Fallback(promise, lambda samples: byte_planes.joined(samples).tobytes(), byte_planes.decode_raw)


def png(promise: Promise, model: CompactModel | None) -> Way:
    """One PNG."""
    from narrows.codecs import png as file  # loads Pillow

    return Fallback(promise, file.encode, file.decode, file.fits)


def flac(promise: Promise, model: CompactModel | None) -> Way:
    """One FLAC stream."""
    from narrows.codecs import flac as stream

    return Fallback(promise, stream.encode, stream.decode, stream.fits, stream.holds)


def planes(promise: Promise, model: CompactModel | None, differences: bool = False) -> Way:
    """LZMA2 over byte planes, of the values or of their differences."""
    encode = partial(byte_planes.encode, differences=differences)
    return Fallback(promise, encode, partial(byte_planes.decode, differences=differences))


differences = partial(planes, differences=True)


def _steppable(dtype: np.dtype[np.generic], error: int) -> bool:
    """Whether values of a dtype are stored in steps: not floats, 64 bits, or a range of no more than one step."""
    bits = 8 * dtype.itemsize - (dtype.kind == "i")
    return bool(error) and dtype.kind in "ui" and bits <= 32 and 2 * error + 1 < 1 << bits


def to_steps(samples: Sequence[Array], error: int) -> Sequence[Array]:
    """Values as numbers of steps of 2 E + 1; unchanged if the dtype has no steps."""
    dtype = samples[0].dtype
    if not _steppable(dtype, error):
        return samples
    return [((s.astype(np.int64) + error) // (2 * error + 1)).astype(dtype) for s in samples]


def from_steps(steps: Sequence[Array], error: int) -> list[Array]:
    """The values that numbers of steps stand for, cut to the range of their dtype."""
    dtype = steps[0].dtype
    if not _steppable(dtype, error):
        return list(steps)
    limits = np.iinfo(dtype)
    return [np.clip(s.astype(np.int64) * (2 * error + 1), limits.min, limits.max).astype(dtype) for s in steps]


def quick_size(samples: Sequence[Array]) -> int:
    """Bytes that a general format takes at its fastest."""
    from narrows.codecs import png as file  # loads Pillow

    if file.fits([s.shape for s in samples], samples[0].dtype):
        return len(file.encode(samples, compress_level=1))
    return len(zlib.compress(byte_planes.joined(samples).tobytes(), 1))


def news(samples: Sequence[Array]) -> int:
    """Pixels, or values of vectors, that equal neither the one before nor the one above: unless they repeat in a
    pattern, they cost bytes in every format. Counting is far quicker than `quick_size`."""
    shape, found = samples[0].shape, 0
    pixel = shape[2] if len(shape) == 3 else 1
    alike = len(shape) == 1 or all(s.shape[1] == shape[1] for s in samples)
    for group in [samples] if alike else [[s] for s in samples]:
        flat, row = byte_planes.joined(group), group[0].shape[-2] * pixel if len(shape) == 3 else shape[0]
        for start in range(row, len(flat), STRIP):
            end = min(start + STRIP, len(flat))
            here = flat[start:end]
            new = (here != flat[start - row : end - row]) & (here != flat[start - pixel : end - pixel])
            found += int(np.count_nonzero(new))
    return found // pixel
