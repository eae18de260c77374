"""Images that look alike are found, whatever their contrast."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.data.likeness import likenesses, nearest, spread
from narrows.data.samples import Array


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
