"""Signals without loss: an archive with and without a model, and the general formats, in bits a value."""

from __future__ import annotations

import bz2
import io
import lzma
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from _common import Rows

import narrows

Signals = Sequence[npt.NDArray[np.int16]]  # each (T, C)
COLUMNS = ("", "bytes", "bits a value", "against the best rival")
FLAC_CHANNELS = 8


def flac(signals: Signals, rate: int) -> int:
    """Bytes of FLAC at its best level; more than eight channels take several streams."""
    total = 0
    for signal in signals:
        for first in range(0, signal.shape[1], FLAC_CHANNELS):
            file = io.BytesIO()
            part = signal[:, first : first + FLAC_CHANNELS]
            soundfile.write(file, part, rate, format="FLAC", subtype="PCM_16", compression_level=1.0)
            total += len(file.getvalue())
    return total


def wavpack(signals: Signals, rate: int) -> int:
    """Bytes of WavPack -hhx6."""
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        for signal in signals:
            soundfile.write(f"{folder}/a.wav", signal, rate)
            subprocess.run(["wavpack", "-hhx6", "-q", "-y", f"{folder}/a.wav"], check=True)
            total += Path(f"{folder}/a.wv").stat().st_size
    return total


def rivals(signals: Signals, rate: int) -> dict[str, Callable[[], int]]:
    """What each general format takes, by its name; those whose program is missing are left out."""
    joined = [np.concatenate(list(signals))]
    found: dict[str, Callable[[], int]] = {}
    if len(signals) > 1:
        found["FLAC -8, one file each"] = lambda: flac(signals, rate)
    found["FLAC -8, joined"] = lambda: flac(joined, rate)
    if shutil.which("wavpack"):
        found["WavPack -hhx6, joined"] = lambda: wavpack(joined, rate)
    found["xz -9, joined"] = lambda: len(lzma.compress(joined[0].tobytes(), preset=9))
    differences = np.diff(joined[0], axis=0, prepend=joined[0][:1])
    found["bz2 of differences"] = lambda: len(bz2.compress(differences.T.copy().tobytes()))
    try:
        from pcodec import ChunkConfig, standalone
    except ImportError:
        return found

    def pcodec() -> int:
        config = ChunkConfig(compression_level=12)
        return sum(len(standalone.simple_compress(np.ascontiguousarray(c), config)) for c in joined[0].T)

    return found | {"pcodec, level 12": pcodec}


def ours(train: Path, test: Path, folder: Path, options: Sequence[str], kind: dict[str, str]) -> dict[str, int]:
    """Bytes of an archive without a model, of one with a model that is left out, and of that model."""
    model = folder / "model.safetensors"
    command = [sys.executable, "-m", "narrows", "train", str(train), "--for", "compress", "--promise", "max-error"]
    subprocess.run([*command, "-o", str(model), "--force", *options], check=True)
    without = narrows.compress(test, folder / "without.narrows", force=True, verify=False, **kind).archive_bytes
    learned = narrows.compress(
        test, folder / "with.narrows", model, embed_model=False, force=True, verify=False, **kind
    )
    compact = narrows.Codec(model).compact_model
    return {
        "narrows, no model": without,
        "narrows, trained": learned.archive_bytes,
        "narrows, trained, and the model": learned.archive_bytes + len(compact),
    }


def rows(values: int, mine: dict[str, int], theirs: dict[str, Callable[[], int]]) -> Rows:
    """One row for each format."""
    sizes = {**{name: call() for name, call in theirs.items()}, **mine}
    best = min(size for name, size in sizes.items() if name in theirs)
    return [(n, f"{s:,}", f"{8 * s / values:.3f}", f"{100 * (s / best - 1):+.1f} %") for n, s in sizes.items()]
