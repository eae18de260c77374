"""The order of the points of a grid: each comes once, after the neighbours that predict it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from narrows.codecs.refinement import code_order, first_strides, groups, smooth_last
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.errors import ArchiveError

SIDES = [(1,), (2,), (17,), (1, 5), (4, 4), (3, 8, 5), (2, 1, 2, 3), (5, 2, 3, 4)]


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_every_point_comes_once_and_after_its_neighbours(sides: tuple[int, ...]) -> None:
    axes = [axis for axis, stride in enumerate(first_strides(sides)) for _ in range(stride.bit_length())]
    for order in {tuple(axes), tuple(reversed(axes)), tuple(np.random.default_rng(0).permutation(axes).tolist())}:
        known = np.zeros(math.prod(sides), bool)
        known[0] = True
        for group in groups(sides, order):
            assert not known[group.here].any()
            assert len(set(group.here.tolist())) == len(group.here)
            for offset in itertools.chain(group.direct, group.further):
                assert known[group.at(offset)].all()
            known[group.here] = True
        assert known.all()


def test_the_axis_along_which_points_differ_least_is_refined_last() -> None:
    y, x = np.mgrid[:16, :16]
    assert smooth_last(np.sin(y * 2.0) + x / 100, (16, 16)) == [0, 0, 0, 0, 1, 1, 1, 1]


def test_an_order_comes_back_and_one_that_refines_too_often_is_refused() -> None:
    coder = RangeEncoder()
    assert code_order(coder, [1, 0, 1, 1], (2, 8)) == [1, 0, 1, 1]
    data = coder.finish()
    assert code_order(RangeDecoder(data), None, (2, 8)) == [1, 0, 1, 1]
    with pytest.raises(ArchiveError, match="too often"):
        code_order(RangeDecoder(data), None, (4, 4))
