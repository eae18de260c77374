"""Images made smaller and larger by a whole factor, with the bicubic kernel and antialiasing of MATLAB's `imresize`.

That is the protocol of published figures for super-resolution. PyTorch computes everything but the borders, where the
picture is mirrored here as it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from narrows.checks import whole
from narrows.degradations.base import Hints, Observed, Unconditional

SCALE_MOST = 4
MARGIN = 4  # pixels of the small picture: more than the kernel reaches


@dataclass(frozen=True)
class Smaller(Unconditional):
    """Fewer pixels: sides divided by `scale`, 2 to 4. The guess is the picture made larger again by the same kernel.

    Raises `SettingsError` for other scales.
    """

    scale: int = 2

    name = "smaller"
    task = "upscale"

    def __post_init__(self) -> None:
        vars(self).update(scale=whole("scale", self.scale, 2, SCALE_MOST))  # frozen: not by assignment

    def __str__(self) -> str:
        return f"{self.scale} times smaller"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "scale": self.scale}]

    @property
    def fold(self) -> int:
        """The scale: one position for each pixel that is seen."""
        return self.scale

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
    # For larger pictures antialiasing changes nothing but the kernel, which is then that of `imresize`.
    large = functional.interpolate(x, size=tuple(n * scale for n in x.shape[2:]), mode="bicubic", antialias=True)
    margin = MARGIN * scale
    return large[..., margin:-margin, margin:-margin]


def mirrored(x: torch.Tensor, pad: tuple[int, int, int, int]) -> torch.Tensor:
    """`x` `(N, C, H, W)` with this many columns added left and right and rows above and below, mirrored at its edges
    with the edge itself repeated, and again where the picture is smaller than that."""
    left, right, above, below = pad
    rows = _mirror(x.shape[2], above, below, x.device)
    columns = _mirror(x.shape[3], left, right, x.device)
    return x.index_select(2, rows).index_select(3, columns)


def _mirror(size: int, before: int, after: int, device: torch.device) -> torch.Tensor:
    places = torch.arange(-before, size + after, device=device) % (2 * size)
    return torch.minimum(places, 2 * size - 1 - places)
