"""What an encoder corrects of a network's residuals, pass by pass, for the pixels that it has before it.

A camera's colours, or what a picture went through, differ from what a network has learned from. Least squares find
how its means are wrong by what lies around them; the scales of errors and the weight of their tails are moved where
that saves bits. All that is stored is a few small whole numbers a pass. Next door: `residuals` codes with them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import PRECISION, TOTAL, Doubles, Integers, from_weights
from narrows.entropy.logistics import MEAN_BITS, TOLD_BITS, Logistics, residual, tables_of
from narrows.entropy.passes import GridPass
from narrows.networks.residuals import colours_of

# Part of the format.
WEIGHT_BITS = 8  # of weights, after the point
MOST_WEIGHT = 127
FACTORS = (3764, 8691, 15706, 23866, 32083, 39548, 45854, 50910, 54819, 57762, 59938, 61526)  # of 2**16
NEAR = 2  # the square of the distance in pixels, at most, of what weighs
SHIFT = WEIGHT_BITS - MEAN_BITS

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Moves = tuple[int, int, int]  # of the scale, its slope and the tail


@dataclass(frozen=True)
class Move:
    """Of which there are so many, half of them below 0, and one is `worth` so many units of what is moved."""

    count: int
    worth: int

    @property
    def least(self) -> int:
        """The largest is as far from 0, less 1."""
        return -self.count // 2

    def cut(self, found: float) -> int:
        """The nearest there is."""
        return min(max(round(found), self.least), -self.least - 1)

    def code(self, coder: Coder, given: Integers | None, number: int) -> Integers:
        """Code so many of them (None unless encoding)."""
        symbols = None if given is None else given - self.least
        return coder.one_table(symbols, number, np.full(self.count, TOTAL // self.count, np.int64)) + self.least


# Part of the format: moves of means, of scales and their slopes, and of tails.
BIAS, SCALE, SLOPE, TAIL = Move(128, 1), Move(64, 1 << TOLD_BITS - 5), Move(16, 1), Move(16, 1 << TOLD_BITS - 2)
MOVES = (BIAS, SCALE, SLOPE, TAIL)
SLOPE_BITS = 4

# The encoder's
PLACES, LOOKED_AT = 1 << 14, 1 << 11  # that decide weights, and moves
FEWEST = 8192  # places, below which nothing is corrected
USUAL_WEIGHT = 0.1
FAR_OFF = 5.0  # scales, from which errors count less
MOVE_BITS = math.log2(math.prod(move.count for move in MOVES) * len(FACTORS))  # of one target
STRIDES = ((4, 2, 2), (1, 1, 1))  # of the search for moves of the scale, its slope and the tail


@dataclass(frozen=True)
class Tap:
    """A neighbour that weighs: the `plane` among the known ones, and where its quad is beside that of the target,
    from 0 to 2 each."""

    plane: int
    row: int
    column: int

    def of(self, around: Floats) -> Floats:
        """It for every target `(N, h, w)`, of planes as `beyond` gives them."""
        height, width = around.shape[2] - 2, around.shape[3] - 2
        return around[self.plane, :, self.row : self.row + height, self.column : self.column + width]


@functools.cache
def taps(p: GridPass, target: int, channels: int) -> tuple[Tap, ...]:
    """The known pixels next to a target, plane by plane and row by row, but for the first pixels of its own quad,
    which all are relative to."""
    found = []
    for plane, known in enumerate(p.known):
        for row in range(3):
            for column in range(3):
                down = 2 * (row - 1) + known % 4 // 2 - target % 4 // 2
                across = 2 * (column - 1) + known % 2 - target % 2
                if down**2 + across**2 <= NEAR and (plane >= channels or (row, column) != (1, 1)):
                    found.append(Tap(plane, row, column))
    return tuple(found)


@dataclass(frozen=True)
class Expected:
    """What networks say of the T targets of a pass, whole numbers `(N, h, w, T)`: means in 1/16 of a value, scales
    and tails in 1/512."""

    mean: Integers
    scale: Integers
    tail: Integers


@dataclass(frozen=True)
class Correction:
    """That of one pass: the `weights` of the taps of each target, and four moves `(T,)`."""

    weights: tuple[Integers, ...]
    bias: Integers
    scale: Integers
    slope: Integers
    tail: Integers

    def applied(self, told: Expected, around: Floats, p: GridPass, channels: int) -> Expected:
        """What is expected then, with known planes `(K, N, h + 2, w + 2)` as `beyond` gives them."""
        moved = np.empty_like(told.mean)
        colours = colours_of(len(p.known), channels)
        inner = around[:, :, 1:-1, 1:-1]
        for number, (target, weights) in enumerate(zip(p.targets, self.weights, strict=True)):
            # Whole numbers, which float32 holds whatever the order of their sum.
            total = np.full(inner.shape[1:], (self.bias[number] << SHIFT) + (1 << SHIFT - 1), np.float32)
            own = [0] * channels
            for tap, weight in zip(taps(p, target, channels), weights.tolist(), strict=True):
                if weight:
                    total += weight * tap.of(around)
                    own[colours[tap.plane]] += weight
            for colour, weight in enumerate(own):
                total -= weight * inner[colour]
            moved[..., number] = total.astype(np.int64) >> SHIFT
        scale = told.scale + SCALE.worth * self.scale + (self.slope * told.scale >> SLOPE_BITS)
        return Expected(told.mean + moved, scale, told.tail + TAIL.worth * self.tail)


def beyond(planes: Integers) -> Floats:
    """Planes `(N, h, w, K)` as `(K, N, h + 2, w + 2)`, their edge repeated beyond it."""
    moved = np.ascontiguousarray(np.moveaxis(planes, 3, 0), np.float32)
    return np.pad(moved, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")


def code(coder: Coder, given: Correction | None, encodes: bool, p: GridPass, channels: int) -> Correction | None:
    """Code the correction of a pass, or that there is none. What is drawn has none."""
    if coder.draws or not coder.one_table(np.array([given is not None], np.int64) if encodes else None, 1, _EVEN)[0]:
        return None
    moves = (None,) * len(MOVES) if given is None else (given.bias, given.scale, given.slope, given.tail)
    found = [move.code(coder, each, len(p.targets)) for move, each in zip(MOVES, moves, strict=True)]
    weights = []
    for number, target in enumerate(p.targets):
        own = None if given is None else given.weights[number]
        spread = coder.one_table(None if own is None else np.array([_costs(own).argmin()]), 1, _SPREADS)
        symbols = None if own is None else own + MOST_WEIGHT
        table = _TABLES[int(spread[0])]
        weights.append(coder.one_table(symbols, len(taps(p, target, channels)), table) - MOST_WEIGHT)
    return Correction(tuple(weights), *found)


def _falling(factor: int) -> Integers:
    """A table of weights that fall by a factor to both sides."""
    row = [1 << 24]
    for _ in range(MOST_WEIGHT):
        row.append(max(1, row[-1] * factor >> 16))
    return from_weights(np.array(row[:0:-1] + row, np.int64))


_TABLES = tuple(_falling(factor) for factor in FACTORS)
_SPREADS, _EVEN = (from_weights(np.ones(count, np.int64)) for count in (len(FACTORS), 2))


def _costs(weights: Integers) -> Doubles:
    """The bits that weights take by each of the tables."""
    return np.array([(PRECISION - np.log2(table[weights + MOST_WEIGHT])).sum() for table in _TABLES])


@dataclass(frozen=True)
class Known:
    """What an encoder has of a pass: the `values` of its targets `(N, h, w, T)`, known planes `around` them as
    `beyond` gives them, which places are `inside` `(h, w, T)`, and the tables and steps that values are coded with.
    """

    values: Integers
    around: Floats
    inside: Mask
    logistics: Logistics
    step: int


@torch.no_grad()
def corrected(told: Expected, known: Known, p: GridPass, channels: int) -> Correction | None:
    """The correction that saves bits; None where none does."""
    if known.inside.sum() * len(known.values) < FEWEST * len(p.targets):
        return None
    kept, moves, saved = [], [], 0.0
    for number, target in enumerate(p.targets):
        some, near = _chosen(told, known, number, taps(p, target, channels), channels)
        weights, bias = _weights(some, near)
        few = slice(None, None, -(-len(near) // LOOKED_AT))
        moved = (near[few] @ weights + (bias << SHIFT) + (1 << SHIFT - 1)) >> SHIFT
        usual = _Some(some.values[few], some.mean[few], some.scale[few], some.tail[few], 0)
        best, cost = _moves(replace(usual, mean=usual.mean + moved), known)
        every = some.every * len(near) / len(moved)
        saved += (_bits(usual, known)((0, 0, 0)) - cost) * every - float(_costs(weights).min()) - MOVE_BITS
        kept.append(weights)
        moves.append((bias, *best))
    return Correction(tuple(kept), *np.array(moves, np.int64).T) if saved > 0 else None


@dataclass(frozen=True)
class _Some:
    """Some places of one target, one of so many: values, means, scales and tails `(n,)` in their own units."""

    values: Integers
    mean: Integers
    scale: Integers
    tail: Integers
    every: float


def _chosen(
    told: Expected, known: Known, number: int, near: tuple[Tap, ...], channels: int
) -> tuple[_Some, Integers]:
    """Places of one target on a grid, and how far the taps there lie from the pixels that they are relative to, `(n,
    taps)`."""
    inside = known.inside[..., number]
    rows, columns = int(inside.any(axis=1).sum()), int(inside.any(axis=0).sum())
    apart = math.ceil(math.sqrt(len(known.values) * rows * columns / PLACES))
    grid = (slice(None), slice(apart // 2, rows, apart), slice(apart // 2, columns, apart))
    values, mean, scale, tail = (
        part[(*grid, number)].reshape(-1) for part in (known.values, told.mean, told.scale, told.tail)
    )
    colours = colours_of(len(known.around), channels)
    firsts = [known.around[colour, :, 1:-1, 1:-1][grid] for colour in range(channels)]
    off = [(tap.of(known.around)[grid] - firsts[colours[tap.plane]]).reshape(-1) for tap in near]
    return _Some(values, mean, scale, tail, apart**2), np.stack(off, axis=1).astype(np.int64)


def _weights(some: _Some, near: Integers) -> tuple[Integers, int]:
    """The weights of the taps, and the bias, of the least squares of errors in scales; far errors count less."""
    off = torch.from_numpy(some.values - some.mean / (1 << MEAN_BITS)).float()
    scale = torch.exp2(torch.from_numpy(some.scale / (1 << TOLD_BITS)).float())
    count = some.every / (3 * scale.square() * (1 + (off / scale / FAR_OFF).square()))
    rows = torch.cat([torch.from_numpy(near).float(), torch.ones(len(off), 1)], dim=1)
    products = (rows.T @ (rows * count[:, None])).double()
    products.diagonal().add_(USUAL_WEIGHT**-2)
    found = torch.linalg.solve(products, (rows.T @ (off * count)).double()).numpy()
    weights = np.rint(found[:-1] * (1 << WEIGHT_BITS)).astype(np.int64)
    return np.clip(weights, -MOST_WEIGHT, MOST_WEIGHT), BIAS.cut(float(found[-1]) * (1 << MEAN_BITS))


def _bits(some: _Some, known: Known) -> Callable[[Moves], float]:
    """What all places cost, by the moves of scale, slope and tail."""
    mean = np.clip(some.mean, 0, 255 << MEAN_BITS)
    usual = residual(mean, some.scale, some.tail, known.step)
    off, steps = mean - (usual.centre << MEAN_BITS), (some.values - usual.centre + known.step // 2) // known.step

    def bits(moves: Moves) -> float:
        scale, slope, tail = moves
        scales = some.scale + SCALE.worth * scale + (slope * some.scale >> SLOPE_BITS)
        which = tables_of(off, scales, some.tail + TAIL.worth * tail, known.step)
        return float(known.logistics.bits(steps, replace(usual, which=which)).sum())

    return bits


def _moves(some: _Some, known: Known) -> tuple[Moves, float]:
    """The moves of the least bits, one after the other in smaller strides; and those bits."""
    bits, best = functools.cache(_bits(some, known)), (0, 0, 0)
    least = bits(best)
    for strides in STRIDES:
        better = True
        while better:
            better = False
            for axis, (move, stride) in enumerate(zip(MOVES[1:], strides, strict=True)):
                for sign in (1, -1):
                    moves = list(best)
                    moves[axis] = move.cut(moves[axis] + sign * stride)
                    cost = bits((moves[0], moves[1], moves[2]))
                    if cost < least:
                        best, least, better = (moves[0], moves[1], moves[2]), cost, True
    return best, least
