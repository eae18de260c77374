"""What a BMP holds beside its pixels and Pillow does not read: colour profiles, and a fourth byte of each pixel.

Next door: `metadata` keeps it, or tells it.
"""

from __future__ import annotations

import struct
from typing import IO

_FILE_HEAD = 14  # bytes, which the header of the picture follows
_V3, _V4, _V5 = 40, 108, 124  # bytes of headers
_CALIBRATED, _LINKED, _EMBEDDED = bytes(4), b"KNIL", b"DEBM"  # kinds of colour spaces
_SPACE, _CALIBRATION = 56, slice(60, 108)  # where these are, and the primary colours with their gamma


def of_bmp(file: IO[bytes]) -> tuple[bytes, list[str]]:
    """The colour profile in a BMP, and in words what else it holds."""
    file.seek(0)
    head = file.read(_FILE_HEAD + _V5)
    size, header = int.from_bytes(head[_FILE_HEAD : _FILE_HEAD + 4], "little"), head[_FILE_HEAD:]
    if len(header) < size or size < _V3:
        return b"", []
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", header, 4)
    space = header[_SPACE : _SPACE + 4] if size >= _V4 else b""
    profile, lost = b"", []
    if size == _V5 and space == _EMBEDDED:
        start, length = struct.unpack_from("<II", header, 112)
        file.seek(_FILE_HEAD + start)
        profile = file.read(length)
    elif size == _V5 and space == _LINKED:
        lost.append("the linked colour profile of a BMP")
    elif space == _CALIBRATED and any(header[_CALIBRATION]):
        lost.append("the calibrated colours of a BMP")
    if bits == 32 and not compression:
        file.seek(int.from_bytes(head[10:14], "little"))
        fourth = file.read(4 * width * abs(height))[3::4]
        lost += ["the fourth bytes of the pixels of a BMP"] * (len(set(fourth)) > 1)
    return profile, lost
