"""Convolutions with many channels: images as rows of pixels `(N, H, W, C)`, gathered for matrix products.

Next door: `planes` is for few channels; `integer_networks` proves that sums are exact in any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import torch

STRIP = 1 << 19  # numbers gathered at once for a matrix product, so that they stay in the processor's cache
Place = tuple[slice, slice]  # images, and rows of them


def strips(padded: torch.Tensor, tall: int, broad: int) -> Iterator[tuple[Place, Callable[[], list[torch.Tensor]]]]:
    """Some images and rows at a time, and what gives the left factors of the matrix products whose sum a convolution
    is: of several small images one for the whole kernel, else one for each row of the kernel."""
    count, height, width, channels = padded.shape
    height, width = height - tall + 1, width - broad + 1
    across = broad * channels

    def whole(part: torch.Tensor) -> list[torch.Tensor]:
        columns = padded.new_empty((len(part), height, width, tall * broad, channels))
        for i in range(tall):
            for j in range(broad):
                columns[..., broad * i + j, :] = part[:, i : i + height, j : j + width]
        return [columns.view(-1, tall * across)]

    def by_rows(part: torch.Tensor) -> list[torch.Tensor]:
        columns = padded.new_empty((len(part), width, broad, channels)) if broad > 1 else part
        for j in range(broad if broad > 1 else 0):
            columns[..., j, :] = part[:, j : j + width]
        flat, places = columns.view(-1, across), (len(part) - tall + 1) * width
        return [flat[i * width : i * width + places] for i in range(tall)]

    if tall * broad > 1 and (images := STRIP // (height * width * tall * across)) > 1:
        for first in range(0, count, images):
            place = slice(first, first + images), slice(None)
            yield place, functools.partial(whole, padded[place[0]])
        return
    strips = -(-height // max(1, STRIP // (width * across)))
    most = -(-height // (strips + strips % 2))  # an even number, for two cores
    for number in range(count):
        for top in range(0, height, most):
            part = padded[number, top : min(top + most, height) + tall - 1]
            yield (slice(number, number + 1), slice(top, top + most)), functools.partial(by_rows, part)


def sums(columns: list[torch.Tensor], y: torch.Tensor, matrix: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Products with a kernel `(h, w, I, O)` and a bias, added up in `y` `(N, H, W, O)`."""
    flat, factors = y.view(-1, len(bias)), matrix.view(len(columns), -1, len(bias))
    torch.addmm(bias, columns[0], factors[0], out=flat)
    for each, factor in zip(columns[1:], factors[1:], strict=True):
        flat.addmm_(each, factor)
    return y


def finish(y: torch.Tensor, earlier: torch.Tensor | None, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """What a layer makes of its sums, in their place, within limits `(O,)`."""
    y.floor_()
    if earlier is not None:
        y += earlier
    return torch.clamp(y, low, high, out=y)
