"""Tables: whole numbers of 2**24 parts, the same on every machine, close to what they stand for."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.entropy import cumulative as tables
from narrows.entropy.cumulative import (
    TOTAL,
    CumulativeTables,
    from_logits,
    from_probabilities,
    from_weights,
)
from narrows.entropy.families import discretised

weights = st.lists(st.integers(0, 1 << 30), min_size=2, max_size=200).filter(any)
logits = st.lists(st.integers(-(1 << 20), 1 << 20), min_size=2, max_size=256)


@given(weights)
def test_weights_become_parts_none_of_which_is_lost(given_weights: list[int]) -> None:
    parts = from_weights(np.array(given_weights, np.int64))
    tables.check(parts)
    for part, weight in zip(parts, given_weights, strict=True):
        # Python's own fractions are the oracle; only the heaviest may take what rounding leaves.
        exact = Fraction(weight * (TOTAL - len(parts)), sum(given_weights))
        assert int(part) >= 1 + math.floor(exact)
        assert int(part) == 1 + math.floor(exact) or weight == max(given_weights)


@given(logits)
def test_logits_become_powers_of_two(given_logits: list[int]) -> None:
    parts = from_logits(np.array(given_logits, np.int64))
    tables.check(parts)
    wanted = np.exp2((np.array(given_logits, float) - max(given_logits)) / 256)
    wanted /= wanted.sum()
    np.testing.assert_allclose(parts / TOTAL, wanted, atol=len(parts) * 2.0**-20)


def test_many_rows_give_the_same_parts_as_each_alone() -> None:
    rows = np.random.default_rng(0).integers(-4000, 4000, (50, 256))
    together = from_logits(rows)
    for row, parts in zip(rows, together, strict=True):
        np.testing.assert_array_equal(from_logits(row), parts)


def test_the_powers_and_the_parts_of_logits_never_change() -> None:
    # Golden: a change of these digests is a new format version.
    digest = hashlib.sha256(tables._POWERS.astype("<i8").tobytes()).hexdigest()
    assert digest == "5d599a99b5d4a0db8dbdbce16b9f95e04d92f6681b432b3625f794412f7a4a49"
    parts = from_logits(np.random.default_rng(1).integers(-5000, 5000, (64, 256)))
    assert (
        hashlib.sha256(parts.astype("<i8").tobytes()).hexdigest()
        == "d30cfb5ead6b97ed5eaaca7404f6971a19299d16e015fb666aa6a47e93d7c53d"
    )


def test_the_powers_are_the_nearest_integers() -> None:
    for k, power in enumerate(tables._POWERS.tolist()):
        # In Python's own integers: half a unit either side of 2**(20 - k/256), all taken to the power of 256.
        assert (2 * power - 1) ** 256 < 2 ** (256 * 21 - k) < (2 * power + 1) ** 256


def test_every_weight_at_its_largest_still_fits_in_64_bits() -> None:
    parts = from_weights(np.array([(1 << 38) - 2, 1], np.int64))
    assert parts.tolist() == [TOTAL - 1, 1]
    flat = from_logits(np.zeros(tables.MOST_SYMBOLS, np.int64))
    assert set(flat.tolist()) == {TOTAL // tables.MOST_SYMBOLS}


@pytest.mark.parametrize("wrong", [[0, 0], [-1, 2], [1 << 38, 1]])
def test_weights_out_of_range_are_refused(wrong: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        from_weights(np.array(wrong, np.int64))


@pytest.mark.parametrize("wrong", [[np.nan, 1.0], [-0.1, 1.0], [0.0, 0.0], [np.inf, 1.0]])
def test_probabilities_that_are_none_are_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilit"):
        from_probabilities(np.array(wrong))


def test_tables_that_do_not_sum_up_are_refused() -> None:
    good = from_probabilities(np.array([0.5, 0.5]))
    for bad in (good - 1, good.astype(np.int32), np.array([TOTAL], np.int64), np.array([0, TOTAL], np.int64)):
        with pytest.raises(ValueError, match="table"):
            CumulativeTables((bad,), (0,))
    with pytest.raises(ValueError, match="offsets"):
        CumulativeTables((good,), ())


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 3000))
def test_discretised_gaussians_cost_what_their_entropy_says(scale: float) -> None:
    table = discretised([scale])
    values = np.rint(np.random.default_rng(0).normal(0, scale, 20000)).astype(np.int64)
    bits = table.bits(values, np.zeros(len(values), np.int64)).mean()
    edges = np.stack([values - 0.5, values + 0.5]) / scale
    exact = np.array([0.5 * (math.erf(b / 2**0.5) - math.erf(a / 2**0.5)) for a, b in edges.T])
    assert bits <= -np.log2(np.maximum(exact, 2.0**-30)).mean() * 1.005 + 0.01


@given(st.integers(2, 300), st.integers(0, 2**32), st.sampled_from([1, 100, 3000, 10_000]))
def test_tables_of_logits_are_those_of_their_weights_in_integers(size: int, seed: int, spread: int) -> None:
    logits = np.random.default_rng(seed).integers(-spread, spread, (20, size))
    below = np.minimum(logits.max(axis=1, keepdims=True) - logits, 20 * 256)
    weights = tables._POWERS[below % 256] >> below // 256
    np.testing.assert_array_equal(from_logits(logits), from_weights(weights))
    np.testing.assert_array_equal(from_logits(logits.astype(np.float32)), from_logits(logits))
