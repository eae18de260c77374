"""From float networks to integer networks: scales and ranges are chosen here, once, when a model is finished.

Next door: `entropy.integer_networks` evaluates such networks, `calibrate` makes densities of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.integer_networks import RANGE_LIMIT, WEIGHT_LIMIT, IntegerLayer, IntegerNetwork
from narrows.entropy.products import LARGEST
from narrows.networks.layers import Added

BITS = 10  # of an activation, for the largest seen when the layer was made
HEADROOM = 1  # bits above that before an activation is clipped


def quantised(
    network: nn.Sequential,
    samples: torch.Tensor,
    bits_in: int,
    high_in: Integers,
    bits_out: int | None = None,
    low_in: Integers | None = None,
    share: float = 0.0,
) -> IntegerNetwork:
    """Convert a float network to integers; `samples` `(N, C, H, W)` of its inputs decide the ranges.

    The network is a row of `Conv2d` (stride 1, padding of half a kernel), `ReLU`, and `Added` around such a row.
    Inputs are whole numbers from `low_in` (0 if not given) to `high_in` `(C,)` where `2**bits_in` stands for 1.0;
    `bits_out`, if given, is the scale of the output. Weights get as many bits as keep every sum within float32, or as
    make them multiples of about this `share` of their root mean square. The choices use floats, so the result is
    stored. Raises ValueError for other layers.
    """
    made: list[IntegerLayer] = []
    bits, low, high = bits_in, np.zeros_like(high_in) if low_in is None else low_in, high_in
    x = samples.float()

    def convolution(conv: nn.Conv2d, relu: bool, span: int, y: torch.Tensor, scale: int | None) -> None:
        nonlocal bits, low, high
        if conv.padding != tuple(side // 2 for side in conv.kernel_size) or conv.stride != (1, 1):
            raise ValueError(f"{conv} cannot be converted to integers")
        weight = conv.weight.detach().cpu().double().numpy()
        bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().cpu().double().numpy()
        out = _bits(y) if scale is None else scale
        room = _room(weight, bias * 2.0**bits, np.maximum(np.abs(low), np.abs(high)), low.min(initial=0) < 0)
        if share:
            room = np.minimum(
                room, math.floor(-math.log2(max(float(np.sqrt(np.square(weight).mean())), 1e-30) * share))
            )
        room = np.maximum(room, out - bits)  # a shift is never negative
        shift = bits + room - out
        whole = np.rint(bias * 2.0 ** (bits + room)).astype(np.int64) + (np.int64(1) << shift >> 1)
        scaled = np.rint(weight * 2.0 ** room[:, None, None, None])
        scaled = np.clip(scaled, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int16)
        # Room above what was seen, channel by channel; tight ranges leave more bits to the weights that follow.
        seen = y.abs().amax(dim=(0, 2, 3)).double().numpy() * 2.0**out
        limit = np.clip(np.ceil(seen * 2**HEADROOM), 64, RANGE_LIMIT - 1).astype(np.int64)
        made.append(IntegerLayer(scaled, whole, shift, limit * (0 if relu else -1), limit, low, high, span))
        bits, low, high = out, made[-1].low, limit

    def row(
        modules: Sequence[nn.Module], x: torch.Tensor, last: tuple[int, torch.Tensor, bool] | None
    ) -> torch.Tensor:
        """Walk the layers; `last` is the scale and tensor that the last of them must add, and if ReLU follows."""
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
                    ends = last is None and follows is None
                    convolution(module, relu, 0, x.relu() if relu else x, bits_out if ends else None)
            elif isinstance(module, Added):
                x = row(list(module.branch), x, (bits, x, relu))
            elif isinstance(module, nn.ReLU) and number:
                x = x.relu()  # the layer before has clipped at 0
            else:
                raise ValueError(f"{module} cannot be converted to integers here")
        if last is not None and not isinstance(modules[-1], nn.Conv2d):
            raise ValueError(f"a residual branch must end in a convolution, not {modules[-1]}")
        return x

    with torch.no_grad():
        row(list(network), x, None)
    return IntegerNetwork(tuple(made), bits_in, bits)


def _room(weight: Doubles, bias: Doubles, reach: Integers, signed: bool) -> Integers:
    """Bits by which each row of a float weight `(O, I, k, k)` can grow before its sums leave float32."""
    products = weight * reach[:, None, None]
    flat = products.reshape(len(weight), -1)
    if signed:
        largest = np.abs(flat).sum(axis=1)
    else:
        largest = np.maximum(np.maximum(flat, 0).sum(axis=1), np.maximum(-flat, 0).sum(axis=1))
    sums = np.floor(np.log2(0.98 * LARGEST[torch.float32] / np.maximum(largest + np.abs(bias), 2.0**-20)))
    stored = np.floor(np.log2(WEIGHT_LIMIT / np.maximum(np.abs(weight).max(axis=(1, 2, 3)), 2.0**-20)))
    room: Integers = np.minimum(sums, stored).astype(np.int64)
    return room


def _bits(y: torch.Tensor) -> int:
    """The scale at which the largest activation takes `BITS` bits."""
    return BITS - math.ceil(math.log2(max(float(y.abs().max()), 2.0**-BITS)))


def base_two(network: nn.Module) -> nn.Sequential:
    """The same network with logits to the base 2 in place of e."""
    scaled = copy.deepcopy(network)
    assert isinstance(scaled, nn.Sequential)
    for parameter in scaled[-1].parameters():
        parameter.mul_(math.log2(math.e))
    return scaled
