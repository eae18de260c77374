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
    mode = Path(path).stat().st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode):
        raise OSError(errno.ESPIPE, "it is a pipe or a device, where a file is needed")
    return Path(path).open("rb")
