"""Tables of residuals: each sums up, is centred where it should be, and is found by whole numbers alone."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import TOTAL
from narrows.entropy.families import logistics
from narrows.entropy.logistics import (
    FIRSTS,
    NARROWEST,
    PHASES,
    SCALES,
    STEPS,
    TABLES,
    TAILS,
    _logarithm,
    residual,
)


def test_every_table_has_the_mean_and_the_width_that_it_is_for() -> None:
    tables = logistics(3.0).tables
    for index in range(4 * STEPS, 9 * STEPS, 3):
        for phase in range(int(PHASES[index])):
            number = (int(FIRSTS[index]) + phase) * TAILS
            parts, lowest = tables.parts[number][:-1] / TOTAL, tables.lowest[number]
            values = lowest + np.arange(len(parts))
            mean = float((parts * values).sum())
            assert mean == pytest.approx(phase / (2 * max(1, int(PHASES[index]) - 1)), abs=0.05)
            narrow = 2.0 ** (NARROWEST + index / STEPS)
            deviation = float((parts * (values - mean) ** 2).sum()) ** 0.5
            assert 1.8 * narrow < deviation < 2.4 * narrow + 0.3
    assert len(tables.parts) == TABLES == int(PHASES.sum()) * TAILS


def test_counts_correct_the_tables() -> None:
    plain = logistics(3.0)
    counts = [np.zeros(length, np.int64) for length in plain.lengths]
    counts[300][2] = 10**9
    parts = logistics(3.0, counts, 256.0).tables.parts
    assert parts[300].argmax() == 2
    assert parts[300][2] > 0.99 * TOTAL
    assert np.array_equal(parts[299], plain.tables.parts[299])


def test_residuals_are_of_the_nearest_number_and_turned_towards_the_prediction() -> None:
    mean = np.array([16 * 7, 16 * 7 + 5, 16 * 7 - 5, 16 * 7 + 8, 0])
    known = residual(mean, np.full(5, -2 << 9), np.full(5, -10_000))
    assert known.centre.tolist() == [7, 7, 7, 8, 0]
    assert known.turn.tolist() == [1, 1, -1, -1, 1]
    index = (-2 - NARROWEST) * STEPS
    phases = (known.which // TAILS - FIRSTS[index]).tolist()
    assert phases == [0, 3, 3, 4, 0]
    assert (known.which % TAILS == 0).all()


def test_any_scale_and_tail_has_a_table() -> None:
    rng = np.random.default_rng(0)
    wide = rng.integers(-(2**23), 2**23, (2, 1000))
    for step in (1, 3, 511):
        known = residual(rng.integers(0, 4081, 1000), *wide, step)
        assert 0 <= known.which.min() <= known.which.max() < TABLES
    assert residual(np.array([0]), np.array([6 << 9]), np.array([9999])).which.tolist() == [TABLES - 1]
    assert len(PHASES) == SCALES


def test_logarithms_of_steps_are_whole_numbers_rounded_right() -> None:
    getcontext().prec = 50
    for step in range(1, 512, 2):
        exact = Decimal(step).ln() / Decimal(2).ln() * 512
        assert abs(Decimal(_logarithm(step)) - exact) <= Decimal("0.5")


def test_values_come_back_also_those_outside_their_table() -> None:
    rng = np.random.default_rng(1)
    tables = logistics(3.0)
    known = residual(rng.integers(0, 4081, 500), rng.integers(-3000, 3000, 500), rng.integers(-2000, 1000, 500))
    steps = rng.integers(-255, 256, 500)
    coder = RangeEncoder()
    assert np.array_equal(tables.code(coder, steps, known), steps)
    assert np.array_equal(tables.code(RangeDecoder(coder.finish()), None, known), steps)
