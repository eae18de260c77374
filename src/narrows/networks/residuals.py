"""The density of images in a few passes from coarse to fine, as residuals of predictions.

The passes are those of `pixels`: the resolution is doubled repeatedly, first the pixels in the middle of four known
ones, then those between them, colour by colour. A linear filter over the neighbourhood, which starts as the best one,
and a network beside it predict each value, how far off it may be, and how heavy the tails are: the value has a
mixture of two logistic distributions of one mean (as in PixelCNN++, Salimans et al., 2017,
https://arxiv.org/abs/1701.05517). A network sees neighbours relative to the pixel known at its place.
Next door: `pixels` learns the 256 values one by one; `codecs.residuals` walks the same passes in integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from narrows.entropy.passes import HALVINGS, GridPass, grid_passes
from narrows.networks.layers import pointwise, silence
from narrows.networks.pixels import quads

WIDTH = 48  # about 33,000 multiplications per pixel of three channels
BLOCKS = 2  # pairs of convolutions that see a pass's neighbourhood
HIDDEN = 32  # channels of the network of one colour
SHARES = (1.0, 2 / 3, 1 / 2, 1 / 2, 1 / 2)  # of the width, finest first; coarse images have few pixels
UNIT = 32.0  # values that count as 1 for a network
MIDDLE = 128.0
REACH = 8.0  # units to which surprises are clipped before a network sees them
WIDE = 3.0  # the second logistic is so many times as wide as the first
NARROWEST, WIDEST = -5.0, 6.0  # of a logistic's scale, as powers of 2
RIDGE = 1e-5  # of the mean square of a linear filter's inputs
ROWS = 400_000  # places that decide a linear filter, at most


@dataclass(frozen=True)
class Told:
    """What a network says of values `(N, T, h, w)`: `mean` in values, `scale` of the narrower logistic as a power of
    2, `tail`, the logit of the wider one's share. `seen` is what it was told from."""

    mean: torch.Tensor
    scale: torch.Tensor
    tail: torch.Tensor
    seen: torch.Tensor


def around(planes: torch.Tensor) -> torch.Tensor:
    """The 3x3 neighbours of every place: `(N, K, h, w)` to `(N, 9 K, h, w)`, the edge repeated."""
    padded = functional.pad(planes, (1, 1, 1, 1), mode="replicate")
    return functional.unfold(padded, 3).view(len(planes), -1, *planes.shape[2:])


class Colour(nn.Module):
    """Of one pass, from the features of its neighbourhood and what the colours before it turned out to be, to `Told`
    of its targets. `filter` is the linear prediction, `(T, 9 K)`."""

    def __init__(self, known: int, before: int, targets: int, width: int) -> None:
        super().__init__()
        self.filter = nn.Parameter(torch.zeros(targets, 9 * known))
        self.layers = nn.Sequential(
            nn.Conv2d(width + 9 * before, HIDDEN, 1),
            nn.ReLU(),
            nn.Conv2d(HIDDEN, HIDDEN, 1),
            nn.ReLU(),
            silence(nn.Conv2d(HIDDEN, 3 * targets, 1)),
        )

    def forward(self, neighbours: torch.Tensor, features: torch.Tensor, surprises: torch.Tensor) -> Told:
        seen = torch.cat([features, around(surprises)], dim=1) if surprises.shape[1] else features
        told = self.layers(seen).float()
        mean, scale, tail = told.chunk(3, dim=1)
        with torch.autocast(neighbours.device.type, enabled=False):  # small differences of large numbers
            straight = functional.conv2d(neighbours, self.filter[:, :, None, None])
        return Told(straight + UNIT * mean, scale.clamp(NARROWEST, WIDEST), tail, seen)


class Neighbourhood(nn.Module):
    """What all colours of a pass have in common: features `(N, W, h, w)` of the planes known before it."""

    def __init__(self, known: int, channels: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(
            nn.Conv2d(9 * known + channels, width, 1),
            nn.ReLU(),
            *(layer for _ in range(BLOCKS) for layer in (pointwise(width), nn.ReLU())),
        )

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        return self.layers(relative(planes, self.channels))  # type: ignore[no-any-return]


def relative(planes: torch.Tensor, channels: int) -> torch.Tensor:
    """Known planes `(N, K, h, w)` as a network sees them: neighbours relative to the first pixel of their quad, and
    these pixels relative to the middle of the range, in units: `(N, 9 K + C, h, w)`. The planes are in the order of
    `GridPass.known`."""
    first = planes[:, :channels]
    _, known, height, width = planes.shape
    own = first[:, colours_of(known, channels)]
    near = around(planes).view(len(planes), known, 9, height, width) - own[:, :, None]
    return torch.cat([near.flatten(1, 2), first - MIDDLE], dim=1) / UNIT


def colours_of(known: int, channels: int) -> list[int]:
    """The channel of each known plane: first those of pixel 0, then each channel's targets pass by pass."""
    planes = [*(4 * c for c in range(channels)), *(t for p in grid_passes(channels) for t in p.targets)]
    return [plane // 4 for plane in planes[:known]]


class Residuals(nn.Module):
    """The distribution of images with values 0..255 and `channels` channels, of any size."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        passes = grid_passes(channels)
        groups = passes[::channels]  # the first pass of each: what is known before all its colours
        self.neighbourhoods, self.colours = nn.ModuleList(), nn.ModuleList()
        for w in (max(16, round(width * share)) for share in SHARES):
            self.neighbourhoods.append(nn.ModuleList(Neighbourhood(len(p.known), channels, w) for p in groups))
            self.colours.append(
                nn.ModuleList(
                    Colour(len(p.known), len(p.known) - len(group.known), len(p.targets), w)
                    for group, p in ((groups[i // channels], p) for i, p in enumerate(passes))
                )
            )

    def steps(self, x: torch.Tensor) -> Iterator[tuple[int, int, GridPass, torch.Tensor, torch.Tensor]]:
        """For images `(N, C, H, W)` of whole numbers: halving, number of the pass, the pass, the planes of its quads
        `(N, 4 C, h, w)`, and which of them are inside the image, `(1, 4 C, h, w)`."""
        for halving in range(HALVINGS):
            image = x[..., :: 1 << halving, :: 1 << halving]
            planes, inside = filled_quads(image), quads(torch.ones_like(image[:1])) > 0
            for number, p in enumerate(grid_passes(self.channels)):
                yield halving, number, p, planes, inside

    def told(self, x: torch.Tensor) -> Iterator[tuple[Told, torch.Tensor, torch.Tensor]]:
        """For images as `steps` takes them: what is told of each pass's targets, these `(N, T, h, w)`, and which are
        inside."""
        features, surprises = x, x[:, :0]
        for halving, number, p, planes, inside in self.steps(x):
            if number % self.channels == 0:
                features = self.neighbourhoods[halving][number // self.channels](planes[:, p.known])  # type: ignore[index]
                surprises = planes[:, :0]
            colour = self.colours[halving][number]  # type: ignore[index]
            told = colour(around(planes[:, p.known]), features, surprises)
            targets = planes[:, p.targets]
            yield told, targets, inside[:, p.targets]
            # Of what lies outside the image, nothing is known.
            missed = torch.where(inside[:, p.targets], (targets - told.mean.clamp(0, 255)) / UNIT, 0.0)
            surprises = torch.cat([surprises, missed.clamp(-REACH, REACH)], dim=1)

    def bits(self, x: torch.Tensor) -> torch.Tensor:
        """Bits per value of images `(N, C, H, W)` in 0..1, without the few pixels that are in no pass."""
        x = (x * 255).round()
        total = x.new_zeros(())
        for told, targets, inside in self.told(x):
            total = total + (nats(told, targets) * inside).sum()
        return total / x.numel() / math.log(2)

    @torch.no_grad()
    def start(self, x: torch.Tensor) -> None:
        """Put the best linear filters for images `(N, C, H, W)` in 0..1 into the passes, and their errors' scale."""
        for halving, number, p, planes, inside in self.steps((x * 255).round()):
            known, targets = around(planes[:, p.known]), planes[:, p.targets]
            rows, wanted = (t.movedim(1, -1).flatten(0, 2) for t in (known, targets))
            chosen = inside[:, p.targets].all(dim=1).expand(len(x), -1, -1).flatten()
            rows, wanted = rows[chosen], wanted[chosen]
            if not len(rows):  # images too small for this halving
                continue
            every = -(-len(rows) // ROWS)
            rows, wanted = rows[::every].double(), wanted[::every].double()
            colour = self.colours[halving][number]  # type: ignore[index]
            products = rows.T @ rows
            products.diagonal().add_(RIDGE * products.diagonal().mean() + 1e-9)
            found = torch.linalg.solve(products, rows.T @ wanted)
            colour.filter.copy_(found.T)
            off = (rows @ found - wanted).square().mean(dim=0).sqrt().clamp_min(0.1)
            bias = colour.layers[-1].bias[len(off) : 2 * len(off)]
            bias.copy_(torch.log2(off / 3).clamp(NARROWEST, WIDEST))


def filled_quads(image: torch.Tensor) -> torch.Tensor:
    """An image `(N, C, H, W)` as planes of its quads of 2x2 pixels, `(N, 4 C, h, w)`; what lies outside the image is
    as the first pixel of its quad."""
    planes, inside = quads(image), quads(torch.ones_like(image[:1])) > 0
    return torch.where(inside, planes, planes[:, ::4].repeat_interleave(4, dim=1))


def nats(told: Told, x: torch.Tensor) -> torch.Tensor:
    """The cost of whole numbers `x`, under tables that know nothing of the ends of the range."""
    with torch.autocast(x.device.type, enabled=False):
        wide = torch.sigmoid(told.tail)
        both = []
        for factor in (1.0, WIDE):
            inverse = torch.exp2(-told.scale) / factor
            upper, lower = (x + 0.5 - told.mean) * inverse, (x - 0.5 - told.mean) * inverse
            # Mirrored where both lie above the mean, so that small differences are not those of numbers near 1.
            flip = torch.where(upper + lower > 0, -1.0, 1.0)
            both.append((torch.sigmoid(flip * upper) - torch.sigmoid(flip * lower)).abs())
        return -torch.log((1 - wide) * both[0] + wide * both[1] + 1e-7)
