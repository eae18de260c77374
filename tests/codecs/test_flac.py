"""Signals as FLAC streams: whatever can be counted in 24 bits comes back, and nothing else is taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.archive.promise import Promise
from narrows.archive.varints import to_varints
from narrows.codecs import flac
from narrows.codecs.base import FLAC, SERIES
from narrows.codecs.block import BlockCodec
from narrows.errors import ArchiveError, SettingsError
from narrows.io.arrays import Array

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")


def wave(frames: int, channels: int = 1, dtype: str = "int16") -> Array:
    """A tone with a little noise, `(T, C)`."""
    rng = np.random.default_rng(frames)
    tone = 3000 * np.sin(0.1 * np.arange(frames))[:, None] * np.ones(channels)
    return np.rint(tone + rng.normal(0, 20, (frames, channels))).astype(dtype)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(INTEGERS),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 8),
    st.integers(0, 23),
    st.integers(0, 8),
    st.integers(0, 2**32 - 1),
)
def test_what_has_24_bits_comes_back(
    dtype: str, lengths: list[int], channels: int, size: int, shift: int, seed: int
) -> None:
    rng, limits = np.random.default_rng(seed), np.iinfo(dtype)
    numbers = [rng.integers(-1 << size, 1 << size, (n, channels)) for n in lengths]
    samples = [np.clip((n << shift) + (limits.max + limits.min) // 2, limits.min, limits.max) for n in numbers]
    stored = [(s >> shift << shift).astype(dtype) for s in samples]
    assert flac.holds(stored)
    found = flac.decode(flac.encode(stored), [s.shape for s in stored], np.dtype(dtype))
    for sample, again in zip(stored, found, strict=True):
        assert again.dtype == sample.dtype
        np.testing.assert_array_equal(again, sample)


def test_what_it_cannot_hold_is_stored_otherwise() -> None:
    wide = np.array([[-(1 << 31)], [(1 << 31) - 1], [5]], np.int32)
    assert not flac.holds([wide])
    assert not flac.fits([(4, 9)], np.dtype(np.int16))
    assert not flac.fits([(4, 1)], np.dtype(np.int64))
    assert not flac.fits([(4, 1)], np.dtype(np.float32))
    for sample in (wide, np.zeros((5, 9), np.int16), wave(30).astype(np.float32)):
        codec = BlockCodec(Promise(0), effort="fast")
        block = codec.encode([sample])
        assert block.payload[0] != FLAC
        np.testing.assert_array_equal(
            codec.decode(block.payload, [sample.shape], sample.dtype, block.digest)[0], sample
        )


@pytest.mark.parametrize("error", [0, 3])
def test_the_effort_says_what_signals_become(error: int) -> None:
    sample = wave(900, 2)
    payloads = {}
    for effort in ("fast", "usual"):
        codec = BlockCodec(Promise(error), effort=effort)  # type: ignore[arg-type]
        block = codec.encode([sample])
        back = BlockCodec(Promise(error)).decode(block.payload, [sample.shape], sample.dtype, block.digest)[0]
        assert np.abs(back.astype(int) - sample).max() <= error
        payloads[effort] = block.payload
    assert payloads["fast"][0] == FLAC
    assert payloads["usual"][0] == SERIES
    assert len(payloads["usual"]) < len(payloads["fast"]) < sample.nbytes


def test_another_effort_is_refused() -> None:
    with pytest.raises(SettingsError, match="allowed are fast and usual"):
        BlockCodec(Promise(0), effort="best")  # type: ignore[arg-type]


def test_damaged_streams_are_refused() -> None:
    sample = wave(500)
    data, head = flac.encode([sample]), 2
    shapes, dtype = [sample.shape], sample.dtype
    for wrong, words in (
        (data[:-40], "stream"),
        (data[:head], "stream"),
        (data[:head] + b"RIFF" + data[head + 4 :], "stream"),
        (to_varints([0, 0]) + data[head:], "limits"),
        (to_varints([0, 60000]) + data[head:], "outside int16"),
        (flac.encode([sample, sample]), "another form"),
        (flac.encode([np.repeat(sample, 2, axis=1)]), "another form"),
        (b"", "numbers"),
    ):
        with pytest.raises(ArchiveError, match=words):
            flac.decode(wrong, shapes, dtype)
