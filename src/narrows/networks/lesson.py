"""The lesson's four networks, layer for layer, and how they are started.

ReLU inside, a sigmoid at the end; codes pass a ReLU, so they are never negative. Next door: `dense` and `conv`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from narrows.networks.klt import LinearOptimum

SLOPES = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0)  # candidates for how steeply the sigmoid is entered
TRIED = 1024  # samples on which they are tried
HIDDEN_LEVEL, CODE_LEVEL = 0.5, 3.0  # means of units, in standard deviations
Halves = tuple[nn.Module, nn.Module]


def linear(shape: tuple[int, ...], code: int, width: int) -> Halves:
    """784-32-784: one layer each way. `shape` is `(C, H, W)` or `(D,)`."""
    values = int(torch.Size(shape).numel())
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(values, code), nn.ReLU())
    decoder = nn.Sequential(nn.Linear(code, values), nn.Sigmoid(), nn.Unflatten(1, shape))
    return encoder, decoder


def _pooled(*channels: int) -> nn.Sequential:
    """3x3 convolutions between these numbers of channels, each followed by ReLU and max-pooling."""
    layers: list[nn.Module] = []
    for into, out in pairwise(channels):
        layers += [nn.Conv2d(into, out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


def conv(shape: tuple[int, ...], code: int, width: int) -> Halves:
    """Two 3x3 convolutions with max-pooling; two transposed 2x2 convolutions back."""
    out = [nn.ConvTranspose2d(code, 16, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(16, shape[0], 2, stride=2)]
    return _pooled(shape[0], 16, code), nn.Sequential(*out, nn.Sigmoid())


def upsample(shape: tuple[int, ...], code: int, width: int) -> Halves:
    """The encoder of `conv`; back by nearest upsampling and 3x3 convolutions."""
    decoder = nn.Sequential(
        *(nn.Upsample(scale_factor=2), nn.Conv2d(code, 16, 3, padding=1), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, shape[0], 3, padding=1), nn.Sigmoid()),
    )
    return _pooled(shape[0], 16, code), decoder


def denoise(shape: tuple[int, ...], code: int, width: int) -> Halves:
    """Three poolings to 32, 16 and 8 channels, three transposed convolutions back, one more convolution."""
    encoder = _pooled(shape[0], 32, 16, code)
    decoder = nn.Sequential(
        *(nn.ConvTranspose2d(code, 8, 3, stride=2), nn.ReLU()),  # 3 to 7
        *(nn.ConvTranspose2d(8, 16, 2, stride=2), nn.ReLU()),  # 7 to 14
        *(nn.ConvTranspose2d(16, 32, 2, stride=2), nn.ReLU()),  # 14 to 28
        *(nn.Conv2d(32, shape[0], 3, padding=1), nn.Sigmoid()),
    )
    return encoder, decoder


@torch.no_grad()
def start_linear(encoder: nn.Module, decoder: nn.Module, optimum: LinearOptimum, x: torch.Tensor) -> None:
    """Put PCA into the linear network; `x` are training samples in 0..1.

    The units are shifted so that each ReLU is open on every sample of `x`. The decoder is PCA's, scaled into the
    sigmoid by the best of a few slopes, then improved by one Gauss-Newton step for each output (one pass of
    iteratively reweighted least squares), shortened as far as needed to lower the error.
    """
    into, back = encoder[1], decoder[0]  # type: ignore[index]
    mean, components = torch.from_numpy(optimum.mean), torch.from_numpy(optimum.components)
    rows = x.reshape(len(x), -1)
    z = (rows - mean) @ components.T
    opened = 1.5 * (-z.amin(dim=0)).clamp_min(1e-3)  # half as much again, for samples not in x
    into.weight.copy_(components)
    into.bias.copy_(opened - components @ mean)

    trials = [(components.T * slope, (mean - 0.5) * slope) for slope in SLOPES]
    weight, bias = min(trials, key=lambda trial: _error(z[:TRIED], rows[:TRIED], *trial))
    step_weight, step_bias = _gauss_newton(z, rows, weight, bias)
    trials = [(weight + step_weight * share, bias + step_bias * share) for share in (1.0, 0.5, 0.25, 0.0)]
    weight, bias = min(trials, key=lambda trial: _error(z, rows, *trial))
    back.weight.copy_(weight)
    back.bias.copy_(bias - weight @ opened)


@torch.no_grad()
def start_conv(
    encoder: nn.Module, decoder: nn.Module, optimum: LinearOptimum, x: torch.Tensor, *, rising: bool
) -> None:
    """Give every convolution outputs of variance 1 on samples `x`, and codes that all rise, or all fall, together.

    With max-pooling there is no linear optimum to start from. This is the layer-wise start of Mishkin and Matas ("All
    you need is a good init", ICLR 2016), with hidden units mostly and code units nearly always above zero, so that
    none is dead, and with the mean sample as the output. Codes that all rise with the rarer of bright and dark, or
    all fall, reach a better minimum than mixed ones; which of the two (`rising`) depends on the decoder.
    """
    x = x[:512]
    h = x
    for half in (encoder, decoder):
        layers = list(half.children())
        last = max(i for i, layer in enumerate(layers) if hasattr(layer, "weight"))
        for index, layer in enumerate(layers):
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                level = HIDDEN_LEVEL
                if index == last:
                    level = CODE_LEVEL if half is encoder else float(torch.logit(x.mean().clamp(0.01, 0.99)))
                if index == last and half is encoder:
                    layer.weight.add_(_towards_rare(h, x) * (layer.weight.std() * (1 if rising else -1)))
                _standardise(layer, h, level)
            h = layer(h)


def _towards_rare(h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """How each channel of `h` correlates with the rarer of bright and dark in `x`: -1 to 1, `(1, C, 1, 1)`."""
    brightness = functional.adaptive_avg_pool2d(x.mean(dim=1, keepdim=True), (h.shape[2], h.shape[3]))
    places = (0, 2, 3)
    together = (h - h.mean(dim=places, keepdim=True)) * (brightness - brightness.mean())
    slopes = together.mean(dim=places) / h.std(dim=places).clamp_min(1e-6)
    skewed = (x - x.mean()).pow(3).mean().sign()
    return (skewed * slopes / slopes.abs().max().clamp_min(1e-6)).view(1, -1, 1, 1)


def _standardise(layer: nn.Conv2d | nn.ConvTranspose2d, h: torch.Tensor, level: float) -> None:
    """Scale a convolution so that on inputs `h` every channel has variance 1 and mean `level`."""
    assert layer.bias is not None
    y = layer(h)
    deviation = y.std(dim=(0, 2, 3)).clamp_min(1e-6)
    layer.weight.div_(deviation.view((-1, 1, 1, 1) if isinstance(layer, nn.Conv2d) else (1, -1, 1, 1)))
    layer.bias.sub_(y.mean(dim=(0, 2, 3))).div_(deviation).add_(level)


def _error(z: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> float:
    return float((torch.sigmoid(torch.addmm(bias, z, weight.T)) - rows).square().mean())


def _gauss_newton(
    z: torch.Tensor, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One damped Gauss-Newton step of every output's weights `(D, K)` and bias `(D,)`."""
    y = torch.sigmoid(torch.addmm(bias, z, weight.T))
    # Saturated outputs have no slope; a floor keeps their equations solvable.
    slope = (y * (1 - y)).clamp_min(0.02)
    inputs = torch.cat([z, torch.ones(len(z), 1)], dim=1)  # (N, K + 1)
    size = inputs.shape[1]
    gradient = (slope * (rows - y)).T @ inputs  # (D, K + 1)
    first, second = torch.triu_indices(size, size)  # the products are symmetric
    hessian = torch.empty(len(gradient), size, size)  # (D, K + 1, K + 1)
    hessian[:, first, second] = slope.square().T @ (inputs[:, first] * inputs[:, second])
    hessian[:, second, first] = hessian[:, first, second]
    damping = 1e-5 * len(z) * torch.eye(size)
    step = torch.linalg.solve(hessian + damping, gradient)
    return step[:, :-1], step[:, -1]
