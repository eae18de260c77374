"""Signals beside what a model made of them: waveforms and spectrograms to look at, sounds to listen to.

Next door: `waveforms` draws single ones; `pictures` does the same for samples of other kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from matplotlib.figure import Figure

from narrows.checks import legible
from narrows.data.samples import Description, Samples
from narrows.errors import OutputError
from narrows.evaluation import _panels as panels
from narrows.evaluation._panels import Box, write
from narrows.evaluation.metrics import Score
from narrows.evaluation.waveforms import BANDS, COURSE, FLOOR, WIDE, draw_bands, draw_course
from narrows.io.arrays import Array
from narrows.models.coded import Coded

EACH = 2  # signals of the worst, the usual and the best
GAP = 0.12  # inches
ROWS = ("original", "reconstruction", "difference")


def chosen(score: Score) -> dict[str, int]:
    """Numbers of the signals with the worst, usual and best SNR, by what they are called."""
    order = np.argsort(score.snrs_db, kind="stable")
    each = min(EACH, len(order))
    middle = max(0, (len(order) - each) // 2)
    parts = {"worst": order[:each], "usual": order[middle : middle + each], "best": order[-each:][::-1]}
    return {f"{kind}-{place + 1}": int(i) for kind, part in parts.items() for place, i in enumerate(part)}


def reconstructions(model: Coded, samples: Samples, score: Score) -> Figure:
    """The worst, usual and best signals: original, reconstruction, and the difference of the two, each as waveform
    and spectrogram."""
    own, which = model.description, chosen(score)
    limits, down = (own.low, own.high), COURSE + BANDS + GAP
    top = f"{own.rate / 2:g} Hz" if own.rate else "half the rate"
    note = f"From top to bottom: {', '.join(ROWS)}. Spectrograms from 0 to {top}, {FLOOR:g} dB to 0 of full scale."
    title = f"{model.specification.network}, SNR {score.snr_db:.1f} dB, SI-SDR {score.si_sdr_db:.1f} dB on average"
    across = len(which) * (WIDE + 0.15) + 0.2
    figure, axes = panels.open_sheet(across, len(ROWS) * down + 0.5, title, note)
    for column, (kind, i) in enumerate(which.items()):
        x = 0.15 + column * (WIDE + 0.15)
        for row, values in enumerate(_three(model, np.asarray(samples.values[i]))):
            ends = (-(own.high - own.low) / 2, (own.high - own.low) / 2) if ROWS[row] == "difference" else limits
            draw_course(axes, Box(x, row * down, WIDE, COURSE), values, ends)
            draw_bands(axes, Box(x, row * down + COURSE + 0.03, WIDE, BANDS), values, ends)
        name = f"signal {i}" if samples.names is None else samples.names[i]
        foot = len(ROWS) * down + 0.05
        write(axes, x + WIDE / 2, foot, f"{kind}: {score.snrs_db[i]:.1f} dB", 7.5, weight="bold", color="0.1")
        write(axes, x + WIDE / 2, foot + 0.16, panels.shorten(legible(name), WIDE), 7, color="0.25")
    return figure


def write_sounds(model: Coded, samples: Samples, score: Score, folder: Path) -> list[Path]:
    """The same signals as WAV files, originals and reconstructions; none where the rate is not known. Raises
    `OutputError`."""
    if not model.description.rate:
        return []
    written = []
    for kind, i in chosen(score).items():
        for what, values in zip(ROWS[:2], _three(model, np.asarray(samples.values[i])), strict=False):
            path = folder / f"{kind}-{what}.wav"
            write_sound(path, values, model.description)
            written.append(path)
    return written


def write_sound(path: Path, values: Array, description: Description) -> None:
    """Write a signal `(T, C)` as WAV, its range as full scale: 16 bits of values of at most so many, floats of
    others. Raises `OutputError`."""
    middle, half = (description.low + description.high) / 2, (description.high - description.low) / 2
    scaled = (values.astype(np.float64) - middle) / half
    encoding = "PCM_16" if values.dtype.kind in "ui" and values.dtype.itemsize <= 2 else "FLOAT"
    try:
        soundfile.write(path, scaled, max(1, round(description.rate)), encoding)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path}: cannot be written: {error}") from None


def _three(model: Coded, signal: Array) -> Sequence[Array]:
    """A signal, what the model makes of it, and the difference, each `(T, C)`."""
    back = model.reconstruct(signal[None])[0]
    return signal, back, back.astype(np.float64) - signal.astype(np.float64)
