"""Image files to arrays, one at a time. Next door: `headers` knows what Pillow does not say; `folders` reads many."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.files import open_file
from narrows.io.headers import CHANNELS, FORMATS, HEAD_BYTES, Facts, facts_of, is_cut, kind_of

GREY, ALPHA, COLOUR = 1, 2, 4  # bits of what an image's mode holds
MODES = {GREY: "L", GREY | ALPHA: "LA", COLOUR: "RGB", COLOUR | ALPHA: "RGBA"}
Report = Callable[[str, int, int | None], None]
# Bytes of inflated profile or text, and of all text, in a PNG: good files have more than Pillow allows, 1 and 64 MB.
TEXT_CHUNK, TEXT_MEMORY = 1 << 26, 1 << 28
# What Pillow says also of good files.
_KINDS = re.compile("(?i)unsupported|not supported|unknown .*mode|unrecognized image mode|decoder error")
_ENDINGS = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2", "PPM": ".pnm"}  # not the format's name


@dataclass(frozen=True)
class Header:
    """The header of an image file. `height` and `width` are as stored, before any rotation; `ending` is one that its
    format has."""

    height: int
    width: int
    content: int
    wide: bool  # 16 bits a channel, kept
    lost: str  # what is not read, in words
    pages: int
    ending: str


def read_header(path: Path) -> Header:
    """Size and mode of an image file. Raises `DataError` naming the file."""
    with opened(path) as (image, facts):
        return _header(image, facts)


def is_image(path: Path) -> bool:
    """Whether a file is an image that is read, whatever its name."""
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS):
            return True
    except Exception:  # Pillow raises every kind
        return False


def _header(image: Image.Image, facts: Facts) -> Header:
    wide = image.mode.startswith("I")
    grey = wide or image.mode in ("1", "L", "LA", "La")
    content = (GREY if grey else COLOUR) | (ALPHA if image.has_transparency_data else 0)
    return Header(image.height, image.width, content, wide, facts.lost, pages(image, facts), _ending(image.format))


def _ending(format_: str | None) -> str:
    return _ENDINGS.get(format_ or "", f".{format_}".lower())


def pages(image: Image.Image, facts: Facts) -> int:
    """The number of pictures in a file, not counting the previews in a photo."""
    if image.format in ("MPO", "TIFF"):
        return facts.pages
    return max(getattr(image, "n_frames", 1), facts.pages)


def read_image(path: str | os.PathLike[str], mode: str | None = None, wide: bool | None = None) -> Array:
    """One image, the first of its file, upright, as `(H, W, C)` of uint8, or uint16 for 16-bit grey.

    `mode` ("L", "LA", "RGB", "RGBA") and `wide` force channels and depth. Raises `DataError` naming the file.
    """
    path = Path(path)
    with opened(path) as (image, facts):
        header = _header(image, facts)
        mode = mode or MODES[header.content]
        clear = image.info.get("transparency")
        image.load()
        image = image.convert("LA") if image.mode == "La" else image  # which becomes nothing else
        with suppress(Exception):  # damaged EXIF rotates nothing
            ImageOps.exif_transpose(image, in_place=True)
        array = wide_greys(image, facts, path) if header.wide else np.array(image.convert(mode))
    wide = header.wide if wide is None else wide
    if not header.wide:
        array = array[..., None] if array.ndim == 2 else array
        return array.astype(np.uint16) * 257 if wide else array
    array = spread(array[..., None], mode, clear)
    return array if wide else (array >> 8).astype(np.uint8)


def wide_greys(image: Image.Image, facts: Facts, path: Path) -> Array:
    """The pixels `(H, W)` of a picture of 16-bit greys, 0 as black. Raises `DataError` for values out of range."""
    array = np.array(image)
    if array.min() < 0 or array.max() > 65535:
        raise DataError(
            f"{path}: values from {array.min()} to {array.max()}; those of images are 0 to 65535; save it as .npy"
        )
    array = array.astype(np.uint16)
    return 65535 - array if facts.inverted else array


def spread(grey: Array, mode: str, clear: Any) -> Array:
    """16-bit grey `(H, W, 1)` with the channels of `mode`, transparent where it has the value `clear`."""
    colour = np.repeat(grey, 3 if mode.startswith("RGB") else 1, axis=2)
    if not mode.endswith("A"):
        return colour
    alpha = np.full_like(grey, 65535) if clear is None else np.where(grey == clear, 0, 65535).astype(np.uint16)
    return np.concatenate([colour, alpha], axis=2)


class _Texts:
    """How many threads read images now, and what Pillow allowed before the first one."""

    lock, inside, before = threading.Lock(), 0, (0, 0)


@contextmanager
def _long_texts() -> Iterator[None]:
    """Allow PNGs their text; that is one setting for all threads, so the last one to leave restores it."""
    png = PngImagePlugin
    with _Texts.lock:
        if not _Texts.inside:
            _Texts.before = png.MAX_TEXT_CHUNK, png.MAX_TEXT_MEMORY
            png.MAX_TEXT_CHUNK, png.MAX_TEXT_MEMORY = map(max, _Texts.before, (TEXT_CHUNK, TEXT_MEMORY))
        _Texts.inside += 1
    try:
        yield
    finally:
        with _Texts.lock:
            _Texts.inside -= 1
            if not _Texts.inside:
                png.MAX_TEXT_CHUNK, png.MAX_TEXT_MEMORY = _Texts.before


@contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[tuple[Image.Image, Facts]]:
    """An image that may be decoded, and what its header says; whatever Pillow raises inside the block becomes a
    `DataError`. With `content`, that is the file, and `path` only its name."""
    try:
        # Not by name: Pillow would map the file, and scramble uncompressed TIFFs that have to be rotated.
        with open_file(path) if content is None else io.BytesIO(content) as file:
            try:
                with _long_texts(), Image.open(file, formats=FORMATS) as image:
                    yield image, _checked(image, file, path)
            except UnidentifiedImageError:
                raise DataError(f"{path}: {_not_read(file)}") from None
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(
            f"{path}: the image is over the limit of {pixel_limit()} pixels; cut it into smaller ones"
        ) from None
    except Exception as error:  # Pillow's decoders raise every kind on damaged files
        words = _brief(error)
        do = "it is damaged or of a kind that is not read; save it as PNG, or leave it out"
        do = do if _KINDS.search(words) else "replace or remove it"
        raise DataError(f"{path}: the image cannot be read ({words}); {do}") from None


def _checked(image: Image.Image, file: IO[bytes], path: Path) -> Facts:
    """The facts of an image; raises `DataError` for one whose pixels Pillow would not read right."""
    limit = pixel_limit()
    if limit is not None and image.width * image.height > limit:
        raise Image.DecompressionBombError(f"{image.width}x{image.height} pixels")
    if image.mode == "F":
        raise DataError(f"{path}: an image of floats; allowed are 8 and 16 bits a channel; save it as .npy")
    found = facts_of(image, file)
    if found.wrong:
        raise DataError(f"{path}: {found.wrong}; such files are not read; save it as PNG, or its pixels as .npy")
    # Pillow reads TIFFs of more channels as RGB without a warning.
    channels = getattr(image, "tag_v2", {}).get(CHANNELS, 1)
    if channels > (most := len(image.getbands())):
        raise DataError(
            f"{path}: {channels} channels, of which {most} would be read as {image.mode}; allowed are grey, "
            "grey + alpha, RGB and RGBA; save those that matter"
        )
    mask = (1 << found.bits) - 1  # higher bits are to be ignored
    if isinstance(clear := image.info.get("transparency"), int):
        image.info["transparency"] = (clear & mask) * found.steps
    elif isinstance(clear, tuple):
        image.info["transparency"] = tuple(value & mask for value in clear)
    return found


def _not_read(file: IO[bytes]) -> str:
    """Why a file that Pillow does not know is not read, and what to do."""
    file.seek(0)
    head, kind = file.read(HEAD_BYTES), kind_of(file)
    if not head:
        return "the file is empty; replace or remove it"
    if kind:
        return f"{kind}, which is not read as an image; save it as PNG, or its numbers as .npy"
    if is_cut(head):
        return "the image is damaged or cut short; replace or remove it"
    return "the content is not an image of a kind that is read, or it is damaged; save it as PNG, or leave it out"


def pixel_limit() -> int | None:
    """The number of pixels above which Pillow refuses an image as an attack; it warns at half of that."""
    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


def _brief(error: BaseException) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split())[:160] or type(error).__name__
