"""The nearest codes by Euclidean distance, exactly, in bounded memory; by `usearch` where that would take hours.

Next door: `find` asks for them by pictures, `duplicates` for those that are nearly the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.checks import whole
from narrows.errors import DataError, MissingExtraError, SettingsError

MOST_PAIRS = 10**12  # that are compared one by one: a million codes with a million
BLOCK_BYTES = 64 << 20  # of codes, and of distances, that are held at a time
ROUNDING = 2e-6  # of the length of a code: by so much those of one sample may differ
QUERIES, KEPT = 1024, 1 << 22  # queries at a time, and neighbours of all of them
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """For each query the nearest codes, nearest first: `indices` and `distances`, both `(Q, k)`."""

    indices: Indices
    distances: Floats


def nearest(codes: Any, query: Any, k: int = 10, *, rounding: float = 0.0) -> Neighbours:
    """The `k` codes of `(N, K)` that are nearest to each query of `(Q, K)` or `(K,)`, by Euclidean distance; of equal
    distances the one with the lower index comes first, and equal codes have distance 0. So have those that are no
    further apart than `rounding` times the length of the query: networks give one sample codes that differ by
    `ROUNDING`, alone and among others.

    The result is exact up to 10^12 pairs, a million codes beside a million; beyond that an index of the package
    `usearch` finds nearly all of them. Raises `SettingsError` for a `k` that is not 1 to N, `DataError` for NaN and
    other shapes, `MissingExtraError` without usearch where it is needed.
    """
    codes, query = np.asarray(codes), np.atleast_2d(np.asarray(query))
    if codes.ndim != 2 or query.ndim != 2 or codes.shape[1] != query.shape[1] or 0 in codes.shape:
        raise DataError(f"codes of shape {codes.shape} and queries of {query.shape} were given; (N, K) and (Q, K) go")
    k = whole("k", k, 1, len(codes))
    if not np.isfinite(query).all():
        raise DataError("NaN or infinity in a query; every number must be finite")
    frame = _Frame.of(codes, query)
    if len(codes) * len(query) > MOST_PAIRS:
        return _by_index(codes, query, k, rounding)
    rows = max(1, min(QUERIES, KEPT // k))
    parts = [_walk(codes, query[start : start + rows], k, frame, rounding) for start in range(0, len(query), rows)]
    return Neighbours(*(np.concatenate(each) for each in zip(*parts, strict=True)))


@dataclass(frozen=True)
class _Frame:
    """How codes become small float32 numbers around 0, whose products lose few digits."""

    mean: Floats
    scale: float
    rows: int  # at a time

    @classmethod
    def of(cls, codes: npt.NDArray[Any], query: npt.NDArray[Any]) -> _Frame:
        """Of codes `(N, K)`, in one pass, and queries; raises `DataError` for NaN."""
        rows = max(1, min(8192, BLOCK_BYTES // (8 * codes.shape[1])))
        total, low, high = np.zeros(codes.shape[1]), np.full(codes.shape[1], np.inf), np.full(codes.shape[1], -np.inf)
        for start in range(0, len(codes), rows):
            part = codes[start : start + rows].astype(np.float64)
            if not np.isfinite(part).all():
                where = start + int(np.argwhere(~np.isfinite(part))[0, 0])
                raise DataError(f"NaN or infinity in code {where}; every number must be finite")
            total += part.sum(axis=0)
            low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
        mean = total / len(codes)
        widest = max((high - mean).max(), (mean - low).max(), np.abs(query - mean).max())
        return cls(mean, float(widest) or 1.0, rows)

    def __call__(self, part: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return ((part.astype(np.float64) - self.mean) / self.scale).astype(np.float32)


def _walk(
    codes: npt.NDArray[Any], query: npt.NDArray[Any], k: int, frame: _Frame, rounding: float
) -> tuple[Indices, Floats]:
    """Block by block: products in float32 say which pairs may be among the nearest, within a bound of their rounding;
    the distances of those are computed from differences, in double precision."""
    q = frame(query)  # (Q, K)
    q_norms = np.square(q).sum(axis=1)
    indices = np.full((len(query), k), len(codes), np.int64)
    distances = np.full((len(query), k), np.inf)
    left = np.column_stack([-2 * q, np.ones_like(q_norms)])
    for start in range(0, len(codes), frame.rows):
        part = frame(codes[start : start + frame.rows])  # (M, K)
        norms = np.square(part).sum(axis=1)
        squares = (
            left @ np.column_stack([part, norms]).T
        )  # (Q, M): |a|^2 - 2ab, to which |b|^2 of the query is missing
        bound = (q.shape[1] + 16) * np.finfo(np.float32).eps * (q_norms + norms.max())
        worst = np.square(distances[:, -1] / frame.scale) - q_norms  # of those found so far
        if start == 0 and k < len(part):
            worst = np.partition(squares, k - 1, axis=1)[:, k - 1] + bound
        near = np.flatnonzero(squares <= (worst + bound).astype(np.float32)[:, None])
        rows, columns = np.divmod(near, len(part))
        exact = _distances(codes, query, rows, columns + start, rounding)
        closer = exact < distances[rows, -1]  # of equal ones, the earlier stays
        distances, indices = _merged(distances, indices, rows[closer], exact[closer], columns[closer] + start)
    return indices, distances


def _distances(
    codes: npt.NDArray[Any], query: npt.NDArray[Any], rows: Indices, columns: Indices, rounding: float
) -> Floats:
    """The distance of each pair of a query and a code, from their differences; 0 within the rounding."""
    least = rounding * np.linalg.norm(query.astype(np.float64), axis=1)
    step = max(1, BLOCK_BYTES // (16 * codes.shape[1]))
    parts = [np.zeros(0)]
    for start in range(0, len(rows), step):
        span = slice(start, start + step)
        difference = codes[columns[span]].astype(np.float64) - query[rows[span]]
        parts.append(np.sqrt(np.einsum("ij,ij->i", difference, difference)))
    found = np.concatenate(parts)
    return np.where(found <= least[rows], 0.0, found)


def _merged(distances: Floats, indices: Indices, rows: Indices, new: Floats, at: Indices) -> tuple[Floats, Indices]:
    """The nearest of those found before, `(Q, k)`, and new pairs: so near to query `rows` is the code `at`."""
    if not rows.size:
        return distances, indices
    count, k = distances.shape
    every_row = np.concatenate([np.repeat(np.arange(count), k), rows])
    every, where = np.concatenate([distances.ravel(), new]), np.concatenate([indices.ravel(), at])
    order = np.lexsort((where, every, every_row))
    first = np.searchsorted(every_row[order], np.arange(count))
    order = order[(first[:, None] + np.arange(k)).ravel()]
    return every[order].reshape(count, k), where[order].reshape(count, k)


def _by_index(codes: npt.NDArray[Any], query: npt.NDArray[Any], k: int, rounding: float) -> Neighbours:
    """Nearly all of the nearest, by a graph of codes in memory; their distances are exact."""
    try:
        from usearch.index import Index
    except ImportError:
        raise MissingExtraError(
            f"{len(codes)} codes beside {len(query)} need a package: pip install 'narrows[search]'"
        ) from None
    index = Index(ndim=codes.shape[1], metric="l2sq", dtype="f32", expansion_search=max(256, 4 * k))
    rows = max(1, BLOCK_BYTES // (4 * codes.shape[1]))
    for start in range(0, len(codes), rows):
        part = np.ascontiguousarray(codes[start : start + rows], np.float32)
        index.add(np.arange(start, start + len(part)), part)
    found: list[Indices] = []
    for start in range(0, len(query), rows):
        matches: Any = index.search(np.ascontiguousarray(query[start : start + rows], np.float32), k)
        keys = np.asarray(matches.keys).astype(np.int64).reshape(-1, k)
        if (np.asarray(matches.counts) < k).any():
            raise SettingsError(f"k {k} was given, and the index finds fewer; ask for fewer neighbours")
        found.append(keys)
    indices = np.concatenate(found)
    every = np.repeat(np.arange(len(query)), k)
    distances = _distances(codes, query, every, indices.ravel(), rounding).reshape(-1, k)
    order = np.lexsort((indices, distances), axis=1)
    return Neighbours(np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1))
