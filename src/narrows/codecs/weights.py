"""The weights of a network as integers of at most 16 bits, and back.

Next door: `packed_arrays` makes bytes of them; `decoder` runs the network in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from narrows.entropy.cumulative import Integers
from narrows.networks.layers import LinearPaths

LARGE = 4096  # weights of a tensor from which they are stored to these shares of their deviation
SHARE, SHARE_BESIDE = 1 / 128, 1 / 16  # the latter beside linear paths, which the most precise codes go through


def to_arrays(module: nn.Module) -> list[Integers]:
    """All weights of a network: the powers of 2 that its tensors are multiples of, then each tensor's multiples.

    The tensors come in the order in which the network registers them, whatever their names: a module's before its
    children's, parameters before buffers.
    """
    paths = module.parts()[0] if isinstance(module, LinearPaths) else [module]
    precise = {tensor.data_ptr() for path in paths for tensor in path.state_dict().values()}
    weights = [
        _whole(tensor, SHARE if tensor.data_ptr() in precise else SHARE_BESIDE)
        for tensor in module.state_dict().values()
    ]
    return [np.array([scale for _, scale in weights], np.int64), *(array for array, _ in weights)]


def from_arrays(module: nn.Module, arrays: Iterator[Integers]) -> nn.Module:
    """Load the weights of `to_arrays` into a network. Raises ValueError, StopIteration or RuntimeError if they do not
    fit."""
    scales = next(arrays)
    if np.abs(scales).max(initial=0) > 64:
        raise ValueError("a weight out of all range")
    floats = {
        name: torch.from_numpy(np.asarray(next(arrays) * 2.0 ** int(scale), np.float32))
        for name, scale in zip(module.state_dict(), scales, strict=True)
    }
    module.load_state_dict(floats, strict=True, assign=True)
    return module.eval()


def _whole(tensor: torch.Tensor, share: float) -> tuple[Integers, int]:
    """A tensor as integers of at most 16 bits, multiples of a power of 2, and that power."""
    values = tensor.detach().cpu().double().numpy()
    largest = float(np.abs(values).max(initial=0))
    if not largest:
        return np.zeros(values.shape, np.int64), 0
    scale = math.ceil(math.log2(largest / (2**15 - 1)))
    if values.size >= LARGE:
        scale = max(scale, math.floor(math.log2(max(float(values.std()), 1e-30) * share)))
    return np.rint(values * 2.0**-scale).astype(np.int64), scale
