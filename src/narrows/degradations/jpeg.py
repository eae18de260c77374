"""Compression by JPEG (ITU-T T.81), with Pillow's encoder. Next door: `noise` is what cameras add before it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from narrows.checks import real
from narrows.degradations.base import Hints, Observed, Range, Unconditional, range_words
from narrows.degradations.resample import mirrored
from narrows.errors import SettingsError

USUAL_QUALITY = (10.0, 95.0)
BLOCK = 8  # pixels a side
WHOLE_COLOUR, HALF_COLOUR = 0, 2  # Pillow's names for chroma at full and at half resolution


@dataclass(frozen=True, init=False)
class Jpeg(Unconditional):
    """Images as they come out of a JPEG file of one `quality`, 1 to 100, or of a range, drawn anew for each sample.

    Chroma is kept at full or at half resolution, and the grid of the blocks begins at the corner or, as in pictures
    that were cut later, anywhere, all at random. Grey and RGB of 8 bits are what JPEG holds; other values are rounded
    to these.

    Raises `SettingsError` for qualities out of range; `observe` raises it for other numbers of channels.
    """

    quality: tuple[float, float]

    name = "jpeg"
    scale = 1
    fold = 2
    task = "denoise"
    veils = True

    def __init__(self, quality: Range = USUAL_QUALITY) -> None:
        low, high = quality if isinstance(quality, (tuple, list)) and len(quality) == 2 else (quality, quality)
        low, high = (real("JPEG quality", q, 1, 100) for q in (low, high))
        if low > high:
            raise SettingsError(f"JPEG quality {low:g} to {high:g} was given; the end must not be below the start")
        vars(self).update(quality=(low, high))  # frozen: not by assignment

    def __str__(self) -> str:
        return f"JPEG quality {range_words(self.quality)}"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "quality": list(self.quality)}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        if clean.ndim != 4 or clean.shape[1] not in (1, 3):
            raise SettingsError("JPEG holds grey and RGB images; train with another degradation on other samples")
        draws = torch.rand((len(clean), 5), generator=generator, device=clean.device).cpu().numpy()
        seen = np.stack([_coded(image, row, self.quality) for image, row in zip(_bytes(clean), draws, strict=True)])
        tensor = torch.from_numpy(seen).permute(0, 3, 1, 2).to(clean.device, clean.dtype)
        return self.given(tensor / 255, Hints())

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen


def _bytes(clean: torch.Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Images `(N, C, H, W)` in 0..1, mirrored at the left and upper edge by a block, as `(N, H + 8, W + 8, C)`."""
    padded = mirrored(clean, (BLOCK, 0, BLOCK, 0)).permute(0, 2, 3, 1)
    return (padded * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def _coded(image: Any, draws: Any, quality: tuple[float, float]) -> Any:
    """One such image through a JPEG file, without what was mirrored."""
    level = quality[0] + (quality[1] - quality[0]) * draws[0]
    top, left = (BLOCK - int(BLOCK * draw) * bool(draws[4] < 0.5) for draw in draws[2:4])
    content = io.BytesIO()
    chroma = HALF_COLOUR if draws[1] < 0.5 else WHOLE_COLOUR
    cut = np.ascontiguousarray(image[top:, left:])
    Image.fromarray(cut[..., 0] if cut.shape[2] == 1 else cut).save(
        content, "JPEG", quality=round(level), subsampling=chroma
    )
    with Image.open(content) as file:
        pixels = np.asarray(file).reshape(cut.shape)
    return pixels[BLOCK - top :, BLOCK - left :]
