"""Noise in signals, by its ratio to the signal. Next door: `noise` has that of images and vectors, by its level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from narrows.checks import one_of, real
from narrows.degradations.base import Hints, Observed, Unconditional, range_words, uniform
from narrows.errors import SettingsError

USUAL_SNR = (-2.5, 15.0)  # dB
SNR_LEAST, SNR_MOST = -30.0, 60.0
SILENT = 1e-5  # of the value range: what counts as the deviation of a sample of silence
NoiseColour = Literal["white", "pink"]


@dataclass(frozen=True, init=False)
class SignalNoise(Unconditional):
    """Gaussian noise in signals at one signal-to-noise ratio `snr_db`, or in a range of them, drawn anew for each
    sample: decibels of the sample's own power about its mean. All channels get noise of one power, and "pink" noise
    has half the power at twice the frequency. A network finds the level by itself.

    Raises `SettingsError` for ratios outside -30..60 dB and unknown colours.
    """

    snr_db: tuple[float, float]
    colour: NoiseColour

    name = "signal-noise"
    task = "denoise"
    scale = 1
    fold = 1
    axes = 1

    def __init__(
        self, snr_db: float | tuple[float, float] | list[float] = USUAL_SNR, colour: NoiseColour = "white"
    ) -> None:
        pair = snr_db if isinstance(snr_db, (tuple, list)) and len(snr_db) == 2 else (snr_db, snr_db)
        low, high = (real("signal-to-noise ratio", end, SNR_LEAST, SNR_MOST) for end in pair)
        if low > high:
            raise SettingsError(f"signal-to-noise ratio {low:g} to {high:g} was given; give the lower one first")
        colour = one_of("colour of noise", colour, get_args(NoiseColour))
        vars(self).update(snr_db=(low, high), colour=colour)  # frozen: not by assignment

    def __str__(self) -> str:
        return f"{self.colour} noise at a signal-to-noise ratio of {range_words(self.snr_db)} dB"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "snr_db": list(self.snr_db), "colour": self.colour}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        level = deviation(clean) * 10 ** (-uniform(self.snr_db, clean, generator) / 20)
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        return self.given(clean + level * (_pink(noise) if self.colour == "pink" else noise), Hints())

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen


def deviation(x: torch.Tensor) -> torch.Tensor:
    """The standard deviation of each sample of `(N, C, 1, T)` about its mean, `(N, 1, 1, 1)`, never quite 0."""
    centred = x - x.mean(dim=3, keepdim=True)
    return centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(SILENT)


def _pink(white: torch.Tensor) -> torch.Tensor:
    """White noise `(N, C, 1, T)` weighted by the root of the wavelength, of deviation 1."""
    spectrum = torch.fft.rfft(white)
    frequency = torch.arange(spectrum.shape[-1], device=white.device).clamp_min(1)
    pink: torch.Tensor = torch.fft.irfft(spectrum / frequency.sqrt(), n=white.shape[-1])
    pink = pink / deviation(pink)
    return pink
