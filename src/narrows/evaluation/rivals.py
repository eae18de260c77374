"""What general lossless formats would make of the same images, estimated on a few of them.

Next door: `metrics` measures errors; `cli.compress` tells a person when a rival would have been smaller.
"""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
from PIL import Image

from narrows.data.samples import Array

MOST_IMAGES = 50
MOST_VALUES = 6_000_000  # the slowest rival takes about a second for so many
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


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
        """Try one more image `(H, W, C)`, unless enough were tried; vectors and too large images are passed over."""
        enough = self.images >= MOST_IMAGES or self._raw_bytes + pixels.nbytes > MOST_VALUES
        if pixels.ndim != 3 or enough or pixels.shape[2] > (4 if pixels.dtype == np.uint8 else 1):
            return
        if pixels.dtype not in (np.uint8, np.uint16):
            return
        self.images += 1
        self._raw_bytes += pixels.nbytes
        mode = "I;16" if pixels.dtype == np.uint16 else _MODES[pixels.shape[2]]
        little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        image = Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), little.tobytes())
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


def _size(image: Image.Image, name: str) -> int | None:
    """Bytes of a lossless file; None where the format does not hold such an image."""
    options: dict[str, Any] = {"PNG": {"optimize": True}, "WebP": {"lossless": True, "exact": True}}.get(
        name, {"lossless": True}
    )
    # WebP knows colour only; grey costs it next to nothing more there.
    if name == "WebP":
        if image.mode == "I;16" or max(image.size) > 16383:
            return None
        image = image.convert("RGBA" if image.mode.endswith("A") else "RGB")
    if name == "JPEG XL" and image.mode == "I;16":
        return None
    buffer = io.BytesIO()
    image.save(buffer, {"JPEG XL": "JXL"}.get(name, name), **options)
    return buffer.tell()
