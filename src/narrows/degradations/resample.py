"""Images made smaller and larger by a whole factor, with the bicubic kernel and antialiasing of MATLAB's `imresize`.

Published results for super-resolution use it. PyTorch computes the same except at the borders, where `imresize`
mirrors the picture; so it is mirrored here first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from narrows.checks import whole
from narrows.degradations.base import Hints, Observed, Unconditional

SCALE_MOST = 4
MARGIN = 4  # pixels of the small picture, more than the kernel reaches


@dataclass(frozen=True)
class Smaller(Unconditional):
    """Fewer pixels: sides divided by `scale`, 2 to 4. The guess is the picture made larger again by the same kernel.

    Raises `SettingsError` for other scales.
    """

    scale: int = 2

    name = "smaller"
    task = "upscale"

    def __post_init__(self) -> None:
        scale = whole("scale", self.scale, 2, SCALE_MOST)
        vars(self).update(scale=scale, fold=scale)  # frozen: not by assignment

    def __str__(self) -> str:
        return f"{self.scale} times smaller"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "scale": self.scale}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        return self.given(smaller(clean, self.scale), Hints())

    def guess(self, observed: Observed) -> torch.Tensor:
        return larger(observed.seen, self.scale)


def smaller(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Images `(N, C, H, W)` to `(N, C, H / scale, W / scale)`, antialiased; sides that do not divide are first
    extended by mirroring."""
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
    # When enlarging, antialiasing only changes the kernel, to that of `imresize`.
    large = functional.interpolate(x, size=tuple(n * scale for n in x.shape[2:]), mode="bicubic", antialias=True)
    margin = MARGIN * scale
    return large[..., margin:-margin, margin:-margin]


def mirrored(x: torch.Tensor, pad: tuple[int, int, int, int]) -> torch.Tensor:
    """`x` `(N, C, H, W)` with columns added left and right and rows above and below, mirrored at its edges with the
    edge itself repeated, as often as needed."""
    left, right, above, below = pad
    for dim, before, after in ((2, above, below), (3, left, right)):
        size = x.shape[dim]
        places = torch.arange(-before, size + after, device=x.device) % (2 * size)
        x = x.index_select(dim, torch.minimum(places, 2 * size - 1 - places))
    return x
