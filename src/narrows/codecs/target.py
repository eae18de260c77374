"""The quality that meets a target in bits per pixel or PSNR, found by bisection, since both rise with the quality.

Next door: `block` codes the samples it is tried on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

import numpy as np

from narrows.archive.promise import Promise
from narrows.codecs.block import BlockCodec
from narrows.errors import SettingsError
from narrows.io.arrays import Array

BLOCK_BYTES = 1 << 16
MOST_VALUES = 1 << 21  # of the samples that are tried
CAP_DB = 100.0  # for a sample that comes back unchanged


def quality_for(
    model: bytes, samples: Sequence[Array], bits_per_pixel: float | None = None, psnr_db: float | None = None
) -> int:
    """The highest quality that takes at most `bits_per_pixel`, or the lowest that reaches `psnr_db` on average, on
    samples `(H, W, C)` or `(D,)`, where a value counts as a pixel. Raises `SettingsError` if no quality does.
    """
    if (bits_per_pixel is None) == (psnr_db is None):
        raise SettingsError("one target must be given, bits per pixel or PSNR")

    @cache
    def at(quality: int) -> tuple[float, float]:
        return _measure(model, samples, quality)

    if bits_per_pixel is not None:
        if at(1)[0] > bits_per_pixel:
            raise SettingsError(f"{bits_per_pixel:g} bits per pixel were asked for; quality 1 takes {at(1)[0]:.3g}")
        return bisect_left(range(1, 101), True, key=lambda quality: at(quality)[0] > bits_per_pixel)
    assert psnr_db is not None
    if at(100)[1] < psnr_db:
        raise SettingsError(
            f"a PSNR of {psnr_db:g} dB was asked for; quality 100 reaches {at(100)[1]:.2f}; use --max-error"
        )
    return 1 + bisect_left(range(1, 100), True, key=lambda quality: at(quality)[1] >= psnr_db)


def _measure(model: bytes, samples: Sequence[Array], quality: int) -> tuple[float, float]:
    """Bits per pixel, and the mean of the samples' PSNR in dB."""
    codec = BlockCodec(Promise(None, quality), model)
    size = pixels = 0
    decibels = []
    for group in _blocks(_few(samples)):
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
    """Some of the samples, evenly spread, of at most `MOST_VALUES` values together; one at least."""
    count = max(1, min(len(samples), MOST_VALUES // max(1, max(s.size for s in samples))))
    return [samples[i] for i in np.linspace(0, len(samples) - 1, count).astype(int)]


def _blocks(samples: Sequence[Array]) -> list[list[Array]]:
    """Runs of samples of one kind, as large as an archive's blocks."""
    blocks: list[list[Array]] = []
    for sample in samples:
        last = blocks[-1] if blocks else []
        alike = last and (last[0].dtype, last[0].shape[2:]) == (sample.dtype, sample.shape[2:])
        if alike and sum(s.nbytes for s in last) + sample.nbytes <= BLOCK_BYTES:
            last.append(sample)
        else:
            blocks.append([sample])
    return blocks
