"""Arrays of whole numbers as bytes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from narrows.archive.varints import to_varints
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.errors import ArchiveError

ARRAYS = st.lists(
    hnp.arrays(
        np.int64,
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
        elements=st.integers(1 - 2**48, 2**48 - 1),
    ),
    max_size=5,
)


@given(ARRAYS)
def test_arrays_come_back_as_they_were(arrays: list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]) -> None:
    back = unpack_arrays(pack_arrays(arrays))
    assert [a.shape for a in back] == [a.shape for a in arrays]
    assert all((a == b).all() for a, b in zip(arrays, back, strict=True))


def test_weights_cost_little_more_than_their_entropy() -> None:
    weights = np.rint(np.random.default_rng(0).normal(size=100_000) * 40).astype(np.int64)
    counts = np.bincount(weights - weights.min())
    share = counts[counts > 0] / len(weights)
    entropy = -(share * np.log2(share)).sum()
    assert 8 * len(pack_arrays([weights])) < (entropy + 0.1) * len(weights)


def test_every_truncation_is_refused() -> None:
    data = pack_arrays([np.arange(-20, 20), np.zeros((3, 2), np.int64)])
    for length in range(len(data)):
        with pytest.raises(ArchiveError):
            unpack_arrays(data[:length])


def test_more_numbers_than_allowed_are_refused_before_they_are_made() -> None:
    head = [1, 1, 2**23 + 1, 1, 1, 0]  # one array of zeros, which takes no more bytes
    with pytest.raises(ArchiveError, match="damaged"):
        unpack_arrays(to_varints(head))
    head[2] = 1000
    assert not unpack_arrays(to_varints(head))[0].any()


def test_numbers_that_are_too_large_are_refused() -> None:
    with pytest.raises(ValueError, match="bits"):
        pack_arrays([np.array([2**48])])


@pytest.mark.parametrize(
    "head",
    [
        [1, 1, 0, 0, 0],  # a table of no weights
        [1, 3, 0, 2**48, 2**48, 1, 1, 0],  # sides that no array can have, although it is empty
        [1, 1, 0, 50, *[1] * 50, 0],
    ],
)
def test_heads_that_make_no_sense_are_refused(head: list[int]) -> None:
    with pytest.raises(ArchiveError, match="damaged"):
        unpack_arrays(to_varints(head))
