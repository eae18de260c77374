"""Signals to look at: the course of each, and below it how loud which frequencies are, over time.

Next door: `sheets` draws samples of other kinds.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from narrows.checks import legible
from narrows.evaluation import _panels as panels
from narrows.evaluation._panels import INK, Box, write
from narrows.io.arrays import Array
from narrows.io.cache import release
from narrows.tasks.show import Summary, seconds

Floats = npt.NDArray[np.float64]
ACROSS = 4  # panels in a row
MOST = 80  # panels on a sheet
WIDE, COURSE, BANDS = 2.7, 0.55, 0.85  # inches
COLUMNS = 320  # of what is drawn of a signal, whatever its length
WINDOW = 512  # steps whose frequencies are taken together, at most
FLOOR = -90.0  # dB below full scale, drawn as nothing


def signals(summary: Summary, count: int = 24) -> Figure:
    """So many signals of a set, evenly picked: waveform and spectrogram, with names, lengths and labels."""
    given, description = summary.samples, summary.samples.description
    chosen = np.linspace(0, len(given) - 1, max(1, min(count, len(given), MOST))).round().astype(int).tolist()
    across = min(ACROSS, len(chosen))
    down = COURSE + BANDS + 0.55
    title = f"{len(chosen)} of {len(given):,} signals, evenly picked" if len(chosen) < len(given) else "All signals"
    top = f"{description.rate / 2:g} Hz" if description.rate else "half the rate"
    note = f"{description}. Below each waveform: its spectrogram, from 0 at the bottom to {top}, {FLOOR:g} dB to 0."
    height = -(-len(chosen) // across) * down + 0.1
    figure, axes = panels.open_sheet(across * (WIDE + 0.15) + 0.2, height, f"{title}: {legible(given.source)}", note)
    for place, i in enumerate(chosen):
        row, column = divmod(place, across)
        x, y = 0.15 + column * (WIDE + 0.15), row * down
        values = given.values[i]
        draw_course(axes, Box(x, y, WIDE, COURSE), values, (description.low, description.high))
        draw_bands(axes, Box(x, y + COURSE + 0.03, WIDE, BANDS), values, (description.low, description.high))
        words = seconds(len(values), description.rate)
        if given.labels is not None:
            words += f", label {legible(str(given.labels[i]))}"
        foot = y + COURSE + BANDS + 0.07
        write(axes, x + WIDE / 2, foot, words, 7.5, weight="bold", color="0.1")
        name = f"signal {i}" if given.names is None else given.names[i]
        write(axes, x + WIDE / 2, foot + 0.16, panels.shorten(legible(name), WIDE), 7, color="0.25")
    return figure


def draw_course(axes: Axes, box: Box, values: Array, limits: panels.Range) -> None:
    """The waveform of a signal `(T, C)`: from the lowest to the highest value of each short stretch."""
    low, high = limits
    edges = np.unique(np.linspace(0, len(values), min(COLUMNS, len(values)) + 1).astype(np.int64))
    found = []
    for start, end in pairwise(edges):
        found.append((values[start:end].min(), values[start:end].max()))
        release(values)
    ends = np.array(found, np.float64)
    ends = np.vstack([ends, ends[-1:]])
    ends = box.y + box.height * (high - np.clip(np.nan_to_num(ends), low, high)) / (high - low)
    across = np.linspace(box.x, box.x + box.width, len(ends))
    axes.fill_between(across, ends[:, 0], ends[:, 1], color=INK, lw=0.5)
    panels.frame(axes, box)


def draw_bands(axes: Axes, box: Box, values: Array, limits: panels.Range) -> None:
    """The spectrogram of a signal `(T, C)`, the mean of its channels."""
    image = spectrogram(values, limits)
    extent = (box.x, box.x + box.width, box.y + box.height, box.y)
    axes.imshow(image[::-1], extent=extent, aspect="auto", cmap="magma", vmin=FLOOR, vmax=0)
    panels.frame(axes, box)


def spectrogram(values: Array, limits: panels.Range) -> Floats:
    """Loudness in dB of full scale `(F, columns)`, from the lowest frequency up, at evenly spaced times."""
    low, high = limits
    window = min(WINDOW, 1 << max(3, (len(values) // 4).bit_length()))
    starts = np.linspace(0, max(0, len(values) - window), COLUMNS).astype(np.int64)
    starts = np.unique(starts)
    taper = np.hanning(window + 1)[:-1]
    columns = []
    for start in starts:
        part = np.asarray(values[start : start + window], np.float64).mean(axis=1)
        release(values)
        scaled = (np.nan_to_num(part) - (low + high) / 2) / ((high - low) / 2)
        scaled = np.pad(scaled, (0, window - len(scaled)))
        columns.append(np.abs(np.fft.rfft(scaled * taper)) * 2 / taper.sum())
    return np.asarray(20 * np.log10(np.maximum(np.array(columns).T, 10 ** (FLOOR / 20))))
