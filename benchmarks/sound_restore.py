"""Sound restored: noise removed, gaps filled, the rate doubled, beside classical methods on the same samples.

Spoken digits (8 kHz; takes 0 to 4 of each are the test set) and words (16 kHz) are learned from their training parts.
`--models DIR` keeps the trained models there and takes those that are there already.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import noisereduce
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
import torch
from _common import Rows, table, write
from scipy import signal
from scipy.linalg import solve_toeplitz, toeplitz

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Gaps, SignalNoise
from narrows.degradations.extrapolate import bridged, runs_of
from narrows.tasks.train import train
from narrows.training.settings import Settings

Doubles = npt.NDArray[np.float64]
DATA = Path(os.environ.get("NARROWS_DATA", "data"))
SNRS = (0, 5, 10)
GAP_SECONDS = (0.02, 0.05, 0.1)
VALIDATION = 0.1
FULL = 32768.0


def digits(test: bool) -> tuple[list[npt.NDArray[np.int16]], int]:
    """The recordings of spoken digits, `(T,)` each, and their rate."""
    files = sorted((DATA / "spoken-digits").glob("*.wav"))
    return _read([file for file in files if (int(file.stem.split("_")[2]) < 5) == test])


def words(test: bool) -> tuple[list[npt.NDArray[np.int16]], int]:
    """The recordings of words, likewise."""
    return _read(sorted((DATA / "sound" / "words" / ("test" if test else "train")).iterdir()))


def _read(files: list[Path]) -> tuple[list[npt.NDArray[np.int16]], int]:
    found = [soundfile.read(file, dtype="int16") for file in files]
    return [sound for sound, _ in found], found[0][1]


def trained(name: str, sounds: Samples, purpose: str, minutes: float, folder: Path) -> tuple[narrows.Model, float]:
    """The model of this name, trained if it is not in the folder, and the minutes that its training took."""
    path = folder / f"{name}-{purpose}.safetensors"
    if not path.exists():
        settings = Settings(minutes=minutes, validation=VALIDATION, threads=1)
        train(sounds, path, purpose=purpose, settings=settings).run()
    model = narrows.load(path)
    return model, model.provenance["seconds"] / 60
