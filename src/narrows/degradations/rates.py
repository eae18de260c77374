"""Signals at a lower rate, and brought back to a higher one by the usual filter.

The filter is that of `scipy.signal.resample_poly`: a windowed sinc with linear phase. Next door: `resample` does the
same for images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import scipy  # whose parts are loaded when they are first used
import torch
from torch.nn import functional

from narrows.checks import whole
from narrows.degradations.base import Hints, Observed, Unconditional
from narrows.degradations.resample import SCALE_MOST

CROSSINGS = 10  # zeros of the sinc on either side
BETA = 5.0  # of its Kaiser window
SILENCE = 0.5  # what signals are at rest, as networks see them; beyond their ends there is nothing else


@dataclass(frozen=True)
class LowerRate(Unconditional):
    """Signals at a rate that is `scale` times lower, 2 to 4, without what it cannot hold. The guess is the signal at
    the old rate again, by the same filter.

    Raises `SettingsError` for other scales.
    """

    scale: int = 2

    name = "lower-rate"
    task = "upscale"
    axes = 1

    def __post_init__(self) -> None:
        scale = whole("scale", self.scale, 2, SCALE_MOST)
        vars(self).update(scale=scale, fold=scale)  # frozen: not by assignment

    def __str__(self) -> str:
        return f"the rate divided by {self.scale}"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "scale": self.scale}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        return self.given(slower(clean, self.scale), Hints())

    def guess(self, observed: Observed) -> torch.Tensor:
        return faster(observed.seen, self.scale)


def slower(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Signals `(N, C, 1, T)` at a rate `scale` times lower, `(N, C, 1, ceil(T / scale))`."""
    rows = (x.float() - SILENCE).flatten(0, 1)[:, None]  # (N C, 1, 1, T)
    with torch.autocast(x.device.type, enabled=False):
        y = functional.conv2d(rows, _filter(scale).to(rows), stride=(1, scale), padding=(0, CROSSINGS * scale))
    return y.view(*x.shape[:2], 1, -1) + SILENCE


def faster(x: torch.Tensor, scale: int) -> torch.Tensor:
    """Signals `(N, C, 1, T)` at a rate `scale` times higher, `(N, C, 1, T scale)`."""
    rows = (x.float() - SILENCE).flatten(0, 1)[:, None]
    taps, padding = scale * _filter(scale).to(rows), (0, CROSSINGS * scale)
    with torch.autocast(x.device.type, enabled=False):
        y = functional.conv_transpose2d(rows, taps, stride=(1, scale), padding=padding, output_padding=(0, scale - 1))
    return y.view(*x.shape[:2], 1, -1) + SILENCE


@cache
def _filter(scale: int) -> torch.Tensor:
    """The taps of the low-pass filter, `(1, 1, 1, K)`, with sum 1."""
    taps = scipy.signal.firwin(2 * CROSSINGS * scale + 1, 1 / scale, window=("kaiser", BETA))
    return torch.from_numpy(taps).float().view(1, 1, 1, -1)
