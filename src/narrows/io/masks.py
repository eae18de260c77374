"""Masks in files: what they mark, and how they lie on a picture that is shown rotated.

Next door: `pictures` reads the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from narrows.errors import DataError
from narrows.io.files import open_file
from narrows.io.folders import SUFFIXES
from narrows.io.images import opened, pages, read_image
from narrows.io.metadata import ORIENTATION
from narrows.io.npy import open_npy
from narrows.io.parts import parts
from narrows.io.sound import SOUNDS

LABELS = 32  # different values in a mask that are taken for labels, at most; more are shades
SHADE = 0.25  # of the brightest value: darker ones are the traces that lossy formats leave around strokes
_LOSSY, _LOSSY_IN_TIFF = ("JPEG", "MPO", "AVIF", "JPEG2000"), ("jpeg", "tiff_jpeg", "webp")  # Pillow's names
_LOSSY_WEBP = "VP8 "  # a chunk
# From how a picture is shown to how it is stored (EXIF 2.3, 4.6.4).
_STORED: dict[int, Any] = {
    2: lambda shown: shown[:, ::-1],
    3: lambda shown: shown[::-1, ::-1],
    4: lambda shown: shown[::-1],
    5: lambda shown: shown.T,
    6: lambda shown: np.rot90(shown),
    7: lambda shown: shown[::-1, ::-1].T,
    8: lambda shown: np.rot90(shown, -1),
}
_SHOWN = {**_STORED, 6: _STORED[8], 8: _STORED[6]}  # and back


def mask_file(given: Path, source: Path, folder: Path | None) -> Path:
    """The file of the mask for a picture, which may be in `folder`: the one given, or in a folder of masks the one of
    the picture's name, whatever its ending. Raises `DataError` for none, and for several."""
    if not given.is_dir():
        return given
    wanted = given / (source.relative_to(folder) if folder else source.name)
    if wanted.is_file():
        return wanted
    beside = sorted(wanted.parent.iterdir()) if wanted.parent.is_dir() else []
    found = [
        path
        for path in beside
        if path.stem == wanted.stem and path.suffix.lower() in SUFFIXES | SOUNDS | {".npy", ".csv", ".txt"}
    ]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} masks, {found[0].name} and {found[1].name}" if found else "no mask"
    raise DataError(f"{source}: {what} in {given}; put one there with the name {wanted.stem} and any ending")


def read_mask(
    path: str | os.PathLike[str],
    shape: tuple[int, ...] = (),
    extras: Mapping[str, bytes] = MappingProxyType({}),
    turned: int = 1,
) -> npt.NDArray[Any]:
    """A mask, not 0 where something is missing, for a picture with pixels of `shape` `(H, W)` and these extras; those
    of a TIFF may have been `turned` upright from an orientation.

    Masks in pictures lie on the picture as it is shown; one that only fits it as it is stored, and an `.npy` that
    does, is taken so. Of many shades, as around strokes in a JPEG, those darker than a quarter of the brightest are
    not marked. A mask of another size is returned as it is. Raises `DataError` naming the file.
    """
    path = Path(path)
    array = path.suffix.lower() == ".npy"
    mask = _values(open_npy(path)) if array else _marks(path)
    turn = _STORED.get(_orientation(extras)) if turned == 1 else _SHOWN.get(turned)
    if turn is None or mask.ndim != 2 or ((array or turned != 1) and mask.shape == shape):
        return mask
    fitted: npt.NDArray[Any] = turn(mask)
    return fitted if fitted.shape == shape else mask


def _values(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _marks(path: Path) -> npt.NDArray[np.bool_]:
    """What a picture marks, upright."""
    pixels = read_image(path)
    with opened(path) as (image, facts):
        lossy, count = _lossy(image, path), pages(image, facts)
    if count > 1:
        raise DataError(f"{path}: a mask of {count} pages was given; save the one that is meant as a file of its own")
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    shades = pixels[..., : 1 if pixels.shape[2] < 3 else 3].max(axis=2).astype(np.float64)
    if alpha is not None:
        if not alpha.all() and len(np.unique(shades[alpha > 0])) > LABELS:
            raise DataError(
                f"{path}: a picture with transparent holes was given as a mask, which has strokes on nothing or on "
                "black where something is missing; save its transparency, inverted, as a grey picture"
            )
        # Strokes on nothing: if they are black, only their alpha tells.
        drawn = shades * (alpha > 0)
        shades = drawn * alpha if drawn.any() else alpha.astype(np.float64)
    few = not lossy and len(np.unique(shades)) <= LABELS
    marked: npt.NDArray[np.bool_] = shades > (0 if few else SHADE * shades.max())
    return marked


def _lossy(image: Image.Image, path: Path) -> bool:
    """Whether an image file is, or may be, of a kind that leaves traces around strokes."""
    if image.format == "WEBP":
        with open_file(path) as file:
            return any(part.name == _LOSSY_WEBP for part in parts("WEBP", file))
    return image.format in _LOSSY or image.info.get("compression") in _LOSSY_IN_TIFF


def _orientation(extras: Mapping[str, bytes]) -> int:
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + extras.get("exif", b""))
        return int(exif.get(ORIENTATION, 1))
    except Exception:  # damaged EXIF rotates nothing
        return 1
