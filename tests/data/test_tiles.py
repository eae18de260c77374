"""Tiles cover an image once, and see beyond what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.data.tiles import tiles


@pytest.mark.parametrize(("height", "width"), [(1, 1), (64, 64), (65, 200), (333, 100), (128, 511)])
def test_every_pixel_is_kept_once_and_seen_with_its_surroundings(height: int, width: int) -> None:
    side, overlap, step = 64, 16, 8
    counts = np.zeros((height, width), int)
    for tile in tiles(height, width, side, overlap, step):
        counts[tile.keeping()] += 1
        for (first, last), (start, stop), length in zip(tile.read, tile.keep, (height, width), strict=True):
            assert last - first <= side
            assert first % step == 0
            assert first == 0 or start - first >= overlap
            assert last == length or last - stop >= overlap
    assert (counts == 1).all()


def test_what_is_kept_lies_where_it_belongs_at_any_scale() -> None:
    image = np.arange(150 * 90).reshape(150, 90)
    for scale in (1, 3):
        whole = image.repeat(scale, 0).repeat(scale, 1)
        out = np.zeros_like(whole)
        for tile in tiles(150, 90, 64, 16, 8):
            piece = image[tile.reading].repeat(scale, 0).repeat(scale, 1)
            out[tile.keeping(scale)] = piece[tile.inside(scale)]
        assert np.array_equal(out, whole)
