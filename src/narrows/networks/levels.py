"""Images quantised to a few levels per value, without a transform, and the density that codes them.

This suits images that are mostly flat. Each value is rounded to one of 2 to 16 levels, chosen as it is coded by the
bits that each level costs and the error it leaves. The levels are coded in passes from coarse to fine, each
conditioned on the passes before, and a network adds back part of what rounding lost.
Next door: `entropy.passes` has the passes; `pixels` codes exact values; `models.lossy` weighs the bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from narrows.entropy.passes import HALVINGS, MOST_LEVELS, GridPass, grid_passes
from narrows.networks.layers import Clamp, Dialled, Modulate, Residual, pointwise, silence
from narrows.networks.pixels import quads, widths

COARSEST, FINEST = 2.0, 1 / 15  # steps at the ends of the dial; above 1 there are two levels, chosen for fewer bits
CHOICE = 0.05  # squared steps that one bit is worth when a level is chosen
BLOCKS = 2  # per network
WIDTH = 48


class Levels(nn.Module):
    """The density of images `(N, C, H, W)` with values in 0..1, rounded to as many levels as the dial sets."""

    logarithmic = False  # costs count as they are
    steps: torch.Tensor

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.register_buffer("steps", torch.tensor([math.log2(COARSEST), math.log2(FINEST)]))
        self.channels = channels
        self.passes = grid_passes(channels)
        self.first = nn.Sequential(nn.Conv2d(1, MOST_LEVELS * channels, 1))
        self.networks = nn.ModuleList(
            nn.ModuleList(_network(p, narrow) for p in self.passes) for narrow in widths(width)
        )

    def step(self, dial: torch.Tensor) -> torch.Tensor:
        """Steps `(N,)` of dials in -1..1; equal distances of the dial are equal ratios of the step."""
        return torch.exp2(self.steps[0] + (dial + 1) / 2 * (self.steps[1] - self.steps[0]))

    def counts(self, dial: torch.Tensor) -> torch.Tensor:
        """How many levels there are at dials `(N,)`: 2 to 16."""
        return (1 / self.step(dial)).round().clamp(1, MOST_LEVELS - 1) + 1

    def forward(
        self,
        code: torch.Tensor,
        dial: torch.Tensor,
        noise: torch.Generator | None = None,
        reference: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The code at its levels, `(N, C, H, W)` in 0..1, and the bits of each sample `(N,)`, which have gradients.
        `noise` and `reference` are not used."""
        most = (self.counts(dial) - 1).view(-1, 1, 1, 1)
        allowed = torch.arange(MOST_LEVELS, device=code.device) <= most  # (N, 1, 1, 16)
        worth = 1 / (CHOICE * self.step(dial).square()).view(-1, 1, 1, 1, 1)
        place = (dial.view(-1, 1, 1, 1) + 1) / 2  # exact networks take no negative numbers
        levels = torch.zeros_like(code)
        bits = torch.zeros(len(code), device=code.device)
        for network, spacing, p in self.walk():
            plane = code[..., ::spacing, ::spacing]
            if p is None:
                known, targets, inside = plane[:, :0], plane, None
            else:
                known = quads(levels[..., ::spacing, ::spacing])[:, p.known] / most
                targets, inside = (quads(part)[:, p.targets] for part in (plane, torch.ones_like(plane[:1])))
            inputs = torch.cat([place.expand(-1, 1, *targets.shape[2:]), known], dim=1)
            logits = network(inputs).float().unflatten(1, (-1, MOST_LEVELS)).movedim(2, -1)  # (N, T, h, w, 16)
            cost = -torch.log2(torch.softmax(logits.masked_fill(~allowed[:, None], -100), dim=-1).clamp_min(2.0**-24))
            with torch.no_grad():
                centres = torch.arange(MOST_LEVELS, device=code.device) / most[..., None]
                wrong = (targets[..., None] - centres).square()
                chosen = (wrong * worth + cost).masked_fill(~allowed[:, None], torch.inf).argmin(dim=-1)
            each = cost.gather(-1, chosen[..., None])[..., 0]
            bits = bits + (each if inside is None else each * inside).sum(dim=(1, 2, 3))
            _put(levels, chosen.to(levels.dtype), spacing, p)
        return levels / most, bits

    def walk(self) -> Iterator[tuple[nn.Module, int, GridPass | None]]:
        """The networks in coding order, each with the spacing of its pixels and its pass (None for the first)."""
        yield self.first, 1 << HALVINGS, None
        for halving in reversed(range(HALVINGS)):
            row = self.networks[halving]
            assert isinstance(row, nn.ModuleList)
            for network, p in zip(row, self.passes, strict=True):
                yield network, 1 << halving, p


def _network(p: GridPass, width: int) -> nn.Sequential:
    blocks = [pointwise(width) for _ in range(BLOCKS)]
    last = nn.Conv2d(width, MOST_LEVELS * len(p.targets), 1)
    return nn.Sequential(nn.Conv2d(1 + len(p.known), width, 3, padding=1), nn.ReLU(), *blocks, nn.ReLU(), last)


def _put(levels: torch.Tensor, chosen: torch.Tensor, spacing: int, p: GridPass | None) -> None:
    """Write the levels of a pass, `(N, T, h, w)`, to their places in the image `levels`."""
    if p is None:
        levels[..., ::spacing, ::spacing] = chosen
        return
    image = levels[..., ::spacing, ::spacing]
    for number, target in enumerate(p.targets):
        channel, row, column = target // 4, target % 4 // 2, target % 2
        place = image[:, channel, row::2, column::2]
        place.copy_(chosen[:, number, : place.shape[1], : place.shape[2]])


class Smooth(nn.Module):
    """Adds an estimate of the rounding error to levels `(N, C, H, W)` in 0..1; zero before training."""

    dialled = True

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.turn = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.dial = Modulate(width)
        self.blocks = Dialled(*(Residual(width, True) for _ in range(2)))
        self.back = silence(nn.Conv2d(width, 4 * channels, 1))

    def forward(self, x: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
        y = functional.gelu(self.dial(self.turn(quads(x)), dial))
        y = functional.pixel_shuffle(self.back(self.blocks(y, dial)), 2)
        return x + y[..., : x.shape[2], : x.shape[3]]


def levels(channels: int, width: int) -> tuple[nn.Module, nn.Module]:
    """Halves for images `(C, H, W)` of any size: the identity, and `Smooth`, which adds nothing at first."""
    return Dialled(nn.Identity()), Dialled(Smooth(channels, width), Clamp())
