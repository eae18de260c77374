"""Convolutional encoder and decoder for images of any size and signals of any length, started as a block KLT.

Each level folds blocks of pixels, or of steps in time, into channels and multiplies them by an orthogonal matrix, so
that only the channels outside the code are lost; residual branches add nothing before training. All convolutions run
at a quarter of the resolution or less, which makes them fast on a processor. Next door: `dense` for vectors and small
images.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy  # whose parts are loaded when they are first used
import torch
from torch import nn

from narrows.networks.klt import LinearOptimum, code_deviation
from narrows.networks.layers import Apart, Clamp, Residual, Together

BLOCKS = 2  # residual blocks per level
SHORT = 512  # steps of a signal up to which its blocks are small


def folds(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The factor by which each level folds `(C, H, W)`: 4 for small images, 4 and 2 for larger ones; signals `(C, T)`
    by 8 and 8, short ones by 4 and 4."""
    if len(shape) == 2:
        return (4, 4) if 0 < shape[1] < SHORT else (8, 8)
    smallest = min(shape[1:])
    return (4,) if 0 < smallest < 64 else (4, 2)


def step(shape: tuple[int, ...]) -> int:
    """The side in pixels or steps of the block that one code position stands for."""
    return math.prod(folds(shape))


def conv(shape: tuple[int, ...], code: int, width: int) -> tuple[nn.Module, nn.Module]:
    """Halves for images `(C, H, W)` or signals `(C, T)` (0 if sizes differ) with `code` channels at the coarsest
    level."""
    levels, axes = folds(shape), len(shape) - 1
    encoder: list[nn.Module] = []
    decoder: list[nn.Module] = []
    channels, complete = shape[0], shape[0]
    for number, fold in enumerate(levels):
        complete *= fold**axes
        folded = channels * fold**axes
        last = number == len(levels) - 1
        # All levels but the last keep every component, so that the whole is exactly orthogonal.
        out = max(width << number, code if last else complete)
        blocks = [Residual(out, axes=axes) for _ in range(2 * BLOCKS)]
        encoder += [
            nn.PixelUnshuffle(fold) if axes == 2 else Apart(fold),
            nn.Conv2d(folded, out, 1),
            *blocks[:BLOCKS],
        ]
        back = nn.PixelShuffle(fold) if axes == 2 else Together(fold)
        decoder = [*blocks[BLOCKS:], nn.Conv2d(out, folded, 1), back, *decoder]
        channels = out
    encoder.append(nn.Conv2d(channels, code, 1))
    decoder = [nn.Conv2d(code, channels, 1), *decoder, Clamp()]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


@torch.no_grad()
def start(encoder: nn.Module, decoder: nn.Module, optimum: LinearOptimum, x: torch.Tensor) -> None:
    """Put the block KLT into the 1x1 convolutions, each code channel with variance 1.

    Every level but the last applies a DCT to its blocks, which is orthogonal and close to a KLT; the last completes
    it to the KLT of the largest blocks. Other channels keep their random start, for the residual branches to use.
    """
    turns, backs = ([m for m in half.children() if isinstance(m, nn.Conv2d)] for half in (encoder, decoder))
    levels = [m.downscale_factor for m in encoder.children() if isinstance(m, (nn.PixelUnshuffle, Apart))]
    code, block, axes = len(optimum.components), optimum.block, optimum.axes
    channels = len(optimum.mean) // block**axes
    # The channels of a level as weights of the pixels or steps of their block: (n, C, b, b) or (n, C, b).
    basis = np.eye(channels, dtype=np.float32).reshape(channels, channels, *(1,) * axes)
    for number, fold in enumerate(levels):
        turn, back = turns[number], backs[len(levels) - number]
        basis = _folded(basis, fold)
        flat = basis.reshape(len(basis), -1)  # (n fold**axes, C b**axes)
        last = number == len(levels) - 1
        matrix = optimum.components @ flat.T if last else _dct(len(basis) // fold**axes, fold, axes)
        rows, columns = matrix.shape
        turn.weight[:rows] = 0
        turn.weight[:rows, :columns, 0, 0] = torch.from_numpy(matrix)
        back.weight[:columns] = 0
        back.weight[:columns, :rows, 0, 0] = torch.from_numpy(matrix.T)
        for layer in (turn, back):
            nn.init.zeros_(_bias(layer))
        if last:
            _bias(back)[:columns] = torch.from_numpy(flat @ optimum.mean)
        basis = np.tensordot(matrix, basis, axes=1)
    deviation = code_deviation(optimum)
    squeeze, widen = turns[-1], backs[0]
    diagonal = range(code)
    nn.init.zeros_(squeeze.weight)
    squeeze.weight[diagonal, diagonal, 0, 0] = 1 / deviation
    _bias(squeeze).copy_(torch.from_numpy(-optimum.components @ optimum.mean) / deviation)
    widen.weight[:code] = 0
    widen.weight[diagonal, diagonal, 0, 0] = deviation
    nn.init.zeros_(_bias(widen))


def _bias(layer: nn.Conv2d) -> torch.Tensor:
    assert layer.bias is not None
    return layer.bias


def _folded(basis: npt.NDArray[np.float32], fold: int) -> npt.NDArray[np.float32]:
    """The basis after `PixelUnshuffle(fold)`: `(n, C, b, b)` to `(n fold², C, b fold, b fold)`; of signals
    `(n, C, b)` to `(n fold, C, b fold)`."""
    if basis.ndim == 3:
        count, channels, length = basis.shape
        line = np.zeros((count, fold, channels, fold, length), np.float32)
        for i in range(fold):
            line[:, i, :, i] = basis
        return line.reshape(count * fold, channels, fold * length)
    count, channels, side, _ = basis.shape
    out = np.zeros((count, fold, fold, channels, fold, side, fold, side), np.float32)
    for i in range(fold):
        for j in range(fold):
            out[:, i, j, :, i, :, j, :] = basis
    return out.reshape(count * fold**2, channels, fold * side, fold * side)


def _dct(channels: int, fold: int, axes: int) -> npt.NDArray[np.float32]:
    """An orthonormal DCT of the block of each channel, with `fold` places along each of the `axes`, lowest
    frequencies first."""
    one = scipy.fft.dct(np.eye(fold), norm="ortho", axis=0)
    turn = np.kron(np.eye(channels), np.kron(one, one) if axes == 2 else one)
    along = np.arange(fold)
    frequency = np.tile(np.add.outer(along, along).reshape(-1) if axes == 2 else along, channels)
    return turn[np.argsort(frequency, kind="stable")].astype(np.float32)
