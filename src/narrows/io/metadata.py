"""What belongs to a picture beside its pixels: profile, EXIF, XMP, resolution, gamma, text, places on a map.

Each is kept as bytes by name: `icc`, `exif` (without `Exif` in front), `xmp`, `dpi` (two numbers as text), `comment`,
`chunks` (of PNG, each as length, type and content), `tags` (of TIFF, as an EXIF structure).
Next door: `pictures` reads and writes them with the pixels; `sizes` changes what depends on how many these are.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from PIL import Image, PngImagePlugin

from narrows.io.bmp import of_bmp
from narrows.io.headers import HEAD_BYTES
from narrows.io.parts import END, LONGEST, parts
from narrows.io.tags import BYTE, EXIF, GPS, Directory, Value, add_tags, read_tags, to_exif

NAMES = {  # in the order in which they are given up, and in words
    "chunks": "gamma, text or time of a PNG",
    "tags": "GeoTIFF, IPTC and page tags",
    "comment": "a comment",
    "xmp": "XMP",
    "dpi": "the resolution",
    "exif": "EXIF",
    "icc": "the colour profile",
}
HOLDS = {
    "PNG": {"icc", "exif", "xmp", "dpi", "comment", "chunks"},
    "TIFF": {"icc", "exif", "xmp", "dpi", "tags"},
    "WEBP": {"icc", "exif", "xmp"},
    "JPEG": {"icc", "exif", "xmp", "dpi", "comment"},
    "BMP": {"dpi"},
    "PPM": set[str](),
}
_LONGEST_IN_JPEG = {"exif": 65527, "xmp": 65504, "comment": 65533}  # bytes, of which each has one segment
_EXIF = b"Exif\0\0"  # stands before EXIF in some formats only
_ROOM = LONGEST - (1 << 10)  # bytes of all extras of a picture: an archive holds no more
_COMMENTED = ("JPEG", "MPO", "GIF", "JPEG2000")
_PNG_KEPT = frozenset("gAMA cHRM sRGB cICP tEXt zTXt iTXt tIME".split())
_PNG_XMP = b"XML:com.adobe.xmp\0"
_XMP_PARTS = ("iTXt", "APP1")
_XMP_STARTS = (_PNG_XMP, b"http://ns.adobe.com/xap/1.0/\0")
_JPEG_READ = (b"JFIF", b"Exif\0", b"ICC_PROFILE\0", b"MPF\0")
_KNOWN = {  # what formats are called, and their parts that Pillow tells, or that are how pixels are stored
    "PNG": ("PNG", frozenset("IHDR PLTE IDAT IEND tRNS eXIf".split())),
    "WEBP": ("WebP", frozenset("VP8X|VP8 |VP8L|ALPH|ICCP|EXIF|XMP |ANIM|ANMF".split("|"))),
    "JPEG": ("JPEG", frozenset(("APP14",))),
    "MPO": ("JPEG", frozenset(("APP14", END))),
    "JPEG2000": ("JPEG 2000", frozenset("jP  |ftyp|ihdr|bpcc|pclr|cmap|cdef|resc|jp2c".split("|"))),
}
# Colour spaces of JPEG 2000: one that is named, and profiles; CMYK, sRGB, grey and sYCC, which Pillow makes RGB.
_NAMED_SPACE, _PROFILES, _SPACES = 1, (2, 3), (12, 16, 17, 18)
_TGA_FOOT, _PNM_COMMENT = 26, re.compile(rb"P(?:[14]\s*(?:\d+\s+)?|[2356]\s*(?:\d+\s+){0,2})#")
# A TIFF is itself an EXIF structure; these of its tags describe the picture and not how it is stored: description,
# make, model, software, date, artist, copyright, and the EXIF and GPS sections.
_DESCRIBING = (0x10E, 0x10F, 0x110, 0x131, 0x132, 0x13B, 0x8298, EXIF, GPS)
ORIENTATION, _ACROSS, _DOWN, _UNIT, _NO_UNIT = 274, 282, 283, 296, 1  # and the resolution
_ON_ITS_SIDE = (5, 6, 7, 8)  # orientations
_ALSO_GIVEN = (ORIENTATION, _ACROSS, _DOWN, _UNIT)
_XMP = 700
_SAID = {  # what other tags that are kept say
    "GeoTIFF": (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113),  # and GDAL's
    "IPTC": (33723,),
    "page tags": (269, 285, 286, 287, 297),  # names of document and page, position
    "the white point or primary colours": (318, 319),
}
_TIFF_KEPT = frozenset[int]().union(*_SAID.values())
_TIFF_STORING = frozenset((*range(254, 267), *range(273, 280), *range(282, 285), 288, 289, 292, 293, 296, 317))
_TIFF_STORING |= {*range(320, 326), 330, 331, 335, 338, 339, 342, 346, 347, *range(512, 532), _XMP, 34675}
_TIFF_USUAL = {332: (1,), 334: (4,), 336: (0, 255)}  # of CMYK: the set of inks, their number, the range of dots
_BLACK_AND_WHITE, _YCBCR = 532, (262, 6)  # a reference, which stores pixels that are not RGB
_CHANNELS = {b"GRAY": (1, 2), b"RGB ": (3, 4), b"CMYK": (), b"Lab ": ()}  # of grey and RGB with such a profile


def metadata(image: Image.Image, file: IO[bytes]) -> tuple[dict[str, bytes], list[str]]:
    """What belongs to a decoded image, and in words what of it cannot be kept; `file` is the one it came from."""
    found = {
        "icc": image.info.get("icc_profile") or b"",
        "exif": _bytes(image.info.get("exif")).removeprefix(_EXIF),
        "xmp": _bytes(image.info.get("xmp")),
        "dpi": _resolution(image),
        "comment": _bytes(image.info.get("comment")) if image.format in _COMMENTED else b"",
    }
    others = _marks(image, file)
    if image.format in ("BMP", "DIB"):
        found["icc"], others = of_bmp(file)
    elif image.format == "JPEG2000":
        spaces = (content for name, _, content in parts(image.format, file) if name == "colr")
        found["icc"] = next((space[3:] for space in spaces if space and space[0] in _PROFILES), b"")
    elif image.format == "TIFF":
        tags = read_tags(file)
        more, others = _of_tiff(image, tags)
        found.update(more)
        side = tags.get(ORIENTATION)
        if isinstance(side, Value) and side.data[0] in _ON_ITS_SIDE:  # Pillow has turned the pixels
            found["dpi"] = b" ".join(reversed(found["dpi"].split()))
    kept, room = {}, _ROOM
    for name, words in reversed(NAMES.items()):
        if len(data := found.get(name, b"")) > room:
            others.append(f"{words}, which is too long")
        elif data:
            kept[name] = data
            room -= len(data)
    chunks, unknown = _of_parts(image, file, bool(found["icc"]), room)
    return {**kept, **({"chunks": chunks} if chunks else {})}, list(dict.fromkeys(others + unknown))


def _of_tiff(image: Image.Image, tags: Directory) -> tuple[dict[str, bytes], list[str]]:
    """What is kept of the tags of a TIFF, and what is not."""
    numbers = getattr(image, "tag_v2", {})
    without_unit = (_ACROSS, _DOWN, _UNIT) if numbers.get(_UNIT) == _NO_UNIT else ()
    xmp = tags.get(_XMP)
    found = {
        # Without the orientation, by which Pillow has already rotated the pixels of a TIFF.
        "exif": to_exif(_some(tags, _DESCRIBING)),
        "tags": to_exif(_some(tags, (*_TIFF_KEPT, *without_unit))),
        "xmp": xmp.data if isinstance(xmp, Value) else b"",
    }
    known = _TIFF_STORING.union(_TIFF_KEPT, _DESCRIBING)
    for tag, usual in _TIFF_USUAL.items():
        value = numbers.get(tag, ())
        value = (value,) if isinstance(value, int) else tuple(value)
        known |= {tag} if value == usual * (len(value) // len(usual)) else set()
    if numbers.get(_YCBCR[0]) == _YCBCR[1]:
        known |= {_BLACK_AND_WHITE}
    return found, [f"tag {tag} of a TIFF" for tag in sorted(tags) if tag not in known]


def _of_parts(image: Image.Image, file: IO[bytes], profile: bool, room: int) -> tuple[bytes, list[str]]:
    """The chunks of a PNG that are kept, in so many bytes, and in words what a file holds that is not known. It has a
    `profile` or not."""
    words, known = _KNOWN.get(image.format or "", ("", frozenset()))
    kept: list[bytes] = []
    others: list[str] = []
    met: set[str] = set()  # of what Pillow gives the last only
    for name, size, content in parts(image.format, file):
        said = f"{name} of a {words}"
        only = "XMP" if name in _XMP_PARTS and content.startswith(_XMP_STARTS) else name
        if only in ("XMP", "COM"):
            others += [said] * (only in met)
            met.add(only)
        elif name in _PNG_KEPT and not (name == "sRGB" and profile):  # with a profile, Pillow does not write it
            if (room := room - size - 8) >= 0:
                kept.append(struct.pack(">I4s", size, name.encode()) + content)
            else:
                room += size + 8
                others.append(f"{said}, which is too long")
        elif name == "pHYs":
            others += ["the proportions of pixels"] * (content[8:] == b"\0")
        elif name == "colr":
            others += _space(content)
        elif name == "iCCP":
            others += ["a damaged colour profile"] * (not profile)
        elif name not in known and not content.startswith(_JPEG_READ):
            others.append(said)
    return b"".join(kept), others


def _space(content: bytes) -> list[str]:
    """In words, the colour space of a JPEG 2000, if its colours would be taken for those of another."""
    how, space = content[:1], int.from_bytes(content[3:7], "big")
    if how and (how[0] in _PROFILES or (how[0] == _NAMED_SPACE and space in _SPACES)):
        return []
    return [f"colour space {space} of a JPEG 2000" if how == b"\1" else "the colour space of a JPEG 2000"]


def _marks(image: Image.Image, file: IO[bytes]) -> list[str]:
    """What else Pillow tells of a file that is not kept, in words."""
    found = []
    if image.format == "TGA":
        file.seek(max(0, file.seek(0, 2) - _TGA_FOOT))
        foot = file.read()
        found += ["the image ID of a TGA"] * ("id_section" in image.info)
        found += ["the extension area of a TGA"] * (foot[8:-2] == b"TRUEVISION-XFILE" and foot[:4] != bytes(4))
    elif image.format == "GIF":
        name = image.info.get("extension", (b"NETSCAPE",))[0]
        found += [f"{name.decode('latin-1')} of a GIF"] * (not name.startswith(b"NETSCAPE"))
    elif image.format == "PPM":
        file.seek(0)
        found += ["a comment"] * (_PNM_COMMENT.match(file.read(HEAD_BYTES)) is not None)
    elif image.format in ("JPEG", "MPO"):
        density = image.info.get("jfif_density")
        if image.info.get("jfif_unit") == 0 and density and density[0] != density[1]:
            found.append("the proportions of pixels")
    return found


def without_profile(extras: Mapping[str, bytes], channels: int) -> tuple[dict[str, bytes], list[str]]:
    """Extras without a colour profile that is not for grey or RGB pictures of so many channels, and in words what
    that is."""
    space = extras.get("icc", b"")[16:20]
    if channels in _CHANNELS.get(space, (channels,)):
        return dict(extras), []
    kept = {name: data for name, data in extras.items() if name != "icc"}
    return kept, [f"a colour profile for {space.decode('latin-1').strip()}"]


def options(format_: str, extras: Mapping[str, bytes]) -> tuple[dict[str, Any], list[str]]:
    """How Pillow is told to write these extras, but tags, and in words what the format does not hold. Raises
    ValueError, struct.error and the like for damaged ones."""
    held = {name: data for name, data in extras.items() if name in HOLDS[format_] and data}
    gone = [name for name in NAMES if extras.get(name) and name not in held]
    lost = [words for name in gone for words in (_said(extras[name]) if name == "tags" else [NAMES[name]])]
    for name, most in _LONGEST_IN_JPEG.items():
        if format_ == "JPEG" and len(held.get(name, b"")) > most:
            del held[name]
            lost.append(f"{NAMES[name]}, which is too long for a JPEG")
    given: dict[str, Any] = {}
    if "icc" in held:
        given["icc_profile"] = held["icc"]
    if dpi := held.get("dpi"):
        across, down = (float(number) for number in dpi.split())
        given["dpi"] = (across, down)
    if "exif" in held and format_ != "TIFF":
        given["exif"] = _EXIF + held["exif"]
    if "xmp" in held and format_ in ("WEBP", "JPEG"):
        given["xmp"] = held["xmp"]
    if "comment" in held and format_ == "JPEG":
        given["comment"] = held["comment"]
    if format_ == "PNG":
        given["pnginfo"] = _png(held)
    return given, lost


def tagged(tiff: bytes, extras: Mapping[str, bytes]) -> bytes:
    """A TIFF with EXIF, XMP and tags of extras; the tags of how their own file was stored are left out. Raises
    ValueError and the like for damaged ones."""
    given: Directory = {}
    for name in ("tags", "exif"):
        if name in extras:
            given |= read_tags(io.BytesIO(extras[name]))
    given = {tag: value for tag, value in given.items() if tag in _ALSO_GIVEN or tag not in _TIFF_STORING}
    if "xmp" in extras:
        given[_XMP] = Value(BYTE, extras["xmp"])
    return add_tags(tiff, given)


def _said(data: bytes) -> list[str]:
    """What the tags of a TIFF say, in words."""
    tags = read_tags(io.BytesIO(data))
    proportions = ["the proportions of pixels"] * (tags.get(_ACROSS) != tags.get(_DOWN))
    return [words for words, those in _SAID.items() if tags.keys() & set(those)] + proportions


def _some(tags: Directory, wanted: Iterable[int]) -> Directory:
    return {tag: tags[tag] for tag in wanted if tag in tags}


def _png(held: Mapping[str, bytes]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for kind, content in _apart(held.get("chunks", b"")):
        if kind.decode("latin-1") not in _PNG_KEPT:
            raise ValueError("a chunk of another kind")
        info.add(kind, content)
    if "xmp" in held:
        info.add(b"iTXt", _PNG_XMP + bytes(4) + held["xmp"])
    if "comment" in held:
        _add_comment(info, held["comment"].replace(b"\0", b""))
    return info


def _add_comment(info: PngImagePlugin.PngInfo, comment: bytes) -> None:
    """A comment is Latin-1 in `tEXt`, and UTF-8 in `iTXt`."""
    try:
        international = not comment.isascii() and bool(comment.decode())
    except UnicodeDecodeError:
        international = False
    info.add(*((b"iTXt", b"Comment" + bytes(5) + comment) if international else (b"tEXt", b"Comment\0" + comment)))


def _apart(chunks: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(chunks):
        (length,) = struct.unpack_from(">I", chunks, at)
        if at + 8 + length > len(chunks):
            raise ValueError("a chunk that is cut short")
        yield chunks[at + 4 : at + 8], chunks[at + 8 : at + 8 + length]
        at += 8 + length


def _resolution(image: Image.Image) -> bytes:
    """Dots an inch across and down, where the file has them."""
    dpi = image.info.get("dpi")
    tags = getattr(image, "tag_v2", {})
    if image.format == "TIFF" and (_ACROSS not in tags or tags.get(_UNIT) == _NO_UNIT):
        return b""  # Pillow makes one up
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
        return b""  # the same, or it is in the EXIF
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return b""
    numbers = [float(number) for number in dpi]
    usual = all(0 < number < math.inf for number in numbers)
    return " ".join(map(repr, numbers)).encode() if usual else b""


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, (bytes, tuple)) else b""
