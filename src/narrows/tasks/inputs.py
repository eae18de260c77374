"""Files and folders as entries and samples for an archive.

Next door: `compress` writes them; `outputs` brings them back; `io.pictures` and `io.npy` read single files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from narrows.archive.entries import Entry, check_entry
from narrows.archive.names import check_tree, checked_name
from narrows.errors import ArchiveError, DataError
from narrows.io.arrays import Array
from narrows.io.folders import SUFFIXES, listed
from narrows.io.images import is_image
from narrows.io.npy import layout, open_npy, read_samples
from narrows.io.pictures import read_picture, rehearsed
from narrows.io.sound import SOUNDS, is_sound
from narrows.tasks.sounds import Sound, open_signals, open_sound

WHOLE = "whole"  # key of the extras that mark an array that is one sample
_NPY_MAGIC = b"\x93NUMPY"
READ = SUFFIXES | SOUNDS | {".npy"}


@dataclass(frozen=True)
class Source:
    """A file, its name in the archive and its size in bytes."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True)
class Content:
    """A file as an entry and its samples, which are read one by one. What of it is not kept is `lost`, in words."""

    entry: Entry
    samples: Iterable[Array]
    lost: tuple[str, ...] = ()
    sound: Sound | None = None


@dataclass(frozen=True)
class Found:
    """The files to compress; those in folders that are `left_out`, as they hold no samples; and what is wrong with
    each of those that are `bad`: a name that no archive can have, or a link that leads nowhere."""

    sources: list[Source]
    left_out: list[Path]
    bad: list[str]


def find(inputs: Sequence[Path], skip_bad: bool = False) -> Found:
    """What there is to compress.

    Names are relative to the folder; with several inputs, each folder's own name comes first. Hidden files are
    ignored. Raises `DataError` if there is nothing to compress or two files would have one name, and, without
    `skip_bad`, for files that are bad.
    """
    sources: dict[str, Source] = {}
    left_out: list[Path] = []
    bad: list[str] = []
    for given in inputs:
        for path, name in _named(given, len(inputs) > 1, left_out):
            if name in sources:
                raise DataError(f"{sources[name].path} and {path} would both be {name}; compress them one by one")
            try:
                sources[checked_name(name)] = Source(path, name, path.stat().st_size)
                continue
            except OSError as error:
                wrong = f"{path}: cannot be read ({error.strerror}); replace or remove it"
            except ArchiveError as error:
                wrong = f"{error}; rename it"
            if not skip_bad:
                raise DataError(wrong + " (or leave out such files with --skip-bad)")
            bad.append(wrong)
    if bad and not sources:
        raise DataError(f"none of {len(bad)} files can be compressed; the first: {bad[0]}")
    check_tree(dict.fromkeys(sources, 0))
    return Found(list(sources.values()), left_out, bad)


def _named(given: Path, several: bool, left_out: list[Path]) -> Iterator[tuple[Path, str]]:
    if not given.exists():
        raise DataError(f"{given}: no such file or folder; give images, sounds, .npy files or folders of them")
    if not given.is_dir():
        yield given, given.name
        return
    above = f"{given.resolve().name}/" if several else ""
    listing = listed(given, READ)
    left_out += listing.left_out
    for path in listing.found:
        yield path, above + path.relative_to(given).as_posix()
    if not listing.found:
        wanted = ", ".join(sorted(READ))
        raise DataError(f"{given}: nothing to compress in this folder; files ending in {wanted} are looked for")


def read(source: Source, strip: bool = False, signals: bool = False) -> Content:
    """The content of a file; the samples of an array are read one by one, or as `signals`. Raises `DataError`."""
    if is_a_sound(source.path):
        sound = open_sound(source.path, source.name, strip)
        return Content(_checked(sound.entry, source), sound.windows, sound.lost, sound)
    if is_npy(source.path):
        if signals:
            entry, samples = open_signals(source.path, source.name)
            return Content(_checked(entry, source), samples)
        array = open_npy(source.path)
        plan = layout(array)
        extras = {WHOLE: b"\1"} if plan.whole else {}
        entry = Entry(source.name, "array", plan.shape, array.dtype.name, plan.count, plan.form, extras)
        return Content(_checked(entry, source), read_samples(source.path, plan))
    picture = rehearsed(source.name, read_picture(source.path, strip))
    pixels = picture.pixels
    entry = Entry(source.name, "image", pixels.shape, pixels.dtype.name, extras=picture.extras)
    return Content(_checked(entry, source), iter([pixels]), picture.lost)


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
        with path.open("rb") as file:
            return file.read(len(_NPY_MAGIC)) == _NPY_MAGIC or path.suffix.lower() == ".npy"
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from None
