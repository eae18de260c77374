"""Image files to arrays: one file, or a folder of them as one set. Next door: `data.sources` calls it."""

from __future__ import annotations

import functools
import io
import operator
import os
import re
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from narrows.errors import DataError, OutputError
from narrows.io.arrays import Array, Ragged

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
MEMORY_SHARE = 0.25  # of RAM: a larger set is memory-mapped from a cache file
SAMPLES_PER_PIXEL = 277  # a TIFF tag
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
_GREY, _ALPHA, _COLOUR = 1, 2, 4  # bits of what an image's mode holds
_MODES = {_GREY: "L", _GREY | _ALPHA: "LA", _COLOUR: "RGB", _COLOUR | _ALPHA: "RGBA"}
Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Header:
    """The header of an image file. `height` and `width` are as stored, before any rotation."""

    height: int
    width: int
    content: int
    wide: bool  # 16 bits a channel, kept
    narrowed: bool  # 16-bit colour, which Pillow reads at 8


def read_header(path: Path) -> Header:
    """Size and mode of an image file. Raises `DataError` naming the file."""
    with opened(path) as image:
        return _header(image)


def _header(image: Image.Image) -> Header:
    wide = image.mode.startswith("I")
    grey = wide or image.mode in ("1", "L", "LA", "La")
    content = (_GREY if grey else _COLOUR) | (_ALPHA if image.has_transparency_data else 0)
    narrowed = not wide and re.search(";16[BLN]", str(getattr(image, "tile", ""))) is not None
    return Header(image.height, image.width, content, wide, narrowed)


def read_image(path: str | os.PathLike[str], mode: str | None = None, wide: bool | None = None) -> Array:
    """One image, upright, as `(H, W, C)` of uint8, or uint16 for 16-bit grey.

    `mode` ("L", "LA", "RGB", "RGBA") and `wide` force channels and depth. Raises `DataError` naming the file.
    """
    path = Path(path)
    with opened(path) as image:
        header = _header(image)
        mode = mode or _MODES[header.content]
        clear = image.info.get("transparency")
        image.load()
        with suppress(Exception):  # damaged EXIF rotates nothing
            ImageOps.exif_transpose(image, in_place=True)
        array = np.array(image if header.wide else image.convert(mode))
    wide = header.wide if wide is None else wide
    if not header.wide:
        array = array[..., None] if array.ndim == 2 else array
        return array.astype(np.uint16) * 257 if wide else array
    if array.min() < 0 or array.max() > 65535:
        raise DataError(f"{path}: 32-bit values were given; images have 8 or 16 bits; save it as .npy")
    array = _spread(array.astype(np.uint16)[..., None], mode, clear)
    return array if wide else (array >> 8).astype(np.uint8)


def _spread(grey: Array, mode: str, clear: Any) -> Array:
    """16-bit grey `(H, W, 1)` with the channels of `mode`, transparent where it has the value `clear`."""
    colour = np.repeat(grey, 3 if mode.startswith("RGB") else 1, axis=2)
    if not mode.endswith("A"):
        return colour
    alpha = np.full_like(grey, 65535) if clear is None else np.where(grey == clear, 0, 65535).astype(np.uint16)
    return np.concatenate([colour, alpha], axis=2)


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[Image.Image]:
    """An image that may be decoded; whatever Pillow raises inside the block becomes a `DataError`. With `content`,
    that is the file, and `path` only its name."""
    try:
        # Not by name: Pillow would map the file, and scramble uncompressed TIFFs that have to be rotated.
        with path.open("rb") if content is None else io.BytesIO(content) as file, Image.open(file) as image:
            limit = pixel_limit()
            if limit is not None and image.width * image.height > limit:
                raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")
            if image.mode == "F":
                raise DataError(f"{path}: an image of floats; allowed are 8 and 16 bits a channel; save it as .npy")
            # Pillow reads TIFFs of more channels as RGB without a warning.
            channels = getattr(image, "tag_v2", {}).get(SAMPLES_PER_PIXEL, 1)
            if channels > (most := len(image.getbands())):
                raise DataError(
                    f"{path}: {channels} channels, of which {most} would be read as {image.mode}; allowed are grey, "
                    "grey + alpha, RGB and RGBA; save those that matter"
                )
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"{path}: the image is over the limit of {pixel_limit()} pixels; cut it into smaller ones"
        ) from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0 if content is None else not content
        why = "the file is empty" if empty else "the content is not an image that can be read"
        raise DataError(f"{path}: {why}; replace or remove it") from None
    except Exception as error:  # Pillow's decoders raise every kind on damaged files
        raise DataError(f"{path}: the image cannot be read ({_brief(error)}); replace or remove it") from None


def pixel_limit() -> int | None:
    """The number of pixels above which Pillow refuses an image as an attack; it warns at half of that."""
    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def list_images(folder: Path) -> list[Path]:
    """Every image file below a folder, sorted by path; links are followed, hidden files and folders skipped. Raises
    `DataError` if there is none, or if a folder cannot be read."""
    found = [path for path in list_files(folder) if path.suffix.lower() in SUFFIXES]
    if not found:
        raise DataError(
            f"{folder}: no image in this folder; files ending in {', '.join(sorted(SUFFIXES))} are looked for"
        )
    return found


def list_files(folder: Path) -> list[Path]:
    """Every file below a folder, otherwise as `list_images`."""
    return sorted(_walk(folder, {os.path.realpath(folder)}))


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """`seen` are the folders read so far, so that circular links do no harm."""
    try:
        # Folders before links to them, so that a folder is listed under its own name.
        for path in sorted(folder.iterdir(), key=lambda path: (path.is_symlink(), path.name)):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                real = os.path.realpath(path)
                if real not in seen:
                    seen.add(real)
                    yield from _walk(path, seen)
            # A broken link counts, so that it is reported rather than skipped.
            elif path.is_file() or not path.exists():
                yield path
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read ({error.strerror}); change its permissions") from None


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
    content = content & ~_GREY if content & _COLOUR else content
    wide = any(h.wide for h in headers.values())
    mode, dtype = _MODES.get(content, "L"), np.dtype(np.uint16 if wide else np.uint8)
    flat = _buffer(sum(h.height * h.width * len(mode) for h in headers.values()), dtype, memory)

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
    if narrowed := sum(headers[i].narrowed for i in kept):
        notes.append(f"16-bit colour was read at 8 bits a channel in {narrowed} of {len(kept)} images")
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


def _buffer(size: int, dtype: np.dtype[Any], memory: int | None) -> Array:
    """A flat array for the decoded set: in memory, or, if it is too large, a memory map of a file in the cache, which
    has no name once it is open, so that nothing is left behind."""
    size_bytes = size * dtype.itemsize
    if size_bytes <= (total_memory() * MEMORY_SHARE if memory is None else memory):
        return np.empty(size, dtype)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix="images-") as file:
            if hasattr(os, "posix_fallocate"):  # so that a full disk is an error now, not a crash later
                os.posix_fallocate(file.fileno(), 0, size_bytes)
            file.truncate(size_bytes)
            return np.memmap(file, dtype, "r+", shape=(size,))
    except OSError as error:
        raise OutputError(
            f"{folder}: {size_bytes / 1e9:.2g} GB of decoded images cannot be kept there ({error.strerror}); "
            "free some space or set NARROWS_CACHE to a folder on a larger disk"
        ) from None


def cache_folder() -> Path:
    """`$NARROWS_CACHE`, or `narrows` in the user's cache folder. Raises `OutputError` if there is neither."""
    if given := os.environ.get("NARROWS_CACHE"):
        return Path(given)
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG specification ignores relative ones
        return xdg / "narrows"
    try:
        return Path.home() / ".cache" / "narrows"
    except RuntimeError:
        raise OutputError("no home folder is known for a cache; set NARROWS_CACHE to a folder") from None


def total_memory() -> int:
    """Bytes of RAM of this machine, or the limit of its container if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no such control group, or the word "max"
        return machine
