"""Sound without loss: spoken digits, words and piano notes, beside FLAC, WavPack and xz.

    NARROWS_DATA=... python benchmarks/sound_exact.py [--quick] [digits] [words] [piano]

A model is trained on the training part of each, and says nothing of the test part before it is done.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from _common import table, write
from _exact import COLUMNS, ours, rivals, rows

QUICK = "--quick" in sys.argv
TEST_TAKES = 5
NOTE = "All bytes of one archive, names and headers of the files included; rivals that are joined have none.\n"


def files(name: str) -> tuple[list[Path], list[Path]]:
    """The files to train on, and those to test with."""
    root = Path(os.environ["NARROWS_DATA"])
    if name == "digits":
        takes = sorted((root / "spoken-digits").glob("*.wav"))
        held = [path for path in takes if int(path.stem.split("_")[2]) < TEST_TAKES]
        return [path for path in takes if path not in set(held)], held
    train, test = (sorted((root / "sound" / name / part).iterdir()) for part in ("train", "test"))
    return train, test


def main() -> None:
    """Train, compress, write the table."""
    chosen = [a for a in sys.argv[1:] if not a.startswith("-")] or ["digits", "piano", "words"]
    text = ""
    for name in chosen:
        train, test = files(name)
        if QUICK:
            train, test = train[::10], test[::10]
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            for part, paths in (("train", train), ("test", test)):
                (folder / part).mkdir()
                for path in paths:
                    shutil.copy(path, folder / part / path.name)
            read = [soundfile.read(path, dtype="int16", always_2d=True) for path in test]
            signals, rate = [signal for signal, _ in read], read[0][1]
            values = sum(signal.size for signal in signals)
            mine = ours(folder / "train", folder / "test", folder, ["--epochs", "1"] if QUICK else [], {})
            found = table(COLUMNS, rows(values, mine, rivals(signals, rate)))
        channels = np.unique([signal.shape[1] for signal in signals]).tolist()
        text += f"## {name}: {len(test)} files, {values:,} values, {channels} channels, {rate} Hz\n\n{found}\n\n"
        write("sound_exact-quick" if QUICK else "sound_exact", "Sound without loss", text + NOTE)


if __name__ == "__main__":
    main()
