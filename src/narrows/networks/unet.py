"""A U-Net (Ronneberger et al., MICCAI 2015), which restores images of any size.

The picture is folded, so that nothing runs at its full resolution, then halved twice (once if it is small) with twice
the channels. Convolutions have no biases, so that a picture twice as bright and noisy gives twice the result (Mohan
et al., "Robust and interpretable blind image denoising via bias-free convolutional neural networks", ICLR 2020).
Beside it runs a linear path, which starts as the best linear filter of 3x3 folded places; the rest starts at zero.
Without halvings it is a row of residual blocks at the folded resolution (Lim et al., "Enhanced deep residual networks
for single image super-resolution", CVPR workshops 2017), which makes pictures larger better at equal work.
Next door: `models.restorer` says what goes in and what the result means.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from narrows.networks.layers import Added, silence

WIDTH = 48
BLOCKS = 2  # pairs of convolutions per level of each half
FLAT_WIDTH, FLAT_BLOCKS = 64, 5  # of one without halvings
RIDGE = 1e-5  # of the mean square of the linear filter's inputs
Features = list[torch.Tensor]


def levels(sides: tuple[int, ...]) -> int:
    """How often the folded picture is halved, from the sides of samples (0 if they differ)."""
    return 1 if 0 < min(sides) < 64 else 2


class Encoder(nn.Module):
    """Inputs `(N, C, H, W)` to features, finest first: the folded inputs themselves, then one tensor per level."""

    def __init__(self, channels: int, width: int, fold: int, depth: int, blocks: int) -> None:
        super().__init__()
        self.fold = fold
        self.enter = _conv(channels * fold**2, width)
        self.down = nn.ModuleList(nn.Conv2d(width << n, width << n + 1, 2, 2, bias=False) for n in range(depth))
        self.blocks = nn.ModuleList(_blocks(width << n, blocks) for n in range(depth + 1))

    def forward(self, x: torch.Tensor) -> Features:
        folded = functional.pixel_unshuffle(x, self.fold)  # (N, C fold², h, w)
        features = [folded, self.blocks[0](self.enter(folded))]
        for down, blocks in zip(self.down, self.blocks[1:], strict=True):
            features.append(blocks(down(features[-1])))
        return features


class Decoder(nn.Module):
    """Features to the result `(N, C, H, W)`."""

    def __init__(self, inputs: int, channels: int, width: int, fold: int, depth: int, blocks: int) -> None:
        super().__init__()
        self.fold = fold
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(width << n + 1, width << n, 2, 2, bias=False) for n in range(depth)
        )
        self.blocks = nn.ModuleList(_blocks(width << n, blocks) for n in range(depth))
        self.leave = silence(_conv(width, channels * fold**2))
        self.linear = silence(_conv(inputs * fold**2, channels * fold**2))

    def forward(self, features: Features) -> torch.Tensor:
        folded, *rest, h = features
        for up, blocks, beside in zip(self.up[::-1], self.blocks[::-1], rest[::-1], strict=True):
            h = blocks(up(h) + beside)
        with torch.autocast(h.device.type, enabled=False):  # small differences of large numbers
            straight = self.linear(folded.float())
            return functional.pixel_shuffle(self.leave(h.float()) + straight, self.fold)


def unet(
    inputs: int, channels: int, width: int, fold: int, depth: int, blocks: int = BLOCKS
) -> tuple[Encoder, Decoder]:
    """Halves from `inputs` channels to `channels`, both at full resolution, with `depth` halvings."""
    return Encoder(inputs, width, fold, depth, blocks), Decoder(inputs, channels, width, fold, depth, blocks)


@torch.no_grad()
def start(decoder: Decoder, x: torch.Tensor, answer: torch.Tensor) -> nn.Conv2d:
    """Put the least-squares filter from inputs `x` to `answer`, both `(N, C, H, W)`, into the linear path; returns
    that layer."""
    folded, wanted = (functional.pixel_unshuffle(t, decoder.fold) for t in (x, answer))
    weight = decoder.linear.weight
    size = weight[0].numel()
    products, sums = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, len(weight), dtype=torch.float64)
    for seen, target in zip(torch.split(folded, 8), torch.split(wanted, 8), strict=True):
        rows = functional.unfold(seen, 3, padding=1).transpose(1, 2).reshape(-1, size)
        products += (rows.T @ rows).double().cpu()
        sums += (rows.T @ target.flatten(2).transpose(1, 2).reshape(-1, len(weight))).double().cpu()
    products.diagonal().add_(RIDGE * products.diagonal().mean() + 1e-12)
    weight.copy_(torch.linalg.solve(products, sums).T.reshape(weight.shape))
    return decoder.linear


def _conv(channels: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, padding=1, bias=False)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Added(_conv(width, width), nn.ReLU(), silence(_conv(width, width))) for _ in range(count)))
