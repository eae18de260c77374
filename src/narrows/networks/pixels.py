"""The density of images in a few passes from coarse to fine, which exact coding uses.

The pixels at every 2nd, 4th, ... row and column are smaller images. The resolution is doubled repeatedly: first come
the pixels in the middle of four known ones, then those between them, all of a pass at once, each conditioned on
everything known by then. A value is coded as two digits of four bits, the second conditioned on the first.
Multi-scale passes: Reed et al., 2017, https://arxiv.org/abs/1703.03664.
Next door: `entropy.passes` has the order; `codecs.pixels` walks the same passes in integers.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from narrows.entropy.passes import DIGITS, HALVINGS, grid_passes
from narrows.networks.layers import pointwise

WIDTH = 32  # about 25,000 multiplications per value


def quads(image: torch.Tensor) -> torch.Tensor:
    """An image `(N, C, H, W)` as planes of its quads of 2x2 pixels, `(N, 4 C, h, w)`, padded with zeros."""
    pad = (0, image.shape[-1] % 2, 0, image.shape[-2] % 2)
    return functional.pixel_unshuffle(functional.pad(image, pad) if any(pad) else image, 2)


def widths(width: int) -> list[int]:
    """The width of the networks of each halving, finest first; coarse images have few pixels and need less."""
    return [max(16, width >> max(0, halving - 1)) for halving in range(HALVINGS)]


class Step(nn.Module):
    """The networks of one pass: features of the known pixels, and from these both digits of every value.

    `features` takes `(N, K, h, w)` values / 256 and gives `(N, F, h, w)`; `high` gives `(N, 16 T, h, w)` logits of
    the first digits of T targets; `low` takes the features and the first digits, one-hot, and gives the second.
    """

    def __init__(self, known: int, targets: int, width: int, blocks: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(known, width, 3, padding=1), nn.ReLU(), *(pointwise(width) for _ in range(blocks)), nn.ReLU()
        )
        out = DIGITS * targets
        self.high = nn.Sequential(nn.Conv2d(width, out, 1))
        self.low = nn.Sequential(nn.Conv2d(width + out, width, 1), nn.ReLU(), nn.Conv2d(width, out, 1))


class Pixels(nn.Module):
    """The distribution of images with values 0..255 and `channels` channels, of any size."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.channels, self.width, self.blocks = channels, width, blocks
        self.levels = nn.ModuleList(
            nn.ModuleList(Step(len(p.known), len(p.targets), w, blocks) for p in grid_passes(channels))
            for w in widths(width)
        )

    def steps(self, x: torch.Tensor) -> Iterator[tuple[Step, torch.Tensor, torch.Tensor, torch.Tensor]]:
        """For images `(N, C, H, W)` of whole numbers: each pass's networks, what it knows `(N, K, h, w)`, its targets
        `(N, T, h, w)`, and which of these are inside the image `(1, T, h, w)`."""
        for halving, steps in enumerate(self.levels):
            assert isinstance(steps, nn.ModuleList)
            image = x[..., :: 1 << halving, :: 1 << halving]
            planes, inside = quads(image), quads(torch.ones_like(image[:1]))
            for step, p in zip(steps, grid_passes(self.channels), strict=True):
                assert isinstance(step, Step)
                yield step, planes[:, p.known], planes[:, p.targets], inside[:, p.targets] > 0

    def bits(self, x: torch.Tensor) -> torch.Tensor:
        """Bits per value of images `(N, C, H, W)` in 0..1, without the few pixels that are in no pass."""
        x = (x * 255).round()
        total = x.new_zeros(())
        for step, known, targets, inside in self.steps(x):
            high = (targets / DIGITS).floor()
            features = step.features(known / 256)
            total = total + cross_entropy(step.high(features), high, inside)
            logits = step.low(torch.cat([features, one_hot(high, features.dtype)], dim=1))
            total = total + cross_entropy(logits, targets - DIGITS * high, inside)
        return total / x.numel() / torch.log(torch.tensor(2.0))


def one_hot(digits: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Digits `(N, T, h, w)` one-hot as `(N, 16 T, h, w)`, those of a target together."""
    return functional.one_hot(digits.long(), DIGITS).permute(0, 1, 4, 2, 3).flatten(1, 2).to(dtype)


def cross_entropy(logits: torch.Tensor, digits: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Nats of digits `(N, T, h, w)` under logits `(N, 16 T, h, w)`, summed over those that are inside."""
    each = functional.cross_entropy(
        logits.float().view(len(digits), -1, DIGITS, *digits.shape[2:]).transpose(1, 2),
        digits.long(),
        reduction="none",
    )
    return (each * inside).sum()
