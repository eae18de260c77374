"""The learned density of a signal's code, block by block: how large numbers are, from those that are known.

Code numbers are whole steps. Those of a block come in rounds, every 16th band first, then those between, and so on. A
small network, the same for all bands and blocks, predicts the scale of each from the sizes of numbers near it: in the
blocks before, as far back as `entropy.rounds` says, and in earlier rounds of its own block. Signs are not predicted.
Next door: `lapped` makes the code; `prior` is the density of codes of images; `codecs.bands` walks it in integers.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from narrows.entropy.gaussians import CHOICE, LEAST_SCALE, MOST_SCALE
from narrows.entropy.rounds import MEMORIES, PAST, ROUNDS
from narrows.networks.layers import Added, silence
from narrows.networks.prior import Predictor, bits_of, chosen

WIDTH = 48
SIDE = 13  # bands that a network sees at once
INPUTS = 3 + PAST + len(MEMORIES) + 1
ZEROED = 0.15  # steps by which 0 reaches further than other numbers, where the density is not known yet


class Bands(nn.Module):
    """Gaussians around 0 of the numbers of codes `(N, K, 1, t)`.

    `steps` holds the binary logarithms of the quantisation steps at both ends of the dial, `deviation` `(K,)` what
    each number is usually like; a bit is `worth` so many squared steps when a number is chosen.
    """

    logarithmic = True  # costs count by their logarithm
    steps: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, count: int, width: int = WIDTH, worth: float = CHOICE) -> None:
        super().__init__()
        self.worth = worth
        self.register_buffer("steps", torch.tensor([0.0, -6.0]))
        self.register_buffer("deviation", torch.ones(count))
        self.networks = nn.ModuleList(_network(width) for _ in ROUNDS)

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

        With `noise`, the bits are those of a code with noise in place of rounding, which have gradients.
        """
        assert reference is None
        offset = code[:, :, 0].transpose(1, 2) / self.step(dial).view(-1, 1, 1)  # (N, t, K)
        with torch.no_grad():
            near = offset.sign() * (offset.abs() + 0.5 - ZEROED).floor().clamp_min(0)
            planes = self.planes(near, dial)
        scale = self.scales(planes, near)
        spread = None if noise is None else torch.rand(offset.shape, generator=noise).to(offset.device) - 0.5
        with torch.no_grad():
            symbols = chosen(offset, scale, self.worth)
        bits = bits_of(symbols if spread is None else offset + spread, scale).sum(dim=(1, 2))
        whole = (offset + (symbols - offset).detach()) * self.step(dial).view(-1, 1, 1)
        return whole.transpose(1, 2)[:, :, None], bits

    def planes(self, symbols: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
        """What networks see of all blocks but the own one: `(N t, INPUTS - 1, K)` of symbols `(N, t, K)`."""
        length = symbols.shape[1]
        size = sizes(symbols)
        base = self.base(dial)[:, None].expand_as(size)
        place = torch.linspace(0, 1, size.shape[2], device=size.device).expand_as(size)
        seen = [base, place, dial.view(-1, 1, 1).expand_as(size)]
        for back in range(1, PAST + 1):
            seen.append(functional.pad(size, (0, 0, back, 0))[:, :length])
        for shift in MEMORIES:
            memory, all_of_it = torch.zeros_like(size[:, 0]), []
            for block in range(length):
                all_of_it.append(memory)
                memory = memory + (size[:, block] - memory) * 2.0**-shift
            seen.append(torch.stack(all_of_it, dim=1))
        return torch.stack(seen, dim=2).flatten(0, 1)

    def base(self, dial: torch.Tensor) -> torch.Tensor:
        """The binary logarithm of each number's deviation in steps, `(N, K)`."""
        return torch.log2(self.deviation) - torch.log2(self.step(dial))[:, None]

    def scales(self, planes: torch.Tensor, symbols: torch.Tensor) -> torch.Tensor:
        """Deviations in steps `(N, t, K)`."""
        size, base = sizes(symbols).flatten(0, 1), planes[:, 0]  # (N t, K)
        found = torch.zeros_like(size)
        for number, network in enumerate(self.networks):
            assert isinstance(network, Predictor)
            at = ROUNDS[number]
            x = torch.cat([planes, known_before(size, number)[:, None]], dim=1)[:, :, None]
            # Only the places that are wanted: the convolution of `Predictor`, with a stride.
            first = network.around[0]
            assert isinstance(first, nn.Conv2d)
            x = functional.pad(x, (SIDE // 2, SIDE // 2))[..., at.start or 0 :]
            x = functional.conv2d(x, first.weight, first.bias, (1, at.step))  # (N t, W, 1, M)
            found[:, at] = network.within(x[:, :, 0].transpose(1, 2))[..., 0]
        return torch.exp2((base + found).clamp(LEAST_SCALE, MOST_SCALE)).view(symbols.shape)


def known_before(size: torch.Tensor, number: int) -> torch.Tensor:
    """Sizes `(..., K)` with 0 for those that come in round `number` or later."""
    known = torch.zeros_like(size)
    for at in ROUNDS[:number]:
        known[..., at] = size[..., at]
    return known


def sizes(symbols: torch.Tensor) -> torch.Tensor:
    """About the binary logarithm of 1 + |symbol|, linear between powers of 2, as whole numbers can tell it."""
    above = symbols.abs() + 1
    power = torch.floor(torch.log2(above) + 1e-6)
    return power + above * torch.exp2(-power) - 1


def _network(width: int) -> Predictor:
    last = silence(nn.Linear(width, 1))
    blocks = [Added(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)) for _ in range(2)]
    around = nn.Conv2d(INPUTS, width, (1, SIDE), padding=(0, SIDE // 2))
    return Predictor([around], [nn.ReLU(), blocks[0], nn.ReLU(), blocks[1], nn.ReLU(), last])
