"""The few kinds of fields that bytes here are made of: numbers of differing length, and runs of bytes.

Next door: `pack`, `pixels` and `archive` read and write them.
"""

from __future__ import annotations

from narrows.errors import ArchiveError


def varint(number: int) -> bytes:
    """A number from 0, seven bits a byte, the lowest first, the top bit set in all bytes but the last (LEB128)."""
    assert number >= 0
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


class Reader:
    """Fields one after the other; raises `ArchiveError` with `what` in it where they end early or are too large."""

    def __init__(self, data: bytes, what: str) -> None:
        self.data, self.at, self.what = data, 0, what

    def varint(self, limit: int) -> int:
        """A number of at most `limit`, in as few bytes as it takes."""
        number = 0
        for shift in range(0, 64, 7):
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:
                if number > limit or (not byte and shift):
                    break
                return number
        raise ArchiveError(f"{self.what} is damaged: a number that is out of its range, {limit}")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        part = self.data[self.at : self.at + count]
        if len(part) < count:
            raise ArchiveError(f"{self.what} is damaged: it ends early")
        self.at += count
        return part

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.data) - self.at)

    def finish(self) -> None:
        """Raise `ArchiveError` where something is left."""
        if self.at < len(self.data):
            raise ArchiveError(f"{self.what} is damaged: {len(self.data) - self.at} bytes are left over")
