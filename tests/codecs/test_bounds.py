"""Every value of an array within the error that was promised, or exactly as it was."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.archive.entries import Entry
from narrows.archive.promise import Promise, bounded
from narrows.codecs.base import INTERPOLATION
from narrows.codecs.block import BlockCodec
from narrows.codecs.bounds import Bounded, bound_of, error_in, is_bounded
from narrows.errors import SettingsError


def wavy(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.2, shape)
    values = np.sin(np.indices(shape).sum(axis=0) / 5) * 100 + noise
    return np.clip(values, 0, None).astype(dtype) if dtype[0] == "u" else values.astype(dtype)


def there_and_back(
    values: np.ndarray, promise: Promise, columns: int = 0, missing: float | None = None
) -> tuple[np.ndarray, float | None]:
    """Values `(N, ...)` through one block, and the largest error that it tells."""
    shape = (int(np.prod(values.shape[1:])),)
    entry = Entry("a", "array", shape, values.dtype.name, len(values), None if columns else values.shape[1:])
    codec = BlockCodec(promise)
    bounding = Bounded(codec, bound_of(promise, [values], columns, missing), entry)
    block = bounding.block(values.reshape(len(values), *shape))
    back = codec.decode(block.payload, [shape] * len(values), values.dtype, block.digest)
    return np.stack(back).reshape(values.shape), error_in(block.payload)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(500, 1), (20, 30), (5, 8, 9), (2, 3, 4, 5, 6)], ids=str)
@pytest.mark.parametrize("words", ["0.5", "1%", "0.001%"])
def test_floats_are_within_the_error(dtype: str, shape: tuple[int, ...], words: str) -> None:
    values = wavy(shape, dtype)
    promise = bounded(words)
    back, told = there_and_back(values, promise)
    most = promise.max_error * (np.ptp(values.astype(float)) if promise.of == "range" else 1)
    off = np.abs(back.astype(float) - values.astype(float)).max()
    assert off <= most
    assert back.dtype == values.dtype
    if told is not None:
        assert told == pytest.approx(off * promise.max_error / most, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
def test_a_relative_error_is_one_of_each_value_and_keeps_zeros_and_signs(dtype: str) -> None:
    values = wavy((30, 40), "float64")
    values = np.abs(values).astype(dtype) if dtype == "uint8" else (values * 10).astype(dtype)
    values[3:5] = 0
    back, told = there_and_back(values, bounded(None, 0.02))
    assert (np.abs(back.astype(float) - values) <= 0.02 * np.abs(values.astype(float))).all()
    assert (back[3:5] == 0).all()
    assert told is None or 0 < told <= 0.02


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint64", "int64"])
def test_integers_are_within_a_share_of_their_range(dtype: str) -> None:
    values = wavy((30, 40), "float64").round()
    values = np.abs(values).astype(dtype)
    back, _ = there_and_back(values, bounded("3%"))
    assert np.abs(back.astype(int) - values.astype(int)).max() <= 0.03 * np.ptp(values)


def test_each_column_has_its_own_range() -> None:
    values = wavy((400, 4), "float64") * [1e-6, 1, 1e6, 0]
    values[:, 3] = 7
    promise = bounded("1%")
    back, told = there_and_back(values, promise, columns=4)
    assert (np.abs(back - values).max(axis=0) <= 0.01 * np.ptp(values, axis=0)).all()
    assert np.abs(back - values)[:, 2].max() > 1000
    assert told is not None
    assert 0.009 < told <= 0.01


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_is_not_finite_or_missing_comes_back_exactly_and_does_not_count(dtype: str) -> None:
    values = wavy((30, 40), dtype)
    kinds = [np.nan, np.inf, -np.inf, -3e4, -np.float64(np.nan)]
    marked = np.random.default_rng(1).integers(0, 10, values.shape)
    for number, kind in enumerate(kinds):
        values[marked == number] = kind
    back, told = there_and_back(values, bounded("1%"), missing=-3e4)
    assert back[marked < 5].tobytes() == values[marked < 5].tobytes()
    rest = values[marked >= 5].astype(float)
    assert np.abs(back[marked >= 5].astype(float) - rest).max() <= 0.01 * np.ptp(rest)
    assert told is not None


POWERS = np.random.default_rng(1).integers(-300, 300, (4, 50))
HARD = {
    "only missing": np.full((4, 50), -9.0),
    "only NaN": np.full((4, 50), np.nan),
    "one value": np.full((4, 50), 3.25),
    "one sample": np.array([[1.5]]),
    "the whole range of doubles": (np.linspace(-1.7, 1.7, 200) * 1e308).reshape(4, 50),
    "denormals": np.linspace(0, 1e-310, 200).reshape(4, 50),
    "far from zero": 1e15 + np.linspace(0, 1, 200).reshape(4, 50),
    "one far away": np.concatenate([np.linspace(0, 1, 199), [1e300]]).reshape(4, 50),
    "no order": np.random.default_rng(0).normal(size=(4, 50)) * 10.0**POWERS,
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("words", ["1%", "1e-9%", "1e-300", "1e300", "relative"])
def test_hard_arrays_are_within_the_error_too(name: str, words: str) -> None:
    values = HARD[name]
    promise = bounded(None, 1e-7) if words == "relative" else bounded(words)
    back, _ = there_and_back(values, promise, missing=-9.0)
    finite = np.isfinite(values)
    assert back[~finite].tobytes() == values[~finite].tobytes()
    scaled, other = values[finite] / 4, back[finite] / 4  # whose differences do not overflow
    span = np.ptp(scaled) if scaled.size else 0.0
    of = {"absolute": 0.25, "range": span, "value": np.abs(scaled)}[promise.of]
    assert (np.abs(scaled - other) <= promise.max_error * of * (1 + 1e-15) + 5e-324).all()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_errors_near_the_values_own_precision_are_kept(dtype: str) -> None:
    values = (1000 + wavy((40, 50))).astype(dtype)
    for factor in (0.3, 0.5, 0.9, 1.0, 1.7, 3.1):
        error = float(np.spacing(values.max())) * factor
        back, _ = there_and_back(values, Promise(error))
        assert np.abs(back.astype(float) - values.astype(float)).max() <= error


def test_smooth_values_take_far_fewer_bytes() -> None:
    values = np.sin(np.indices((20, 60, 60)).sum(axis=0) / 9).astype(np.float32)
    codec = BlockCodec(bounded("0.1%"))
    bounding = Bounded(
        codec, bound_of(codec.promise, [values]), Entry("a", "array", (3600,), "float32", 20, (60, 60))
    )
    block = bounding.block(values.reshape(20, 3600))
    assert block.payload[0] == INTERPOLATION
    assert len(block.payload) < values.nbytes / 25


def test_which_arrays_have_an_error_of_their_own() -> None:
    floats, integers = np.dtype(np.float32), np.dtype(np.int16)
    assert is_bounded(Promise(3), floats)
    assert not is_bounded(Promise(3), integers)
    assert not is_bounded(Promise(0), floats)
    assert is_bounded(bounded("1%"), integers)
    assert not is_bounded(bounded("1%"), np.dtype(bool))
    assert not is_bounded(Promise(None, 50), floats)


def test_errors_as_people_write_them() -> None:
    assert bounded(None) == bounded(0) == bounded("0") == bounded("0%") or bounded("0%").max_error == 0
    assert bounded("2") == Promise(2)
    assert bounded(0.5) == bounded("0.5") == bounded("5e-1") == Promise(0.5)
    assert bounded("1%") == bounded(" 1 %".replace(" %", "%")) == Promise(0.01, None, "range")
    assert bounded(None, 0.01) == bounded(None, "1%") == Promise(0.01, None, "value")
    for wrong in ("nan", "-1", "inf", "a lot", "-1%", " ", "100%", "%", "1%%"):
        with pytest.raises(SettingsError, match="allowed"):
            bounded(wrong)
    for wrong in (float("nan"), -0.5, 1.0, 7, "x"):
        with pytest.raises(SettingsError, match="allowed"):
            bounded(None, wrong)
    with pytest.raises(SettingsError, match="choose one"):
        bounded(1, 0.5)
