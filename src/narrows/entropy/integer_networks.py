"""Networks evaluated in exact integers, so that their results are the same on every machine.

Weights, biases and activations are whole numbers, held in floats since processors multiply those fastest. As long as
no sum of absolute products reaches 2**24 in float32 or 2**53 in float64, all products and partial sums are exact, in
whatever order a machine adds them. Each layer proves that from its weights and its inputs' range, and takes for each
output the smaller type that suffices. Only matrix products and sums are used: some algorithms of convolution
(Winograd, FFT) round.
Next door: `codecs.quantise` makes such networks; `cumulative` turns their results into probabilities.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from narrows.entropy.products import LARGEST, check_machine, plain_products
from narrows.entropy.strips import run_all
from narrows.errors import ModelError

# The limits are part of the format: a network beyond them is refused.
WEIGHT_LIMIT = 2**15 - 1  # weights are stored in 16 bits
RANGE_LIMIT = 2**23  # of activations, so that two of them can be added in float32
MOST_LAYERS = 1000
MOST_WEIGHTS = 1 << 20  # of one output
STRIP = 1 << 19  # numbers gathered at once for a matrix product, so that they stay in the processor's cache
FEW = 12  # outputs, below which a matrix product is faster with the places as its columns
Shorts = npt.NDArray[np.int16]
Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Place = tuple[slice, slice]  # images, and rows of them
Operands = tuple[torch.Tensor, ...]  # of a layer: matrix `(h, w, I, O)`, bias, low and high `(O,)`


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
    def wide(self) -> Longs:
        """The outputs whose sums only float64 is sure to hold."""
        sums = np.array([min(largest, LARGEST[torch.float64]) for largest in self.largest_sums], np.int64)
        held = sums < LARGEST[torch.float32]
        if self.span:
            held &= sums >> self.shift < RANGE_LIMIT
        return np.flatnonzero(~held)

    @functools.cached_property
    def _doubles(self) -> Operands:
        """Weights as they are multiplied and biases, divided by 2**shift, which changes no digit; then the limits."""
        matrix = self.weight.transpose(2, 3, 1, 0) * 0.5**self.shift  # (h, w, I, O)
        arrays = (matrix, self.bias * 0.5**self.shift, self.low, self.high)
        return tuple(torch.from_numpy(np.ascontiguousarray(a, np.float64)) for a in arrays)

    @functools.cached_property
    def _singles(self) -> Operands:
        return tuple(operand.to(torch.float32) for operand in self._doubles)

    def __call__(self, x: torch.Tensor, earlier: torch.Tensor | None = None) -> torch.Tensor:
        """Whole numbers `(N, H, W, I)` in float32 to `(N, H, W, O)`; `earlier` is what a residual layer adds."""
        singles = tuple(operand.to(x.device) for operand in self._singles)
        tall, broad, ins, outs = singles[0].shape
        shape, plain = x.shape[:3], tall * broad == 1
        if plain:  # the images are one large one
            x = x.reshape(1, -1, shape[2], ins)
            earlier = None if earlier is None else earlier.reshape(1, -1, shape[2], outs)
        padded = x if plain else functional.pad(x, (0, 0, broad // 2, broad // 2, tall // 2, tall // 2))
        if (outs < FEW if plain else tall * outs < ins) and not len(self.wide):
            return _by_planes(padded.contiguous(), earlier, singles).view(*shape, outs)
        if len(self.wide):
            wide = torch.from_numpy(self.wide).to(x.device)
            doubles = tuple(operand.to(x.device).index_select(-1, wide) for operand in self._doubles)
        y = torch.empty((*x.shape[:3], outs), dtype=torch.float32, device=x.device)

        def strip(place: Place, gathered: Callable[[], list[torch.Tensor]]) -> None:
            part, add, columns = y[place], None if earlier is None else earlier[place], gathered()
            _sum(columns, singles, part)
            _finished(part, add, singles)
            if len(self.wide):
                sums = torch.empty((*part.shape[:3], len(wide)), dtype=torch.float64, device=x.device)
                _sum([each.double() for each in columns], doubles, sums)
                part[..., wide] = _finished(sums, None if add is None else add[..., wide], doubles).float()

        run_all(functools.partial(strip, *each) for each in _strips(padded.contiguous(), tall, broad))
        return y.view(*shape, outs)


def _strips(padded: torch.Tensor, tall: int, broad: int) -> Iterator[tuple[Place, Callable[[], list[torch.Tensor]]]]:
    """Some images and rows at a time, and what gives the left factors of the matrix products whose sum a convolution
    is: of several small images one for the whole kernel, else one for each row of the kernel."""
    count, height, width, channels = padded.shape
    height, width = height - tall + 1, width - broad + 1
    across = broad * channels

    def whole(part: torch.Tensor) -> list[torch.Tensor]:
        columns = padded.new_empty((len(part), height, width, tall * broad, channels))
        for i in range(tall):
            for j in range(broad):
                columns[..., broad * i + j, :] = part[:, i : i + height, j : j + width]
        return [columns.view(-1, tall * across)]

    def by_rows(part: torch.Tensor) -> list[torch.Tensor]:
        columns = padded.new_empty((len(part), width, broad, channels)) if broad > 1 else part
        for j in range(broad if broad > 1 else 0):
            columns[..., j, :] = part[:, j : j + width]
        flat, places = columns.view(-1, across), (len(part) - tall + 1) * width
        return [flat[i * width : i * width + places] for i in range(tall)]

    if tall * broad > 1 and (images := STRIP // (height * width * tall * across)) > 1:
        for first in range(0, count, images):
            place = slice(first, first + images), slice(None)
            yield place, functools.partial(whole, padded[place[0]])
        return
    strips = -(-height // max(1, STRIP // (width * across)))
    most = -(-height // (strips + strips % 2))  # an even number, for two cores
    for number in range(count):
        for top in range(0, height, most):
            part = padded[number, top : min(top + most, height) + tall - 1]
            yield (slice(number, number + 1), slice(top, top + most)), functools.partial(by_rows, part)


def _sum(columns: list[torch.Tensor], operands: Operands, y: torch.Tensor) -> None:
    """Products of matrices and a bias, added up in `y` `(N, H, W, O)`."""
    matrix, bias, *_ = operands
    flat, factors = y.view(-1, len(bias)), matrix.view(len(columns), -1, len(bias))
    torch.addmm(bias, columns[0], factors[0], out=flat)
    for each, factor in zip(columns[1:], factors[1:], strict=True):
        flat.addmm_(each, factor)


def _by_planes(padded: torch.Tensor, earlier: torch.Tensor | None, operands: Operands) -> torch.Tensor:
    """A convolution to few outputs, `(N, H, W, O)`: the images times each place of the kernel, moved and added up."""
    matrix, bias, low, high = operands
    tall, broad, ins, outs = matrix.shape
    height, width = padded.shape[1] - tall + 1, padded.shape[2] - broad + 1
    rows = matrix.transpose(2, 3).reshape(-1, ins)
    planes = (rows @ padded.view(-1, ins).T).view(tall, broad, outs, *padded.shape[:3])
    bias, low, high = (limit.view(-1, 1, 1, 1) for limit in (bias, low, high))
    y = planes[0, 0, :, :, :height, :width] + bias
    for place in range(1, tall * broad):
        i, j = divmod(place, broad)
        y += planes[i, j, :, :, i : i + height, j : j + width]
    moved = None if earlier is None else earlier.permute(3, 0, 1, 2)
    return _finished(y, moved, (matrix, bias, low, high)).permute(1, 2, 3, 0).contiguous()


def _finished(y: torch.Tensor, earlier: torch.Tensor | None, operands: Operands) -> torch.Tensor:
    """What a layer makes of its sums, in their place."""
    y.floor_()
    if earlier is not None:
        y += earlier
    return torch.clamp(y, *operands[2:], out=y)


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
            x = x.to(torch.float32)
            # Most inputs are within the tightest limits, which is seen faster than they are clipped.
            inside = not x.numel() or bool(x.amin() >= low.amax() and x.amax() <= high.amin())
            seen = [x if inside else torch.clamp(x, low, high)]
            for number, layer in enumerate(self.layers):
                if at is not None and number == self._within:
                    # The layers that follow look at single places, so only those that are wanted are computed.
                    places = torch.from_numpy(at).to(x.device)
                    seen = [y.flatten(1, 2).index_select(1, places)[:, None] for y in seen]
                seen.append(layer(seen[-1], seen[-layer.span] if layer.span else None))
        return seen[-1]


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
