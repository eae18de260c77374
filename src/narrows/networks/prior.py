"""The learned density of a quantised code: differentiable bits for training.

A code is coded in passes. Each pass predicts mean and scale of its own numbers from the numbers of the passes before
and from the step of the quantisation, with a small network that `coding.exact` can put into whole numbers. The first
pass knows the step alone. Vector codes pass from the largest channels to the smallest; spatial ones do so first for
every second position, as on a chessboard, and then for those between.
Next door: `training.objective` spends the bits; `coding.lossy` makes integer tables of the same numbers.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from narrows.networks.start import LinearOptimum

QUALITIES = 100
LEAST_SCALE, MOST_SCALE = -3.5, 11.0  # of a Gaussian in steps, as powers of 2
SMALLEST, LARGEST = 17.0, 43.0  # dB that a linear code would reach at quality 1 and 100


class Prior(nn.Module):
    """Gaussians of the code `(N, K)` or `(N, K, h, w)`, in units of the samples' own values times a rotation.

    `steps` holds the binary logarithms of the quantisation steps at quality 1 and 100.
    """

    steps: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, code: int, spatial: bool, hidden: int = 0) -> None:
        super().__init__()
        self.spatial = spatial
        hidden = hidden or min(256, max(32, 2 * code))
        self.edges = [0, *sorted({max(1, code // 16), max(1, code // 4), code})] if spatial else _edges(code)
        side = 3 if spatial else 1
        self.register_buffer("steps", torch.tensor([0.0, -6.0]))
        self.register_buffer("deviation", torch.ones(code))
        self.networks = nn.ModuleList()
        for _ in range(2 if spatial else 1):
            for first, last in zip(self.edges, self.edges[1:], strict=False):
                out = nn.Conv2d(hidden, 2 * (last - first), 1)
                nn.init.zeros_(out.weight)
                nn.init.zeros_(out.bias)  # type: ignore[arg-type]
                self.networks.append(
                    nn.Sequential(
                        nn.Conv2d(1 + (code if spatial else first), hidden, side, padding=side // 2),
                        nn.ReLU(),
                        nn.Conv2d(hidden, hidden, side, padding=side // 2),
                        nn.ReLU(),
                        out,
                    )
                )

    def step(self, dial: torch.Tensor) -> torch.Tensor:
        """Quantisation steps `(N,)` of dials in -1..1; equal distances of the dial are equal ratios of the step."""
        return torch.exp2(self.steps[0] + (dial + 1) / 2 * (self.steps[1] - self.steps[0]))

    def forward(
        self, code: torch.Tensor, dial: torch.Tensor, noise: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The code rounded to its steps, with gradients as if it were not, and the bits of each sample `(N,)`.

        Given random numbers, the bits are those of a code with noise in place of rounding, which have gradients.
        """
        flat = code.ndim == 2
        y = code[:, :, None, None] if flat else code
        step = self.step(dial).view(-1, 1, 1, 1)
        known = torch.zeros_like(y)
        dial_plane = dial.view(-1, 1, 1, 1).expand(-1, 1, *y.shape[2:])
        bits = torch.zeros(len(y), device=y.device)
        shift = None if noise is None else (torch.rand(y.shape, generator=noise) - 0.5).to(y.device)
        number = 0
        for mask in self.masks(y):
            for first, last in zip(self.edges, self.edges[1:], strict=False):
                seen = len(self.deviation) if self.spatial else first
                inputs = torch.cat([dial_plane, known[:, :seen] / self.deviation[:seen].view(-1, 1, 1)], dim=1)
                mean, scale = self.predict(number, inputs).float().chunk(2, dim=1)
                number += 1
                deviation = self.deviation[first:last].view(-1, 1, 1)
                mean = mean * deviation
                scale = torch.exp2((scale + torch.log2(deviation / step)).clamp(LEAST_SCALE, MOST_SCALE))
                offset = (y[:, first:last] - mean) / step
                whole = offset + (offset.round() - offset).detach()
                each = _bits(whole if shift is None else offset + shift[:, first:last], scale)
                bits = bits + (each * mask).sum(dim=(1, 2, 3))
                known = torch.cat(
                    [known[:, :first], known[:, first:last] + mask * (mean + step * whole), known[:, last:]], dim=1
                )
        return (known[:, :, 0, 0] if flat else known), bits

    def predict(self, number: int, inputs: torch.Tensor) -> torch.Tensor:
        """What network `number` says: `(N, 2 n, h, w)`, mean and scale of the n channels of its pass."""
        network = self.networks[number]
        if self.spatial:
            return network(inputs)  # type: ignore[no-any-return]
        x = inputs[:, :, 0, 0]  # as plain products, which are several times faster
        for layer in network:  # type: ignore[attr-defined]
            x = functional.linear(x, layer.weight[:, :, 0, 0], layer.bias) if hasattr(layer, "weight") else layer(x)
        return x[:, :, None, None]

    def masks(self, y: torch.Tensor) -> list[torch.Tensor]:
        """Which positions each round of passes codes: `(1, 1, h, w)` of 0 and 1."""
        if not self.spatial:
            return [torch.ones_like(y[:1, :1])]
        rows, columns = (torch.arange(n, device=y.device) for n in y.shape[2:])
        odd = ((rows[:, None] + columns) % 2).to(y.dtype)[None, None]
        return [1 - odd, odd]

    @torch.no_grad()
    def start(self, optimum: LinearOptimum) -> None:
        """Take scales from the linear optimum, and steps such that a linear code would reach the PSNRs above."""
        variances = torch.from_numpy(optimum.variances).double()
        values = len(optimum.mean)
        self.deviation.copy_(variances.sqrt().clamp_min(float(variances.sum()) ** 0.5 / 256))
        for end, decibels in enumerate((SMALLEST, LARGEST)):
            wanted = values * 10 ** (-decibels / 10)
            low, high = -20.0, 8.0
            for _ in range(50):
                middle = (low + high) / 2
                error = float(torch.minimum(variances, torch.tensor(4.0**middle / 12)).sum())
                low, high = (middle, high) if error < wanted else (low, middle)
            self.steps[end] = low


def _bits(offset: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Bits of an interval of length 1 around `offset` under a Gaussian of this deviation."""
    inside = torch.special.ndtr((0.5 - offset.abs()) / scale) - torch.special.ndtr((-0.5 - offset.abs()) / scale)
    return -torch.log2(inside.clamp_min(2.0**-18))


def _edges(code: int) -> list[int]:
    """Where the groups of channels begin and end: the first is small, each of the others about twice the last."""
    count = max(1, min(6, math.ceil(math.log2(max(2, code) / 4))))
    inner = [max(i, round(code * 2.0 ** -(count - i) * 1.0)) for i in range(1, count)]
    return [0, *inner, code]
