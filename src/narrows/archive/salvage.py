"""What is left of an archive: all, where other bytes follow it; else what is before the last index kept on the way.

Next door: `writer` keeps one from time to time; `reader` takes what is found here for an archive.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from narrows.archive.index import CRC_BYTES, HEAD, MARK, TAIL_BYTES, crc, stored_length, unseal
from narrows.errors import ArchiveError
from narrows.io.files import open_file

BEHIND = 64  # bytes of any kind behind an archive, at most; each place may take a checksum of much of the file
PADDING = b"\0\xff\t\n\r "  # any number of these may follow
STEP = 1 << 20  # bytes that are looked through at a time


class Beginning:
    """The first `size` bytes of a file, as a file that ends with this CRC."""

    def __init__(self, path: Path, size: int, ending: bytes) -> None:
        self._file, self._at, self.name = open_file(path), 0, str(path)
        self.size, self._ending = size, ending

    def seek(self, at: int, whence: int = os.SEEK_SET) -> int:
        """As that of a file."""
        self._at = at + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def read(self, length: int) -> bytes:
        """As that of a file."""
        self._file.seek(self._at)
        content = self._file.read(max(0, min(length, self.size - self._at)))
        before = max(0, self.size - CRC_BYTES - self._at)
        if len(content) > before:
            ending = self._ending[self._at + before - self.size :]
            content = content[:before] + ending[: len(content) - before]
        self._at += len(content)
        return content

    def close(self) -> None:
        """As that of a file."""
        self._file.close()


def beginning(path: Path) -> Beginning | None:
    """The largest whole archive that a file begins with, and is not, if it begins with one."""
    try:
        with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[: len(HEAD)] != HEAD:
                return None
            padded = _without_padding(content)
            for end in range(min(padded + CRC_BYTES, len(content) - 1), max(padded - BEHIND, len(HEAD)), -1):
                ending = None if MARK.startswith(content[end : end + len(MARK)]) else _ending(content, end)
                if ending is not None:
                    return Beginning(path, end, ending)
            end = len(content)
            while (end := content.rfind(MARK, 0, end)) > 0:
                ending = _ending(content, end, MARK) or _ending(content, end)  # the latter as 0.1.0 sealed it
                if ending is not None:
                    return Beginning(path, end, ending)
    except (OSError, ValueError):  # no such file, or an empty one
        pass
    return None


def is_cut(path: Path, size: int) -> bool:
    """Whether the archive in the first `size` bytes of a file is the beginning of one that was cut short."""
    with open_file(path) as file:
        file.seek(size)
        return file.read(len(MARK)) == MARK


def _without_padding(content: mmap.mmap) -> int:
    """How many bytes there are before the padding at the end."""
    end = len(content)
    while end and not (left := content[max(0, end - STEP) : end].rstrip(PADDING)):
        end = max(0, end - STEP)
    return max(0, end - STEP) + len(left) if end else 0


def _ending(content: mmap.mmap, end: int, mark: bytes = b"") -> bytes | None:
    """The CRC of the archive that ends there, before the mark if one is given; None if none does."""
    try:
        length = stored_length(content[max(len(HEAD), end - TAIL_BYTES) : end], end)
        stored = content[end - length : end]
        unseal(stored, mark)
    except ArchiveError:
        return None
    return crc(HEAD + stored[:-CRC_BYTES])
