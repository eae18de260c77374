"""Fully connected encoder and decoder for vectors and small images, around a linear path that starts as PCA.

The sizes 784-1000-500-250-30 are those of Hinton and Salakhutdinov (Science 313, 2006); GELU in place of sigmoids and
the linear path are ours. Next door: `conv` for images of any size.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from narrows.networks.klt import LinearOptimum, code_deviation
from narrows.networks.layers import Clamp, Narrow, Scale, Standardise, Sum, silence


class Branch(nn.Sequential, Narrow):
    """Hidden layers, and a last one that is always precise."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *hidden, last = self
        with self.precision(x):
            for layer in hidden:
                x = layer(x)
        found: torch.Tensor = last(x.float() if self.narrow else x)
        return found


def _layers(sizes: list[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for into, out in pairwise(sizes[:-1]):
        layers += [nn.Linear(into, out), nn.GELU()]
    return [*layers, silence(nn.Linear(sizes[-2], sizes[-1]))]


def dense(shape: tuple[int, ...], code: int, width: int) -> tuple[nn.Module, nn.Module]:
    """Halves for samples of `shape` `(C, H, W)` or `(D,)`; hidden layers of `width`, half and a quarter of it."""
    values = int(torch.Size(shape).numel())
    hidden = [max(width, 4), max(width // 2, 4), max(width // 4, 4)]
    into = Sum(nn.Linear(values, code), Branch(Standardise(), *_layers([values, *hidden, code])))
    back = Sum(nn.Linear(code, values), nn.Sequential(*_layers([code, *hidden[::-1], values]), Scale()))
    return nn.Sequential(nn.Flatten(), into), nn.Sequential(back, Clamp(), nn.Unflatten(1, shape))


@torch.no_grad()
def start(encoder: nn.Module, decoder: nn.Module, optimum: LinearOptimum, x: torch.Tensor) -> None:
    """Put PCA into the linear paths, scaled so that each code number has variance 1 on the training samples."""
    into, back = encoder[1], decoder[0]  # type: ignore[index]
    mean, components = torch.from_numpy(optimum.mean), torch.from_numpy(optimum.components)
    deviation = code_deviation(optimum)
    into.linear.weight.copy_(components / deviation[:, None])
    into.linear.bias.copy_(-into.linear.weight @ mean)
    back.linear.weight.copy_(components.T * deviation)
    back.linear.bias.copy_(mean)
    standardise, scale = into.branch[0], back.branch[-1]
    standardise.mean.copy_(x.mean())
    standardise.deviation.copy_(x.std().clamp_min(1e-3))
    scale.by.copy_(standardise.deviation)


@torch.no_grad()
def rescale(encoder: nn.Module, decoder: nn.Module, factors: torch.Tensor) -> None:
    """Multiply the numbers of the code by `factors` `(K,)` above 0; what the decoder makes of it stays."""
    into, back = encoder[1], decoder[0]  # type: ignore[index]
    for last in (into.linear, into.branch[-1]):
        last.weight.mul_(factors[:, None])
        last.bias.mul_(factors)
    for first in (back.linear, back.branch[0]):
        first.weight.div_(factors)
