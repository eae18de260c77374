"""Opinions are mixed into tables that any number can be coded with, and the better ones come to count more."""

from __future__ import annotations

import numpy as np
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.entropy.bits import BitReader, BitWriter
from narrows.entropy.coder import Coder, RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import Integers
from narrows.entropy.experts import CURVE, REACH, Experts


def walked(
    coder: Coder, bits: BitWriter | BitReader, values: Integers | None, means: Integers, scales: Integers
) -> tuple[Integers, Experts]:
    """Numbers `(T, L)` with the same opinions at every step."""
    experts = Experts(np.zeros((means.shape[1], len(means)), np.int64))
    found = []
    for step in range(12):
        alive = np.arange(means.shape[1]) < 12 - step
        given = None if values is None else values[step]
        found.append(experts.code(coder, bits, given, means, scales, alive))
        experts.learn(means, scales)
    return np.array(found), experts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 31), st.integers(0, 31))
def test_any_number_comes_back_under_any_opinions(seed: int, size: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-(1 << size), (1 << size) + 1, (12, 5))
    means = rng.integers(-(1 << width), (1 << width) + 1, (3, 5)) * 16
    scales = rng.integers(0, 2, (3, 5)) << rng.integers(0, 12 + width, (3, 5))
    coder, bits = RangeEncoder(), BitWriter()
    given, _ = walked(coder, bits, values, means, scales)
    decoder, reader = RangeDecoder(coder.finish()), BitReader(bits.finish())
    found, _ = walked(decoder, reader, None, means, scales)
    decoder.finish()
    reader.finish()
    np.testing.assert_array_equal(found, given)
    np.testing.assert_array_equal(found[0], values[0])


def test_the_curve_is_a_mixture_of_two_logistic_functions() -> None:
    places = np.arange(-REACH, REACH + 1) / 128
    exact = (63 * scipy.special.expit(places) + scipy.special.expit(places / 4)) / 64
    assert np.abs(CURVE - exact * 2**20).max() <= 0.501


def test_the_opinion_that_fits_earns_more() -> None:
    values = np.random.default_rng(0).integers(-5, 6, (12, 5))
    means, scales = np.zeros((2, 5), np.int64), np.array([[3 << 12], [300 << 12]]).repeat(5, axis=1)
    _, experts = walked(RangeEncoder(), BitWriter(), values, means, scales)
    assert (experts.earned[:, 0] == 0).all()
    assert (experts.earned[:, 1] < -256).all()
