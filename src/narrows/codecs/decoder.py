"""The decoder of a lossy compact model: the float network that makes samples of exactly coded numbers.

It runs in float32, so samples made on another machine may differ by 1 in the last place; the numbers never do.
Next door: `levels` and `transform` code the numbers; `weights` has those of the network.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from narrows.archive.entries import Shape
from narrows.codecs import weights
from narrows.codecs.base import FACTORIZED, LEVELS, PYRAMID, TRANSFORM, WAVES
from narrows.codecs.compact_model import DAMAGED
from narrows.data.batches import from_tensor
from narrows.data.samples import Description
from narrows.entropy.cumulative import Integers
from narrows.entropy.passes import QUALITIES
from narrows.entropy.products import plain_products
from narrows.errors import ArchiveError, ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.base import Grid, Specification
from narrows.models.catalogue import rebuild
from narrows.models.lossy import Lossy
from narrows.networks.bands import Bands
from narrows.networks.levels import Levels
from narrows.networks.pyramid import PyramidPrior

MOST_VALUES = 1 << 40  # of a sample of one size
DAMAGE = (StopIteration, ValueError, TypeError, LookupError, RuntimeError, OverflowError, SettingsError)


def dials() -> torch.Tensor:
    """The dial of each quality, `(100,)`."""
    return torch.linspace(-1, 1, QUALITIES)


def dial(quality: int, count: int) -> torch.Tensor:
    """The dial of a quality for `count` samples, `(N,)`."""
    return dials()[quality - 1].expand(count)


@dataclass(frozen=True)
class SampleDecoder:
    """The decoder of a model; makes samples in their own dtype and range."""

    network: nn.Module
    code: int
    grid: Grid
    description: Description

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, size: Shape, quality: int) -> Array:
        """Samples `(N, *size)` from the network's inputs. Raises `ArchiveError` where its numbers overflow."""
        with plain_products(torch.device("cpu")):
            y = self.network(x, dial(quality, len(x)))
        y = y[..., : size[0], : size[1]] if y.ndim == 4 else y
        try:
            return from_tensor(y, replace(self.description, shape=size))
        except ModelError as error:
            raise ArchiveError(str(error)) from None


def way_of(model: Lossy) -> int:
    """The way of coding that a lossy model is for."""
    if isinstance(model.prior, Levels):
        return LEVELS
    if isinstance(model.prior, PyramidPrior):
        return PYRAMID
    if isinstance(model.prior, Bands):
        return WAVES
    return FACTORIZED if model.prior.flat else TRANSFORM


def to_arrays(model: Lossy) -> list[Integers]:
    """The number of the decoder's tensors, the model's specification as JSON, and the decoder's weights."""
    card = {"specification": model.specification.to_json(), "description": model.description.to_json()}
    text = json.dumps(card, separators=(",", ":"), sort_keys=True).encode()
    arrays = weights.to_arrays(model.decoder.cpu())
    return [np.array([len(arrays) - 1]), np.frombuffer(text, np.uint8), *arrays]


def from_arrays(way: int, arrays: Iterator[Integers]) -> tuple[Lossy, SampleDecoder]:
    """The inverse, taking its arrays from an iterator: a model of this way without weights, and its decoder with
    them. Raises `ModelError` if they are damaged."""
    try:
        (count,) = next(arrays).tolist()
        card = json.loads(next(arrays).astype(np.uint8).tobytes())
        specification = Specification(**card["specification"])
        description = Description.from_json(card["description"])
        sizes = (specification.code, specification.width, specification.memory, specification.fold)
        if any(type(size) is not int for size in sizes) or math.prod(description.shape) > MOST_VALUES:
            raise ValueError
        if specification.purpose != "compress":
            raise ValueError
        with torch.device("meta"):
            model = rebuild(description, specification)
        if not isinstance(model, Lossy) or way_of(model) != way or model.specification != specification:
            raise ValueError
        if len(model.decoder.state_dict()) != count:
            raise ValueError
        network = weights.from_arrays(model.decoder, arrays)
        return model, SampleDecoder(network, specification.code, model.grid, description)
    except ModelError:
        raise
    except DAMAGE:
        raise ModelError(DAMAGED) from None
