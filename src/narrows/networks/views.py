"""Two looks at one sample that mean the same, and how a code is made to say so.

`view` changes samples as little things do that do not matter; `disagreement` is low where codes of two looks agree
and those of different samples do not, by the spectral contrastive loss of HaoChen et al., "Provable guarantees for
self-supervised deep learning with spectral contrastive loss" (NeurIPS 2021): its minimum is the leading eigenvectors
of the graph that joins each sample with its looks, from which classes can be told by lines.
Next door: `models.embedder` trains with both.
"""

from __future__ import annotations

import torch
from torch.nn import functional

TURN = 0.1  # radians, to either side at most, as all of these
SHIFT = 0.1  # of half of a side
STRETCH = 0.1
SHEAR = 0.1
GAIN = 0.2
SWAPPED = 0.2  # of the values of a vector
FEW = 2  # samples for each number of a code


def view(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Another look at samples in 0..1: images `(N, C, H, W)` turned, moved, stretched and sheared a little, each at
    random, and made darker or lighter; signals `(N, C, 1, T)` moved, stretched and made louder or quieter about their
    mean; of vectors `(N, D)` a fifth of the values are those of other samples (Bahri et al., "SCARF", ICLR 2022)."""
    count = len(x)
    if x.ndim == 2:
        others = torch.randint(count, x.shape, generator=generator, device=x.device)
        swapped = torch.rand(x.shape, generator=generator, device=x.device) < SWAPPED
        return torch.where(swapped, x.gather(0, others), x)

    def at_most(limit: float) -> torch.Tensor:
        return limit * (2 * torch.rand(count, generator=generator, device=x.device) - 1)

    turn, shear, right, down = (at_most(limit) for limit in (TURN, SHEAR, SHIFT, SHIFT))
    stretch, gain = 1 + at_most(STRETCH), 1 + at_most(GAIN)
    rows = [
        torch.stack([stretch * turn.cos(), shear - turn.sin(), right], dim=1),
        torch.stack([turn.sin(), stretch * turn.cos(), down], dim=1),
    ]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(x.shape), align_corners=False)
    # Beyond the border is what lies there, so that the one row of a signal is seen from wherever it was moved.
    seen = functional.grid_sample(x, grid.to(x.dtype), padding_mode="border", align_corners=False)
    middle = x.mean(dim=(1, 2, 3), keepdim=True) if x.shape[2] == 1 else 0.0
    return middle + (seen - middle) * gain[:, None, None, None]


def disagreement(code: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """How far codes `(N, K)` of samples and those of another look at each are from agreeing, about 1 where they say
    nothing. Of few samples each also counts among those that are to differ, so that it never falls below 0: without,
    long codes at right angles would be ever better."""
    products = code @ other.T
    same, squares = products.diagonal(), products.square()
    count, numbers = code.shape
    few = count <= FEW * numbers
    between = squares.mean() if few else (squares.sum() - same.square().sum()) / (count * (count - 1))
    return 1 + (between - 2 * same.mean()) / numbers
