"""Directories of tags, in which TIFF and EXIF hold what they say: read and written with the very bytes of each value.

Pillow makes numbers and text of them, and of these other bytes or other types.
Next door: `metadata` chooses which tags are kept; `headers` asks what a TIFF is.
"""

from __future__ import annotations

import contextlib
import io
import struct
from typing import IO, NamedTuple

import numpy as np


class Value(NamedTuple):
    """A type of TIFF and the bytes of all numbers, little endian."""

    kind: int
    data: bytes


Directory = dict[int, "Value | Directory"]

BYTE, SHORT, LONG, DOUBLE = 1, 3, 4, 12
EXIF, GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
# Bytes of a value of each type, and of the numbers in it, which fractions have two of.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBER = {**_BYTES, 5: 4, 10: 4}
_HEAD = b"II*\0\x08\0\0\0"  # the directory follows


def read_tags(file: IO[bytes]) -> Directory:
    """The first directory of a TIFF, or of EXIF without `Exif` in front, with the sections in it; entries that are
    damaged are left out. Raises ValueError or struct.error where there is none."""
    order, (count_of, entry_of, place_of), first = _begun(file)
    left = size = file.seek(0, 2)  # entries of a hostile file may all point to the same bytes

    def read(at: int, sections: tuple[int, ...]) -> Directory:
        nonlocal left
        if at > size:
            raise ValueError("a directory beyond the end")
        file.seek(at)
        (count,) = count_of.unpack(file.read(count_of.size))
        entries = file.read(min(count, 1 << 16) * entry_of.size)
        found: Directory = {}
        for tag, kind, many, data in entry_of.iter_unpack(entries[: len(entries) // entry_of.size * entry_of.size]):
            length = many * _BYTES.get(kind, 0)
            if length > len(data):
                (place,) = place_of.unpack(data)
                if length > left or place > size:
                    continue
                left -= length
                file.seek(place)
                data = file.read(length)
            if tag not in found and 0 < length <= len(data):
                found[tag] = Value(kind, _swapped(data[:length], kind, order))
        for tag in sections:
            if isinstance(pointer := found.pop(tag, None), Value):
                with contextlib.suppress(ValueError, struct.error):
                    found[tag] = read(int.from_bytes(pointer.data, "little"), (_INTEROPERABILITY,) * (tag == EXIF))
        return found

    return read(first, (EXIF, GPS))


def count_directories(file: IO[bytes]) -> int:
    """How many directories of pictures a TIFF says it has. Raises ValueError or struct.error for what is none."""
    _, (count_of, entry_of, place_of), place = _begun(file)
    size, met = file.seek(0, 2), set[int]()
    while place and place not in met:
        met.add(place)
        file.seek(min(place, size))
        head = file.read(count_of.size)
        count = count_of.unpack(head)[0] if len(head) == count_of.size else size
        file.seek(min(count * entry_of.size, size), 1)
        tail = file.read(place_of.size)
        place = place_of.unpack(tail)[0] if len(tail) == place_of.size else 0
    return len(met)


def to_exif(tags: Directory) -> bytes:
    """EXIF of some tags, without `Exif` in front; empty where there are none."""
    return _HEAD + _written(tags, len(_HEAD), "<") if tags else b""


def add_tags(tiff: bytes, tags: Directory) -> bytes:
    """A TIFF with more tags beside its own, in a new directory at its end."""
    if not tags:
        return tiff
    order, start = _order_of(tiff), len(tiff) + len(tiff) % 2
    directory = _written({**tags, **read_tags(io.BytesIO(tiff))}, start, order)
    return b"".join((tiff[:4], struct.pack(f"{order}I", start), tiff[8:], bytes(start - len(tiff)), directory))


def _written(tags: Directory, at: int, order: str) -> bytes:
    """A directory that begins at `at`, followed by what its entries point to."""
    entries, rest = struct.pack(f"{order}H", len(tags)), b""
    end = at + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        place = struct.pack(f"{order}I", end + len(rest))
        if isinstance(value, dict):
            kind, count, data = LONG, 1, _written(value, end + len(rest), order)
        else:
            kind, count = value.kind, len(value.data) // _BYTES[value.kind]
            data = _swapped(value.data, kind, order)
            if len(data) <= 4:
                place, data = data.ljust(4, b"\0"), b""
        entries += struct.pack(f"{order}HHI", tag, kind, count) + place
        rest += data + bytes(len(data) % 2)
    return entries + bytes(4) + rest


def _swapped(data: bytes, kind: int, order: str) -> bytes:
    """Little-endian numbers in a byte order, and back."""
    return data if order == "<" else np.frombuffer(data, f"u{_NUMBER[kind]}").byteswap().tobytes()


def _begun(file: IO[bytes]) -> tuple[str, list[struct.Struct], int]:
    """The byte order of a TIFF, how the parts of its directories are stored (number of entries, entries, place of the
    next directory), and where the first one is."""
    file.seek(0)
    head = file.read(16)
    order, big = _order_of(head), b"\x2b" in head[2:4]  # a BigTIFF
    parts = [struct.Struct(order + part) for part in (("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I"))]
    return order, parts, parts[-1].unpack_from(head, 8 if big else 4)[0]


def _order_of(head: bytes) -> str:
    """The byte order of a TIFF as `struct` has it; raises ValueError for what is none."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("no byte order")
    return order
