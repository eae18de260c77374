"""The density of whole images, pixel by pixel in a few passes from coarse to fine; what exact coding stands on.

The pixels at every 2nd, 4th, ... row and column are images themselves. Each level doubles the resolution: the pixels
in the middle of four known ones come first, then those between them, all of a pass at once, each with a distribution
computed from everything that is known by then. A value is two digits of four bits, the second knowing the first.
Multi-scale passes: Reed et al., 2017, https://arxiv.org/abs/1703.03664.
Next door: `parts` has the layers; `coding.pixels` walks the same passes in exact integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from narrows.networks.layers import Added

LEVELS = 5  # one pixel in 1024 stands outside all passes
WIDTH = 32  # costs about 25,000 multiplications a value
DIGITS = 16  # values of one digit
PASSES = ((3,), (1, 2))  # of the four pixels of a cell, those that come together; pixel 0 is known


@dataclass(frozen=True)
class Pass:
    """Which planes of a level's cells are predicted, and from which; plane 4 c + p is pixel p of channel c."""

    targets: tuple[int, ...]
    known: tuple[int, ...]


def passes(channels: int) -> tuple[Pass, ...]:
    """The passes of one level, in order."""
    known = [4 * c for c in range(channels)]
    found = []
    for pixels in PASSES:
        for c in range(channels):
            targets = [4 * c + p for p in pixels]
            found.append(Pass(tuple(targets), tuple(known)))
            known += targets
    return tuple(found)


def cells(image: torch.Tensor) -> torch.Tensor:
    """An image `(N, C, H, W)` as planes of its 2x2 cells, `(N, 4 C, h, w)`; zeros where it ends inside a cell."""
    pad = (0, image.shape[-1] % 2, 0, image.shape[-2] % 2)
    return functional.pixel_unshuffle(functional.pad(image, pad) if any(pad) else image, 2)


def widths(width: int) -> list[int]:
    """The width of each level's networks, finest first: coarse levels have few pixels and need little."""
    return [max(16, width >> max(0, level - 1)) for level in range(LEVELS)]


class Step(nn.Module):
    """The networks of one pass: features of what is known, and from them both digits of every value.

    `features` takes `(N, K, h, w)` values / 256 and gives `(N, F, h, w)`; `high` gives `(N, 16 T, h, w)` logits of
    the first digits of T targets; `low` takes the features and the first digits, one-hot, and gives the second.
    """

    def __init__(self, known: int, targets: int, width: int, blocks: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(known, width, 3, padding=1),
            nn.ReLU(),
            *(
                Added(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1))
                for _ in range(blocks)
            ),
            nn.ReLU(),
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
            nn.ModuleList(Step(len(p.known), len(p.targets), w, blocks) for p in passes(channels))
            for w in widths(width)
        )

    def pieces(self, x: torch.Tensor) -> Iterator[tuple[Step, torch.Tensor, torch.Tensor, torch.Tensor]]:
        """For images `(N, C, H, W)` of whole numbers: each pass's networks, what it knows `(N, K, h, w)`, its
        targets `(N, T, h, w)`, and which of these are inside the image `(1, T, h, w)`."""
        for level, steps in enumerate(self.levels):
            assert isinstance(steps, nn.ModuleList)
            image = x[..., :: 1 << level, :: 1 << level]
            planes, inside = cells(image), cells(torch.ones_like(image[:1]))
            for step, p in zip(steps, passes(self.channels), strict=True):
                assert isinstance(step, Step)
                yield step, planes[:, p.known], planes[:, p.targets], inside[:, p.targets] > 0

    def bits(self, x: torch.Tensor) -> torch.Tensor:
        """Bits per value of images `(N, C, H, W)` in 0..1, the few pixels outside all passes left out."""
        x = (x * 255).round()
        total = x.new_zeros(())
        for step, known, targets, inside in self.pieces(x):
            high = (targets / DIGITS).floor()
            features = step.features(known / 256)
            total = total + cross_entropy(step.high(features), high, inside)
            logits = step.low(torch.cat([features, one_hot(high, features.dtype)], dim=1))
            total = total + cross_entropy(logits, targets - DIGITS * high, inside)
        return total / x.numel() / torch.log(torch.tensor(2.0))


def one_hot(digits: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Digits `(N, T, h, w)` as marks `(N, 16 T, h, w)`, those of a target together."""
    return functional.one_hot(digits.long(), DIGITS).permute(0, 1, 4, 2, 3).flatten(1, 2).to(dtype)


def cross_entropy(logits: torch.Tensor, digits: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Nats of digits `(N, T, h, w)` under logits `(N, 16 T, h, w)`, summed over those that are inside."""
    each = functional.cross_entropy(
        logits.float().view(len(digits), -1, DIGITS, *digits.shape[2:]).transpose(1, 2),
        digits.long(),
        reduction="none",
    )
    return (each * inside).sum()
