"""Grey pictures, and pictures with alpha, for a way of coding that knows RGB only.

Grey is coded as RGB with three equal channels, of which the mean comes back. Alpha is stored exactly, before the
colours. Where a picture is fully transparent, and its colours may change, they are those of the nearest place to the
left that is not, so that what nobody sees costs little.
Next door: `transform` codes the colours, `planes` the alpha.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows.archive.entries import Shape
from narrows.archive.varints import from_varints, to_varints
from narrows.codecs import planes
from narrows.codecs.base import Coded, Way
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

RGB = 3
ALPHA = (2, 4)  # numbers of channels of which the last is alpha


class AnyColours(Way):
    """Images of 1 to 4 channels through the way `rgb`, which codes images of three; `lossy` if colours that nobody
    sees may change."""

    def __init__(self, rgb: Way, *, lossy: bool) -> None:
        self.rgb, self._lossy = rgb, lossy

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        images = all(len(shape) == 3 and 1 <= shape[2] <= 4 for shape in shapes)
        return images and self.rgb.fits(_colours(shapes), dtype)

    def encode(self, samples: Sequence[Array]) -> Coded:
        coded = self.rgb.encode([_as_rgb(sample, self._lossy) for sample in samples])
        if samples[0].shape[2] not in ALPHA:
            return coded
        alphas = [np.ascontiguousarray(sample[..., -1:]) for sample in samples]
        stored = planes.encode(alphas, differences=False)
        return Coded(to_varints([len(stored)]) + stored + coded.data, [*coded.numbers, *alphas])

    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> Sequence[Array]:
        alphas: list[Array] = []
        if shapes[0][2] in ALPHA:
            (length,), at = from_varints(data, 0, 1)
            if length > len(data) - at:
                raise ArchiveError("a damaged block: its alpha ends early")
            end = at + int(length)
            alphas = planes.decode(data[at:end], [(*shape[:2], 1) for shape in shapes], dtype, differences=False)
            data = data[end:]
        return [*self.rgb.decode(data, _colours(shapes), dtype), *alphas]

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        channels = shapes[0][2]
        own = len(numbers) - len(shapes) * (channels in ALPHA)
        found = self.rgb.samples(numbers[:own], _colours(shapes))
        if channels < RGB:
            found = [np.rint(image.mean(axis=2, keepdims=True)).astype(image.dtype) for image in found]
        if channels in ALPHA:
            found = [np.concatenate(pair, axis=2) for pair in zip(found, numbers[own:], strict=True)]
        return found


def _colours(shapes: Sequence[Shape]) -> list[Shape]:
    return [(*shape[:2], RGB) for shape in shapes]


def _as_rgb(sample: Array, lossy: bool) -> Array:
    colours = sample[..., : _count(sample.shape[2])]
    if lossy and sample.shape[2] in ALPHA:
        colours = _seen(colours, sample[..., -1] > 0)
    return np.ascontiguousarray(np.broadcast_to(colours, (*sample.shape[:2], RGB)))


def _count(channels: int) -> int:
    return channels - (channels in ALPHA)


def _seen(colours: Array, visible: Array) -> Array:
    """Colours `(H, W, C)`; where nothing is visible, those of the next place to the left that is, or the mean."""
    if visible.all() or not visible.any():
        return colours
    columns = np.where(visible, np.arange(visible.shape[1]), -1)
    nearest = np.maximum.accumulate(columns, axis=1)
    filled = np.take_along_axis(colours, np.maximum(nearest, 0)[..., None], axis=1)
    mean = np.rint(colours[visible].mean(axis=0)).astype(colours.dtype)
    return np.where((nearest < 0)[..., None], mean, filled)
