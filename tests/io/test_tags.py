"""Tags come back with the types and bytes that they had; a hostile directory takes no more than its file."""

from __future__ import annotations

import io
import struct

import pytest

from narrows.io.tags import EXIF, Directory, Value, add_tags, read_tags, to_exif

TAGS: Directory = {
    270: Value(2, "µm\0".encode()),
    318: Value(5, struct.pack("<4I", 1, 3, 2, 3)),
    33550: Value(12, struct.pack("<3d", 0.1, 0.2, 0)),
    65000: Value(3, b"\1\2"),
    EXIF: {0x9003: Value(2, b"now\0"), 0xA005: {1: Value(2, b"R98\0")}},
}


def test_tags_and_sections_come_back_in_either_order() -> None:
    assert read_tags(io.BytesIO(to_exif(TAGS))) == TAGS
    empty = b"MM\0*\0\0\0\x08" + bytes(2 + 4)
    assert read_tags(io.BytesIO(add_tags(empty, TAGS))) == TAGS
    assert add_tags(empty, {}) == empty
    assert to_exif({}) == b""


def test_the_own_tags_of_a_tiff_stay() -> None:
    tiff = to_exif({256: Value(3, b"\x07\0")})
    added = add_tags(tiff, {**TAGS, 256: Value(3, b"\x09\0")})
    assert read_tags(io.BytesIO(added)) == {**TAGS, 256: Value(3, b"\x07\0")}


def test_what_is_damaged_is_left_out_or_refused() -> None:
    for damaged in (b"", b"II", b"garbage here!!", to_exif(TAGS)[:8]):
        with pytest.raises((ValueError, struct.error)):
            read_tags(io.BytesIO(damaged))
    same = b"".join(struct.pack("<HHII", tag, 7, 1 << 20, 8) for tag in range(3))
    hostile = b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + same + bytes(1 << 20)
    assert read_tags(io.BytesIO(hostile)).keys() == {0}
    loop = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, EXIF, 4, 1, 8, 0)
    assert read_tags(io.BytesIO(loop)) == {EXIF: {EXIF: Value(4, b"\x08\0\0\0")}}
