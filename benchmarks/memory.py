"""Training on a set larger than a memory budget: peak private memory while training on 8 GB of generated images.

Private memory is what the process alone holds (RssAnon); the page cache that the system lends to the file is not
counted, since it gives it back whenever someone needs it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import Rows, table, write

import narrows
from narrows.training.settings import Settings

SIDE = 32


def private_bytes() -> int:
    """Anonymous memory of this process now, from Linux's /proc."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def generate(path: Path, gigabytes: float) -> int:
    """An .npy of smooth random RGB images, written piece by piece; returns how many."""
    count = int(gigabytes * 1e9 / (SIDE * SIDE * 3))
    rng = np.random.default_rng(0)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE, 3))
    coarse = rng.integers(0, 256, (20_000, SIDE // 4, SIDE // 4, 3), np.uint8)
    for start in range(0, count, len(coarse)):
        part = np.roll(coarse, start // len(coarse), axis=1)[: count - start]
        images[start : start + len(part)] = part.repeat(4, 1).repeat(4, 2)
    images.flush()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 GB")
    parser.add_argument("--folder", type=Path, help="where the set is generated, for a time")
    arguments = parser.parse_args()
    gigabytes = 1.0 if arguments.quick else 8.0
    rows: Rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "images.npy"
        count = generate(path, gigabytes)
        before = private_bytes()
        for network in ("dense", "conv"):
            samples = narrows.open_samples(path)
            model = narrows.build(samples.description, network, 32 if network == "dense" else 6)
            peak, began, last = 0, time.perf_counter(), None
            for progress in narrows.fit(model, samples, Settings(steps=300)):
                peak, last = max(peak, private_bytes()), progress
            assert last is not None
            rows.append(
                (
                    network,
                    f"{count} images, {path.stat().st_size / 1e9:.2f} GB",
                    f"{last.step} of {last.plan.batch_size}",
                    f"{time.perf_counter() - began:.0f}",
                    f"{before / 1e9:.2f}",
                    f"{peak / 1e9:.2f}",
                )
            )
    columns = ("network", "set", "steps", "seconds", "private GB before", "peak private GB")
    write(
        "memory" if not arguments.quick else "memory-quick",
        "Training on a set larger than the budget",
        table(columns, rows) + "\n",
    )


if __name__ == "__main__":
    main()
