"""Codes that are searched for: those that decode to the least squared error, beginning at what the encoder says.

An encoder gives every sample its code at once, and misses the best one by what is called the amortisation gap
(Cremer, Li and Duvenaud, 2018, https://arxiv.org/abs/1801.03558). The steps are those of Levenberg and Marquardt
(Marquardt, 1963), of each sample alone.
Next door: `autoencoder` offers it as an effort; `codecs.refinement` does the like for symbols of archives.
"""

from __future__ import annotations

import torch
from torch import nn

ROUNDS = 6
DAMPING, LESS, MORE = 1e-2, 1 / 3, 4.0  # at first, as a share of the curvature; after a step that helped, or did not
RIDGE = 1e-6  # of squared changes; numbers that change nothing stay
MOVE = 1e-2  # of the size of a number, by which it is moved to see what changes
BYTES = 1 << 26  # of slopes at a time


@torch.no_grad()
def searched(decoder: nn.Module, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
    """For samples in 0..1 `(N, ...)` and their codes `(N, K)` other codes, whose errors are no larger."""
    each = 4 * x[0].numel() * code.shape[1]
    rows = max(1, BYTES // each)
    starts = range(0, len(x), rows)
    return torch.cat([_searched(decoder, x[at : at + rows], code[at : at + rows]) for at in starts])


def _searched(decoder: nn.Module, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
    """The same for as many as fit. Slopes are differences of what is decoded: values cut to 0..1 have none."""

    def decoded(code: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = decoder(code)
        return values.flatten(1)

    x, count = x.flatten(1), code.shape[1]
    moves = torch.diag(MOVE * code.square().mean(dim=0).sqrt().clamp_min(1e-3))
    damping, seen = code.new_full((len(code), 1), DAMPING), decoded(code)
    for _ in range(ROUNDS):
        moved = decoded((code[:, None] + moves).flatten(0, 1)).view(len(code), count, -1)
        slopes = (moved - seen[:, None]) / moves.diagonal()[:, None]  # (N, K, values)
        curvature, gain = slopes @ slopes.mT, slopes @ (x - seen)[..., None]
        damped = damping * curvature.diagonal(dim1=1, dim2=2) + RIDGE
        step = torch.linalg.solve(curvature + torch.diag_embed(damped), gain)[..., 0]
        tried = decoded(code + step)
        better = (_error(x, tried) < _error(x, seen))[:, None]  # False for NaN, too
        code, seen = torch.where(better, code + step, code), torch.where(better, tried, seen)
        damping = damping * torch.where(better, LESS, MORE)
    return code


def _error(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x - y).square().sum(dim=1)
