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
from narrows.networks.layers import Clamp, Dialled, Modulate, Residual, Scale, Standardise, Sum, silence

WIDTH = 128
FOLDS = (4, 8)  # possible sides of a block in pixels
FOLD = 8  # the usual side; smaller blocks suit drawings
ENCODER_BLOCKS, DECODER_BLOCKS = 2, 3  # pairs of convolutions
REACH = 2 * max(ENCODER_BLOCKS, DECODER_BLOCKS)  # the distance in blocks up to which code and pixels depend on others


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
    return Dialled(*apart, into, Modulate(code)), Dialled(Modulate(code), back, *together, Clamp())


def linear_paths(half: nn.Module) -> tuple[list[nn.Module], nn.Module]:
    """The linear paths of a half, which start at an optimum, and everything else in it."""
    both = [m for m in half.children() if isinstance(m, Sum)]
    rest = [m for m in half.children() if m not in both]
    return [m.linear for m in both], nn.ModuleList([*(m.branch for m in both), *rest])


@torch.no_grad()
def start(encoder: nn.Module, decoder: nn.Module, optimum: LinearOptimum, x: torch.Tensor) -> None:
    """Put the linear optimum into both halves; `x` are training samples in 0..1."""
    into, back = (next(m for m in half.children() if isinstance(m, Sum)) for half in (encoder, decoder))
    mean, components = torch.from_numpy(optimum.mean), torch.from_numpy(optimum.components)
    for linear, matrix, bias in ((into.linear, components, -components @ mean), (back.linear, components.T, mean)):
        assert isinstance(linear, (nn.Linear, nn.Conv2d))
        assert linear.bias is not None
        linear.weight.copy_(matrix.reshape(linear.weight.shape))
        linear.bias.copy_(bias)
    variances = torch.from_numpy(optimum.variances)
    deviation = variances.sqrt().clamp_min(float(variances.sum().sqrt()) / 256)
    standardise, code = into.branch[0], into.branch[-1]  # type: ignore[index]
    standardise.mean.copy_(x.mean())
    standardise.deviation.copy_(x.std().clamp_min(1e-3))
    code.by.copy_(deviation.clamp_min(float(deviation.max()) / 64))
    seen, pixels = back.branch[0], back.branch[-1]  # type: ignore[index]
    seen.by.copy_(1 / deviation.clamp_min(float(deviation.max()) / 64))
    pixels.by.fill_(0.25 * standardise.deviation)
