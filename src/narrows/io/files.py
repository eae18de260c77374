"""Opening files, which have an end: a pipe may have none, and who opens it would wait for ever.

Next door: `atomic` writes them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from narrows.errors import DataError


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


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the system on this file inside the block become a `DataError`; those on others pass."""
    try:
        yield
    except OSError as error:
        if str(error.filename) != os.fspath(path):
            raise
        raise DataError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from None
