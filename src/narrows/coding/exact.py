"""Networks evaluated in exact integers, so that what they decide is the same on every machine.

A layer's weights, bias and activations are whole numbers; they are held in floats, since processors multiply those
fastest. As long as no sum of absolute products reaches 2**24 in float32 or 2**53 in float64, every product and every
partial sum is a whole number that the type holds exactly, in whatever order a machine adds them. Each layer proves
that from its own weights and its inputs' range, and takes the smaller type that suffices.

Only matrix products are used: some convolution algorithms (Winograd, FFT) leave the whole numbers on the way.
Next door: `tables` turns the results into probabilities.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from narrows.errors import ModelError
from narrows.networks.parts import Added

WEIGHT_LIMIT = 2**15 - 1  # weights are stored in 16 bits
BITS = 14  # of an activation, for the largest seen when the layer was made
HEADROOM = 2  # bits above that before an activation is clipped
LARGEST = {torch.float32: 2**24, torch.float64: 2**53}  # below these, whole numbers and their sums are exact
Shorts = npt.NDArray[np.int16]
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layer:
    """One convolution in whole numbers: `clip(floor((weight * x + bias) / 2**shift), low, high)`.

    `weight` is `(O, I, k, k)` with odd k, borders are zero; `bias` `(O,)` holds the half that makes the floor a
    rounding. A `residual` layer adds its input, as it was `span` layers before, ahead of the clipping. Inputs lie
    in `low_in..high_in`. Raises `ModelError` where sums could leave what float64 holds exactly.
    """

    weight: Shorts
    bias: Longs
    shift: int
    low: int
    high: int
    low_in: int
    high_in: int
    span: int = 0

    def __post_init__(self) -> None:
        shape = self.weight.shape
        if len(shape) != 4 or shape[2] != shape[3] or shape[2] % 2 == 0 or self.bias.shape != shape[:1]:
            raise ModelError(f"an exact layer of shape {shape} with {self.bias.shape} biases; make the model again")
        ranges = (self.low, self.high, self.low_in, self.high_in)
        if not 0 <= self.shift <= 48 or self.low > self.high or self.low_in > self.high_in or self.span < 0:
            raise ModelError(f"an exact layer with shift {self.shift}, ranges {ranges}; make the model again")
        if self.largest_sum >= LARGEST[torch.float64] or max(map(abs, ranges)) >= LARGEST[torch.float32]:
            raise ModelError(f"an exact layer whose sums may reach {self.largest_sum}; 2**53 is the limit")

    @property
    def largest_sum(self) -> int:
        """A bound, in Python's integers, of every partial sum in every order."""
        rows = np.abs(self.weight.astype(np.int64)).reshape(len(self.weight), -1).sum(axis=1)
        reach = max(abs(self.low_in), abs(self.high_in))
        return max(int(row) * reach + abs(int(bias)) for row, bias in zip(rows, self.bias, strict=True))

    @functools.cached_property
    def dtype(self) -> torch.dtype:
        """The smaller float type in which this layer is exact."""
        return torch.float32 if self.largest_sum < LARGEST[torch.float32] else torch.float64

    @functools.cached_property
    def _operands(self) -> tuple[torch.Tensor, torch.Tensor]:
        matrix = torch.from_numpy(self.weight.reshape(len(self.weight), -1).astype(np.float64))
        return matrix.to(self.dtype), torch.from_numpy(self.bias.astype(np.float64)).to(self.dtype)[:, None]

    def __call__(self, x: torch.Tensor, earlier: torch.Tensor | None = None) -> torch.Tensor:
        """Whole numbers `(N, I, H, W)` in floats to `(N, O, H, W)`; `earlier` is what a residual layer adds."""
        count, _, high, wide = x.shape
        side = self.weight.shape[2]
        matrix, bias = (operand.to(x.device) for operand in self._operands)
        columns = x.to(self.dtype)
        columns = functional.unfold(columns, side, padding=side // 2) if side > 1 else columns.flatten(2)
        y = torch.matmul(matrix, columns).add_(bias)  # (N, O, H W)
        y = y.mul_(2.0**-self.shift).floor_().view(count, -1, high, wide)
        if earlier is not None:
            y = y + earlier
        return y.clamp_(self.low, self.high).to(torch.float32)


@dataclass(frozen=True)
class Exact:
    """Layers in a row. Activations are whole numbers below 2**24, handed on in float32.

    An input of 1.0 is the whole number 2**`bits_in`; an output of 2**`bits_out` stands for 1.0.
    """

    layers: tuple[Layer, ...]
    bits_in: int
    bits_out: int

    def __post_init__(self) -> None:
        for number, (before, after) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            fits = before.weight.shape[0] == after.weight.shape[1]
            if not fits or before.low < after.low_in or before.high > after.high_in:
                raise ModelError(f"exact layers {number} and {number + 1} do not fit together; make the model again")
        if any(layer.span > number + 1 for number, layer in enumerate(self.layers)):
            raise ModelError("an exact layer adds what is not there; make the model again")

    @torch.no_grad()
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Whole numbers `(N, I, H, W)`, of any integer or float type, to whole numbers in int64.

        Inputs are clipped to the range of the first layer. Raises `ModelError` where this machine's matrix
        products are not exact.
        """
        first = self.layers[0]
        with plain_products(x.device):
            check_machine(x.device)
            seen = [x.clamp(first.low_in, first.high_in).to(torch.float32)]
            for layer in self.layers:
                seen.append(layer(seen[-1], seen[-layer.span] if layer.span else None))
        return seen[-1].to(torch.int64)


@contextmanager
def plain_products(device: torch.device) -> Iterator[None]:
    """No shorter type may stand in for float32 meanwhile, whatever the caller has allowed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def check_machine(device: torch.device) -> None:
    """Raise `ModelError` where matrix products of this device round whole numbers that floats hold."""
    for dtype, limit in LARGEST.items():
        odd = (math.isqrt(limit) - 64) | 1  # takes all the bits that a factor may have
        left, right = (torch.ones((64, 64), dtype=dtype, device=device) for _ in range(2))
        left[:, 0], right[0] = odd, odd - 2
        if not torch.equal(left @ right, torch.full_like(left, odd * (odd - 2) + 63)):
            raise ModelError(f"matrix products in {dtype} are not exact on {device}; use another device")


def quantised(network: nn.Sequential, samples: torch.Tensor, bits_in: int, high_in: int, low_in: int = 0) -> Exact:
    """Put a float network into whole numbers; `samples` `(N, C, H, W)` of its inputs decide the ranges.

    The network is a row of `Conv2d` (stride 1, padding k // 2), `ReLU`, and `Added` around such a row. Inputs are
    whole numbers in `low_in..high_in` where `2**bits_in` stands for 1.0. Made once and stored: the choices here use
    floats. Raises ValueError for other layers.
    """
    made: list[Layer] = []
    bits, low, high = bits_in, low_in, high_in
    x = samples.float()

    def convolution(conv: nn.Conv2d, relu: bool, span: int, y: torch.Tensor, bits_out: int | None) -> None:
        nonlocal bits, low, high
        side = conv.kernel_size[0]
        if conv.kernel_size != (side, side) or conv.padding != (side // 2,) * 2 or conv.stride != (1, 1):
            raise ValueError(f"{conv} cannot be made exact")
        weight = conv.weight.detach().cpu().double().numpy()
        room = math.floor(math.log2(WEIGHT_LIMIT / max(float(np.abs(weight).max()), 2.0**-20)))
        out = _bits(y) if bits_out is None else bits_out
        room = max(room, out - bits)  # a shift is never negative
        shift = bits + room - out
        bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().cpu().double().numpy()
        whole = np.rint(bias * 2.0 ** (bits + room)).astype(np.int64) + (1 << shift >> 1)
        limit = 2 ** (BITS + HEADROOM) - 1
        scaled = np.clip(np.rint(weight * 2.0**room), -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int16)
        made.append(Layer(scaled, whole, shift, 0 if relu else -limit, limit, low, high, span))
        bits, low, high = out, made[-1].low, limit

    def row(
        modules: Sequence[nn.Module], x: torch.Tensor, last: tuple[int, torch.Tensor, bool] | None
    ) -> torch.Tensor:
        """Walk the layers; `last` is for the last of them: the scale and tensor it must add, and whether ReLU."""
        start = len(made)
        for number, module in enumerate(modules):
            follows = modules[number + 1] if number + 1 < len(modules) else None
            relu = isinstance(follows, nn.ReLU)
            if isinstance(module, nn.Conv2d):
                x = module(x)
                if last is not None and follows is None:
                    x = x + last[1]
                    convolution(module, last[2], len(made) - start + 1, x, last[0])
                else:
                    convolution(module, relu, 0, x, None)
            elif isinstance(module, Added):
                x = row(list(module.branch), x, (bits, x, relu))
            elif isinstance(module, nn.ReLU) and number:
                x = x.relu()  # what precedes has clipped below 0
            else:
                raise ValueError(f"{module} cannot be made exact here")
        if last is not None and not isinstance(modules[-1], nn.Conv2d):
            raise ValueError(f"what is added must end in a convolution, not {modules[-1]}")
        return x

    with torch.no_grad():
        row(list(network), x, None)
    return Exact(tuple(made), bits_in, bits)


def _bits(y: torch.Tensor) -> int:
    """The scale at which the largest activation takes `BITS` bits."""
    return BITS - math.ceil(math.log2(max(float(y.abs().max()), 2.0**-BITS)))
