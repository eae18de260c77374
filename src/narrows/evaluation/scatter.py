"""Where the codes of samples lie: thumbnails of images, and coloured points of other samples.

Next door: `figures.code_map` draws points alone, `sheets` samples in rows.
"""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from narrows.checks import legible
from narrows.data.samples import Samples
from narrows.evaluation import _panels as panels
from narrows.evaluation._charts import MOST_CLASSES, MOST_POINTS, code_map
from narrows.evaluation._panels import INK, Box
from narrows.evaluation.sheets import small
from narrows.tasks.embed import Codes, reduced

SIDE, LEAST = 8.2, 4.5  # inches of the plot: its width, and its height at least
THUMBNAILS = 600  # at most
ENOUGH, SHARE = 100, 0.4  # so many thumbnails, or so many of all; where fewer fit, they are made smaller
SIDES = (0.24, 0.9)  # of a thumbnail in inches, for many images and for few


def scatter(codes: Codes, samples: Samples) -> Figure:
    """The codes of samples by their first two principal components: images as thumbnails that do not cover each
    other, above points; other samples as points in the colour of their label. Raises `DataError` for NaN."""
    if samples.description.axes != 2 or min(codes.rows.shape) < 2:
        return code_map(codes.rows, codes.labels)
    plane, shares = reduced(codes, 2)
    count = len(codes)
    points = plane.rows.astype(np.float64)
    some = np.random.default_rng(0).permutation(count)[:MOST_POINTS]  # so that no order of the set can be seen
    title = f"The codes of {count:,} samples by their first two principal components"
    note = "Images that lie near each other have similar codes. Each stands at its code; those that would cover "
    note += f"another are points{f' ({len(some):,} samples are drawn)' * (len(some) < count)}. "
    labels = codes.labels
    classes = np.unique(labels) if labels is not None else np.zeros(0)
    if len(classes) > MOST_CLASSES:
        note += f"Its {len(classes):,} different labels are too many to tell apart by colour. "
        labels = None
    across, down = np.ptp(points, axis=0)
    plot = Box(0.7, 0.1, SIDE, float(np.clip(SIDE * down / (across or 1), LEAST, SIDE)))
    width = plot.x + plot.width + (1.3 if labels is not None else 0.2)
    figure, axes = panels.open_plot(width, plot.height + 0.7, plot, title, note)
    unit = _fit(axes, points, plot)
    for axis, name, share in ((axes.xaxis, "first", shares[0]), (axes.yaxis, "second", shares[1])):
        axis.set_label_text(f"{name} component ({share:.0%} of the variance)", size=9)
    colours = _colours(labels, classes, count)
    axes.scatter(points[some, 0], points[some, 1], color=colours[some], s=6, lw=0, alpha=0.6, zorder=1)
    side = min(max(SIDE / np.sqrt(count) / 1.2, 0.34), SIDES[1])
    enough = min(SHARE * count, ENOUGH)
    while len(chosen := _apart(points[some], 1.04 * side * unit)) < enough and side * 0.85 > SIDES[0]:
        side *= 0.85
    images = [small(np.asarray(samples.values[i])) for i in some[chosen].tolist()]
    description = samples.description
    for i, image in zip(some[chosen].tolist(), images, strict=True):
        height, width = (n / max(image.shape[:2]) * side * unit / 2 for n in image.shape[:2])
        (x, y), pixels = points[i], panels.as_colours(image, (description.low, description.high))
        extent = (x - width, x + width, y - height, y + height)
        axes.imshow(pixels, extent=extent, aspect="auto", zorder=2)
        edge = colours[i] if labels is not None else "0.6"
        axes.add_patch(
            matplotlib.patches.Rectangle(
                (x - width, y - height),
                2 * width,
                2 * height,
                fill=False,
                ec=edge,
                lw=1.2 if labels is not None else 0.5,
                zorder=3,
            )
        )
    if labels is not None:
        _key(axes, classes)
    return figure


def _fit(axes: Axes, points: NDArray[np.float64], plot: Box) -> float:
    """Limits with one scale for both axes, so that distances on paper are distances in the plane; what an inch is."""
    low, high = points.min(axis=0), points.max(axis=0)
    inches = np.array([plot.width, plot.height])
    unit = float(((high - low) / (inches - SIDES[1])).max()) or 1.0
    ends = np.array([low + high - unit * inches, low + high + unit * inches]) / 2
    axes.set(xlim=ends[:, 0], ylim=ends[:, 1])
    axes.set_autoscale_on(False)
    return unit


def _apart(points: NDArray[np.float64], side: float) -> list[int]:
    """Indices of points whose squares do not overlap, the first ones first."""
    kept = np.full((THUMBNAILS, 2), np.inf)
    chosen: list[int] = []
    for i, point in enumerate(points):
        if (np.abs(kept[: len(chosen)] - point).max(axis=1, initial=0) >= side).all():
            kept[len(chosen)] = point
            chosen.append(i)
            if len(chosen) == THUMBNAILS:
                break
    return chosen


def _palette(count: int) -> Any:
    return matplotlib.colormaps["tab10" if count <= 10 else "tab20"]


def _colours(labels: NDArray[Any] | None, classes: NDArray[Any], count: int) -> NDArray[Any]:
    """A colour for each sample, `(N, 4)`."""
    if labels is None:
        return np.tile(matplotlib.colors.to_rgba(INK), (count, 1))
    return np.asarray(_palette(len(classes))(np.searchsorted(classes, labels)))


def _key(axes: Axes, classes: NDArray[Any]) -> None:
    palette = _palette(len(classes))
    handles = [Line2D([], [], marker="s", ls="", color=palette(i)) for i in range(len(classes))]
    names = [panels.shorten(legible(str(name)), 0.9) for name in classes]
    key = axes.legend(handles, names, title="label", loc="upper left", bbox_to_anchor=(1.01, 1.01), fontsize=8)
    for text in key.get_texts():
        text.set_parse_math(False)
