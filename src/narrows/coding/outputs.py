"""Entries of an archive as files in a folder, and never anywhere else.

Next door: `inputs` is the way in; `archive` holds the entries.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from narrows.coding.archive import Archive
from narrows.coding.entries import Entry
from narrows.coding.inputs import WHOLE
from narrows.data.files import make_folder, replacing
from narrows.data.npy import write_npy
from narrows.data.pictures import encode_picture, other_ending
from narrows.data.samples import Array
from narrows.errors import ArchiveError, OutputError


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


def restore(archive: Archive, entry: Entry, target: Path) -> bool:
    """Write an entry to its place; returns whether the file is of another format than its name says, as PNG under
    the name of a JPEG. Raises `ArchiveError` where it is damaged, `OutputError` where it cannot be written."""
    if entry.kind == "image":
        content, format_ = encode_picture(entry.name, archive[entry.name], entry.extras)
        make_folder(target.parent)
        with replacing(target) as file:
            file.write(content)
        return other_ending(entry.name, format_)
    form = entry.shape if entry.form is None else entry.form
    make_folder(target.parent)
    with replacing(target) as file:
        shape = form if WHOLE in entry.extras else (entry.count, *form)
        write_npy(file, entry.dtype, shape, _parts(archive, entry.name))
    return False


def _parts(archive: Archive, name: str) -> Iterator[Array]:
    """The samples of an array block by block, so that it need not fit into memory."""
    for _, _, part in archive.parts(name):
        if isinstance(part, ArchiveError):
            raise part
        yield part
