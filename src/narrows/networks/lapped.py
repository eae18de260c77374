"""A transform of signals for compression: an MDCT with a nonlinear branch beside it.

Before training the code is an orthonormal transform: neighbouring blocks are turned into each other where they meet
(time-domain aliasing with a sine window), and each then goes through a DCT-IV, so that no blocks are heard. The two
ends of a signal have no neighbour; t blocks have t codes. Channels are turned by their own KLT first. The channels of
the code are sorted by frequency. Branches start at zero and may depend on the dial, as in `transform`, which does
the same for images. Next door: `loudness` is what signals go through before; `bands` is the density of the codes.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import nn

from narrows.networks.bands import Bands
from narrows.networks.klt import apart, together
from narrows.networks.layers import DIAL, Dialled, LinearPaths, Modulate, Residual, Scale, silence
from narrows.networks.prior import logarithmic_step

WIDTH = 128
BLOCK_SECONDS, BLOCK = 0.024, 64  # the length of a block, and where the rate is not known its steps
ENCODER_BLOCKS, DECODER_BLOCKS = 2, 3  # pairs of convolutions
ENDS = 5.0, 40.0  # dB of signal to noise of the linear code at the two ends of the dial


@functools.lru_cache(8)
def _windows(block: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """The DCT-IV `(F, F)`, its own inverse, and the sine window's share of a sample and of its mirror image, `(F/2,)`
    from the edge between two blocks."""
    n = torch.arange(block, dtype=torch.float64, device=device) + 0.5
    turn = math.sqrt(2 / block) * torch.cos(math.pi / block * n[:, None] * n)
    angle = math.pi / (2 * block) * (block / 2 + n[: block // 2])
    return turn.float(), torch.sin(angle).float(), torch.cos(angle).float()


def lapped(x: torch.Tensor, block: int) -> torch.Tensor:
    """The MDCT of signals `(N, C, 1, T)`, T a multiple of the even `block`: `(N, block C, 1, T / block)`, the
    channels of each band together. Orthonormal."""
    turn, own, other = _windows(block, x.device)
    x = apart(x.float(), block).reshape(*x.shape[:2], block, -1).transpose(2, 3)  # (N, C, t, F)
    half = block // 2
    left, right = x[:, :, :-1, half:].flip(3), x[:, :, 1:, :half]
    inner = own * left - other * right, own * right + other * left
    folded = torch.cat(
        [torch.cat([x[:, :, :1, :half], inner[1]], 2), torch.cat([inner[0].flip(3), x[:, :, -1:, half:]], 2)], 3
    )
    return (folded @ turn).permute(0, 3, 1, 2).flatten(1, 2)[:, :, None]  # (N, F C, 1, t)


def unlapped(y: torch.Tensor, block: int) -> torch.Tensor:
    """The inverse of `lapped`."""
    turn, own, other = _windows(block, y.device)
    x = y.float().reshape(len(y), block, -1, y.shape[3]).permute(0, 2, 3, 1) @ turn  # (N, C, t, F)
    half = block // 2
    left, right = x[:, :, :-1, half:].flip(3), x[:, :, 1:, :half]
    inner = own * left + other * right, own * right - other * left
    blocks = torch.cat(
        [torch.cat([x[:, :, :1, :half], inner[1]], 2), torch.cat([inner[0].flip(3), x[:, :, -1:, half:]], 2)], 3
    )
    return together(blocks.transpose(2, 3).flatten(1, 2)[:, :, None], block)


class Analysis(nn.Module, LinearPaths):
    """Signals `(N, C, 1, T)` at a level of 1 to codes `(N, block C, 1, t)`."""

    dialled = True

    def __init__(self, channels: int, block: int, width: int) -> None:
        super().__init__()
        self.block, code = block, block * channels
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.weigh = Scale(code)
        self.branch = _branch(Scale(code), code, width, ENCODER_BLOCKS)
        self.dial = Modulate(code)

    def forward(self, x: torch.Tensor, dial: torch.Tensor | None = None) -> torch.Tensor:
        dial = torch.full((len(x),), DIAL, device=x.device) if dial is None else dial
        code = self.weighed(x)
        return self.dial(code + self.branch(code, dial), dial)  # type: ignore[no-any-return]

    def weighed(self, x: torch.Tensor) -> torch.Tensor:
        """The linear part, in which errors are counted."""
        return self.weigh(lapped(self.mix(x), self.block))  # type: ignore[no-any-return]

    def parts(self) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
        return [self.mix], [self.branch], [self.dial]


class Synthesis(nn.Module, LinearPaths):
    """The inverse of `Analysis`, as far as rounding lets."""

    dialled = True

    def __init__(self, channels: int, block: int, width: int) -> None:
        super().__init__()
        self.block, code = block, block * channels
        self.dial = Modulate(code)
        self.branch = _branch(Scale(code), code, width, DECODER_BLOCKS)
        self.weigh = Scale(code)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, code: torch.Tensor, dial: torch.Tensor | None = None) -> torch.Tensor:
        dial = torch.full((len(code),), DIAL, device=code.device) if dial is None else dial
        code = self.dial(code, dial)
        return self.mix(unlapped(self.weigh(code + self.branch(code, dial)), self.block))  # type: ignore[no-any-return]

    def parts(self) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
        return [self.mix], [self.branch], [self.dial]


def _branch(before: nn.Module, code: int, width: int, blocks: int) -> Dialled:
    hidden = [Residual(width, True, axes=1) for _ in range(blocks)]
    last = silence(nn.Conv2d(width, code, 1))
    return Dialled(before, nn.Conv2d(code, width, 1), *hidden, nn.GELU(), last, Scale(code))


@torch.no_grad()
def start(encoder: nn.Module, decoder: nn.Module, prior: Bands, x: torch.Tensor, hearing: float = 0.0) -> None:
    """Put the MDCT into both halves, and its variances into all that scales by them; `x` are training signals at a
    level of 1. A number whose deviation is usually d counts by d to the power of minus `hearing`."""
    assert isinstance(encoder, Analysis)
    assert isinstance(decoder, Synthesis)
    channels = x.shape[1]
    flat = x.transpose(0, 1).reshape(channels, -1).double()
    turn = torch.linalg.eigh(flat @ flat.T / flat.shape[1])[1].T.flip(0).float() if channels > 1 else torch.ones(1, 1)
    encoder.mix.weight.copy_(turn[:, :, None, None])
    decoder.mix.weight.copy_(turn.T[:, :, None, None])
    variances = lapped(encoder.mix(x), encoder.block).double().square().mean(dim=(0, 2, 3))
    # Bands that are silent in training may still hold something later.
    deviation = variances.clamp_min(float(variances.mean()) * 1e-4).sqrt()
    weights = deviation**-hearing
    weights *= (variances.sum() / (weights * deviation).square().sum()).sqrt()
    encoder.weigh.by.copy_(weights)
    decoder.weigh.by.copy_(1 / weights)
    deviation, variances = deviation * weights, variances * weights.square()
    for branch, share in ((encoder.branch, 1.0), (decoder.branch, 0.25)):
        first, last = branch[0], branch[-1]
        assert isinstance(first, Scale)
        assert isinstance(last, Scale)
        first.by.copy_(1 / deviation)
        last.by.copy_(share * deviation)
    prior.deviation.copy_(deviation)
    for end, decibels in enumerate(ENDS):
        prior.steps[end] = logarithmic_step(variances, len(variances), decibels)
