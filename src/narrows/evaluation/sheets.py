"""Sheets of samples with words below them: data to look at, nearest neighbours, and samples that are nearly the same.

Next door: `figures` draws what a model makes of samples, `scatter` where their codes lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from narrows.checks import legible
from narrows.evaluation import _panels as panels
from narrows.evaluation._panels import ACCENT, GAP, INK, Box, Range, write
from narrows.io.arrays import Array
from narrows.tasks.duplicates import Duplicates
from narrows.tasks.embed import Codes
from narrows.tasks.find import Found, Searched, labelled
from narrows.tasks.show import Summary

ACROSS = 11  # panels in a row
MOST = 330  # panels on a sheet
SIDE = 400  # pixels of a panel at most; larger images are drawn smaller
PLOT = Box(0.75, 0.1, 7.0, 1.5)  # of a histogram above panels


@dataclass(frozen=True)
class Panel:
    """A sample, its name and what else is written below it; `framed` if the others belong to it."""

    sample: Array
    name: str
    words: str = ""
    framed: bool = False


def samples(summary: Summary, count: int = 24) -> Figure:
    """So many samples of a set, evenly picked, with names, sizes and labels."""
    given, description = summary.samples, summary.samples.description
    chosen = np.linspace(0, len(given) - 1, max(1, min(count, len(given), MOST))).round().astype(int)
    made = []
    for i in chosen.tolist():
        sample = np.asarray(given.values[i])
        words = f"{sample.shape[1]}x{sample.shape[0]}" if description.varied else ""
        if given.labels is not None:
            words += f"{', ' * bool(words)}label {legible(str(given.labels[i]))}"
        made.append(Panel(sample, f"sample {i}" if given.names is None else given.names[i], words))
    title = f"{len(made)} of {len(given):,} samples, evenly picked" if len(made) < len(given) else "All samples"
    shown = (description.low, description.high) if description.axes == 2 else None
    return _sheet([made], f"{title}: {legible(given.source)}", f"{description}.", limits=shown)


def new(values: Array, title: str, limits: Range | None = None) -> Figure:
    """Samples that a model made, in their order."""
    made = [Panel(sample, str(number)) for number, sample in enumerate(values[:MOST])]
    first = f" The first {MOST} are drawn." if len(values) > MOST else ""
    return _sheet([made], title, f"Below each is its number.{first}", limits=limits)


def neighbours(found: Found) -> Figure:
    """A row for each query: the query, framed, and the samples nearest to it with names and distances."""
    queries, searched = found.queries, found.searched
    count, k = found.neighbours.indices.shape
    drawn = min(count, max(1, MOST // (k + 1)))
    k = min(k, MOST)
    indices = found.neighbours.indices[:drawn, :k]
    pictures = dict(zip(np.unique(indices).tolist(), searched.values(np.unique(indices).tolist()), strict=True))
    rows = []
    for number, query in enumerate(queries.values(range(drawn))):
        row = [Panel(query, queries.codes.called(number), "query", framed=True)]
        for i, distance in zip(
            indices[number].tolist(), found.neighbours.distances[number, :k].tolist(), strict=True
        ):
            row.append(Panel(pictures[i], searched.codes.called(i), _words(searched.codes, i, distance)))
        rows.append(row)
    title = f"The {k} nearest of {len(searched.codes):,} samples"
    if drawn < count:
        title += f" to each of {drawn:,} of {count:,} queries"
    note = "Framed: the query. Below each neighbour are its distance, that of the codes, and its name."
    return _sheet(rows, title, note, own_rows=True)


def alike(found: Duplicates, searched: Searched) -> Figure:
    """How far samples are from their nearest neighbour, and groups of those that are nearly the same."""
    groups, panels_left = [], MOST
    for group in found.groups:
        some = list(islice(group.members, panels_left))
        if len(some) < min(2, len(group.members)):
            break
        panels_left -= len(some)
        each = zip(searched.values(some), some, group.distances, strict=False)
        groups.append([Panel(picture, found.codes.called(i), _words(found.codes, i, d)) for picture, i, d in each])
    count = len(found.groups)
    title = f"{count:,} group{'s' * (count != 1)} of nearly the same among {len(found.codes):,} samples"
    note = (
        "Above: how many samples have which distance to their nearest neighbour, both on logarithmic scales; groups "
    )
    note += f"are connected by distances below {panels.number(found.below)} ({found.how}). Below each sample is its "
    note += "distance to the nearest in its group."
    if len(groups) < count:
        note += f" The first {len(groups):,} groups are drawn."
    return _sheet(groups, title, note, above=found)


def _words(codes: Codes, index: int, distance: float) -> str:
    return ", ".join(filter(None, (panels.number(distance), labelled(codes, index))))


def _sheet(
    blocks: Sequence[Sequence[Panel]],
    title: str,
    note: str,
    *,
    own_rows: bool = False,
    limits: Range | None = None,
    above: Duplicates | None = None,
) -> Figure:
    """Blocks of panels from left to right and top to bottom; with `own_rows`, each begins a row."""
    every = [panel for block in blocks for panel in block]
    top = 0.0 if above is None else PLOT.y + PLOT.height + 0.65
    if not every:
        figure, axes = panels.open_sheet(PLOT.x + PLOT.width + 0.4, max(top, 0.5), title, note)
    else:
        drawn = [small(panel.sample) for panel in every]
        panels.check(drawn)
        (shown,), how = panels.comparable(drawn, drawn)
        scale = panels.limits_of(shown, limits)
        longest = max(map(len, blocks))
        across = min(ACROSS, longest if own_rows else len(every))
        if len(blocks) == 1:
            across = -(-longest // -(-longest // ACROSS))  # no row much shorter than the others
        wide, tall = panels.panel_size(shown, min(max(11 / across, 1.05), 1.6))
        called = [panels.broken(panels.shorten(legible(panel.name), 2 * wide - 0.1), wide) for panel in every]
        lines = max(name.count("\n") + 1 for name in called)
        down = tall + 0.12 + 0.13 * lines + 0.16 * any(panel.words for panel in every)
        places, rows, columns = _places([len(block) for block in blocks], across, own_rows)
        between = 0.0 if own_rows or len(blocks) == 1 else 0.16  # after each block in a row
        width = max(
            columns * (wide + GAP) + between * across + 0.2, 0.0 if above is None else PLOT.x + PLOT.width + 0.4
        )
        figure, axes = panels.open_sheet(width, top + rows * down + 0.1, title, f"{note} {how}".strip())
        for panel, sample, name, (row, column, block) in zip(every, shown, called, places, strict=True):
            box = Box(0.1 + column * (wide + GAP) + block * between, top + row * down, wide, tall)
            panels.draw_sample(axes, box, sample, scale)
            if panel.framed:
                panels.frame(axes, box, ACCENT, 1.8)
            y = box.y + tall + 0.04
            if panel.words:
                colour = ACCENT if panel.framed else "0.1"
                write(axes, box.x + wide / 2, y, panel.words, 7.5, weight="bold", color=colour)
                y += 0.16
            write(axes, box.x + wide / 2, y, name, 7, color="0.25")
    if above is not None:
        _bars(axes, above)
    return figure


def _places(counts: Sequence[int], across: int, own_rows: bool) -> tuple[list[tuple[int, int, int]], int, int]:
    """Row, column and number of blocks before it in its row for each panel; the number of rows and of columns. No
    block is broken unless it is longer than a row."""
    places, row, column, before, widest = [], 0, 0, 0, 1
    for count in counts:
        if column and (own_rows or column + count > across):
            row, column, before = row + 1, 0, 0
        for _ in range(count):
            if column == across:
                row, column, before = row + 1, 0, 0
            places.append((row, column, before))
            column += 1
            widest = max(widest, column)
        before += 1
    return places, row + 1, widest


def small(sample: Array) -> Array:
    """An image of at most about `SIDE` pixels a side, by the mean of squares; others as they are."""
    step = max(sample.shape[:2]) // SIDE if sample.ndim == 3 else 1
    step = min(step, *sample.shape[:2]) if sample.ndim == 3 else 1
    if step <= 1:
        return sample
    height, width = (n // step * step for n in sample.shape[:2])
    squares = sample[:height, :width].reshape(height // step, step, width // step, step, -1)
    return np.asarray(squares.mean(axis=(1, 3)).astype(sample.dtype))


def _bars(axes: Axes, found: Duplicates) -> None:
    """The histogram of distances, drawn in inches, with the one that connects groups."""
    counts, edges = found.histogram()
    foot, step = PLOT.y + PLOT.height, PLOT.width / len(counts)
    heights = np.log1p(counts) / np.log1p(counts.max()) * (PLOT.height - 0.2)
    for i, (count, height) in enumerate(zip(counts.tolist(), heights.tolist(), strict=True)):
        x = PLOT.x + i * step
        colour = ACCENT if edges[i + 1] <= found.below or edges[i + 1] == 0 else INK
        axes.add_patch(Rectangle((x + 0.02, foot - height), step - 0.04, height, fc=colour, lw=0))
        if count:
            write(axes, x + step / 2, foot - height - 0.03, f"{count:,}", 7, va="bottom")
    axes.plot([PLOT.x, PLOT.x + PLOT.width], [foot, foot], color="0.4", lw=0.8)
    for i, edge in enumerate(edges.tolist()):
        write(axes, PLOT.x + i * step, foot + 0.05, panels.number(edge), 7)
    write(axes, PLOT.x + PLOT.width / 2, foot + 0.22, "distance to the nearest neighbour", 8)
    write(axes, PLOT.x - 0.1, PLOT.y + PLOT.height / 2, "samples", 8, ha="right", va="center")
    at = np.searchsorted(edges, found.below)
    if 0 < at < len(edges):
        low, high = edges[at - 1], edges[at]
        share = (found.below - low) / (high - low) if low == 0 else np.log(found.below / low) / np.log(high / low)
        x = PLOT.x + (at - 1 + share) * step
        axes.plot([x, x], [PLOT.y, foot], color="0.2", lw=1, ls="--")
        write(axes, x, PLOT.y, f" below {panels.number(found.below)}", 7.5, ha="left", color="0.2")
