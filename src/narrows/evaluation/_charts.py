"""How training went and where the codes lie: the two pictures of `figures` that have real axes."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from narrows.errors import DataError
from narrows.evaluation import _panels as panels
from narrows.evaluation._panels import ACCENT, INK, Box

MOST_POINTS = 5000
MOST_CLASSES = 20
EXACT = 1e-12  # a PCA error below this is rounding: PCA kept everything, and ratios to it mean nothing


def loss_curve(
    steps: ArrayLike,
    losses: ArrayLike,
    validation_steps: ArrayLike,
    validation_mse: ArrayLike,
    *,
    pca_mse: float | None = None,
    held_out: bool = True,
    in_bits: bool = False,
) -> Figure:
    """Training loss and validation error against the training step, on a logarithmic axis.

    Errors are mean squared errors per value, with values scaled to 0..1. `losses` belong to `steps` and
    `validation_mse` to `validation_steps`; either pair may be empty. `pca_mse` is the error of PCA with as many
    numbers as the code. With `in_bits`, errors are bits per value: those of the code and those for the error that it
    leaves. `held_out` says whether the validation samples were kept out of training.
    """
    training, validation = _positive(steps, losses), _positive(validation_steps, validation_mse)
    curves = [curve for curve in (training, validation) if curve.size]
    pca = [pca_mse] if pca_mse is not None and EXACT < pca_mse < np.inf else []
    if not curves:
        raise DataError("no loss to draw: no step has a loss above 0")
    note = "Mean squared error per value (0 to 1 being the values' full range); lower is better."
    if in_bits:
        note = "Bits of the code per value, the error that it leaves counted in bits too; lower is better."
    error = "cost" if in_bits else "error"
    title = "How training went"
    if training.shape[1] > 200:
        note += " Pale: the loss of each step; bold: its running median."
    if validation.size:
        best, final = int(validation[1].argmin()), float(validation[1, -1])
        whose = "unseen" if held_out else "training"
        start = validation.shape[1] > 1 and validation[0, best] == 0
        title = f"How training went: {'not better than its start, whose' if start else 'the'} {error} on {whose} "
        title += f"samples {'is' if start else 'reaches'} {panels.number(validation[1, best])}"
        if pca:
            title += f", {_beside(validation[1, best] / pca[0])} PCA"
    plot = Box(0.75, 0.1, 5.6, 3.6)
    figure, axes = panels.open_plot(8.4, 4.2, plot, title, note)
    all_steps, all_errors = np.hstack(curves)
    low, high = min([all_errors.min(), *pca]) / 1.1, max([all_errors.max(), *pca]) * 1.1
    alone = 1 if len(np.unique(all_steps)) == 1 else 0
    axes.set_yscale("log")
    axes.set(ylim=(low, high), xlim=(all_steps.min() - alone, all_steps.max() + alone))
    decades = np.log10(high / low)
    levels = MaxNLocator(6) if decades < 0.8 else LogLocator(subs=(1, 2, 5) if decades < 3 else (1,))
    panels.plain_ticks(axes.yaxis, levels, ".4g")
    panels.plain_ticks(axes.xaxis, MaxNLocator(7, integer=True), ",.0f")
    axes.set_xlabel("training step (batches seen)", size=9)
    axes.set_ylabel(f"{'bits' if in_bits else 'mean squared error'} per value (log scale)", size=9)
    axes.grid(color="0.9", lw=0.6)

    ends: list[tuple[float, str, str]] = []
    if training.size:
        bold = _smooth(training)
        axes.plot(*training, color=INK, lw=0.6, alpha=0.35)
        axes.plot(*bold, color=INK, lw=1.6, marker="o", ms=4, markevery=[-1], clip_on=False)
        ends.append((bold[1, -1], f"training loss {panels.number(bold[1, -1])}", INK))
    if validation.size:
        axes.plot(*validation, color=ACCENT, lw=1.6, marker="o", ms=4, markevery=[best], clip_on=False)
        words = f"{'validation' if held_out else 'on training samples'} {panels.number(final)}"
        if best < validation.shape[1] - 1:
            words += f"\n(kept: {panels.number(validation[1, best])} of step {validation[0, best]:,.0f})"
        ends.append((final, words, ACCENT))
    for value in pca:
        axes.axhline(value, color="0.35", lw=1.2, ls="--")
        ends.append((value, f"PCA {panels.number(value)}\n(with as many numbers)", "0.35"))
    _label_ends(axes, plot.height, ends)
    return figure


def code_map(
    codes: ArrayLike, labels: ArrayLike | None = None, *, total: int | None = None, which: str = ""
) -> Figure:
    """The code of each sample as a point on a plane, coloured by its label if there is one.

    `codes` (N, K) or (N, K, h, w); with K > 2 the plane is that of the two directions in which the codes
    vary most (PCA). `labels` (N,) are classes, or numbers if there are more than 20 different ones. At most 5000
    samples are drawn, evenly picked; `total` says how many samples there are in all, `which` what the numbers of
    the code are.
    """
    every = np.asarray(codes, dtype=float)
    count = len(every)
    if not every.size or every.ndim < 2 or not np.isfinite(every).all():
        raise DataError(f"codes of shape {every.shape}: give finite numbers, (N, K) with N and K at least 1")
    label = None if labels is None else np.asarray(labels)
    if label is not None and label.shape != (count,):
        raise DataError(f"{count} codes but labels of shape {label.shape}: give one label per sample")
    picked = np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int)
    points, names, note = _plane(every.reshape(count, -1)[picked])
    label = None if label is None else label[picked]

    size = every[0].size
    total = count if total is None else total
    title = f"The code of {total:,} samples, one point each" if total > 1 else "The code of a single sample"
    if total > len(points):
        title = f"The code of {len(points):,} of {total:,} samples, one point each"
        note += "The samples are evenly picked. "
    note += which
    classes = np.unique(label) if label is not None else np.zeros(0)
    numeric = np.issubdtype(classes.dtype, np.number)
    if len(classes) > MOST_CLASSES and not numeric:
        note += f"Its {len(classes):,} different labels are too many to tell apart by colour."
    plot = Box(0.7, 0.1, 6.4, 5)
    figure, axes = panels.open_plot(8.7, 5.6, plot, title, note)
    low, high = points.min(axis=0), points.max(axis=0)
    inches = np.array([plot.width, plot.height])
    unit = (high - low) * 1.08 / inches
    # One scale for both axes, so that distances on paper are distances in the plane.
    unit = unit if size == 1 else np.full(2, unit.max())
    unit = np.where(unit > 0, unit, 1)
    corner = (low + high) / 2 - unit * inches / 2
    axes.set(xlim=(corner[0], corner[0] + unit[0] * inches[0]), ylim=(corner[1], corner[1] + unit[1] * inches[1]))
    axes.set_xlabel(names[0], size=9)
    axes.set_ylabel(names[1], size=9)
    if size == 1:
        axes.set_yticks([])
    dots: dict[str, Any] = {"s": float(np.clip(6000 / len(points), 5, 40)), "alpha": 0.7, "lw": 0}

    if label is not None and len(classes) <= MOST_CLASSES:
        _colour_classes(axes, plot, points, label, dots)
    elif label is not None and numeric:
        drawn = axes.scatter(points[:, 0], points[:, 1], c=label, cmap="viridis", **dots)
        figure.colorbar(drawn, cax=axes.inset_axes((1.03, 0, 0.03, 1)), label="label")
    else:
        axes.scatter(points[:, 0], points[:, 1], color=INK, **dots)
    return figure


def _beside(ratio: float) -> str:
    """An error over another in words that end in the other's name."""
    if abs(ratio - 1) < 0.005:
        return "level with"
    if ratio > 2:
        return f"{ratio:.3g} times that of"
    return f"{abs(1 - ratio):.0%} {'below' if ratio < 1 else 'above'}"


def _label_ends(axes: Axes, height: float, ends: list[tuple[float, str, str]]) -> None:
    """Value, words and colour of each curve's end, written next to it without overlaps."""
    low, high = np.log(axes.get_ylim())
    wanted = np.array([[0, (np.log(value) - low) / (high - low) * height] for value, _, _ in ends])
    sizes = np.array([[1, 0.2 + 0.17 * words.count("\n")] for _, words, _ in ends])
    placed = panels.separate(wanted, sizes, Box(-0.5, -0.1, 1, height + 0.2))[:, 1] / height
    for (_, words, colour), y in zip(ends, placed, strict=True):
        axes.text(1.015, y, words, transform=axes.transAxes, size=8.5, color=colour, va="center")


def _colour_classes(
    axes: Axes, plot: Box, points: NDArray[np.float64], label: NDArray[Any], dots: dict[str, Any]
) -> None:
    """Points (N, 2) in the colour of their class, with a key and a name at each centre."""
    classes, which = np.unique(label, return_inverse=True)
    palette = matplotlib.colormaps["tab10" if len(classes) <= 10 else "tab20"]
    axes.scatter(points[:, 0], points[:, 1], color=palette(which), **dots)
    handles = [Line2D([], [], marker="o", ls="", color=palette(i)) for i in range(len(classes))]
    names = [panels.shorten(str(name), 0.8) for name in classes]
    key = axes.legend(handles, names, title="label", loc="upper left", bbox_to_anchor=(1.01, 1.01), fontsize=8)
    for text in key.get_texts():
        text.set_parse_math(False)
    centres = np.array([np.median(points[which == i], axis=0) for i in range(len(classes))])
    place = axes.transData + axes.transAxes.inverted()
    inches = np.array([plot.width, plot.height])
    sizes = np.array([[0.12 + 0.075 * len(name), 0.2] for name in names])
    placed = panels.separate(place.transform(centres) * inches, sizes, Box(0, 0, plot.width, plot.height))
    for i, (x, y) in enumerate(placed / inches):
        box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": palette(i), "alpha": 0.85}
        style: dict[str, Any] = {"ha": "center", "va": "center", "bbox": box, "parse_math": False}
        axes.text(x, y, names[i], transform=axes.transAxes, size=8.5, **style)


def _positive(steps: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """Steps and values (2, n), without those that a logarithmic axis cannot show."""
    pair = np.array([np.asarray(steps, dtype=float).ravel(), np.asarray(values, dtype=float).ravel()])
    return pair[:, np.isfinite(pair).all(axis=0) & (pair[1] > 0)]


def _smooth(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """A curve (2, n) as the medians of about a hundred stretches, where it has more than 200 points."""
    if curve.shape[1] <= 200:
        return curve
    parts = np.array_split(curve, 100, axis=1)
    return np.array([[part[0].mean() for part in parts], [np.median(part[1]) for part in parts]])


def _plane(codes: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[str], str]:
    """Points (N, 2) for codes (N, K), the names of the two axes, and how to read them."""
    count, size = codes.shape
    variance = float(codes.var(axis=0).sum())
    note = "Points that lie near each other have similar codes. "
    names = ["code[0]", "code[1]"]
    if size == 1:
        # The golden ratio's multiples spread any number of points evenly.
        height = np.arange(count) * 0.6180339887 % 1
        note = "The code is a single number, drawn from left to right; the height only keeps points apart. "
        return np.column_stack([codes[:, 0], height]), ["code[0]", ""], note
    points = codes[:, :2]
    if size > 2 and count > 2 and variance > 0:
        # Imported here because it takes a second that the other pictures need not wait for.
        from sklearn.decomposition import PCA

        points = PCA(2, random_state=0).fit_transform(codes)
        names = ["first direction", "second direction"]
        note += f"Of the code's {size:,} numbers the plane shows the two directions that vary most (PCA). "
    if variance > 0:
        shares = points.var(axis=0) / variance
        names = [f"{name} ({share:.0%} of the variance)" for name, share in zip(names, shares, strict=True)]
    return points, names, note
