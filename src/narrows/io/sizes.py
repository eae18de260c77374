"""What belongs to a picture and depends on its size in pixels: sizes in EXIF, and the place on a map of a GeoTIFF.

Next door: `metadata` reads and writes it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import numpy as np

from narrows.io.arrays import Array
from narrows.io.tags import DOUBLE, EXIF, LONG, SHORT, Directory, Value, read_tags, to_exif

_SIZES = (0x100, 0x101, 0xA002, 0xA003)  # width and height, twice
_SCALE, _TIE_POINTS, _MATRIX, _KEYS = 33550, 33922, 34264, 34735  # of GeoTIFF (OGC 19-008r4)
_RASTER_TYPE, _POINTS = 1025, 2  # a key, and its value where places are counted from the middle of the first pixel


def resized(
    extras: Mapping[str, bytes], before: tuple[int, int], after: tuple[int, int]
) -> tuple[dict[str, bytes], list[str]]:
    """Extras of a picture with the height and width `before`, as they are for those `after`, and in words what is
    left out: EXIF says the new size where it said one, and a map covers the same ground. The rest stays, to the byte.
    """
    found, lost = dict(extras), []
    if "exif" in found:
        found["exif"] = _sized(found["exif"], *after)
    tags = read_tags(io.BytesIO(found["tags"])) if "tags" in found else {}
    if places := tags.keys() & {_SCALE, _TIE_POINTS, _MATRIX}:
        try:
            tags |= _placed(tags, after[0] / before[0], after[1] / before[1])
        except ValueError:
            tags = {tag: value for tag, value in tags.items() if tag not in places}
            lost = ["the place on a map, which is damaged"]
        found["tags"] = to_exif(tags)
    return found, lost


def _sized(data: bytes, height: int, width: int) -> bytes:
    exif = bytearray(data)
    order = {b"II": "<", b"MM": ">"}.get(bytes(exif[:2]))
    if order is None:
        return data
    try:
        sections = [struct.unpack_from(f"{order}I", exif, 4)[0]]
        for start in sections:
            for at in range(start + 2, start + 2 + 12 * struct.unpack_from(f"{order}H", exif, start)[0], 12):
                tag, kind, count, value = struct.unpack_from(f"{order}HHII", exif, at)
                if tag == EXIF and len(sections) == 1:
                    sections.append(value)
                elif tag in _SIZES and count == 1 and kind in (SHORT, LONG):
                    struct.pack_into(f"{order}HII", exif, at + 2, LONG, 1, (width, height)[_SIZES.index(tag) % 2])
    except struct.error:  # damaged, which is told when it is written
        return data
    return bytes(exif)


def _placed(tags: Directory, down: float, across: float) -> Directory:
    """The tags that say where pixels lie, for so many times as many pixels. Raises ValueError for damaged ones."""
    factors = np.array([across, down])
    placed: dict[int, Array] = {}
    first = 0.5 if _counts_points(tags) else 0.0  # from the corner of the first pixel, in pixels
    if _SCALE in tags:
        placed[_SCALE] = _numbers(tags[_SCALE], 3)
        placed[_SCALE][:, :2] /= factors
    if _TIE_POINTS in tags:  # column, row, depth; x, y, z
        placed[_TIE_POINTS] = points = _numbers(tags[_TIE_POINTS], 6)
        points[:, :2] = (points[:, :2] + first) * factors - first
    if _MATRIX in tags:
        placed[_MATRIX] = matrix = _numbers(tags[_MATRIX], 16).reshape(4, 4)
        matrix[:, 3] += matrix[:, :2] @ (first / factors - first)
        matrix[:, :2] /= factors
    return {tag: Value(DOUBLE, numbers.tobytes()) for tag, numbers in placed.items()}


def _numbers(value: Value | Directory, each: int) -> Array:
    """The numbers of a tag, `(N, each)`."""
    if not isinstance(value, Value) or value.kind != DOUBLE:
        raise ValueError("no doubles")
    return np.frombuffer(value.data, "<f8").reshape(-1, each).copy()


def _counts_points(tags: Directory) -> bool:
    """Whether whole numbers of pixels are at the middle of each, not at its corner."""
    keys = tags.get(_KEYS)
    if not isinstance(keys, Value) or keys.kind != SHORT:
        return False
    numbers = np.frombuffer(keys.data, "<u2")[4:]
    entries = numbers[: len(numbers) // 4 * 4].reshape(-1, 4)  # key, where its value is, how many, value
    return bool((entries[:, [0, 1, 3]] == (_RASTER_TYPE, 0, _POINTS)).all(axis=1).any())
