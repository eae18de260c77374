"""The level of noise estimated from single pictures, beside scikit-image's `estimate_sigma`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from _common import Rows, table, write
from skimage.restoration import estimate_sigma

import narrows
from narrows.degradations.level import deviation

Doubles = npt.NDArray[np.float64]
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
DIGITS = 300


def classical(sample: Doubles) -> float:
    """The median over channels."""
    return float(np.median(estimate_sigma(sample, channel_axis=0)))


def ratios(images: list[Doubles], level: float, file: bool, estimate: Callable[[Doubles], float]) -> str:
    """Estimates over the truth, mean and deviation over pictures; in a `file`, values are clipped and have 8 bits."""
    found = []
    for seed, image in enumerate(images):
        y = image + np.random.default_rng(seed).normal(0, level, image.shape)
        y = np.round(np.clip(y, 0, 1) * 255) / 255 if file else y
        found.append(estimate(y.transpose(2, 0, 1)) / level)
    return f"{np.mean(found):.3f} ({np.std(found):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with photos/cbsd68")
    parser.add_argument("--quick", action="store_true", help="every eighth picture")
    arguments = parser.parse_args()
    every = 8 if arguments.quick else 1
    found = narrows.open_samples(arguments.data / "photos" / "cbsd68").values
    photos = [np.asarray(found[i]) / 255.0 for i in range(0, len(found), every)]
    digits = [np.asarray(v) / 255.0 for v in narrows.open_samples("mnist:test").values[:DIGITS:every]]
    rows: Rows = []
    for level in LEVELS:
        cells = [ratios(photos, level, True, deviation), ratios(photos, level, True, classical)]
        cells += [ratios(photos, level, False, deviation), ratios(photos, level, False, classical)]
        cells += [ratios(digits, level, True, deviation), ratios(digits, level, True, classical)]
        rows.append((f"{level:g}", *cells))
        print(*rows[-1], flush=True)
    sets = ("CBSD68 in files", "CBSD68, floats", "digits in files")
    heads = [f"{what}: {who}" for what in sets for who in ("narrows", "scikit-image")]
    text = (
        f"{table(('noise', *heads), rows)}\n\nThe estimate over the truth: its mean over pictures, and in brackets "
        f"its deviation. In files, noise is clipped and values have 8 bits. {len(photos)} photographs, {len(digits)} "
        "digits of 28x28 pixels. What is too much at 0.01 and 0.02 is texture, and the grain of the pictures "
        "themselves."
    )
    write("noise_level" + "-quick" * arguments.quick, "The level of noise in single pictures", text)


if __name__ == "__main__":
    main()
