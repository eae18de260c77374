"""Degradations of signals: noise by its ratio, gaps, a lower rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from narrows.degradations import (
    Gaps,
    LowerRate,
    Missing,
    Noise,
    SignalNoise,
    Smaller,
    combined,
    degradation_for,
    from_json,
    settled,
    to_json,
)
from narrows.degradations.base import Hints, Observed
from narrows.degradations.extrapolate import bridged
from narrows.errors import SettingsError


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tones(count: int = 3, channels: int = 1, length: int = 4000) -> torch.Tensor:
    time = torch.arange(length) / 8000
    pitches = 120.0 + 30 * torch.arange(count * channels).view(count, channels, 1, 1)
    levels = 10.0 ** -torch.arange(1, count + 1).view(-1, 1, 1, 1)  # of very different levels
    return 0.5 + levels * torch.sin(2 * torch.pi * pitches * time) / 4


def test_noise_has_the_ratio_that_was_asked_for_whatever_the_level() -> None:
    clean = tones(length=1 << 15)
    for colour in ("white", "pink"):
        noise = SignalNoise(7, colour).observe(clean, random()).seen - clean
        ratios = 10 * torch.log10((clean - 0.5).square().mean(dim=(1, 2, 3)) / noise.square().mean(dim=(1, 2, 3)))
        assert torch.allclose(ratios, torch.tensor(7.0), atol=0.4)


def test_pink_noise_has_half_the_power_at_twice_the_frequency() -> None:
    clean = tones(1, 1, 1 << 16)
    noise = SignalNoise(0, "pink").observe(clean, random()).seen - clean
    powers = torch.fft.rfft(noise[0, 0, 0]).abs().square()
    assert float(powers[1000:1500].mean() / powers[2000:3000].mean()) == pytest.approx(2, rel=0.15)


def test_gaps_have_the_lengths_that_were_asked_for_in_all_channels() -> None:
    known = Gaps((0.02, 0.1), 8000).observe(tones(20, 2), random()).condition
    assert known.shape == (20, 1, 1, 4000)
    for row in known[:, 0, 0]:
        edges = torch.nonzero(torch.diff(torch.cat([torch.ones(1), row, torch.ones(1)]))).flatten().view(-1, 2)
        inner = [int(stop - start) for start, stop in edges if start > 0 and stop < 4000]
        assert inner
        assert all(159 <= length <= 801 for length in inner)


def test_a_gap_in_a_tone_is_bridged_by_linear_prediction() -> None:
    tone = np.sin(np.arange(3000) / 7.0)
    known = np.ones(3000, bool)
    known[1400:1560] = False
    error = (bridged(tone, known) - tone)[~known]
    assert np.square(error).mean() < 0.02


@pytest.mark.parametrize("first", [0, 1])
def test_a_gap_at_an_end_is_predicted_from_the_other_side(first: int) -> None:
    tone = np.sin(np.arange(2000) / 7.0)
    known = np.ones(2000, bool)
    known[1900 * first : 1900 * first + 100] = False
    assert np.square((bridged(tone, known) - tone)[~known]).mean() < 0.2


def test_gaps_keep_what_is_known_and_stand_everywhere_else() -> None:
    clean = tones(2, 2)
    gaps = Gaps(0.03, 8000)
    observed = gaps.observe(clean, random())
    guess = gaps.guess(observed)
    known = observed.condition.expand_as(clean) > 0
    assert torch.allclose(guess[known], clean[known], atol=1e-6)
    assert torch.isfinite(guess).all()
    whole = gaps.restored(observed, guess, torch.ones_like(guess))
    assert torch.equal(whole[known], clean[known])


def test_silence_short_signals_and_all_missing_are_no_trouble() -> None:
    for length in (1, 2, 40):
        silence = torch.full((1, 1, 1, length), 0.5)
        for part in (SignalNoise(0), Gaps(0.02, 8000), LowerRate(2)):
            observed = part.observe(silence, random())
            assert torch.isfinite(part.guess(observed)).all()
    gone = Observed(torch.full((1, 1, 1, 40), 0.5), torch.zeros(1, 1, 1, 40))
    assert torch.allclose(Gaps(0.02, 8000).guess(gone), torch.tensor(0.5))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_lower_rate_is_that_of_scipy_and_comes_back_in_place(scale: int) -> None:
    clean = tones(1, 1, 1201)
    lower = LowerRate(scale)
    seen = lower.observe(clean, random()).seen
    wanted = resample_poly(clean[0, 0, 0].double().numpy() - 0.5, 1, scale)
    assert np.allclose(seen[0, 0, 0].numpy() - 0.5, wanted, atol=1e-6)
    back = lower.guess(lower.given(seen, Hints()))
    assert np.allclose(back[0, 0, 0].numpy() - 0.5, resample_poly(wanted, scale, 1), atol=1e-6)


def test_degradations_of_signals_come_back_from_json_and_combine_with_each_other_alone() -> None:
    both = combined([Gaps((0.01, 0.02), 8000), SignalNoise((0, 10), "pink")])
    assert from_json(to_json(both)) == both
    assert (both.task, both.axes) == ("inpaint", 1)
    with pytest.raises(SettingsError, match="signals alone"):
        combined([SignalNoise(), Missing()])


def test_the_usual_damage_depends_on_what_the_samples_are() -> None:
    assert degradation_for("denoise", (), 1) == SignalNoise()
    assert degradation_for("denoise", (), 2) == Noise()
    assert degradation_for("inpaint", (), 1) == Gaps()
    assert degradation_for("upscale", (Smaller(3),), 1) == LowerRate(3)


def test_gaps_in_seconds_need_a_rate() -> None:
    assert settled(Gaps(), "int16", 8000.0) == Gaps(rate=8000)
    assert settled(Gaps(), "float32", 0.5) == Gaps((10, 50), 0.5)  # usual gaps are of several steps
    assert settled(Gaps(3), "float32", 0.5) == Gaps(3, 0.5)
    with pytest.raises(SettingsError, match="unknown rate"):
        settled(Gaps(), "int16")
    assert settled(Gaps((2, 9), rate=1), "int16") == Gaps((2, 9), rate=1)


@pytest.mark.parametrize(
    "made",
    [
        lambda: SignalNoise((10, 0)),
        lambda: SignalNoise(float("nan")),
        lambda: SignalNoise(100),
        lambda: SignalNoise(0, "brown"),  # type: ignore[arg-type]
        lambda: Gaps(0),
        lambda: Gaps((0.1, 0.02)),
        lambda: Gaps(0.1, float("inf")),
        lambda: LowerRate(5),
    ],
)
def test_values_that_mean_nothing_are_refused(made: object) -> None:
    with pytest.raises(SettingsError):
        made()  # type: ignore[operator]
