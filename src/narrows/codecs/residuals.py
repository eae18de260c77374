"""Exact pixels of photographs: images of 8 bits as residuals of what integer networks predict.

Next door: `grid` has the walk, `entropy.logistics` the tables, `calibrate` makes the model; `pixels` codes values
that no prediction comes near.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs import corrections, grid
from narrows.codecs.base import CORRECTED, Way
from narrows.codecs.colours import AnyColours
from narrows.codecs.compact_model import KEPT_MODELS, UNKNOWN, CompactModel
from narrows.codecs.corrections import Expected, Known, beyond, corrected
from narrows.codecs.difference import arrays_of
from narrows.codecs.packed_arrays import take
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import CumulativeTables, Integers, from_weights
from narrows.entropy.integer_networks import IntegerNetwork, from_arrays, to_arrays
from narrows.entropy.logistics import MEAN_BITS, TOLD_BITS, Logistics, residual
from narrows.entropy.passes import HALVINGS, Mask, grid_passes
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array

# Part of the format.
VALUES = 256
UNIT_BITS = 5  # a surprise of 32 values is 1.0 for the networks
REACH_BITS = 3  # units, as a power of 2, to which surprises are clipped


@dataclass(frozen=True)
class IntegerColour:
    """`networks.residuals.Colour` in integers: the linear prediction, and what is told beside it."""

    filter: IntegerNetwork
    told: IntegerNetwork


@dataclass(frozen=True)
class IntegerNeighbourhood:
    """`networks.residuals.Neighbourhood` in integers: its first layer, which sees 3x3 quads, then the others."""

    entry: IntegerNetwork
    layers: IntegerNetwork

    def features(self, known: torch.Tensor) -> torch.Tensor:
        """Of planes `(N, h, w, K)`."""
        return self.layers(beyond_edges(self.entry, known))


@dataclass(frozen=True)
class IntegerResiduals:
    """`networks.residuals.Residuals` in integers. `base` `(C, 256)` has the weights of each channel's table for the
    pixels outside all passes; the networks are in the order of coding, `neighbourhoods` one for each of a halving's
    groups of passes, `colours` one for each pass."""

    base: Integers
    neighbourhoods: tuple[IntegerNeighbourhood, ...]
    colours: tuple[IntegerColour, ...]
    logistics: Logistics

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return len(self.base)

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        networks = [network for n in self.neighbourhoods for network in (n.entry, n.layers)]
        networks += [network for c in self.colours for network in (c.filter, c.told)]
        return [self.base, *self.logistics.to_arrays(), *(array for n in networks for array in to_arrays(n))]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers]) -> IntegerResiduals:
        """The inverse, taking its arrays from an iterator; raises `ModelError` for other arrays."""
        base, *tables = take(arrays, 4)
        if base.ndim != 2 or not 1 <= len(base) <= 4 or base.shape[1] != VALUES:
            raise ModelError(UNKNOWN)
        if (base < 0).any() or not 0 < base.sum(axis=1).min() <= base.sum(axis=1).max() < 1 << 38:
            raise ModelError("a compact model whose tables are invalid; make the model again")
        passes = grid_passes(len(base))
        groups = HALVINGS * len(passes) // len(base)
        neighbourhoods = tuple(IntegerNeighbourhood(*_two(arrays)) for _ in range(groups))
        colours = tuple(IntegerColour(*_two(arrays)) for _ in range(HALVINGS * len(passes)))
        made = cls(base, neighbourhoods, colours, Logistics.from_arrays(*tables))
        for number, colour in enumerate(colours):
            p = passes[number % len(passes)]
            group = passes[number % len(passes) // len(base) * len(base)]
            near, before = neighbourhoods[number // len(base)], len(p.known) - len(group.known)
            width, bits = near.layers.ends[1], near.layers.ends[3]
            fits = near.entry.ends[::2] == (len(group.known), 0) and near.entry.ends[1::2] == near.layers.ends[::2]
            fits &= colour.filter.ends == (len(p.known), len(p.targets), 0, MEAN_BITS)
            if not fits or colour.told.ends != (width + 9 * before, 3 * len(p.targets), bits, TOLD_BITS):
                raise ModelError("a compact model whose networks do not fit together; make the model again")
        return made

    @property
    def tables(self) -> CumulativeTables:
        """The tables of the pixels outside all passes, one per channel."""
        return CumulativeTables(tuple(from_weights(np.append(row, 0)) for row in self.base), (0,) * self.channels)

    def walk(
        self, coder: Coder, images: Array | None, shape: Shape, error: int = 0, corrects: bool = False
    ) -> Integers:
        """Code images `(N, H, W, C)` (None unless encoding); returns them, each value within the `error`. Where it
        `corrects`, each pass begins with what is corrected of it."""
        walker = _Walker(self, coder, 2 * error + 1, corrects)

        def code(number: int, known: Integers, values: Integers | None, inside: Mask) -> Integers:
            if number:
                return walker.code(number - 1, known, values, inside)
            which = np.broadcast_to(np.arange(self.channels), (shape[0], *inside.shape)).reshape(-1)
            given = None if values is None else values.reshape(-1).astype(np.int64)
            return _in_range(coder.by_table(given, which, self.tables)).reshape(shape[0], -1)

        return grid.walk(images, shape, code, filled=True)


@dataclass
class _Walker:
    """One walk: the passes of one group share what is known of their neighbourhood."""

    model: IntegerResiduals
    coder: Coder
    step: int
    corrects: bool
    features: torch.Tensor = field(init=False)
    surprises: list[torch.Tensor] = field(init=False)

    def code(self, number: int, known: Integers, values: Integers | None, inside: Mask) -> Integers:
        """Code the values `(N, M)` of one pass."""
        planes = torch.from_numpy(known.astype(np.float32))
        if number % self.model.channels == 0:
            self.features = self.model.neighbourhoods[number // self.model.channels].features(planes)
            self.surprises = []
        colour = self.model.colours[number]
        seen = torch.cat([self.features.permute(3, 0, 1, 2), *map(around, self.surprises)]).permute(1, 2, 3, 0)
        far, scale, tail = np.split(colour.told(seen).numpy().astype(np.int64), 3, axis=3)
        straight = beyond_edges(colour.filter, planes).numpy().astype(np.int64)
        told, at = Expected(straight + far, scale, tail), grid.places(inside)
        if self.corrects:
            told = self._corrected(number, known, told, values, inside)
        mean = np.clip(told.mean, 0, VALUES - 1 << MEAN_BITS)
        expected = mean[at]
        rest = residual(expected.reshape(-1), told.scale[at].reshape(-1), told.tail[at].reshape(-1), self.step)
        steps = None
        if values is not None:
            steps = (values.reshape(-1).astype(np.int64) - rest.centre + self.step // 2) // self.step
        steps = self.model.logistics.code(self.coder, steps, rest)
        if (np.abs(steps) > VALUES).any() and not self.coder.draws:
            raise ArchiveError("a damaged block: a value outside 0..255")
        found = rest.centre + steps * self.step
        # Tables reach beyond the range, which only what is drawn does.
        found = np.clip(found, 0, VALUES - 1) if self.step > 1 or self.coder.draws else _in_range(found)
        found = found.reshape(len(known), -1)
        surprise = np.zeros(mean.shape, np.int64)
        surprise[at] = (found << MEAN_BITS).reshape(expected.shape) - expected
        self.surprises.append(_as_seen(surprise, colour.told.bits_in))
        return found

    def _corrected(
        self, number: int, known: Integers, told: Expected, values: Integers | None, inside: Mask
    ) -> Expected:
        """What is expected of a pass after its correction, which is coded."""
        channels, passes = self.model.channels, grid_passes(self.model.channels)
        p, given, near = passes[number % len(passes)], None, beyond(known)
        if values is not None:
            wanted = np.zeros(told.mean.shape, np.int64)
            at = grid.places(inside)
            wanted[at] = values.reshape(wanted[at].shape)
            given = corrected(told, Known(wanted, near, inside, self.model.logistics, self.step), p, channels)
        found = corrections.code(self.coder, given, values is not None, p, channels)
        return told if found is None else found.applied(told, near, p, channels)


def _as_seen(surprise: Integers, bits: int) -> torch.Tensor:
    """Surprises in 1/16 of a value as networks see them, 1.0 being 2**`bits`."""
    shift = MEAN_BITS + UNIT_BITS - bits
    seen = surprise + (1 << shift - 1) >> shift if shift > 0 else surprise << -shift
    limit = 1 << bits + REACH_BITS
    return torch.from_numpy(np.clip(seen, -limit, limit).astype(np.float32))


def around(planes: torch.Tensor) -> torch.Tensor:
    """The 3x3 neighbours of every place: `(N, h, w, K)` to `(9 K, N, h, w)`, the edge repeated; those of a plane
    together, row by row."""
    padded = functional.pad(planes.permute(3, 0, 1, 2), (1, 1, 1, 1), mode="replicate")
    high, wide = planes.shape[1:3]
    parts = [padded[:, :, i : i + high, j : j + wide] for i in range(3) for j in range(3)]
    return torch.stack(parts, dim=1).flatten(0, 1)


def beyond_edges(network: IntegerNetwork, planes: torch.Tensor) -> torch.Tensor:
    """A network that sees 3x3 places, on planes `(N, h, w, K)` whose edge is repeated beyond it."""
    padded = functional.pad(planes.permute(3, 0, 1, 2), (1, 1, 1, 1), mode="replicate").permute(1, 2, 3, 0)
    return network(padded)[:, 1:-1, 1:-1]


def _two(arrays: Iterator[Integers]) -> tuple[IntegerNetwork, IntegerNetwork]:
    return from_arrays(arrays), from_arrays(arrays)


def _in_range(values: Integers) -> Integers:
    if values.size and (values.min() < 0 or values.max() >= VALUES):
        raise ArchiveError("a damaged block: a value outside 0..255")
    return values


class ResidualsWay(grid.ImagesWay):
    """Images whose values are coded as residuals, which a later way `corrects`."""

    def __init__(self, residuals: IntegerResiduals, error: int, corrects: bool = True) -> None:
        super().__init__(residuals.channels, min(error, VALUES - 1))
        self.residuals, self.corrects = residuals, corrects

    def code(self, coder: Coder, stack: Array | None, shape: Shape) -> Integers:
        return self.residuals.walk(coder, stack, shape, self.error, self.corrects)


def open_residuals(promise: Promise, model: CompactModel | None) -> Way:
    """The way of a compact model of residuals; one of RGB takes grey and alpha as well."""
    assert model is not None
    assert promise.max_error is not None
    way = ResidualsWay(_opened(model), promise.steps, model.way == CORRECTED)
    return AnyColours(way, lossy=False) if way.residuals.channels == 3 else way


@functools.lru_cache(KEPT_MODELS)
def _opened(model: CompactModel) -> IntegerResiduals:
    """What all errors share: archives of one model open it once."""
    arrays = iter(arrays_of(model))
    residuals = IntegerResiduals.from_arrays(arrays)
    if next(arrays, None) is not None:
        raise ModelError("a compact model with more in it than it should have; make the model again")
    return residuals
