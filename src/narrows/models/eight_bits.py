"""Weights in eight bits, for models that have to be small: whole numbers, deflated, and a step for each row.

Next door: `container` is the file that they go into.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping

import torch

LEAST = 8192  # numbers of a weight; smaller ones are few, and some of them take small differences of large numbers
MOST = 127
# These end the names of what is stored in place of a weight.
STEPS, SHAPE, DEFLATED = ":steps", ":shape", ":deflated"
Tensors = dict[str, torch.Tensor]


def to_eight_bits(weights: Mapping[str, torch.Tensor], spared: Collection[str] = (), most: int = MOST) -> Tensors:
    """The weights, the large matrices among them rounded except those `spared`: of a matrix `(O, ...)` its steps
    `(O,)`, its shape, and its numbers as int8, from -`most` to `most`, deflated. Rounding again changes nothing."""
    found: Tensors = {}
    for name, weight in weights.items():
        if weight.ndim < 2 or weight.numel() < LEAST or name in spared:
            found[name] = weight
            continue
        rows = weight.detach().cpu().float().flatten(1)
        steps = rows.abs().amax(dim=1).clamp_min(1e-30) / most
        numbers = (rows / steps[:, None]).round().to(torch.int8)
        packed = zlib.compress(numbers.numpy().tobytes(), 9)
        found[name + STEPS], found[name + SHAPE] = steps, torch.tensor(weight.shape)
        found[name + DEFLATED] = torch.frombuffer(bytearray(packed), dtype=torch.uint8)
    return found


def from_eight_bits(tensors: Tensors) -> Tensors:
    """The inverse, as far as rounding lets, also of numbers that are not deflated; tensors without steps stay as they
    are. Raises ValueError for steps that do not fit."""
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith((STEPS, SHAPE, DEFLATED))}
    for name, steps in tensors.items():
        if not name.endswith(STEPS):
            continue
        own = name.removesuffix(STEPS)
        weight = _inflated(tensors, own) if own + DEFLATED in tensors else found.get(own)
        if weight is None or weight.dtype != torch.int8 or steps.shape != weight.shape[:1]:
            raise ValueError(f"{name} without a weight of eight bits that they fit")
        found[own] = weight * steps.view(-1, *(1,) * (weight.ndim - 1))
    return found


def _inflated(tensors: Tensors, name: str) -> torch.Tensor | None:
    """A weight as int8; None where its shape is not there or not that of its numbers."""
    shape = tensors.get(name + SHAPE, torch.zeros(0)).tolist()
    count = math.prod(shape) if shape and all(isinstance(n, int) and n > 0 for n in shape) else 0
    stream = zlib.decompressobj()
    try:
        numbers = stream.decompress(tensors[name + DEFLATED].numpy().tobytes(), count + 1)
    except zlib.error:
        return None
    return torch.frombuffer(bytearray(numbers), dtype=torch.int8).view(shape) if len(numbers) == count > 0 else None
