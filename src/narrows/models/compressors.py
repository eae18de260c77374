"""The models that compress: how those for lossy and for exact coding are built and trained.

Next door: `build` chooses among them, and has all other networks.
"""

from __future__ import annotations

from typing import Literal

import torch

from narrows.checks import whole
from narrows.data.samples import Description
from narrows.errors import SettingsError
from narrows.models.autoencoder import Autoencoder, Config, Purpose
from narrows.models.recipe import Recipe
from narrows.networks import transform as transforms
from narrows.networks.klt import PRIMAL_LIMIT
from narrows.networks.levels import Levels
from narrows.networks.levels import levels as level_halves
from narrows.networks.pixels import Pixels
from narrows.networks.prior import Prior

Effort = Literal["fast", "usual", "best"]
PIXELS = "pixels"
PIXELS_RECIPE = Recipe(64, 2e-3, 2, muon=2e-2, crop=64, crops=12)
PIXELS_WIDTH = 32  # costs about 25,000 multiplications a value
LEVELS = "levels"
LEVELS_RECIPE = Recipe(64, 2e-3, 4, muon=1e-2, crop=64, crops=12)
LEVELS_WIDTH = 48
TRANSFORM = "transform"
TRANSFORM_RECIPE = {True: Recipe(8, 2e-3, 40), False: Recipe(1500, 3e-3, 40, muon=1e-2)}  # for images?
TRANSFORM_WIDTH, PRIOR_WIDTH = 128, 64
FOLDS = (4, 8)  # pixels a side of a transform's blocks
FLAT = "flat"
FLAT_RECIPE = Recipe(1000, 2e-3, 60, muon=1e-2, shift=0)
FLAT_CODE, FLAT_WIDTH = 192, 64
TRANSFORM_CODE, MEMORY_MOST = 784, 4096  # numbers of a vector; samples


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


def compressor(
    description: Description,
    network: str | None,
    code: int | None,
    width: int | None,
    seed: int,
    purpose: Purpose,
    memory: int,
    fold: int | None,
) -> Autoencoder:
    """A model that compresses, see `build`."""
    if purpose == "exact":
        return _for_exact(description, network, code, width, seed)
    if network is None:
        network = LEVELS if description.kind == "images" and 0 < description.values <= PRIMAL_LIMIT else TRANSFORM
    if network in (TRANSFORM, FLAT):
        return _for_transform(description, network, code, width, seed, memory, fold)
    if memory:
        raise SettingsError(f"a memory was asked for, but network {network} has none; choose {TRANSFORM}")
    return _for_levels(description, network, code, width, seed)


def _for_exact(
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


def _for_levels(
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
        encoder, decoder = level_halves(channels, width)
        prior = Levels(channels, width)
    return Autoencoder(encoder, decoder, Config(LEVELS, channels, width, 1, 0, 0, "compress"), description, prior)


def _for_transform(
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
    if memory and (not spatial or description.varied or max(description.shape[:2]) > transforms.PIECE):
        fitting = f"images of one size of at most {transforms.PIECE} pixels a side"
        raise SettingsError(f"a memory was asked for, but these are {description.form}; it needs {fitting}")
    if flat and not 0 < description.values <= PRIMAL_LIMIT:
        raise SettingsError(
            f"network {FLAT} needs samples of one size and at most {PRIMAL_LIMIT} values, not {description}; "
            f"choose {TRANSFORM}"
        )
    shape = (description.channels, *description.shape[:2]) if images else description.shape
    if fold not in (None, *FOLDS) or (fold is not None and not spatial):
        raise SettingsError(f"blocks of {fold} pixels were asked for; {TRANSFORM} of images has those of {FOLDS}")
    step = (fold or transforms.FOLD) if spatial else 0
    most = description.channels * step**2 if spatial else min(description.values, TRANSFORM_CODE)
    if code is not None and not 1 <= code <= most:
        raise SettingsError(f"a code of {code} numbers was given; here 1 to {most} are allowed")
    usual = TRANSFORM_WIDTH * (step or transforms.FOLD) // transforms.FOLD
    width = (FLAT_WIDTH if flat else usual) if width is None else width
    if not 16 <= width <= 512:
        raise SettingsError(f"a width of {width} was given; for lossy coding 16 to 512 are allowed")
    code = (min(FLAT_CODE, most) if flat else most) if code is None else code
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, decoder = transforms.transform(shape, code, width, step)
        narrow = PRIOR_WIDTH * step // transforms.FOLD if spatial else PRIOR_WIDTH
        prior = Prior(code, spatial, min(width, narrow), memory > 0, flat)
    config = Config(network, code, width, step, 0, step, "compress", memory)
    return Autoencoder(encoder, decoder, config, description, prior)
