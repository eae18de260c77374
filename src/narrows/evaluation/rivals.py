"""The general image formats, each used as well as it can be: one file per image, or all on one sheet.

Next door: `curves` measures what they give, `lossless` estimates what they need without loss.
"""

from __future__ import annotations

import importlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from narrows.errors import DataError, MissingExtraError, SettingsError
from narrows.io.arrays import Array

ONE_EACH = "one file each"
ON_SHEET = "on one sheet"
SMALL_SIDE = (
    128  # pixels per side; of such small images headers are a large share, so one sheet of many may be smaller
)
SHEET_SIDE = 8192  # pixels, as WebP ends at 16383; more images take several sheets
_LADDER = (1, 5, 10, 20, 35, 50, 65, 80, 90, 96)


@dataclass(frozen=True)
class Coded:
    """What a codec made of a set of images: bytes on disk, the images that came back, and seconds taken.

    `data_bytes` counts everything that is stored, with headers, but without the model; that is `model_bytes`.
    """

    data_bytes: int
    images: list[Array]
    encode_seconds: float
    decode_seconds: float
    model_bytes: int = 0


Coder = Callable[[Sequence[Array], int], Coded]
"""Images `(H, W, C)`, uint8, through bytes and back at one quality."""


@dataclass(frozen=True)
class Rival:
    """One format as Pillow writes it: its options, a ladder of qualities, and how it may store colour.

    `chroma` maps a name to Pillow's `subsampling`: colour at full or at half resolution. Which is better depends
    on the rate and the pictures, so both are tried. `lossless` are the options for exact pixels, if any.
    """

    name: str
    title: str
    format: str
    options: Mapping[str, Any]
    qualities: tuple[int, ...] = _LADDER
    chroma: Mapping[str, Any] = field(default_factory=dict)
    lossless: Mapping[str, Any] = field(default_factory=dict)


RIVALS = {
    rival.name: rival
    for rival in (
        Rival("jpeg", "JPEG", "JPEG", {"optimize": True, "progressive": True}, chroma={"4:4:4": 0, "4:2:0": 2}),
        Rival("webp", "WebP", "WEBP", {"method": 6}, lossless={"lossless": True, "exact": True}),
        # Tuned for PSNR, by which is compared, in place of for eyes: 6 % fewer bits for the Kodak pictures.
        Rival(
            "avif",
            "AVIF",
            "AVIF",
            {"speed": 6, "advanced": {"tune": "psnr"}},
            chroma={"4:4:4": "4:4:4", "4:2:0": "4:2:0"},
        ),
        Rival("jxl", "JPEG XL", "JXL", {"effort": 7}, lossless={"lossless": True}),
        Rival("png", "PNG", "PNG", {"optimize": True}, (100,), lossless={"optimize": True}),  # exact: a single point
    )
}


def choose(names: str) -> tuple[Rival, ...]:
    """The rivals in a list such as "webp,avif". Raises `SettingsError`, or `MissingExtraError` for JPEG XL."""
    wanted = list(dict.fromkeys(name.strip().lower() for name in names.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in RIVALS]
    if unknown or not wanted:
        raise SettingsError(
            f"--against {names!r}: allowed are {', '.join(RIVALS)}, separated by commas"
            + (f"; {unknown[0]!r} is not one of them" if unknown else "")
        )
    if "jxl" in wanted and not jxl_installed():
        raise MissingExtraError("comparing with jxl needs a package: pip install 'narrows[jxl]'")
    return tuple(RIVALS[name] for name in wanted)


def jxl_installed() -> bool:
    """Whether Pillow can write JPEG XL; its plugin registers itself when it is imported."""
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        return False
    return True


def ways(rival: Rival, images: Sequence[Array]) -> dict[str, Coder]:
    """Every way in which a format may be used for these images, by its name."""
    chroma = rival.chroma if images[0].shape[2] == 3 else {}
    settings: dict[str, Any] = {f", {name}": {"subsampling": value} for name, value in chroma.items()} or {"": {}}
    together = len(images) > 1 and len({i.shape for i in images}) == 1 and max(images[0].shape[:2]) <= SMALL_SIDE
    coders: dict[str, Coder] = {}
    for name, options in settings.items():
        coders[ONE_EACH + name] = partial(one_each, rival, options)
        if together:
            coders[ON_SHEET + name] = partial(on_sheet, rival, options)
    return coders


def one_each(rival: Rival, options: Mapping[str, Any], images: Sequence[Array], quality: int) -> Coded:
    """Grey or RGB images `(H, W, C)`, uint8, to one file each and back."""
    began = time.perf_counter()
    files = [_at_quality(rival, options, image, quality) for image in images]
    written = time.perf_counter()
    back = [_decode(file, image.shape[2]) for file, image in zip(files, images, strict=True)]
    return Coded(sum(map(len, files)), back, written - began, time.perf_counter() - written)


def on_sheet(rival: Rival, options: Mapping[str, Any], images: Sequence[Array], quality: int) -> Coded:
    """The same with as many images as possible side by side in one file; all have to be of one size."""
    height, width, _ = images[0].shape
    began = time.perf_counter()
    sheets = tile(images)
    tiled = time.perf_counter() - began
    coded = one_each(rival, options, sheets, quality)
    began = time.perf_counter()
    back = cut(coded.images, (height, width), len(images))
    untiled = time.perf_counter() - began
    return Coded(coded.data_bytes, back, coded.encode_seconds + tiled, coded.decode_seconds + untiled)


def tile(images: Sequence[Array]) -> list[Array]:
    """Images of one size in rows on sheets that are about square; any left-over place is filled with the colour of
    the first one's corner."""
    height, width, channels = images[0].shape
    most = max(1, SHEET_SIDE // height) * max(1, SHEET_SIDE // width)
    sheets = []
    for start in range(0, len(images), most):
        part = images[start : start + most]
        columns, rows = _grid(len(part), height, width)
        sheet = np.empty((rows * columns, height, width, channels), np.uint8)
        sheet[: len(part)] = part
        sheet[len(part) :] = part[0][0, 0]
        tiles = sheet.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
        sheets.append(tiles.reshape(rows * height, columns * width, channels))
    return sheets


def cut(sheets: Sequence[Array], size: tuple[int, int], count: int) -> list[Array]:
    """The inverse of `tile` for `count` images of `size` (height, width)."""
    height, width = size
    images: list[Array] = []
    for sheet in sheets:
        rows, columns = sheet.shape[0] // height, sheet.shape[1] // width
        tiles = sheet.reshape(rows, height, columns, width, -1).transpose(0, 2, 1, 3, 4)
        images.extend(tiles.reshape(rows * columns, height, width, -1))
    return images[:count]


def _grid(count: int, height: int, width: int) -> tuple[int, int]:
    """Columns and rows that hold `count` images on a sheet within the limit, about square."""
    columns = min(max(1, round((count * height / width) ** 0.5)), max(1, SHEET_SIDE // width), count)
    return columns, -(-count // columns)


def _at_quality(rival: Rival, options: Mapping[str, Any], image: Array, quality: int) -> bytes:
    kept = {**rival.options, **options} | ({} if rival.format == "PNG" else {"quality": quality})
    try:
        return encode(rival, kept, image)
    except (OSError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())[:160]
        raise DataError(
            f"{rival.title} cannot store an image of {image.shape[1]}x{image.shape[0]} pixels ({why}); "
            f"leave {rival.name} out of --against"
        ) from None


def encode(rival: Rival, options: Mapping[str, Any], image: Array) -> bytes:
    """A file of an image `(H, W, C)`; raises what Pillow raises if the format cannot hold it."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, rival.format, **options)
    return file.getvalue()


def _decode(file: bytes, channels: int) -> Array:
    with Image.open(io.BytesIO(file)) as picture:
        array = np.array(picture.convert("L" if channels == 1 else "RGB"))
    return array[..., None] if channels == 1 else array
