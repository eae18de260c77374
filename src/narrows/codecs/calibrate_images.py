"""From trained densities of images, pixel by pixel, to integer ones, which `pixels`, `levels` and `residuals` use.

Next door: `calibrate` does the same for densities of codes; `quantise` does the networks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from narrows.codecs.calibrate import BELIEF, Counter, inputs_of
from narrows.codecs.decoder import dials
from narrows.codecs.levels import VALUE_BITS as LEVEL_BITS
from narrows.codecs.levels import IntegerLevels
from narrows.codecs.pixels import VALUE_BITS as PIXEL_BITS
from narrows.codecs.pixels import VALUES, IntegerPixels, IntegerStep
from narrows.codecs.quantise import base_two, quantised
from narrows.codecs.residuals import REACH_BITS, IntegerColour, IntegerNeighbourhood, IntegerResiduals
from narrows.entropy.cumulative import LOGIT_BITS, Integers
from narrows.entropy.families import logistics
from narrows.entropy.logistics import MEAN_BITS, TOLD_BITS, Logistics
from narrows.entropy.passes import DIGITS, HALVINGS, grid_passes
from narrows.networks.levels import CHOICE, Levels
from narrows.networks.pixels import Pixels, one_hot
from narrows.networks.residuals import MIDDLE, UNIT, WIDE, Residuals, colours_of, relative

Part = TypeVar("Part")


@torch.no_grad()
def integer_levels(prior: Levels, images: torch.Tensor) -> IntegerLevels:
    """Convert a trained density to integers; images `(N, C, H, W)` in 0..1 decide the ranges."""
    networks = [network for network, _, _ in prior.walk()]
    with inputs_of(networks) as seen:
        prior(images, torch.linspace(-1, 1, len(images)))
    found = []
    for network in networks:
        most = np.full(seen[network].shape[1], 1 << LEVEL_BITS)
        found.append(quantised(base_two(network), seen[network], LEVEL_BITS, most, LOGIT_BITS))
    worth = 256 / (CHOICE * prior.step(dials()).square())
    return IntegerLevels(
        prior.channels,
        prior.counts(dials()).long().numpy(),
        ((dials() + 1) / 2 * (1 << LEVEL_BITS)).round().long().numpy(),
        worth.round().clamp_min(1).long().numpy(),
        tuple(found),
    )


@torch.no_grad()
def integer_pixels(network: Pixels, images: torch.Tensor) -> IntegerPixels:
    """Convert a trained density to integers; images `(N, C, H, W)` in 0..1 decide the ranges."""
    x = (images * 255).round()
    found: list[IntegerStep] = []
    for step, known, targets, _ in network.steps(x):
        known = known / VALUES
        features = quantised(step.features, known, PIXEL_BITS, np.full(known.shape[1], VALUES - 1))
        seen = step.features(known)
        given = torch.cat([seen, one_hot((targets / DIGITS).floor(), seen.dtype)], dim=1)
        bits, most = features.bits_out, features.layers[-1].high
        most_given = np.append(most, np.full(given.shape[1] - len(most), 1 << bits))
        high = quantised(base_two(step.high), seen, bits, most, LOGIT_BITS)
        low = quantised(base_two(step.low), given, bits, most_given, LOGIT_BITS)
        found.append(IntegerStep(features, high, low))
    count = len(grid_passes(network.channels))
    return IntegerPixels(_base(x), _finest_last(found, count))


def _base(x: torch.Tensor) -> Integers:
    """How often each value comes at the pixels outside all passes, `(C, 256)`; once more than it came, so that none
    is impossible."""
    corner = x[..., :: 1 << HALVINGS, :: 1 << HALVINGS].transpose(0, 1).flatten(1).long().numpy()
    return np.stack([np.bincount(row, minlength=VALUES) + 1 for row in corner])


@torch.no_grad()
def integer_residuals(network: Residuals, images: torch.Tensor) -> IntegerResiduals:
    """Convert a trained density to integers; images `(N, C, H, W)` in 0..1 decide the ranges and count in the
    tables."""
    x, channels = (images * 255).round(), network.channels
    passes = grid_passes(channels)
    near: list[IntegerNeighbourhood] = []
    colours: list[IntegerColour] = []
    for (halving, number, p, planes, _), (told, _, _) in zip(network.steps(x), network.told(x), strict=True):
        known = planes[:, p.known]
        high = np.full(len(p.known), VALUES - 1)
        if number % channels == 0:
            group = network.neighbourhoods[halving][number // channels]  # type: ignore[index]
            entry, *rest = group.layers
            first = nn.Sequential(_raw_entry(entry, len(p.known), channels), nn.ReLU())
            made = quantised(first, known, 0, high)
            features = group.layers[:2](relative(known, channels))
            near.append(
                IntegerNeighbourhood(
                    made, quantised(nn.Sequential(*rest[1:]), features, made.bits_out, made.layers[-1].high)
                )
            )
        bits, most = near[-1].layers.bits_out, near[-1].layers.layers[-1].high
        colour = network.colours[halving][number]  # type: ignore[index]
        linear = nn.Conv2d(len(p.known), len(p.targets), 3, padding=1, bias=False)
        linear.weight.copy_(colour.filter.view_as(linear.weight))
        surprised = np.full(told.seen.shape[1] - len(most), 1 << bits + REACH_BITS)
        low = np.concatenate([np.zeros_like(most), -surprised])
        colours.append(
            IntegerColour(
                quantised(nn.Sequential(linear), known, 0, high, MEAN_BITS),
                quantised(colour.layers, told.seen, bits, np.concatenate([most, surprised]), TOLD_BITS, low),
            )
        )
    integers = IntegerResiduals(_base(x), _finest_last(near, 2), _finest_last(colours, len(passes)), logistics(WIDE))
    return replace(integers, logistics=_counted(integers, x))


def _finest_last(row: list[Part], each: int) -> tuple[Part, ...]:
    """What comes finest first, `each` for a halving, with the coarsest halving first."""
    return tuple(part for i in reversed(range(0, len(row), each)) for part in row[i : i + each])


def _raw_entry(entry: nn.Conv2d, known: int, channels: int) -> nn.Conv2d:
    """The first layer of a neighbourhood for planes as they are."""
    made = nn.Conv2d(known, entry.out_channels, 3, padding=1)
    weight = entry.weight[:, :, 0, 0] / UNIT
    taps = weight[:, : 9 * known].view(-1, known, 9).clone()
    first = weight[:, 9 * known :]
    for plane, colour in enumerate(colours_of(known, channels)):
        taps[:, colour, 4] -= weight[:, 9 * plane : 9 * plane + 9].sum(dim=1)
    taps[:, :channels, 4] += first
    made.weight.copy_(taps.view_as(made.weight))
    assert made.bias is not None
    assert entry.bias is not None
    made.bias.copy_(entry.bias - MIDDLE * first.sum(dim=1))
    return made


def _counted(made: IntegerResiduals, x: torch.Tensor) -> Logistics:
    """The tables of a density, corrected by how often symbols come."""
    counter = Counter(made.logistics.tables.parts)
    for part in torch.split(x, 16):
        images = part.permute(0, 2, 3, 1).long().numpy()
        made.walk(counter, images, images.shape)
    return logistics(WIDE, [counter.of(parts) for parts in made.logistics.tables.parts], BELIEF)
