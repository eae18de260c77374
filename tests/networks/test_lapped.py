"""The MDCT of signals is orthonormal and has an inverse, whatever their length and level."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import torch

from narrows.codecs.bands import sizes as integer_sizes
from narrows.entropy.rounds import ROUNDS
from narrows.networks.bands import Bands, known_before, sizes
from narrows.networks.lapped import lapped, unlapped
from narrows.networks.loudness import loudness


@pytest.mark.parametrize(("channels", "block", "count"), [(1, 8, 1), (2, 64, 5), (3, 48, 2)])
def test_the_mdct_keeps_energy_and_is_undone(channels: int, block: int, count: int) -> None:
    x = torch.randn(2, channels, 1, block * count, generator=torch.Generator().manual_seed(1))
    code = lapped(x, block)
    assert code.shape == (2, block * channels, 1, count)
    assert torch.allclose(code.square().sum(), x.square().sum(), rtol=1e-5)
    assert torch.allclose(unlapped(code, block), x, atol=1e-5)


def test_one_block_is_a_dct() -> None:
    x = torch.randn(1, 1, 1, 32, generator=torch.Generator().manual_seed(2))
    wanted = scipy.fft.dct(x.numpy().reshape(-1), type=4, norm="ortho")
    assert np.allclose(lapped(x, 32).numpy().reshape(-1), wanted, atol=1e-5)


def test_a_tone_between_blocks_is_in_few_bands() -> None:
    x = torch.sin(torch.arange(6400) * 0.3).view(1, 1, 1, -1)
    energy = lapped(x, 64).square()[0, :, 0, 10:-10].mean(dim=1)
    assert energy.topk(3).values.sum() > 0.97 * energy.sum()


@pytest.mark.parametrize("gain", [1e-6, 1e-3, 0.4, 20.0])
def test_signals_of_every_level_and_mean_come_to_one_level_and_back(gain: float) -> None:
    x = 0.5 + gain * (torch.randn(3, 2, 1, 999, dtype=torch.float64) + torch.tensor([0.0, 30.0]).view(1, 2, 1, 1))
    found = loudness(x)
    normal = found.normal(x)
    assert ((normal.square().mean(dim=(1, 2, 3)) - 1).abs() < 0.35).all()
    assert torch.allclose(found.back(normal), x, rtol=1e-12, atol=1e-15)


def test_silence_has_a_level_and_stays_silent() -> None:
    x = torch.full((1, 1, 1, 50), 0.5)
    assert torch.equal(loudness(x).back(loudness(x).normal(x)), x)


def test_rounds_cover_every_band_once_and_see_only_what_came_before() -> None:
    size = torch.ones(1, 37)
    seen = torch.zeros_like(size)
    for number, at in enumerate(ROUNDS):
        assert torch.equal(known_before(size, number), seen)
        assert not seen[:, at].any()
        seen[:, at] = 1
    assert seen.all()


def test_sizes_of_whole_numbers_are_those_of_the_walk_in_integers() -> None:
    symbols = np.array([0, 1, -1, 2, 3, 4, -7, 100, 1023, -1024, 1 << 20])
    wanted = sizes(torch.from_numpy(symbols).double()).numpy()
    assert np.allclose(integer_sizes(symbols) / 128, wanted, atol=1 / 128)
    assert np.allclose(wanted, np.log2(1 + np.abs(symbols)), atol=0.09)


def test_scales_of_a_block_do_not_depend_on_later_ones() -> None:
    bands = Bands(24, 8)
    for network in bands.networks:
        torch.nn.init.normal_(network.within[-1].weight)
    symbols = torch.randint(-9, 9, (1, 12, 24), generator=torch.Generator().manual_seed(3)).float()
    changed, dial = symbols.clone(), torch.zeros(1)
    changed[:, 7, 1::2] += 5  # the last round of block 7
    before, after = (bands.scales(bands.planes(each, dial), each) for each in (symbols, changed))
    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.equal(before[:, 8:], after[:, 8:])
