"""Values within an error on a grid: what comes back, and what damaged bytes do."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from narrows.codecs import interpolation
from narrows.codecs.interpolation import COLUMNS, Scale, decoded, encoded, in_dtype, parts, power_of_two, whole
from narrows.errors import ArchiveError


def wavy(sides: tuple[int, ...], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.05, sides)
    return (np.sin(np.indices(sides).sum(axis=0) / 3) * 10 + noise).astype(np.float32)


def block(values: np.ndarray, unit: float = 0.01, powers: bool = False) -> tuple[bytes, np.ndarray]:
    flat, exact = values.reshape(-1), np.zeros(values.size, bool)
    coded = encoded(values.shape, flat, Scale(np.array([unit]), np.zeros(1, np.int64), powers), exact)
    assert coded is not None
    return whole(coded[0], 0.0, exact, flat), coded[1]


@pytest.mark.parametrize("sides", [(1,), (100,), (7, 30), (4, 9, 9), (3, 4, 5, 6)], ids=str)
@pytest.mark.parametrize("powers", [False, True])
def test_numbers_come_back_within_half_a_step(sides: tuple[int, ...], powers: bool) -> None:
    values = wavy(sides) - 30
    data, back = block(values, 0.001, powers)
    np.testing.assert_array_equal(decoded(data, values.size, values.dtype), back)
    off = np.abs(np.log2(back / values.reshape(-1)) if powers else back - values.reshape(-1))
    assert off.max() <= 0.008 * 1.001
    assert (back < 0).all()


def test_long_arrays_are_cut_into_parts_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpolation, "TOGETHER", 100)
    assert list(parts((5, 30))) == [(0, 90, (3, 30)), (90, 150, (2, 30))]
    assert list(parts((2, 3, 101))) == [
        (start, min(start + 100, 606), (n,)) for start, n in zip(range(0, 606, 100), [100] * 6 + [6], strict=True)
    ]
    values = wavy((2, 3, 101))
    data, back = block(values)
    np.testing.assert_array_equal(decoded(data, values.size, values.dtype), back)


def test_powers_of_two_are_right_to_the_last_bits() -> None:
    exponents = np.concatenate([np.linspace(-1070, 1020, 10001), [-3000.0, 5000.0, 0.0, 1.0, -1.0]])
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(power_of_two(exponents), np.exp2(exponents), rtol=1e-14)


def test_integers_are_cut_to_their_range() -> None:
    values = np.array([-1e30, -0.6, 254.6, 1e30])
    assert in_dtype(values, np.dtype(np.uint8)).tolist() == [0, 0, 255, 255]
    for dtype in (np.int64, np.uint64):
        limits = np.iinfo(dtype)
        assert in_dtype(values, np.dtype(dtype))[[0, 3]].tolist() == [limits.min, limits.max]


def test_damaged_bytes_are_an_error_or_other_values_and_nothing_else() -> None:
    values = wavy((6, 20))
    flat, exact = values.reshape(-1), np.zeros(values.size, bool)
    exact[7:30] = True
    scale = Scale(np.full(20, 0.01), np.arange(20), False)
    coded = encoded(values.shape, flat, scale, exact)
    assert coded is not None
    corrected = np.arange(values.size) % 50 == 3
    data = whole(coded[0], 0.08, corrected, flat)
    assert data[-len(coded[0])] == COLUMNS
    rng = np.random.default_rng(0)
    for _ in range(400):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            damaged[at] = rng.integers(256)
        damaged = damaged[: rng.integers(1, len(data))] if rng.random() < 0.3 else damaged
        with contextlib.suppress(ArchiveError):
            decoded(bytes(damaged), values.size, values.dtype)
    for cut in range(len(data)):
        with contextlib.suppress(ArchiveError):
            decoded(data[:cut], values.size, values.dtype)
