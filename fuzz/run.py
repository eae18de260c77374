"""Run all fuzz targets, beginning with the golden archives: `python fuzz/run.py`; exits 1 for a crash."""

from __future__ import annotations

import argparse
import datetime
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from golden import GOLDEN, LEARNED

from narrows.archive.entries import DTYPES
from narrows.archive.index import Index, stored_length, unseal
from narrows.archive.layout import Layout

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGETS = ("file", "index", "block", "learned", "bounded")


def seeds(folder: Path) -> None:
    """For each target a folder of inputs that are right, made of the golden archives."""
    for target in TARGETS:
        (folder / target).mkdir()
    for path in GOLDEN:
        content = path.read_bytes()
        length = stored_length(content[-9:], len(content))
        index: Index = unseal(content[-length:])
        start = 5 + (index.model_length or 0)
        layout = Layout(index, start, len(content) - length)
        (folder / "file" / path.name).write_bytes(content)
        (folder / "index" / path.name).write_bytes(b"\0" + index.to_bytes())
        for number, piece in enumerate(layout.blocks):
            at, size = int(layout.offsets[piece]), int(layout.lengths[piece])
            dtype, shapes = layout.shapes(number)
            shape = shapes[0]
            if path in LEARNED and len(set(shapes)) == 1:
                height, wide, channels = shape if len(shape) == 3 else (*shape[:1], 1, *shape[1:], 1)[:3]
                head = bytes([LEARNED.index(path), len(shapes) - 1, height - 1, wide - 1, channels - 1])
                (folder / "learned" / f"{path.stem}-{number}").write_bytes(head + content[at : at + size])
            if "floats" in path.stem and len(set(shapes)) == 1:
                kind = DTYPES.index(np.dtype(dtype).name)
                head = bytes([0, (shape[0] - 1) & 255, shape[0] - 1 >> 8, len(shapes) - 1, kind, 0, 0, 0])
                (folder / "bounded" / f"{path.stem}-{number}").write_bytes(head + content[at : at + size])
            if dtype == "uint8" and max(shape) <= 256:
                sides = [shape[-1] * (len(shape) > 1), shape[0] - 1, shape[1] - 1 if len(shape) == 3 else 0]
                head = bytes([*sides, len(shapes) - 1, 0, 2, 2 * (len(shape) == 2), 0])
                (folder / "block" / f"{path.stem}-{number}").write_bytes(head + content[at : at + size])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together")
    arguments = parser.parse_args()
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    seconds = max(1, int(arguments.minutes * 60 / len(TARGETS)))
    crashes = HERE / "crashes"
    crashes.mkdir(exist_ok=True)
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        seeds(Path(folder))
        for target in TARGETS:
            command = [sys.executable, str(HERE / "archive.py"), target, str(Path(folder) / target)]
            options = ["-max_len=8192", "-timeout=10", "-print_final_stats=1", "-verbosity=0"]
            # One allocation is held to 2 GB. The whole is not: the instrumentation keeps some 6 kB an input, which
            # plain Python does not.
            options += ["-malloc_limit_mb=2048", "-rss_limit_mb=12000"]
            options += [f"-max_total_time={seconds}", f"-artifact_prefix={crashes}/{target}-"]
            done = subprocess.run(command + options, stderr=subprocess.PIPE, text=True, check=False)
            tried = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
            count = int(tried.group(1)) if tried else 0
            failed |= done.returncode != 0 or not count
            if done.returncode:
                print(done.stderr, file=sys.stderr)
            rows.append((target, count, seconds, "none" if not done.returncode else "yes, see fuzz/crashes/"))
            print(f"{target}: {count} inputs in {seconds} seconds, crashes: {rows[-1][3]}")
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    total = sum(row[1] for row in rows)
    lines = [
        "# Broken archives thrown at the reader\n",
        f"`python fuzz/run.py --minutes {arguments.minutes:g}`, {date}, commit {commit}: {total:,} inputs tried.\n",
        "| target | inputs | seconds | crashes |\n| --- | --- | --- | --- |",
        *(f"| {target} | {count:,} | {spent} | {found} |" for target, count, spent, found in rows),
    ]
    (ROOT / "results" / "fuzz.md").write_text("\n".join(lines) + "\n")
    print(f"{total} inputs tried")
    sys.exit(failed)


if __name__ == "__main__":
    main()
