"""Weights in eight bits, for models that have to be small: whole numbers, and a step for each row of a matrix.

Next door: `container` is the file that they go into.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch

LEAST = 8192  # numbers of a weight; smaller ones are few, and some of them take small differences of large numbers
MOST = 127
STEPS = ":steps"  # ends the name of the steps of a weight
Tensors = dict[str, torch.Tensor]


def to_eight_bits(weights: Mapping[str, torch.Tensor], spared: Collection[str] = ()) -> Tensors:
    """The weights, the large matrices among them rounded except those `spared`: `(O, ...)` as int8 and its steps
    `(O,)`. Rounding again changes nothing."""
    found: Tensors = {}
    for name, weight in weights.items():
        if weight.ndim < 2 or weight.numel() < LEAST or name in spared:
            found[name] = weight
            continue
        rows = weight.detach().float().flatten(1)
        steps = rows.abs().amax(dim=1).clamp_min(1e-30) / MOST
        found[name] = (rows / steps[:, None]).round().to(torch.int8).view(weight.shape)
        found[name + STEPS] = steps
    return found


def from_eight_bits(tensors: Tensors) -> Tensors:
    """The inverse, as far as rounding lets; tensors without steps stay as they are. Raises ValueError for steps
    that do not fit."""
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith(STEPS)}
    for name, steps in tensors.items():
        if not name.endswith(STEPS):
            continue
        weight = found.get(name.removesuffix(STEPS))
        if weight is None or weight.dtype != torch.int8 or steps.shape != weight.shape[:1]:
            raise ValueError(f"{name} without a weight of eight bits that they fit")
        found[name.removesuffix(STEPS)] = weight * steps.view(-1, *(1,) * (weight.ndim - 1))
    return found
