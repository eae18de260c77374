"""How one sample is drawn, and the sheets to draw on. `figures`, `_charts` and `_curves_chart` compose pictures."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, Locator, NullLocator
from numpy.typing import NDArray

from narrows.errors import DataError

Samples = NDArray[Any] | Sequence[NDArray[Any]]
Range = tuple[float, float]

ACCENT = "#d95f02"
INK = "#3f6a9a"
TOO_HIGH, TOO_LOW = "#b2182b", "#2166ac"
MOST_BARS = 64
GAP = 0.07  # inches between two panels


@dataclass(frozen=True)
class Box:
    """A rectangle in inches: its left and its top edge (y grows downwards), its width and height."""

    x: float
    y: float
    width: float
    height: float


def open_sheet(width: float, height: float, title: str, note: str) -> tuple[Figure, Axes]:
    """A new figure and axes that cover all of it, in inches; (0, 0) is at the left below the header.

    One pair of axes for hundreds of panels draws ten times faster than one pair each, and text and panels that are
    both placed in inches cannot collide.
    """
    figure, width, header = _open(width, height, title, note)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(height, -header))
    axes.set_autoscale_on(False)
    return figure, axes


def open_plot(width: float, height: float, plot: Box, title: str, note: str) -> tuple[Figure, Axes]:
    """A new figure with axes at `plot`, measured like a sheet's boxes."""
    figure, width, header = _open(width, height, title, note)
    total = height + header
    bottom = 1 - (header + plot.y + plot.height) / total
    axes = figure.add_axes((plot.x / width, bottom, plot.width / width, plot.height / total))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _open(width: float, height: float, title: str, note: str) -> tuple[Figure, float, float]:
    width = max(width, 4.5)
    titles, notes = textwrap.wrap(title, int(width * 9.9)), textwrap.wrap(note, int(width * 15.5))
    header = 0.22 + 0.19 * len(titles) + 0.15 * len(notes)
    figure = Figure(figsize=(width, height + header))
    for lines, top, size, weight in (titles, 0.08, 11, "bold"), (notes, 0.14 + 0.19 * len(titles), 8.5, "normal"):
        y = 1 - top / (height + header)
        figure.text(0.1 / width, y, "\n".join(lines), size=size, weight=weight, va="top", parse_math=False)
    return figure, width, header


def plain_ticks(axis: Axis, locator: Locator, form: str) -> None:
    """Ticks in this format, such as 0.02, instead of matplotlib's powers of ten; no minor ones."""
    axis.set_major_locator(locator)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:{form}}"))


def write(axes: Axes, x: float, y: float, text: str, size: float = 8, **style: Any) -> None:
    """Text with the middle of its upper edge at (x, y) inches unless `style` says otherwise."""
    axes.text(x, y, text, size=size, parse_math=False, **({"ha": "center", "va": "top"} | style))


def shorten(name: str, width: float) -> str:
    """`name` without its middle if it would be wider than `width` inches at size 7."""
    room = max(int(width * 17), 6)
    return name if len(name) <= room else f"{name[: room // 3 - 1]}…{name[-(room - room // 3) :]}"


def broken(name: str, width: float) -> str:
    """`name` in up to four lines of `width` inches at size 7, so that the file can be found by it."""
    room = max(int(width * 17), 6)
    if len(name) > 4 * room:
        name = f"{name[: room - 1]}…{name[-3 * room :]}"
    return "\n".join(name[start : start + room] for start in range(0, len(name), room))


def number(value: float) -> str:
    """`value` to three digits, with trailing zeros, so that numbers below each other line up."""
    if value == 0:
        return "0"
    words = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:#.3g}".rstrip(".")
    return words.replace("-", "\N{MINUS SIGN}")


def check(samples: Samples) -> None:
    """Raise `DataError` unless there is a sample and each can be drawn."""
    if not len(samples):
        raise DataError("no sample to draw: give at least one")
    for sample in samples:
        if not 1 <= sample.ndim <= 3 or sample.size == 0 or (sample.ndim == 3 and sample.shape[2] > 4):
            raise DataError(
                f"cannot draw a sample of shape {sample.shape}: it has to be an image (H, W, C) with C from "
                "1 to 4, a signal (T, C) or a vector (D,)"
            )


def is_image(sample: NDArray[Any]) -> bool:
    return sample.ndim == 3


def limits_of(samples: Samples, value_range: Range | None) -> Range:
    """The values drawn as black and white for images; at the bottom and the top of a panel otherwise."""
    first = samples[0]
    if is_image(first):
        if value_range is not None:
            return value_range
        if first.dtype in (np.uint8, np.uint16):
            return 0.0, float(np.iinfo(first.dtype).max)
        return 0.0, 1.0 if max(np.nan_to_num(sample).max() for sample in samples) <= 2 else 255.0
    finite = np.concatenate([np.zeros(1), *(s[np.isfinite(s)].ravel() for s in samples)]).astype(float)
    low, high = float(finite.min()), float(finite.max())
    return low, high if high > low else low + 1


def comparable(reference: Samples, *groups: Samples) -> tuple[list[list[NDArray[Any]]], str]:
    """The groups of samples on one scale, and a sentence on how to read a panel that is not an image.

    The columns of a table may have units so different that one scale would only show the largest: then
    every column of floats is scaled to its own range in `reference`.
    """
    first = reference[0]
    if first.ndim == 3:
        return [list(group) for group in groups], ""
    if first.ndim == 2:
        return [list(group) for group in groups], "Each panel shows the sample's channels over time."
    words = f"Each panel shows the {len(first)} values of a sample from left to right"
    if len({len(sample) for sample in reference}) == 1 and np.issubdtype(first.dtype, np.floating):
        low, high = np.min(reference, axis=0), np.max(reference, axis=0)
        span = high - low
        if span.max() > 50 * np.median(span) > 0:
            span = np.where(span > 0, span, 1)
            scaled = [[(sample - low) / span for sample in group] for group in groups]
            return scaled, f"{words}, each scaled to its own range, lowest 0 and highest 1."
    return [list(group) for group in groups], f"{words}."


def panel_size(samples: Samples, width: float) -> tuple[float, float]:
    """Width and height in inches of panels for the samples, about `width` wide."""
    if not is_image(samples[0]):
        return width, width * 0.7
    shape = float(np.median([sample.shape[0] / sample.shape[1] for sample in samples]))
    shape = min(max(shape, 0.4), 2.5)
    # The same area for every shape, so that neither wide nor tall images come out tiny.
    return width / shape**0.5, width * shape**0.5


def as_colours(image: NDArray[Any], limits: Range) -> NDArray[np.float64]:
    """An image (H, W, 1 to 4) with values in `limits` as colours (H, W, 3) in 0..1.

    An even number of channels ends in opacity (straight alpha); it is laid over a light checkerboard.
    """
    low, high = limits
    values = np.clip(np.nan_to_num((image.astype(float) - low) / ((high - low) or 1)), 0, 1)  # (H, W, C)
    if image.shape[2] % 2:
        return np.broadcast_to(values, (*image.shape[:2], 3))
    opacity = values[..., -1:]  # (H, W, 1)
    square = max(1, round(max(image.shape[:2]) / 16))
    rows, columns = np.indices(image.shape[:2]) // square
    board = np.where((rows + columns) % 2 == 0, 1.0, 0.87)[..., None]  # (H, W, 1)
    return np.broadcast_to(opacity * values[..., :-1] + (1 - opacity) * board, (*image.shape[:2], 3))


def draw_sample(axes: Axes, box: Box, sample: NDArray[Any], limits: Range) -> None:
    """One sample in `box`: an image as it is, a short vector as bars, a long one or a signal as lines."""
    if is_image(sample):
        _place(axes, box, as_colours(sample, limits))
    else:
        _plot(axes, box, sample.astype(float), limits, (INK, INK))


LETTERS = 14  # of a name in an inch


def rows_of(
    rows: dict[str, list[NDArray[Any]]], title: str, note: str, limits: Range, below: Sequence[str] = ()
) -> Figure:
    """Samples in named rows, one above the other, with the name of each column `below`."""
    first = next(iter(rows.values()))
    wide, tall = panel_size(first, min(max(9 / len(first), 0.95), 2.5))
    across, down, left = wide + GAP, tall + GAP, 1.35
    end = len(rows) * down
    figure, axes = open_sheet(left + len(first) * across + 0.1, end + 0.1 + 0.2 * bool(below), title, note)
    for column, name in enumerate(below):
        most = max(6, int(wide * LETTERS))
        short = name if len(name) <= most else f"{name[: most - 1]}…"
        write(axes, left + column * across + wide / 2, end + 0.1, short, 7, ha="center", va="center")
    for row, (name, samples) in enumerate(rows.items()):
        y = row * down + 0.05
        write(axes, left - 0.1, y + tall / 2, name, 9, ha="right", va="center")
        for column, sample in enumerate(samples):
            draw_sample(axes, Box(left + column * across, y, wide, tall), sample, limits)
    return figure


def mean_of_channels(sample: NDArray[Any]) -> NDArray[np.float64]:
    """An image as (H, W), a signal as (T,); a vector stays (D,)."""
    return np.asarray(sample if sample.ndim == 1 else sample.mean(axis=-1), dtype=float)


def draw_difference(axes: Axes, box: Box, difference: NDArray[np.float64], bound: float) -> None:
    """A difference (H, W), (T,) or (D,) in `box`: red above 0 and blue below, fullest at `bound`."""
    if difference.ndim == 2:
        _place(axes, box, difference, cmap="RdBu_r", vmin=-bound, vmax=bound)
    else:
        _plot(axes, box, difference, (-bound, bound), (TOO_HIGH, TOO_LOW))


def frame(axes: Axes, box: Box, colour: str = "0.75", line: float = 0.6) -> None:
    axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, fill=False, ec=colour, lw=line))


def _place(axes: Axes, box: Box, pixels: NDArray[np.float64], **colouring: Any) -> None:
    rows, columns = pixels.shape[:2]
    inch = min(box.width / columns, box.height / rows)
    width, height = inch * columns, inch * rows
    inner = Box(box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height)
    axes.imshow(pixels, extent=(inner.x, inner.x + width, inner.y + height, inner.y), aspect="auto", **colouring)
    frame(axes, inner)


def _plot(axes: Axes, box: Box, values: NDArray[np.float64], limits: Range, colours: tuple[str, str]) -> None:
    low, high = limits
    heights = box.y + box.height * (high - np.clip(np.append(values, 0.0), low, high)) / (high - low)
    zero, heights = heights[-1], heights[:-1].reshape(values.shape)
    across = np.linspace(box.x, box.x + box.width, len(values))
    if values.ndim == 1 and len(values) <= MOST_BARS:
        step = box.width / len(values)
        middles = box.x + step * (np.arange(len(values)) + 0.5)
        colour = [colours[0] if value >= 0 else colours[1] for value in values]
        axes.vlines(middles, zero, heights, colour, lw=step * 0.75 * 72).set_capstyle("butt")
    elif colours[0] != colours[1]:
        axes.fill_between(across, zero, np.minimum(heights, zero), color=colours[0], lw=0.3)
        axes.fill_between(across, zero, np.maximum(heights, zero), color=colours[1], lw=0.3)
    else:
        for channel, line in enumerate(heights.reshape(len(values), -1).T):
            axes.plot(across, line, lw=0.7, color=(INK, ACCENT, "0.4")[channel % 3])
    axes.plot([box.x, box.x + box.width], [zero, zero], color="0.5", lw=0.5)
    frame(axes, box)


def write_limits(axes: Axes, box: Box, limits: Range) -> None:
    """The scale of a panel that is not an image: its limits at its left edge."""
    for value, y, side in ((limits[1], box.y, "top"), (limits[0], box.y + box.height, "bottom")):
        write(axes, box.x - 0.04, y, number(value), 6.5, ha="right", va=side, color="0.35")


def separate(centres: NDArray[np.float64], sizes: NDArray[np.float64], area: Box) -> NDArray[np.float64]:
    """Centres (n, 2) of labels of the given sizes (n, 2), moved apart until none overlap, inside `area`."""
    centres = centres.astype(float)
    low = np.array([area.x, area.y]) + sizes / 2
    high = np.array([area.x + area.width, area.y + area.height]) - sizes / 2
    for _ in range(300):
        moved = False
        for j, i in combinations(range(len(centres)), 2):
            away = centres[i] - centres[j]
            overlap = (sizes[i] + sizes[j]) / 2 - np.abs(away)
            if (overlap > 1e-6).all():
                axis = int(overlap.argmin())
                push = (overlap[axis] / 2 + 1e-3) * (1 if away[axis] >= 0 else -1)
                centres[i, axis] += push
                centres[j, axis] -= push
                moved = True
        centres = np.minimum(np.maximum(centres, low), np.maximum(high, low))
        if not moved:
            break
    return centres
