"""Image files to arrays: one file, or a folder of them packed end to end.

Next door: `sources` decides what a path is; `samples` says what an array is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from narrows.data.samples import Array, Ragged
from narrows.errors import DataError, OutputError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
MEMORY_SHARE = 0.25  # of RAM: a larger set is memory-mapped from a cache file
_GREY, _ALPHA, _COLOUR = 1, 2, 4  # bits of what an image's mode holds
_MODES = {_GREY: "L", _GREY | _ALPHA: "LA", _COLOUR: "RGB", _COLOUR | _ALPHA: "RGBA"}
_TRANSPOSING = {5, 6, 7, 8}  # EXIF orientations that swap width and height
Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before it is decoded. `height` and `width` are as seen upright."""

    height: int
    width: int
    content: int
    wide: bool  # 16 bits a channel, kept
    narrowed: bool  # 16-bit colour, which Pillow reads at 8


def read_header(path: Path) -> Header:
    """Size and mode of an image file. Raises `DataError` naming the file."""
    with _opened(path) as image:
        swap = image.getexif().get(0x0112) in _TRANSPOSING
        height, width = (image.width, image.height) if swap else (image.height, image.width)
        alpha = "A" in image.getbands() or "transparency" in image.info
        wide = image.mode.startswith("I")
        grey = wide or image.mode in ("1", "L", "LA", "La")
        content = (_GREY if grey else _COLOUR) | (_ALPHA if alpha else 0)
        return Header(height, width, content, wide, not wide and ";16" in str(getattr(image, "tile", "")))


def read_image(path: str | os.PathLike[str], mode: str | None = None, wide: bool | None = None) -> Array:
    """One image, upright, as `(H, W, C)` of uint8, or uint16 for 16-bit grey.

    `mode` ("L", "LA", "RGB", "RGBA") and `wide` force channels and depth. Raises `DataError` naming the file.
    """
    path = Path(path)
    header = read_header(path)
    wide = header.wide if wide is None else wide
    with _opened(path) as image:
        try:
            image = ImageOps.exif_transpose(image)
            if header.wide:
                array = np.asarray(image)
                if array.min() < 0 or array.max() > 65535:
                    raise DataError(f"{path}: 32-bit values were given; images have 8 or 16 bits; use .npy")
                array = _spread(array.astype(np.uint16)[..., None], mode or "L")
                return array if wide else (array >> 8).astype(np.uint8)
            array = np.asarray(image.convert(mode or _MODES[header.content]))
        except DataError:
            raise
        # Pillow's decoders raise many kinds on damaged files, SyntaxError among them.
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, MemoryError) as error:
            raise DataError(f"{path}: the image cannot be decoded ({_brief(error)}); replace the file") from None
    array = array[..., None] if array.ndim == 2 else array
    return array.astype(np.uint16) * 257 if wide else array


def _spread(grey: Array, mode: str) -> Array:
    """16-bit grey `(H, W, 1)` with the channels of `mode`, opaque."""
    colour = np.repeat(grey, 3 if mode.startswith("RGB") else 1, axis=2)
    return np.concatenate([colour, np.full_like(grey, 65535)], axis=2) if mode.endswith("A") else colour


def _opened(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Image.DecompressionBombWarning as error:  # where warnings are errors
        raise DataError(f"{path}: {_brief(error)}; cut the image into smaller ones") from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        why = "the file is empty" if empty else "the content is not an image that can be read"
        raise DataError(f"{path}: {why}; replace or remove it") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: the image cannot be read ({_brief(error)}); replace or remove it") from None
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        size = f"{image.width}x{image.height}"
        image.close()
        raise DataError(f"{path}: {size} pixels, over the limit of {limit}; cut the image into smaller ones")
    if image.mode == "F":
        image.close()
        raise DataError(f"{path}: an image of floats; allowed are 8 and 16 bits a channel; save it as .npy")
    return image


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def list_images(folder: Path) -> list[Path]:
    """Every image file below a folder, sorted by path. Raises `DataError` when there is none."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise DataError(
            f"{folder}: no image in this folder; files ending in {', '.join(sorted(SUFFIXES))} are looked for"
        )
    return found


def load_images(
    paths: Sequence[Path], skip_bad: bool = False, report: Report | None = None, memory: int | None = None
) -> tuple[Array | Ragged, list[int], list[str]]:
    """Decode files into one packed set of equal channels and depth.

    The channels are those that lose nothing: alpha if any image has it, colour if any has it, 16 bits if any
    has them. Sets over `memory` bytes (default: a quarter of RAM) go to a memory-mapped cache file.

    Returns the images, the indices of `paths` that they came from, and notes for the reader.
    Raises `DataError` naming the first unreadable file, or naming all when none is left after `skip_bad`.
    """
    bad: list[str] = []
    headers: dict[int, Header] = {}
    for index, path in enumerate(paths):
        try:
            headers[index] = read_header(path)
        except DataError as error:
            _skip(error, skip_bad, bad)
    if not headers:
        raise DataError(f"none of the {len(paths)} files could be read; the first: {bad[0]}")
    content = int(np.bitwise_or.reduce([h.content for h in headers.values()]))
    content = content & ~_GREY if content & _COLOUR else content
    wide = any(h.wide for h in headers.values())
    mode, dtype = _MODES[content], np.dtype(np.uint16 if wide else np.uint8)
    sizes = {i: h.height * h.width * len(mode) for i, h in headers.items()}
    flat = _buffer(sum(sizes.values()), dtype, [paths[i] for i in headers], memory)

    kept: list[int] = []
    shapes: list[tuple[int, ...]] = []
    at = 0
    for index, result in _decoded(paths, list(headers), mode, wide):
        if isinstance(result, DataError):
            _skip(result, skip_bad, bad)
            continue
        flat[at : at + result.size] = result.reshape(-1)
        at += result.size
        kept.append(index)
        shapes.append(result.shape)
        if report is not None:
            report("reading images", len(kept), len(headers))
    if not kept:
        raise DataError(f"none of the {len(paths)} files could be read; the first: {bad[0]}")
    notes = [f"{len(bad)} unreadable files were left out, the first: {bad[0]}"] if bad else []
    if narrowed := sum(headers[i].narrowed for i in kept):
        notes.append(f"{narrowed} images with 16-bit colour were read at 8 bits a channel")
    if len(set(shapes)) == 1:
        return flat[:at].reshape(len(kept), *shapes[0]), kept, notes
    return Ragged(flat[:at], np.array(shapes, np.int64)), kept, notes


def _skip(error: DataError, skip_bad: bool, bad: list[str]) -> None:
    if not skip_bad:
        raise DataError(f"{error} (or leave out such files with --skip-bad)") from None
    bad.append(str(error))


def _decoded(
    paths: Sequence[Path], indices: list[int], mode: str, wide: bool
) -> Iterator[tuple[int, Array | DataError]]:
    """Decode in threads, a few images ahead of the reader, in order."""

    def decode(index: int) -> tuple[int, Array | DataError]:
        try:
            return index, read_image(paths[index], mode, wide)
        except DataError as error:
            return index, error

    ahead = 32
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(indices), ahead):
            yield from pool.map(decode, indices[start : start + ahead])


def _buffer(size: int, dtype: np.dtype[Any], paths: Sequence[Path], memory: int | None) -> Array:
    """A flat array for the decoded set: in memory, or a memory map in the cache when it is too large.

    The cache file has no name of its own once it is open, so nothing is left behind, whatever happens.
    """
    limit = total_memory() * MEMORY_SHARE if memory is None else memory
    if size * dtype.itemsize <= limit:
        return np.empty(size, dtype)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix="images-") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk must be noticed now, not by a crash later
                os.posix_fallocate(file.fileno(), 0, size * dtype.itemsize)
            file.truncate(size * dtype.itemsize)
            return np.memmap(file, dtype, "r+", shape=(size,))
    except OSError as error:
        raise OutputError(
            f"{folder}: {size * dtype.itemsize / 1e9:.1f} GB of decoded images do not fit ({error.strerror}); "
            "free some space or set NARROWS_CACHE to a folder on a larger disk"
        ) from None


def cache_folder() -> Path:
    """`$NARROWS_CACHE`, or `narrows` in the user's cache folder."""
    if given := os.environ.get("NARROWS_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "narrows"


def total_memory() -> int:
    """Bytes of RAM in this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
