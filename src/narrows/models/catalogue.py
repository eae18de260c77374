"""The networks by name: how each is built, what it starts from, and how it likes to be trained.

This table is the only place that knows them all; a new network is a row here and a module beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from narrows.checks import brief, whole
from narrows.data.samples import Description
from narrows.degradations import Cells, Degradation, Grey, from_json, parts_of, to_json
from narrows.errors import SettingsError
from narrows.models.autoencoder import Autoencoder, Config, Purpose
from narrows.models.compressors import (
    FLAT,
    FLAT_RECIPE,
    LEVELS,
    LEVELS_RECIPE,
    MEMORY_MOST,
    PIXELS_RECIPE,
    TRANSFORM,
    TRANSFORM_RECIPE,
    compressor,
)
from narrows.models.recipe import Recipe
from narrows.networks import conv, dense, lesson, transform, unet
from narrows.networks import tabular as table
from narrows.networks.klt import PRIMAL_LIMIT, WORK_LIMIT, LinearOptimum
from narrows.networks.tabular import TABLE
from narrows.networks.unet import UNET

Start = Callable[[nn.Module, nn.Module, LinearOptimum, torch.Tensor], None]


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


UNET_RECIPE = Recipe(64, 1e-3, 100, muon=1e-2, crop=64, crops=8)
TABLE_RECIPE = Recipe(1024, 3e-3, 100, muon=3e-2)


def recipe_of(config: Config) -> Recipe:
    """How a network is trained for its purpose."""
    if config.purpose == "exact":
        return PIXELS_RECIPE
    if config.purpose == "compress":
        known = {LEVELS: LEVELS_RECIPE, FLAT: FLAT_RECIPE}
        return known.get(config.network) or TRANSFORM_RECIPE[bool(config.step)]
    restorers = {UNET: UNET_RECIPE, TABLE: TABLE_RECIPE}
    return restorers.get(config.network) or NETWORKS[config.network].recipe


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
    degradation: Degradation | None = None,
) -> Autoencoder:
    """An untrained network for samples of this description, with PyTorch's random weights of this seed.

    Without a name it is `dense` for vectors and images of up to 4096 values, else `conv`. `code` counts numbers,
    for networks that keep an image's plane channels; `width` scales the hidden layers of `dense` and `conv`.
    The `purpose` "compress" gives a network whose code is quantised: `levels` for images of up to 4096 values, else
    `transform`; "exact" gives the network `pixels`, the density of images of 8 bits, which has no code. A `memory`
    above 0 lets `transform` remember so many training samples, for images of one size that are often much alike; its
    blocks are `fold` pixels a side, 8 unless told 4, which suits drawings. With a `degradation` it is
    a network that undoes it: `unet` for images unless told otherwise, `table` for cells of tables.

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
    if purpose in ("compress", "exact"):
        if degradation is not None:
            raise SettingsError(f"a degradation was given with purpose {purpose}; models that restore need no other")
        return compressor(description, network, code, width, seed, purpose, memory, fold)
    if purpose != "reconstruct":
        raise SettingsError(
            f"purpose {purpose!r} was given; allowed are reconstruct, compress and exact; what restores needs a "
            "degradation in its place"
        )
    if degradation is not None and network in (None, UNET) and description.kind == "images":
        return _unet(description, code, width, seed, degradation)
    if isinstance(degradation, Cells):
        return _table(description, network, code, width, seed, degradation)
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
    task, parts = ("reconstruct", None) if degradation is None else (degradation.task, to_json(degradation))
    config = Config(network, code, width, step, row.offset, block, task, degradation=parts)  # type: ignore[arg-type]
    return _undoing(Autoencoder(encoder, decoder, config, description), degradation)


def _unet(
    description: Description, code: int | None, width: int | None, seed: int, degradation: Degradation
) -> Autoencoder:
    """A network that restores images."""
    colours = description.channels - description.alpha
    sides = description.shape[:2]
    width = whole("width", unet.WIDTH if width is None else width, 8, 512)
    fold, depth = degradation.fold, unet.levels(sides)
    if code not in (None, width << depth):
        raise SettingsError(
            f"a code of {code} was given; {UNET} has {width << depth} channels by its width; leave it out"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = colours + degradation.condition_channels + description.alpha
        halves = unet.unet(inputs, degradation.answers(colours), sides, width, fold)
    step, parts = fold << depth, to_json(degradation)
    config = Config(UNET, width << depth, width, step, 0, 0, degradation.task, degradation=parts)
    return _undoing(Autoencoder(*halves, config, description), degradation)


def _table(
    description: Description, network: str | None, code: int | None, width: int | None, seed: int, degradation: Cells
) -> Autoencoder:
    """A network that fills in cells of a table."""
    values = degradation.width
    width = whole("width", table.WIDTH if width is None else width, 8, 4096)
    if network not in (None, TABLE) or code not in (None, 3 * values):
        raise SettingsError("a network or a code was chosen, but tables have a network of their own; leave it out")
    if description.shape != (2 * values,):
        raise SettingsError(f"{description.form} were given for columns of {values} values; encode them as these")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        halves = table.table(values, width)
    config = Config(TABLE, 3 * values, width, 0, 0, 0, "inpaint", degradation=to_json(degradation))
    return _undoing(Autoencoder(*halves, config, description), degradation)


def _undoing(model: Autoencoder, degradation: Degradation | None) -> Autoencoder:
    """The model with its degradation as given, as a function has no other place; checked against the data."""
    model.degradation = degradation
    if degradation is None:
        return model
    description = model.description
    grey = any(isinstance(part, Grey) for part in parts_of(degradation))
    if grey and (description.kind != "images" or description.channels < 3):
        raise SettingsError(f"to add colour, colour has to be learned: RGB images are needed, not {description.form}")
    if degradation.scale > 1 and description.kind != "images":
        raise SettingsError(f"a scale of {degradation.scale} was given; it needs images, not {description.form}")
    return model


def rebuild(description: Description, config: Config) -> Autoencoder:
    """The network that a configuration was made of; raises as `build` does."""
    width = config.width or None
    fold = config.step if config.network == TRANSFORM and config.step else None
    if config.degradation is not None:
        degradation = from_json(config.degradation)
        return build(description, config.network, config.code, width, degradation=degradation)
    return build(description, config.network, config.code, width, 0, config.purpose, config.memory, fold)


def named(network: str) -> Network:
    """The row of the table; raises `SettingsError` for names that are not in it."""
    if not isinstance(network, str) or network not in NETWORKS:
        raise SettingsError(f"network {brief(network)} was given; there are {', '.join(NETWORKS)}")
    return NETWORKS[network]
