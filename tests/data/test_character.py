"""What a set is like decides what is learned from it."""

from __future__ import annotations

import numpy as np

from narrows.data.character import drawn, often_alike
from narrows.data.samples import from_arrays


def test_a_set_with_many_copies_is_known_as_such() -> None:
    images = np.kron(np.random.default_rng(0).integers(0, 200, (80, 3, 5, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    assert not often_alike(from_arrays(images))
    assert often_alike(from_arrays(np.concatenate([images, images[:40] // 2])))
    assert not often_alike(from_arrays(np.zeros((300, 7), np.float32)))
    assert not often_alike(from_arrays([np.zeros((8 + i, 8, 3), np.uint8) for i in range(100)]))


def test_drawings_are_told_from_photos() -> None:
    rng = np.random.default_rng(0)
    flat = np.kron(rng.integers(0, 255, (9, 4, 4, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    assert drawn(from_arrays(flat))
    assert not drawn(from_arrays(rng.integers(0, 255, flat.shape).astype(np.uint8)))
    assert not drawn(from_arrays(np.zeros((9, 7), np.float32)))
    assert not drawn(from_arrays(np.zeros((9, 7, 1, 3), np.uint8)))
