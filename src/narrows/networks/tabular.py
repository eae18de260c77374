"""A network that fills in missing values of vectors, such as rows of tables.

Its linear path is the linear optimum whatever is missing: the mean of a Gaussian conditioned on the known values,
with mean and covariance found by expectation maximisation on incomplete data (Dempster, Laird and Rubin, JRSS B 39,
1977). A branch, which adds nothing before training, also sees each known value's place between quantiles of its
column (Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS 2022).
Next door: `degradations.cells` says what goes in, `models.imputer` what the result means.
"""

from __future__ import annotations

import torch
from torch import nn

from narrows.networks.layers import Sum, silence

WIDTH = 256
BLOCKS = 2
BINS = 16
RIDGE = 0.01  # of the variance of each value
ROUNDS = 6  # of expectation maximisation
WORK = 5e8  # multiplications per round, rows times width cubed; larger tables are thinned evenly
HELD = 1 << 24  # numbers in memory at once
FAR = 1e3  # the edges of bins that a column does not need


class Expected(nn.Module):
    """`(N, 3W)`: values in 0..1, which of them were known, and which are left, to `(N, 3W)`: standardised values, 0
    where missing, which are left, and the expected values of a Gaussian conditioned on those."""

    mean: torch.Tensor
    deviation: torch.Tensor
    centre: torch.Tensor
    covariance: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("covariance", torch.eye(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values, _, left = x.float().chunk(3, dim=1)
        z = (values - self.mean) / self.deviation * left
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            known = (z - self.centre) * left
            weights = torch.cholesky_solve(known[:, :, None], factor(self.covariance, left))[:, :, 0]
            expected = self.centre + (weights * left) @ self.covariance
        return torch.cat([z, left, expected], dim=1)


def factor(covariance: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """Cholesky factors `(N, W, W)` of the covariance of the values left in each row, with 1 on the diagonal for
    others."""
    kept = covariance * left[:, :, None] * left[:, None, :] + torch.diag_embed(1 - left)
    factors: torch.Tensor = torch.linalg.cholesky(kept)
    return factors


class Bins(nn.Module):
    """`(N, 3W)` as returned by `Expected` to `(N, (3 + B) W)`: also, for each value that is left, how far into each
    bin of its column it lies, 0..1."""

    edges: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.full((width, BINS + 1), FAR))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z, left, expected = x.chunk(3, dim=1)
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        inside = ((z[:, :, None] - low) / (high - low).clamp_min(1e-3)).clamp(0, 1) * left[:, :, None]  # (N, W, B)
        return torch.cat([z, left, expected * (1 - left), inside.flatten(1)], dim=1)


class Last(nn.Module):
    """The last third of the input: the expected values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.chunk(3, dim=1)[2]


class Block(nn.Module):
    """Two layers whose result is added to their input `(N, K)`; zero at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normal = nn.LayerNorm(width, elementwise_affine=False)
        self.first = nn.Linear(width, 2 * width)
        self.second = silence(nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(nn.functional.gelu(self.first(self.normal(x))))  # type: ignore[no-any-return]


class Unstandardise(nn.Module):
    """Standardised values back to 0..1, not clipped."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z.float() * self.deviation + self.mean


def table(values: int, width: int) -> tuple[nn.Module, nn.Module]:
    """Halves for rows of this many values, with hidden layers of `width`."""
    branch = (nn.Linear((3 + BINS) * values, width), *(Block(width) for _ in range(BLOCKS)))
    last = silence(nn.Linear(width, values))
    normal = nn.LayerNorm(width, elementwise_affine=False)
    path = Sum(Last(), nn.Sequential(Bins(values), *branch, normal, last))
    return Expected(values), nn.Sequential(path, Unstandardise(values))


@torch.no_grad()
def start(encoder: nn.Module, decoder: nn.Module, values: torch.Tensor, known: torch.Tensor) -> None:
    """Fit the linear path and the bins to the `known` values of rows `(N, W)`."""
    path, back = decoder[0], decoder[1]  # type: ignore[index]
    count = known.sum(dim=0).clamp_min(1)
    mean = (values * known).sum(dim=0) / count
    deviation = (((values - mean) * known).square().sum(dim=0) / count).sqrt().clamp_min(1e-4)
    z = (values - mean) / deviation * known
    for part in (encoder, back):
        part.get_buffer("mean").copy_(mean)
        part.get_buffer("deviation").copy_(deviation)
    centre, covariance = moments(z, known)
    encoder.get_buffer("centre").copy_(centre)
    encoder.get_buffer("covariance").copy_(covariance)
    edges = path.branch[0].edges
    for column in range(len(edges)):
        found = _edges(z[known[:, column] > 0, column])
        edges[column, : len(found)] = found


def _edges(z: torch.Tensor) -> torch.Tensor:
    """Up to B + 1 edges of bins: all values if there are so few, else the frequent ones and quantiles of the rest."""
    each: torch.Tensor
    each, counts = torch.unique(z, return_counts=True)
    if len(each) <= BINS + 1:
        return each
    often = each[counts > len(z) / BINS]
    rest = z[~torch.isin(z, often)]
    at = torch.linspace(0, 1, BINS + 1 - len(often), dtype=torch.float64)
    found: torch.Tensor = torch.unique(torch.cat([often, torch.quantile(rest.double(), at).to(z.dtype)]))
    return found


def moments(z: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean `(W,)` and covariance `(W, W)` of a Gaussian, by expectation maximisation over standardised rows `(N, W)`,
    0 where not known; `RIDGE` is added to each variance to avoid overfitting."""
    width = z.shape[1]
    most = max(256, int(WORK / width**3))
    if len(z) > most:
        chosen = torch.linspace(0, len(z) - 1, most).long()
        z, known = z[chosen], known[chosen]
    pairs = (known.T @ known).clamp_min(1)
    found, axes = torch.linalg.eigh((z.T @ z / pairs).double())
    centre, ridge = torch.zeros(width), RIDGE * torch.eye(width)
    covariance = (axes * found.clamp_min(0) @ axes.T).to(z.dtype) + ridge
    rows = max(1, HELD // width**2)
    for _ in range(ROUNDS):
        filled, spread = [], torch.zeros(width, width)
        for some, left in zip(torch.split(z, rows), torch.split(known, rows), strict=True):
            factors = factor(covariance, left)
            inverse = torch.cholesky_inverse(factors) * left[:, :, None] * left[:, None, :]
            expected = centre + torch.einsum("nij,nj->ni", inverse, (some - centre) * left) @ covariance
            filled.append(torch.where(left > 0, some, expected))
            gone = 1 - left
            lost = covariance @ inverse @ covariance  # (n, W, W): the variance that the known values explain
            spread += ((covariance - lost) * gone[:, :, None] * gone[:, None, :]).sum(dim=0)
        whole = torch.cat(filled)
        centre = whole.mean(dim=0)
        covariance = ((whole - centre).T @ (whole - centre) + spread) / len(whole) + ridge
    return centre, covariance
