"""The nearest codes are those that every pair compared one by one would give."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from narrows.errors import DataError, MissingExtraError, SettingsError
from narrows.tasks import nearest as module
from narrows.tasks.nearest import nearest


@pytest.fixture
def codes() -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(3000, 12)) + 7).astype(np.float32)


@pytest.mark.parametrize("k", [1, 9, 700, 3000])
@pytest.mark.parametrize("block", [64 << 20, 20_000])
def test_neighbours_are_those_of_scikit_learn(
    codes: np.ndarray, k: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    monkeypatch.setattr(module, "QUERIES", 17)
    query = np.concatenate([codes[:20], codes[:20] + np.float32(0.5)])
    found = nearest(codes, query, k)
    reference = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(codes.astype(np.float64))
    distances, indices = reference.kneighbors(query.astype(np.float64))
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, atol=1e-6)


def test_of_equal_distances_the_lower_index_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 10_000)
    codes = np.random.default_rng(0).integers(0, 3, (2000, 4)).astype(np.float32)
    found = nearest(codes, codes[:50], 40)
    every = np.sqrt(np.square(codes[None] - codes[:50, None]).sum(axis=2))
    np.testing.assert_array_equal(found.indices, np.argsort(every, axis=1, kind="stable")[:, :40])


def test_equal_codes_have_distance_0_far_from_the_origin(codes: np.ndarray) -> None:
    far = codes * 1e-3 + np.float32(1e4)
    assert (nearest(far, far[:100], 1).distances == 0).all()


def test_constant_codes_are_all_at_distance_0() -> None:
    found = nearest(np.full((50, 3), 0.1, np.float32), np.full(3, 0.1, np.float32), 4)
    assert found.indices.tolist() == [[0, 1, 2, 3]]
    assert not found.distances.any()


def test_values_of_any_size_are_compared() -> None:
    codes = np.array([[1e-30, 0], [3e-30, 0], [1e30, 0], [3e37, 0]], np.float32)
    assert nearest(codes, np.array([4e-30, 0], np.float32), 4).indices.tolist() == [[1, 0, 2, 3]]
    assert nearest(codes[:2], codes[3], 2).indices.tolist()[0] in ([0, 1], [1, 0])


def test_codes_may_be_a_memory_map(codes: np.ndarray, tmp_path) -> None:
    np.save(tmp_path / "c.npy", codes)
    found = nearest(np.load(tmp_path / "c.npy", mmap_mode="r"), codes[5], 3)
    assert found.indices[0, 0] == 5


def test_what_cannot_be_compared_is_refused(codes: np.ndarray) -> None:
    for k in (0, -1, 3001, 2.5):
        with pytest.raises(SettingsError, match=r"k .* was given; allowed is a whole number from 1 to 3000"):
            nearest(codes, codes[0], k)
    with pytest.raises(DataError, match=r"\(N, K\) and \(Q, K\)"):
        nearest(codes, codes[:, :5], 1)
    with pytest.raises(DataError, match="in a query"):
        nearest(codes, np.full(12, np.nan), 1)
    codes[17, 3] = np.inf
    with pytest.raises(DataError, match="in code 17"):
        nearest(codes, codes[0], 1)


def test_very_many_pairs_need_an_index(codes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAIRS", 1000)
    exact = nearest(codes[:10], codes[:100], 5)
    assert exact.indices.shape == (100, 5)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'narrows\[search\]'"):
        nearest(codes, codes[:100], 5)


def test_an_index_finds_nearly_the_same(codes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("usearch")
    exact = nearest(codes, codes[:200], 5)
    monkeypatch.setattr(module, "MOST_PAIRS", 1000)
    found = nearest(codes, codes[:200], 5)
    assert (found.distances[:, 0] == 0).all()
    assert (found.indices == exact.indices).mean() > 0.98


def test_what_differs_by_rounding_is_at_distance_0_and_in_the_order_of_the_set(codes: np.ndarray) -> None:
    codes[9] = np.nextafter(codes[300], np.float32(0))
    found = nearest(codes, codes[300], 2, rounding=module.ROUNDING)
    assert (found.indices.tolist(), found.distances.tolist()) == ([[9, 300]], [[0, 0]])
    assert nearest(codes, codes[300], 2).indices.tolist() == [[300, 9]]
