"""The quality that meets a target in bits per pixel or PSNR, found by bisection, since both rise with the quality.

Next door: `block` codes the samples it is tried on.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from narrows.archive.promise import Promise
from narrows.codecs.block import BlockCodec
from narrows.errors import SettingsError
from narrows.io.arrays import Array

BLOCK_BYTES = 1 << 16
MOST_VALUES = 1 << 21  # of the pieces that are tried at many qualities
WHOLE_VALUES = 1 << 24  # of the samples that are tried at a few
ROUNDS = 4
LEAST_SIDE, LEAST_STEPS = 64, 1 << 14  # of a piece of an image and of a signal
CAP_DB = 100.0  # for a sample that comes back unchanged


def quality_for(
    model: bytes, samples: Sequence[Array], bits_per_pixel: float | None = None, psnr_db: float | None = None
) -> int:
    """The highest quality that takes at most `bits_per_pixel`, or the lowest that reaches `psnr_db` on average, on
    samples `(H, W, C)`, `(T, C)` or `(D,)`, where a step or a value counts as a pixel. Raises `SettingsError` if no
    quality does.

    It is looked for on pieces of the samples, whose measures are then corrected by those of whole samples.
    """
    if (bits_per_pixel is None) == (psnr_db is None):
        raise SettingsError("one target must be given, bits per pixel or PSNR")
    pieces, wholes = _few(samples), _spread(samples, WHOLE_VALUES)
    same = len(pieces) == len(wholes) and all(map(np.array_equal, pieces, wholes))
    of_pieces, of_wholes = (cache(partial(_measure, model, some)) for some in (pieces, wholes))
    factor, offset, quality = 1.0, 0.0, 0
    for _ in range(1 if same else ROUNDS):
        before = quality
        if bits_per_pixel is not None:
            quality = _most(lambda q, by=factor: by * of_pieces(q)[0], bits_per_pixel)  # type: ignore[misc]
        else:
            assert psnr_db is not None
            quality = _least(lambda q, by=offset: of_pieces(q)[1] + by, psnr_db)  # type: ignore[misc]
        if quality == before or same:
            break
        bits, decibels = of_wholes(quality)
        factor, offset = bits / of_pieces(quality)[0], decibels - of_pieces(quality)[1]
    return quality


def _most(bits: Callable[[int], float], most: float) -> int:
    """The highest quality within so many bits a pixel."""
    if bits(1) > most:
        raise SettingsError(f"{most:g} bits per pixel were asked for; quality 1 takes {bits(1):.3g}")
    return bisect_left(range(1, 101), True, key=lambda quality: bits(quality) > most)


def _least(decibels: Callable[[int], float], least: float) -> int:
    """The lowest quality that reaches so many decibels."""
    if decibels(100) < least:
        raise SettingsError(
            f"a PSNR of {least:g} dB was asked for; quality 100 reaches {decibels(100):.2f}; use --max-error"
        )
    return 1 + bisect_left(range(1, 100), True, key=lambda quality: decibels(quality) >= least)


def _measure(model: bytes, samples: Sequence[Array], quality: int) -> tuple[float, float]:
    """Bits per pixel, and the mean of the samples' PSNR in dB."""
    codec = BlockCodec(Promise(None, quality), model)
    size = pixels = 0
    decibels = []
    for group in _blocks(samples):
        block = codec.encode(group, verify=False)
        again = codec.decode(block.payload, [s.shape for s in group], group[0].dtype, block.digest)
        size += len(block.payload)
        for sample, back in zip(group, again, strict=True):
            pixels += sample.shape[0] * (sample.shape[1] if sample.ndim == 3 else 1)
            span = np.iinfo(sample.dtype).max if sample.dtype.kind in "ui" else float(np.ptp(sample)) or 1.0
            error = float(np.square((sample.astype(np.float64) - back) / span).mean())
            decibels.append(min(CAP_DB, -10 * np.log10(error)) if error else CAP_DB)
    return 8 * size / pixels, float(np.mean(decibels))


def _few(samples: Sequence[Array]) -> list[Array]:
    """Samples of at most `MOST_VALUES` values together: of images and signals, where they have more, a piece of each,
    from a place that differs; of vectors, some."""
    if sum(s.size for s in samples) <= MOST_VALUES:
        return list(samples)
    if samples[0].ndim == 1:
        return _spread(samples, MOST_VALUES)
    share = MOST_VALUES // len(samples)
    if samples[0].ndim == 2:
        return [_part(sample, max(LEAST_STEPS, share // sample.shape[1]), i) for i, sample in enumerate(samples)]
    return [
        _piece(sample, max(LEAST_SIDE, math.isqrt(share // sample.shape[2])), i) for i, sample in enumerate(samples)
    ]


def _spread(samples: Sequence[Array], values: int) -> list[Array]:
    """Some of the samples, evenly spread, of at most so many values together; one at least."""
    count = max(1, min(len(samples), values // max(1, max(s.size for s in samples))))
    return [samples[i] for i in np.linspace(0, len(samples) - 1, count).astype(int)]


def _piece(image: Array, side: int, number: int) -> Array:
    """At most `side` pixels a side of an image, whose corner is at a multiple of 16."""
    places = (number * 0.618 % 1, number * 0.755 % 1)  # neither the first nor the middle of all images
    top, left = (int(place * max(0, n - side)) // 16 * 16 for place, n in zip(places, image.shape[:2], strict=True))
    return image[top : top + side, left : left + side]


def _part(signal: Array, length: int, number: int) -> Array:
    """At most `length` steps of a signal."""
    start = int(number * 0.618 % 1 * max(0, len(signal) - length))
    return signal[start : start + length]


def _blocks(samples: Sequence[Array]) -> list[list[Array]]:
    """Runs of samples of one kind, as large as an archive's blocks."""
    blocks: list[list[Array]] = []
    for sample in samples:
        last = blocks[-1] if blocks else []
        across = 1 if sample.ndim == 2 else 2
        alike = last and (last[0].dtype, last[0].shape[across:]) == (sample.dtype, sample.shape[across:])
        if alike and sum(s.nbytes for s in last) + sample.nbytes <= BLOCK_BYTES:
            last.append(sample)
        else:
            blocks.append([sample])
    return blocks
