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
def replacing(path: str | os.PathLike[str], force: bool = True) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` when the block ends without an exception, and is removed
    otherwise.

    Raises `OutputError` if it cannot be written: no such folder, no permission, a full disk; and, without `force`, if
    a file is there by then, which another program may have made in the meantime.
    """
    path = Path(path)
    temporary: Path | None = None
    with _explained(path, "written", "another place or free some space"):
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
            if force:
                temporary.replace(target)
            else:
                _make_known(temporary, target, path)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def _make_known(temporary: Path, target: Path, path: Path) -> None:
    """Give a file its name, for which `path` was asked; raises `OutputError` if a file has it already."""
    try:
        os.link(temporary, target)  # which never replaces a file, as a renaming does
    except FileExistsError:
        raise _there(path) from None
    except OSError:  # there are no links on some disks
        if os.path.lexists(target):
            raise _there(path) from None
        temporary.replace(target)


def _there(path: str | os.PathLike[str]) -> OutputError:
    return OutputError(f"{path}: it is there already; choose another place, or --force to replace it")


@contextmanager
def _explained(path: Path, what: str, choice: str = "another place") -> Iterator[None]:
    """Errors of the system inside the block become an `OutputError`."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be {what}: {error.strerror or error}; choose {choice}") from None


def _device(path: Path) -> bool:
    """Whether it is something like /dev/null, which is written to but not replaced. Raises OSError for folders."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    return path.exists() and not path.is_file()


def write_file(path: str | os.PathLike[str], content: bytes, force: bool = True) -> None:
    """Write a whole file at once, see `replacing`."""
    with replacing(path, force) as file:
        file.write(content)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise `OutputError` if a file could not be written there later; leaves nothing behind."""
    path = Path(path)
    if not (folder := path.parent).exists():
        raise OutputError(f"{path}: cannot be written: there is no folder {folder}; make it, or choose another place")
    with _explained(path, "written"):
        if not _device(path):
            with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
                pass
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "Permission denied")


def check_new(path: str | os.PathLike[str], force: bool = False) -> None:
    """Raise `OutputError` if a file is there already, unless `force`, or could not be written there later: the one
    rule for all that is written."""
    with _explained(Path(path), "written"):
        there = Path(path).is_file()
    if there and not force:
        raise _there(path)
    check_writable(path)


def check_folder(path: Path) -> None:
    """Raise `OutputError` if files could not be written later into a folder that may not exist yet."""
    nearest = next((p for p in (path, *path.parents) if p.exists()), path)
    with _explained(path, "made a folder of results"), tempfile.TemporaryFile(dir=nearest):
        pass


def make_folder(path: Path) -> None:
    """Make a folder and its parents; raises `OutputError`."""
    with _explained(path, "made a folder"):
        path.mkdir(parents=True, exist_ok=True)
