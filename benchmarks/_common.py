"""What every benchmark does: say where it ran, print its table, write it to `results/`."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import narrows
from narrows.codecs.base import row_of

if TYPE_CHECKING:
    from narrows.io.arrays import Array
    from narrows.models.autoencoder import Autoencoder

RESULTS = Path(__file__).resolve().parent.parent / "results"
Rows = list[tuple[str, ...]]


def machine() -> str:
    """Processor, cores and versions, in one line."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    name = names[0] if names else platform.processor()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores{gpu}; Python {platform.python_version()}, PyTorch {torch.__version__}"


def commit() -> str:
    """The short hash of the commit that ran, with a + where the tree has changes beside `results/`."""
    root = str(RESULTS.parent)
    git = ["git", "-C", root]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run(
        [*git, "status", "--porcelain", "--", "src", "benchmarks"], capture_output=True, text=True, check=False
    )
    return (head.stdout.strip() or "unknown") + ("+" if dirty.stdout.strip() else "")


def together(codec: narrows.Codec, images: list[Array]) -> str:
    """How fast all cores are on all images in one archive, in a sentence."""
    megabytes = sum(image.nbytes for image in images) / 1e6
    began = time.perf_counter()
    archive = codec.compress(images)
    written = time.perf_counter()
    codec.decompress(archive)
    encoding, decoding = written - began, time.perf_counter() - written
    return (
        f"All {len(images)} in one archive ({codec.promise}), on {os.cpu_count()} cores: {megabytes / encoding:.2f} "
        f"MB of pixels a second to encode, with the check, and {megabytes / decoding:.2f} to decode."
    )


def autoencoder(samples: narrows.Samples, network: str, code: int | None = None, seed: int = 0) -> Autoencoder:
    """An untrained autoencoder for these samples: what `build` gives for such a network."""
    from narrows.models.autoencoder import Autoencoder  # here, since `archive_memory` counts what is imported

    model = narrows.build(samples.description, network, code, seed=seed)
    assert isinstance(model, Autoencoder)
    return model


def check_learned(archive: narrows.Archive, what: str) -> None:
    """Raise `SystemExit` unless every block needs the model: what a model does not make smaller is stored without it,
    and says nothing about models."""
    blocks = range(len(archive._reader.layout.blocks))
    ways = [row_of(archive._reader.payload(block, what)[0]) for block in blocks]
    plain = [row for row in ways if row is None or not row.learned]
    if plain:
        sys.exit(f"{what}: {len(plain)} of {len(blocks)} blocks are stored without the model; train it longer")


def table(columns: tuple[str, ...], rows: Rows) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    lines = [" | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in [columns, *rows]]
    rule = "-|-".join("-" * w for w in widths)
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])


def write(name: str, title: str, text: str) -> None:
    """Print the result and write it to `results/NAME.md` with the command, the date, the machine and the commit, and
    below it, unless it was a quick run, the notes that lie beside the program."""
    notes = Path(sys.argv[0]).with_name(f"{Path(sys.argv[0]).stem}-notes.md")
    if notes.exists() and not name.endswith("-quick"):
        text = f"{text.rstrip()}\n\n{notes.read_text()}"
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    head = f"# {title}\n\n`{command}`, {date}, commit {commit()}, {machine()}.\n\n"
    print(f"\n{head}{text}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(head + text.rstrip() + "\n")
