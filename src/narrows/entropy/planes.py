"""Convolutions with few channels: images as planes `(C, N, H, W)`, where each place of a kernel is one matrix product
with the images moved by so many pixels, and nothing is gathered.

Products run across the ends of rows and images; what comes of that lies where nothing is read.
Next door: `rows` is for many channels; `integer_networks` proves that sums are exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from narrows.entropy.rows import Place

STRIP = 1 << 19  # numbers of one strip, so that they stay in the processor's cache


def strips(padded: torch.Tensor, tall: int, broad: int, outs: int) -> Iterator[tuple[Place, torch.Tensor]]:
    """Some images and rows at a time, and what a kernel sees of them, `(I, images, rows + tall - 1, wide)`."""
    ins, count, high, wide = padded.shape
    height, each = high - tall + 1, wide * max(ins, outs)
    if (images := STRIP // (high * each)) > 1:
        for first in range(0, count, images):
            place = slice(first, first + images), slice(None)
            yield place, padded[:, place[0]]
        return
    needed = -(-height // max(1, STRIP // each))
    most = -(-height // (needed + needed % 2))  # an even number, for two cores
    for number in range(count):
        for top in range(0, height, most):
            place = slice(number, number + 1), slice(top, min(top + most, height))
            yield place, padded[:, place[0], top : place[1].stop + tall - 1]


def sums(seen: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Planes `(I, N, H, W)` and a kernel `(h, w, O, I)` to `(O, N, H - h + 1, W - w + 1)`, with a bias `(O, 1)`."""
    tall, broad, outs, ins = kernel.shape
    count, high, wide = seen.shape[1:]
    flat, factors = seen.reshape(ins, -1), kernel.view(-1, outs, ins)
    moves = [i * wide + j for i in range(tall) for j in range(broad)]
    length = flat.shape[1] - moves[-1]
    whole = flat.new_empty((outs, flat.shape[1]))
    y = whole[:, :length]
    if len(moves) > 1 and tall * outs < ins:  # one product with all places of the kernel, whose results are moved
        products = (factors.view(-1, ins) @ flat).view(len(moves), outs, -1)
        torch.add(products[0, :, :length], bias, out=y)
        for number, move in enumerate(moves[1:], 1):
            y += products[number, :, move : move + length]
    else:
        torch.addmm(bias, factors[0], flat[:, :length], out=y)
        for number, move in enumerate(moves[1:], 1):
            y.addmm_(factors[number], flat[:, move : move + length])
    return whole.view(outs, count, high, wide)[:, :, : high - tall + 1, : wide - broad + 1]


def clipped(x: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Images `(N, H, W, C)` to planes, within limits `(C,)`."""
    low, high = (limit.view(-1, 1, 1, 1) for limit in (low, high))
    y = torch.maximum(x.permute(3, 0, 1, 2), low)
    return torch.minimum(y, high, out=y)


def finish(
    y: torch.Tensor, earlier: torch.Tensor | None, out: torch.Tensor, low: torch.Tensor, high: torch.Tensor
) -> torch.Tensor:
    """What a layer makes of its sums, which are changed, within limits `(O, 1, 1, 1)`, in `out`. One limit after the
    other takes a fraction of the time of both at once."""
    y.floor_()
    if earlier is not None:
        y += earlier
    return torch.minimum(torch.maximum(y, low, out=y), high, out=out)
