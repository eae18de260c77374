"""Colours as grey and two planes of chroma, as JPEG has them (JFIF; ITU-R BT.601).

Next door: `degrade` takes the chroma away.
"""

from __future__ import annotations

import torch

LUMA = (0.299, 0.587, 0.114)
RED, BLUE = 1.402, 1.772  # of Cr in red and of Cb in blue


def luma(x: torch.Tensor) -> torch.Tensor:
    """The grey `(N, 1, H, W)` of colours `(N, 3, H, W)`."""
    weights = torch.tensor(LUMA, device=x.device, dtype=x.dtype).view(1, 3, 1, 1)
    return (x * weights).sum(dim=1, keepdim=True)


def to_chroma(x: torch.Tensor) -> torch.Tensor:
    """The planes Cb and Cr `(N, 2, H, W)` of colours `(N, 3, H, W)`, 0 for grey."""
    y = luma(x)
    return torch.cat([(x[:, 2:] - y) / BLUE, (x[:, :1] - y) / RED], dim=1)


def from_chroma(chroma: torch.Tensor) -> torch.Tensor:
    """What the planes Cb and Cr `(N, 2, H, W)`, 0 for grey, add to the luma: `(N, 3, H, W)`."""
    blue, red = chroma[:, :1], chroma[:, 1:]
    green = -(LUMA[0] * RED * red + LUMA[2] * BLUE * blue) / LUMA[1]
    return torch.cat([RED * red, green, BLUE * blue], dim=1)


def colourfulness(x: torch.Tensor) -> torch.Tensor:
    """How colourful images `(N, 3, H, W)` in 0..1 look, 0 for grey to about 100: `(N,)` (Hasler and Suesstrunk,
    "Measuring colourfulness in natural images", SPIE 5007, 2003)."""
    red, green, blue = (255 * x.double()).flatten(2).unbind(dim=1)
    first, second = red - green, (red + green) / 2 - blue
    spread = torch.hypot(first.std(dim=1, correction=0), second.std(dim=1, correction=0))
    return spread + 0.3 * torch.hypot(first.mean(dim=1), second.mean(dim=1))
