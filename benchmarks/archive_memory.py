"""Memory for an archive of a million samples, as one array and as a million named images: written, opened, read.

Every step is a process of its own, and what counts is the largest memory that it ever held (peak resident set), all
libraries included.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _common import Rows, table, write

from narrows.archive.entries import Entry
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec
from narrows.codecs.opening import open_archive
from narrows.errors import ArchiveError
from narrows.io.arrays import Array
from narrows.io.atomic import replacing

SIDE = 8
KINDS = ("one array", "named images of many sizes")
STEPS = ("write", "open", "read one", "read all")


def images(count: int, varied: bool) -> Iterator[Array]:
    """Small images, made as they are asked for; `varied` in size from 4 to 12."""
    pool = np.random.default_rng(0).integers(0, 16, (1000, 12, 12, 1), np.uint8)
    for number in range(count):
        height, width = (4 + number % 9, 4 + number // 9 % 9) if varied else (SIDE, SIDE)
        yield pool[number * number % 1000, :height, :width]


def step(kind: str, name: str, path: Path, count: int) -> str:
    """Do one step; what there is to say about it."""
    if name == "write":
        with replacing(path) as file:
            writer = Writer(file, BlockCodec(Promise()))
            if kind == KINDS[0]:
                writer.add(
                    Entry("samples.npy", "array", (SIDE, SIDE, 1), "uint8", count, (SIDE, SIDE)), images(count, False)
                )
            else:
                for number, image in enumerate(images(count, True)):
                    where = f"folder {number // 1000:04}/image {number:07}.png"
                    writer.add(Entry(where, "image", image.shape, "uint8"), [image])
            sizes = writer.close()
        return f"{sizes.total / 1e6:.1f} MB, index {sizes.index / 1e6:.2f}"
    with open_archive(path) as archive:
        if name == "read one":
            assert archive.samples[count // 2].size
        elif name == "read all":
            values = 0
            for entry in archive:
                for _, _, part in archive.parts(entry):
                    if isinstance(part, ArchiveError):
                        raise part
                    values += part.size
            assert values == archive.raw_bytes
        return f"{len(archive)} names"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 samples")
    parser.add_argument("--step", nargs=4, help="for the program's own use")
    arguments = parser.parse_args()
    if arguments.step:
        kind, name, file, samples = arguments.step
        began = time.perf_counter()
        said = step(kind, name, Path(file), int(samples))
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(f"{time.perf_counter() - began:.1f}|{most / 1e6:.0f}|{said}")
        return
    count = 100_000 if arguments.quick else 1_000_000
    rows: Rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            path = Path(folder) / "archive.narrows"
            for name in STEPS:
                command = [sys.executable, __file__, "--step", kind, name, str(path), str(count)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, peak, told = done.stdout.strip().split("|")
                rows.append((f"{count} samples, {kind}", name, told, seconds, peak))
                print(rows[-1], file=sys.stderr)
    columns = ("what", "step", "result", "seconds", "peak MB")
    write(
        "archive_memory" if not arguments.quick else "archive_memory-quick",
        "Archives of a million samples in under 1 GB",
        table(columns, rows) + "\n",
    )


if __name__ == "__main__":
    main()
