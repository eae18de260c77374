"""The walk over an image: every value once, from coarse to fine, and nothing is known before its time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from narrows.codecs import grid

SHAPES = [(1, 1, 1), (1, 7, 2), (2, 3, 1), (33, 32, 3), (64, 65, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_quads_are_undone(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(1, 256, (3, *shape))
    planes = grid.quads(images)
    assert planes.shape == (3, -(-shape[0] // 2), -(-shape[1] // 2), 4 * shape[2])
    assert planes.sum() == images.sum()  # 0 beyond the image
    assert np.array_equal(grid.from_quads(planes, *shape[:2]), images)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_value_is_coded_once_and_only_earlier_ones_are_known(shape: tuple[int, int, int]) -> None:
    images = np.arange(1, 2 * int(np.prod(shape)) + 1).reshape(2, *shape)
    seen: list[int] = []
    steps: list[int] = []

    def code(number: int, known: Any, values: Any, inside: Any) -> Any:
        assert values.shape == (2, inside.sum())
        assert set(known.ravel().tolist()) - {0} <= set(seen)
        assert (known.shape[-1], inside.shape[-1]) == grid.steps_of(shape[2])[number]
        seen.extend(values.ravel().tolist())
        steps.append(number)
        return values

    assert np.array_equal(grid.walk(images, images.shape, code), images)
    assert sorted(seen) == images.ravel().tolist()
    assert steps == sorted(set(steps))


def test_samples_that_are_coded_together_are_neighbours_of_one_shape_and_few_enough() -> None:
    shapes = [(4, 4, 1)] * 3 + [(2, 2, 1)] * 2 + [(4, 4, 1), (600, 600, 1), (600, 600, 1)]
    assert list(grid.coded_together(shapes)) == [[0, 1, 2], [3, 4], [5], [6], [7]]


def test_large_images_are_cut_into_sections_that_cover_them() -> None:
    covered = np.zeros((700, 1030), int)
    for section in grid.sections((700, 1030, 3), grid.GRID_SECTION):
        covered[section] += 1
        assert max(covered[section].shape) <= 512
    assert (covered == 1).all()
