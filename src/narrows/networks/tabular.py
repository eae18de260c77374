"""A network that fills in what is missing of vectors, such as rows of tables.

Its linear path is the linear optimum whatever is missing: the mean of a Gaussian given what is known, with
mean and covariance found by expectation maximisation on data that have holes themselves (Dempster, Laird and Rubin,
JRSS B 39, 1977). Beside it a branch, which adds nothing before training, sees the same and each known value's place
between quantiles of its column (Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning",
NeurIPS 2022). Next door: `data.cells` says what goes in, `restore` what the answer means.
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
WORK = 5e8  # multiplications in a round, rows times width cubed; larger tables are thinned evenly
HELD = 1 << 24  # numbers in memory at once
FAR = 1e3  # where bins end that a column has no need of


class Expected(nn.Module):
    """Values in 0..1, what was known of them, and which are still left, `(N, 3W)`, to standardised values, 0 where
    they are missing, which are left, and what a Gaussian expects of all, `(N, 3W)`."""

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
            expected = self.centre + given_left(self.covariance, (z - self.centre) * left, left)
        return torch.cat([z, left, expected], dim=1)


def given_left(covariance: torch.Tensor, z: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """The expected values `(N, W)` of a Gaussian of mean 0, given those of `z` that are `left`."""
    weights = torch.cholesky_solve(z[:, :, None], factor(covariance, left))[:, :, 0]
    return (weights * left) @ covariance


def factor(covariance: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """Cholesky factors `(N, W, W)` of the covariance of what is left in each row, the identity where nothing is."""
    kept = covariance * left[:, :, None] * left[:, None, :] + torch.diag_embed(1 - left)
    factors: torch.Tensor = torch.linalg.cholesky(kept)
    return factors


class Bins(nn.Module):
    """`(N, 3W)` as `Expected` gives them, with how far each value that is left lies in each bin of its column, 0..1:
    `(N, (3 + B) W)`."""

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
    """The last third of what comes in: what a Gaussian expects."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.chunk(3, dim=1)[2]


class Block(nn.Module):
    """Two layers whose result is added to their input `(N, K)`; at first nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normal = nn.LayerNorm(width, elementwise_affine=False)
        self.first = nn.Linear(width, 2 * width)
        self.second = nn.Linear(2 * width, width)
        silence(self.second)

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
    """Halves for rows of so many values, with hidden layers of `width`."""
    branch = (nn.Linear((3 + BINS) * values, width), *(Block(width) for _ in range(BLOCKS)))
    last = nn.Linear(width, values)
    silence(last)
    normal = nn.LayerNorm(width, elementwise_affine=False)
    path = Sum(Last(), nn.Sequential(Bins(values), *branch, normal, last))
    return Expected(values), nn.Sequential(path, Unstandardise(values))


@torch.no_grad()
def start(encoder: nn.Module, decoder: nn.Module, values: torch.Tensor, known: torch.Tensor) -> None:
    """Put what the rows `(N, W)` say, as far as they are `known`, into the linear path and the bins."""
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
    """Up to B + 1 edges of bins: all values of a column of few, else quantiles, of what lies beside a value that
    takes up several."""
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
    0 where they are not known; each variance is raised by `RIDGE` against chance."""
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
            lost = covariance @ inverse @ covariance  # (n, W, W): the variance that what is known takes away
            spread += ((covariance - lost) * gone[:, :, None] * gone[:, None, :]).sum(dim=0)
        whole = torch.cat(filled)
        centre = whole.mean(dim=0)
        covariance = ((whole - centre).T @ (whole - centre) + spread) / len(whole) + ridge
    return centre, covariance
