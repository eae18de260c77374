"""What a set is like decides what is learned from it."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from narrows.data.character import drawn, often_alike
from narrows.data.samples import Description, Samples, from_arrays


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


def test_large_images_are_looked_at_without_a_copy_of_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.broadcast_to(np.uint8(7), (100, 300, 300, 3))  # 27 MB, if all were copied
    monkeypatch.setattr("narrows.data.similarity.CHUNK_BYTES", 4 * 300 * 300 * 3)
    tracemalloc.start()
    samples = Samples(images, Description((300, 300, 3), "uint8", 0.0, 255.0, 100))
    assert not often_alike(samples)
    assert drawn(samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20
