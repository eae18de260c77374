"""Seconds, processor seconds and memory of `narrows compress` and `decompress` as people type them, start included.

For one photograph of Kodak and mosaics of all 24, beside AVIF (Pillow, speed 6) and JPEG XL without loss. A rival is
a Python process that opens each PNG with Pillow and saves it, then one that opens the results and saves PNG.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from _common import Rows, table, write
from PIL import Image

ACROSS, SIZE = 6, (768, 512)
QUALITY, AVIF_QUALITY = 75, 60
NARROWS = [sys.executable, "-c", "from narrows.cli.entry import run; run()"]
SAVE = """
import sys
from pathlib import Path
from PIL import Image
{plugin}
for path in sorted(Path(sys.argv[1]).iterdir()):
    Image.open(path).save(Path(sys.argv[2]) / f"{{path.stem}}.{ending}"{how})
"""
AVIF, JXL = f", quality={AVIF_QUALITY}, speed=6, subsampling='4:4:4'", ", lossless=True, effort=7"


def mosaic(pictures: list[Path], turns: int) -> Image.Image:
    """All pictures in rows of six, each lying, in an order that is moved by `turns`."""
    tiles = [np.asarray(_lying(path)) for path in [*pictures[turns:], *pictures[:turns]]]
    rows = [np.hstack(tiles[first : first + ACROSS]) for first in range(0, len(tiles), ACROSS)]
    return Image.fromarray(np.vstack(rows))


def _lying(path: Path) -> Image.Image:
    with Image.open(path) as file:
        picture = file.convert("RGB")
    return picture if picture.size == SIZE else picture.transpose(Image.Transpose.ROTATE_90)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds, processor seconds and the largest resident MB of a program."""
    pid, began = subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, time.perf_counter()
    _, status, used = os.wait4(pid, 0)
    if status:
        sys.exit(f"{command[:4]} failed")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def ours(source: Path, work: Path, promise: list[str]) -> list[list[str]]:
    """Both commands of narrows."""
    archive, back = str(work / "a.narrows"), str(work / "back")
    there = [*NARROWS, "compress", "-q", str(source), "-o", archive, *promise]
    return [there, [*NARROWS, "decompress", "-q", archive, "-o", back]]


def rival(source: Path, work: Path, ending: str) -> list[list[str]]:
    """A Python program each way."""
    plugin = "import pillow_jxl" if ending == "jxl" else ""
    coded, back = work / "coded", work / "back"
    coded.mkdir()
    back.mkdir()
    there = SAVE.format(plugin=plugin, ending=ending, how=AVIF if ending == "avif" else JXL)
    return [
        [sys.executable, "-c", there, str(source), str(coded)],
        [sys.executable, "-c", SAVE.format(plugin=plugin, ending="png", how=""), str(coded), str(back)],
    ]


def size(work: Path) -> int:
    """Bytes of what was coded."""
    coded = work / "coded"
    return sum(path.stat().st_size for path in (coded.iterdir() if coded.exists() else [work / "a.narrows"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="has photos/kodak")
    parser.add_argument("--quick", action="store_true", help="one photograph only")
    arguments = parser.parse_args()
    pictures = sorted((arguments.data / "photos" / "kodak").glob("*.png"))
    rows: Rows = []
    with tempfile.TemporaryDirectory() as place:
        sources = [("one of Kodak, 0.4 MP", Path(place, "one"), [_lying(pictures[0])])]
        if not arguments.quick:
            sources.append(("a mosaic, 9.4 MP", Path(place, "mosaic"), [mosaic(pictures, 0)]))
            sources.append(
                ("four mosaics", Path(place, "four"), [mosaic(pictures, turns) for turns in (0, 5, 10, 15)])
            )
        for words, source, images in sources:
            source.mkdir()
            for number, image in enumerate(images):
                image.save(source / f"{number}.png", compress_level=1)
            ways: dict[str, Callable[[Path], list[list[str]]]] = {
                f"narrows, quality {QUALITY}": partial(ours, source, promise=["--quality", str(QUALITY)]),
                f"AVIF, quality {AVIF_QUALITY}": partial(rival, source, ending="avif"),
                "narrows, exact": partial(ours, source, promise=[]),
                "JPEG XL, exact": partial(rival, source, ending="jxl"),
            }
            for name, make in ways.items():
                with tempfile.TemporaryDirectory(dir=place) as work:
                    there, back = make(Path(work))
                    results = [measured(there), measured(back)]
                    taken = size(Path(work))
                numbers = [
                    f"{value:.{digits}f}"
                    for result in results
                    for value, digits in zip(result, (2, 2, 0), strict=True)
                ]
                rows.append((words, name, *numbers, f"{taken:,}"))
                print(rows[-1], flush=True)
    columns = (
        "pictures",
        "how",
        *(f"{way} {what}" for way in ("there", "back") for what in ("s", "CPU s", "MB")),
        "bytes",
    )
    write("commands" + "-quick" * arguments.quick, "The commands, from start to end", table(columns, rows))


if __name__ == "__main__":
    main()
