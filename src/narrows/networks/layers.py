"""Layers that several networks share. Next door: `klt` computes what they start from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import nn

from narrows.networks.klt import apart, together

Layer = TypeVar("Layer", bound=nn.Linear | nn.Conv2d)

DIAL = 0.5  # of networks with a dial, if none is given; about quality 75


class Clamp(nn.Module):
    """Clamp to 0..1 with the gradient of the identity, which pulls values outside back as far as clamped ones err."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + (x.clamp(0, 1) - x).detach()


class Standardise(nn.Module):
    """Subtract one mean and divide by one deviation, both measured on the training samples."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("deviation", torch.tensor(1.0))

    @torch.no_grad()
    def measure(self, x: torch.Tensor) -> None:
        """Take mean and deviation from samples."""
        self.mean.copy_(x.mean())
        self.deviation.copy_(x.std().clamp_min(1e-3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.mean) / self.deviation


class Scale(nn.Module):
    """Multiply by one number, or each of the `channels` by its own, measured on the training samples."""

    by: torch.Tensor

    def __init__(self, *channels: int) -> None:
        super().__init__()
        self.register_buffer("by", torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.by.view(-1, *(1,) * (x.ndim - 2))


class Sum(nn.Module):
    """A linear map plus a branch that adds nothing before training."""

    def __init__(self, linear: nn.Module, branch: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.branch = branch
        self.dialled = isinstance(branch, Dialled)

    def forward(self, x: torch.Tensor, *dial: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.branch(x, *dial)  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two 3x3 convolutions, or with 1 of the `axes` 1x3, whose result is added to their input: `(N, C, h, w)` to the
    same."""

    def __init__(self, channels: int, dialled: bool = False, axes: int = 2) -> None:
        super().__init__()
        sides, padding = (3, 3) if axes == 2 else (1, 3), (axes - 1, 1)
        self.first = nn.Conv2d(channels, channels, sides, padding=padding)
        self.second = nn.Conv2d(channels, channels, sides, padding=padding)
        self.dialled = dialled
        if dialled:
            self.dial = Modulate(channels)
        silence(self.second)

    def forward(self, x: torch.Tensor, *dial: torch.Tensor) -> torch.Tensor:
        h = self.first(x)
        return x + self.second(nn.functional.gelu(self.dial(h, *dial) if dial else h))  # type: ignore[no-any-return]


class Apart(nn.Module):
    """`PixelUnshuffle` for signals `(N, C, 1, T)`, in time alone."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return apart(x, self.downscale_factor)


class Together(nn.Module):
    """The inverse of `Apart`."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return together(x, self.upscale_factor)


class Modulate(nn.Module):
    """Scale and shift each channel by a quadratic function of the dial `(N,)` in -1..1; the identity at first."""

    dialled = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scales = nn.Parameter(torch.zeros(2, channels))
        self.shifts = nn.Parameter(torch.zeros(2, channels))

    def forward(self, x: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
        powers = torch.stack([dial, dial.square()], dim=1)  # (N, 2)
        places = (len(x), -1, *(1,) * (x.ndim - 2))
        return x * (1 + powers @ self.scales).view(places) + (powers @ self.shifts).view(places)


class Dialled(nn.Sequential):
    """Layers in sequence, of which those that are `dialled` also get the dial `(N,)` in -1..1."""

    dialled = True

    def forward(self, x: torch.Tensor, dial: torch.Tensor | None = None) -> torch.Tensor:
        if dial is None:
            dial = torch.full((len(x),), DIAL, device=x.device)
        for layer in self:
            x = layer(x, dial) if getattr(layer, "dialled", False) else layer(x)
        return x


class Narrow:
    """What may compute in bfloat16 what it adds to a linear path, if it is `narrow`: of images the error is far below
    the steps of pixels."""

    narrow = False

    def precision(self, x: torch.Tensor) -> AbstractContextManager[object]:
        """That of the branch; else it is what surrounds it."""
        return torch.autocast(x.device.type, torch.bfloat16) if self.narrow else nullcontext()


class LinearPaths(ABC):
    """Half of a network whose linear paths start at an optimum, beside branches that start at zero."""

    @abstractmethod
    def parts(self) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
        """The linear paths, the branches, and all else that may have parameters."""


class Added(nn.Module):
    """Layers in sequence whose result is added to their input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.branch(x)  # type: ignore[no-any-return]


def silence(layer: Layer) -> Layer:
    """Make a layer return zero until training changes it; returns the layer."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def pointwise(width: int) -> Added:
    """A residual block of a 3x3 and a 1x1 convolution, `(N, C, h, w)` to the same."""
    return Added(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1))
