"""How each kind of model is built for a request, checked against the samples.

Next door: `catalogue` has a row for each network, which names one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import nn

from narrows.checks import brief, whole
from narrows.data.samples import Description
from narrows.degradations import to_json
from narrows.degradations.base import Degradation
from narrows.degradations.cells import Cells
from narrows.entropy.passes import CODE_SECTION
from narrows.errors import SettingsError
from narrows.models.autoencoder import Autoencoder
from narrows.models.base import Grid, Purpose, Recipe, Specification
from narrows.models.coded import LinearStart, start_as_built
from narrows.models.density import Density
from narrows.models.embedder import Embedder
from narrows.models.imputer import Imputer
from narrows.models.lossy import Lossy
from narrows.models.restorer import Restorer, RestoringAutoencoder
from narrows.networks import advice, levels, pyramid, residuals, tabular, transform, unet
from narrows.networks import pixels as densities
from narrows.networks.klt import PRIMAL_LIMIT
from narrows.networks.prior import Prior

Effort = Literal["fast", "usual", "best"]
FLAT_CODE, FLAT_WIDTH = 192, 64
VECTOR_CODE = 784  # numbers that a transform of vectors keeps at most
PRIOR_WIDTH = 64
_halves = Callable[[tuple[int, ...], int, int], tuple[nn.Module, nn.Module]]


@dataclass(frozen=True)
class Request:
    """What `build` was asked for. `code`, `width` and `fold` are None where the network decides."""

    network: str
    description: Description
    purpose: Purpose
    code: int | None = None
    width: int | None = None
    seed: int = 0
    memory: int = 0
    fold: int | None = None
    degradation: Degradation | None = None
    effort: Effort = "usual"
    stretch: float = 1.0  # of the usual width, by the effort
    hearing: bool = False

    def specified(self, code: int, width: int, fold: int = 0) -> Specification:
        """The request with everything decided."""
        damage = None if self.degradation is None else to_json(self.degradation)
        return Specification(self.network, code, width, self.purpose, self.memory, fold, damage, hearing=self.hearing)

    @contextmanager
    def random_weights(self) -> Iterator[None]:
        """Weights are drawn from the request's seed; the caller's random numbers stay as they are."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            yield

    def chosen_width(self, name: str, usual: int, low: int, high: int) -> int:
        """The width of hidden layers, by request or by effort."""
        return self.chosen(name, self.width, int(usual * self.stretch), low, high)

    def chosen(self, name: str, value: int | None, usual: int, low: int, high: int) -> int:
        """A number that was asked for, checked, or the usual one."""
        return usual if value is None else whole(name, value, low, high)


@dataclass(frozen=True)
class Halves:
    """Maker of models with a code: `build(shape, code, width)` gives both halves for samples `(C, H, W)` or `(D,)`,
    and for signals `(C, T)`, or `(C, 1, T)` for networks without a plane.

    `code` is the usual size, 0 for an eighth of the sample; `width` gives the usual width by the number of values, 0
    for networks without that dial, and `embedding` the share of it that models which embed have; `step` and `offset`
    say which sides of images the network takes (see `Grid`).
    """

    build: _halves
    code: int
    start: LinearStart
    width: Callable[[int], int] = lambda values: 0
    embedding: float = 1.0
    step: Callable[[tuple[int, ...]], int] = lambda shape: 0
    offset: int = 0

    def __call__(self, request: Request, recipe: Recipe) -> Autoencoder | RestoringAutoencoder:
        description, network = request.description, request.network
        spatial = self.step((1, 64, 64)) > 0
        shape = _channels_first(description, spatial)
        if spatial and not description.axes:
            raise SettingsError(f"network {network} needs images or signals, not {description.form}; choose another")
        if not spatial and description.varied:
            raise SettingsError(
                f"network {network} needs samples of one size, not {description.form}; choose another, or none"
            )
        step, axes = self.step(shape) if spatial else 0, description.axes or 2
        most = shape[0] * step**axes if step else description.values
        # A code as long as the sample would make nothing smaller.
        usual = min(self.code, max(1, most // 2)) or max(1, most // 8)
        block = f"{step}x{step} block" if axes == 2 else f"{step} steps"
        where = f"channels of code for the {most} values of each {block}:" if step else "numbers of code:"
        code = request.chosen(where, request.code, usual, 1, most)
        if request.width is not None and not self.width(1):
            raise SettingsError(f"width {brief(request.width)} was given, but {network} has none; leave it out")
        share = self.embedding if request.purpose == "embed" else 1.0
        width = request.chosen_width("width", round(share * self.width(description.values)), 4, 65536)
        with request.random_weights():
            encoder, decoder = self.build(shape, code, width)
        grid = Grid(step, self.offset, 0 if self.offset else step, axes=axes)
        specification = request.specified(code, width)
        if request.degradation is None:
            kind = Embedder if request.purpose == "embed" else Autoencoder
            return kind(encoder, decoder, specification, description, grid, recipe, self.start)
        return RestoringAutoencoder(
            encoder, decoder, specification, description, grid, recipe, request.degradation, self.start
        )


def restorer(request: Request, recipe: Recipe) -> Restorer:
    """A network with connections between its levels, for images."""
    return _restorer(request, recipe, unet.levels(request.description.shape[:2]), unet.WIDTH, unet.BLOCKS)


def levelless(request: Request, recipe: Recipe) -> Restorer:
    """The same without levels."""
    return _restorer(request, recipe, 0, unet.FLAT_WIDTH, unet.FLAT_BLOCKS)


def _restorer(request: Request, recipe: Recipe, depth: int, usual: int, blocks: int) -> Restorer:
    description, degradation = request.description, request.degradation
    assert degradation is not None
    colours = description.channels - description.alpha
    width, fold = request.chosen_width("width", usual, 8, 512), degradation.fold
    code = width << depth
    if request.code not in (None, code):
        raise SettingsError(
            f"a code of {request.code} was given; {request.network} has {code} channels by its width; leave it out"
        )
    with request.random_weights():
        inputs = colours + degradation.condition_channels + description.alpha
        halves = unet.unet(inputs, degradation.answers(colours), width, fold, depth, blocks)
    grid = Grid(fold << depth)
    return Restorer(*halves, request.specified(code, width), description, grid, recipe, degradation, unet.start)


def imputer(request: Request, recipe: Recipe) -> Imputer:
    """A network that fills in cells of tables."""
    degradation, description = request.degradation, request.description
    if not isinstance(degradation, Cells):
        raise SettingsError(f"network {request.network} fills in cells of tables; it needs those of a table")
    values = degradation.width
    width = request.chosen_width("width", tabular.WIDTH, 8, 4096)
    if request.code not in (None, 3 * values):
        raise SettingsError("a code was chosen, but the network for tables has one of its own; leave it out")
    if description.shape != (2 * values,):
        raise SettingsError(f"{description.form} were given for columns of {values} values; encode them as these")
    with request.random_weights():
        halves = tabular.table(values, width)
    return Imputer(*halves, request.specified(3 * values, width), description, recipe, degradation, tabular.start)


def density(request: Request, recipe: Recipe) -> Density:
    """The density of images of 8 bits."""
    description = _exact(request)
    width = request.chosen_width("width for exact coding", densities.WIDTH, 16, 512)
    with request.random_weights():
        pixels = densities.Pixels(description.channels, width, blocks=2 if width <= densities.WIDTH else 3)
    return Density(pixels, request.specified(0, width), description, Grid(1), recipe)


def residual(request: Request, recipe: Recipe) -> Density:
    """The density of images of 8 bits, as residuals of predictions."""
    description = _exact(request)
    width = request.chosen_width("width for exact coding", residuals.WIDTH, 16, 512)
    with request.random_weights():
        network = residuals.Residuals(description.channels, width)
    return Density(network, request.specified(0, width), description, Grid(1), recipe)


def advising(request: Request, recipe: Recipe) -> Density:
    """The density of signals of whole numbers, as advice to adaptive filters."""
    description = request.description
    if request.code:
        raise SettingsError(f"a code of {request.code} was given, but exact coding has none; leave it out")
    dtype = np.dtype(description.dtype)
    if description.axes != 1 or dtype.kind not in "ui" or dtype.itemsize > 4:
        raise SettingsError(
            f"network {request.network} learns signals of whole numbers of at most 32 bits, not {description}; "
            "general ways store others"
        )
    width = request.chosen_width("width for exact coding", advice.WIDTH, 16, 512)
    with request.random_weights():
        network = advice.Advice(width, description.lows, description.spans)
    return Density(network, request.specified(0, width), description, Grid(1, axes=1), recipe)


def _exact(request: Request) -> Description:
    """The description of images that can be coded exactly."""
    description = request.description
    if request.code:
        raise SettingsError(f"a code of {request.code} was given, but exact coding has none; leave it out")
    if description.axes != 2 or description.dtype != "uint8":
        raise SettingsError(f"exact coding learns images of 8 bits, not {description}; general ways store others")
    return description


def levelled(request: Request, recipe: Recipe) -> Lossy:
    """Lossy coding of images as they stand, in a few levels."""
    description = request.description
    channels = description.channels
    if request.code not in (None, channels):
        raise SettingsError(f"a code of {request.code} was given; here it has {channels} channels; leave it out")
    width = request.chosen_width("width for lossy coding", levels.WIDTH, 16, 512)
    with request.random_weights():
        encoder, decoder = levels.levels(channels, width)
        prior = levels.Levels(channels, width)
    specification = request.specified(channels, width)
    return Lossy(encoder, decoder, prior, specification, description, Grid(1), recipe, start_as_built)


def transformed(request: Request, recipe: Recipe) -> Lossy:
    """Lossy coding of images by a transform of their blocks."""
    description, memory = request.description, request.memory
    if memory and (description.varied or max(description.shape[:2]) > CODE_SECTION):
        fitting = f"images of one size of at most {CODE_SECTION} pixels a side"
        raise SettingsError(f"a memory was asked for, but these are {description.form}; it needs {fitting}")
    if request.fold not in (None, *transform.FOLDS):
        raise SettingsError(f"blocks of {request.fold} pixels were asked for; there are those of {transform.FOLDS}")
    fold = request.fold or transform.FOLD
    usual = transform.WIDTH * fold // transform.FOLD
    return _transform(request, recipe, fold, description.channels * fold**2, usual)


def pyramidal(request: Request, recipe: Recipe) -> Lossy:
    """Lossy coding of photographs by a transform in two resolutions."""
    description, channels = request.description, request.description.channels
    code = channels * pyramid.STEP**2
    if request.code not in (None, code):
        raise SettingsError(
            f"a code of {request.code} was given; {request.network} has {code} channels here; leave it out"
        )
    width = request.chosen_width("width for lossy coding", pyramid.WIDTH, 16, 512) // 4 * 4
    with request.random_weights():
        encoder, decoder = pyramid.Analysis(channels, width), pyramid.Synthesis(channels, width)
        prior = pyramid.PyramidPrior(channels, width)
    start = LinearStart(partial(pyramid.start, prior))
    grid, specification = Grid(pyramid.STEP, 0, pyramid.FOLD, pyramid.STEP), request.specified(code, width)
    return Lossy(encoder, decoder, prior, specification, description, grid, recipe, start)


def of_vectors(request: Request, recipe: Recipe) -> Lossy:
    """Lossy coding of vectors by a rotation."""
    return _transform(request, recipe, 0, min(request.description.values, VECTOR_CODE), transform.WIDTH)


def flat(request: Request, recipe: Recipe) -> Lossy:
    """Lossy coding of small samples without a network between code and bytes."""
    description = request.description
    if not 0 < description.values <= PRIMAL_LIMIT:
        raise SettingsError(
            f"network {request.network} needs samples of one size and at most {PRIMAL_LIMIT} values, not "
            f"{description}; choose another"
        )
    return _transform(request, recipe, 0, min(description.values, VECTOR_CODE), FLAT_WIDTH, FLAT_CODE, flat=True)


def _transform(
    request: Request,
    recipe: Recipe,
    fold: int,
    most: int,
    usual_width: int,
    usual_code: int | None = None,
    flat: bool = False,
) -> Lossy:
    code = request.chosen("numbers of code:", request.code, min(usual_code or most, most), 1, most)
    width = request.chosen_width("width for lossy coding", usual_width, 16, 512)
    with request.random_weights():
        encoder, decoder = transform.transform(_channels_first(request.description), code, width, fold)
        narrow = PRIOR_WIDTH * fold // transform.FOLD if fold else PRIOR_WIDTH
        prior = Prior(code, fold > 0, min(width, narrow), request.memory > 0, flat)
    grid, specification = Grid(fold, 0, fold, max(1, fold)), request.specified(code, width, fold)
    start = LinearStart(transform.start)
    return Lossy(encoder, decoder, prior, specification, request.description, grid, recipe, start)


def _channels_first(description: Description, spatial: bool = False) -> tuple[int, ...]:
    """The shape of a sample as networks see it: `(C, H, W)`, `(C, T)` or `(D,)`; signals `(C, 1, T)` as tensors are,
    unless for `spatial` networks."""
    shape = description.shape
    if len(shape) == 2 and not spatial:
        return (shape[1], 1, shape[0])
    return (shape[-1], *shape[:-1]) if len(shape) > 1 else shape
