"""The weights of a network as whole numbers of at most 16 bits, and back.

Next door: `packed_arrays` makes bytes of them; `decoder` runs the network in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from narrows.entropy.cumulative import Integers

LARGE = 4096  # weights of a tensor from which each is stored to a share of their deviation
SHARE = 1 / 128


def to_arrays(module: nn.Module) -> list[Integers]:
    """All that a network has learned: for each tensor the power of 2 that its numbers count, then these.

    The tensors come in the order in which the network registers them, whatever their names: those of a module before
    those of its children, its parameters before its buffers.
    """
    weights = [_whole(tensor) for tensor in module.state_dict().values()]
    return [np.array([scale for _, scale in weights], np.int64), *(array for array, _ in weights)]


def from_arrays(module: nn.Module, arrays: Iterator[Integers]) -> nn.Module:
    """Give a network, of any weights or none, those of `to_arrays`. Raises ValueError, StopIteration or RuntimeError
    where they do not fit."""
    scales = next(arrays)
    if np.abs(scales).max(initial=0) > 64:
        raise ValueError("a weight out of all range")
    floats = {
        name: torch.from_numpy(np.asarray(next(arrays) * 2.0 ** int(scale), np.float32))
        for name, scale in zip(module.state_dict(), scales, strict=True)
    }
    module.load_state_dict(floats, strict=True, assign=True)
    return module.eval()


def _whole(tensor: torch.Tensor) -> tuple[Integers, int]:
    """A tensor as whole numbers of at most 16 bits and the power of 2 that they count."""
    values = tensor.detach().cpu().double().numpy()
    largest = float(np.abs(values).max(initial=0))
    if not largest:
        return np.zeros(values.shape, np.int64), 0
    scale = math.ceil(math.log2(largest / (2**15 - 1)))
    if values.size >= LARGE:
        scale = max(scale, math.floor(math.log2(max(float(values.std()), 1e-30) * SHARE)))
    return np.rint(values * 2.0**-scale).astype(np.int64), scale
