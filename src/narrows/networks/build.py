"""The networks by name: how each is built, what it starts from, and how it likes to be trained.

This table is the only place that knows them all; a new network is a row here and a module beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from narrows.data.checks import brief, whole
from narrows.data.samples import Description
from narrows.errors import SettingsError
from narrows.networks import conv, dense, lesson, transform
from narrows.networks.autoencoder import Autoencoder, Config, Purpose
from narrows.networks.levels import Levels, levels
from narrows.networks.pixels import Pixels
from narrows.networks.prior import Prior
from narrows.networks.start import PRIMAL_LIMIT, WORK_LIMIT, LinearOptimum

Effort = Literal["fast", "usual", "best"]
Start = Callable[[nn.Module, nn.Module, LinearOptimum, torch.Tensor], None]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained unless told otherwise; found by `benchmarks/`, see `results/`.

    Small sets get batches of a tenth of the set at most, and a least number of steps. `muon` is the rate of the
    orthogonalised steps that train hidden matrices, 0 to train all by Adam at `learning_rate`. `shift` moves
    small images by up to so many pixels; larger images are trained on by crops of `crop` pixels a side, `crops` of
    them a batch (0: as many as samples).
    """

    batch_size: int
    learning_rate: float
    epochs: float
    muon: float = 0.0
    shift: int = 0
    crop: int = 128
    crops: int = 0


@dataclass(frozen=True)
class Network:
    """One row of the table. `step`, from the sample's `(C, H, W)`, and `offset` say which sides of images it takes
    (see `Config`); `start` puts the linear optimum into it, found with up to `start_work` multiplications."""

    build: Callable[[tuple[int, ...], int, int], tuple[nn.Module, nn.Module]]
    recipe: Recipe
    code: int
    width: Callable[[int], int] = lambda values: 0
    step: Callable[[tuple[int, ...]], int] = lambda shape: 0
    offset: int = 0
    start: Start | None = None
    start_work: float = WORK_LIMIT

    @property
    def spatial(self) -> bool:
        """Whether it keeps an image's plane, and so takes images of any size."""
        return self.step((1, 64, 64)) > 0


NETWORKS: dict[str, Network] = {
    "lesson-linear": Network(
        lesson.linear, Recipe(256, 1e-2, 30), code=32, start=lesson.start_linear, start_work=WORK_LIMIT / 10
    ),
    "lesson-conv": Network(
        lesson.conv,
        Recipe(32, 2.5e-2, 10, muon=5e-2),
        code=4,
        step=lambda shape: 4,
        start=partial(lesson.start_conv, rising=False),
    ),
    "lesson-upsample": Network(
        lesson.upsample,
        Recipe(32, 2.5e-2, 10, muon=5e-2),
        code=4,
        step=lambda shape: 4,
        start=partial(lesson.start_conv, rising=True),
    ),
    "lesson-denoise": Network(
        lesson.denoise,
        Recipe(32, 2.5e-2, 10, muon=5e-2),
        code=8,
        step=lambda shape: 8,
        offset=4,
        start=partial(lesson.start_conv, rising=True),
    ),
    "dense": Network(
        dense.dense,
        Recipe(1500, 3e-3, 20, muon=4e-2, shift=1),
        code=32,
        width=lambda values: min(1000, max(256, 4 * values)),
        start=dense.start,
    ),
    "conv": Network(
        conv.conv,
        Recipe(64, 1e-3, 10, muon=1e-2),
        code=0,
        width=lambda values: 64,
        step=conv.step,
        start=conv.start,
    ),
}


PIXELS = "pixels"
PIXELS_RECIPE = Recipe(64, 2e-3, 2, muon=2e-2, crop=64, crops=12)
PIXELS_WIDTH = 32  # costs about 25,000 multiplications a value
LEVELS = "levels"
LEVELS_RECIPE = Recipe(64, 2e-3, 4, muon=1e-2, crop=64, crops=12)
LEVELS_WIDTH = 48
TRANSFORM, FLAT = "transform", "flat"
TRANSFORM_RECIPE = {True: Recipe(8, 2e-3, 40), False: Recipe(1500, 3e-3, 40, muon=1e-2)}  # for images?
TRANSFORM_WIDTH, PRIOR_WIDTH = 128, 64
FOLDS = (4, 8)  # pixels a side of a transform's blocks
FLAT_RECIPE = Recipe(1000, 2e-3, 60, muon=1e-2, shift=0)
FLAT_CODE, FLAT_WIDTH = 192, 64
TRANSFORM_CODE, MEMORY_MOST = 784, 4096  # numbers of a vector; samples


def recipe_of(config: Config) -> Recipe:
    """How a network is trained for its purpose."""
    if config.purpose == "exact":
        return PIXELS_RECIPE
    if config.purpose == "compress":
        known = {LEVELS: LEVELS_RECIPE, FLAT: FLAT_RECIPE}
        return known.get(config.network) or TRANSFORM_RECIPE[bool(config.step)]
    return NETWORKS[config.network].recipe


def start_of(config: Config) -> tuple[Start | None, float]:
    """How the linear optimum is put into a network, and the multiplications spent on finding it."""
    if config.network in NETWORKS:
        return NETWORKS[config.network].start, NETWORKS[config.network].start_work
    return (transform.start if config.network in (TRANSFORM, FLAT) else None), WORK_LIMIT


def build(
    description: Description,
    network: str | None = None,
    code: int | None = None,
    width: int | None = None,
    seed: int = 0,
    purpose: Purpose = "reconstruct",
    memory: int = 0,
    fold: int | None = None,
) -> Autoencoder:
    """An untrained network for samples of this description, with PyTorch's random weights of this seed.

    Without a name it is `dense` for vectors and images of up to 4096 values, else `conv`. `code` counts numbers,
    for networks that keep an image's plane channels; `width` scales the hidden layers of `dense` and `conv`.
    The `purpose` "compress" gives a network whose code is quantised: `levels` for images of up to 4096 values, else
    `transform`; "exact" gives the network `pixels`, the density of images of 8 bits, which has no code. A `memory`
    above 0 lets `transform` remember so many training samples, for images of one size that are often much alike; its
    blocks are `fold` pixels a side, 8 unless told 4, which suits drawings.

    Raises `SettingsError` for unknown names, a code larger than the sample, or a network that cannot take it.
    """
    if not isinstance(description, Description):
        raise SettingsError(
            f"{brief(description)} was given; what is needed is a description: narrows.from_arrays(data).description"
        )
    seed = whole("seed", seed, 0, 2**63 - 1)
    memory = whole("memory", memory, 0, MEMORY_MOST)
    if memory and purpose != "compress":
        raise SettingsError(f"a memory of {memory} samples was asked for; only models that compress have one")
    if fold is not None and (purpose != "compress" or network != TRANSFORM):
        raise SettingsError(f"blocks of {brief(fold)} pixels were asked for; only network {TRANSFORM} has such")
    if purpose == "exact":
        return _pixels(description, network, code, width, seed)
    if purpose == "compress":
        if network is None:
            network = LEVELS if description.kind == "images" and 0 < description.values <= PRIMAL_LIMIT else TRANSFORM
        if network in (TRANSFORM, FLAT):
            return _transform(description, network, code, width, seed, memory, fold)
        if memory:
            raise SettingsError(f"a memory was asked for, but network {network} has none; choose {TRANSFORM}")
        return _levels(description, network, code, width, seed)
    if purpose != "reconstruct":
        raise SettingsError(f"purpose {purpose!r} was given; allowed are reconstruct, compress and exact")
    if network is None:
        network = "dense" if 0 < description.values <= PRIMAL_LIMIT else "conv"
    row = named(network)
    shape = description.shape
    if description.kind == "images":
        shape = (shape[2], shape[0], shape[1])
    step = row.step(shape) if len(shape) == 3 else 0
    if row.spatial and len(shape) != 3:
        raise SettingsError(f"network {network} needs images; for vectors there are dense and lesson-linear")
    if not row.spatial and description.varied:
        raise SettingsError(f"network {network} needs samples of one size; for images of differing sizes use conv")
    most = shape[0] * step**2 if step else description.values
    if code is None:
        # A code as long as the sample would make nothing smaller.
        code = min(row.code, max(1, most // 2)) or max(1, most // 8)
    where = f"channels of code for the {most} values of each {step}x{step} block:" if step else "numbers of code:"
    code = whole(where, code, 1, most)
    if width is not None and not row.width(1):
        raise SettingsError(f"width {brief(width)} was given, but {network} has none; leave it out, or choose dense")
    width = row.width(description.values) if width is None else whole("width", width, 4, 65536)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
        torch.manual_seed(seed)
        encoder, decoder = row.build(shape, code, width)
    block = step if not row.offset else 0
    return Autoencoder(encoder, decoder, Config(network, code, width, step, row.offset, block), description)


def of_effort(description: Description, purpose: Purpose, effort: Effort) -> tuple[str | None, int | None]:
    """Network and width, None for the usual one, by how much work coding may be."""
    if effort == "usual" or purpose == "reconstruct":
        return None, None
    small = 0 < description.values <= PRIMAL_LIMIT
    if purpose == "exact":
        return None, PIXELS_WIDTH // 2 if effort == "fast" else 2 * PIXELS_WIDTH
    if effort == "fast":
        return (FLAT, None) if small else (None, TRANSFORM_WIDTH // 2)
    levels = small and description.kind == "images"
    return None, 2 * LEVELS_WIDTH if levels else TRANSFORM_WIDTH * 3 // 2


def by_transform(description: Description, purpose: Purpose, network: str | None) -> bool:
    """Whether images are coded by a transform of their blocks."""
    images = description.kind == "images" and purpose == "compress"
    return images and (network == TRANSFORM or (network is None and not 0 < description.values <= PRIMAL_LIMIT))


def rebuild(description: Description, config: Config) -> Autoencoder:
    """The network that a configuration was made of; raises as `build` does."""
    width = config.width or None
    fold = config.step if config.network == TRANSFORM and config.step else None
    return build(description, config.network, config.code, width, 0, config.purpose, config.memory, fold)


def named(network: str) -> Network:
    """The row of the table; raises `SettingsError` for names that are not in it."""
    if not isinstance(network, str) or network not in NETWORKS:
        raise SettingsError(f"network {brief(network)} was given; there are {', '.join(NETWORKS)}")
    return NETWORKS[network]


def _pixels(
    description: Description, network: str | None, code: int | None, width: int | None, seed: int
) -> Autoencoder:
    """A model for exact coding."""
    if network not in (None, PIXELS) or code:
        raise SettingsError(f"network {network!r}, code {code} were given for exact coding, which has {PIXELS} only")
    if description.kind != "images" or description.dtype != "uint8":
        raise SettingsError(f"exact coding learns images of 8 bits, not {description}; general ways store others")
    width = whole("width for exact coding", PIXELS_WIDTH if width is None else width, 16, 512)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pixels = Pixels(description.channels, width, blocks=2 if width <= PIXELS_WIDTH else 3)
    return Autoencoder(None, None, Config(PIXELS, 0, width, 1, 0, 0, "exact"), description, pixels=pixels)


def _levels(
    description: Description, network: str | None, code: int | None, width: int | None, seed: int
) -> Autoencoder:
    """A model for lossy coding."""
    channels = description.channels
    if network != LEVELS or code not in (None, channels):
        raise SettingsError(
            f"network {network!r}, code {code} were given; what compresses is {LEVELS}, {TRANSFORM} or {FLAT}"
        )
    if description.kind != "images":
        raise SettingsError(f"network {LEVELS} needs images, not {description}; choose {TRANSFORM}")
    width = whole("width for lossy coding", LEVELS_WIDTH if width is None else width, 16, 512)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, decoder = levels(channels, width)
        prior = Levels(channels, width)
    return Autoencoder(encoder, decoder, Config(LEVELS, channels, width, 1, 0, 0, "compress"), description, prior)


def _transform(
    description: Description,
    network: str,
    code: int | None,
    width: int | None,
    seed: int,
    memory: int,
    fold: int | None,
) -> Autoencoder:
    """A model for lossy coding of photos, drawings and vectors, or of small images as vectors."""
    images, flat = description.kind == "images", network == FLAT
    spatial = images and not flat
    if memory and (not spatial or description.varied or max(description.shape[:2]) > transform.PIECE):
        fitting = f"images of one size of at most {transform.PIECE} pixels a side"
        raise SettingsError(f"a memory was asked for, but these are {description.form}; it needs {fitting}")
    if flat and not 0 < description.values <= PRIMAL_LIMIT:
        raise SettingsError(
            f"network {FLAT} needs samples of one size and at most {PRIMAL_LIMIT} values, not {description}; "
            f"choose {TRANSFORM}"
        )
    shape = (description.channels, *description.shape[:2]) if images else description.shape
    if fold not in (None, *FOLDS) or (fold is not None and not spatial):
        raise SettingsError(f"blocks of {fold} pixels were asked for; {TRANSFORM} of images has those of {FOLDS}")
    step = (fold or transform.FOLD) if spatial else 0
    most = description.channels * step**2 if spatial else min(description.values, TRANSFORM_CODE)
    if code is not None and not 1 <= code <= most:
        raise SettingsError(f"a code of {code} numbers was given; here 1 to {most} are allowed")
    usual = TRANSFORM_WIDTH * (step or transform.FOLD) // transform.FOLD
    width = (FLAT_WIDTH if flat else usual) if width is None else width
    if not 16 <= width <= 512:
        raise SettingsError(f"a width of {width} was given; for lossy coding 16 to 512 are allowed")
    code = (min(FLAT_CODE, most) if flat else most) if code is None else code
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, decoder = transform.transform(shape, code, width, step)
        narrow = PRIOR_WIDTH * step // transform.FOLD if spatial else PRIOR_WIDTH
        prior = Prior(code, spatial, min(width, narrow), memory > 0, flat)
    config = Config(network, code, width, step, 0, step, "compress", memory)
    return Autoencoder(encoder, decoder, config, description, prior)
