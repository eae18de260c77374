"""Sound without loss and without a model: bytes and speed of both efforts, beside FLAC.

NARROWS_DATA=... python benchmarks/sound_speed.py [--quick]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from _common import Rows, table, write
from sound_exact import files

import narrows

QUICK = "--quick" in sys.argv
SETS = ("digits", "words", "piano")
NOTE = (
    "All files of a set in one archive; FLAC at its highest level, one file each, by the same library. Megabytes are "
    "of the numbers as they are in memory; ours to write include decoding once, to check, and use all cores."
)


def by_flac(sounds: list[tuple[np.ndarray, int]], folder: Path) -> tuple[int, float, float]:
    """Bytes, and seconds to write and to read."""
    began = time.perf_counter()
    paths = [folder / f"{number}.flac" for number in range(len(sounds))]
    for path, (sound, rate) in zip(paths, sounds, strict=True):
        soundfile.write(path, sound, rate, subtype="PCM_16", compression_level=1.0)
    written = time.perf_counter()
    for path in paths:
        soundfile.read(path, dtype="int16")
    return sum(path.stat().st_size for path in paths), written - began, time.perf_counter() - written


def by_narrows(paths: list[Path], folder: Path, effort: str) -> tuple[int, float, float]:
    """The same, checked against the files."""
    archive, began = folder / f"{effort}.narrows", time.perf_counter()
    narrows.compress(paths, archive, effort=effort)
    written = time.perf_counter()
    narrows.decompress(archive, folder / effort)
    read = time.perf_counter()
    for path in paths:
        back, sound = (soundfile.read(p, dtype="int16")[0] for p in (folder / effort / path.name, path))
        assert np.array_equal(back, sound)
    return archive.stat().st_size, written - began, read - written


def main() -> None:
    """Every set, every way."""
    text = ""
    for name in SETS:
        paths = files(name)[1][:: 10 if QUICK else 1]
        sounds = [soundfile.read(path, dtype="int16", always_2d=True) for path in paths]
        size = sum(sound.nbytes for sound, _ in sounds)
        with tempfile.TemporaryDirectory() as temporary:
            folder, plain = Path(temporary), []
            for path, (sound, rate) in zip(paths, sounds, strict=True):  # FLAC files would be kept as they are
                plain.append(folder / f"{path.stem}.wav")
                soundfile.write(plain[-1], sound, rate, subtype="PCM_16")
            found = {
                "FLAC -8": by_flac(sounds, folder),
                "narrows --effort fast": by_narrows(plain, folder, "fast"),
                "narrows": by_narrows(plain, folder, "usual"),
            }
        rows: Rows = []
        for way, (own, writing, reading) in found.items():
            rows.append((way, f"{own:,}", *(f"{size / 1e6 / seconds:.2f}" for seconds in (writing, reading))))
        text += f"## {name}: {len(sounds)} files, {size / 1e6:.1f} MB\n\n"
        text += table(("", "bytes", "MB/s to write", "MB/s to read"), rows) + "\n\n"
        print(text, flush=True)
    write("sound_speed" + "-quick" * QUICK, "The speed of sound without loss", text + NOTE)


if __name__ == "__main__":
    main()
