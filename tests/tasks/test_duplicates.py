"""Samples that are nearly the same are found, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.errors import DataError, SettingsError
from narrows.tasks.duplicates import duplicates
from narrows.tasks.embed import Codes


def groups(rows: np.ndarray, below: float | None = None) -> list[tuple[int, ...]]:
    return [group.members for group in duplicates(Codes(rows.astype(np.float32)), below).groups]


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, 10))


def test_near_copies_are_told_from_others_by_a_gap(rows: np.ndarray) -> None:
    rows[150:160] = rows[:10] + 0.001
    found = duplicates(Codes(rows.astype(np.float32)))
    assert sorted(group.members for group in found.groups) == [(i, 150 + i) for i in range(10)]
    assert "in the gap between" in found.how
    assert all(0 < d < found.below for group in found.groups for d in group.distances)


def test_where_each_has_a_copy_they_are_pairs_still(rows: np.ndarray) -> None:
    rows[100:] = rows[:100] + np.random.default_rng(1).normal(size=(100, 10)) * 0.01
    assert sorted(groups(rows)) == [(i, 100 + i) for i in range(100)]


def test_without_near_copies_there_are_no_groups(rows: np.ndarray) -> None:
    found = duplicates(Codes(rows.astype(np.float32)))
    assert found.groups == ()
    assert "there is no clear gap" in found.how


def test_equal_codes_are_a_group_at_distance_0_and_make_no_gap(rows: np.ndarray) -> None:
    rows[[20, 30]] = rows[10]
    rows[40] = 0.0
    rows[50] = -0.0
    found = duplicates(Codes(rows.astype(np.float32)))
    assert [group.members for group in found.groups] == [(10, 20, 30), (40, 50)]
    assert found.groups[0].distances == (0, 0, 0)
    assert "there is no clear gap" in found.how
    assert groups(rows, 0) == [(10, 20, 30), (40, 50)]


def test_codes_that_differ_by_rounding_are_equal(rows: np.ndarray) -> None:
    given = rows.astype(np.float32)
    given[100:130] = np.nextafter(given[5], np.arange(30, dtype=np.float32)[:, None])
    found = duplicates(Codes(given), 0)
    assert [group.members for group in found.groups] == [(5, *range(100, 130))]
    assert not np.any(found.groups[0].distances)


def test_groups_are_chains_of_near_samples() -> None:
    rows = np.array([[0.0], [1], [2], [10], [11], [30]])
    assert groups(rows, 1.5) == [(0, 1, 2), (3, 4)]
    assert groups(rows, 1.0) == []
    assert groups(rows, 100) == [(0, 1, 2, 3, 4, 5)]


def test_the_nearest_group_comes_first(rows: np.ndarray) -> None:
    rows[[101, 102]] = rows[[1, 2]] + np.array([[0.02], [0.01]])
    assert groups(rows, 0.2) == [(2, 102), (1, 101)]


def test_samples_that_are_all_equal_are_one_group() -> None:
    found = duplicates(Codes(np.full((5, 3), 0.3, np.float32)))
    assert [group.members for group in found.groups] == [(0, 1, 2, 3, 4)]
    assert found.histogram()[0].tolist() == [5]
    assert found.to_json()["below"] == 0


def test_two_samples_are_compared() -> None:
    assert groups(np.array([[0.0], [1]])) == []
    assert groups(np.array([[0.0], [1]]), 2) == [(0, 1)]


def test_the_histogram_counts_every_sample_once(rows: np.ndarray) -> None:
    rows[7] = rows[8]
    found = duplicates(Codes(rows.astype(np.float32)))
    counts, edges = found.histogram()
    assert counts.sum() == 200
    assert counts[0] == 2
    assert (np.diff(edges) > 0).all()
    for i, count in enumerate(counts[1:-1].tolist(), 1):
        assert count == ((found.distances >= edges[i]) & (found.distances < edges[i + 1])).sum()


def test_a_single_sample_and_a_distance_below_0_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(DataError, match="one sample was given; at least two"):
        duplicates(Codes(np.zeros((1, 3), np.float32)))
    for below in (-1, float("nan")):
        with pytest.raises(SettingsError, match="below"):
            groups(rows, below)
