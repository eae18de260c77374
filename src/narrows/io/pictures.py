"""One image file with everything that an archive keeps: its pixels as they are stored, ICC profile and EXIF.

Unlike in `images`, pictures are not rotated, since EXIF, and with it the orientation, is kept with the pixels.
Next door: `npy` does the same for arrays in files.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.images import opened, read_image
from narrows.io.npy import open_npy

# The modes that each format holds without loss; JPEG and GIF hold none.
_HOLDS = {
    "PNG": {"1", "L", "LA", "RGB", "RGBA", "I;16"},
    "TIFF": {"1", "L", "LA", "RGB", "RGBA", "I;16", "CMYK", "LAB"},
    "BMP": {"1", "L", "RGB"},
    "WEBP": {"RGB", "RGBA"},
}
_BY_SUFFIX = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".webp": "WEBP"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "WEBP": {"lossless": True, "exact": True},
}
_JPEG = (".jpg", ".jpeg")
JPEG_QUALITY = 95
_USUAL = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WEBP_SIDE = 16383
_EXIF = b"Exif\0\0"  # stands before EXIF in some formats only
# A TIFF is itself an EXIF structure; these of its tags describe the picture and not how it is stored: description,
# make, model, software, date, artist, copyright, and the EXIF and GPS sections.
_TIFF_TAGS = (0x10E, 0x10F, 0x110, 0x131, 0x132, 0x13B, 0x8298, 0x8769, 0x8825)


@dataclass(frozen=True)
class Picture:
    """Pixels `(H, W, C)`, uint8 or uint16, and what else the file held, as bytes by name.

    `extras` may have `icc`, `exif` (without `Exif` in front), `mode` (Pillow's, if it does not follow from the number
    of channels), `clear` (the 16-bit grey that is transparent, little endian) and `format` (Pillow's, if it does not
    follow from the name of the file).
    """

    pixels: Array
    extras: Mapping[str, bytes] = field(default_factory=dict)


def read_picture(path: str | os.PathLike[str], strip: bool = False) -> Picture:
    """The first and only picture of a file; `strip` leaves out ICC profile and EXIF.

    Palettes become RGB or RGBA, transparent colours an alpha channel; 1-bit pictures are 0 and 255; CMYK and LAB are
    kept. Raises `DataError` naming the file, also if something would be lost: 16-bit colour, animations, pages.
    """
    return _read(Path(path), strip, None)


def picture_in(content: bytes) -> Picture:
    """The same for the bytes of a file."""
    return _read(Path("the file in it"), False, content)


def _read(path: Path, strip: bool, content: bytes | None) -> Picture:
    # Pillow's warnings, also on opening a file, are harmless or followed by an error.
    with warnings.catch_warnings(action="ignore"), opened(path, content) as image:
        if ";16" in str(getattr(image, "tile", "")) and not image.mode.startswith("I"):
            raise DataError(f"{path}: colour of 16 bits, of which 8 would be lost; save the pixels as .npy")
        # A JPEG of several pictures is one photo with previews.
        if (frames := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":
            raise DataError(f"{path}: {frames} pictures in one file; one can be kept; save each in a file of its own")
        clear = image.info.get("transparency")
        image.load()
        pixels, mode = _pixels(image, path)
        extras = {} if strip else {"icc": image.info.get("icc_profile") or b"", "exif": _exif(image)}
        extras["mode"] = b"" if mode in ("I;16", _USUAL[pixels.shape[2]]) else mode.encode()
        if mode == "I;16" and isinstance(clear, int):
            extras["clear"] = clear.to_bytes(2, "little")
        if path.suffix.lower() not in _BY_SUFFIX and image.format in _HOLDS:
            extras["format"] = image.format.encode()
    return Picture(pixels, {name: data for name, data in extras.items() if data})


def _pixels(image: Image.Image, path: Path) -> tuple[Array, str]:
    """Pixels `(H, W, C)` and their mode."""
    mode = image.mode
    if mode.startswith("I"):
        wide = np.array(image)
        if wide.min() < 0 or wide.max() > 65535:
            raise DataError(f"{path}: 32-bit values were given; images have 8 or 16 bits; save it as .npy")
        return wide.astype(np.uint16)[..., None], "I;16"
    if mode in ("P", "PA", "RGBX") or image.has_transparency_data:
        mode = ("LA" if mode in ("1", "L", "LA") else "RGBA") if image.has_transparency_data else "RGB"
        image = image.convert(mode)
    if mode not in _HOLDS["TIFF"]:
        raise DataError(f"{path}: pixels of kind {mode} cannot be kept; save it as RGB or as .npy")
    array = np.array(image)
    array = array.astype(np.uint8) * 255 if mode == "1" else array
    return (array[..., None] if array.ndim == 2 else array), mode


def _exif(image: Image.Image) -> bytes:
    if image.format != "TIFF":
        data = image.info.get("exif")
        return data.removeprefix(_EXIF) if isinstance(data, bytes) else b""
    # Without the orientation, by which Pillow has already rotated the pixels of a TIFF.
    found, kept = image.getexif(), Image.Exif()
    for tag in _TIFF_TAGS:
        if tag in found:
            kept[tag] = dict(found.get_ifd(tag)) if tag in (0x8769, 0x8825) else found[tag]
    return kept.tobytes().removeprefix(_EXIF) if len(kept) else b""


def encode_picture(name: str, pixels: Array, extras: Mapping[str, bytes]) -> tuple[bytes, str]:
    """The bytes of a file of pixels `(H, W, C)` and extras from `read_picture`, without loss, and its format.

    The format is that of the ending of `name`, or of the original file, if it holds these pixels without loss; else
    PNG, or TIFF for CMYK and LAB. Raises `DataError` for pixels that are not an image, and for damaged extras.
    """
    channels = pixels.shape[2] if pixels.ndim == 3 else 0
    usual = _USUAL.get(channels) if pixels.dtype == np.uint8 else "I;16" if channels == 1 else None
    if usual is None or pixels.dtype not in (np.uint8, np.uint16) or 0 in pixels.shape:
        raise DataError(f"{name}: {pixels.dtype} of shape {pixels.shape} is not an image that can be written")
    mode = _mode(pixels, usual, extras.get("mode", b"").decode("latin-1"))
    given = _BY_SUFFIX.get(Path(name).suffix.lower()) or extras.get("format", b"").decode("latin-1")
    chosen = next(format_ for format_ in (given, "PNG", "TIFF") if _fits(format_, mode, pixels, extras))
    options = dict(_OPTIONS.get(chosen, {}))
    if extras.get("exif"):
        options.pop("compression", None)  # libtiff, which compresses TIFFs, cannot write the sections of EXIF
    if (clear := extras.get("clear")) and mode == "I;16":
        options["transparency"] = int.from_bytes(clear, "little")
    if mode == "1":
        image = Image.fromarray(pixels[..., 0] > 0)
    else:
        little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        image = Image.frombuffer(mode, (pixels.shape[1], pixels.shape[0]), little, "raw", mode, 0, 1)
    return _saved(name, image, chosen, extras, options), chosen


def _saved(
    name: str, image: Image.Image, format_: str, extras: Mapping[str, bytes], options: dict[str, Any]
) -> bytes:
    if icc := extras.get("icc"):
        options["icc_profile"] = icc
    if exif := extras.get("exif"):
        options["exif"] = _EXIF + exif
    buffer = io.BytesIO()  # not a file, since Pillow hides the reason if a disk is full
    try:
        image.save(buffer, format_, **options)
    except Exception as error:  # Pillow's encoders raise every kind on a damaged profile or EXIF
        raise DataError(f"{name}: cannot be made a {format_} ({' '.join(str(error).split())[:160]})") from None
    return buffer.getvalue()


def encode_photo(name: str, pixels: Array, extras: Mapping[str, bytes]) -> tuple[bytes, str]:
    """As `encode_picture`, but a JPEG of high quality if the name ends like one and JPEG holds such pixels."""
    if Path(name).suffix.lower() not in _JPEG or pixels.dtype != np.uint8 or pixels.shape[2] not in (1, 3):
        return encode_picture(name, pixels, extras)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return _saved(name, image, "JPEG", extras, {"quality": JPEG_QUALITY, "subsampling": 0}), "JPEG"


def read_mask(path: str | os.PathLike[str]) -> Array:
    """A mask from a picture, as grey `(H, W, 1)`, or the array of an `.npy`. Raises `DataError` naming the file."""
    return open_npy(path) if Path(path).suffix.lower() == ".npy" else read_image(path, "L")


def other_ending(name: str, format_: str) -> bool:
    """Whether a file of this format has a name with the ending of another."""
    return _BY_SUFFIX.get(Path(name).suffix.lower(), format_ if not Path(name).suffix else None) != format_


def _mode(pixels: Array, usual: str, kept: str) -> str:
    """The mode that was kept, if the pixels still fit it, else the usual one."""
    if kept == "1" and usual == "L":
        return "1" if np.isin(pixels, (0, 255)).all() else "L"  # a lossy 1-bit picture has greys
    return kept if (kept, usual) in (("CMYK", "RGBA"), ("LAB", "RGB")) else usual


def _fits(format_: str, mode: str, pixels: Array, extras: Mapping[str, bytes]) -> bool:
    if mode not in _HOLDS.get(format_, ()):
        return False
    if format_ == "BMP":
        return "icc" not in extras and "exif" not in extras
    if format_ == "WEBP":  # it drops an alpha channel that is opaque everywhere
        return max(pixels.shape) <= _WEBP_SIDE and not (mode == "RGBA" and (pixels[..., 3] == 255).all())
    return True
