"""A model compared with the general formats in two pictures: the curves, and the same images at equal bytes.

Next door: `against` computes what is drawn here, `_panels` draws samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike, NDArray

from narrows.data.batches import centre_crop
from narrows.evaluation import _panels as panels
from narrows.evaluation._panels import ACCENT, GAP, Box, write
from narrows.evaluation.curves import Comparison
from narrows.io.arrays import Array

COLOURS = {"jpeg": "#7f7f7f", "webp": "#1b7f5c", "avif": "#3f6a9a", "jxl": "#7a4fa3", "png": "0.45"}
CROP = 160  # pixels per side; of larger images the middle is shown at equal bytes
BEYOND_DB = 6.0  # how far above our best point the rivals' curves are followed


@dataclass(frozen=True)
class Shown:
    """One codec's row of a picture at equal bytes: bytes per image over the whole set, and what came back."""

    title: str
    bytes_each: float
    images: tuple[Array, ...]
    psnrs_db: tuple[float, ...]


def rate_distortion(comparison: Comparison) -> Figure:
    """PSNR against bits per pixel on a logarithmic axis; each codec at its best, ours also with its model."""
    ours = comparison.ours
    pixels = comparison.pixels / comparison.images
    curves = [c for c in comparison.rivals if not c.exact]
    exact = [c for c in comparison.rivals if c.exact]
    fronts = [c.front() for c in (ours, *curves)]
    ceiling = ours.front()[-1].psnr_db + BEYOND_DB
    shown = [[p for p in front if p.psnr_db <= ceiling] or list(front[:1]) for front in fronts]
    with_model = [p.bits_per_pixel_with_model for p in ours.front()]
    rates = [p.bits_per_pixel for front in shown for p in front] + with_model
    rates += [c.front()[0].bits_per_pixel for c in exact]
    levels = [p.psnr_db for front in shown for p in front]

    plot = Box(0.75, 0.42, 7.2, 4.4)
    title, note = _headline(comparison)
    figure, axes = panels.open_plot(9.0, 5.4, plot, title, note)
    axes.set_xscale("log")
    axes.set(xlim=(min(rates) / 1.15, max(rates) * 1.15), ylim=(min(levels) - 0.7, max(levels) + 0.7))
    panels.plain_ticks(axes.xaxis, LogLocator(subs=(1, 2, 5)), ".4g")
    axes.set_xlabel("bits per pixel (log scale): further left is smaller", size=9)
    axes.set_ylabel("PSNR in dB, mean over images: higher is closer to the original", size=9)
    axes.grid(color="0.9", lw=0.6)

    def times(factor: float) -> Callable[[ArrayLike], NDArray[np.float64]]:
        return lambda values: np.asarray(values, float) * factor

    top = axes.secondary_xaxis("top", functions=(times(pixels / 8), times(8 / pixels)))
    panels.plain_ticks(top.xaxis, LogLocator(subs=(1, 2, 5)), ",.4g")
    top.tick_params(labelsize=8)
    top.set_xlabel("bytes per image", size=9)

    ends: list[tuple[float, float, str, str]] = []
    for curve, front in zip(curves, shown[1:], strict=True):
        x, y = [p.bits_per_pixel for p in front], [p.psnr_db for p in front]
        axes.plot(x, y, color=COLOURS[curve.name], lw=1.4, marker="o", ms=3)
        ends.append((x[-1], y[-1], curve.title, COLOURS[curve.name]))
    y = [p.psnr_db for p in ours.front()]
    x = [p.bits_per_pixel for p in ours.front()]
    if max(with_model) > 1.01 * min(x):
        axes.plot(with_model, y, color=ACCENT, lw=1.6, ls="--", marker="o", ms=3, mfc="white")
        ends.append((with_model[0], y[0], "with its model", ACCENT))
    axes.plot(x, y, color=ACCENT, lw=2.4, marker="o", ms=5, zorder=5)
    ends.append((x[-1], y[-1], ours.title, ACCENT))
    for curve in exact:
        bits = curve.front()[0].bits_per_pixel
        axes.axvline(bits, color=COLOURS[curve.name], lw=1.2, ls=":")
        axes.text(bits, 0.02, f" {curve.title}, exact", transform=axes.get_xaxis_transform(), size=8, color="0.35")
    _label(axes, plot, ends)
    return figure


def at_equal_bytes(rows: Sequence[Shown]) -> Figure:
    """The same images by each codec at about the same bytes: the original on top, then a row for each codec."""
    first = rows[0].images
    cropped = any(max(image.shape[:2]) > CROP for image in first)
    views = [[centre_crop(i, CROP) if max(i.shape[:2]) > CROP else i for i in row.images] for row in rows]
    wide, tall = panels.panel_size(views[0], 1.25)
    left, down = 1.35, tall + 0.27
    ours = rows[1].bytes_each
    title = f"The same {len(first)} images at about {ours:,.0f} bytes each, by narrows and the general formats"
    note = "Below each image its PSNR in dB (higher is closer to the original; bold: the highest). Bytes are those "
    note += "of the whole set divided by its images, headers counted, the model of narrows not. Each format has the "
    note += "best quality that needs no more bytes than narrows; one that cannot be so small is at its smallest. "
    note += f"Shown is the middle of each image, {CROP} pixels per side; the PSNR is of all of it." if cropped else ""
    figure, axes = panels.open_sheet(left + len(first) * (wide + GAP) + 0.05, len(rows) * down, title, note)
    best = np.max([row.psnrs_db for row in rows[1:]], axis=0)
    for number, (row, images) in enumerate(zip(rows, views, strict=True)):
        y = number * down
        colour = ACCENT if number == 1 else "0.1"
        write(axes, left - 0.1, y + tall / 2, row.title, 9.5, ha="right", va="bottom", color=colour, weight="bold")
        words = f"{row.bytes_each:,.0f} bytes" + (" raw" if not number else "")
        if number > 1 and row.bytes_each > 1.02 * ours:
            words += "\nits smallest"
        write(axes, left - 0.1, y + tall / 2 + 0.05, words, 8, ha="right", color=colour)
        for column, image in enumerate(images):
            box = Box(left + column * (wide + GAP), y, wide, tall)
            panels.draw_sample(axes, box, image, (0.0, 255.0))
            if row.psnrs_db:
                words = f"{row.psnrs_db[column]:.1f} dB"
                weight = "bold" if row.psnrs_db[column] == best[column] else "normal"
                write(axes, box.x + wide / 2, y + tall + 0.03, words, 7.5, color=colour, weight=weight)
    return figure


def _headline(comparison: Comparison) -> tuple[str, str]:
    title = "narrows compared with the general formats"
    gains = {c.title: comparison.difference(c).percent for c in comparison.rivals}
    known = {name: gain for name, gain in gains.items() if gain is not None}
    if known:
        name, gain = max(known.items(), key=lambda item: item[1])
        amount = f"{abs(gain):.0f} % {'fewer' if gain < 0 else 'more'} bytes than"
        amount = f"{1 + gain / 100:.1f} times the bytes of" if gain > 100 else amount
        title = f"At equal PSNR narrows needs {amount} {name}"
        title += ", the best of the others" if len(known) > 1 else ""
    note = f"Mean over {comparison.images:,} images; bytes are those of whole files, headers counted. "
    note += "Up and to the left is better. Each format is used in the way that is best for it at each rate"
    sheet = any(p.how.startswith("on one sheet") for c in comparison.rivals for p in c.front())
    note += ": one file per image, or all on one sheet. " if sheet else ". "
    if comparison.ours.points[0].model_bytes:
        model_bytes = comparison.ours.points[0].model_bytes
        note += f"Dashed: one archive of these images and its model ({model_bytes:,} bytes), "
        note += "whose share shrinks as an archive grows. "
    return title, note + " ".join(f"{n[0].upper()}{n[1:]}." for n in comparison.notes)


def _label(axes: Axes, plot: Box, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """The name of each curve to the right of its point; names that overlap are moved apart."""
    place = axes.transData + axes.transAxes.inverted()
    inches = np.array([plot.width, plot.height])
    points = place.transform([(x, y) for x, y, _, _ in ends]) * inches
    sizes = np.array([[0.1 + 0.08 * len(name), 0.2] for _, _, name, _ in ends])
    wanted = points + np.column_stack([sizes[:, 0] / 2 + 0.08, np.zeros(len(ends))])
    placed = panels.separate(wanted, sizes, Box(0, 0, plot.width + 1.0, plot.height))
    left = (placed - np.column_stack([sizes[:, 0] / 2, np.zeros(len(ends))])) / inches
    for (x, y), (_, _, name, colour) in zip(left, ends, strict=True):
        behind = {"boxstyle": "square,pad=0.1", "fc": "white", "lw": 0, "alpha": 0.8}
        font: dict[str, Any] = {"size": 9, "color": colour, "weight": "bold", "va": "center"}
        axes.text(x, y, name, bbox=behind, zorder=6, transform=axes.transAxes, **font)
