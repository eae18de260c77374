"""Colours taken away, and the arithmetic of luma and chroma as JPEG has them (JFIF; ITU-R BT.601)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from narrows.checks import real
from narrows.degradations.base import Degradation, Hints, Observed

LUMA = (0.299, 0.587, 0.114)
RED, BLUE = 1.402, 1.772  # of Cr in red and of Cb in blue
COLOURFUL = 0.9  # of the colourfulness of true pictures, since wrong bright colours are worse than pale ones
VIVIDNESS_TRAINED = 2.0  # the largest that one training sets
VIVIDNESS_MOST = 4.0


@dataclass(frozen=True)
class Grey(Degradation):
    """Colours removed. The luma is kept exactly, and a network returns the two planes of chroma.

    The condition is a plane of ones, which shows a network where the border is. If several colours are likely, the
    prediction of least error is their mean, which is paler than any of them; chroma is multiplied by `vividness`, 0
    to 4, which training sets so that results are nearly as colourful as true pictures.

    Raises `SettingsError` for a vividness out of range.
    """

    vividness: float = 1.0

    name = "grey"
    scale = 1
    fold = 4
    condition_channels = 1
    task = "colourise"
    needs = ()

    def __post_init__(self) -> None:
        vars(self).update(vividness=real("vividness", self.vividness, 0, VIVIDNESS_MOST))  # frozen: not by assignment

    def __str__(self) -> str:
        return "grey"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "vividness": self.vividness}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        return Observed(luma(clean), torch.ones_like(clean[:, :1]))

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        grey = luma(seen) if seen.shape[1] == 3 else seen
        return Observed(grey, torch.ones_like(grey))

    def hints(self, observed: Observed) -> Hints:
        return Hints()

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen.expand(-1, 3, -1, -1)

    def colours(self, clean: int) -> tuple[int, ...]:
        return (1, 3)

    def answers(self, colours: int) -> int:
        return 2

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return to_chroma(wanted)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + self.vividness * from_chroma(answer)

    def settled(self, restored: Callable[[], torch.Tensor], clean: torch.Tensor) -> Degradation:
        wanted = COLOURFUL * float(colourfulness(clean).mean())
        found = restored()
        grey, chroma = luma(found), from_chroma(to_chroma(found))
        low, high = 1.0, min(VIVIDNESS_TRAINED, VIVIDNESS_MOST / max(self.vividness, 1))
        for _ in range(12):  # halves the span each time
            middle = (low + high) / 2
            enough = float(colourfulness((grey + middle * chroma).clamp(0, 1)).mean()) >= wanted
            low, high = (low, middle) if enough else (middle, high)
        return Grey(round(self.vividness * high, 3) if high > 1.001 else self.vividness)


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
