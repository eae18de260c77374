"""Whole numbers in few bytes, and bytes that are deflated where that is shorter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.archive.varints import deflated, from_varints, inflated, to_varints
from narrows.errors import ArchiveError

NUMBERS = st.lists(st.one_of(st.integers(0, 300), st.integers(0, (1 << 49) - 1)), max_size=30)


@given(NUMBERS, st.binary(max_size=9), st.binary(max_size=9))
def test_numbers_come_back_and_their_end_is_found(numbers: list[int], before: bytes, behind: bytes) -> None:
    packed = to_varints(numbers)
    found, end = from_varints(before + packed + behind, len(before), len(numbers))
    assert found.tolist() == numbers
    assert end == len(before) + len(packed)


@given(st.binary(max_size=40), st.integers(0, 9))
def test_any_bytes_are_numbers_in_one_way_only_or_none(data: bytes, count: int) -> None:
    try:
        numbers, end = from_varints(data, 0, count)
    except ArchiveError:
        return
    assert to_varints(numbers) == data[:end]


def test_the_bytes_of_a_number_are_those_of_leb128() -> None:
    assert to_varints([0, 127, 128, 300]) == bytes([0, 127, 128, 1, 172, 2])


def test_numbers_out_of_range_are_our_own_mistake() -> None:
    for number in (-1, 1 << 49):
        with pytest.raises(ValueError):
            to_varints(np.array([number]))


@given(st.binary(max_size=300))
def test_deflating_is_undone_and_only_done_where_it_helps(data: bytes) -> None:
    data = data * 3
    short = deflated(data)
    if short is not None:
        assert len(short) < len(data)
        assert inflated(short, len(data)) == data
        with pytest.raises(ArchiveError, match="are allowed"):
            inflated(short, len(data) - 1)
