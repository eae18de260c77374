"""Bits come back as they were, and missing or spare ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.entropy.bits import BitReader, BitWriter
from narrows.errors import ArchiveError


@given(st.lists(st.lists(st.integers(0, 40), max_size=5), max_size=5), st.integers(0, 2**32 - 1))
def test_integers_of_any_width_come_back(groups: list[list[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    writer, told = BitWriter(), []
    for group in groups:
        widths = np.array(group, np.int64)
        told.append((rng.integers(0, 1 << widths, dtype=np.int64), widths))
        writer.code(*told[-1])
    data = writer.finish()
    reader = BitReader(data)
    for values, widths in told:
        np.testing.assert_array_equal(reader.code(None, widths), values)
    reader.finish()


def test_missing_and_spare_bits_are_refused() -> None:
    with pytest.raises(ArchiveError, match="missing"):
        BitReader(b"\1").code(None, np.array([9]))
    with pytest.raises(ArchiveError, match="left over"):
        BitReader(b"\1").finish()
