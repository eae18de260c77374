"""A transform for photographs in two resolutions, with nonlinear branches from fine to coarse and back.

Before training it is linear: a KLT of blocks of 8x8 pixels, and of the first channels of 2x2 such blocks another KLT,
so that what is smooth is coded at a sixteenth of the resolution. A branch beside it sees the image at a half, a
quarter and an eighth of its resolution, where the same weights serve every place; in the decoder it also sees what
the linear path made, as a filter in the loop of a classical codec does. It adds nothing before training.
Next door: `prior` has the density of one resolution; `transform` does without the second one.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from narrows.networks.klt import LinearOptimum, linear_optimum
from narrows.networks.layers import DIAL, Clamp, LinearPaths, Modulate, Narrow, Residual, Scale, Standardise, silence
from narrows.networks.prior import ENDS, Prior, logarithmic_step
from narrows.networks.transform import deviations, put

FOLD = 8  # pixels a side of a block
STEP = 2 * FOLD  # of a coarse block
WIDTH = 128  # channels at an eighth of the resolution; a half of them at a quarter, a quarter at a half
BLOCKS = (1, 1, 2)  # pairs of convolutions, from fine to coarse
SMOOTH = 4  # channels for each of the image's that are coded in coarse blocks
COARSE_SHARES, FINE_SHARES = (4 / 3, 14 / 3), (4, 19)  # for each of the image's channels: where groups of them end
COARSE_SIGHTS, FINE_SIGHTS = ((128, 7), (128, 5), (96, 3)), ((128, 5), (96, 3), (64, 3))


class Fold(nn.Module):
    """From blocks `(N, K, h, w)` to coarse blocks `(N, 4 K, h/2, w/2)`: the first `smooth` channels of all four,
    turned so that few have most of their variance, then the other channels as they are."""

    def __init__(self, smooth: int) -> None:
        super().__init__()
        self.smooth = smooth
        self.turn = nn.Conv2d(4 * smooth, 4 * smooth, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        smooth, others = (functional.pixel_unshuffle(part, 2) for part in self.parted(x))
        return torch.cat([self.turn(smooth), others], dim=1)

    def parted(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The first channels of blocks, and the others."""
        return x[:, : self.smooth], x[:, self.smooth :]


class Unfold(nn.Module):
    """The inverse: from coarse blocks to blocks."""

    def __init__(self, smooth: int) -> None:
        super().__init__()
        self.turn = nn.Conv2d(4 * smooth, 4 * smooth, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.turn.in_channels
        parts = self.turn(x[:, :first]), x[:, first:]
        return torch.cat([functional.pixel_shuffle(part, 2) for part in parts], dim=1)


class Analysis(nn.Module, LinearPaths, Narrow):
    """Images `(N, C, H, W)`, sides multiples of 16, to the code `(N, 256 C, H/16, W/16)`."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        values, widths = channels * FOLD**2, (width // 4, width // 2, width)
        self.standardise = Standardise()
        firsts = [nn.Conv2d(4 * channels, widths[0], 3, padding=1)]
        firsts += [nn.Conv2d(4 * fine, coarse, 1) for fine, coarse in pairwise(widths)]
        self.firsts = nn.ModuleList(firsts)
        self.levels = nn.ModuleList(_level(w, count) for w, count in zip(widths, BLOCKS, strict=True))
        self.last = silence(nn.Conv2d(width, values, 1))
        self.scale = Scale(values)
        self.linear = nn.Conv2d(values, values, 1)
        self.dial = Modulate(values)
        self.fold = Fold(SMOOTH * channels)

    def forward(self, x: torch.Tensor, dial: torch.Tensor | None = None) -> torch.Tensor:
        dial = _known(dial, x)
        y = self.standardise(x)
        with self.precision(x):
            for first, level in zip(self.firsts, self.levels, strict=True):
                y = first(functional.pixel_unshuffle(y, 2))
                for block in level:  # type: ignore[attr-defined]
                    y = block(y, dial)
            y = self.last(functional.gelu(y))
        y = self.linear(functional.pixel_unshuffle(x, FOLD)) + self.scale(y)
        return self.fold(self.dial(y, dial))  # type: ignore[no-any-return]

    def parts(self) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
        branch = nn.ModuleList([self.firsts, self.levels, self.last])
        return [self.linear, self.fold], [branch], [self.dial]


class Synthesis(nn.Module, LinearPaths, Narrow):
    """The code back to images in 0..1."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        values, widths = channels * FOLD**2, (width, width // 2, width // 4)
        self.unfold = Unfold(SMOOTH * channels)
        self.dial = Modulate(values)
        self.linear = nn.Conv2d(values, values, 1)
        self.scale = Scale(values)
        firsts = [nn.Conv2d(values, width, 1), *(nn.Conv2d(coarse, 4 * fine, 1) for coarse, fine in pairwise(widths))]
        self.firsts = nn.ModuleList(firsts)
        self.levels = nn.ModuleList(_level(w, count) for w, count in zip(widths, reversed(BLOCKS), strict=True))
        self.beside = nn.Conv2d(4 * channels, widths[-1], 3, padding=1)
        self.last = silence(nn.Conv2d(widths[-1], 4 * channels, 3, padding=1))
        self.amplitude = Scale()
        self.clamp = Clamp()

    def forward(self, code: torch.Tensor, dial: torch.Tensor | None = None) -> torch.Tensor:
        dial = _known(dial, code)
        y = self.dial(self.unfold(code), dial)
        x = functional.pixel_shuffle(self.linear(y), FOLD)
        with self.precision(x):
            y = self.firsts[0](self.scale(y))
            for number, level in enumerate(self.levels):
                if number:
                    y = functional.pixel_shuffle(self.firsts[number](y), 2)
                if number == len(self.levels) - 1:
                    y = y + self.beside(functional.pixel_unshuffle(x - 0.5, 2))
                for block in level:  # type: ignore[attr-defined]
                    y = block(y, dial)
            y = functional.pixel_shuffle(self.last(functional.gelu(y)), 2)
        return self.clamp(x + self.amplitude(y))  # type: ignore[no-any-return]

    def parts(self) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
        branch = nn.ModuleList([self.firsts, self.levels, self.beside, self.last])
        return [self.linear, self.unfold], [branch], [self.dial]


class PyramidPrior(nn.Module):
    """Gaussians of the code: the coarse channels from coarse to fine, then the others at twice the resolution,
    conditioned on what the coarse ones say about their place."""

    logarithmic = True  # costs count by their logarithm
    variances: torch.Tensor
    back: torch.Tensor

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.smooth, fine = SMOOTH * channels, (FOLD**2 - SMOOTH) * channels
        sights = [[(w * width // WIDTH, side) for w, side in part] for part in (COARSE_SIGHTS, FINE_SIGHTS)]
        edges = (0, *(round(channels * share) for share in COARSE_SHARES), 4 * self.smooth)
        self.coarse = Prior(4 * self.smooth, True, 0, edges=edges, sights=sights[0])
        edges = (0, *(round(channels * share) for share in FINE_SHARES), fine)
        self.fine = Prior(fine, True, 0, beside=self.smooth, edges=edges, sights=sights[1])
        # Those of the coarse channels at the start, and the way back from them to the first channels of blocks, in
        # deviations. Neither is trained.
        self.register_buffer("variances", torch.zeros(4 * self.smooth))
        self.register_buffer("back", torch.eye(4 * self.smooth))

    def step(self, dial: torch.Tensor) -> torch.Tensor:
        """Quantisation steps `(N,)` of dials in -1..1; equal distances of the dial are equal ratios of the step."""
        return self.coarse.step(dial)

    def forward(
        self,
        code: torch.Tensor,
        dial: torch.Tensor,
        noise: torch.Generator | None = None,
        reference: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The code rounded, and the bits of each sample, as `Prior`; there are no references."""
        coarse, fine = self.parted(code)
        coarse, bits = self.coarse(coarse, dial, noise)
        fine, more = self.fine(fine, dial, noise, self.context(coarse))
        return torch.cat([coarse, functional.pixel_unshuffle(fine, 2)], dim=1), bits + more

    def parted(self, code: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The coarse channels `(N, 4 S, h, w)`, and the others in blocks, `(N, K, 2 h, 2 w)`."""
        first = 4 * self.smooth
        return code[:, :first], functional.pixel_shuffle(code[:, first:], 2)

    def context(self, coarse: torch.Tensor) -> torch.Tensor:
        """What coarse channels say about the first S channels of blocks, `(N, S, 2 h, 2 w)`, in deviations."""
        return functional.pixel_shuffle(functional.conv2d(coarse, self.back[:, :, None, None]), 2)

    @torch.no_grad()
    def start(self, optimum: LinearOptimum) -> None:
        """Take scales from the linear optimum and from what `start` found, and steps at which such a code reaches the
        PSNRs in `ENDS`."""
        blocks = torch.from_numpy(optimum.variances).double()
        found = self.variances.double().cpu()
        # Where nothing was found, four blocks have nothing in common.
        coarse = found if bool(found.any()) else blocks[: self.smooth].repeat_interleave(4)
        for prior, own in ((self.coarse, coarse), (self.fine, blocks[self.smooth :])):
            prior.scale(own, float(blocks.sum()))
        whole, values = torch.cat([coarse, blocks[self.smooth :].repeat(4)]), 4 * len(optimum.mean)
        for end, decibels in enumerate(ENDS["image"]):
            self.coarse.steps[end] = self.fine.steps[end] = logarithmic_step(whole, values, decibels)


@torch.no_grad()
def start(
    prior: PyramidPrior, encoder: nn.Module, decoder: nn.Module, optimum: LinearOptimum, x: torch.Tensor
) -> None:
    """Put the linear optimum into both halves, then that of the first channels of 2x2 blocks into both and into the
    density; `x` are training samples in 0..1."""
    assert isinstance(encoder, Analysis)
    assert isinstance(decoder, Synthesis)
    mean, components = torch.from_numpy(optimum.mean), torch.from_numpy(optimum.components)
    put(encoder.linear, components, -components @ mean)
    put(decoder.linear, components.T, mean)
    encoder.standardise.measure(x)
    encoder.scale.by.copy_(deviations(optimum))
    decoder.scale.by.copy_(1 / deviations(optimum))
    decoder.amplitude.by.fill_(0.25 * encoder.standardise.deviation)
    below, right = (-n % STEP for n in x.shape[2:])
    whole = functional.pad(x, (0, right, 0, below), mode="replicate")
    blocks = encoder.linear(functional.pixel_unshuffle(whole, FOLD))
    smooth, _ = encoder.fold.parted(blocks)
    second = linear_optimum([smooth], 4 * encoder.fold.smooth, 2)
    turn = torch.from_numpy(second.components)
    encoder.fold.turn.weight.copy_(turn[:, :, None, None])
    decoder.unfold.turn.weight.copy_(turn.T[:, :, None, None])
    prior.variances.copy_(torch.from_numpy(second.variances))
    prior.back.copy_(turn.T / deviations(optimum)[: encoder.fold.smooth].repeat_interleave(4)[:, None])


def _level(width: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(Residual(width, True) for _ in range(count))


def _known(dial: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    return torch.full((len(x),), DIAL, device=x.device) if dial is None else dial
