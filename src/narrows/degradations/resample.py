"""Smaller and larger by a whole factor, with the bicubic kernel and the antialiasing of MATLAB's `imresize`.

That is the protocol of published figures for super-resolution. PyTorch computes it, all but the borders, where the
picture is mirrored here as it is there. Next door: `degrade` makes samples smaller with it.
"""

from __future__ import annotations

import torch
from torch.nn import functional

MARGIN = 4  # pixels of the small picture: more than the kernel reaches


def smaller(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Images `(N, C, H, W)` to `(N, C, H / scale, W / scale)`, antialiased; sides that do not divide are filled by
    mirroring."""
    if scale == 1:
        return x
    below, right = (-n % scale for n in x.shape[2:])
    margin = MARGIN * scale
    x = mirrored(x, (margin, margin + right, margin, margin + below))
    small = functional.interpolate(x, size=tuple(n // scale for n in x.shape[2:]), mode="bicubic", antialias=True)
    return small[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def larger(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Images `(N, C, h, w)` to `(N, C, h scale, w scale)`."""
    if scale == 1:
        return x
    x = mirrored(x, (MARGIN,) * 4)
    # For larger pictures antialiasing changes nothing but the kernel, which is then that of `imresize`.
    large = functional.interpolate(x, size=tuple(n * scale for n in x.shape[2:]), mode="bicubic", antialias=True)
    margin = MARGIN * scale
    return large[..., margin:-margin, margin:-margin]


def mirrored(x: torch.Tensor, pad: tuple[int, int, int, int]) -> torch.Tensor:
    """`x` `(N, C, H, W)` with so many columns left and right and rows above and below, mirrored at its edges, which
    come twice; as often as it takes."""
    left, right, above, below = pad
    rows = _mirror(x.shape[2], above, below, x.device)
    columns = _mirror(x.shape[3], left, right, x.device)
    return x.index_select(2, rows).index_select(3, columns)


def _mirror(size: int, before: int, after: int, device: torch.device) -> torch.Tensor:
    places = torch.arange(-before, size + after, device=device) % (2 * size)
    return torch.minimum(places, 2 * size - 1 - places)
