"""Folders of image files to one set of equal channels and depth. Next door: `images` reads one file."""

from __future__ import annotations

import functools
import operator
import os
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from narrows.errors import DataError
from narrows.io.arrays import Array, Ragged
from narrows.io.cache import buffer
from narrows.io.images import COLOUR, GREY, MODES, Header, Report, read_header, read_image

SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .tif .tiff .bmp .dib .gif .avif .jp2 .j2k .jpx .ppm .pgm .pbm .pnm .tga .pcx "
    ".qoi .sgi".split()
)

HIDDEN = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini"))  # that Windows makes and hides in folders of pictures
# Links to folders on the way to a file, and how often a folder is read at most where links lead to it: folders that
# link to each other have more ways than can be walked.
NESTED, OFTEN = 8, 100


@dataclass(frozen=True)
class Listing:
    """The files in a folder that are to be read, and those that are left out since their ending is none of these, or
    since they are no files, but pipes, sockets, devices, or links to folders that are not followed. `again` says how
    many were found under other names and are not among them."""

    found: list[Path]
    left_out: list[Path]
    again: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth showing to the user."""
        kinds = Counter(path.suffix.lower() for path in self.found)
        said = (f"read: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}",) * (len(kinds) > 1)
        if self.again:
            said += (f"read once: {self.again} file{'s' * (self.again > 1)} that links to folders lead to again",)
        if not self.left_out:
            return said
        count = len(self.left_out)
        return (
            *said,
            f"left out, since {why_left_out(self.left_out)}: {count} file{'s' * (count > 1)}, the first: "
            f"{self.left_out[0]}",
        )

    def once(self, folder: Path) -> Listing:
        """Each file below the folder under one name: its own rather than one through a link to a folder."""
        root = Path(os.path.realpath(folder))
        parents = {path.parent for path in self.found}
        real = {parent: os.path.realpath(parent) for parent in parents}
        own = {p for p in parents if str(root / p.relative_to(folder)) == real[p]}
        first: dict[tuple[str, str], Path] = {}
        for path in sorted(self.found, key=lambda path: path.parent not in own):
            first.setdefault((real[path.parent], path.name), path)
        return replace(self, found=sorted(first.values()), again=len(self.found) - len(first))


def why_left_out(paths: Sequence[Path]) -> str:
    """What is said of files that are left out."""
    return f"of another kind{' or links in circles' * any(path.is_dir() for path in paths)}"


def list_images(folder: Path) -> Listing:
    """Every image file below a folder, sorted by path; hidden files and folders are skipped. Links are followed, but
    not to a folder on the way to them. Raises `DataError` if there is none, or if a folder cannot be read."""
    listing = listed(folder, SUFFIXES)
    if not listing.found:
        raise DataError(
            f"{folder}: no image in this folder; files ending in {', '.join(sorted(SUFFIXES))} are looked for"
        )
    return listing


def listed(folder: Path, suffixes: frozenset[str], closed: list[str] | None = None) -> Listing:
    """Every file below a folder, by whether it ends so; otherwise as `list_images`. What is wrong with folders that
    cannot be read is told to `closed`, if that is given."""
    listing = Listing([], [])
    for path in sorted(_walk(folder, (os.path.realpath(folder),), 0, Counter(), closed)):
        read = path.suffix.lower() in suffixes and not is_special(path)
        (listing.found if read else listing.left_out).append(path)
    return listing


def is_special(path: Path) -> bool:
    """Whether there is a pipe, a socket, a device or a folder. A broken link counts as a file, so that it is
    reported."""
    return path.exists() and not path.is_file()


def _walk(
    folder: Path, above: tuple[str, ...], links: int, reads: Counter[str], closed: list[str] | None
) -> Iterator[Path]:
    """Files, and links to folders that are not followed. `above` are the real paths of the folders that lead here,
    `links` of them through a link; `reads` counts how often each folder was read."""
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.name.lower() in HIDDEN:
                continue
            if not path.is_dir():
                yield path
                continue
            real, link = os.path.realpath(path), path.is_symlink()
            if real in above or (link and (links >= NESTED or reads[real] >= OFTEN)):
                yield path
            else:
                reads[real] += 1
                yield from _walk(path, (*above, real), links + link, reads, closed)
    except OSError as error:
        wrong = f"{folder}: the folder cannot be read ({error.strerror}); change its permissions"
        if closed is None:
            raise DataError(wrong) from None
        closed.append(wrong)


def load_images(
    paths: Sequence[Path], skip_bad: bool = False, report: Report | None = None, memory: int | None = None
) -> tuple[Array | Ragged, list[int], list[str]]:
    """Decode files into one set of equal channels and depth.

    The set has alpha, colour or 16 bits if any image has, so that nothing is lost. Sets over `memory` bytes (default:
    a quarter of RAM) go to a memory-mapped cache file.

    Returns the images, the indices of `paths` that they came from, and notes for the user. Raises `DataError` naming
    the first unreadable file, or, with `skip_bad`, if none can be read.
    """
    # Pillow's warnings are harmless or followed by an error. Set here, once, since all threads share the filters.
    with warnings.catch_warnings(action="ignore"):
        return _load(paths, skip_bad, report, memory)


def _load(
    paths: Sequence[Path], skip_bad: bool, report: Report | None, memory: int | None
) -> tuple[Array | Ragged, list[int], list[str]]:
    bad: list[str] = []

    def skip(error: DataError) -> None:
        if not skip_bad:
            raise DataError(f"{error}{' (or leave out such files with --skip-bad)' * (len(paths) > 1)}") from None
        bad.append(str(error))

    headers: dict[int, Header] = {}
    for index, path in enumerate(paths):
        try:
            headers[index] = read_header(path)
        except DataError as error:
            skip(error)
    content = functools.reduce(operator.or_, (h.content for h in headers.values()), 0)
    content = content & ~GREY if content & COLOUR else content
    wide = any(h.wide for h in headers.values())
    mode, dtype = MODES.get(content, "L"), np.dtype(np.uint16 if wide else np.uint8)
    flat = buffer(sum(h.height * h.width * len(mode) for h in headers.values()), dtype, memory)

    kept: list[int] = []
    shapes: list[tuple[int, ...]] = []
    at = 0
    for index, result in _decoded(paths, list(headers), mode, wide):
        if isinstance(result, DataError):
            skip(result)
            continue
        flat[at : at + result.size] = result.reshape(-1)
        at += result.size
        kept.append(index)
        shapes.append(result.shape)
        if report is not None:
            report("reading images", len(kept), len(headers))
    if not kept:
        if len(paths) == 1:
            raise DataError(bad[0])
        raise DataError(f"none of the {len(paths)} files could be read; the first: {bad[0]}")
    notes = [f"{len(bad)} of {len(paths)} files were left out as unreadable, the first: {bad[0]}"] if bad else []
    if lossy := [i for i in kept if headers[i].lost]:
        notes.append(
            f"{len(lossy)} of {len(kept)} images hold more than is read; the first: {paths[lossy[0]]}: "
            f"{headers[lossy[0]].lost}, read at 8 bits a channel"
        )
    if several := [i for i in kept if headers[i].pages > 1]:
        notes.append(
            f"only the first picture is used of {len(several)} of {len(kept)} files that hold more; the first: "
            f"{paths[several[0]]} with {headers[several[0]].pages}; save each in a file of its own to use all"
        )
    if len(set(shapes)) == 1:
        return flat[:at].reshape(len(kept), *shapes[0]), kept, notes
    return Ragged(flat[:at], np.array(shapes, np.int64)), kept, notes


def _decoded(
    paths: Sequence[Path], indices: list[int], mode: str, wide: bool
) -> Iterator[tuple[int, Array | DataError]]:
    """Decode in threads, a few images ahead of the reader, in order."""

    def decode(index: int) -> tuple[int, Array | DataError]:
        try:
            return index, read_image(paths[index], mode, wide)
        except DataError as error:
            return index, error

    workers = min(8, os.cpu_count() or 1)
    ahead: deque[Future[tuple[int, Array | DataError]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for index in indices:
            ahead.append(pool.submit(decode, index))
            if len(ahead) > 2 * workers:  # few, because images may be large
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
