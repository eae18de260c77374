"""New samples from a model: drawn from what it knows of codes, or symbol by symbol from one that codes exactly.

Next door: `density` learned how codes lie; `entropy.coder` has the coder that draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.archive.promise import Promise
from narrows.checks import real, whole
from narrows.codecs.base import LearnedWay, row_of
from narrows.codecs.colours import RGB, AnyColours
from narrows.codecs.compact_model import CompactModel
from narrows.data.samples import Samples, from_arrays
from narrows.entropy.coder import Sampler
from narrows.errors import ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.base import Model
from narrows.models.coded import Coded
from narrows.models.lossy import Compressing
from narrows.surroundings import own
from narrows.tasks.density import autoencoder_of, drawing_of, points
from narrows.tasks.nearest import ROUNDING, nearest

COUNT_MOST = 1_000_000
TOGETHER = 64  # samples that are drawn together, symbol by symbol
FAR_MOST = 10.0
COMPARED = 20_000  # samples beside which new ones are looked at
AMONG = 5000  # of these, whose distances to one another are looked at
Floats = npt.NDArray[np.float32]


@own
def sample(model: Model, count: int, seed: int = 0, *, near: Any = None, far: float = 1.0) -> Array:
    """New samples `(count, H, W, C)` or `(count, D)`, in dtype and range of those that the model learned from.

    A model that reconstructs draws codes from the mixture that it knows and decodes them; one that codes exactly
    draws the symbols of images in the order in which it codes them. With `near`, one sample, the former draws around
    its code: with `far` 0 itself, with 1 as different as samples of its kind are from their mean.

    Raises `ModelError` for models from which nothing can be drawn, `SettingsError` for numbers out of range.
    """
    count, seed = whole("count", count, 1, COUNT_MOST), whole("seed", seed, 0, 2**63 - 1)
    far = real("far", far, 0, FAR_MOST)
    if isinstance(model, Compressing):
        if near is not None:
            raise SettingsError("near was given for a model that draws symbols; it goes with one that has a code")
        return _drawn(model, count, seed)
    autoencoder, rng = autoencoder_of(model), np.random.default_rng(seed)
    density = drawing_of(autoencoder)
    if near is None:
        codes = density.draw(count, rng)
    else:
        given = points(autoencoder, _one(autoencoder, near, "near which others are to be"), whole=True)
        codes = density.near(given[0], far, count, rng)
    return np.asarray(autoencoder.decode(codes.reshape(count, *autoencoder.code_shape)))


def _drawn(model: Compressing, count: int, seed: int) -> Array:
    """Images drawn symbol by symbol by the exact way of a model."""
    shape = model.description.shape
    if "exact" not in model.packed:
        raise ModelError("this model codes at a quality only; to draw samples, train one without --for")
    if model.description.axes == 1:
        raise ModelError("this model only codes signals; to draw samples, train one without --for")
    if model.description.varied:
        raise ModelError("this model learned from images of differing sizes; train one on images of one size to draw")
    compact = CompactModel.from_bytes(model.packed["exact"])
    row = row_of(compact.way)
    assert row is not None
    way = row.open(Promise(0, None), compact)
    if isinstance(way, AnyColours) and shape[-1] == RGB:
        way = way.rgb
    if not isinstance(way, LearnedWay):
        raise ModelError("images with alpha cannot be drawn; train a model on images without it")
    found: list[Array] = []
    for start in range(0, count, TOGETHER):
        shapes = [shape] * min(TOGETHER, count - start)
        numbers = way.walk(Sampler(seed + start), None, shapes)
        found += way.samples(numbers, shapes)
    return np.stack(found).astype(model.description.dtype)


def _one(model: Model, given: Any, where: str) -> Samples:
    """One sample, given as it is or as a set of one. Raises `SettingsError` for several, `ModelError` for one that
    does not fit the model."""
    if isinstance(given, np.ndarray) and given.ndim == len(model.description.shape):
        given = given[None]
    checked = model.fitting(given)
    if len(checked) != 1:
        raise SettingsError(f"{len(checked)} samples were given {where}; give one")
    return checked


@own
def walk(model: Model, first: Any, last: Any, steps: int = 9) -> Array:
    """Samples on the straight line between the codes of two, both ends included: `(steps, H, W, C)` or
    `(steps, D)`. Raises `ModelError` for a model without a code, `SettingsError` for fewer than two steps."""
    steps = whole("steps", steps, 2, 10_000)
    autoencoder = autoencoder_of(model)
    values = [_one(autoencoder, given, "at one end of a walk").values[0] for given in (first, last)]
    ends = [np.asarray(autoencoder.encode(np.asarray(value)[None]))[0] for value in values]
    if ends[0].shape != ends[1].shape:
        raise SettingsError("the ends of a walk differ in size; give two images of one size")
    shares = np.linspace(0, 1, steps, dtype=np.float32).reshape(-1, *[1] * ends[0].ndim)
    size = values[0].shape[:2] if autoencoder.description.axes else None
    return np.asarray(autoencoder.decode((1 - shares) * ends[0] + shares * ends[1], size))


@own
def direction(model: Model, positive: Any, negative: Any) -> Floats:
    """The way in code space from samples without a property to those with it, `(K,)` or `(K, h, w)`: the mean code of
    `positive` less that of `negative`. Added to a code, it gives that of a sample with more of the property (Radford
    et al., ICLR 2016). Raises `ModelError` for a model without a code."""
    autoencoder = autoencoder_of(model)
    means = [np.asarray(autoencoder.encode(from_arrays(each))).mean(axis=0) for each in (positive, negative)]
    found: Floats = means[0] - means[1]
    return found


@dataclass(frozen=True)
class Distances:
    """How far new samples are from those that a model learned from: to the `nearest` of them, `(N,)`, in the space of
    codes, or of values where there is no code; and how far these usually are from their own nearest. `copies` counts
    new ones that are nearer than a hundredth of the others ever are."""

    nearest: npt.NDArray[np.float64]
    usual: float
    copies: int


@own
def distances(model: Model, new: Array, known: Samples) -> Distances:
    """How far new samples are from known ones, or from some of these where there are many. Raises `ModelError` where
    one does not fit the model."""
    some = known
    if len(known) > COMPARED:
        some = known.take(np.sort(np.random.default_rng(0).choice(len(known), COMPARED, replace=False)))
    rows = [_rows(model, each) for each in (from_arrays(new), model.fitting(some))]
    apart = nearest(rows[1], rows[0], 1, rounding=ROUNDING).distances[:, 0]
    among = nearest(rows[1], rows[1][:AMONG], min(2, len(some)), rounding=ROUNDING).distances[:, -1]
    return Distances(apart, float(np.median(among)), int((apart <= np.quantile(among, 0.01)).sum()))


def _rows(model: Model, samples: Samples) -> Floats:
    """Codes, or values, as rows `(N, K)`."""
    if isinstance(model, Coded):
        codes = np.asarray(model.encode(samples))
        return codes.reshape(len(codes), -1).astype(np.float32)
    return np.asarray(samples.values).reshape(len(samples), -1).astype(np.float32)
