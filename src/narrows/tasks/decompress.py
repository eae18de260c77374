"""An archive back into files in a folder, and never anywhere else: the whole of `narrows decompress`.

Next door: `compress` is the way in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from narrows.archive.archive import Archive
from narrows.archive.salvage import beginning, is_cut
from narrows.checks import one_of
from narrows.codecs.opening import Model, open_archive
from narrows.errors import ArchiveError, DataError, ModelError, OutputError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_new, make_folder, replacing
from narrows.io.npy import write_npy
from narrows.io.pictures import FORMATS, encode_as, encode_picture, other_ending
from narrows.tasks.inputs import WHOLE
from narrows.tasks.kept import size_of, write_parts
from narrows.tasks.sounds import write_signal


def place(folder: Path, name: str) -> Path:
    """Where the entry of this name goes below `folder`; raises `ArchiveError` or `OutputError` where the name, or a
    link that lies in the folder, would lead out of it, and where there is a file in place of a folder, or something
    other than a file in its own place."""
    pure = PurePosixPath(name)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise ArchiveError(f"{name!r}: a name that leads out of the folder; nothing is written for it")
    target, root = folder.joinpath(*pure.parts), os.path.realpath(folder)
    try:
        inside = os.path.commonpath([root, os.path.realpath(target)]) == root
    except UnicodeEncodeError:
        raise OutputError(f"{name!a}: this locale cannot write the name; choose UTF-8, LC_ALL=C.UTF-8") from None
    if not inside:
        raise OutputError(f"{target}: a link there leads out of {folder}; remove it or choose another folder")
    there = next(path for path in (target, *target.parents) if os.path.lexists(path))
    if there != target and not there.is_dir():
        raise OutputError(f"{there}: it is there already, and no folder; remove it or choose another folder")
    if there == target and target.exists() and not target.is_file():
        raise OutputError(f"{target}: it is there already, and no file; remove it or choose another folder")
    return target


@dataclass(frozen=True)
class Restored:
    """How many samples were written, whether the file is of another format than its name says, where it is, if that
    is known only now, and what belongs to a picture and is not in its file, in words."""

    samples: int
    other_ending: bool = False
    path: Path | None = None
    not_kept: Sequence[str] = ()


@dataclass(frozen=True)
class Content:
    """A whole file in memory, the name that it should have, and otherwise as `Restored`."""

    data: bytes
    name: str
    other_ending: bool = False
    not_kept: Sequence[str] = ()


def content(archive: Archive, name: str, wanted: str | None = None) -> Content | None:
    """What the archive has under a name, if that is a picture or was kept to the byte, else None. Pictures that were
    not are in the format that is `wanted`, if one is, with its ending. Raises `ArchiveError` where it is damaged."""
    kept, own = archive.file(name), PurePosixPath(name).name
    if kept is not None:
        return Content(kept, own)
    entry = archive.entry(name)
    if entry.kind != "image":
        return None
    if wanted is not None:
        data, named, not_kept = encode_as(own, archive[name], entry.extras, wanted)
        return Content(data, named, not_kept=not_kept)
    data, format_ = encode_picture(name, archive[name], entry.extras)
    return Content(data, own, other_ending(name, format_))


def restore(
    archive: Archive,
    name: str,
    target: Path,
    made: Content | None,
    force: bool = True,
    taken: Collection[Path] = (),
) -> Restored:
    """Write what the archive has under a name, or what was `made` of it, to its place, making folders as needed. A
    new name that it was made with comes after the old one where it is `taken`.

    Raises `ArchiveError` where it is damaged and `OutputError` where it cannot be written; nothing is left then.
    """
    make_folder(target.parent)
    if made is not None:
        if made.name != target.name:
            other = target.with_name(made.name)
            target = other if other not in taken else target.with_name(target.name + other.suffix)
            check_new(target, force)
        with replacing(target, force) as file:
            file.write(made.data)
        return Restored(1, made.other_ending, target, made.not_kept)
    entry = archive.entry(name)
    size = size_of(entry)
    if size is not None:
        with replacing(target, force) as file:
            write_parts(file, size, _parts(archive, name))
        return Restored(entry.count)
    if entry.kind == "signal":
        with replacing(target, force) as file:
            return Restored(entry.count, write_signal(archive, name, file))
    form = entry.shape if entry.form is None else entry.form
    with replacing(target, force) as file:
        write_npy(file, entry.dtype, form if WHOLE in entry.extras else (entry.count, *form), _parts(archive, name))
    return Restored(entry.count)


def _parts(archive: Archive, name: str) -> Iterator[Array]:
    """The samples of an array block by block, so that it need not fit into memory."""
    for _, _, part in archive.parts(name):
        if isinstance(part, ArchiveError):
            raise part
        yield part


@contextmanager
def opened(path: Path, model: Model | None = None, keep_going: bool = False) -> Iterator[Archive]:
    """An archive with the model that it needs; `model` is for archives that do not carry theirs. With `keep_going`,
    what is left of one that is cut short is opened like a whole one, and one that other bytes follow.

    Raises `ArchiveError` for a damaged archive, `ModelError` where the model is missing or another one.
    """
    with _whole_or_left(path, model, keep_going) as archive:
        try:
            archive.compact_model()  # now, and not at the first block
        except ArchiveError as error:
            if model is None and archive.sizes.model:
                raise
            raise ModelError(str(error)) from None
        yield archive


@contextmanager
def _whole_or_left(path: Path, model: Model | None, keep_going: bool) -> Iterator[Archive]:
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(open_archive(path, model))
        except ArchiveError as error:
            left = beginning(path)
            if left is None:
                raise
            stack.callback(left.close)
            if not keep_going:
                if is_cut(path, left.size):
                    raise ArchiveError(f"{error}; what is whole of it comes back with --keep-going") from None
                behind = path.stat().st_size - left.size
                raise ArchiveError(
                    f"{path}: {behind} other bytes follow the archive; decompress it with --keep-going"
                ) from None
            archive = stack.enter_context(open_archive(cast(IO[bytes], left), model))
        yield archive


def chosen(archive: Archive, only: Sequence[str], path: Path, cut: bool = False) -> tuple[list[str], list[str]]:
    """The names asked for, files or folders, in the order of the archive, all where nothing is asked; and, of an
    archive that is `cut`, those that are not there. Raises `SettingsError` for such in a whole one."""
    if not only:
        return list(archive), []
    several = [only] if isinstance(only, str) else only
    wanted = {name.removeprefix("./").rstrip("/") for name in several}
    names = []
    met: set[str] = set()
    for name in archive:
        parts = name.split("/")
        if hits := wanted & {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}:
            met |= hits
            names.append(name)
    missing = sorted(wanted - met)
    if missing and not cut:
        raise SettingsError(f"{path}: nothing in it is called {missing[0]}; 'narrows inspect --names' lists what is")
    return names, missing


@dataclass
class Decompressed:
    """What was written: `samples`, how many files hold other data than their ending says, and what was `lost`. The
    end of an archive that is `cut` is lost too, with names that nobody knows; of a whole one nothing is lost by bytes
    that follow it, of which there are so many `behind`. What belongs to pictures and is `not_kept` in the format
    asked for is told in words, with the names of the files."""

    names: int
    samples: int = 0
    other_endings: int = 0
    lost: list[str] = field(default_factory=list)
    cut: bool = False
    behind: int = 0
    not_kept: dict[str, list[str]] = field(default_factory=dict)


def decompress(
    path: Path,
    output: Path,
    model: Model | None = None,
    *,
    only: Sequence[str] = (),
    force: bool = False,
    keep_going: bool = False,
    format: str | None = None,  # as the option is called
    report: Callable[[int, int, str | None], None] = lambda done, total, lost: None,
) -> Decompressed:
    """Write the files of an archive, or those named in `only`, into a folder.

    `report` is called with how many of how many are done, and why one is lost. Raises `ArchiveError` for damage
    (unless `keep_going`), `OutputError` where something is there already (unless `force`). With a `format`, "jpeg",
    "webp" or "png", pictures that are not kept to the byte are written so, and named so; JPEG and WebP lose a little.
    Raises `SettingsError` for another.
    """
    one_of("format", format, (None, *FORMATS))
    with opened(path, model, keep_going) as archive:
        behind, cut = path.stat().st_size - archive.sizes.total, is_cut(path, archive.sizes.total)
        names, missing = chosen(archive, only, path, cut)
        places = {name: place(output, name) for name in names}
        targets = list(places.values())
        if format is not None:  # a picture may go to either name
            images = (PurePosixPath(name) for name in names if archive.entry(name).kind == "image")
            targets += [place(output, str(name.with_suffix(FORMATS[format]))) for name in images]
        existing = [target for target in dict.fromkeys(targets) if os.path.lexists(target)]
        if existing and not force:
            raise OutputError(
                f"{existing[0]}: it is there already{f', and {len(existing) - 1} more' * (len(existing) > 1)}; "
                "choose another place, or --force to replace it"
            )
        taken = set(places.values())
        result = Decompressed(len(names) + len(missing), lost=missing, cut=cut, behind=0 if cut else behind)

        def made(name: str) -> Content | ArchiveError | DataError | None:
            try:
                return content(archive, name, format)
            except (ArchiveError, DataError) as error:
                return error

        for number, (name, found) in enumerate(zip(names, archive.each(made, names), strict=True), 1):
            lost = None
            try:
                if isinstance(found, (ArchiveError, DataError)):
                    raise found
                restored = restore(archive, name, places[name], found, force, taken)
                result.samples += restored.samples
                if restored.path is not None:
                    taken.add(restored.path)
                result.other_endings += restored.other_ending
                for words in restored.not_kept:
                    result.not_kept.setdefault(words, []).append(name)
            except (ArchiveError, DataError) as error:
                if not keep_going:
                    raise ArchiveError(f"{error} (or write what can be read with --keep-going)") from None
                result.lost.append(name)
                lost = str(error) if name in str(error) else f"{name} is lost: {error}"
            report(number, len(names), lost)
    return result
