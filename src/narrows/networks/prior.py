"""The learned density of a transform's code: differentiable bits for training.

A code is coded in passes. Each pass predicts mean and scale of its numbers from those of earlier passes and from the
dial, with a small network that `codecs.quantise` converts to integers. Channels come in groups, the largest variance
first. In an image the first group comes from coarse to fine, as in `pixels`: every 16th block, then those between,
and so on; each other group first on the white fields of a chessboard, then on the black ones (He et al., 2021,
https://arxiv.org/abs/2103.15306).
Next door: `transform` makes the code, `pyramid` one of two resolutions; `entropy.passes` has the order;
`codecs.latents` walks it in integers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

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
Sight = tuple[int, int]
"""Of a network that sees its surroundings once: its width, and the side of the square of blocks that it sees."""


def groups(code: int, spatial: bool) -> tuple[int, ...]:
    """The edges of the groups of channels, each about three times (for vectors, twice) as large as the last."""
    ratio, least = (2.8, 2) if spatial else (2.0, 4)
    count = max(1, min(6, math.ceil(math.log(max(2, code) / least) / math.log(ratio))))
    inner = [max(i, round(code * ratio ** -(count - i))) for i in range(1, count)]
    return tuple(sorted({0, *inner, code}))


@functools.lru_cache(256)
def _places(where: Where, height: int, width: int, device: torch.device) -> torch.Tensor:
    """The numbers of the places of `entropy.passes.places` in a flattened grid."""
    return torch.from_numpy(passes.places(where, height, width)).to(device).flatten().nonzero()[:, 0]


class Predictor(nn.Module):
    """The network of a pass: what is known, `(N, h, w, I)`, to predictions at some of the places, `(N, M, O)`.

    `around` are convolutions, which see neighbours; `within` follows at the chosen places alone.
    """

    def __init__(self, around: Sequence[nn.Module], within: Sequence[nn.Module]) -> None:
        super().__init__()
        self.around, self.within = nn.Sequential(*around), nn.Sequential(*within)

    def forward(self, x: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        """`at` are the numbers of the chosen places, None for all."""
        x = self.around(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).flatten(1, 2)
        return self.within(x if at is None else x.index_select(1, at))  # type: ignore[no-any-return]

    @property
    def layers(self) -> tuple[nn.Module, ...]:
        """All layers in a row."""
        return (*self.around, *self.within)


class Prior(nn.Module):
    """Gaussians of the code `(N, K)` or `(N, K, h, w)` of a transform of the samples.

    `steps` holds the binary logarithms of the quantisation steps at both ends of the dial. With `references`, the
    density is also conditioned on the code of a similar sample, if there is one; `beside` counts channels that are
    known before the code and that it is always conditioned on. A `flat` code has one group. `edges` and `sights` say
    how channels are grouped and what the network of each group sees, where that is not as usual.
    """

    logarithmic = True  # costs count by their logarithm
    steps: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        code: int,
        spatial: bool,
        width: int,
        references: bool = False,
        flat: bool = False,
        beside: int = 0,
        edges: Sequence[int] = (),
        sights: Sequence[Sight] = (),
    ) -> None:
        super().__init__()
        self.spatial, self.references, self.flat, self.beside = spatial, references, flat, beside
        self.edges = tuple(edges) or ((0, code) if flat else groups(code, spatial))
        self.passes = passes.code_passes(self.edges, spatial, beside)
        self.register_buffer("steps", torch.tensor([0.0, -6.0]))
        self.register_buffer("deviation", torch.ones(code))
        networks: dict[int, Predictor] = {}
        for p in self.passes:
            inputs = 1 + spatial + p.seen + (references or beside > 0) * p.referred
            sight = sights[self.edges.index(p.first)] if sights else None
            networks[p.number] = _predictor(p, inputs, sight) if sight else _network(p, inputs, width, spatial)
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
        is what lies beside the code: codes of other samples, as returned by `as_reference`, or the channels that it
        is always conditioned on, in deviations.
        """
        flat = code.ndim == 2
        deviation, step = self.deviation.view(-1, 1, 1), self.step(dial).view(-1, 1, 1)
        y = ((code[:, :, None, None] if flat else code) / deviation).permute(0, 2, 3, 1)
        count, height, width, _ = y.shape
        beside = None if reference is None else reference.permute(0, 2, 3, 1)
        known: list[torch.Tensor] = []  # the groups, each `(N, h, w, n)`
        bits = torch.zeros(count, device=y.device)
        for p in self.passes:
            if p.seen == p.first:  # the first pass of a group
                known.append(y.new_zeros((count, height, width, p.last - p.first)))
            part = y[:, :: p.spacing, :: p.spacing, p.first : p.last]
            at = None if p.where == "all" else _places(p.where, part.shape[1], part.shape[2], y.device)
            if at is not None and not len(at):
                continue
            steps = self.deviation[p.first : p.last] / step  # in a deviation
            mean, scale = self.predict(p, known, dial, beside, at).float().chunk(2, dim=2)
            scale = torch.exp2((scale + torch.log2(steps)).clamp(LEAST_SCALE, MOST_SCALE))
            own = part.flatten(1, 2) if at is None else part.flatten(1, 2).index_select(1, at)
            offset = (own - mean) * steps
            with torch.no_grad():
                symbols = chosen(offset, scale)
            spread = None if noise is None else (torch.rand(own.shape, generator=noise) - 0.5).to(y.device)
            bits = bits + bits_of(symbols if spread is None else offset + spread, scale).sum(dim=(1, 2))
            whole = own + (mean + symbols / steps - own).detach()
            place = known[-1][:, :: p.spacing, :: p.spacing]
            filled = (whole if at is None else place.flatten(1, 2).index_copy(1, at, whole)).view(place.shape)
            if p.spacing > 1:
                known[-1] = known[-1].clone()
                known[-1][:, :: p.spacing, :: p.spacing] = filled
            else:
                known[-1] = filled
        rounded = torch.cat(known, dim=3).permute(0, 3, 1, 2) * deviation
        return (rounded[:, :, 0, 0] if flat else rounded), bits

    def as_reference(self, code: torch.Tensor) -> torch.Tensor:
        """The code of another sample `(N, K, h, w)` about as precise as models keep references, in deviations."""
        step = self.step(torch.tensor(REFERENCE_DIAL, device=code.device))
        return (code / step).round() * step / self.deviation.view(-1, 1, 1)

    def predict(
        self,
        p: CodePass,
        known: Sequence[torch.Tensor],
        dial: torch.Tensor,
        beside: torch.Tensor | None = None,
        at: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What the network of a pass says at the places `at` (all, if None): `(N, M, 2 n)`, means in deviations and
        the binary logarithms of scales in deviations.

        `known` are groups of channels `(N, h, w, n)` in deviations, of which it sees its own share, and so is
        `beside`.
        """
        parts = [group[:, :: p.spacing, :: p.spacing] for group in known]
        size = parts[0].shape[:3]
        planes = [dial.view(-1, 1, 1, 1).expand(*size, 1)]
        if self.spatial:
            planes.append(torch.full_like(planes[0], math.log2(p.spacing) / CODE_HALVINGS))
        if p.seen:
            planes.append(torch.cat(parts, dim=3)[..., : p.seen].clamp(-REACH, REACH))
        if self.references or self.beside:
            there = parts[0].new_zeros((*size, p.referred))
            if beside is not None:
                there = beside[:, :: p.spacing, :: p.spacing, : p.referred].clamp(-REACH, REACH)
            planes.append(there)
        return self.networks[p.number](torch.cat(planes, dim=3), at)  # type: ignore[no-any-return]

    @torch.no_grad()
    def start(self, optimum: LinearOptimum) -> None:
        """Take scales from the linear optimum, and steps at which a linear code reaches the PSNRs in `ENDS`."""
        variances = torch.from_numpy(optimum.variances).double()
        self.scale(variances, float(variances.sum()))
        for end, decibels in enumerate(ENDS["image" if self.spatial else "flat" if self.flat else "vector"]):
            self.steps[end] = logarithmic_step(variances, len(optimum.mean), decibels)

    @torch.no_grad()
    def scale(self, variances: torch.Tensor, total: float) -> None:
        """Take scales from the variances `(K,)` of the code, none of them far below the `total` variance."""
        self.deviation.copy_(variances.sqrt().clamp_min(max(total**0.5 / 256, LEAST_DEVIATION)))


def logarithmic_step(variances: torch.Tensor, values: int, decibels: float) -> float:
    """The binary logarithm of the step at which a linear code of these variances reaches a PSNR, in samples of so
    many values."""
    # Samples that vary by far less than their range should keep that small variation.
    wanted = 10 ** (-decibels / 10) * min(values, float(variances.sum()) * 10 ** (SMALL / 10))
    low, high = -20.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        error = float(torch.minimum(variances, torch.tensor(4.0**middle / 12)).sum())
        low, high = (middle, high) if error < wanted else (low, middle)
    return low


def chosen(offset: torch.Tensor, scale: torch.Tensor, worth: float = CHOICE) -> torch.Tensor:
    """Integers for `offset` in steps: the nearest, or the next towards 0 if its total cost is lower, where a bit is
    worth so many squared steps."""
    near = offset.round()
    less = near - near.sign()
    saved = bits_of(near, scale) - bits_of(less, scale)
    return torch.where((offset - less).square() - (offset - near).square() < worth * saved, less, near)


def bits_of(offset: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Bits of an interval of length 1 around `offset` under a Gaussian of this deviation."""
    inside = torch.special.ndtr((0.5 - offset.abs()) / scale) - torch.special.ndtr((-0.5 - offset.abs()) / scale)
    return -torch.log2(inside.clamp_min(2.0**-18))


def _predictor(p: CodePass, inputs: int, sight: Sight) -> Predictor:
    """A network that sees its surroundings once and then thinks about single places."""
    width, side = sight
    last = silence(nn.Linear(width, 2 * (p.last - p.first)))
    blocks = [Added(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)) for _ in range(2)]
    within = [nn.ReLU(), blocks[0], nn.ReLU(), blocks[1], nn.ReLU(), last]
    return Predictor([nn.Conv2d(inputs, width, side, padding=side // 2)], within)


def _network(p: CodePass, inputs: int, width: int, spatial: bool) -> Predictor:
    """A network whose blocks see their surroundings again, or one for vectors."""

    def layer(into: int, out: int, side: int = 1) -> nn.Conv2d | nn.Linear:
        # Linear layers are several times faster than convolutions over a single place.
        return nn.Conv2d(into, out, side, padding=side // 2) if spatial else nn.Linear(into, out)

    def block() -> Added:
        return Added(layer(width, width, side), nn.ReLU(), layer(width, width))

    # Most bits of an image are in its first channels, almost none in its last.
    early, side = spatial and p.first < EARLY, 3 if spatial else 1
    width = width * 3 // 2 if early else width * 3 // 4 if spatial and p.first >= LATE else width
    last = silence(nn.Linear(width, 2 * (p.last - p.first)))
    blocks = [block(), nn.ReLU(), block()] if early else [block()]
    all_but_last = [layer(inputs, width, side), nn.ReLU(), *blocks]
    return Predictor(all_but_last, [nn.ReLU(), last]) if spatial else Predictor([], [*all_but_last, nn.ReLU(), last])
