"""Signals around silence at a level of 1, whatever theirs is, so that a network learns one level.

Level and mean are whole numbers, which files keep. Next door: `lapped` is the transform of what becomes of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

# Part of the format.
OCTAVE = 4  # levels to a factor of 2
LEAST, LEVELS = (
    -32,
    160,
)  # from 2**8 times the range, as signals may be louder than those of training, to 2**-32 of it
MEANS = 2  # to a level: a mean is a multiple of half the level


@dataclass(frozen=True)
class Loudness:
    """The `level` `(N,)` of signals and the `mean` `(N, C)` of their channels, whole numbers in int64: where networks
    see 1, signals in 0..1 have 2**(-level / 4), and means count halves of that from 0.5 on."""

    level: torch.Tensor
    mean: torch.Tensor

    def gain(self, dtype: torch.dtype) -> torch.Tensor:
        """What a deviation of 1 becomes, `(N, 1, 1, 1)`."""
        return torch.exp2(-self.level.to(torch.float64) / OCTAVE).to(dtype).view(-1, 1, 1, 1)

    def normal(self, x: torch.Tensor) -> torch.Tensor:
        """Signals `(N, C, 1, T)` in 0..1 as networks see them."""
        gain = self.gain(x.dtype)
        return (x - 0.5 - self._middle(gain)) / gain

    def back(self, x: torch.Tensor) -> torch.Tensor:
        """The inverse."""
        gain = self.gain(x.dtype)
        return x * gain + self._middle(gain) + 0.5

    def _middle(self, gain: torch.Tensor) -> torch.Tensor:
        return self.mean.to(gain.dtype)[:, :, None, None] * (gain / MEANS)


@torch.no_grad()
def loudness(x: torch.Tensor) -> Loudness:
    """That of signals `(N, C, 1, T)` in 0..1: the root mean square of all channels about their means."""
    mean = x.mean(dim=3, keepdim=True)
    power = (x - mean).square().mean(dim=(1, 2, 3)).double()
    level = (-OCTAVE / 2 * torch.log2(power.clamp_min(2.0**-100))).round().clamp(LEAST, LEAST + LEVELS - 1).long()
    found = Loudness(level, torch.zeros(x.shape[:2], dtype=torch.int64, device=x.device))
    middle = (mean - 0.5)[:, :, 0, 0].double() / found.gain(torch.float64)[:, :, 0, 0]
    return Loudness(level, (MEANS * middle).round().long())
