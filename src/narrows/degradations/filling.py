"""Missing pixels filled in from known ones nearby: the first guess. Next door: `masks` hides pixels."""

from __future__ import annotations

import torch
from torch.nn import functional

TENSION = 0.3  # of the plate that fills gaps, relative to its bending stiffness
STIFFEST = 64 + 8 * TENSION  # the largest eigenvalue of its equations
SOFTEST = 2.0  # the smallest that a few steps solve well; longer waves come from the coarse-to-fine start
BENDINGS = 8  # steps


def filled(seen: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Samples `(N, C, H, W)` with the pixels filled in where the mask `known` `(N, 1, H, W)` is 0. Vectors stay as
    they are.

    First from coarse to fine, then bent towards a spline in tension (Smith and Wessel, Geophysics 1990) by Chebyshev
    steps (Golub and Varga, Numerische Mathematik 1961). Their number, size and reach are fixed, so a tile of an image
    is filled as it is in the whole.
    """
    if known.ndim < 4 or _nothing_missing(known):
        return seen
    missing = (known == 0).to(seen.dtype)
    x = _coarse_to_fine(seen, known)
    middle, half = (STIFFEST + SOFTEST) / 2, (STIFFEST - SOFTEST) / 2
    last, ratio = half / middle, middle / half
    step = _force(x, missing) / middle
    for _ in range(BENDINGS - 1):
        x = x + step
        grown = 1 / (2 * ratio - last)
        step = (grown * last) * step + (2 * grown / half) * _force(x, missing)
        last = grown
    return x + step


def _nothing_missing(known: torch.Tensor) -> bool:
    """Whether all is known; not asked while the model is exported, which goes one way for all samples."""
    return not torch.compiler.is_exporting() and bool((known > 0).all())


def _force(x: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
    """The force on the missing pixels of a plate that resists bending and, a little, stretching."""
    curved = _curvature(x)
    return missing * _curvature(TENSION * x - curved)


def _curvature(x: torch.Tensor) -> torch.Tensor:
    """The sum of the differences to the four neighbours, as far as they exist."""
    out = torch.zeros_like(x)
    for dim in (2, 3):
        size = x.shape[dim] - 1
        difference = x.narrow(dim, 1, size) - x.narrow(dim, 0, size)
        out.narrow(dim, 0, size).add_(difference)
        out.narrow(dim, 1, size).sub_(difference)
    return out


def _coarse_to_fine(seen: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Missing pixels as the mean of the known ones in the smallest square of 2, 4, 8 ... pixels a side that has any,
    smoothly enlarged (push-pull, Gortler et al., SIGGRAPH 1996)."""
    if max(known.shape[2:]) == 1 or _nothing_missing(known):
        return seen
    size = known.shape[2:]
    pad = (0, size[1] % 2, 0, size[0] % 2)
    share = functional.avg_pool2d(functional.pad(known, pad), 2)
    sums = functional.avg_pool2d(functional.pad(seen * known, pad), 2)
    coarse = _coarse_to_fine(sums / share.clamp_min(1e-6), (share > 0).to(share.dtype))
    fine = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(known > 0, seen, fine[..., : size[0], : size[1]])
