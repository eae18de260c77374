"""Exact pixels: images of 8 bits, each value under the distribution that integer networks give.

Next door: `grid` has the walk, `calibrate` makes the model, `entropy.integer_networks` evaluates it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs import grid
from narrows.codecs.compact_model import UNKNOWN, CompactModel
from narrows.codecs.difference import arrays_of
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import LOGIT_BITS, PRECISION, CumulativeTables, Integers, from_logits, from_weights
from narrows.entropy.integer_networks import IntegerNetwork, from_arrays, to_arrays
from narrows.entropy.passes import DIGITS, Mask
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array

VALUES = 256  # part of the format, as is the next
VALUE_BITS = 8  # a value of 256 is 1.0 for the networks


@dataclass(frozen=True)
class IntegerStep:
    """`networks.pixels.Step`, the networks of one pass, in integers."""

    features: IntegerNetwork
    high: IntegerNetwork
    low: IntegerNetwork


@dataclass(frozen=True)
class IntegerPixels:
    """`networks.pixels.Pixels` in integers. `base` `(C, 256)` has the weights of each channel's table for the pixels
    outside all passes; `steps` are in the order of coding."""

    base: Integers
    steps: tuple[IntegerStep, ...]

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return len(self.base)

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        networks = [network for step in self.steps for network in (step.features, step.high, step.low)]
        return [self.base, *(array for network in networks for array in to_arrays(network))]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers]) -> IntegerPixels:
        """The inverse, taking its arrays from an iterator; raises `ModelError` for other arrays."""
        base = next(arrays, np.empty(0, np.int64))
        if base.ndim != 2 or not 1 <= len(base) <= 4 or base.shape[1] != VALUES:
            raise ModelError(UNKNOWN)
        steps = []
        for known, targets in grid.steps_of(len(base))[1:]:
            step = IntegerStep(*(from_arrays(arrays) for _ in range(3)))
            width, bits, out = step.high.ends[0], step.high.bits_in, DIGITS * targets
            fits = step.features.ends == (known, width, VALUE_BITS, bits)
            fits &= step.high.ends == (width, out, bits, LOGIT_BITS)
            if not fits or step.low.ends != (width + out, out, bits, LOGIT_BITS):
                raise ModelError("a compact model whose networks do not fit together; make the model again")
            steps.append(step)
        if next(arrays, None) is not None:
            raise ModelError("a compact model with more in it than it should have; make the model again")
        if (base < 0).any() or not 0 < base.sum(axis=1).min() <= base.sum(axis=1).max() < 1 << 38:
            raise ModelError("a compact model whose tables are invalid; make the model again")
        return cls(base, tuple(steps))

    @property
    def tables(self) -> CumulativeTables:
        """The tables of the pixels outside all passes, one per channel."""
        return CumulativeTables(tuple(from_weights(np.append(row, 0)) for row in self.base), (0,) * self.channels)

    def walk(self, coder: Coder, images: Integers | None, shape: Shape, error: int = 0) -> Integers:
        """Code images `(N, H, W, C)` (None unless encoding); returns them. With an `error`, values are multiples of
        2 E + 1, or 255."""

        def code(number: int, known: Integers, values: Integers | None, inside: Mask) -> Integers:
            if number:
                kind = _within_error if error else _values
                return kind(coder, self.steps[number - 1], known, values, inside, error)
            which = np.broadcast_to(np.arange(self.channels), (shape[0], *inside.shape)).reshape(-1)
            found = coder.by_table(None if values is None else values.reshape(-1), which, self.tables)
            if (found < 0).any() or (found >= VALUES).any():
                raise ArchiveError("a damaged block: a value outside 0..255")
            return found.reshape(shape[0], -1)

        return grid.walk(images, shape, code)


def _values(
    coder: Coder, step: IntegerStep, known: Integers, values: Integers | None, inside: Mask, error: int
) -> Integers:
    """Code both digits of the values `(N, M)` of one pass."""
    features = step.features(torch.from_numpy(known))
    planes = np.zeros((len(known), *inside.shape), np.int64)

    def digit(network: IntegerNetwork, x: torch.Tensor, symbols: Integers | None) -> Integers:
        parts = _parts(network, x, inside)
        return coder.by_parts(None if symbols is None else symbols.reshape(-1), parts).reshape(len(known), -1)

    first = digit(step.high, features, None if values is None else values // DIGITS)
    planes[:, inside] = first
    given = _with_marks(step, features, torch.from_numpy(planes))
    return first * DIGITS + digit(step.low, given, None if values is None else values % DIGITS)


def _within_error(
    coder: Coder, step: IntegerStep, known: Integers, values: Integers | None, inside: Mask, error: int
) -> Integers:
    """The same for values that stand for all within `error` of them, whose parts are summed. All first digits have to
    be tried; those of the other targets, not known then, are left unmarked."""
    features = step.features(torch.from_numpy(known))
    firsts = _parts(step.high, features, inside)  # (N M, 16)
    joint = np.empty((len(firsts), DIGITS, DIGITS), np.int64)
    for first in range(DIGITS):
        for target in range(inside.shape[2]):
            planes = torch.full((len(known), *inside.shape), -1)
            planes[..., target] = first
            own = np.zeros_like(inside)
            own[..., target] = inside[..., target]
            seconds = _parts(step.low, _with_marks(step, features, planes), own)
            chosen = np.tile(own[inside], len(known))
            # 2**24 squared, in a scale whose sum over 256 values stays below 2**38.
            joint[chosen, first] = seconds * firsts[chosen, first, None] >> PRECISION - 6
    edges = np.arange(0, VALUES + error, 2 * error + 1)  # the values that stay
    starts = np.maximum(edges - error, 0)
    sums = np.add.reduceat(joint.reshape(len(joint), VALUES), starts, axis=1)
    symbols = None if values is None else ((values + error) // (2 * error + 1)).reshape(-1)
    # A single value takes no bits.
    found = coder.by_parts(symbols, from_weights(sums)) if len(edges) > 1 else np.zeros(len(sums), np.int64)
    stepped: Integers = np.minimum(found * (2 * error + 1), VALUES - 1).reshape(len(known), -1)
    return stepped


def _parts(network: IntegerNetwork, x: torch.Tensor, inside: Mask) -> Integers:
    """The tables of the digits inside the image, `(N M, 16)`."""
    logits = network(x).view(len(x), *inside.shape, DIGITS).numpy()[:, inside]
    return from_logits(logits.reshape(-1, DIGITS))


def _with_marks(step: IntegerStep, features: torch.Tensor, digits: torch.Tensor) -> torch.Tensor:
    """The inputs of `low`: features `(N, h, w, F)` and digits `(N, h, w, T)`, these one-hot."""
    marks = (digits[..., None] == torch.arange(DIGITS)).flatten(3)
    return torch.cat([features, marks * float(1 << step.features.bits_out)], dim=3)


class PixelsWay(grid.ImagesWay):
    """Images whose values have a distribution each."""

    def __init__(self, pixels: IntegerPixels, error: int) -> None:
        super().__init__(pixels.channels, error)
        self.pixels = pixels

    def code(self, coder: Coder, stack: Array | None, shape: Shape) -> Integers:
        if stack is not None:
            step = 2 * self.error + 1
            stack = np.minimum((stack.astype(np.int64) + self.error) // step * step, VALUES - 1)
        return self.pixels.walk(coder, stack, shape, self.error)


def open_pixels(promise: Promise, model: CompactModel | None) -> PixelsWay:
    """The way of a compact model of pixels."""
    assert model is not None
    assert promise.max_error is not None
    return PixelsWay(IntegerPixels.from_arrays(iter(arrays_of(model))), promise.steps)
