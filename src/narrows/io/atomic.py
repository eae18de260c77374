"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from narrows.errors import OutputError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` when the block ends well, and vanishes otherwise.

    Raises `OutputError` with one line when it cannot be written: no such folder, no permission, a full disk.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        if _device(path):
            with path.open("wb") as file:
                yield file
            return
        target = Path(os.path.realpath(path))  # the file that a link leads to, not the link, is replaced
        part = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
        with part.open("xb") as file:
            temporary = part
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        temporary = None
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}; choose another place or free some space"
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _device(path: Path) -> bool:
    """Whether it is something like /dev/null, which is written to and never replaced. No folders: they raise."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    return path.exists() and not path.is_file()


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file at once, see `replacing`."""
    with replacing(path) as file:
        file.write(content)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise `OutputError` now if a file could not be written there later; leaves nothing behind."""
    path = Path(path)
    try:
        if not _device(path):
            with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
                pass
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "Permission denied")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from None


def check_folder(path: Path) -> None:
    """Raise `OutputError` now if files could not be written into a folder that may have to be made later."""
    nearest = next((p for p in (path, *path.parents) if p.exists()), path)
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be made a folder of results: {error.strerror or error}; choose another place"
        ) from None


def make_folder(path: Path) -> None:
    """Make a folder and those above it; raises `OutputError` with one line."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be made a folder: {error.strerror or error}; choose another place"
        ) from None
