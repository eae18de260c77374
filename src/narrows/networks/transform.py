"""A transform for compression: a block KLT for images of any size, PCA for vectors, with a nonlinear branch beside
it.

Before training the code is an orthonormal transform of the sample, for which one quantisation step for all numbers is
optimal; each branch starts at zero and may depend on the dial. All convolutions run at the resolution of blocks.
Next door: `prior` is the density of such codes; `levels` does without a transform, which suits small images.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from narrows.networks.klt import LinearOptimum
from narrows.networks.layers import Clamp, Dialled, LinearPaths, Modulate, Residual, Scale, Standardise, Sum, silence

WIDTH = 128
FOLDS = (4, 8)  # possible sides of a block in pixels
FOLD = 8  # the usual side; smaller blocks suit drawings
ENCODER_BLOCKS, DECODER_BLOCKS = 2, 3  # pairs of convolutions
REACH = 2 * max(ENCODER_BLOCKS, DECODER_BLOCKS)  # the distance in blocks up to which code and pixels depend on others


class Half(Dialled, LinearPaths):
    """Layers in sequence, among them linear paths with a branch beside each."""

    def parts(self) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
        both = [m for m in self.children() if isinstance(m, Sum)]
        return [m.linear for m in both], [m.branch for m in both], [m for m in self.children() if m not in both]


def transform(shape: tuple[int, ...], code: int, width: int, fold: int = FOLD) -> tuple[nn.Module, nn.Module]:
    """Halves for images `(C, H, W)` (0 where sizes differ), whose sides are multiples of `fold`, or vectors `(D,)`;
    with a `fold` of 0, images of one size are flattened to vectors."""
    spatial, flat = len(shape) == 3 and fold > 0, len(shape) == 3 and not fold
    values = shape[0] * fold * fold if spatial else math.prod(shape)

    def layer(into: int, out: int) -> nn.Linear | nn.Conv2d:
        return nn.Conv2d(into, out, 1) if spatial else nn.Linear(into, out)

    def branch(before: nn.Module, into: int, out: int, blocks: int) -> Dialled:
        last = silence(layer(width, out))
        hidden: list[nn.Module] = []
        for _ in range(blocks):
            hidden += [Residual(width, True)] if spatial else [Modulate(width), nn.GELU(), nn.Linear(width, width)]
        return Dialled(before, layer(into, width), *hidden, nn.GELU(), last, Scale(out))

    into = Sum(layer(values, code), branch(Standardise(), values, code, ENCODER_BLOCKS))
    back = Sum(layer(code, values), branch(Scale(code), code, values, DECODER_BLOCKS))
    apart = [nn.PixelUnshuffle(fold)] if spatial else [nn.Flatten()] if flat else []
    together = [nn.PixelShuffle(fold)] if spatial else [nn.Unflatten(1, shape)] if flat else []
    return Half(*apart, into, Modulate(code)), Half(Modulate(code), back, *together, Clamp())


@torch.no_grad()
def start(encoder: nn.Module, decoder: nn.Module, optimum: LinearOptimum, x: torch.Tensor) -> None:
    """Put the linear optimum into both halves; `x` are training samples in 0..1."""
    into, back = (next(m for m in half.children() if isinstance(m, Sum)) for half in (encoder, decoder))
    mean, components = torch.from_numpy(optimum.mean), torch.from_numpy(optimum.components)
    put(into.linear, components, -components @ mean)
    put(back.linear, components.T, mean)
    standardise, code = into.branch[0], into.branch[-1]  # type: ignore[index]
    standardise.measure(x)
    code.by.copy_(deviations(optimum))
    seen, pixels = back.branch[0], back.branch[-1]  # type: ignore[index]
    seen.by.copy_(1 / deviations(optimum))
    pixels.by.fill_(0.25 * standardise.deviation)


def put(linear: nn.Module, matrix: torch.Tensor, bias: torch.Tensor) -> None:
    """Give a linear layer, or a convolution over single places, these weights."""
    assert isinstance(linear, (nn.Linear, nn.Conv2d))
    assert linear.bias is not None
    linear.weight.copy_(matrix.reshape(linear.weight.shape))
    linear.bias.copy_(bias)


def deviations(optimum: LinearOptimum) -> torch.Tensor:
    """The deviations of the code's numbers, by which a branch scales them; none so small that it would amplify
    rounding errors."""
    variances = torch.from_numpy(optimum.variances)
    deviation = variances.sqrt().clamp_min(float(variances.sum().sqrt()) / 256)
    return deviation.clamp_min(float(deviation.max()) / 64)
