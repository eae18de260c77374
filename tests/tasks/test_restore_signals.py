"""Signals restored in memory: what fits, pieces, masks, and that training helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import narrows
from narrows.degradations import Gaps, LowerRate, Missing, Noise, SignalNoise
from narrows.errors import DataError, ModelError, SettingsError
from narrows.models.base import Model
from narrows.tasks import restore_signals
from narrows.tasks.restore import fill
from narrows.training.settings import Settings

RATE = 8000.0


def voices(count: int = 24, length: int = 3000, channels: int = 1) -> np.ndarray:
    """Harmonic tones whose level rises and falls, int16 `(N, T, C)`."""
    rng = np.random.default_rng(0)
    time = np.arange(length)[:, None] / RATE
    out = []
    for _ in range(count):
        pitch = rng.uniform(90, 250)
        tone = sum(np.sin(2 * np.pi * pitch * k * time + rng.uniform(0, 6)) / k for k in range(1, 12))
        out.append(tone * np.sin(np.pi * time / (length / RATE)) * 10 ** rng.uniform(2, 3.5) * np.ones(channels))
    return np.array(out).astype(np.int16)


def made(degradation: object, channels: int = 1, rate: float = RATE) -> Model:
    """An untrained model, narrow, and so fast."""
    samples = narrows.from_arrays(voices(2, 800, channels), kind="signals", rate=rate)
    return narrows.build(samples.description, degradation=degradation, width=16)  # type: ignore[arg-type]


def snr(y: np.ndarray, x: np.ndarray) -> float:
    x = x.astype(float)
    return float(10 * np.log10(np.square(x).sum() / np.square(y - x).sum()))


def test_before_training_noise_is_taken_away_already_and_training_takes_more() -> None:
    clean = voices(12)
    samples = narrows.from_arrays(clean, kind="signals", rate=RATE)
    model = narrows.build(samples.description, degradation=SignalNoise((0, 10)), width=32)
    rng = np.random.default_rng(1)
    noisy = clean + rng.normal(size=clean.shape) * clean.std(axis=1, keepdims=True) * 10 ** (-5 / 20)
    before = snr(narrows.restore(model, noisy.astype(np.float32)), clean)
    assert before > 5 + 4
    for _ in narrows.fit(model, samples, Settings(steps=24, crop=1024, batch_size=4, validation=0.2, threads=1)):
        pass
    assert snr(narrows.restore(model, noisy.astype(np.float32)), clean) > before + 0.2


def test_the_level_of_a_recording_does_not_matter() -> None:
    model = made(SignalNoise())
    x = (voices(1)[0] / 32768 + np.random.default_rng(0).normal(0, 0.01, (3000, 1))).astype(np.float32)
    loud, quiet = (narrows.restore(model, (level * x)[None]) for level in (1.0, 1 / 64))
    assert np.allclose(loud, 64 * quiet, atol=2e-4)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_what_comes_back_has_the_dtype_and_range_of_what_was_given(dtype: str) -> None:
    x = voices(1)[0].astype(float) / 32768
    array = (128 + 127 * x if dtype == "uint8" else x * {"int16": 32767, "int32": 2**30}.get(dtype, 1)).astype(dtype)
    y = narrows.restore(made(SignalNoise()), array[None])
    assert (y.dtype, y.shape) == (np.dtype(dtype), (1, 3000, 1))
    assert np.abs(y.astype(float) - array).max() <= 1.0 * np.abs(array.astype(float) - array.mean()).max()


def test_long_signals_go_through_in_pieces_with_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = np.tile(voices(1)[0], (12, 1)) + rng.normal(0, 300, (36000, 1)).astype(np.int16)
    for model in (made(SignalNoise()), made(LowerRate(2))):
        whole = narrows.restore(model, x[None])
        with monkeypatch.context() as patch:
            patch.setattr(restore_signals, "PIECE", 48)
            pieces = narrows.restore(model, x[None])
        assert pieces.shape == whole.shape
        assert snr(pieces, whole + 1e-3) > 25


def test_the_rate_is_raised_by_the_scale() -> None:
    assert narrows.restore(made(LowerRate(3)), voices(2, 1001)).shape == (2, 3003, 1)
    lengths = [len(y) for y in narrows.restore(made(LowerRate(2)), [voices(1, n)[0] for n in (1, 7, 500)])]
    assert lengths == [2, 14, 1000]


def test_a_model_of_one_channel_takes_each_by_itself() -> None:
    x = voices(1, 2000, 2)
    x[..., 1] //= 3
    model = made(SignalNoise())
    both = narrows.restore(model, x)
    assert both.shape == x.shape
    alone = narrows.restore(model, x[..., 1:])
    assert np.abs(both[..., 1:].astype(int) - alone).max() <= 1


def test_known_steps_are_the_same_to_the_bit_and_gaps_are_filled() -> None:
    x = voices(2, 3000, 2).astype(np.float64) * np.pi
    missing = np.zeros(3000, bool)
    missing[1000:1200] = True
    for channels in (1, 2):
        y = narrows.restore(made(Gaps(), channels), x, mask=missing)
        assert np.array_equal(y[:, ~missing], x[:, ~missing])
        assert snr(y[:, missing], x[:, missing]) > 3


def test_nan_may_stand_for_what_is_missing() -> None:
    x = voices(1, 3000)[0, :, 0].astype(np.float32)
    holed = x.copy()
    holed[1000:1100] = np.nan
    y = fill(made(Gaps()), holed, (float("nan"),))
    assert y.shape == x.shape
    assert np.array_equal(np.delete(y, range(1000, 1100)), np.delete(x, range(1000, 1100)))
    assert np.isfinite(y).all()
    with pytest.raises(DataError, match="nowhere"):
        fill(made(Gaps()), x, (float("nan"),))
    with pytest.raises(DataError, match="all of sample 0"):
        fill(made(Gaps()), x * np.nan, (float("nan"),))


@pytest.mark.parametrize("channels", [1, 2])
def test_channels_with_gaps_of_their_own_keep_what_is_known_of_each(channels: int) -> None:
    x = voices(1, 3000, 2)[0].astype(np.float32) * np.float32(np.pi)
    holed = x.copy()
    holed[1000:1100, 0] = holed[1050:1200, 1] = np.nan
    y = fill(made(Gaps(), channels), holed, (float("nan"),))
    missing = np.isnan(holed)
    assert np.array_equal(y[~missing], x[~missing])
    assert snr(y[missing], x[missing]) > 3


def test_channels_that_follow_from_others_are_filled_in_from_these() -> None:
    rng = np.random.default_rng(0)
    sources = np.cumsum(rng.normal(size=(4000, 2)), axis=0) / 20
    x = sources @ rng.normal(size=(2, 4)) + rng.normal(0, 0.02, (4000, 4)) + [0, 5, -3, 0]
    x[:, 3] = rng.normal(size=4000)  # this one does not
    holed = x.copy()
    for channel, start in ((0, 900), (1, 1500), (3, 2500)):
        holed[start : start + 200, channel] = np.nan
    y = fill(made(Gaps((0.02, 0.1)), 4), holed, (float("nan"),))
    missing = np.isnan(holed)
    assert np.array_equal(y[~missing], x[~missing])
    wrong = [np.sqrt(np.square(y[missing[:, c], c] - x[missing[:, c], c]).mean()) for c in (0, 1, 3)]
    assert max(wrong[:2]) < 0.2
    assert 0.5 < wrong[2] < 1.5


def test_masks_of_signals_may_differ_by_channel() -> None:
    x, model = voices(3, 1000, 2), made(Gaps(), 2)
    mask = np.zeros((1000, 2), bool)
    mask[200:260, 0] = mask[500:560, 1] = True
    y = narrows.restore(model, x, mask=mask)
    assert np.array_equal(y[:, ~mask], x[:, ~mask])
    assert np.array_equal(narrows.restore(model, x, mask=np.stack([mask] * 3)), y)
    assert np.array_equal(narrows.restore(model, [*x], mask=[mask] * 3), y)
    both = np.repeat(mask[:, :1], 2, axis=1)
    assert np.array_equal(narrows.restore(model, x, mask=both), narrows.restore(model, x, mask=mask[:, 0]))
    with pytest.raises(DataError, match=r"it has to be \(1000,\), one mark a step, or \(1000, 2\), one a value"):
        narrows.restore(model, x, mask=np.zeros((3, 1000, 3), bool))
    mask[:, 1] = True
    with pytest.raises(DataError, match="the mask marks all of channel 2 as missing; something has to be known"):
        narrows.restore(model, x, mask=mask)


def test_every_step_may_lack_some_channel_but_no_channel_all_steps() -> None:
    x = voices(1, 3000, 3)[0].astype(np.float64)
    holed = x.copy()
    for start in range(0, 3000, 50):
        holed[start : start + 50, start // 50 % 3] = np.nan
    y = fill(made(Gaps(), 3), holed, (float("nan"),))
    assert np.isfinite(y).all()
    assert np.array_equal(y[~np.isnan(holed)], x[~np.isnan(holed)])
    assert snr(y, x) > 20  # all three are the same
    holed[:, 1] = np.nan
    with pytest.raises(DataError, match="all of channel 2 of sample 0 is missing"):
        fill(made(Gaps(), 3), holed, (float("nan"),))


def times(scale: float = 1.0, length: int = 2000) -> np.ndarray:
    """Seconds since 1970, an air pressure and a temperature, float64 `(T, 3)`."""
    t = np.arange(length)
    return np.stack([1.7118e9 + 60 * t, 101325 + 30 * np.cos(t / 50), scale * (20 + 5 * np.sin(t / 40))], axis=1)


def test_a_narrow_channel_beside_large_ones_is_filled_in_its_own_range() -> None:
    x, missing = times(), np.arange(2000) % 400 // 10 == 7
    samples = narrows.from_arrays(x, kind="series", rate=1)
    model = narrows.build(samples.description, degradation=Gaps((5, 10), rate=1), width=16)
    y = narrows.restore(model, x, mask=missing)[0]
    assert np.array_equal(y[~missing], x[~missing])
    assert (np.sqrt(np.square(y - x)[missing].mean(axis=0)) < (600, 1, 0.1)).all()
    holed = np.where(missing[:, None], np.nan, x)
    assert np.allclose(fill(model, holed, (float("nan"),)), y)


def test_a_model_of_one_range_refuses_a_channel_that_is_lost_in_it() -> None:
    one = replace(narrows.from_arrays(times(), kind="series", rate=1).description, columns=())
    model = narrows.build(one, degradation=Gaps((5, 10), rate=1), width=16)
    missing = np.arange(2000) // 10 == 7
    with pytest.raises(DataError, match=r"channel 2, from 101295 to 101355, is lost .* leave out the channel"):
        narrows.restore(model, times(), mask=missing)
    y = narrows.restore(model, times()[:, [1, 1, 2]], mask=missing)
    assert np.isfinite(y).all()


def test_what_does_not_fit_is_refused_in_a_line() -> None:
    model, stereo = made(SignalNoise()), made(SignalNoise(), 2)
    x = narrows.from_arrays(voices(1), kind="signals", rate=44100)
    with pytest.raises(ModelError, match="44100 Hz was given to a model for 8000 Hz; resample it"):
        narrows.restore(model, x)
    with pytest.raises(ModelError, match="3 channels"):
        narrows.restore(stereo, voices(1, 800, 3))
    with pytest.raises(ModelError, match="4000 Hz, which it raises to 8000"):
        narrows.restore(made(LowerRate(2)), narrows.from_arrays(voices(1), kind="signals", rate=8000))
    with pytest.raises(DataError, match="NaN"):
        narrows.restore(model, np.full((1, 100, 1), np.nan, np.float32))
    with pytest.raises(SettingsError, match="effort"):
        narrows.restore(model, voices(1), effort="best")
    with pytest.raises(SettingsError, match="no mask"):
        narrows.restore(made(Gaps()), voices(1))
    with pytest.raises(DataError, match=r"100.*3000"):
        narrows.restore(made(Gaps()), voices(1), mask=np.arange(100) > 50)


def test_damage_and_samples_have_to_be_of_one_kind() -> None:
    signals = narrows.from_arrays(voices(2, 800), kind="signals", rate=RATE).description
    images = narrows.from_arrays(np.zeros((2, 8, 8), np.uint8)).description
    for damage in (Noise(), Missing()):
        with pytest.raises(SettingsError, match="only images and vectors"):
            narrows.build(signals, degradation=damage)
    with pytest.raises(SettingsError, match="only signals"):
        narrows.build(images, degradation=SignalNoise())


def test_a_saved_model_restores_the_same(tmp_path: object) -> None:
    path = f"{tmp_path}/m.safetensors"
    for damage in (SignalNoise((0, 5)), Gaps(0.03), LowerRate(2)):
        model = made(damage)
        model.save(path)
        mask = np.arange(3000) // 200 == 7 if isinstance(damage, Gaps) else None
        x = voices(1)
        assert np.array_equal(narrows.restore(path, x, mask=mask), narrows.restore(model, x, mask=mask))
