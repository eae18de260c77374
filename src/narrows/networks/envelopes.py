"""How unlike two sounds are to listeners: how little the envelopes of their bands have in common.

A sound is understood by how the loudness of its bands rises and falls, in each band alike, however weak it is. The
measure follows short-time objective intelligibility (Taal, Hendriks, Heusdens and Jensen, IEEE Transactions on Audio,
Speech and Language Processing 19(7), 2011), with all bands that the rate has, and with gradients everywhere.
Next door: `lapped` is what learns by it; the error by which it learns beside that is in `models.lossy`.
"""

from __future__ import annotations

import functools
import itertools

import torch
from torch.nn import functional

WINDOW_SECONDS = 0.0256  # every half of it
SEGMENT, HOP = 30, 5  # windows that are compared at a time, and from one such comparison to the next
LOWEST, BANDS_AN_OCTAVE = 150.0, 3  # Hz: the middle of the first band
USUAL_RATE = 16000.0  # where none is known
DEAF = 1e-4  # of the mean power of all bands, below which nothing is heard
LEAST_CHANGE = 0.1  # of what is not heard, by which an envelope has to change to have a shape
CLIPPED = 1 + 10**0.75  # times as loud as the other: more is not worse


def unlike(x: torch.Tensor, y: torch.Tensor, rate: float) -> torch.Tensor:
    """1 less the mean correlation of envelopes of `y` with those of `x`, both `(N, C, 1, T)` in samples of `rate` Hz:
    `(N,)` in 0..2, 0 for equal ones. A rate of 0 is one that is not known; of one that has no band, all is 0."""
    window, bands = _bands(rate or USUAL_RATE, x.device)
    if not len(bands):
        return torch.zeros(len(x), device=x.device)
    first, second = (_powers(each, window, bands) for each in (x, y))
    deaf = DEAF * first.mean(dim=(1, 2), keepdim=True) + 1e-20
    first, second = ((each / deaf + 1).sqrt() for each in (first, second))
    size = min(SEGMENT, first.shape[2])
    first, second = (each.unfold(2, size, HOP) for each in (first, second))  # (N C, B, segments, size)
    second = second * (first.norm(dim=3, keepdim=True) / second.norm(dim=3, keepdim=True))
    second = torch.minimum(second, CLIPPED * first)
    first, second = (each - each.mean(dim=3, keepdim=True) for each in (first, second))
    # As if both had one more number, the same, which matters where bands hardly change.
    same = torch.tensor(LEAST_CHANGE * size**0.5, device=x.device)
    first, second = (torch.cat([each, same.expand(*each.shape[:3], 1)], 3) for each in (first, second))
    alike: torch.Tensor = functional.cosine_similarity(first, second, dim=3)
    return 1 - alike.view(len(x), -1).mean(dim=1)


def _powers(x: torch.Tensor, window: torch.Tensor, bands: torch.Tensor) -> torch.Tensor:
    """Powers of bands `(N C, B, windows)` of signals `(N, C, 1, T)`."""
    size = 2 * (bands.shape[1] - 1)
    flat = x.float().flatten(0, 2)
    # Without their mean, which may be large beside all else, and would leak into the lowest band.
    flat = functional.pad(flat - flat.mean(dim=1, keepdim=True), (0, max(0, size - x.shape[3])))
    spectrum = torch.stft(flat, size, len(window) // 2, len(window), window, center=False, return_complex=True)
    powers: torch.Tensor = bands @ torch.view_as_real(spectrum).square().sum(dim=3)
    return powers


@functools.lru_cache(8)
def _bands(rate: float, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The window, and which bins of its spectrum belong to each band `(B, bins)`, of those that have any."""
    steps = max(4, 2 * round(rate * WINDOW_SECONDS / 2))
    size = 2 * (1 << (steps - 1).bit_length())  # bins twice as fine as the window, so that low bands have some
    frequencies = torch.fft.rfftfreq(size, 1 / rate)
    edges = [LOWEST * 2 ** ((number - 0.5) / BANDS_AN_OCTAVE) for number in range(64)]
    inside = [(low <= frequencies) & (frequencies < high) for low, high in itertools.pairwise(edges)]
    whole = [band for band, low in zip(inside, edges, strict=False) if band.any() and low < 0.47 * rate]
    bands = torch.stack(whole).float() if whole else torch.zeros(0, len(frequencies))
    return torch.hann_window(steps, device=device), bands.to(device)
