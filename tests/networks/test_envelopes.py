"""How unlike sounds are to listeners: by the shape of envelopes, whatever their volume, and with safe gradients."""

from __future__ import annotations

import pytest
import torch

from narrows.networks.envelopes import unlike

RATE = 8000.0


def sound(count: int = 2, length: int = 6000, seed: int = 0) -> torch.Tensor:
    """Noise that rises and falls, `(N, 1, 1, T)` around 0.5."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 1, 1, length, generator=generator)
    phase = torch.rand(count, 1, 1, 1, generator=generator)
    return 0.5 + 0.05 * noise * torch.sin(torch.arange(length) / 400 + 6 * phase).square()


def test_the_same_at_another_volume_is_alike_and_other_sounds_and_silence_are_not() -> None:
    x = sound()
    assert unlike(x, x, RATE).abs().max() < 1e-5
    assert unlike(x, 0.5 + 3 * (x - 0.5), RATE).abs().max() < 1e-3
    assert unlike(x, sound(seed=1), RATE).min() > 0.3
    assert unlike(x, torch.full_like(x, 0.5), RATE).min() > 0.3


def test_a_faint_band_that_is_lost_counts_though_its_error_is_small() -> None:
    spectrum = torch.fft.rfft(sound() - 0.5)
    high = torch.arange(spectrum.shape[-1]) > spectrum.shape[-1] // 2
    whole, without = (0.5 + torch.fft.irfft(spectrum * (~high + share * high)) for share in (0.03, 0.0))
    assert (whole - without).square().mean() < 1e-3 * (whole - 0.5).square().mean()
    assert unlike(whole, without, RATE).min() > 0.05


@pytest.mark.parametrize("rate", [0.0, 8000.0, 44100.0])
@pytest.mark.parametrize("length", [1, 100, 5000])
def test_gradients_are_finite_in_silence_and_in_sounds_shorter_than_a_window(length: int, rate: float) -> None:
    x = sound(length=length)
    silent = torch.full_like(x, 0.5)
    for first, second in ((x, x), (x, silent), (silent, x), (silent, silent)):
        y = second.clone().requires_grad_()
        found = unlike(first, y, rate)
        (slope,) = torch.autograd.grad(found.sum(), y)
        assert found.isfinite().all()
        assert slope.isfinite().all()


def test_a_rate_without_bands_tells_nothing() -> None:
    assert unlike(sound(), sound(seed=1), 100.0).tolist() == [0, 0]
