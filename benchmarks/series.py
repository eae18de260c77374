"""Series without loss: electrocardiograms, the first 80 % to train and the last 20 % to test, beside FLAC, WavPack,
pcodec, xz and bz2 of differences.

    NARROWS_DATA=... python benchmarks/series.py [--quick]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from _common import table, write
from _exact import COLUMNS, ours, rivals, rows

QUICK = "--quick" in sys.argv
SETS = {"mitdb-100": 360, "ptb-s0010": 1000}  # and the steps in a second
TRAIN = 0.8


def exact(name: str, rate: int) -> str:
    """One recording, with a title and a table."""
    values = np.load(Path(os.environ["NARROWS_DATA"]) / "ecg" / f"{name}.npy")
    edge = int(TRAIN * len(values))
    train, test = values[:edge], values[edge:]
    if QUICK:
        train, test = train[:20000], test[:2000]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / "train.npy", train)
        np.save(folder / "test.npy", test)
        options = ["--as", "signals", "--rate", str(rate), *(["--epochs", "1"] if QUICK else [])]
        mine = ours(folder / "train.npy", folder / "test.npy", folder, options, {"read_as": "signals"})
        found = table(COLUMNS, rows(test.size, mine, rivals([test], rate)))
    return f"## {name}, without loss: {len(test):,} steps, {test.shape[1]} channels, {rate} Hz\n\n{found}\n\n"


def main() -> None:
    """Train, compress, write the table."""
    text = "".join(exact(name, rate) for name, rate in SETS.items())
    write("series-quick" if QUICK else "series", "Series without loss", text)


if __name__ == "__main__":
    main()
