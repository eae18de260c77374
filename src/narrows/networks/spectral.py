"""A network over short-time spectra, which restores signals of any length.

A signal is cut into windows of about 32 ms, four to a window, and their Fourier spectra are the channels of a row of
dilated convolutions (van den Oord et al., "WaveNet", 2016), which see about half a second. The network answers with a
gain and a rotation of every place of the spectrum, and with what is to be added there, relative to the level of the
sample, so that the level of a recording does not matter. Beside it runs a linear path over time, which starts as the
best linear filter. Against noise the gain starts as the Wiener filter of a noise whose level is read from the quiet
places of the spectrum; the rest starts at zero. Next door: `models.restorer` says what goes in and what the result
means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from narrows.networks.layers import Added, silence

WIDTH = 192
DILATIONS = (1, 2, 4, 8, 1, 2, 4, 8)  # of the first convolution of each block, in hops
WINDOW_SECONDS = 0.032
WINDOW = 256  # steps, where the rate is not known
HOPS = 4  # in a window
QUIET = 0.25  # the share of the places of the spectrum from whose largest power the noise is read
LEAST_RATIO = 0.03  # of signal to noise, in the first Wiener gain
LITTLE = 1e-10  # added to powers
FEWEST = 1e-5  # added to levels
SPREAD = 3  # of ratios and gains, in nepers
TAPS = 65  # of the linear filter
RIDGE = 1e-5  # of the mean square of its inputs
ROWS = 1 << 16  # that are summed at a time for it


def window_of(rate: float) -> int:
    """Steps in a window, a power of 2, for signals of this rate, or of unknown rate if it is 0."""
    return 1 << max(4, round(math.log2(WINDOW_SECONDS * rate))) if rate else WINDOW


@dataclass
class Spectra:
    """The network's inputs `(N, I, 1, T)` around 0, the spectra `(N, C, B, L)` of the signals among them, their
    levels `(N, C, 1, 1)`, the first Wiener gain as a logit, likewise `(N, C, B, L)`, and features `(N, W, 1, L)`."""

    inputs: torch.Tensor
    spectra: torch.Tensor
    levels: torch.Tensor
    logits: torch.Tensor | None
    features: torch.Tensor


class Encoder(nn.Module):
    """Inputs `(N, I, 1, T)`, of which the first `channels` are signals around 0.5, to spectra and features."""

    window: torch.Tensor

    def __init__(self, inputs: int, channels: int, width: int, window: int, against_noise: bool) -> None:
        super().__init__()
        self.channels, self.against_noise = channels, against_noise
        self.register_buffer("window", torch.hann_window(window).sqrt(), persistent=False)
        bins = window // 2 + 1
        self.enter = nn.Conv2d((2 * inputs + (1 + against_noise) * channels) * bins, width, 1)
        self.blocks = nn.Sequential(*(block(width, dilation) for dilation in DILATIONS))

    def forward(self, x: torch.Tensor) -> Spectra:
        signals, more = x[:, : self.channels] - 0.5, x[:, self.channels :]
        x = torch.cat([signals, more], dim=1)
        with torch.autocast(x.device.type, enabled=False):
            spectra = spectra_of(signals, self.window)
            powers = spectra.abs().square()
            levels = powers.mean(dim=(2, 3), keepdim=True).sqrt() + FEWEST
            relative = spectra / levels
            seen = [relative.real, relative.imag, relative.abs().clamp_min(1e-4).sqrt()]
            if more.shape[1]:
                others = spectra_of(more, self.window)
                seen += [others.real, others.imag]
            logits = None
            if self.against_noise:
                logits, ratios = _ratios(powers)
                seen.append(ratios)
        features = self.blocks(self.enter(torch.cat([part.flatten(1, 2) for part in seen], dim=1)[:, :, None]))
        return Spectra(x, spectra, levels, logits, features)


class Decoder(nn.Module):
    """Spectra and features to what is added to the signals, `(N, C, 1, T)`."""

    window: torch.Tensor

    def __init__(self, inputs: int, channels: int, width: int, window: int, against_noise: bool, fold: int) -> None:
        super().__init__()
        self.fold = fold
        self.register_buffer("window", torch.hann_window(window).sqrt(), persistent=False)
        self.leave = silence(nn.Conv2d(width, 4 * channels * (window // 2 + 1), 1))
        taps = (1, TAPS // fold | 1)
        padding = (0, taps[1] // 2)
        self.linear = silence(nn.Conv2d(inputs * fold, channels * fold, taps, padding=padding, bias=False))
        self.sharpness = nn.Parameter(torch.tensor([1.0, 0.0])) if against_noise else None

    def forward(self, given: Spectra) -> torch.Tensor:
        count, channels, bins, frames = given.spectra.shape
        with torch.autocast(given.inputs.device.type, enabled=False):
            answer = self.leave(given.features.float()).view(count, 4, channels, bins, frames)
            gain, turn, real, imaginary = answer.unbind(1)
            if given.logits is not None:
                assert self.sharpness is not None
                gain = torch.sigmoid(self.sharpness[0] * given.logits + self.sharpness[1] + SPREAD * gain) - 1
            added = torch.complex(gain, turn) * given.spectra + torch.complex(real, imaginary) * given.levels
            straight = unfolded(self.linear(folded(given.inputs, self.fold)), self.fold)
            length = given.inputs.shape[3]
            total: torch.Tensor = signals_of(added, self.window, length) + straight[..., :length]
            return total


def spectral(
    inputs: int, channels: int, width: int, window: int, against_noise: bool, fold: int
) -> tuple[Encoder, Decoder]:
    """Halves from `inputs` channels, the first `channels` of which are the signals, to what is added to these.

    The linear path tells apart the steps of blocks of `fold`."""
    return (
        Encoder(inputs, channels, width, window, against_noise),
        Decoder(inputs, channels, width, window, against_noise, fold),
    )


def spectra_of(x: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Signals `(N, C, 1, T)` to complex spectra `(N, C, B, L)`; white noise of deviation 1 has power 2 in each."""
    size = len(window)
    found = torch.stft(x.flatten(0, 2), size, size // HOPS, window=window, pad_mode="constant", return_complex=True)
    spectra: torch.Tensor = found.view(*x.shape[:2], *found.shape[1:]) * (2 / size**0.5)
    return spectra


def signals_of(spectra: torch.Tensor, window: torch.Tensor, length: int) -> torch.Tensor:
    """The inverse of `spectra_of`, `(N, C, 1, T)` with T the `length`."""
    size = len(window)
    flat = spectra.flatten(0, 1) * (size**0.5 / 2)
    return torch.istft(flat, size, size // HOPS, window=window, length=length).view(*spectra.shape[:2], 1, length)


@torch.no_grad()
def start(encoder: nn.Module, decoder: Any, x: torch.Tensor, answer: torch.Tensor) -> nn.Conv2d:
    """Put the least-squares filter from inputs `x` to `answer` into the linear path of a decoder, as far as the rest
    of the network, which has to be at its start, leaves it something to do; returns that layer."""
    layer: nn.Conv2d = silence(decoder.linear)
    fold: int = decoder.fold
    size, reach, places = layer.weight[0].numel(), (1, layer.kernel_size[1]), (0, layer.kernel_size[1] // 2)
    products, sums = (torch.zeros(size, n, dtype=torch.float64) for n in (size, layer.out_channels))
    few = max(1, ROWS // x.shape[3])
    for seen, target in zip(torch.split(x, few), torch.split(answer, few), strict=True):
        given = encoder(seen)
        wanted = folded(target - decoder(given), fold)
        rows = functional.unfold(folded(given.inputs, fold), reach, padding=places).transpose(1, 2)
        rows, goals = rows.reshape(-1, size), wanted[:, :, 0].transpose(1, 2).reshape(-1, layer.out_channels)
        for some, goal in zip(torch.split(rows, ROWS), torch.split(goals, ROWS), strict=True):
            products += (some.T @ some).double().cpu()
            sums += (some.T @ goal).double().cpu()
    products.diagonal().add_(RIDGE * products.diagonal().mean() + 1e-12)
    layer.weight.copy_(torch.linalg.solve(products, sums).T.reshape(layer.weight.shape))
    return layer


def _ratios(powers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """From powers `(N, C, B, L)`, logits of the Wiener gain, and the logarithms of ratios to the noise."""
    flat = powers.flatten(2)
    rank = max(1, round(QUIET * flat.shape[2]))
    floor = flat.kthvalue(rank, dim=2).values / -math.log1p(-QUIET) + LITTLE  # powers of noise are exponential
    ratios = powers / floor[..., None, None]
    smooth = functional.avg_pool2d(ratios, 3, 1, 1, count_include_pad=False)
    return torch.log((smooth - 1).clamp_min(LEAST_RATIO)), torch.log(ratios + 0.1) / SPREAD


def folded(x: torch.Tensor, fold: int) -> torch.Tensor:
    """Signals `(N, C, 1, T)` as blocks of `fold` steps, `(N, C fold, 1, ceil(T / fold))`, with 0 beyond their end."""
    x = functional.pad(x, (0, -x.shape[3] % fold))
    count, channels, _, length = x.shape
    blocks = x.reshape(count, channels, length // fold, fold).transpose(2, 3)
    return blocks.reshape(count, channels * fold, 1, length // fold)


def unfolded(x: torch.Tensor, fold: int) -> torch.Tensor:
    """The inverse of `folded`."""
    count, channels, _, length = x.shape
    blocks = x.reshape(count, channels // fold, fold, length).transpose(2, 3)
    return blocks.reshape(count, channels // fold, 1, length * fold)


def block(width: int, dilation: int) -> Added:
    """A residual block of two convolutions in time, the first of them dilated."""

    def convolution(step: int) -> nn.Conv2d:
        return nn.Conv2d(width, width, (1, 3), padding=(0, step), dilation=(1, step), bias=False)

    return Added(convolution(dilation), nn.ReLU(), silence(convolution(1)))
