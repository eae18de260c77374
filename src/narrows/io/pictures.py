"""One image file with everything that an archive keeps: its pixels as they are stored, and what belongs to them.

Unlike in `images`, pictures are not rotated, since EXIF, and with it the orientation, is kept with the pixels; but
Pillow turns those of TIFFs upright.
Next door: `metadata` is what belongs to them; `npy` does the same for arrays in files.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.files import open_file
from narrows.io.headers import Facts
from narrows.io.images import opened, pages, spread, wide_greys
from narrows.io.metadata import HOLDS, NAMES, ORIENTATION, metadata, options, tagged

# The modes that each format holds without loss; JPEG and GIF hold none.
_HOLDS = {
    "PNG": {"1", "L", "LA", "RGB", "RGBA", "I;16"},
    "TIFF": {"1", "L", "LA", "RGB", "RGBA", "I;16", "CMYK", "LAB"},
    "BMP": {"1", "L", "RGB"},
    "WEBP": {"RGB", "RGBA"},
    "PPM": {"1", "L", "RGB", "I;16"},
}
_BY_SUFFIX = {
    **{".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".dib": "BMP", ".webp": "WEBP"},
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {"lossless": True, "exact": True},
}
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
JPEG_QUALITY = 95
_USUAL = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_SIDES = {"WEBP": 16383, "JPEG": 65500}  # pixels, at most
_REHEARSED = 8  # pixels a side, with which it is tried whether a picture can be written


@dataclass(frozen=True)
class Picture:
    """Pixels `(H, W, C)`, uint8 or uint16, and what else the file held, as bytes by name.

    `extras` may have what belongs to the picture (see `metadata`), `mode` (Pillow's, if it does not follow from the
    number of channels), `clear` (the 16-bit grey that is transparent, little endian) and `format` (Pillow's, if it
    does not follow from the name of the file). What of the file is not kept is in `lost`, in words. The pixels were
    `turned` upright from this orientation (EXIF's number), 1 where they are as they are stored.
    """

    pixels: Array
    extras: Mapping[str, bytes] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    turned: int = 1


def read_picture(path: str | os.PathLike[str], strip: bool = False) -> Picture:
    """The first and only picture of a file; `strip` leaves out all that belongs to it beside pixels.

    Palettes become RGB or RGBA, transparent colours an alpha channel; 1-bit pictures are 0 and 255; CMYK and LAB are
    kept. Raises `DataError` naming the file, also if something would be lost: 16-bit colour, animations, pages.
    """
    return _read(Path(path), strip, None)


def read_photo(path: str | os.PathLike[str]) -> Picture:
    """The first picture of a file in grey or RGB, with or without alpha, which 16-bit greys have too where one is
    transparent (see `without_alpha`); what is lost by that is said. Otherwise as `read_picture`."""
    return _read(Path(path), False, None, exact=False)


def picture_in(content: bytes) -> Picture:
    """The same for the bytes of a file."""
    return _read(Path("the file in it"), False, content)


def _read(path: Path, strip: bool, content: bytes | None, exact: bool = True) -> Picture:
    # Pillow's warnings, also on opening a file, are harmless or followed by an error.
    with warnings.catch_warnings(action="ignore"), opened(path, content) as (image, facts):
        frames = pages(image, facts)
        if facts.lost and exact:
            raise DataError(f"{path}: {facts.lost}, which cannot be kept to the bit; save the pixels as .npy")
        if frames > 1 and exact:
            raise DataError(f"{path}: {frames} pictures in one file; one can be kept; save each in a file of its own")
        clear = image.info.get("transparency")
        turned = getattr(image, "tag_v2", {}).get(ORIENTATION, 1)
        image.load()
        extras: dict[str, bytes] = {}
        lost: list[str] = []
        if not strip:
            with open_file(path) if content is None else io.BytesIO(content) as file:
                extras, lost = metadata(image, file)
        if image.format == "MPO" and (more := getattr(image, "n_frames", 1) - 1) > 0 and not strip:
            lost.append(f"{more} more picture{'s' * (more > 1)} in a photo")
        if not exact:
            lost += [facts.lost] * bool(facts.lost) + [f"{frames - 1} more picture{'s' * (frames > 2)}"] * (
                frames > 1
            )
            if image.mode in ("CMYK", "LAB"):
                lost.append(f"{image.mode}, which became RGB")
                image = image.convert("RGB")
        pixels, mode = _pixels(image, facts, path)
        extras["mode"] = b"" if mode in ("I;16", _USUAL[pixels.shape[2]]) else mode.encode()
        if mode == "I;16" and isinstance(clear, int):
            extras["clear"] = clear.to_bytes(2, "little")
            pixels = pixels if exact else spread(pixels, "LA", clear)
        if path.suffix.lower() not in _BY_SUFFIX and image.format in _HOLDS:
            extras["format"] = image.format.encode()
    return Picture(pixels, {name: data for name, data in extras.items() if data}, tuple(lost), turned)


def rehearsed(name: str, picture: Picture) -> Picture:
    """The picture with all that can be written into a file of this name later: tried on a few of its pixels, so that
    what was kept does not turn out to be damaged when it is wanted. Raises `DataError` where nothing can be written.
    """
    mode, format_ = _form(name, picture.pixels, picture.extras)
    corner = picture.pixels[:_REHEARSED, :_REHEARSED]

    def tried(extras: Mapping[str, bytes]) -> list[str]:
        content, lost = _saved(name, corner, mode, format_, extras)
        back = _read(Path(name), False, content, exact=False).extras
        silent = [key for key in HOLDS[format_] & extras.keys() - back.keys() if (format_, key) != ("PNG", "comment")]
        return [*lost, *(NAMES[key] for key in silent)]

    try:
        lost = tried(picture.extras)
        return replace(picture, lost=(*picture.lost, *lost)) if lost else picture
    except DataError:
        kept, broken = {key: data for key, data in picture.extras.items() if key not in NAMES}, []
    tried(kept)
    for key in reversed(NAMES):
        if key in picture.extras:
            try:
                tried({**kept, key: picture.extras[key]})
                kept[key] = picture.extras[key]
            except DataError:
                broken.append(f"{NAMES[key]}, which is damaged")
    return replace(picture, extras=kept, lost=(*picture.lost, *broken, *tried(kept)))


def _pixels(image: Image.Image, facts: Facts, path: Path) -> tuple[Array, str]:
    """Pixels `(H, W, C)` and their mode."""
    mode = image.mode
    if mode.startswith("I"):
        return wide_greys(image, facts, path)[..., None], "I;16"
    if mode in ("P", "PA", "RGBX", "YCbCr") or image.has_transparency_data:
        mode = ("LA" if mode in ("1", "L", "LA", "La") else "RGBA") if image.has_transparency_data else "RGB"
        image = image.convert(mode)
    if mode not in _HOLDS["TIFF"]:
        raise DataError(f"{path}: pixels of kind {mode} cannot be kept; save it as RGB or as .npy")
    array = np.array(image)
    array = array.astype(np.uint8) * 255 if mode == "1" else array
    return (array[..., None] if array.ndim == 2 else array), mode


def encode_picture(name: str, pixels: Array, extras: Mapping[str, bytes]) -> tuple[bytes, str]:
    """The bytes of a file of pixels `(H, W, C)` and extras from `read_picture`, without loss, and its format.

    The format is that of the ending of `name`, or of the original file, if it holds these pixels without loss; else
    PNG, or TIFF for CMYK and LAB. Raises `DataError` for pixels that are not an image, and for damaged extras.
    """
    mode, format_ = _form(name, pixels, extras)
    return _saved(name, pixels, mode, format_, extras)[0], format_


def _form(name: str, pixels: Array, extras: Mapping[str, bytes]) -> tuple[str, str]:
    """Pillow's mode for pixels, and the format in which they are written. Raises `DataError` where they are none."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 0
    usual = _USUAL.get(channels) if pixels.dtype == np.uint8 else "I;16" if channels == 1 else None
    if usual is None or pixels.dtype not in (np.uint8, np.uint16) or 0 in pixels.shape:
        raise DataError(f"{name}: {pixels.dtype} of shape {pixels.shape} is not an image that can be written")
    mode = _mode(pixels, usual, extras.get("mode", b"").decode("latin-1"))
    given = _BY_SUFFIX.get(Path(name).suffix.lower()) or extras.get("format", b"").decode("latin-1")
    return mode, next(format_ for format_ in (given, "PNG", "TIFF") if _fits(format_, mode, pixels, extras))


def _saved(
    name: str, pixels: Array, mode: str, format_: str, extras: Mapping[str, bytes], **more: Any
) -> tuple[bytes, list[str]]:
    """The bytes of a file, and in words what of the extras it does not hold."""
    how: dict[str, Any] = {**_OPTIONS.get(format_, {}), **more}
    if (clear := extras.get("clear")) and mode == "I;16":
        how["transparency"] = int.from_bytes(clear, "little")
    if mode == "1":
        image = Image.fromarray(pixels[..., 0] > 0)
    else:
        little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        image = Image.frombuffer(mode, (pixels.shape[1], pixels.shape[0]), little, "raw", mode, 0, 1)
    buffer = io.BytesIO()  # not a file, since Pillow hides the reason if a disk is full
    try:
        given, lost = options(format_, extras)
        image.save(buffer, format_, **how, **given)
        content = tagged(buffer.getvalue(), extras) if format_ == "TIFF" else buffer.getvalue()
    except Exception as error:  # Pillow's encoders raise every kind on a damaged profile or EXIF
        raise DataError(f"{name}: cannot be made a {format_} ({' '.join(str(error).split())[:160]})") from None
    return content, lost


FORMATS = {"jpeg": ".jpg", "webp": ".webp", "png": ".png"}  # that a person may ask for, and their endings


def encode_as(name: str, pixels: Array, extras: Mapping[str, bytes], format_: str) -> tuple[bytes, str, list[str]]:
    """The bytes of a picture in one of `FORMATS`, the name of its file, and what of the extras it does not hold, in
    words: a JPEG or WebP of high quality, which loses a little, or a PNG. What JPEG or WebP cannot hold, such as 16
    bits, becomes a PNG, CMYK and LAB a TIFF. Raises as `encode_picture`."""
    mode, other = _form(Path(name).with_suffix(".png").name, pixels, extras)
    alpha = pixels.shape[2] in (2, 4)
    chosen = {"jpeg": "JPEG", "webp": "WEBP"}.get(format_, "PNG")
    if other == "TIFF" or mode == "I;16" or (chosen == "JPEG" and alpha) or _is_too_large(chosen, pixels):
        chosen = other
    how = {"JPEG": {"quality": JPEG_QUALITY, "subsampling": 0}, "WEBP": {"quality": JPEG_QUALITY, "lossless": False}}
    mode = mode if chosen in ("PNG", "TIFF") else _USUAL[pixels.shape[2]]
    content, lost = _saved(name, pixels, mode, chosen, extras, **how.get(chosen, {}))
    endings = {"JPEG": _JPEG, "WEBP": (".webp",), "TIFF": (".tif", ".tiff")}.get(chosen, (".png",))
    named = name if Path(name).suffix.lower() in endings else str(Path(name).with_suffix(endings[0]))
    return content, named, lost


def encode_photo(name: str, pixels: Array, extras: Mapping[str, bytes]) -> tuple[bytes, list[str]]:
    """The bytes of a file in the format of the ending of `name`, if it holds such pixels, else as `encode_picture`; a
    JPEG is of high quality. With the bytes, what of the extras the file does not hold, in words."""
    suffix = Path(name).suffix.lower()
    wanted = "JPEG" if suffix in _JPEG else _BY_SUFFIX.get(suffix, "")
    usual = pixels.dtype == np.uint8 and pixels.shape[2] in (1, 3)
    if wanted == "JPEG" and usual and not _is_too_large(wanted, pixels):
        mode = "L" if pixels.shape[2] == 1 else "RGB"
        return _saved(name, pixels, mode, wanted, extras, quality=JPEG_QUALITY, subsampling=0)
    mode, format_ = _form(name, pixels, {key: data for key, data in extras.items() if key not in NAMES})
    content, lost = _saved(name, pixels, mode, format_, extras)
    if other_ending(name, format_):
        too_large = _is_too_large(wanted, pixels)
        holds = f"at most {_SIDES[wanted]} pixels a side" if too_large else "no such pixels"
        lost.append(f"the format of its name, which holds {holds}: it is {format_} data")
    return content, lost


def without_alpha(pixels: Array, clear: bytes) -> Array:
    """16-bit greys `(H, W, 1)` of those with alpha `(H, W, 2)`: the transparent grey where they are more than half
    transparent; others that have its value become the next."""
    value = int.from_bytes(clear, "little")
    greys = np.where(pixels[..., :1] == value, value ^ 1, pixels[..., :1])
    return np.where(pixels[..., 1:] < 1 << 15, value, greys).astype(np.uint16)


def other_ending(name: str, format_: str) -> bool:
    """Whether a file of this format has a name with the ending of another."""
    return _BY_SUFFIX.get(Path(name).suffix.lower(), format_ if not Path(name).suffix else None) != format_


def _mode(pixels: Array, usual: str, kept: str) -> str:
    """The mode that was kept, if the pixels still fit it, else the usual one."""
    if kept == "1" and usual == "L":
        return "1" if np.isin(pixels, (0, 255)).all() else "L"  # a lossy 1-bit picture has greys
    return kept if (kept, usual) in (("CMYK", "RGBA"), ("LAB", "RGB")) else usual


def _fits(format_: str, mode: str, pixels: Array, extras: Mapping[str, bytes]) -> bool:
    if mode not in _HOLDS.get(format_, ()) or ("clear" in extras and mode == "I;16" and format_ != "PNG"):
        return False
    if format_ in ("BMP", "PPM"):
        return not NAMES.keys() & extras.keys() - HOLDS[format_]
    if format_ == "WEBP":  # it drops an alpha channel that is opaque everywhere
        return not (_is_too_large(format_, pixels) or (mode == "RGBA" and (pixels[..., 3] == 255).all()))
    return True


def _is_too_large(format_: str, pixels: Array) -> bool:
    return bool(max(pixels.shape[:2]) > _SIDES.get(format_, math.inf))
