"""Pictures that show how good an autoencoder is and what its code holds, each a matplotlib Figure.

Images are uint8, uint16 or float arrays (N, H, W, C) of grey (C = 1), grey and alpha (2), RGB (3) or RGBA (4), or a
list of (H, W, C) arrays of different sizes; vectors are (N, D), signals (N, T, C). Samples and the numbers of a code
are counted from 0. `value_range` is what is shown as black and white: by default the full range of an integer type;
for floats 0 to 1, or 0 to 255 if a value is beyond 2. Vectors and signals are drawn on a scale that holds all values
of the picture. Samples that cannot be drawn raise `DataError`. pyplot and its global state are never touched.

Next door: `pictures` chooses what is shown, `_panels` and `_charts` draw.
"""

import io
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from narrows.errors import DataError
from narrows.evaluation import _panels as panels
from narrows.evaluation._charts import code_map, loss_curve
from narrows.evaluation._panels import ACCENT, GAP, Box, Range, Samples, write
from narrows.io.atomic import write_file

__all__ = ["code_effects", "code_map", "loss_curve", "reconstructions", "save", "walk"]

PER_GROUP = 4
MOST_ROWS = 32


def reconstructions(
    originals: Samples,
    reconstructions: Samples,
    errors: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    value_range: Range | None = None,
    scores: ArrayLike | None = None,
) -> Figure:
    """Originals over reconstructions over differences for the worst, the median and the best samples.

    They are picked by `errors` (N,), the MSEs: four of each, fewer if N < 12. The difference is reconstruction minus
    original, the mean over the channels (alpha counts as one), on a scale around 0 for each group, so that the small
    differences of the best are seen too. `names` (N) replace "sample 17" below the columns. With `scores` (N,), how
    odd samples are, it shows the oddest beside usual ones.
    """
    error = np.asarray(errors, dtype=float)
    count = len(error)
    if not len(originals) == len(reconstructions) == count == len(error if names is None else names):
        raise DataError(
            f"{len(originals)} originals, {len(reconstructions)} reconstructions, {count} errors: "
            "give one of each (and one name, if any) for every sample"
        )
    panels.check(originals)
    told, unit = (error, "MSE") if scores is None else (np.asarray(scores, dtype=float), "score")
    groups = _worst_median_best(error) if scores is None else _odd_and_usual(told)
    chosen = [i for members in groups.values() for i in members]
    pairs = [[some[i] for i in chosen] for some in (originals, reconstructions)]
    (before, after), how = panels.comparable(originals, *pairs)
    changes = [_difference(a, b) for a, b in zip(before, after, strict=True)]
    images = panels.is_image(before[0])
    limits = panels.limits_of([*before, *after], value_range)
    how += " Differences have a scale of their own in each group, written above them"
    how += f" in the samples' own values, {limits[0]:g} to {limits[1]:g}." if images else "."
    if before[0].ndim > 1 and before[0].shape[-1] > 1:
        how += " The difference is the mean over the channels."

    wide, tall = panels.panel_size(before, min(max(11 / len(chosen), 0.95), 1.5))
    left, top, between = 1.2 if images else 1.55, 0.32, 0.2
    rows = [top, top + tall + GAP, top + 2 * tall + 2 * GAP + 0.16]
    captions = rows[2] + tall + 0.06
    called = [panels.broken(f"sample {i}" if names is None else names[i], wide) for i in chosen]
    lines = max(name.count("\n") + 1 for name in called)
    right = left + len(chosen) * (wide + GAP) + (len(groups) - 1) * between
    title, note = "What comes back of a single sample", "Below it its MSE (lower is better)."
    if count > 1:
        title = f"What comes back: {len(chosen)} of {count:,} samples, from worst to best reconstructed"
        alike = ", samples of all sizes counting alike," if len({sample.shape for sample in before}) > 1 else ""
        note = "Each column is one sample, with its MSE (lower is better) and its name below. "
        note += f"The mean MSE of all {count:,}{alike} is {panels.number(error.mean())}."
    if scores is not None:
        title = f"The odd ones out: {len(groups['the oddest'])} of {count:,} samples, beside usual ones"
        note = "The score says how rare a sample's code and error are (the higher, the odder)."
    height = captions + 0.2 + 0.14 * lines
    figure, axes = panels.open_sheet(right + 0.1, height, title, f"{note} {how.strip()}")

    x, column = left, 0
    for heading, members in groups.items():
        start = x
        bound = _bound(changes[column : column + len(members)], images)
        scale = f"{'colours' if images else 'scale'} to ±{panels.number(bound)}"
        write(axes, start, rows[2] - 0.04, scale, 7, ha="left", va="bottom")
        for i in members:
            panels.draw_sample(axes, Box(x, rows[0], wide, tall), before[column], limits)
            panels.draw_sample(axes, Box(x, rows[1], wide, tall), after[column], limits)
            panels.draw_difference(axes, Box(x, rows[2], wide, tall), changes[column], bound)
            write(axes, x + wide / 2, captions, panels.number(told[i]), 7.5, weight="bold")
            write(axes, x + wide / 2, captions + 0.16, called[column], 7)
            x, column = x + wide + GAP, column + 1
        axes.plot([start, x - GAP], [0.25, 0.25], color=ACCENT, lw=1.5)
        write(axes, (start + x - GAP) / 2, 0.05, heading, 9, color=ACCENT, weight="bold")
        x += between

    label = left - (0.1 if images else 0.47)
    for words, y in zip(("original", "reconstruction", "difference"), rows, strict=True):
        write(axes, label, y + tall / 2, words, 9, ha="right", va="bottom")
        if not images and y < rows[2]:
            panels.write_limits(axes, Box(left, y, wide, tall), limits)
    high, low = ("bright", "dark") if images and before[0].shape[2] % 2 else ("high", "low")
    write(axes, label, rows[2] + tall / 2 + 0.04, f"red: too {high}\nblue: too {low}", 7.5, ha="right")
    write(axes, label, captions, unit, 7.5, ha="right", weight="bold")
    return figure


def code_effects(
    varied: NDArray[Any],
    values: ArrayLike,
    *,
    numbers: Sequence[int] | None = None,
    total: int | None = None,
    called: str = "number",
    which: str = "",
    value_range: Range | None = None,
) -> Figure:
    """What each number of the code does: one row per number, decoded from low values to high ones.

    `varied` (K, S, H, W, C) or (K, S, D) is decoded from the mean code with one number at a time set to `values`
    (K, S), which rise; for an odd S the middle one is the mean. Row k is number `numbers[k]` of a code of `total`
    numbers (by default k and K), or of what they are `called`; `which` says how they were chosen. At most 32 rows are
    drawn.
    """
    value = np.asarray(values, dtype=float)
    if value.ndim != 2 or not value.size or value.shape != varied.shape[:2]:
        raise DataError(f"outputs of shape {varied.shape} do not fit values of shape {value.shape}: (K, S) of both")
    rows, columns = min(len(value), MOST_ROWS), value.shape[1]
    flat = [varied[row, column] for row in range(rows) for column in range(columns)]
    outputs, limits, how = _on_one_scale(flat, value_range)
    wide, tall = panels.panel_size(outputs, 0.62 if panels.is_image(outputs[0]) else 0.8)
    left, right, top = 0.85, 0.55, 0.22
    across = left + columns * (wide + GAP) + right
    down = tall + GAP
    blocks = min(
        range(1, max(int(16 / across), 1) + 1),
        key=lambda n: abs(np.log(n * across / (top + -(-rows // n) * down) / 1.6)),
    )
    height = -(-rows // blocks)
    middle = columns // 2 if columns % 2 else None
    of = len(value) if total is None else total
    title = f"What each {called} of the code does: {rows} of {of:,} {called}s"
    note = f"Each row sets one {called} of the code to the values beside it, low to high, keeps all others at "
    note += f"their mean and decodes. {'' if middle is None else 'Framed: the mean code. '}{which}{how}"
    figure, axes = panels.open_sheet(blocks * across, top + height * down, title, note)
    for row in range(rows):
        x, y = left + row // height * across, top + row % height * down
        if row % height == 0:
            for column, words in ((0, "low"), (columns - 1, "high"), (middle, "mean")):
                if column is not None:
                    colour = ACCENT if column == middle else "0.3"
                    write(axes, x + column * (wide + GAP) + wide / 2, y - 0.19, words, color=colour)
        number = row if numbers is None else numbers[row]
        start, end = panels.number(value[row, 0]), panels.number(value[row, -1])
        write(axes, x - 0.08, y + tall / 2, f"code[{number}]\n{start}", 7.5, ha="right", va="center")
        write(axes, x + columns * (wide + GAP), y + tall / 2, end, 7.5, ha="left", va="center")
        for column in range(columns):
            box = Box(x + column * (wide + GAP), y, wide, tall)
            panels.draw_sample(axes, box, outputs[row * columns + column], limits)
            if column == middle:
                panels.frame(axes, box, ACCENT, 1.5)
    return figure


def walk(
    outputs: Samples,
    first: NDArray[Any] | None = None,
    last: NDArray[Any] | None = None,
    *,
    which: str = "",
    value_range: Range | None = None,
) -> Figure:
    """Samples (S, ...) decoded from points on a straight line in the code, evenly from one sample to another.

    `first` and `last` are the two original samples, framed at the ends. `which` says what part of them is shown.
    """
    count = len(outputs)
    steps = [(f"{i / max(count - 1, 1):.2g}", sample) for i, sample in enumerate(outputs)]
    steps = [("original", first)] * (first is not None) + steps + [("original", last)] * (last is not None)
    shown, limits, how = _on_one_scale([sample for _, sample in steps], value_range)
    lines = -(-len(shown) // 13)
    columns = -(-len(shown) // lines)
    wide, tall = panels.panel_size(shown, min(max(11 / columns, 0.95), 1.5))
    title = "A walk through the code from one sample to another"
    note = "Each panel is decoded from a point on the straight line between two codes; below it the share of "
    note += f"the way. {'' if len(shown) == count else 'Framed: the original samples. '}{which}{how}"
    figure, axes = panels.open_sheet(0.2 + columns * (wide + GAP), lines * (tall + 0.27), title, note)
    for i, ((words, _), sample) in enumerate(zip(steps, shown, strict=True)):
        box = Box(0.1 + i % columns * (wide + GAP), i // columns * (tall + 0.27), wide, tall)
        panels.draw_sample(axes, box, sample, limits)
        colour = ACCENT if words == "original" else "0.2"
        if colour == ACCENT:
            panels.frame(axes, box, ACCENT, 1.5)
        write(axes, box.x + wide / 2, box.y + tall + 0.04, words, 8.5, color=colour)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a PNG of 150 dots per inch, whole or not at all; raises `OutputError` if it cannot be written."""
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # A file name in a script that the font lacks is drawn as boxes, and the user can do nothing about it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(picture, format="png", dpi=150)
    write_file(path, picture.getvalue())


def _worst_median_best(errors: NDArray[np.float64]) -> dict[str, list[int]]:
    order = [int(i) for i in np.argsort(np.nan_to_num(errors, nan=np.inf), kind="stable")[::-1]]
    if len(order) == 1:
        return {"the only sample": order}
    if len(order) == 2:
        return {"worst": order[:1], "best": order[1:]}
    each = min(PER_GROUP, len(order) // 3)
    middle = (len(order) - each) // 2
    return {"worst": order[:each], "median": order[middle : middle + each], "best": order[-each:]}


def _odd_and_usual(scores: NDArray[np.float64]) -> dict[str, list[int]]:
    order = np.argsort(-scores, kind="stable").tolist()
    odd = max(1, min(2 * PER_GROUP, len(order) - PER_GROUP))
    middle = max(odd, len(order) // 2)
    return {"the oddest": order[:odd], "usual": order[middle : middle + PER_GROUP]}


def _difference(original: NDArray[Any], reconstruction: NDArray[Any]) -> NDArray[np.float64]:
    if original.shape != reconstruction.shape:
        raise DataError(f"a sample of shape {original.shape} cannot come back as {reconstruction.shape}")
    return panels.mean_of_channels(reconstruction.astype(float) - original.astype(float))


def _bound(changes: Sequence[NDArray[np.float64]], images: bool) -> float:
    """The difference in the fullest colour: for images not the largest one, next to which all others would fade."""
    sizes = np.abs(np.concatenate([change[np.isfinite(change)] for change in changes]))
    if not sizes.any():
        return 1.0
    return float(images and np.percentile(sizes, 99)) or float(sizes.max())


def _on_one_scale(samples: Samples, value_range: Range | None) -> tuple[list[NDArray[Any]], Range, str]:
    """The samples as drawn, their limits, and how to read panels that are not images."""
    panels.check(samples)
    (shown,), how = panels.comparable(samples, samples)
    limits = panels.limits_of(shown, value_range)
    if how:
        how += f" All panels share one scale, {panels.number(limits[0])} to {panels.number(limits[1])}."
    return shown, limits, how
