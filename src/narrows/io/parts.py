"""The parts of which picture files consist: the chunks, segments and boxes that hold pixels and what belongs to them.

Next door: `metadata` keeps some of them and tells the others.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

END = "what follows the end"  # a part without a name
LONGEST = 1 << 24  # bytes; longer parts come without content, and so do pixels
_PNG_HEAD, _RIFF_HEAD = 8, 12
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # in scans others mean a byte, or a new start
_END_OF_JPEG, _APP, _COMMENT = 0xD9, range(0xE0, 0xF0), 0xFE
_JPEG2000 = b"\0\0\0\x0cjP  "


class Part(NamedTuple):
    """A part by the name that its format has for it, its size in bytes, and what is in it."""

    name: str
    size: int
    content: bytes = b""


def parts(format_: str | None, file: IO[bytes]) -> Iterator[Part]:
    """The parts of a file of one of Pillow's formats, in order; none of formats that are not known here."""
    if format_ in _PARTS:
        yield from _PARTS[format_](file)


def _png(file: IO[bytes]) -> Iterator[Part]:
    file.seek(_PNG_HEAD)
    while len(head := file.read(8)) == 8:
        size, name = int.from_bytes(head[:4], "big"), head[4:].decode("latin-1")
        start = file.tell()
        yield Part(name, size, file.read(size) if name != "IDAT" and size <= LONGEST else b"")
        file.seek(start + size + 4)
        if name == "IEND":
            if file.read(1):
                yield Part(END, 1)
            return


def _webp(file: IO[bytes]) -> Iterator[Part]:
    file.seek(0)
    end = 8 + int.from_bytes(file.read(_RIFF_HEAD)[4:8], "little")
    while file.tell() < end and len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], "little")
        yield Part(head[:4].decode("latin-1"), size)
        file.seek(size + size % 2, 1)
    if file.read(1):
        yield Part(END, 1)


def _jpeg(file: IO[bytes]) -> Iterator[Part]:
    file.seek(0)
    content, at = file.read(), 2
    while found := _MARKER.search(content, at):
        marker, at = found[0][1], found.end()
        if marker == _END_OF_JPEG:
            if rest := content[at:].strip(b"\0"):
                yield Part(END, len(rest))
            return
        size = int.from_bytes(content[at : at + 2], "big")
        if marker in _APP or marker == _COMMENT:
            name = "COM" if marker == _COMMENT else f"APP{marker - _APP.start}"
            yield Part(name, size - 2, content[at + 2 : at + size])
        at += size


def _jpeg2000(file: IO[bytes]) -> Iterator[Part]:
    file.seek(0)
    if file.read(len(_JPEG2000)) == _JPEG2000:  # else it is the pixels alone
        yield from _boxes(file, 0, file.seek(0, 2))


def _boxes(file: IO[bytes], at: int, end: int) -> Iterator[Part]:
    while at + 8 <= end:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        start = 16 if size == 1 else 8
        size = int.from_bytes(file.read(8), "big") if size == 1 else size or end - at
        if size < start:
            return
        if name in (b"jp2h", b"res "):
            yield from _boxes(file, at + start, min(at + size, end))
        else:
            content = b"" if name == b"jp2c" or size > LONGEST else file.read(size - start)
            yield Part(name.decode("latin-1"), size - start, content)
        at += size


_PARTS: dict[str | None, Callable[[IO[bytes]], Iterator[Part]]] = {
    "PNG": _png,
    "WEBP": _webp,
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "JPEG2000": _jpeg2000,
}
