"""Large images in overlapping tiles: where each is cut, and which part of its result is kept.

Only what lies far enough from a cut is kept, so nothing has to be blended. Tiles begin at multiples of a step, so
that networks that fold and halve see the same grid as in the whole image.
Next door: `tasks.restore` sends the tiles through a network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """Rows and columns to `read`, and those of them to `keep`, both as (start, stop) in the whole image."""

    read: tuple[tuple[int, int], tuple[int, int]]
    keep: tuple[tuple[int, int], tuple[int, int]]

    @property
    def reading(self) -> tuple[slice, slice]:
        """The index of the part that is read."""
        return slice(*self.read[0]), slice(*self.read[1])

    def keeping(self, scale: int = 1) -> tuple[slice, slice]:
        """The index of the part that is kept in a whole result whose sides are `scale` times as long."""
        rows, columns = (slice(scale * start, scale * stop) for start, stop in self.keep)
        return rows, columns

    def inside(self, scale: int = 1) -> tuple[slice, slice]:
        """The index of the part that is kept in the result of this tile."""
        rows, columns = (
            slice(scale * (start - first), scale * (stop - first))
            for (start, stop), (first, _) in zip(self.keep, self.read, strict=True)
        )
        return rows, columns


def tiles(height: int, width: int, side: int, overlap: int, step: int) -> Iterator[Tile]:
    """Tiles of at most `side` pixels a side, read with `overlap` more pixels than are kept wherever the image goes
    on. `side` and `overlap` are multiples of `step`, and `side` is more than twice the overlap."""
    for rows in _spans(height, side, overlap, step):
        for columns in _spans(width, side, overlap, step):
            yield Tile((rows[0], columns[0]), (rows[1], columns[1]))


def _spans(length: int, side: int, overlap: int, step: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    assert side % step == 0
    assert overlap % step == 0
    assert side > 2 * overlap
    if length <= side:
        return [((0, length), (0, length))]
    spans, start = [], 0
    while start < length:
        first = max(0, start - overlap)
        last = min(length, first + side)
        stop = last if last == length else last - overlap
        spans.append(((first, last), (start, stop)))
        start = stop
    return spans
