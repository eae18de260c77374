"""What image files say of themselves in their own headers, where the image library says less or something else.

Pillow decides bit depth, sign and meaning of values from what it can hold: it cuts, stretches or scrambles the rest
without a word. Next door: `images` reads the pixels.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Any

from PIL import Image

from narrows.io.tags import SHORT, Directory, Value, count_directories, read_tags

# Pillow's names; a JPEG may turn out to be an MPO.
FORMATS = "PNG JPEG WEBP TIFF BMP DIB GIF PPM JPEG2000 AVIF TGA PCX QOI SGI".split()
HEAD_BYTES = 1 << 12  # of a file, by which most headers are known

_PNG_GREY, _PNG_DEPTH, _PNG_COLOUR = 0, 24, 25  # a colour type, and places of the header
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of JPEG
_JPEG_LS, _LOSSLESS = 0xF7, 3
_DEEP = range(9, 17)  # bits
_SGI_DEPTH = 3
_AVIF_DEEP = 0x40  # in the third byte of a codec's configuration
_WHITE_IS_ZERO = 0
_SIGNED, _FLOAT = 2, 3
_KINDS = {_SIGNED: "signed integers", _FLOAT: "floats", 5: "complex integers", 6: "complex numbers"}
_PREMULTIPLIED = 1
_PLANES, _YCBCR, _WHOLE = 2, 6, (1, 1)
_WIDTH, _BITS, _PHOTOMETRIC, CHANNELS, _PLANAR, _COLOURS = 256, 258, 262, 277, 284, 320  # tags of TIFF
_SUBFILE, _PARTS, _EXTRA, _SAMPLES, _RAW, _SLICES = 254, 330, 338, 339, 50706, 32997
_COMPRESSION, _DESCRIPTION, _STRIPS, _STRIP_BYTES, _SUBSAMPLING = 259, 270, 273, 279, 530
_STORED, _JPEGS, _WEBP = 1, (6, 7), 50001  # compressions
# ImageJ and tifffile may write a stack with a directory of its first picture only; the others lie behind it.
_STACK = re.compile(r"ImageJ=[^\0]*?\nimages=(\d{1,9})\b|\{\"shape\": \[(\d{1,9}(?:, \d{1,9})*)\]")
_SPACE = rb"(?:\s|#[^\n\r]*[\n\r])+"
_PNM = re.compile(
    rb"(P[2356])" + (_SPACE + rb"\d+") * 2 + _SPACE + rb"(\d+)\s|(P[14])" + (_SPACE + rb"\d+") * 2 + rb"\s"
)
_READ = re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|BM|P[1-6]\s|\xff\x4f\xff\x51|qoif", re.DOTALL)
_NAMES = {  # of what is not read, by how it begins
    rb"8BPS": "a Photoshop document",
    rb"%PDF": "a PDF document",
    rb"\s*<(?:\?xml|svg|!DOCTYPE svg)": "an SVG or XML document",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "a JPEG XL picture",
    rb"....ftyp(?:hei[cxms]|he[v]c|mif1|msf1)": "a HEIF picture",
    rb"....ftypavi[fs]": "an AVIF picture of a kind",
    rb"....ftyp": "a film or picture in an ISO container",
    rb"v/1\x01": "an OpenEXR picture",
    rb"#\?RADIANCE|#\?RGBE": "a Radiance picture",
    rb"SIMPLE  =": "a FITS file",
    rb"\0\0\x01\0": "an icon",
    rb"DDS ": "a DDS texture",
    rb"P[Ff]\s|P7\s": "a PFM or PAM picture",
    rb"MM\0\x2b": "a big-endian BigTIFF",
    rb"II\x2b\0|II\*\0|MM\0\*": "a TIFF",
    rb"II[RU]|FUJIFILMCCD": "a camera's raw file",
    rb"PK\x03\x04": "a zip archive",
    rb"\x1f\x8b": "a gzip file",
    rb"\x89HDF|CDF": "an array in HDF5 or NetCDF",
    rb"RIFF....WAVE|fLaC|OggS|ID3": "a sound",
    rb"\x93NUMPY": "an array",
}


@dataclass(frozen=True)
class Facts:
    """What a header says beyond Pillow's mode.

    `lost` names what is cut or stretched to fit where Pillow reads it, `wrong` what it does not read right at all.
    `inverted` 16-bit greys have white at 0, which Pillow heeds at fewer bits only. A transparent colour is told in
    numbers of so many `bits`, before they were spread over 0..255 in `steps` of so much. `pages` are pictures that
    Pillow does not count, or stumbles over.
    """

    lost: str = ""
    wrong: str = ""
    inverted: bool = False
    bits: int = 16
    steps: int = 1
    pages: int = 1


def facts_of(image: Image.Image, file: IO[bytes]) -> Facts:
    """The facts of an image that was opened from a file, whose position changes."""
    found = _FACTS.get(image.format or "")
    file.seek(0)
    return Facts() if found is None else found(image, file)


def is_cut(head: bytes) -> bool:
    """Whether a file that cannot be opened begins as an image of a kind that is read does."""
    return _READ.match(head) is not None


def kind_of(file: IO[bytes]) -> str:
    """What a file that is not read is, in words, from its first bytes; empty where that is unknown."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(file)
    for start, name in _NAMES.items():
        if re.match(start, head, re.DOTALL):
            return f"{name}{_tiff_values(file)}" if name.endswith("TIFF") else name
    return ""


def _jpeg(file: IO[bytes]) -> str:
    """What a JPEG is that is not read, from its frame header (ITU-T T.81, B.2.2); empty where that is usual."""
    file.seek(2)
    while len(head := file.read(5)) == 5 and head[0] == 0xFF:
        marker, bits = head[1], head[4]
        if marker == _JPEG_LS:
            return "a JPEG-LS picture"
        if marker in _FRAMES:
            word = "lossless " * (marker % 4 == _LOSSLESS)
            return f"a {word}JPEG of {bits} bits" if bits in _DEEP else ""
        file.seek(int.from_bytes(head[2:4], "big") - 3, 1)
    return ""


def _png(image: Image.Image, file: IO[bytes]) -> Facts:
    head = file.read(_PNG_COLOUR + 1)
    depth, colour = head[_PNG_DEPTH], head[_PNG_COLOUR]
    if depth == 16 and colour != _PNG_GREY:
        return Facts(lost="colour or alpha of 16 bits")
    steps = 255 // ((1 << depth) - 1) if colour == _PNG_GREY and depth in (2, 4) else 1
    return Facts(bits=16 if depth == 1 else depth, steps=steps)  # of 1 bit, Pillow has 0 and 255


def _ppm(image: Image.Image, file: IO[bytes]) -> Facts:
    """From the numbers before the pixels: width, height and, but for bitmaps, the largest value."""
    found = _PNM.match(file.read(HEAD_BYTES))
    if found is None:
        return Facts(lost="values up to a number that is not told")
    magic, most = found[1] or found[3], int(found[2] or 255)
    if most != 255 and (most != 65535 or magic not in (b"P2", b"P5")):
        return Facts(lost=f"values up to {most}")
    bits = {b"P4": 1, b"P5": 8 if most < 256 else 16, b"P6": 24}.get(magic)
    if bits is None:
        return Facts()
    file.seek(found.end() + -(-image.width * bits // 8) * image.height)
    return Facts(pages=1 + (_PNM.match(file.read(HEAD_BYTES).lstrip()) is not None))


def _jpeg2000(image: Image.Image, file: IO[bytes]) -> Facts:
    """From the SIZ marker of the code stream (ITU-T T.800, A.5.1), which may begin anywhere."""
    head = file.read()
    at = head.find(b"\xff\x4f\xff\x51")
    components = int.from_bytes(head[at + 40 : at + 42], "big")
    depths = {head[at + 42 + 3 * i] for i in range(components) if at + 42 + 3 * i < len(head)} if at >= 0 else set()
    if not depths:
        return Facts(lost="values of a depth that is not told")
    if depths == {7} or (depths == {15} and components == 1):
        return Facts()
    if any(depth & 0x80 for depth in depths):
        return Facts(wrong="signed values")
    words = " and ".join(str(depth + 1) for depth in sorted(depths))
    return Facts(lost=f"values of {words} bits")


def _avif(image: Image.Image, file: IO[bytes]) -> Facts:
    """From the codec's configuration (AV1 in ISOBMFF, 2.3), which may stand anywhere."""
    head = file.read()
    deep = any(head[found.end() + 2] & _AVIF_DEEP for found in re.finditer(b"av1C", head[:-3]))
    return Facts(lost="values of 10 or 12 bits" if deep else "")


def _sgi(image: Image.Image, file: IO[bytes]) -> Facts:
    return Facts(lost="values of 16 bits" if file.read(_SGI_DEPTH + 1)[_SGI_DEPTH] == 2 else "")


def _tiff(image: Image.Image, file: IO[bytes]) -> Facts:
    tags = getattr(image, "tag_v2", {})
    return replace(_of_tags(image, tags), pages=max(count_directories(file), _stacked(image, tags, file)))


def _of_tags(image: Image.Image, tags: Any) -> Facts:
    bits, samples = _numbers(tags, _BITS, 1), _numbers(tags, _SAMPLES, 1)
    channels, photometric = _numbers(tags, CHANNELS, 1)[0], _numbers(tags, _PHOTOMETRIC, 1)[0]
    extra = tags.get(_EXTRA)
    extra = extra if isinstance(extra, (tuple, list)) else (extra,)
    if _RAW in tags or _PARTS in tags or _numbers(tags, _SUBFILE, 0)[0] & 1:
        return Facts(wrong="several pictures inside, as in a camera's raw file, of which this is a preview or a part")
    compression = _numbers(tags, _COMPRESSION, _STORED)[0]
    if compression == _WEBP:  # without which Pillow's libtiff comes
        return Facts(wrong="WebP compression")
    if (slices := _numbers(tags, _SLICES, 1)[0]) > 1:
        return Facts(wrong=f"a volume of {slices} slices, of which one would be read")
    if _FLOAT in samples:
        return Facts(wrong="values that are floats")
    if _SIGNED in samples:
        words = f"signed {bits[0]}-bit values"
        return Facts(wrong=words) if bits[0] == 8 else Facts(lost=words)  # Pillow has no sign at 8 bits
    if len(set(bits)) > 1 or bits[0] not in (1, 2, 4, 8, 16):
        return Facts(lost=f"{' and '.join(map(str, sorted(set(bits))))}-bit values")
    in_planes = _numbers(tags, _PLANAR, 1)[0] == _PLANES
    if in_planes and image.mode in ("LA", "La", "PA"):
        return Facts(wrong="2 channels in planes")
    if bits[0] == 16 and channels > 1:
        if in_planes:
            return Facts(wrong="colour of 16 bits in planes")
        return Facts(lost="colour of 16 bits")
    if _PREMULTIPLIED in extra:
        return Facts(lost="colours that are multiplied with alpha")
    if photometric == _YCBCR and compression not in _JPEGS:
        subsampled = _numbers(tags, _SUBSAMPLING, 2) != _WHOLE
        if compression == _STORED and subsampled:
            return Facts(wrong="YCbCr colours that are subsampled and not compressed")
        return Facts(lost="YCbCr values")
    colours = tags.get(_COLOURS, ())
    if 0 < max(colours, default=0) < 256:
        return Facts(wrong="a palette of numbers up to 255, where white is 65535")
    if any(value % 257 and value & 0xFF for value in colours):
        return Facts(lost="a palette of 16 bits")
    return Facts(inverted=bits[0] == 16 and photometric == _WHITE_IS_ZERO)


def _stacked(image: Image.Image, tags: Any, file: IO[bytes]) -> int:
    """How many pictures a TIFF has behind the only one with a directory: as many as its description says, at most
    those that there are bytes for."""
    said = _STACK.match(str(tags.get(_DESCRIPTION, "")))
    if said is None or _numbers(tags, _COMPRESSION, _STORED)[0] != _STORED:
        return 1
    values = image.width * image.height * _numbers(tags, CHANNELS, 1)[0]
    pictures = int(said[1] or math.prod(int(side) for side in said[2].split(",")) // values)
    room = file.seek(0, 2) - _numbers(tags, _STRIPS, 0)[0]
    return max(1, min(pictures, room // (sum(_numbers(tags, _STRIP_BYTES, 1)) or 1)))


_FACTS: dict[str, Callable[[Image.Image, IO[bytes]], Facts]] = {
    "PNG": _png,
    "PPM": _ppm,
    "JPEG2000": _jpeg2000,
    "AVIF": _avif,
    "SGI": _sgi,
    "TIFF": _tiff,
}


def _numbers(tags: Any, tag: int, usual: int) -> tuple[int, ...]:
    """The whole numbers of a tag, at least one."""
    value = tags.get(tag, usual)
    values = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(number for number in values if isinstance(number, int)) or (usual,)


def _tiff_values(file: IO[bytes]) -> str:
    """What a TIFF is that Pillow could not open: ` of 16-bit floats in 2 channels`."""
    try:
        tags = read_tags(file)
    except (ValueError, struct.error):
        return ""
    if _WIDTH not in tags:  # a damaged one
        return ""
    bits, kind, channels = (_first(tags, tag) for tag in (_BITS, _SAMPLES, CHANNELS))
    word = _KINDS.get(kind, "integers")
    return f" of {bits}-bit {word}{f' in {channels} channels' * (channels > 1)}"


def _first(tags: Directory, tag: int) -> int:
    """The first of a tag's whole numbers, 1 where there is none."""
    value = tags.get(tag)
    return int.from_bytes(value.data[: 2 if value.kind == SHORT else 4], "little") if isinstance(value, Value) else 1
