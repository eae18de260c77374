"""What general lossless formats would make of the same images, estimated on a few of them.

Next door: `rivals` has the formats; `cli.compress` tells the user if one of them would have been smaller.
"""

from __future__ import annotations

import numpy as np

from narrows.evaluation.rivals import RIVALS, encode, jxl_installed
from narrows.io.arrays import Array

MOST_IMAGES = 50
MOST_BYTES = 600_000  # in all; the slowest formats take about a second for this
SIDE = 200  # pixels; of larger images the middle is tried


class Rivals:
    """Bytes of some images as one file each, by format: PNG, WebP, and JPEG XL if its plugin is installed."""

    def __init__(self) -> None:
        self.images = 0
        self._raw_bytes = 0
        self._bytes = {name: 0 for name, rival in RIVALS.items() if rival.lossless}
        if not jxl_installed():
            del self._bytes["jxl"]

    def look(self, pixels: Array) -> None:
        """Try one more image `(H, W, C)`, unless enough were tried; skips those that no format can hold."""
        wide = pixels.dtype.name == "uint16"
        if pixels.ndim != 3 or pixels.shape[2] > (1 if wide else 4) or not (wide or pixels.dtype.name == "uint8"):
            return
        top, left = (max(0, side - SIDE) // 2 for side in pixels.shape[:2])
        middle = pixels[top : top + SIDE, left : left + SIDE]
        pixels = np.ascontiguousarray(middle, middle.dtype.newbyteorder("<"))
        if self.images >= MOST_IMAGES or self._raw_bytes + pixels.nbytes > MOST_BYTES:
            return
        self.images += 1
        self._raw_bytes += pixels.nbytes
        if wide:  # only PNG holds 16 bits
            self._bytes = {"png": self._bytes["png"]}
        for name in self._bytes:
            self._bytes[name] += len(encode(RIVALS[name], RIVALS[name].lossless, pixels))

    def best(self, raw_bytes: int) -> tuple[str, int] | None:
        """The smallest format and its estimated bytes for images of this many raw bytes; None if none was tried."""
        if not self.images:
            return None
        name = min(self._bytes, key=lambda name: self._bytes[name])
        return RIVALS[name].title, round(self._bytes[name] / self._raw_bytes * raw_bytes)
