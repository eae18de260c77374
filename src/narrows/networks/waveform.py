"""A network over the waveform, which restores signals of any length where phases matter most.

The signal is folded, about a millisecond to a place, and goes through residual blocks of dilated convolutions (van
den Oord et al., "WaveNet", 2016) at the level of its own power. Beside them runs a linear path over time, which
starts as the best linear filter; the rest starts at zero. Next door: `spectral` works on spectra, which suits noise
better; `models.restorer` says what goes in and what the result means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from narrows.networks.layers import silence
from narrows.networks.spectral import FEWEST, TAPS, block, folded, unfolded

WIDTH = 128
DILATIONS = (1, 2, 4, 8, 16)
FOLD_SECONDS = 0.001
FOLD = 8  # steps, where the rate is not known


def fold_of(rate: float, scale: int) -> int:
    """Steps in a place: a power of 2, or the scale times one, about a millisecond at this rate."""
    steps = FOLD_SECONDS * rate if rate else FOLD
    return scale * max(1, 1 << max(0, round(math.log2(steps / scale))))


@dataclass
class Places:
    """The network's inputs `(N, I, 1, T)` around 0, the levels of its signals `(N, 1, 1, 1)`, and features
    `(N, W, 1, L)`."""

    inputs: torch.Tensor
    levels: torch.Tensor
    features: torch.Tensor


class Encoder(nn.Module):
    """Inputs `(N, I, 1, T)`, of which the first `channels` are signals around 0.5, to features."""

    def __init__(self, inputs: int, channels: int, width: int, fold: int) -> None:
        super().__init__()
        self.channels, self.fold = channels, fold
        self.enter = nn.Conv2d(inputs * fold, width, (1, 5), padding=(0, 2), bias=False)
        self.blocks = nn.Sequential(*(block(width, dilation) for dilation in DILATIONS))

    def forward(self, x: torch.Tensor) -> Places:
        signals, more = x[:, : self.channels] - 0.5, x[:, self.channels :]
        levels = signals.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + FEWEST
        relative = torch.cat([signals / levels, more], dim=1)
        features = self.blocks(self.enter(folded(relative, self.fold)))
        return Places(torch.cat([signals, more], dim=1), levels, features)


class Decoder(nn.Module):
    """Features to what is added to the signals, `(N, C, 1, T)`."""

    def __init__(self, inputs: int, channels: int, width: int, fold: int) -> None:
        super().__init__()
        self.fold = fold
        self.leave = silence(nn.Conv2d(width, channels * fold, (1, 3), padding=(0, 1), bias=False))
        taps = TAPS // fold | 1
        self.linear = silence(
            nn.Conv2d(inputs * fold, channels * fold, (1, taps), padding=(0, taps // 2), bias=False)
        )

    def forward(self, given: Places) -> torch.Tensor:
        with torch.autocast(given.inputs.device.type, enabled=False):
            bent = unfolded(self.leave(given.features.float()), self.fold) * given.levels
            straight = unfolded(self.linear(folded(given.inputs, self.fold)), self.fold)
            return (bent + straight)[..., : given.inputs.shape[3]]


def waveform(inputs: int, channels: int, width: int, fold: int) -> tuple[Encoder, Decoder]:
    """Halves from `inputs` channels, the first `channels` of which are the signals, to what is added to these."""
    return Encoder(inputs, channels, width, fold), Decoder(inputs, channels, width, fold)
