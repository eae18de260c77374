"""Named sets: scikit-learn's digits, MNIST and Fashion-MNIST. Next door: `io.idx` reads their files.

An IDX set is four files. Each is looked for in `$NARROWS_DATA/<name>/`, then in the cache, then on the mirrors, which
fill the cache. A file, plain or gzip, counts only if its uncompressed content has the right sizes and MD5, so partial
downloads, saved error pages and damaged files are passed over. Pickles (`.pt`) are never opened.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np

from narrows.errors import DataError, OutputError
from narrows.io.arrays import Array
from narrows.io.cache import cache_folder
from narrows.io.idx import read_idx
from narrows.io.images import Report

Split = Literal["train", "test"]

NAMES = ("digits", "fashion-mnist", "mnist")
DIGITS_TEST_COUNT = 360
TIMEOUT_SECONDS = 10.0
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class IdxFile:
    """One file of a set, without `.gz`: the shape of its values, the MD5 of its uncompressed content."""

    name: str
    shape: tuple[int, ...]
    md5: str


@dataclass(frozen=True)
class IdxSet:
    """A named set: addresses of folders that have it, each with its last slash; (images, labels) by split."""

    name: str
    mirrors: tuple[str, ...]
    train: tuple[IdxFile, IdxFile]
    test: tuple[IdxFile, IdxFile]


def _like_mnist(name: str, mirrors: tuple[str, ...], md5s: tuple[str, str, str, str]) -> IdxSet:
    def files(part: str, count: int, images_md5: str, labels_md5: str) -> tuple[IdxFile, IdxFile]:
        images = IdxFile(f"{part}-images-idx3-ubyte", (count, 28, 28), images_md5)
        return images, IdxFile(f"{part}-labels-idx1-ubyte", (count,), labels_md5)

    return IdxSet(name, mirrors, files("train", 60000, *md5s[:2]), files("t10k", 10000, *md5s[2:]))


IDX_SETS = (
    _like_mnist(
        "fashion-mnist",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
    _like_mnist(
        "mnist",
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
)


def load_named(name: str, split: Split, report: Report | None = None) -> tuple[Array, Array]:
    """Images `(N, H, W)`, uint8, 0..255, and labels `(N,)`, uint8, 0..9, of one split of a set in `NAMES`.

    `digits` needs no network: 1797 images of 8x8, their values 0..16 spread over 0..255; the last 360 are the test
    split. `mnist` and `fashion-mnist`, 60000 and 10000 images of 28x28, may be downloaded; `report` is then called
    with file name, bytes so far, and bytes in all, or None if the server does not say.

    Raises `DataError` for another name or split, or if there is no good copy anywhere (the line says what was wrong
    with each and how to add the files by hand); `OutputError` if the cache cannot be written.
    """
    if split not in ("train", "test"):
        raise DataError(f"no split {split!r}; allowed are train and test")
    if name == "digits":
        return _digits(split)
    if name not in NAMES:
        raise DataError(f"no set is named {name!r}; allowed are {', '.join(NAMES)}")
    return load_idx_set(next(entry for entry in IDX_SETS if entry.name == name), split, report)


def load_idx_set(
    entry: IdxSet, split: Split, report: Report | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> tuple[Array, Array]:
    """`load_named` for one entry of the table; `timeout_seconds` is how long a mirror may be silent."""
    images, labels = (
        _load_file(entry, file, report, timeout_seconds) for file in (entry.train if split == "train" else entry.test)
    )
    return images, labels


def _digits(split: Split) -> tuple[Array, Array]:
    from sklearn.datasets import load_digits  # here, because it takes a second

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8)
    labels = bunch.target.astype(np.uint8)  # (1797,)
    part = slice(None, -DIGITS_TEST_COUNT) if split == "train" else slice(-DIGITS_TEST_COUNT, None)
    return images[part], labels[part]


def _load_file(entry: IdxSet, file: IdxFile, report: Report | None, timeout_seconds: float) -> Array:
    """The first good copy of a file; if there is none, the error says what was wrong with each bad one."""
    problems: list[str] = []
    for folder in _folders(entry.name):
        spellings = (file.name, file.name.replace("-idx", ".idx"))  # the latter is the name inside their own .gz
        for path in (folder / where / f"{n}{end}" for where in ("", "raw") for n in spellings for end in ("", ".gz")):
            try:
                if path.is_file():
                    return read_idx(path, shape=file.shape, md5=file.md5)
            except (DataError, OSError) as error:
                problems.append(str(error))
        for pickle in sorted((folder / "processed").glob("*.pt")):
            problems.append(f"{pickle}: ignored, pickles are never opened")
    folders = list(_folders(entry.name))
    if not problems:
        problems.append(f"not in {' or '.join(map(str, folders))}")
    try:
        array = _download(entry, file, folders[-1], report, timeout_seconds, problems)
    except OutputError as error:
        raise OutputError("; ".join([*problems, str(error)])) from error.__cause__
    if array is not None:
        return array
    names = ", ".join(each.name for each in (*entry.train, *entry.test))
    raise DataError(
        f"{entry.name}: no good copy of {file.name}: {'; '.join(problems)}; try again with a network, "
        f"or put the four files {names} (each as it is or as .gz) into the folder {folders[0]}"
    )


def _folders(name: str) -> Iterator[Path]:
    """Where a set may be: the user's own folder, if there is one, then the cache."""
    if own := os.environ.get("NARROWS_DATA"):
        yield Path(own) / name
    yield cache_folder() / name


class _NothingCame(Exception):
    """A mirror sent no whole file; the part that came stays in the `.part` file."""


def _download(
    entry: IdxSet, file: IdxFile, folder: Path, report: Report | None, timeout_seconds: float, problems: list[str]
) -> Array | None:
    """The file from the first mirror with a good copy, kept in `folder`; None, with the `problems`, if none has."""
    part = folder / f"{file.name}.gz.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for mirror in entry.mirrors:
            url = f"{mirror}{file.name}.gz"
            try:
                array = _fetch_checked(url, part, file, report, timeout_seconds)
            except _NothingCame as error:
                problems.append(f"{url}: {error}")
            except DataError as error:
                problems.append(f"{url}: {str(error).removeprefix(f'{part}: ')}")
                part.unlink(missing_ok=True)
            else:
                # Another process that loads the same file may have renamed it already.
                with suppress(FileNotFoundError):
                    part.replace(part.with_suffix(""))
                return array
    except OSError as error:
        raise OutputError(
            f"{part}: cannot be written ({error.strerror or error}); "
            "make room there, or set NARROWS_CACHE to another folder"
        ) from error
    return None


def _fetch_checked(url: str, part: Path, file: IdxFile, report: Report | None, timeout_seconds: float) -> Array:
    resumed = _fetch(url, part, file, report, timeout_seconds)
    try:
        return read_idx(part, shape=file.shape, md5=file.md5)
    except DataError:
        if not resumed:
            raise
    # The first part may be from another mirror, whose gzip file has other bytes for the same content.
    part.unlink(missing_ok=True)
    _fetch(url, part, file, report, timeout_seconds)
    return read_idx(part, shape=file.shape, md5=file.md5)


def _fetch(url: str, part: Path, file: IdxFile, report: Report | None, timeout_seconds: float) -> bool:
    """Write what the server sends to `part`, continuing a partial file if the server can; True if it could."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "narrows"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=timeout_seconds)
    except HTTPError as error:
        with error:
            if error.code == 416 and have:  # there is nothing after `have`: the part may be whole
                return True
            raise _NothingCame(f"the server answered {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise _NothingCame(_one_line(getattr(error, "reason", error))) from None
    with response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _NothingCame("the server sent another part than the one asked for")
        done = have if resumed else 0
        total = None if response.length is None else done + response.length
        # No gzip of the file is longer than this, so an endless response cannot fill the disk.
        most_bytes = 2 * math.prod(file.shape) + 4096
        with part.open("ab" if resumed else "wb") as out:
            for chunk in _chunks(response):
                done += len(chunk)
                if done > most_bytes:
                    raise DataError(f"{part}: longer than the file can be")
                out.write(chunk)
                if report is not None:
                    report(f"{file.name}.gz", done, total)
    if total is not None and done < total:
        raise _NothingCame(f"the connection ended after {done} of {total} bytes")
    return resumed


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """The body in chunks; errors of the network, unlike those of the disk, are blamed on the mirror."""
    try:
        while chunk := response.read(CHUNK_BYTES):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _NothingCame(_one_line(error)) from None


def _one_line(what: object) -> str:
    return " ".join(str(what).split()) or type(what).__name__
