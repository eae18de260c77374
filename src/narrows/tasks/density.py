"""Learning how the codes of a model's samples lie, so that odd samples are told and new ones drawn.

Next door: `models.mixture` is what is learned; `outliers` and `generate` use it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from narrows.data.batches import Indices, runs, split, to_tensor
from narrows.data.samples import Samples
from narrows.errors import ModelError, SettingsError
from narrows.io.arrays import Ragged
from narrows.models import coded
from narrows.models.autoencoder import Autoencoder
from narrows.models.mixture import Components, Mixture
from narrows.surroundings import own

WHOLE_MOST = 128  # numbers of a code that are taken as they are; of larger planes, the mean of each channel
ALONG_MOST, BASIS_MOST = 64, 1 << 20  # components along which larger codes are drawn, and the numbers of their basis
ALONG_SHARE = 0.99  # of the variance, from which on there are enough of them
COUNTS = (1, 2, 4, 8, 16, 32, 64)  # of Gaussians that are tried
ENOUGH_EACH = 2  # samples for each number of a point and each Gaussian
TRAINED_MOST, HELD_MOST = 10_000, 4_000  # samples that are looked at
VALUES_MOST = 1 << 24  # of these samples, but for a few that are always looked at
FEW = 16
LEAST_SAMPLES = 4  # samples, from which anything can be learned
FLOOR = 1e-3  # added to variances of 1
LEAST_SPREAD = 1e-4  # of a number that is not taken for a constant, as half precision knows no less
LEAST_ERROR = 1e-12  # of a mean squared error, whose logarithm is taken
SAID = 1024  # held-out scores that are kept, evenly picked
ROUNDS = 60  # of expectation and maximisation, at most
Doubles = npt.NDArray[np.float64]


def pooled(model: Autoencoder) -> bool:
    """Whether of a model's codes the mean of each channel is taken (of signals also its deviation), and not every
    number."""
    shape = model.code_shape
    return len(shape) > 1 and (0 in shape or math.prod(shape) > WHOLE_MOST)


def _drawn_along(model: Autoencoder) -> int:
    """The components along which a model's codes are drawn, where they are more numbers than a mixture takes; 0 where
    they are few enough, of no one size, or too many."""
    numbers = math.prod(model.code_shape)
    return min(ALONG_MOST, BASIS_MOST // numbers) if pooled(model) and numbers else 0


@own
def points(model: Autoencoder, samples: Samples, whole: bool = False) -> Doubles:
    """The code of each sample, then the logarithm of its mean squared error in 0..1: `(N, K + 1)`. Of a code of more
    numbers than a mixture takes the mean of each channel, unless it is wanted as a `whole`. Raises `ModelError` where
    the samples do not fit the model or a half of it is missing."""
    model.part("encoder")
    model.part("decoder")
    checked, averaged, found = model.fitting(samples), pooled(model) and not whole, []
    for batch in runs(checked):
        x = to_tensor(batch, model.description)
        code = np.asarray(model.encode(batch))
        size = {4: batch.shape[1:3], 3: (1, *batch.shape[1:2])}.get(batch.ndim)
        again = to_tensor(np.asarray(model.decode(code, size)), model.description)
        error = (again - x).square().flatten(1).mean(dim=1).double().numpy()
        numbers = coded.pooled(code) if averaged else code.reshape(len(code), -1)
        found.append(np.column_stack([numbers.astype(np.float64), np.log(error + LEAST_ERROR)]))
    return np.concatenate(found)


def mixture_of(model: Autoencoder) -> Mixture:
    """What a model knows of the codes of its training samples. Raises `ModelError` where it knows nothing."""
    found = Mixture.from_attachments(model.attachments)
    if found is None:
        raise ModelError(
            "this model does not know how the codes of its training samples lie; train it again with 'narrows "
            "train', on four samples or more, or in Python call narrows.tasks.density.learn(model, samples)"
        )
    return found


def drawing_of(model: Autoencoder) -> Mixture | Components:
    """What draws new codes of a model. Raises `ModelError` where nothing does."""
    mixture = mixture_of(model)
    if not mixture.pooled[0]:
        return mixture
    components = Components.from_attachments(model.attachments)
    if components is not None:
        return components
    place = "along a signal" if model.description.axes == 1 else "over the plane of an image"
    raise ModelError(
        f"the code of this model has {model.specification.code} channels {place}, of no one size or too many numbers "
        "to draw; train one with --network dense on samples of one size, or with a smaller --code"
    )


def autoencoder_of(model: object) -> Autoencoder:
    """The model, if it reconstructs through a code; raises `ModelError` for any other."""
    if isinstance(model, Autoencoder):
        return model
    specification = getattr(model, "specification", None)
    what = f"a model to {specification.purpose}" if specification is not None else type(model).__name__
    raise ModelError(f"{what} was given; what is needed is one that reconstructs: train it without --for")


@own
def learn(model: Autoencoder, samples: Samples) -> Mixture:
    """Learn how the codes of a trained model's samples lie, and keep it with the model.

    Samples that its training held out are told from the others as in the training; they choose the number of
    Gaussians by their likelihood, and are what thresholds are taken from. Raises `SettingsError` for fewer than four
    samples.
    """
    along = _drawn_along(model)
    training, held = (points(model, samples.take(part), along > 0) for part in _parts(model, samples))
    if along := min(along, len(training) // 2):
        model.attachments |= fitted_along(along, training, held).to_attachments()
        training, held = (_averaged(each, model.code_shape) for each in (training, held))
    mixture = fitted(training, held, pooled(model))
    model.attachments |= mixture.to_attachments()
    return mixture


def held_out(model: Autoencoder) -> int:
    """How many samples the training of a model held out."""
    return int(model.provenance.get("plan", {}).get("validation", 0))


def _averaged(points: Doubles, shape: tuple[int, ...]) -> Doubles:
    """Points of whole codes of a shape as those of the means of their channels."""
    return np.column_stack([coded.pooled(points[:, :-1].reshape(-1, *shape)), points[:, -1]])


def _parts(model: Autoencoder, samples: Samples) -> tuple[Indices, Indices]:
    """Some of the samples that a training saw, and some that it held out, or some others where it held out none."""
    count = len(samples)
    if count < LEAST_SAMPLES:
        raise SettingsError(f"{count} samples were given to learn how codes lie; at least {LEAST_SAMPLES} are needed")
    seed = int(model.provenance.get("plan", {}).get("seed", 0))
    training, held = split(count, min(held_out(model), count), seed)
    if len(held) < 2 or len(training) < 2:
        training, held = split(count, max(2, count // 5), 0)
    each = samples.values.flat.size // count if isinstance(samples.values, Ragged) else samples.description.values
    most = max(FEW, VALUES_MOST // each)
    return _some(training, min(most, TRAINED_MOST)), _some(held, min(most, HELD_MOST))


def _some(indices: Indices, most: int) -> Indices:
    if len(indices) <= most:
        return indices
    return np.sort(np.random.default_rng(0).choice(indices, most, replace=False))


def fitted(training: Doubles, held: Doubles, averaged: bool = False) -> Mixture:
    """A mixture of the points of training samples, its number of Gaussians chosen by those held out, `(N, K + 1)`.

    The errors of training samples are smaller than those of others; so much is added to them.
    """
    training = training.copy()
    training[:, -1] += held[:, -1].mean() - training[:, -1].mean()
    shift, scale = training.mean(axis=0), training.std(axis=0)
    scale = np.where(scale > LEAST_SPREAD * (1 + np.abs(shift)), scale, 1.0)
    shift, scale = _half(shift), _half(scale)
    x, y = (((part - shift) / scale).astype(np.float32) for part in (training, held))
    best: GaussianMixture | None = None
    for count in COUNTS:
        if count > 1 and len(x) < ENOUGH_EACH * count * x.shape[1]:
            break
        found = GaussianMixture(count, reg_covar=FLOOR, max_iter=ROUNDS, tol=1e-2, random_state=0)
        with np.errstate(all="ignore"), _quiet():
            found.fit(x)
            found.likelihood = found.score(y)
        if best is not None and found.likelihood <= best.likelihood:
            break
        best = found
    assert best is not None
    learned = map(_half, (np.maximum(best.weights_, 1e-4), best.means_, best.precisions_cholesky_))
    weights, means, precisions = learned
    of_codes = np.array([averaged], np.float32)
    made = Mixture(shift, scale, weights, means, precisions, held=np.zeros(1), pooled=of_codes)
    scores = np.sort(made.scores(held))
    if len(scores) > SAID:
        scores = np.quantile(scores, np.linspace(0, 1, SAID))
    rounded = _half(scores).astype(np.float16)  # up, so that a sample like those held out is not above them
    with np.errstate(over="ignore"):
        above = np.where(rounded < scores, np.nextafter(rounded, np.float16(np.inf)), rounded)
    return replace(made, held=_half(above))


def fitted_along(most: int, training: Doubles, held: Doubles) -> Components:
    """A mixture along at most so many principal components of the codes of such points, `(N, K + 1)`."""
    found = PCA(most, random_state=0)
    with np.errstate(all="ignore"):
        found.fit(training[:, :-1])
    shares = np.cumsum(np.nan_to_num(found.explained_variance_ratio_))
    basis = _half(np.ascontiguousarray(found.components_[: 1 + np.searchsorted(shares, ALONG_SHARE)]))
    mean = _half(found.mean_)
    x, y = (np.column_stack([(each[:, :-1] - mean) @ basis.T, each[:, -1]]) for each in (training, held))
    return Components(mean, basis, fitted(x, y))


def _half(array: Doubles) -> npt.NDArray[np.float32]:
    """Numbers as a model's file holds them, so that a model that is read again finds the same."""
    return np.clip(array, -65504, 65504).astype(np.float16).astype(np.float32)


def _quiet() -> warnings.catch_warnings[None]:
    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)
