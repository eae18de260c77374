"""Bits as they are: the low bits of integers that no table would tell apart.

Next door: `coder` codes the rest of such integers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from narrows.entropy.cumulative import Integers
from narrows.errors import ArchiveError

MOST_WIDTH = 48  # bits of one integer


class BitWriter:
    """Takes integers and their widths, and gives bytes: integer after integer, the lowest bits first."""

    def __init__(self) -> None:
        self._values: list[Integers] = []
        self._widths: list[Integers] = []

    def code(self, values: Integers | None, widths: Integers) -> Integers:
        """Write integers `(N,)`, each of its width in bits; returns them."""
        assert values is not None
        self._values.append(values)
        self._widths.append(widths)
        return values

    def finish(self) -> bytes:
        """All bytes; the last is filled with zeros."""
        if not self._widths:
            return b""
        values, widths = np.concatenate(self._values), np.concatenate(self._widths)
        starts = np.cumsum(widths) - widths
        bits = np.zeros(int(widths.sum()), np.uint8)
        for bit in range(int(widths.max(initial=0))):
            has = widths > bit
            bits[starts[has] + bit] = values[has] >> bit & 1
        return np.packbits(bits, bitorder="little").tobytes()


class BitReader:
    """The inverse. Raises `ArchiveError` where bytes are missing or left over."""

    def __init__(self, data: bytes) -> None:
        self._end = 8 * len(data)
        self._at = 0
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(data + bytes(8), np.uint8)

    def code(self, values: Integers | None, widths: Integers) -> Integers:
        """Read integers of these widths in bits, `(N,)`."""
        ends = self._at + np.cumsum(widths)
        if len(ends) and ends[-1] > self._end:
            raise ArchiveError("a damaged block: bits are missing")
        starts = ends - widths
        found = np.zeros(len(widths), np.int64)
        first = starts >> 3
        for byte in range((int(widths.max(initial=0)) + 14) // 8):
            found |= self._bytes[np.minimum(first + byte, len(self._bytes) - 1)].astype(np.int64) << 8 * byte
        if len(ends):
            self._at = int(ends[-1])
        return (found >> (starts & 7)) & ((np.int64(1) << widths) - 1)

    def finish(self) -> None:
        """Raise `ArchiveError` if bytes are left over."""
        if self._end - self._at >= 8:
            raise ArchiveError("a damaged block: bits are left over")
