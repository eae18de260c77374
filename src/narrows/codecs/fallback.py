"""Blocks that no model takes part in: what does not fit a model is never stored worse than by a general format.

Four ways: the bytes as they are, PNG, and LZMA2 over the byte planes of the values or of their differences. Each is
tried and the shortest wins, so that a block costs at most a byte more than the best of them.
Next door: `blocks` tries the model's ways beside these.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from narrows.errors import ArchiveError
from narrows.io.arrays import Array

RAW, PNG, PLANES, DIFFERENCES = range(4)
Shape = tuple[int, ...]
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
# Raw LZMA2 has no header: the dictionary, 8 MiB, bounds what a reader needs.
DICTIONARY = 1 << 23
_FILTERS = [{"id": lzma.FILTER_LZMA2, "dict_size": DICTIONARY}]
STRIP = 1 << 16  # values looked at in one go, so that they stay in the processor's cache
PNG_SIDE = 1 << 16  # of one PNG, so that no reader meets a picture too high for it


def encode(samples: Sequence[Array]) -> tuple[int, bytes]:
    """The shortest of all ways for samples of one dtype, `(H, W, C)` or `(D,)` each: its number and its bytes."""
    raw = _joined(samples).tobytes()
    best, bytes_ = RAW, raw
    ways = [(PLANES, _planes(samples, False)), (DIFFERENCES, _planes(samples, True))]
    if _fits_png([s.shape for s in samples], samples[0].dtype):
        ways.append((PNG, _png(samples)))
    for way, candidate in ways:
        if len(candidate) < len(bytes_):
            best, bytes_ = way, candidate
    return best, bytes_


def quick_size(samples: Sequence[Array]) -> int:
    """Bytes that a general format takes when it is in a hurry."""
    if _fits_png([s.shape for s in samples], samples[0].dtype):
        return len(_png(samples, compress_level=1))
    return len(zlib.compress(_joined(samples).tobytes(), 1))


def news(samples: Sequence[Array]) -> int:
    """Pixels, or values of vectors, that are neither as the one before nor as the one above: unless they repeat in a
    pattern, no format stores them for nothing. Counting is far quicker than `quick_size`."""
    shape, found = samples[0].shape, 0
    pixel = shape[2] if len(shape) == 3 else 1
    alike = len(shape) == 1 or all(s.shape[1] == shape[1] for s in samples)
    for group in [samples] if alike else [[s] for s in samples]:
        flat, row = _joined(group), group[0].shape[-2] * pixel if len(shape) == 3 else shape[0]
        for start in range(row, len(flat), STRIP):
            end = min(start + STRIP, len(flat))
            here = flat[start:end]
            new = (here != flat[start - row : end - row]) & (here != flat[start - pixel : end - pixel])
            found += int(np.count_nonzero(new))
    return found // pixel


def decode(way: int, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
    """The inverse of `encode`; raises `ArchiveError` for bytes that do not give these shapes."""
    if way == PNG and _fits_png(shapes, dtype):
        return _from_png(data, shapes, dtype)
    if way not in (RAW, PLANES, DIFFERENCES):
        raise ArchiveError(f"a damaged block: way {way} does not store {dtype} of shape {shapes[0]}")
    wanted = sum(_size(shape) for shape in shapes) * dtype.itemsize
    if way != RAW:
        try:
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
            data = unpacker.decompress(data, wanted + 1) if data else b""
        except lzma.LZMAError:
            raise ArchiveError("a damaged block: its bytes are no LZMA2") from None
    if len(data) != wanted:
        raise ArchiveError(f"a damaged block: {len(data)} bytes in place of {wanted}")
    if way == RAW:
        flat: Array = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    else:
        bits = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1).T.copy().view(f"<u{dtype.itemsize}")[:, 0]
        if way == DIFFERENCES:
            bits = np.cumsum(bits, dtype=bits.dtype)
        flat = bits.astype(f"u{dtype.itemsize}").view(dtype)
    ends = np.cumsum([_size(shape) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)]


def _joined(samples: Sequence[Array]) -> Array:
    dtype = samples[0].dtype.newbyteorder("<")
    return np.concatenate([np.ascontiguousarray(s).reshape(-1) for s in samples]).astype(dtype, copy=False)


def _planes(samples: Sequence[Array], differences: bool) -> bytes:
    flat = _joined(samples)
    bits = flat.view(f"<u{flat.itemsize}")
    if differences:
        bits = np.diff(bits, prepend=bits.dtype.type(0))
    planes = bits.view(np.uint8).reshape(len(bits), flat.itemsize).T
    data = np.ascontiguousarray(planes).tobytes()
    # No larger than the data, which saves most of the time for small blocks; readers need not know.
    size = min(DICTIONARY, max(1 << 12, 1 << (len(data) - 1).bit_length()))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
    return lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


def _fits_png(shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
    """Whether one PNG can hold the samples, one under the other."""
    shape = shapes[0]
    deep = (dtype == np.uint8 and len(shape) == 3 and shape[2] in _MODES) or (
        dtype == np.uint16 and len(shape) == 3 and shape[2] == 1
    )
    return (
        deep
        and all(s[1:] == shape[1:] for s in shapes)
        and sum(s[0] for s in shapes) < PNG_SIDE
        and shape[1] < PNG_SIDE
    )


def _png(samples: Sequence[Array], **options: int) -> bytes:
    sheet = np.concatenate(samples)
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet))
    image.save(buffer, "PNG", **(options or {"optimize": True}))
    return buffer.getvalue()


def _from_png(data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
    height, width, channels = sum(s[0] for s in shapes), shapes[0][1], shapes[0][2]
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            mode = "I;16" if dtype == np.uint16 else _MODES[channels]
            if image.size != (width, height) or image.mode != mode:
                raise ArchiveError("a damaged block: its PNG has another size or mode")
            sheet: Array = np.asarray(image).reshape(height, width, channels).astype(dtype)
    except ArchiveError:
        raise
    except Exception:  # Pillow raises every kind on damaged files
        raise ArchiveError("a damaged block: its PNG cannot be read") from None
    return np.split(sheet, np.cumsum([s[0] for s in shapes])[:-1])


def _size(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))
