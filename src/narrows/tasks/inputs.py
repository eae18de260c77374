"""Files and folders as entries and samples for an archive.

Next door: `compress` writes them; `outputs` brings them back; `io.pictures` and `io.npy` read single files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from narrows.archive.entries import Entry, check_entry
from narrows.archive.names import check_tree, checked_name
from narrows.checks import one_of
from narrows.errors import ArchiveError, DataError, NarrowsError
from narrows.io.arrays import Array
from narrows.io.files import open_file, size_of
from narrows.io.folders import SUFFIXES, is_special, listed
from narrows.io.images import is_image, read_header
from narrows.io.npy import is_usual, layout, open_npy, read_chunks, read_samples
from narrows.io.pictures import read_picture, rehearsed
from narrows.io.sound import SOUNDS, is_sound
from narrows.tasks.sounds import Sound, open_signals, open_sound

WHOLE = "whole"  # key of the extras that mark an array that is one sample
HEADER = "byte order, Fortran order or an unusual header of an array"
Kind = Literal["images", "sounds", "arrays", "files"]
KINDS: tuple[Kind, ...] = ("images", "sounds", "arrays", "files")
_NPY_MAGIC = b"\x93NUMPY"
READ = SUFFIXES | SOUNDS | {".npy"}


@dataclass(frozen=True)
class Source:
    """A file, its name in the archive and its size in bytes. One of the kind `files` is kept as it is."""

    path: Path
    name: str
    size: int
    kind: Kind = "images"


@dataclass(frozen=True)
class Content:
    """A file as an entry and its samples, which are read one by one; those of an array also in `chunks` of so many.
    What of it is not kept is `lost`, in words."""

    entry: Entry
    samples: Iterable[Array]
    lost: tuple[str, ...] = ()
    sound: Sound | None = None
    chunks: Callable[[int], Iterator[Array]] | None = None


@dataclass(frozen=True)
class Found:
    """The files to compress; those that are `left_out`, as another kind was asked for, or as they are no files, but
    pipes, sockets, devices, or links to folders that are not followed; and what is wrong with each of those that are
    `bad`: a name that no archive can have, a link that leads nowhere, a folder that cannot be read."""

    sources: list[Source]
    left_out: list[Path]
    bad: list[str]


def find(inputs: Sequence[Path], skip_bad: bool = False, only_kind: Sequence[str] = ()) -> Found:
    """What there is to compress.

    Names are relative to the folder; with several inputs, each folder's own name comes first. Hidden files are
    ignored, and so are files of other kinds than `only_kind`, if any is given. Raises `DataError` if there is nothing
    to compress or two files would have one name, and, without `skip_bad`, for files that are bad.
    """
    sources: dict[str, Source] = {}
    left_out: list[Path] = []
    bad: list[str] = []
    if not inputs:
        raise DataError("nothing was given to compress; give files or folders of them")
    only_kind = [only_kind] if isinstance(only_kind, str) else only_kind
    for kind in only_kind:
        one_of("only kind", kind, KINDS)
    for given in inputs:
        for path, name in _named(given, len(inputs) > 1, bad if skip_bad else None):
            if path != given and is_special(path):
                left_out.append(path)
                continue
            if name in sources:
                raise DataError(f"{sources[name].path} and {path} would both be {name}; compress them one by one")
            try:
                size, kind = size_of(path), kind_of(path, alone=path == given)
                if only_kind and kind not in only_kind:
                    left_out.append(path)
                    continue
                sources[checked_name(name)] = Source(path, name, size, kind)
                continue
            except OSError as error:
                wrong = f"{path}: cannot be read ({error.strerror}); replace or remove it"
            except ArchiveError as error:
                wrong = f"{error}; rename it"
            if not skip_bad:
                raise DataError(wrong + " (or leave out such files with --skip-bad)" * ([path] != [*inputs]))
            bad.append(wrong)
    if left_out and not sources:
        why = f"there are no {' or '.join(only_kind)}; leave out --only-kind" if only_kind else "it is no file"
        raise DataError(f"{left_out[0]}: {why}")
    if bad and not sources:
        raise DataError(f"none of {len(bad)} files can be compressed; the first: {bad[0]}")
    check_tree(dict.fromkeys(sources, 0))
    return Found(list(sources.values()), left_out, bad)


def kind_of(path: Path, alone: bool = True) -> Kind:
    """What a file is by what it holds, if it was given `alone` or its name is that of a kind that is read; where its
    name says one kind and it holds none, it is of that kind, and refused when it is read."""
    suffix = path.suffix.lower()
    if not alone and suffix not in READ:
        return "files"
    with suppress(DataError):  # what cannot be opened is told when it is read
        if is_npy(path):
            return "arrays"
    if is_a_sound(path):
        return "sounds"
    if suffix in READ:
        return "images"
    try:
        read_header(path)
    except NarrowsError:
        return "files"
    return "images"


def _named(given: Path, several: bool, closed: list[str] | None) -> Iterator[tuple[Path, str]]:
    if not given.exists():
        raise DataError(f"{given}: no such file or folder; give files or folders of them")
    if not given.is_dir():
        yield given, given.name
        return
    above = f"{given.resolve().name}/" if several else ""
    listing = listed(given, READ, closed)
    for path in sorted(listing.found + listing.left_out):
        yield path, above + path.relative_to(given).as_posix()
    if not listing.found + listing.left_out and not closed:
        raise DataError(f"{given}: nothing to compress in this folder; there is no file in it that is not hidden")


def read(source: Source, strip: bool = False, signals: bool = False) -> Content:
    """The content of a file; the samples of an array are read one by one, or as `signals`. Raises `DataError`."""
    if source.kind == "sounds":
        sound = open_sound(source.path, source.name, strip)
        return Content(_checked(sound.entry, source), sound.windows, sound.lost, sound)
    if source.kind == "arrays":
        array = open_npy(source.path)
        lost = () if is_usual(source.path, array) else (HEADER,)
        if signals:
            path, name = source.path, source.name
            entry, samples = open_signals(path, name)
            again = partial(open_signals, path, name)
            return Content(_checked(entry, source), samples, lost, chunks=lambda each: _stacked(again()[1], each))
        plan = layout(array)
        extras = {WHOLE: b"\1"} if plan.whole else {}
        entry = Entry(source.name, "array", plan.shape, array.dtype.name, plan.count, plan.form, extras)
        return Content(
            _checked(entry, source),
            read_samples(source.path, plan),
            lost,
            chunks=lambda each: read_chunks(source.path, plan, each),
        )
    picture = rehearsed(source.name, read_picture(source.path, strip))
    pixels = picture.pixels
    entry = Entry(source.name, "image", pixels.shape, pixels.dtype.name, extras=picture.extras)
    return Content(_checked(entry, source), iter([pixels]), picture.lost)


def _stacked(samples: Iterable[Array], each: int) -> Iterator[Array]:
    """Samples, so many at a time."""
    left = iter(samples)
    while some := list(islice(left, each)):
        yield np.stack(some)


def _checked(entry: Entry, source: Source) -> Entry:
    try:
        check_entry(entry)
    except ArchiveError as error:
        raise DataError(f"{source.path}: {error}") from None
    return entry


def is_a_sound(path: Path) -> bool:
    """Whether a file is a sound by its content, or by its name where it is nothing else."""
    return is_sound(path) or (path.suffix.lower() in SOUNDS and not is_image(path))


def is_npy(path: Path) -> bool:
    """Whether a file is an array by its content or its name."""
    try:
        with open_file(path) as file:
            return file.read(len(_NPY_MAGIC)) == _NPY_MAGIC or path.suffix.lower() == ".npy"
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from None
