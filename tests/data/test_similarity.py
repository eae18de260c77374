"""Images that look alike are found, whatever their contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from narrows.data.similarity import likenesses, nearest, spread, thumbnail_size
from narrows.io.arrays import Array


def shapes(count: int) -> Array:
    """Blocks of random light, `(N, 24, 40, 3)`."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 200, (count, 3, 5, 3))
    return np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.uint8)


def test_a_darker_or_noisy_copy_is_found_among_others() -> None:
    images = shapes(50)
    noise = np.random.default_rng(1).integers(0, 20, images.shape)
    changed = (images * 0.7 + noise).astype(np.uint8)
    found, score = nearest(likenesses(changed), likenesses(images))
    assert found.tolist() == list(range(50))
    assert score.min() > 0.95


def test_an_image_is_not_its_own_neighbour_where_that_is_said() -> None:
    likeness = likenesses(shapes(20))
    found, score = nearest(likeness, likeness, np.arange(20))
    assert (found != np.arange(20)).all()
    assert score.max() < 0.95


@pytest.mark.parametrize("side", [1, 3, 50])
def test_images_of_any_size_and_flat_ones_have_a_thumbnail(side: int) -> None:
    flat = np.full((3, side, 2 * side, 1), 255, np.uint8)
    likeness = likenesses(flat)
    assert len(likeness) == 3
    assert np.isfinite(likeness).all()


def test_numbers_are_spread_evenly_and_never_more_than_there_are() -> None:
    assert spread(10, 100).tolist() == list(range(10))
    assert spread(101, 3).tolist() == [0, 50, 100]


class Watched:
    """Images that note how many of them are read at a time."""

    def __init__(self, images: Array) -> None:
        self.images, self.shape, self.most = images, images.shape, 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Array:
        found: Array = self.images[index]
        self.most = max(self.most, len(found))
        return found


def test_large_images_are_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    images, chosen = shapes(9), np.array([0, 3, 4, 5, 8])
    whole = likenesses(images)
    monkeypatch.setattr("narrows.data.similarity.CHUNK_BYTES", 2 * 4 * images[0].size)
    watched: Any = Watched(images)
    assert np.allclose(likenesses(watched), whole, atol=1e-6)
    assert np.allclose(likenesses(watched, chosen), whole[chosen], atol=1e-6)
    assert watched.most == 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 50, 3), (30, 20, 2), (90, 80, 4)])
def test_a_thumbnail_has_as_many_numbers_as_is_said(shape: tuple[int, ...]) -> None:
    assert likenesses(np.zeros((2, *shape), np.uint8)).shape == (2, thumbnail_size(shape))
