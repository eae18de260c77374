"""Entries of an archive as files in a folder, and never anywhere else.

Next door: `inputs` is the way in; `archive` holds the entries.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from narrows.archive.archive import Archive
from narrows.errors import ArchiveError, OutputError
from narrows.io.arrays import Array
from narrows.io.atomic import make_folder, replacing
from narrows.io.npy import write_npy
from narrows.io.pictures import encode_picture, other_ending
from narrows.tasks.inputs import WHOLE


def place(folder: Path, name: str) -> Path:
    """Where the entry of this name goes below `folder`; raises `ArchiveError` or `OutputError` where the name, or a
    link that lies in the folder, would lead out of it."""
    pure = PurePosixPath(name)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise ArchiveError(f"{name!r}: a name that leads out of the folder; nothing is written for it")
    target, root = folder.joinpath(*pure.parts), os.path.realpath(folder)
    if os.path.commonpath([root, os.path.realpath(target)]) != root:
        raise OutputError(f"{target}: a link there leads out of {folder}; remove it or choose another folder")
    return target


@dataclass(frozen=True)
class Restored:
    """How many samples were written, and whether the file is of another format than its name says."""

    samples: int
    other_ending: bool = False


def restore(archive: Archive, name: str, target: Path) -> Restored:
    """Write what the archive has under a name to its place, making folders as needed.

    Raises `ArchiveError` where it is damaged and `OutputError` where it cannot be written; nothing is left then.
    """
    entry = archive.entry(name)
    if entry.kind == "image":
        content, format_ = encode_picture(name, archive[name], entry.extras)
        make_folder(target.parent)
        with replacing(target) as file:
            file.write(content)
        return Restored(1, other_ending(name, format_))
    form = entry.shape if entry.form is None else entry.form
    make_folder(target.parent)
    with replacing(target) as file:
        write_npy(file, entry.dtype, form if WHOLE in entry.extras else (entry.count, *form), _parts(archive, name))
    return Restored(entry.count)


def _parts(archive: Archive, name: str) -> Iterator[Array]:
    """The samples of an array block by block, so that it need not fit into memory."""
    for _, _, part in archive.parts(name):
        if isinstance(part, ArchiveError):
            raise part
        yield part
