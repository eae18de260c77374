"""Fields of floats within 1, 0.1 and 0.01 % of their range, without a model: bits a value beside SZ3, ZFP and pcodec.

Rivals are used as well as they can be: SZ3 in each of its predictors and ZFP at the largest tolerance that keeps the
error; pcodec over values in whole steps of twice the error, as they are, in differences along each axis and in
Lorenzo's. None of them has a value for what is missing, so that it is filled in for them, in two ways, and its mask
added in LZMA2. The best of all is what counts.
"""

from __future__ import annotations

import argparse
import lzma
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.ndimage
from _common import Rows, table, write

import narrows
from narrows.io.arrays import Array

SHARES = (1.0, 0.1, 0.01)  # percent
MISSING = -1e34


def sz3(values: Array, error: float) -> Iterator[tuple[int, Array]]:
    """Bytes of SZ3 by predictor, and what comes back."""
    from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode

    for algorithm in (szAlgorithm.INTERP_LORENZO, szAlgorithm.INTERP, szAlgorithm.LORENZO_REG):
        how = szConfig()
        how.setDims(*values.shape)
        how.errorBoundMode, how.absErrorBound, how.cmprAlgo = szErrorBoundMode.ABS, error, algorithm
        data, _ = sz.compress(np.ascontiguousarray(values), how)
        back, _ = sz.decompress(data, values.dtype, values.shape)
        yield len(data), back


def zfp(values: Array, error: float) -> Iterator[tuple[int, Array]]:
    """Bytes of ZFP at tolerances that are powers of two times the error, as far as it is kept."""
    import zfpy

    for power in range(6):
        data = zfpy.compress_numpy(np.ascontiguousarray(values), tolerance=error * 2**power)
        yield len(data), zfpy.decompress_numpy(data)


def pco(values: Array, error: float) -> Iterator[tuple[int, Array]]:
    """Bytes of pcodec over whole steps, by the differences that are taken."""
    from pcodec import ChunkConfig, standalone

    steps = np.rint(values.astype(np.float64) / (2 * error)).astype(np.int32)
    back = (steps * (2 * error)).astype(values.dtype)
    orders: list[tuple[int, ...]] = [(), (0,), (1,), (2,), (1, 2), (0, 1, 2)]
    for axes in orders:
        found = steps
        for axis in axes:
            found = np.diff(found, axis=axis, prepend=0)
        yield len(standalone.simple_compress(found.reshape(-1), ChunkConfig(compression_level=12))), back


RIVALS: dict[str, Callable[[Array, float], Iterator[tuple[int, Array]]]] = {"SZ3": sz3, "ZFP": zfp, "pcodec": pco}


def filled(values: Array, known: Array) -> list[Array]:
    """Values with something for what is missing: the mean, and the nearest in the same slice."""
    if known.all():
        return [values]
    near = values.copy()
    for part, here in zip(near, known, strict=True):
        _, where = scipy.ndimage.distance_transform_edt(~here, return_indices=True)
        part[...] = part[tuple(where)]
    return [np.where(known, values, values[known].mean()), near]


def best(name: str, values: Array, known: Array, error: float) -> int:
    """The fewest bytes of a rival that keep the error, with the mask of what is missing."""
    changes = np.concatenate([known[:1], np.logical_xor(known[1:], known[:-1])])
    packed = (np.packbits(mask).tobytes() for mask in (known, changes))
    mask = 0 if known.all() else min(len(lzma.compress(bits, lzma.FORMAT_ALONE)) for bits in packed)
    sizes = []
    for content in filled(values, known):
        for size, back in RIVALS[name](content, error):
            off = np.abs(back.astype(np.float64) - values.astype(np.float64))[known]
            if off.max() <= error * 1.001:  # pcodec's steps are not checked in single precision
                sizes.append(size + mask)
    return min(sizes)


def ours(values: Array, known: Array, share: float, error: float) -> tuple[int, float, float]:
    """Bytes of the whole archive, and the megabytes of values a second that are coded and decoded."""
    codec = narrows.Codec(max_error=f"{share}%", missing_value=MISSING)
    began = time.perf_counter()
    data = codec.compress(values)
    coded = time.perf_counter()
    back = codec.decompress(data)
    ended = time.perf_counter()
    assert isinstance(back, np.ndarray)
    assert np.abs(back.astype(np.float64) - values.astype(np.float64))[known].max() <= error
    assert (back[~known] == values[~known]).all()
    return len(data), values.nbytes / 1e6 / (coded - began), values.nbytes / 1e6 / (ended - coded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the first slices of each field")
    arguments = parser.parse_args()
    folder = Path(os.environ["NARROWS_DATA"]) / "fields"
    rows: Rows = []
    speeds = []
    for path in sorted(folder.glob("*.npy")):
        values = np.load(path)[: 6 if arguments.quick else None]
        known = values != np.float32(MISSING)
        for share in SHARES:
            error = share / 100 * float(np.ptp(values[known].astype(np.float64)))
            rivals = [best(name, values, known, error) for name in RIVALS]
            size, *speed = ours(values, known, share, error)
            speeds.append(speed)
            bits = [f"{8 * n / values.size:.2f}" for n in [*rivals, size]]
            rows.append((path.stem.split("-")[-1], f"{share:g} %", *bits, f"{100 * (size / rivals[0] - 1):+.0f} %"))
            print(*rows[-1], flush=True)
    text = table(("field", "within", *RIVALS, "narrows", "narrows against SZ3"), rows)
    encode, decode = np.mean(speeds, axis=0)
    text += (
        "\n\nBits a value, of all values, missing ones included; of narrows all bytes of the archive, which was read "
        f"back and compared. narrows codes {encode:.1f} MB of values a second, with the decoding that verifies each "
        f"block, and decodes {decode:.1f}.\n"
    )
    write("fields-quick" if arguments.quick else "fields", "Fields of floats within an error", text)


if __name__ == "__main__":
    main()
