"""Files and folders as entries and samples for an archive.

Next door: `compress` writes them; `outputs` brings them back; `io.pictures` and `io.npy` read single files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from narrows.archive.entries import Entry, check_entry
from narrows.archive.names import check_tree, checked_name
from narrows.errors import ArchiveError, DataError
from narrows.io.arrays import Array
from narrows.io.images import SUFFIXES, list_files
from narrows.io.npy import layout, open_npy, read_samples
from narrows.io.pictures import read_picture

WHOLE = "whole"  # key of the extras that mark an array that is one sample
_NPY_MAGIC = b"\x93NUMPY"


@dataclass(frozen=True)
class Source:
    """A file, its name in the archive and its size in bytes."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True)
class Content:
    """A file as an entry and its samples, which are read one by one."""

    entry: Entry
    samples: Iterator[Array]


def find(inputs: Sequence[Path]) -> tuple[list[Source], list[Path]]:
    """The files to compress, and the files in folders that are left out, as they hold no samples.

    Names are relative to the folder; with several inputs, each folder's own name comes first. Hidden files are
    ignored. Raises `DataError` if there is nothing to compress or two files would have one name, and `ArchiveError`
    for names that no archive can have.
    """
    sources: dict[str, Source] = {}
    left_out: list[Path] = []
    for given in inputs:
        for path, name in _named(given, len(inputs) > 1, left_out):
            if name in sources:
                raise DataError(f"{sources[name].path} and {path} would both be {name}; compress them one by one")
            try:
                sources[checked_name(name)] = Source(path, name, path.stat().st_size)
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from None
    check_tree(dict.fromkeys(sources, 0))
    return list(sources.values()), left_out


def _named(given: Path, several: bool, left_out: list[Path]) -> Iterator[tuple[Path, str]]:
    if not given.exists():
        raise DataError(f"{given}: no such file or folder; give images, .npy files or folders of them")
    if not given.is_dir():
        yield given, given.name
        return
    above = f"{given.resolve().name}/" if several else ""
    found = False
    for path in list_files(given):
        if path.suffix.lower() in SUFFIXES | {".npy"}:
            found = True
            yield path, above + path.relative_to(given).as_posix()
        else:
            left_out.append(path)
    if not found:
        wanted = ", ".join(sorted(SUFFIXES | {".npy"}))
        raise DataError(f"{given}: nothing to compress in this folder; files ending in {wanted} are looked for")


def read(source: Source, strip: bool = False) -> Content:
    """The content of a file; the samples of an array are read one by one. Raises `DataError`."""
    if is_npy(source.path):
        array = open_npy(source.path)
        plan = layout(array)
        extras = {WHOLE: b"\1"} if plan.whole else {}
        entry = Entry(source.name, "array", plan.shape, array.dtype.name, plan.count, plan.form, extras)
        return Content(_checked(entry, source), read_samples(source.path, plan))
    picture = read_picture(source.path, strip)
    pixels = picture.pixels
    entry = Entry(source.name, "image", pixels.shape, pixels.dtype.name, extras=picture.extras)
    return Content(_checked(entry, source), iter([pixels]))


def _checked(entry: Entry, source: Source) -> Entry:
    try:
        check_entry(entry)
    except ArchiveError as error:
        raise DataError(f"{source.path}: {error}") from None
    return entry


def is_npy(path: Path) -> bool:
    """Whether a file is an array by its content or its name."""
    try:
        with path.open("rb") as file:
            return file.read(len(_NPY_MAGIC)) == _NPY_MAGIC or path.suffix.lower() == ".npy"
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from None
