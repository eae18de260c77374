"""The learned density of a transform's code: differentiable bits for training.

A code is coded in passes. Each pass predicts mean and scale of its numbers from those of earlier passes and from the
dial, with a small network that `codecs.quantise` converts to integers. Channels come in groups, the largest variance
first. In an image the first group comes from coarse to fine, as in `pixels`: every 16th block, then those between,
and so on; each other group first on the white fields of a chessboard, then on the black ones (He et al., 2021,
https://arxiv.org/abs/2103.15306).
Next door: `transform` makes the code; `entropy.passes` has the order; `codecs.latents` walks it in integers.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import nn

from narrows.entropy import passes
from narrows.entropy.gaussians import CHOICE, LEAST_SCALE, MOST_SCALE
from narrows.entropy.passes import CODE_HALVINGS, QUALITIES, REACH, REFERENCE_QUALITY, CodePass, Where
from narrows.networks.klt import LinearOptimum
from narrows.networks.layers import Added, silence

# PSNR in dB of a linear code at the two ends of the dial.
ENDS = {"image": (20.0, 43.0), "vector": (20.0, 60.0), "flat": (16.0, 36.0)}
SMALL = 15.0  # dB: a variance further than this below the squared range takes its place
LEAST_DEVIATION = 2.0**-16
EARLY, LATE = 9, 24  # channels before which networks are wider, and from which they are narrower
WEIGHT = 0.15  # squared steps that one bit is worth: 0.1155 in theory for fine steps, more for coarse ones
REFERENCE_DIAL = 2 * (REFERENCE_QUALITY - 1) / (QUALITIES - 1) - 1


def groups(code: int, spatial: bool) -> tuple[int, ...]:
    """The edges of the groups of channels, each about three times (for vectors, twice) as large as the last."""
    ratio, least = (2.8, 2) if spatial else (2.0, 4)
    count = max(1, min(6, math.ceil(math.log(max(2, code) / least) / math.log(ratio))))
    inner = [max(i, round(code * ratio ** -(count - i))) for i in range(1, count)]
    return tuple(sorted({0, *inner, code}))


@functools.lru_cache(256)
def _places(where: Where, height: int, width: int, device: torch.device) -> torch.Tensor:
    """`entropy.passes.places` on a device."""
    return torch.from_numpy(passes.places(where, height, width)).to(device)


class Prior(nn.Module):
    """Gaussians of the code `(N, K)` or `(N, K, h, w)` of a transform of the samples.

    `steps` holds the binary logarithms of the quantisation steps at both ends of the dial. With `references`, the
    density is also conditioned on the code of a similar sample, if there is one. A `flat` code has one group.
    """

    logarithmic = True  # costs count by their logarithm
    steps: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, code: int, spatial: bool, width: int, references: bool = False, flat: bool = False) -> None:
        super().__init__()
        self.spatial, self.references, self.flat = spatial, references, flat
        self.edges = (0, code) if flat else groups(code, spatial)
        self.passes = passes.code_passes(self.edges, spatial)
        self.register_buffer("steps", torch.tensor([0.0, -6.0]))
        self.register_buffer("deviation", torch.ones(code))
        networks = {p.number: _network(p, width, spatial, references) for p in self.passes}
        self.networks = nn.ModuleList(networks[number] for number in sorted(networks))

    def step(self, dial: torch.Tensor) -> torch.Tensor:
        """Quantisation steps `(N,)` of dials in -1..1; equal distances of the dial are equal ratios of the step."""
        return torch.exp2(self.steps[0] + (dial + 1) / 2 * (self.steps[1] - self.steps[0]))

    def forward(
        self,
        code: torch.Tensor,
        dial: torch.Tensor,
        noise: torch.Generator | None = None,
        reference: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The code rounded to its steps, with the gradient of the identity, and the bits of each sample `(N,)`.

        With `noise`, the bits are those of a code with noise in place of rounding, which have gradients. `reference`
        are codes of other samples, as returned by `as_reference`.
        """
        flat = code.ndim == 2
        deviation, step = self.deviation.view(-1, 1, 1), self.step(dial).view(-1, 1, 1, 1)
        y = (code[:, :, None, None] if flat else code) / deviation
        known = torch.zeros_like(y)
        bits = torch.zeros(len(y), device=y.device)
        for p in self.passes:
            part = y[:, p.first : p.last, :: p.spacing, :: p.spacing]
            mask = _places(p.where, part.shape[2], part.shape[3], y.device)
            if not mask.any():
                continue
            steps = deviation[p.first : p.last] / step  # in a deviation
            mean, scale = self.predict(p, known, dial, reference).float().chunk(2, dim=1)
            scale = torch.exp2((scale + torch.log2(steps)).clamp(LEAST_SCALE, MOST_SCALE))
            offset = (part - mean) * steps
            with torch.no_grad():
                symbols = chosen(offset, scale)
            spread = None if noise is None else (torch.rand(part.shape, generator=noise) - 0.5).to(y.device)
            each = _bits(symbols if spread is None else offset + spread, scale)
            bits = bits + (each * mask).sum(dim=(1, 2, 3))
            whole = part + (mean + symbols / steps - part).detach()
            known = known.clone()
            place = known[:, p.first : p.last, :: p.spacing, :: p.spacing]
            place.copy_(torch.where(mask, whole, place))
        known = known * deviation
        return (known[:, :, 0, 0] if flat else known), bits

    def as_reference(self, code: torch.Tensor) -> torch.Tensor:
        """The code of another sample `(N, K, h, w)` about as precise as models keep references, in deviations."""
        step = self.step(torch.tensor(REFERENCE_DIAL, device=code.device))
        return (code / step).round() * step / self.deviation.view(-1, 1, 1)

    def predict(
        self, p: CodePass, known: torch.Tensor, dial: torch.Tensor, reference: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The output of the network of a pass on `known` `(N, K, h, w)` in deviations: `(N, 2 n, h, w)`, means in
        deviations and the binary logarithms of scales in deviations."""
        seen = known[:, : p.seen, :: p.spacing, :: p.spacing].clamp(-REACH, REACH)
        planes = [dial.view(-1, 1, 1, 1).expand(-1, 1, *seen.shape[2:])]
        if self.spatial:
            planes.append(torch.full_like(planes[0], math.log2(p.spacing) / CODE_HALVINGS))
        planes.append(seen)
        if self.references:
            beside = torch.zeros_like(known) if reference is None else reference
            planes.append(beside[:, : p.referred, :: p.spacing, :: p.spacing].clamp(-REACH, REACH))
        inputs = torch.cat(planes, dim=1)
        if self.spatial:
            return self.networks[p.number](inputs)  # type: ignore[no-any-return]
        return self.networks[p.number](inputs.flatten(1))[:, :, None, None]  # type: ignore[no-any-return]

    @torch.no_grad()
    def start(self, optimum: LinearOptimum) -> None:
        """Take scales from the linear optimum, and steps at which a linear code reaches the PSNRs in `ENDS`."""
        variances = torch.from_numpy(optimum.variances).double()
        values = len(optimum.mean)
        total = float(variances.sum())
        self.deviation.copy_(variances.sqrt().clamp_min(max(total**0.5 / 256, LEAST_DEVIATION)))
        for end, decibels in enumerate(ENDS["image" if self.spatial else "flat" if self.flat else "vector"]):
            # Samples that vary by far less than their range should keep that small variation.
            wanted = 10 ** (-decibels / 10) * min(values, total * 10 ** (SMALL / 10))
            low, high = -20.0, 8.0
            for _ in range(50):
                middle = (low + high) / 2
                error = float(torch.minimum(variances, torch.tensor(4.0**middle / 12)).sum())
                low, high = (middle, high) if error < wanted else (low, middle)
            self.steps[end] = low


def chosen(offset: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Integers for `offset` in steps: the nearest, or the next towards 0 if its total cost is lower."""
    near = offset.round()
    less = near - near.sign()
    saved = _bits(near, scale) - _bits(less, scale)
    return torch.where((offset - less).square() - (offset - near).square() < CHOICE * saved, less, near)


def _bits(offset: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Bits of an interval of length 1 around `offset` under a Gaussian of this deviation."""
    inside = torch.special.ndtr((0.5 - offset.abs()) / scale) - torch.special.ndtr((-0.5 - offset.abs()) / scale)
    return -torch.log2(inside.clamp_min(2.0**-18))


def _network(p: CodePass, width: int, spatial: bool, references: bool) -> nn.Sequential:
    def layer(into: int, out: int, side: int = 1) -> nn.Conv2d | nn.Linear:
        # Linear layers are several times faster than convolutions over a single place.
        return nn.Conv2d(into, out, side, padding=side // 2) if spatial else nn.Linear(into, out)

    def block() -> Added:
        return Added(layer(width, width, side), nn.ReLU(), layer(width, width))

    # Most bits of an image are in its first channels, almost none in its last.
    early, side = spatial and p.first < EARLY, 3 if spatial else 1
    width = width * 3 // 2 if early else width * 3 // 4 if spatial and p.first >= LATE else width
    last = silence(layer(width, 2 * (p.last - p.first)))
    blocks = [block(), nn.ReLU(), block()] if early else [block()]
    first = layer(1 + spatial + p.seen + references * p.referred, width, side)
    return nn.Sequential(first, nn.ReLU(), *blocks, nn.ReLU(), last)
