"""Networks evaluated in exact integers, so that their results are the same on every machine.

Weights, biases and activations are whole numbers, held in floats since processors multiply those fastest. As long as
no sum of absolute products reaches 2**24 in float32 or 2**53 in float64, all products and partial sums are exact, in
whatever order a machine adds them. Each layer proves that from its weights and its inputs' range, and takes the
smaller type that suffices. Only matrix products are used: some convolution algorithms (Winograd, FFT) round.
Next door: `codecs.quantise` makes such networks; `cumulative` turns their results into probabilities.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from narrows.errors import ModelError

# The limits are part of the format: a network beyond them is refused.
WEIGHT_LIMIT = 2**15 - 1  # weights are stored in 16 bits
LARGEST = {torch.float32: 2**24, torch.float64: 2**53}  # below these, whole numbers and their sums are exact
RANGE_LIMIT = 2**23  # of activations, so that two of them can be added in float32
MOST_LAYERS = 1000
MOST_WEIGHTS = 1 << 20  # of one output
STRIP = 1 << 19  # numbers gathered at once for a matrix product, so that they stay in the processor's cache
Shorts = npt.NDArray[np.int16]
Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class IntegerLayer:
    """One convolution in whole numbers: `clip(floor((weight * x + bias) / 2**shift), low, high)`.

    `weight` is `(O, I, h, w)` with odd h and w, borders are zero; `bias` `(O,)` holds the half that makes the floor a
    rounding. `shift`, `low` and `high` are `(O,)`. A `residual` layer adds its input, as it was `span` layers
    before, ahead of the clipping. Inputs lie in `low_in..high_in`, `(I,)`. Raises `ModelError` if sums could leave
    what float64 holds exactly.
    """

    weight: Shorts
    bias: Longs
    shift: Longs
    low: Longs
    high: Longs
    low_in: Longs
    high_in: Longs
    span: int = 0

    def __post_init__(self) -> None:
        shape = self.weight.shape
        odd = len(shape) == 4 and shape[2] % 2 and shape[3] % 2 and 0 not in shape
        if not odd or self.weight[0].size > MOST_WEIGHTS:
            raise ModelError(f"an integer layer of shape {shape}; make the model again")
        outs = (self.bias, self.shift, self.low, self.high)
        if any(a.shape != shape[:1] for a in outs) or any(a.shape != shape[1:2] for a in (self.low_in, self.high_in)):
            raise ModelError(f"an integer layer of shape {shape} with ranges of other shapes; make the model again")
        ranges = np.concatenate([self.low, self.high, self.low_in, self.high_in])
        fits = (self.low <= self.high).all() and (self.low_in <= self.high_in).all() and self.span >= 0
        if not fits or (self.shift < 0).any() or (self.shift > 48).any() or (np.abs(ranges) >= RANGE_LIMIT).any():
            raise ModelError("an integer layer with shifts or ranges out of their limits; make the model again")
        if max(self.largest_sums) >= LARGEST[torch.float64]:
            raise ModelError(f"an integer layer whose sums may reach {max(self.largest_sums)}; 2**53 is the limit")

    @functools.cached_property
    def largest_sums(self) -> list[int]:
        """For each output a bound on every partial sum in every order."""
        rows = self.weight.astype(np.int64).transpose(0, 2, 3, 1)  # (O, h, w, I)
        low, high = self.low_in, self.high_in
        # A product lies between these two; 0 is there as well, for the borders and for what is not yet added.
        # Fewer than 2**20 of them, each below 2**38: int64 holds their sums.
        ends = rows * low, rows * high
        up = np.maximum(np.maximum(*ends), 0).reshape(len(rows), -1).sum(axis=1)
        down = np.minimum(np.minimum(*ends), 0).reshape(len(rows), -1).sum(axis=1)
        return [max(int(u), -int(d)) + abs(int(b)) for u, d, b in zip(up, down, self.bias, strict=True)]

    @functools.cached_property
    def dtype(self) -> torch.dtype:
        """The smaller float type in which this layer is exact."""
        after = [largest >> int(shift) for largest, shift in zip(self.largest_sums, self.shift, strict=True)]
        single = max(self.largest_sums) < LARGEST[torch.float32] and (not self.span or max(after) < RANGE_LIMIT)
        return torch.float32 if single else torch.float64

    @functools.cached_property
    def _operands(self) -> tuple[torch.Tensor, ...]:
        matrix = self.weight.transpose(2, 3, 1, 0).reshape(-1, len(self.weight))  # (h w I, O)
        factors = 0.5 ** self.shift.astype(np.float64)
        arrays = (matrix, self.bias, factors, self.low, self.high)
        return tuple(torch.from_numpy(np.ascontiguousarray(a, np.float64)).to(self.dtype) for a in arrays)

    def __call__(self, x: torch.Tensor, earlier: torch.Tensor | None = None) -> torch.Tensor:
        """Whole numbers `(N, H, W, I)` in floats to `(N, H, W, O)`; `earlier` is what a residual layer adds."""
        matrix, bias, factors, low, high = (operand.to(x.device) for operand in self._operands)
        y = self._products(x.to(self.dtype), matrix)
        y = y.add_(bias).mul_(factors).floor_()
        if earlier is not None:
            y += earlier
        return torch.minimum(torch.maximum(y, low, out=y), high, out=y).to(torch.float32)

    def _products(self, x: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        """The convolution as matrix products over a few rows of the image at a time."""
        count, height, width, channels = x.shape
        high, wide = self.weight.shape[2:]
        if high == wide == 1:
            return x @ matrix
        padded = functional.pad(x, (0, 0, wide // 2, wide // 2, high // 2, high // 2))
        y = x.new_empty((count, height, width, matrix.shape[1]))
        # Whole images at a time where they are small, else rows of one.
        images = max(1, STRIP // (height * width * len(matrix)))
        rows = height if images > 1 else max(1, STRIP // (width * len(matrix)))
        for first in range(0, count, images):
            for top in range(0, height, rows):
                part = padded[first : first + images, top : top + rows + high - 1]
                shape = (len(part), part.shape[1] - high + 1, width)
                columns = x.new_empty((*shape, high * wide, channels))
                for i in range(high):
                    for j in range(wide):
                        columns[..., wide * i + j, :] = part[:, i : i + shape[1], j : j + width]
                product = columns.view(-1, len(matrix)) @ matrix
                y[first : first + images, top : top + rows] = product.view(*shape, -1)
        return y


@dataclass(frozen=True)
class IntegerNetwork:
    """Layers in a row. Activations are whole numbers below 2**23, in float32. An input of 1.0 is the whole number
    2**`bits_in`; an output of 2**`bits_out` stands for 1.0."""

    layers: tuple[IntegerLayer, ...]
    bits_in: int
    bits_out: int

    def __post_init__(self) -> None:
        for number, (before, after) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            fits = before.weight.shape[0] == after.weight.shape[1]
            if not fits or (before.low < after.low_in).any() or (before.high > after.high_in).any():
                raise ModelError(f"integer layers from {number} on do not fit together; make the model again")
        for number, layer in enumerate(self.layers):
            if layer.span > number + 1:
                raise ModelError("an integer layer adds an output that is not there; make the model again")
            added = self.layers[number + 1 - layer.span].weight.shape[1] if layer.span else len(layer.weight)
            if added != len(layer.weight):
                raise ModelError("an integer layer adds an output of another width; make the model again")

    @property
    def ends(self) -> tuple[int, int, int, int]:
        """Channels of inputs and outputs, then their bits."""
        return self.layers[0].weight.shape[1], len(self.layers[-1].weight), self.bits_in, self.bits_out

    @functools.cached_property
    def _checked(self) -> set[torch.device]:
        """Where this network has been evaluated before."""
        return set()

    @functools.cached_property
    def _within(self) -> int:
        """The number of the first layer from which on none sees the neighbours of a place."""
        return max((n for n, layer in enumerate(self.layers, 1) if max(layer.weight.shape[2:]) > 1), default=0)

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, at: npt.NDArray[np.int64] | None = None) -> torch.Tensor:
        """Whole numbers `(N, H, W, I)` of any type, clipped to the first layer's range, to whole numbers in float32:
        `(N, H, W, O)`, or `(N, 1, M, O)` at the places whose numbers, counted row by row, are `at` `(M,)`.

        Raises `ModelError` if this machine's matrix products are not exact.
        """
        first = self.layers[0]
        low, high = (torch.from_numpy(a.astype(np.float32)).to(x.device) for a in (first.low_in, first.high_in))
        with plain_products(x.device):
            if x.device not in self._checked:
                check_machine(x.device)
                self._checked.add(x.device)
            seen = [torch.minimum(torch.maximum(x.to(torch.float32), low), high)]
            for number, layer in enumerate(self.layers):
                if at is not None and number == self._within:
                    # The layers that follow look at single places, so only those that are wanted are computed.
                    places = torch.from_numpy(at).to(x.device)
                    seen = [y.flatten(1, 2).index_select(1, places)[:, None] for y in seen]
                seen.append(layer(seen[-1], seen[-layer.span] if layer.span else None))
        return seen[-1]


class _Plain:
    """How many threads need plain products now, and the precision that was allowed before the first one."""

    lock, inside, before = threading.Lock(), 0, "highest"


@contextmanager
def plain_products(device: torch.device) -> Iterator[None]:
    """Compute float32 products in float32, whatever the caller has allowed. That is one setting for all threads, so
    the last one to leave restores it."""
    with _Plain.lock:
        if not _Plain.inside:
            _Plain.before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        _Plain.inside += 1
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        with _Plain.lock:
            _Plain.inside -= 1
            if not _Plain.inside:
                torch.set_float32_matmul_precision(_Plain.before)


def check_machine(device: torch.device) -> None:
    """Raise `ModelError` if matrix products of this device round whole numbers that floats hold."""
    for dtype, limit in LARGEST.items():
        odd = (math.isqrt(limit) - 64) | 1  # takes all the bits that a factor may have
        left, right = (torch.ones((64, 64), dtype=dtype, device=device) for _ in range(2))
        left[:, 0], right[0] = odd, odd - 2
        if not torch.equal(left @ right, torch.full_like(left, odd * (odd - 2) + 63)):
            raise ModelError(f"matrix products in {dtype} are not exact on {device}; use another device")


def to_arrays(network: IntegerNetwork) -> list[Longs]:
    """The whole network as arrays of integers: its numbers, then the arrays of each layer."""
    arrays = [np.array([network.bits_in, network.bits_out, *(layer.span for layer in network.layers)], np.int64)]
    for layer in network.layers:
        arrays += [layer.weight.astype(np.int64), layer.bias, layer.shift, layer.low, layer.high]
    return [*arrays, network.layers[0].low_in, network.layers[0].high_in]


def from_arrays(arrays: Iterator[Longs]) -> IntegerNetwork:
    """The inverse of `to_arrays`, taking its arrays from an iterator. Raises `ModelError` for other arrays."""
    try:
        bits_in, bits_out, *spans = next(arrays).tolist()
        if not 1 <= len(spans) <= MOST_LAYERS or not (0 <= bits_in <= 24 and 0 <= bits_out <= 24):
            raise ValueError
        parts = [[next(arrays) for _ in range(5)] for _ in spans]
        low_in, high_in = next(arrays), next(arrays)
        layers: list[IntegerLayer] = []
        for span, (weight, bias, shift, low, high) in zip(spans, parts, strict=True):
            if np.abs(weight).max(initial=0) > WEIGHT_LIMIT:
                raise ValueError
            layers.append(IntegerLayer(weight.astype(np.int16), bias, shift, low, high, low_in, high_in, span))
            low_in, high_in = layers[-1].low, layers[-1].high
        return IntegerNetwork(tuple(layers), bits_in, bits_out)
    except (ValueError, TypeError, StopIteration, IndexError):
        raise ModelError("a damaged integer network; make the model again") from None
