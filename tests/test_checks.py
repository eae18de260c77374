"""Numbers as people give them: the right ones come back plain, all others are refused in one line."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from narrows.checks import brief, real, whole
from narrows.errors import SettingsError


@pytest.mark.parametrize("value", [1, 3, np.int64(2), np.uint8(1)])
def test_whole_numbers_in_range_come_back_as_ints(value: object) -> None:
    assert type(whole("n", value, 1, 3)) is int
    assert whole("n", value, 1, 3) == value


@pytest.mark.parametrize("value", [0, 4, 10**40, True, 2.0, "2", None, math.nan, [2], np.array([1, 2])])
def test_anything_else_is_no_whole_number(value: object) -> None:
    with pytest.raises(SettingsError, match="allowed is a whole number from 1 to 3"):
        whole("n", value, 1, 3)


@pytest.mark.parametrize("value", [0, 0.5, 1, np.float32(0.25), Fraction(1, 3)])
def test_numbers_in_range_come_back_as_floats(value: object) -> None:
    assert type(real("x", value, 0, 1)) is float


@pytest.mark.parametrize("value", [-0.1, math.inf, -math.inf, math.nan, True, "1", None, 1j, [1.0], np.ones(2)])
def test_anything_else_is_no_number(value: object) -> None:
    with pytest.raises(SettingsError, match="allowed is a finite number from 0"):
        real("x", value, 0)


def test_a_bound_may_be_excluded() -> None:
    with pytest.raises(SettingsError, match="x 0 was given; allowed is a finite number above 0 up to 2"):
        real("x", 0, 0, 2, above=True)
    assert real("x", 2, 0, 2, above=True) == 2


def test_long_things_are_told_in_a_few_words_of_one_line() -> None:
    words = brief(np.zeros((50, 50)))
    assert len(words) <= 40
    assert "\n" not in words
