"""Signals without a model come back exactly or within an error, in fewer bytes than general formats need."""

from __future__ import annotations

import bz2
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.archive.promise import Promise
from narrows.codecs import series
from narrows.codecs.base import SERIES, Coded
from narrows.codecs.block import BlockCodec
from narrows.codecs.series import Plan, SeriesWay
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")


def tone(frames: int, channels: int, seed: int = 0) -> Array:
    """Waves with a little noise, `(T, C)`; the channels are alike."""
    rng = np.random.default_rng(seed)
    angles = np.arange(frames)[:, None] * rng.uniform(0.02, 0.2, 3)
    wave = np.sin(angles + rng.uniform(0, 6, 3)).sum(axis=1)[:, None] * np.linspace(1, 0.5, channels)
    return np.rint(3000 * wave + rng.normal(0, 8, (frames, channels))).astype(np.int16)


def back(samples: list[Array], error: int = 0) -> Coded:
    """Code samples, and check that they come back within the error."""
    way = SeriesWay(error)
    coded = way.encode(samples)
    found = way.decode(coded.data, [s.shape for s in samples], samples[0].dtype)
    for sample, mine, again in zip(samples, found, coded.numbers, strict=True):
        np.testing.assert_array_equal(mine, again)
        assert mine.dtype == sample.dtype
        assert np.abs(mine.astype(np.int64) - sample.astype(np.int64)).max() <= error
    return coded


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(INTEGERS),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 6),
    st.sampled_from([0, 0, 1, 7, 1000]),
    st.integers(0, 32),
    st.integers(0, 2**32 - 1),
)
def test_signals_of_any_kind_come_back(
    dtype: str, lengths: list[int], channels: int, error: int, size: int, seed: int
) -> None:
    rng, limits = np.random.default_rng(seed), np.iinfo(dtype)
    high = min(int(limits.max), (1 << size) - 1)
    low = max(int(limits.min), -(1 << size))
    back([rng.integers(low, high, (n, channels), dtype, endpoint=True) for n in lengths], error)


def test_the_ends_of_a_range_come_back() -> None:
    for dtype in INTEGERS:
        limits = np.iinfo(dtype)
        jumps = np.array([[limits.min], [limits.max], [limits.min], [0], [limits.max]], dtype)
        back([np.tile(jumps, (20, 2))])


def test_channels_that_are_alike_cost_little() -> None:
    mono = tone(500, 1)
    alone = len(back([mono]).data)
    assert len(back([np.repeat(mono, 2, axis=1)]).data) < 1.4 * alone


@pytest.mark.parametrize("value", [0, 77, -32768])
def test_silence_costs_next_to_nothing(value: int) -> None:
    assert len(back([np.full((400, 2), value, np.int16)]).data) < 40


def test_values_that_are_rare_or_multiples_cost_no_more_than_their_numbers() -> None:
    few = np.random.default_rng(0).integers(0, 16, (400, 1))
    plain = len(back([few.astype(np.int16)]).data)
    assert len(back([(few * 2048 - 16384).astype(np.int16)]).data) <= plain + 8
    levels = np.unique(np.random.default_rng(1).integers(-30000, 30000, 16))
    assert len(back([levels[few % len(levels)].astype(np.int16)]).data) <= plain + 40


def test_a_tone_takes_fewer_bytes_than_a_general_format_and_an_error_makes_it_smaller() -> None:
    signal = tone(700, 2)
    exact = len(back([signal]).data)
    differences = np.diff(signal, axis=0, prepend=signal[:1]).T.copy()
    assert exact < 0.8 * len(bz2.compress(differences.tobytes()))
    assert len(back([signal], 10).data) < exact - 3 * signal.size / 8


def test_long_signals_are_cut_into_pieces_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "LEAST_PIECE", 100)
    samples = [tone(720, 1), tone(50, 1, 1)]
    plan, _ = Plan.of([s.astype(np.int64) for s in samples], 1)
    assert plan.piece == 100
    back(samples)


def test_a_block_of_signals_is_stored_so() -> None:
    codec = BlockCodec(Promise(0))
    block = codec.encode([tone(300, 2), tone(250, 2, 1)])
    assert block.payload[0] == SERIES
    shapes = [(300, 2), (250, 2)]
    found = codec.decode(block.payload, shapes, np.dtype(np.int16), block.digest)
    np.testing.assert_array_equal(found[1], tone(250, 2, 1))


def test_floats_pictures_and_wide_integers_do_not_fit() -> None:
    way = SeriesWay(0)
    assert not way.fits([(9, 2)], np.dtype(np.float32))
    assert not way.fits([(9, 2)], np.dtype(np.int64))
    assert not way.fits([(9, 9, 1)], np.dtype(np.uint8))
    assert not way.fits([(9, 2), (9, 3)], np.dtype(np.int16))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_blocks_are_refused_or_give_other_samples(data: st.DataObject) -> None:
    signal = tone(24, 2)
    content = bytearray(SeriesWay(0).encode([signal]).data)
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ArchiveError):
        found = SeriesWay(0).decode(bytes(content), [signal.shape], signal.dtype)
        assert found[0].shape == signal.shape
