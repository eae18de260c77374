"""Samples that are nearly the same, by the distances of their codes. Next door: `nearest` finds the neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.checks import real
from narrows.errors import DataError
from narrows.tasks.embed import Codes
from narrows.tasks.nearest import ROUNDING, Floats, nearest

LOOKED_AT = 8  # neighbours of each sample
GAP = 3.0  # times as far: from there on it is a gap
NEAR, FAR = (
    0.1,
    0.25,
)  # times the usual distance of the last neighbour looked at: no gap lies beyond, or is looked for
LEAST = 1e-3  # likewise: smaller distances count as so much
BINS = 16


@dataclass(frozen=True)
class Group:
    """Samples that are nearly the same, in order, each with its distance to the nearest of the others."""

    members: tuple[int, ...]
    distances: tuple[float, ...]


@dataclass(frozen=True)
class Duplicates:
    """Groups, the nearest samples first. `distances` `(N,)` are those of all samples to their nearest neighbour;
    groups are connected by distances less than `below`, `how` says why."""

    codes: Codes
    groups: tuple[Group, ...]
    distances: Floats
    below: float
    how: str

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        groups = [
            [
                {"index": i, "name": self.codes.called(i), "distance": distance}
                for i, distance in zip(group.members, group.distances, strict=True)
            ]
            for group in self.groups
        ]
        counts, edges = self.histogram()
        return {
            "samples": len(self.codes),
            "below": self.below,
            "how": self.how,
            "groups": groups,
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        }

    def histogram(self) -> tuple[npt.NDArray[np.int64], Floats]:
        """How many samples have which distance to their nearest neighbour: counts `(B,)` and edges `(B + 1,)`, from 0
        to the first, then evenly on a logarithmic scale; one bin for all where there is one distance only."""
        positive = self.distances[self.distances > 0]
        if not positive.size:
            return np.array([len(self.distances)]), np.array([0.0, 0.0])
        low, high = float(positive.min()), float(positive.max())
        steps = np.geomspace(low, high, BINS) if high > low else np.array([low, high])
        edges = np.array([0.0, *steps])
        counts = np.bincount(np.searchsorted(edges[1:-1], self.distances, side="right"), minlength=len(edges) - 1)
        return counts, edges


def duplicates(codes: Codes, below: float | None = None) -> Duplicates:
    """Groups of samples that are nearly the same: each is connected with those of its eight nearest that are less
    than `below` away, and with those of equal code.

    Without `below`, it lies in the widest gap between the distances to the nearest neighbour, if there is one where a
    distance is three times the one before, else at a tenth of the usual distance of the eighth neighbour. Raises
    `DataError` for a single sample, `SettingsError` for a `below` under 0.
    """
    if below is not None:
        below = real("below", below, 0)
    if len(codes) < 2:
        raise DataError(f"{codes.source}: one sample was given; at least two are needed, to compare them")
    rows = np.ascontiguousarray(codes.rows) + 0.0  # so that -0 is 0
    alike = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, first, which = np.unique(alike, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    several = np.bincount(which) > 1  # codes that more than one sample has
    if len(first) == 1:
        every = tuple(range(len(codes)))
        distances = np.zeros(len(codes))
        return Duplicates(codes, (Group(every, (0.0,) * len(every)),), distances, below or 0.0, "all codes are equal")
    order = np.argsort(first)  # codes in the order of the samples, so that ties are by index
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    single, which, several = rows[first[order]], place[which], several[order]
    found = nearest(single, single, min(LOOKED_AT + 1, len(single)), rounding=ROUNDING)
    own = found.indices == np.arange(len(single))[:, None]
    own[~own.any(axis=1), -1] = True  # where very many are at distance 0
    others, apart = (each[~own].reshape(len(single), -1) for each in (found.indices, found.distances))
    distances = np.where(several, 0.0, apart[:, 0])[which]  # (N,)
    how = "as asked for"
    if below is None:
        below, how = _threshold(distances, float(np.median(apart[:, -1])))
    groups = _connected(others, (apart < below) | (apart == 0), which)
    made = [Group(group, tuple(distances[list(group)].tolist())) for group in groups]
    made.sort(key=lambda group: (min(group.distances), group.members))
    return Duplicates(codes, tuple(made), distances, below, how)


def _threshold(distances: Floats, usual: float) -> tuple[float, str]:
    """A distance between those of samples that are nearly the same and of others, and how it was chosen; `usual` is
    the distance of a neighbour further away, which a copy or two do not change."""
    if not usual:
        return 0.0, "most codes are equal"
    rising = np.unique(np.maximum(distances[distances > 0], LEAST * usual))
    gaps = rising[1:] / rising[:-1]
    gaps = gaps[rising[:-1] < FAR * usual]
    if gaps.size and gaps.max() >= GAP:
        at = int(gaps.argmax())
        low, high = float(rising[at]), float(rising[at + 1])
        return float(np.sqrt(low * high)), f"in the gap between {low:.3g} and {high:.3g}"
    return NEAR * usual, f"a tenth of {usual:.3g}, the usual distance of the eighth neighbour; there is no clear gap"


def _connected(
    others: npt.NDArray[np.int64], near: npt.NDArray[np.bool_], which: npt.NDArray[np.int64]
) -> list[tuple[int, ...]]:
    """Samples in groups of more than one; `others` `(M, k)` are neighbours of codes, `which` `(N,)` is each sample's
    code."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.nonzero(near)
    edges = coo_array((np.ones(len(rows)), (rows, others[rows, columns])), shape=(len(others), len(others)))
    group = connected_components(edges, directed=False)[1][which]  # (N,)
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return [tuple(part.tolist()) for part in parts if len(part) > 1]
