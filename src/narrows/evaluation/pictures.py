"""The pictures that `evaluate` writes: which samples and codes each shows. `figures` draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from narrows.data.batches import centre_crop
from narrows.data.samples import Samples
from narrows.evaluation import figures, heard
from narrows.evaluation.metrics import Score
from narrows.io.arrays import Array, Ragged
from narrows.io.atomic import make_folder
from narrows.models.autoencoder import Autoencoder
from narrows.models.coded import Coded
from narrows.models.mixture import Mixture
from narrows.tasks.embed import features
from narrows.tasks.outliers import outliers

MAP_SAMPLES = 5000
EFFECT_ROWS = 12
EFFECT_STEPS = 7
PLANE = 9  # places per side of a code that is decoded to see what one of them does
WALK_STEPS = 11
LARGE = 160  # pixels per side; of larger samples code pictures show the middle


def draw(model: Coded, samples: Samples, score: Score, folder: Path) -> list[Path]:
    """Write every picture that applies into `folder`, made if missing, and of signals some sounds; returns their
    paths, raises `OutputError`."""
    pictures: dict[str, Callable[[], Figure | None]] = {
        "reconstructions.png": lambda: reconstructions(model, samples, score),
        "loss.png": lambda: loss(model),
    }
    if isinstance(model, Autoencoder):  # in other codes single numbers are not worth a look
        pictures |= {
            "code-map.png": lambda: code_map(model, samples),
            "code-effects.png": lambda: code_effects(model, samples),
            "walk.png": lambda: walk(model, samples),
            "odd.png": lambda: odd(model, samples, score),
        }
    make_folder(folder)
    written = []
    if model.description.axes == 1:
        pictures = {
            "reconstructions.png": lambda: heard.reconstructions(model, samples, score),
            "loss.png": lambda: loss(model),
        }
        written = heard.write_sounds(model, samples, score, folder)
    for name, make in pictures.items():
        figure = make()
        if figure is not None:
            figures.save(figure, folder / name)
            written.append(folder / name)
    return written


class _Each(Sequence[Array]):
    """Reconstructions that are computed when they are looked at, so that only those that are drawn cost anything."""

    def __init__(self, model: Coded, values: Array | Ragged) -> None:
        self.model, self.values = model, values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.model.reconstruct(np.asarray(self.values[index])[None])[0]


def reconstructions(
    model: Coded, samples: Samples, score: Score, scores: npt.NDArray[np.float64] | None = None
) -> Figure:
    """Worst, median and best samples: original, reconstruction, difference. With `scores` `(N,)`, how odd each is,
    the oddest beside usual ones."""
    return figures.reconstructions(
        samples.values,
        _Each(model, samples.values),
        score.errors,
        names=samples.names,
        value_range=_range(model),
        scores=scores,
    )


def odd(model: Coded, samples: Samples, score: Score) -> Figure | None:
    """The samples that are least like those of training, beside usual ones; None where the model does not know."""
    if Mixture.from_attachments(model.attachments) is None or len(samples) < 2 * figures.PER_GROUP:
        return None
    return reconstructions(model, samples, score, outliers(model, samples).scores)


def loss(model: Coded) -> Figure | None:
    """Training loss and validation error over the steps, as stored with the model; for a model that compresses, the
    bits that it needs; None where nothing is known of it, or nothing above 0."""
    history = model.provenance.get("history", [])
    if not history:
        return None
    steps = [h["step"] for h in history]
    in_bits = any("bits" in h for h in history)
    losses = [h.get("loss", np.nan) for h in history]  # there is none at the start
    errors = [h["score" if in_bits else "validation_mse"] for h in history]
    if not any(value > 0 for value in losses + errors):  # nothing that a logarithmic axis could show
        return None
    return figures.loss_curve(
        steps,
        losses,
        steps,
        errors,
        pca_mse=None if in_bits else model.provenance.get("metrics", {}).get("pca_mse"),
        in_bits=in_bits,
        held_out=model.provenance.get("plan", {}).get("validation") != 0,
    )


def code_map(model: Coded, samples: Samples) -> Figure | None:
    """The code in two dimensions, coloured by label if there is one."""
    if len(samples) < 3:
        return None
    some = _spread(samples, MAP_SAMPLES)
    codes = features(model, some)
    which = ""
    if model.grid.step and codes.shape[1] == model.specification.code:
        which = f"The code has {codes.shape[1]} channels over the plane of an image; a point is the mean of each. "
    return figures.code_map(codes, some.labels, total=len(samples), which=which)


def code_effects(model: Coded, samples: Samples) -> Figure | None:
    """What the numbers of the code with the largest effect do to the output, with all others at their mean.

    A channel of a code with a plane has the same effect everywhere, so the middle of a small plane is shown.
    """
    codes = _codes(model, samples)
    if len(codes) < 2:
        return None
    spatial = codes.ndim == 4
    count = codes.shape[1]
    columns = codes.swapaxes(0, 1).reshape(count, -1)  # (K, samples and places)
    mean, deviation = columns.mean(axis=1), columns.std(axis=1)
    plane: tuple[int, ...] = (PLANE, PLANE) if spatial else ()
    place = tuple(n // 2 for n in plane)
    values = mean[:, None] + np.linspace(-1, 1, EFFECT_STEPS) * (3 if spatial else 2) * deviation[:, None]  # (K, S)
    # Not beyond what the code has been: a ReLU gives nothing below 0.
    values = np.clip(values, columns.min(axis=1, keepdims=True), columns.max(axis=1, keepdims=True))
    varied = []
    for number in range(count):
        trial = np.broadcast_to(mean.reshape(-1, *[1] * len(plane)), (EFFECT_STEPS, count, *plane)).copy()
        at: tuple[Any, ...] = (slice(None), number, *place)
        trial[at] = values[number]
        size = (PLANE * model.grid.step + model.grid.offset,) * 2 if spatial else _size(samples)
        varied.append(_decoded(model, trial, size))
    # The ends of each row, as far apart as this number moves the output.
    effect = [np.square(row[-1].astype(float) - row[0]).sum() for row in varied]
    chosen = np.argsort(effect)[::-1][:EFFECT_ROWS].tolist()
    rows = np.stack([varied[i] for i in chosen])
    which = "Those that change the output most come first. "
    if spatial:
        side = 3 * model.grid.step
        middle = (rows.shape[2] - side) // 2
        rows = rows[:, :, middle : middle + side, middle : middle + side]
        which += f"A channel is set at one place of the image only; shown are the {side}x{side} pixels around it, "
        which += "much enlarged. "
    return figures.code_effects(
        rows,
        values[chosen],
        numbers=chosen,
        total=count,
        called="channel" if spatial else "number",
        which=which,
        value_range=_range(model),
    )


def walk(model: Coded, samples: Samples) -> Figure | None:
    """Decoded points on the straight line between the codes of the first sample and one far from it."""
    codes = _codes(model, samples)
    if len(codes) < 2:
        return None
    some = _spread(samples, 200)
    distance = np.square(codes - codes[0]).reshape(len(codes), -1).sum(axis=1)
    others = np.arange(len(codes))
    if some.labels is not None and (some.labels != some.labels[0]).any():
        others = np.flatnonzero(some.labels != some.labels[0])  # of another class, where there are such
    far = int(others[np.argsort(distance[others])[len(others) * 3 // 4]])
    shares = np.linspace(0, 1, WALK_STEPS).reshape(-1, *[1] * (codes.ndim - 1))
    line = ((1 - shares) * codes[0] + shares * codes[far]).astype(np.float32)
    views, names = _views(some), some.names
    which = "" if names is None else f"From {names[0]} to {names[far]}. "
    if _cut(samples):
        which += f"Only the middle {LARGE}x{LARGE} pixels of each image are shown. "
    outputs = _decoded(model, line, _size(samples))
    return figures.walk(outputs, first=views[0], last=views[far], which=which, value_range=_range(model))


def _range(model: Coded) -> tuple[float, float]:
    return model.description.low, model.description.high


def _spread(samples: Samples, most: int) -> Samples:
    chosen = np.linspace(0, len(samples) - 1, min(most, len(samples))).astype(np.int64)
    return samples.take(chosen)


def _cut(samples: Samples) -> bool:
    """Whether pictures show only the middle of images, because they are large or differ in size."""
    description = samples.description
    return description.axes == 2 and (description.varied or max(description.shape[:2]) > LARGE)


def _size(samples: Samples) -> tuple[int, int] | None:
    """The `(H, W)` in which images are shown."""
    if samples.description.axes != 2:
        return None
    return (LARGE, LARGE) if _cut(samples) else (samples.description.shape[0], samples.description.shape[1])


def _views(samples: Samples) -> Array:
    """The samples in one size: whole or their middle."""
    if _cut(samples):
        return np.stack([centre_crop(np.asarray(image), LARGE) for image in samples.values])
    return np.asarray(samples.values)


def _codes(model: Coded, samples: Samples) -> npt.NDArray[np.float32]:
    codes = model.encode(_views(_spread(samples, 200)))
    assert isinstance(codes, np.ndarray)
    return codes


def _decoded(model: Coded, codes: Array, size: tuple[int, int] | None) -> Array:
    outputs = model.decode(codes, size)
    assert isinstance(outputs, np.ndarray)  # codes of one size
    return outputs
