"""The coder gives back what it was given, costs what its tables say, and knows nothing but integers."""

from __future__ import annotations

import itertools

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.entropy.coder import RangeDecoder, RangeEncoder, Sampler
from narrows.entropy.cumulative import TOTAL, CumulativeTables, Integers, from_logits, from_weights
from narrows.entropy.families import discretised
from narrows.errors import ArchiveError

SCALES = np.exp(np.linspace(np.log(0.05), np.log(200), 20)).tolist()
GAUSSIANS = discretised(SCALES)


def round_trip(values: Integers, which: Integers, tables: CumulativeTables) -> bytes:
    encoder = RangeEncoder()
    np.testing.assert_array_equal(encoder.by_table(values, which, tables), values)
    data = encoder.finish()
    decoder = RangeDecoder(data)
    np.testing.assert_array_equal(decoder.by_table(None, which, tables), values)
    decoder.finish()
    return data


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3000))
def test_what_goes_in_comes_out_and_costs_what_the_tables_say(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    which = rng.integers(0, len(SCALES), count)
    values = np.rint(rng.normal(0, np.array(SCALES)[which])).astype(np.int64)
    data = round_trip(values, which, GAUSSIANS)
    estimate = GAUSSIANS.bits(values, which).sum()
    escapes = sum(
        int((values[which == t] < low).sum() + (values[which == t] >= low + len(parts) - 1).sum())
        for t, (parts, low) in enumerate(zip(GAUSSIANS.parts, GAUSSIANS.lowest, strict=True))
    )
    assert estimate <= 8 * len(data) <= estimate * 1.005 + 64 + 52 * escapes


@given(st.lists(st.integers(-(1 << 47) + 1, (1 << 47) - 1), max_size=40))
def test_integers_far_outside_every_table_come_back(values: list[int]) -> None:
    round_trip(np.array(values, np.int64), np.arange(len(values)) % len(SCALES), GAUSSIANS)


def test_integers_beyond_48_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="bits"):
        RangeEncoder().by_table(np.array([1 << 48]), np.zeros(1, np.int64), GAUSSIANS)
    with pytest.raises(ValueError, match="table"):
        RangeEncoder().by_table(np.array([1]), np.array([len(SCALES)]), GAUSSIANS)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.integers(0, 200))
def test_symbols_with_tables_of_their_own_come_back(seed: int, size: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    parts = from_logits(rng.integers(-6000, 6000, (count, size)))
    symbols = rng.integers(0, size, count)
    encoder = RangeEncoder()
    encoder.by_parts(symbols, parts)
    decoder = RangeDecoder(encoder.finish())
    np.testing.assert_array_equal(decoder.by_parts(None, parts), symbols)
    decoder.finish()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1 << 24), min_size=2, max_size=300).filter(any))
def test_the_coders_intervals_are_our_integers_and_nothing_else(weights: list[int]) -> None:
    """A word that lies at an edge of an interval decodes to the symbol on its own side, for every edge of a table.

    With the coder's first state (range 2**64 - 1, scaled by 2**24), the symbol is decided by the upper 24 bits of
    the first word alone, up to the rounding of that first division: so edges are probed from both sides.
    """
    parts = from_weights(np.array(weights, np.int64))
    model = constriction.stream.model.Categorical((parts - 1).astype(np.float32), perfect=False)
    scale = ((1 << 64) - 1) >> 24
    edges = itertools.accumulate(parts.tolist(), initial=0)  # Python's own integers
    for symbol, (low, high) in enumerate(itertools.pairwise(edges)):
        for point in (low * scale, high * scale - 1):
            words = np.array([point >> 32, point & 0xFFFFFFFF], np.uint32)
            assert constriction.stream.queue.RangeDecoder(words).decode(model) == symbol


def test_single_tables_and_families_of_tables_code_alike() -> None:
    rng = np.random.default_rng(0)
    parts = from_weights(rng.integers(0, 1000, 256))
    symbols = rng.choice(256, 500, p=parts / TOTAL)
    one, many = RangeEncoder(), RangeEncoder()
    one.by_table(symbols, np.zeros(500, np.int64), CumulativeTables((np.append(parts[:-1], parts[-1:]),), (0,)))
    many.by_parts(symbols, np.broadcast_to(parts, (500, 256)).copy())
    assert (symbols < 255).all() <= (one.finish() == many.finish())


def test_nothing_costs_nothing() -> None:
    assert RangeEncoder().finish() == b""
    RangeDecoder(b"").finish()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64))
def test_foreign_bytes_are_refused_or_decode_to_something(data: bytes) -> None:
    try:
        decoder = RangeDecoder(data)
        values = decoder.by_table(None, np.arange(50) % len(SCALES), GAUSSIANS)
        assert len(values) == 50
        decoder.finish()
    except ArchiveError:
        pass


def test_left_over_bytes_are_noticed() -> None:
    data = round_trip(np.arange(100), np.full(100, 12), GAUSSIANS)
    decoder = RangeDecoder(data + b"\1\2\3\4" * 3)
    decoder.by_table(None, np.full(100, 12), GAUSSIANS)
    with pytest.raises(ArchiveError, match="left over"):
        decoder.finish()


def test_the_bytes_never_change() -> None:
    # Golden: a change of these bytes is a new format version.
    values = np.array([0, 1, -1, 5, -300, 1 << 40, 0, 0])
    data = round_trip(values, np.array([0, 3, 5, 10, 19, 2, 0, 1]), GOLDEN)
    assert data.hex() == "b59a007f8b40605a000000db00a00301"


GOLDEN = CumulativeTables(
    tuple(from_weights(np.array([1, 2, 4, 9 + i, 4, 2, 1, 1], np.int64)) for i in range(20)), (-3,) * 20
)


def test_symbols_are_drawn_as_often_as_their_tables_say_and_escapes_never() -> None:
    count = 100_000
    which = np.repeat(np.arange(len(SCALES)), count // len(SCALES))
    drawn = Sampler(0).by_table(None, which, GAUSSIANS)
    for table, (parts, lowest) in enumerate(zip(GAUSSIANS.parts, GAUSSIANS.lowest, strict=True)):
        symbols = drawn[which == table] - lowest
        assert symbols.min() >= 0
        assert symbols.max() < len(parts) - 1
        found = np.bincount(symbols, minlength=len(parts)) / len(symbols)
        assert np.abs(found - parts / TOTAL).max() < 4 * 0.5 / np.sqrt(len(symbols))
    parts = from_weights(np.array([[1, 0, 7], [5, 3, 0]]))
    drawn = Sampler(0).by_parts(None, np.repeat(parts, count, axis=0)).reshape(2, count)
    for row, wanted in zip(drawn, parts / TOTAL, strict=True):
        assert np.abs(np.bincount(row, minlength=3) / count - wanted).max() < 0.01


def test_what_is_drawn_depends_on_the_seed_alone_and_can_be_coded() -> None:
    which = np.arange(2000) % len(SCALES)
    one, again, other = (Sampler(seed).by_table(None, which, GAUSSIANS) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    data = round_trip(one, which, GAUSSIANS)
    assert 8 * len(data) == pytest.approx(GAUSSIANS.bits(one, which).sum(), rel=0.01)
