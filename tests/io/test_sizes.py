"""A picture with another number of pixels says its new size, and covers the same ground on a map."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from narrows.io.sizes import resized
from narrows.io.tags import Directory, Value, read_tags, to_exif

SCALE, TIE_POINTS, MATRIX, KEYS = 33550, 33922, 34264, 34735


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_says_the_new_size_of_a_picture_and_is_otherwise_the_same_to_the_byte(order: str) -> None:
    entries = struct.pack(f"{order}HHII", 0x100, 4, 1, 12) + struct.pack(f"{order}HHII", 0x8769, 4, 1, 38)
    inner = struct.pack(f"{order}HHIHH", 0xA002, 3, 1, 12, 0) + struct.pack(f"{order}HHIHH", 0xA003, 3, 1, 20, 0)
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8)
    exif = head + struct.pack(f"{order}H", 2) + entries + bytes(4) + struct.pack(f"{order}H", 2) + inner + b"maker"
    made, lost = resized({"exif": exif, "dpi": b"72.0 72.0"}, (20, 12), (80_000, 48))
    found = Image.Exif()
    found.load(b"Exif\0\0" + made["exif"])
    assert (found[0x100], found.get_ifd(0x8769)) == (48, {0xA002: 48, 0xA003: 80_000})
    assert lost == []
    assert (len(made["exif"]), made["exif"][-5:], made["dpi"]) == (len(exif), b"maker", b"72.0 72.0")
    for damaged in (b"", b"junk", exif[:20], exif[:60]):
        assert resized({"exif": damaged}, (1, 2), (3, 4))[0]["exif"][:8] == damaged[:8]


def doubles(*numbers: float) -> Value:
    return Value(12, struct.pack(f"<{len(numbers)}d", *numbers))


def raster(kind: int) -> Value:
    """Keys that say that pixels are areas, 1, or points, 2."""
    return Value(3, struct.pack("<12H", 1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1, kind))


def enlarged(tags: Directory, factors: tuple[int, int] = (2, 2)) -> tuple[Directory, list[str]]:
    """The tags after a picture of 10 rows and 20 columns was made larger."""
    made, lost = resized({"tags": to_exif(tags)}, (10, 20), (10 * factors[0], 20 * factors[1]))
    return read_tags(io.BytesIO(made["tags"])), lost


def numbers(tags: Directory, tag: int) -> np.ndarray[Any, Any]:
    value = tags[tag]
    assert isinstance(value, Value)
    return np.frombuffer(value.data, "<f8")


def ground(tags: Directory, column: float, row: float) -> list[float]:
    """Where a corner of pixels, counted from the corner of the picture, lies on the map."""
    if isinstance(keys := tags.get(KEYS), Value) and keys.data[-2] == 2:
        column, row = column - 0.5, row - 0.5
    if MATRIX in tags:
        return list((numbers(tags, MATRIX).reshape(4, 4) @ (column, row, 0, 1))[:2])
    (i, j, _, x, y, _), (across, down, _) = numbers(tags, TIE_POINTS), numbers(tags, SCALE)
    return [x + (column - i) * across, y - (row - j) * down]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_map_of_more_pixels_covers_the_same_ground(kind: int) -> None:
    keys = {KEYS: raster(kind)} if kind else {}
    scaled = {SCALE: doubles(10, 20, 0), TIE_POINTS: doubles(3, 4, 0, 5e5, 41e5, 0)}
    turned = {MATRIX: doubles(8, 6, 0, 5e5, 6, -8, 0, 41e5, *(0,) * 7, 1)}
    for tags in (scaled, turned):
        first = {270: Value(2, b"a map\0"), **keys, **tags}
        made, lost = enlarged(first, (2, 3))
        assert lost == []
        assert made.keys() == first.keys()
        for column, row in ((0, 0), (20, 0), (7, 10)):
            assert np.allclose(ground(made, 3 * column, 2 * row), ground(first, column, row), rtol=0, atol=1e-6)
    assert np.allclose(numbers(enlarged(scaled)[0], SCALE), (5, 10, 0))


def test_a_damaged_place_on_a_map_is_left_out_and_told() -> None:
    for tags in ({SCALE: doubles(10, 10), TIE_POINTS: doubles(*range(6))}, {MATRIX: Value(3, bytes(32))}):
        made, lost = enlarged({285: Value(2, b"page\0"), **tags})
        assert (made.keys(), lost) == ({285}, ["the place on a map, which is damaged"])


def test_tags_without_a_place_stay_to_the_byte() -> None:
    extras = {"tags": to_exif({285: Value(2, b"page\0")}), "xmp": b"<x/>"}
    assert resized(extras, (1, 2), (2, 4)) == (extras, [])
