"""What is left of an archive that is cut short: everything up to the last index that was kept on the way.

Next door: `writer` keeps one from time to time; `reader` takes what is found here for an archive.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from narrows.archive.index import HEAD, MARK, TAIL_BYTES, stored_length, unseal
from narrows.errors import ArchiveError
from narrows.io.files import open_file


class Beginning:
    """The first `size` bytes of a file, as a file."""

    def __init__(self, path: Path, size: int) -> None:
        self._file, self._size, self._at, self.name = open_file(path), size, 0, str(path)

    def seek(self, at: int, whence: int = os.SEEK_SET) -> int:
        """As that of a file."""
        self._at = at + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, length: int) -> bytes:
        """As that of a file."""
        self._file.seek(self._at)
        content = self._file.read(max(0, min(length, self._size - self._at)))
        self._at += len(content)
        return content

    def close(self) -> None:
        """As that of a file."""
        self._file.close()


def beginning(path: Path) -> Beginning | None:
    """The largest whole archive that a file begins with, if it is an archive and holds one."""
    try:
        with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content[: len(HEAD)] != HEAD:
                return None
            end = len(content)
            while (end := content.rfind(MARK, 0, end)) > 0:
                try:
                    length = stored_length(content[max(len(HEAD), end - TAIL_BYTES) : end], end)
                    unseal(content[end - length : end])
                except ArchiveError:
                    continue
                return Beginning(path, end)
    except (OSError, ValueError):  # no such file, or an empty one
        pass
    return None
