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

from narrows.entropy import planes, rows
from narrows.entropy.products import LARGEST, check_machine, plain_products
from narrows.entropy.rows import Place
from narrows.entropy.strips import run_all
from narrows.errors import ModelError

# The limits are part of the format: a network beyond them is refused.
WEIGHT_LIMIT = 2**15 - 1  # weights are stored in 16 bits
RANGE_LIMIT = 2**23  # of activations, so that two of them can be added in float32
MOST_LAYERS = 1000
MOST_WEIGHTS = 1 << 20  # of one output
FEW = 12  # outputs, below which a layer is faster by planes
NARROW = 48  # outputs of each layer, up to which a network is faster by planes, except on many small images, of which
MANY, LARGE = 4, 64  # planes waste the places between them
Shorts = npt.NDArray[np.int16]
Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
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
        matrix = self.weight.astype(np.int64).transpose(0, 2, 3, 1)  # (O, h, w, I)
        low, high = self.low_in, self.high_in
        # A product lies between these two; 0 is there as well, for the borders and for what is not yet added.
        # Fewer than 2**20 of them, each below 2**38: int64 holds their sums.
        ends = matrix * low, matrix * high
        up = np.maximum(np.maximum(*ends), 0).reshape(len(matrix), -1).sum(axis=1)
        down = np.minimum(np.minimum(*ends), 0).reshape(len(matrix), -1).sum(axis=1)
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

    @functools.cached_property
    def _of_planes(self) -> tuple[Operands, Operands]:
        """The same for planes, in float32 and in float64, these for wide outputs alone: a kernel `(h, w, O, I)`, the
        biases `(O, 1)`, then the limits `(O, 1, 1, 1)`."""
        matrix, bias, low, high = self._doubles
        limits = (limit.view(-1, 1, 1, 1) for limit in (low, high))
        doubles = (matrix.transpose(2, 3).contiguous(), bias[:, None], *limits)
        wide = torch.from_numpy(self.wide)
        of_wide = (doubles[0][:, :, wide], *(operand[wide] for operand in doubles[1:]))
        return tuple(operand.float() for operand in doubles), of_wide

    def __call__(self, x: torch.Tensor, earlier: torch.Tensor | None = None) -> torch.Tensor:
        """Whole numbers `(N, H, W, I)` in float32 to `(N, H, W, O)`; `earlier` is what a residual layer adds."""
        tall, broad, ins, outs = self._singles[0].shape
        shape, plain = x.shape[:3], tall * broad == 1
        if outs < FEW if plain else tall * outs < ins:
            moved = None if earlier is None else earlier.permute(3, 0, 1, 2)
            return self.by_planes(x.permute(3, 0, 1, 2), moved).permute(1, 2, 3, 0).contiguous()
        singles = tuple(operand.to(x.device) for operand in self._singles)
        if plain:  # the images are one large one
            x = x.reshape(1, -1, shape[2], ins)
            earlier = None if earlier is None else earlier.reshape(1, -1, shape[2], outs)
        padded = x if plain else functional.pad(x, (0, 0, broad // 2, broad // 2, tall // 2, tall // 2))
        if len(self.wide):
            wide = torch.from_numpy(self.wide).to(x.device)
            doubles = tuple(operand.to(x.device).index_select(-1, wide) for operand in self._doubles)
        y = torch.empty((*x.shape[:3], outs), dtype=torch.float32, device=x.device)

        def strip(place: Place, gathered: Callable[[], list[torch.Tensor]]) -> None:
            part, add, columns = y[place], None if earlier is None else earlier[place], gathered()
            rows.finish(rows.sums(columns, part, *singles[:2]), add, *singles[2:])
            if len(self.wide):
                found = torch.empty((*part.shape[:3], len(wide)), dtype=torch.float64, device=x.device)
                rows.sums([each.double() for each in columns], found, *doubles[:2])
                part[..., wide] = rows.finish(found, None if add is None else add[..., wide], *doubles[2:]).float()

        run_all(functools.partial(strip, *each) for each in rows.strips(padded.contiguous(), tall, broad))
        return y.view(*shape, outs)

    def by_planes(self, x: torch.Tensor, earlier: torch.Tensor | None = None) -> torch.Tensor:
        """The same for planes `(I, N, H, W)`, to `(O, N, H, W)`, which is faster for few of them."""
        singles, doubles = (tuple(operand.to(x.device) for operand in each) for each in self._of_planes)
        tall, broad, outs, ins = singles[0].shape
        shape, wide = x.shape[1:], torch.from_numpy(self.wide).to(x.device)
        if tall * broad == 1:  # the images are one large one
            x = x.reshape(ins, 1, -1, shape[2])
            earlier = None if earlier is None else earlier.reshape(outs, 1, -1, shape[2])
        else:
            x = functional.pad(x, (broad // 2, broad // 2, tall // 2, tall // 2))
        high, across = x.shape[2] - tall + 1, x.shape[3] - broad + 1
        y = torch.empty((outs, x.shape[1], high, across), dtype=torch.float32, device=x.device)

        def strip(place: Place, seen: torch.Tensor) -> None:
            add, part = None if earlier is None else earlier[:, *place], y[:, *place]
            planes.finish(planes.sums(seen, *singles[:2]), add, part, *singles[2:])
            if len(wide):
                found, add = planes.sums(seen.double(), *doubles[:2]), None if add is None else add[wide]
                part[wide] = planes.finish(found, add, found, *doubles[2:]).float()

        run_all(functools.partial(strip, *each) for each in planes.strips(x, tall, broad, outs))
        return y.view(outs, *shape)


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
    def _narrow(self) -> bool:
        """Whether this network is faster by planes on large images."""
        return all(len(layer.weight) <= NARROW for layer in self.layers)

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
            if at is None and self._narrow and (len(x) < MANY or min(x.shape[1:3]) >= LARGE):
                return self._by_planes(x.permute(3, 0, 1, 2) if inside else planes.clipped(x, low, high))
            seen = [x if inside else torch.clamp(x, low, high)]
            for number, layer in enumerate(self.layers):
                if at is not None and number == self._within:
                    # The layers that follow look at single places, so only those that are wanted are computed.
                    places = torch.from_numpy(at).to(x.device)
                    seen = [y.flatten(1, 2).index_select(1, places)[:, None] for y in seen]
                seen.append(layer(seen[-1], seen[-layer.span] if layer.span else None))
        return seen[-1]

    def _by_planes(self, x: torch.Tensor) -> torch.Tensor:
        """The same for planes `(I, N, H, W)`, within their limits."""
        seen = [x]
        for layer in self.layers:
            seen.append(layer.by_planes(seen[-1], seen[-layer.span] if layer.span else None))
        return seen[-1].permute(1, 2, 3, 0)


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
