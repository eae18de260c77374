"""What general lossless formats would make of the same images, estimated on a few of them.

Next door: `metrics` measures errors; `cli.compress` tells a person when a rival would have been smaller.
"""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
from PIL import Image

from narrows.io.arrays import Array

MOST_IMAGES = 50
MOST_BYTES = 600_000  # in all; the slowest rivals take about a second for so many
SIDE = 200  # of larger images, the middle is tried
_MODES = {
    ("uint8", 1): "L",
    ("uint8", 2): "LA",
    ("uint8", 3): "RGB",
    ("uint8", 4): "RGBA",
    ("uint16", 1): "I;16",
}


class Rivals:
    """Bytes of some images as one file each, by format: PNG, WebP, and JPEG XL where its plugin is installed."""

    def __init__(self) -> None:
        self.images = 0
        self._raw_bytes = 0
        self._bytes: dict[str, int | None] = {"PNG": 0, "WebP": 0}
        try:
            importlib.import_module("pillow_jxl")
            self._bytes["JPEG XL"] = 0
        except ImportError:
            pass

    def look(self, pixels: Array) -> None:
        """Try one more image `(H, W, C)`, unless enough were tried; passes over what they do not hold."""
        if pixels.ndim != 3 or (pixels.dtype.name, pixels.shape[2]) not in _MODES:
            return
        pixels = np.ascontiguousarray(_middle(_middle(pixels, 0), 1), pixels.dtype.newbyteorder("<"))
        if self.images >= MOST_IMAGES or self._raw_bytes + pixels.nbytes > MOST_BYTES:
            return
        self.images += 1
        self._raw_bytes += pixels.nbytes
        mode = _MODES[pixels.dtype.name, pixels.shape[2]]
        image = Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
        for name, total in self._bytes.items():
            size = _size(image, name)
            self._bytes[name] = None if total is None or size is None else total + size

    def best(self, raw_bytes: int) -> tuple[str, int] | None:
        """The smallest format and its estimated bytes for images of so many bytes of pixels; None without any."""
        totals = {name: total for name, total in self._bytes.items() if total}
        if not totals:
            return None
        name = min(totals, key=lambda name: totals[name])
        return name, round(totals[name] / self._raw_bytes * raw_bytes)


def _middle(pixels: Array, axis: int) -> Array:
    length = pixels.shape[axis]
    start = max(0, length - SIDE) // 2
    return pixels.take(range(start, min(length, start + SIDE)), axis)


def _size(image: Image.Image, name: str) -> int | None:
    """Bytes of a lossless file; None where the format does not hold such an image."""
    options: dict[str, Any] = {"PNG": {"optimize": True}, "WebP": {"lossless": True, "exact": True}}.get(
        name, {"lossless": True}
    )
    # WebP knows colour only; grey costs it next to nothing more there.
    if name == "WebP":
        if image.mode == "I;16":
            return None
        image = image.convert("RGBA" if image.mode.endswith("A") else "RGB")
    if name == "JPEG XL" and image.mode == "I;16":
        return None
    buffer = io.BytesIO()
    image.save(buffer, {"JPEG XL": "JXL"}.get(name, name), **options)
    return buffer.tell()
