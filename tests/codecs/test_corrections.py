"""Corrections come back as they were, and move what is expected as the format says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.codecs.corrections import (
    MOST_WEIGHT,
    MOVES,
    SHIFT,
    WEIGHT_BITS,
    Correction,
    Expected,
    beyond,
    code,
    taps,
)
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.entropy.passes import grid_passes


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_taps_are_the_known_pixels_around(channels: int) -> None:
    for p in grid_passes(channels):
        for target in p.targets:
            at = [(t.plane, 2 * (t.row - 1), 2 * (t.column - 1)) for t in taps(p, target, channels)]
            assert len(set(at)) == len(at)
            offsets = [
                (row + p.known[k] % 4 // 2 - target % 4 // 2, column + p.known[k] % 2 - target % 2)
                for k, row, column in at
            ]
            assert all(max(abs(down), abs(across)) == 1 or (down, across) == (0, 0) for down, across in offsets)
            corners = 4 if target % 4 == 3 else 2
            firsts = [(k, row, column) for k, row, column in at if k < channels]
            assert len(firsts) == channels * (corners - 1)
            assert all((row, column) != (0, 0) for _, row, column in firsts)


def corrections(data: st.DataObject, channels: int, number: int) -> Correction:
    p = grid_passes(channels)[number]
    count = len(p.targets)
    drawn = [data.draw(st.lists(st.integers(m.least, -m.least - 1), min_size=count, max_size=count)) for m in MOVES]
    weights = st.integers(-MOST_WEIGHT, MOST_WEIGHT) | st.just(0) | st.just(MOST_WEIGHT)
    sizes = [len(taps(p, target, channels)) for target in p.targets]
    chosen = tuple(np.array(data.draw(st.lists(weights, min_size=n, max_size=n)), np.int64) for n in sizes)
    return Correction(chosen, *(np.array(each, np.int64) for each in drawn))


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(1, 4))
def test_corrections_come_back_and_move_what_they_say(data: st.DataObject, channels: int) -> None:
    number = data.draw(st.integers(0, 2 * channels - 1))
    p, given = grid_passes(channels)[number], corrections(data, channels, number)
    encoder = RangeEncoder()
    assert code(encoder, None, True, p, channels) is None
    code(encoder, given, True, p, channels)
    decoder = RangeDecoder(encoder.finish())
    assert code(decoder, None, False, p, channels) is None
    found = code(decoder, None, False, p, channels)
    decoder.finish()
    assert found is not None
    for name in ("bias", "scale", "slope", "tail"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
    assert all(map(np.array_equal, found.weights, given.weights))

    rng = np.random.default_rng(number)
    planes = rng.choice([0, 255, 7, 128], (2, 5, 4, len(p.known)))
    told = Expected(*(rng.integers(-3000, 3000, (2, 5, 4, len(p.targets))) for _ in range(3)))
    after = found.applied(told, beyond(planes), p, channels)
    image, row, column = (int(rng.integers(n)) for n in (2, 5, 4))
    for t, target in enumerate(p.targets):
        total = 16 * int(given.bias[t]) + 8
        for tap, weight in zip(taps(p, target, channels), given.weights[t].tolist(), strict=True):
            y, x = min(max(row + tap.row - 1, 0), 4), min(max(column + tap.column - 1, 0), 3)
            first = planes[image, row, column, colour_of(p.known, tap.plane, channels)]
            total += weight * int(planes[image, y, x, tap.plane] - first)
        at = (image, row, column, t)
        assert SHIFT == WEIGHT_BITS - 4 == 4
        assert after.mean[at] - told.mean[at] == total // 16
        scale = int(told.scale[at])
        assert after.scale[at] == scale + 16 * int(given.scale[t]) + int(given.slope[t]) * scale // 16
        assert after.tail[at] == told.tail[at] + 128 * int(given.tail[t])


def colour_of(known: tuple[int, ...], plane: int, channels: int) -> int:
    """Which of the known planes has the first pixels of the channel of another."""
    found = [k for k in range(channels) if known[k] // 4 == known[plane] // 4]
    return found[0]
