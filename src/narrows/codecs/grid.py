"""The walk over the pixels of images from coarse to fine, shared by all ways that code pixels directly.

Encoder and decoder take the same walk; the encoder passes the values in, both get them back.
Next door: `entropy.passes` has the order; `pixels` and `levels` code what the walk hands them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from narrows.archive.entries import Shape
from narrows.codecs.base import LearnedWay
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Integers
from narrows.entropy.passes import GRID_SECTION, HALVINGS, TOGETHER_VALUES, Mask, grid_passes
from narrows.io.arrays import Array

Section = tuple[slice, slice]
Bytes = npt.NDArray[np.uint8]
# Codes the values of one step: its number, known planes `(N, h, w, K)`, the values `(N, M)` (None unless encoding),
# and which places `(h, w, T)` are inside the image. Returns the values as coded, integers `(N, M)`.
CodeStep = Callable[[int, Integers, Array | None, Mask], Integers]


def sections(shape: Shape, side: int) -> list[Section]:
    """The sections of an image `(H, W, C)` that are coded one by one, of at most `side` pixels per side."""
    return [
        (slice(top, top + side), slice(left, left + side))
        for top in range(0, shape[0], side)
        for left in range(0, shape[1], side)
    ]


def coded_together(shapes: Sequence[Shape]) -> Iterator[list[int]]:
    """Runs of neighbours of one shape, of at most `TOGETHER_VALUES` values unless a single one has more."""
    part: list[int] = []
    for index, shape in enumerate(shapes):
        if part and (shape != shapes[part[0]] or (len(part) + 1) * math.prod(shape) > TOGETHER_VALUES):
            yield part
            part = []
        part.append(index)
    if part:
        yield part


def code_images(
    images: Sequence[Array] | None, shapes: Sequence[Shape], code: Callable[[Array | None, Shape], Integers]
) -> list[Bytes]:
    """Code images of these shapes (None unless encoding) in sections, those of one shape together: `code` takes a
    stack `(N, h, w, C)`, or None, and its shape. Returns the values as coded, in 0..255."""
    results = [np.zeros(shape, np.uint8) for shape in shapes]
    places = [(i, section) for i, shape in enumerate(shapes) for section in sections(shape, GRID_SECTION)]
    for part in coded_together([results[i][section].shape for i, section in places]):
        chosen = [places[number] for number in part]
        number, first = chosen[0]
        stack = None if images is None else np.stack([images[i][section] for i, section in chosen])
        found = code(stack, (len(chosen), *results[number][first].shape))
        for (i, section), values in zip(chosen, found, strict=True):
            results[i][section] = values
    return results


class ImagesWay(LearnedWay):
    """Images of 8 bits and as many `channels` as the model's, of any size; each value comes back within `error`."""

    def __init__(self, channels: int, error: int) -> None:
        self.channels, self.error = channels, error

    @abstractmethod
    def code(self, coder: Coder, stack: Array | None, shape: Shape) -> Integers:
        """Code images `(N, h, w, C)` (None unless encoding) of one shape; returns them as they come back."""

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        return dtype == np.uint8 and all(len(s) == 3 and s[2] == self.channels for s in shapes)

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        return list(numbers)

    def walk(self, coder: Coder, samples: Sequence[Array] | None, shapes: Sequence[Shape]) -> Sequence[Array]:
        return code_images(samples, shapes, partial(self.code, coder))


def quads(images: Array) -> Array:
    """Images `(N, H, W, C)` as planes `(N, h, w, 4 C)` of 2x2 pixels each, 0 beyond the image; plane 4 c + 2 i + j
    has row i, column j of channel c."""
    count, height, width, channels = images.shape
    padded = np.pad(images, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    split = padded.reshape(count, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2, channels)
    return split.transpose(0, 1, 3, 5, 2, 4).reshape(count, *split.shape[1:4:2], 4 * channels)


def from_quads(planes: Integers, height: int, width: int) -> Integers:
    """The inverse: images `(N, height, width, C)`."""
    count, high, wide, channels = *planes.shape[:3], planes.shape[3] // 4
    split = planes.reshape(count, high, wide, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return split.reshape(count, 2 * high, 2 * wide, channels)[:, :height, :width]


def steps_of(channels: int) -> list[tuple[int, int]]:
    """For each step of a walk, in order, the numbers of known and of coded planes."""
    passes = [(len(p.known), len(p.targets)) for p in grid_passes(channels)]
    return [(0, channels), *(HALVINGS * passes)]


def places(inside: Mask) -> Any:
    """An index of the places `inside` in all images; where these are all, without a mask, which takes time."""
    return ... if inside.all() else (slice(None), inside)


def walk(images: Array | None, shape: Shape, code: CodeStep, filled: bool = False) -> Integers:
    """Code images `(N, H, W, C)` (None unless encoding) step by step; returns the values as coded.

    The pixels at every 32nd row and column come first, then those between them, pass by pass. Of quads that reach
    beyond the image, the planes there are 0, or, where `filled`, as the first pixel.
    """
    result = np.zeros(shape, np.int64)
    corner = result[:, :: 1 << HALVINGS, :: 1 << HALVINGS]
    given = None if images is None else images[:, :: 1 << HALVINGS, :: 1 << HALVINGS].reshape(len(result), -1)
    inside = np.ones(corner.shape[1:], bool)
    corner[:] = code(0, corner[..., :0], given, inside).reshape(corner.shape)
    number = 1
    for spacing in (1 << halving for halving in reversed(range(HALVINGS))):
        plane = result[:, ::spacing, ::spacing]
        known, within = quads(plane), quads(np.ones((1, *plane.shape[1:]), bool))[0]
        wanted = None if images is None else quads(images[:, ::spacing, ::spacing])
        for p in grid_passes(shape[-1]):
            targets, inside = list(p.targets), within[..., p.targets]
            if inside.any():
                at = places(inside)
                values = None if wanted is None else wanted[..., targets][at].reshape(len(known), -1)
                found = np.zeros((len(known), *inside.shape), np.int64)
                found[at] = code(number, known[..., p.known], values, inside).reshape(found[at].shape)
                known[..., targets] = found
            if filled and not inside.all():
                first = known[..., [target // 4 * 4 for target in targets]]
                known[..., targets] = np.where(inside, known[..., targets], first)
            number += 1
        plane[:] = from_quads(known, *plane.shape[1:3])
    return result
