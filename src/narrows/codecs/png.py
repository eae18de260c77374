"""Images as one PNG, one below the other: best for flat drawings without a model.

Next door: `fallback` tries it beside the other ways without a model.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from narrows.archive.entries import Shape
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

SIDE = 1 << 16  # part of the format: no reader has to open a higher picture
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def fits(shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
    """Whether one PNG can hold the samples."""
    shape = shapes[0]
    deep = len(shape) == 3 and ((dtype == np.uint8 and shape[2] in _MODES) or (dtype == np.uint16 and shape[2] == 1))
    same = deep and all(s[1:] == shape[1:] for s in shapes)
    return same and sum(s[0] for s in shapes) < SIDE and shape[1] < SIDE


def encode(samples: Sequence[Array], **options: int) -> bytes:
    """The PNG of samples that fit, as small as Pillow makes it unless `options` say otherwise."""
    sheet = np.concatenate(samples)
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet))
    image.save(buffer, "PNG", **(options or {"optimize": True}))
    return buffer.getvalue()


def decode(data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> list[Array]:
    """The inverse; raises `ArchiveError` for bytes that do not give these shapes."""
    height, width, channels = sum(s[0] for s in shapes), shapes[0][1], shapes[0][2]
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            mode = "I;16" if dtype == np.uint16 else _MODES[channels]
            if image.size != (width, height) or image.mode != mode:
                raise ArchiveError("a damaged block: its PNG has another size or mode")
            sheet: Array = np.asarray(image).reshape(height, width, channels).astype(dtype)
    except (ArchiveError, MemoryError):
        raise
    except Exception:  # Pillow raises every kind on damaged files
        raise ArchiveError("a damaged block: its PNG cannot be read") from None
    return np.split(sheet, np.cumsum([s[0] for s in shapes])[:-1])
