"""Opening files, which have an end: a pipe may have none, and who opens it would wait for ever.

Next door: `atomic` writes them.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_file(path: str | os.PathLike[str]) -> BufferedReader:
    """A file open for reading. Raises OSError where it cannot be read, and for pipes and devices."""
    size_of(path)
    return Path(path).open("rb")


def size_of(path: str | os.PathLike[str]) -> int:
    """The bytes of a file. Raises OSError as `open_file` does."""
    found = Path(path).stat()
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.ESPIPE, "it is a pipe or a device, where a file is needed")
    return found.st_size
