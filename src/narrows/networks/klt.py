"""The linear optimum of a set of samples, in closed form, from which the networks start.

No linear autoencoder with K numbers is better than PCA with K components (Baldi and Hornik, Neural Networks 2, 1989).
For images of any size the same holds block by block: the Karhunen-Loeve transform (KLT) of square blocks.
Next door: `dense`, `conv`, `lesson` and `transform` copy it into their weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # whose parts are loaded when they are first used
import torch
from torch.nn import functional

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
PRIMAL_LIMIT = 4096  # values in a sample up to which the covariance matrix is formed
WORK_LIMIT = 6e10  # multiplications for it; larger sets are thinned evenly
DUAL_VALUES = 1 << 26  # values of longer samples in memory at once


@dataclass(frozen=True)
class LinearOptimum:
    """PCA of whole samples (`block` = 0), of square blocks of images (`block` pixels a side), or with 1 of the `axes`
    of as many steps of signals.

    `mean` is `(D,)`; `components` `(K, D)` are orthonormal rows, the largest variance first; `variances` `(K,)` are
    those along them. D runs over channel, row, column, as in `PixelUnshuffle`.
    """

    mean: Floats
    components: Floats
    variances: Floats
    block: int = 0
    axes: int = 2

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """Samples `(N, C, H, W)`, `(N, C, 1, T)` or `(N, D)` in 0..1 through K numbers (each block's K) and back, not
        clipped."""
        rows, shape = unfold(x, self.block, self.axes)
        mean, components = (torch.from_numpy(a).to(x.device) for a in (self.mean, self.components))
        y = (rows - mean) @ components.T @ components + mean
        if not self.block:
            return y.reshape(x.shape)
        count, depth, high, wide = shape
        y = y.reshape(count, high, wide, depth).permute(0, 3, 1, 2)
        y = together(y, self.block) if self.axes == 1 else functional.pixel_shuffle(y, self.block)
        return y[..., : x.shape[-2], : x.shape[-1]]


def unfold(x: torch.Tensor, block: int, axes: int = 2) -> tuple[torch.Tensor, torch.Size]:
    """Samples as rows `(R, D)`, whole or cut into blocks, and the shape of the unshuffled tensor."""
    if not block:
        return x.reshape(len(x), -1), x.shape
    pad = (-x.shape[-1] % block, -x.shape[-2] % block if axes == 2 else 0)
    if any(pad):
        x = functional.pad(x, (0, pad[0], 0, pad[1]), mode="replicate")
    x = apart(x, block) if axes == 1 else functional.pixel_unshuffle(x, block)  # (N, C block**axes, h, w)
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]), x.shape


def apart(x: torch.Tensor, block: int) -> torch.Tensor:
    """Signals `(N, C, 1, T)` with every `block` steps as channels of one place: `(N, C block, 1, T / block)`."""
    count, channels, high, wide = x.shape
    x = x.reshape(count, channels, high, wide // block, block).permute(0, 1, 4, 2, 3)
    return x.reshape(count, channels * block, high, wide // block)


def together(x: torch.Tensor, block: int) -> torch.Tensor:
    """The inverse of `apart`."""
    count, channels, high, wide = x.shape
    x = x.reshape(count, channels // block, block, high, wide).permute(0, 1, 3, 4, 2)
    return x.reshape(count, channels // block, high, wide * block)


def linear_optimum(chunks: Iterable[torch.Tensor], components: int, block: int = 0, axes: int = 2) -> LinearOptimum:
    """The optimum of chunks of samples `(n, C, H, W)`, `(n, C, 1, T)` (1 of the `axes`) or `(n, D)` in 0..1; the same
    chunks give the same bits.

    For up to 4096 values per row the covariance is summed in float64; for longer rows, the inner products of the
    first that fit into memory are used. Raises ValueError for more components than values.
    """
    count, total, products, kept = 0, np.zeros(1), np.zeros((1, 1)), []
    shift: Floats | None = None
    for chunk in chunks:
        rows = unfold(chunk, block, axes)[0].cpu().numpy()
        if components > rows.shape[1]:
            raise ValueError(f"{components} components of {rows.shape[1]} values")
        if shift is None:
            shift = rows.mean(axis=0)
        rows = rows - shift  # near zero, so that float32 products are precise enough
        count += len(rows)
        total = total + rows.sum(axis=0, dtype=np.float64)
        if rows.shape[1] <= PRIMAL_LIMIT:
            products = products + rows.T @ rows
        else:
            kept.append(rows)
            if sum(part.size for part in kept) > DUAL_VALUES:
                break
    if shift is None:
        raise ValueError("no samples")
    offset = total / count
    mean = (shift + offset).astype(np.float32)
    if kept:
        vectors, variances = _dual(np.concatenate(kept) - offset.astype(np.float32), components)
    else:
        variances, vectors = _largest(products / count - np.outer(offset, offset), components)
    # The sign of an eigenvector is arbitrary; fixing it makes runs and machines comparable.
    largest = np.abs(vectors).argmax(axis=1)
    vectors = vectors * np.sign(vectors[np.arange(components), largest])[:, None]
    kept_variances = np.maximum(variances, 0).astype(np.float32)
    return LinearOptimum(mean, np.ascontiguousarray(vectors, np.float32), kept_variances, block, axes)


def _largest(covariance: Doubles, count: int) -> tuple[Doubles, Doubles]:
    """The largest eigenvalues `(count,)` in falling order and their eigenvectors as rows `(count, D)`."""
    size = len(covariance)
    if count < size // 8:  # Lanczos iteration, from a fixed start so that it is repeatable
        start = np.random.default_rng(0).standard_normal(size)
        try:
            values, vectors = scipy.sparse.linalg.eigsh(covariance, count, which="LA", v0=start)
            order = np.argsort(values)[::-1]
            return values[order], vectors[:, order].T
        except scipy.sparse.linalg.ArpackError:
            pass  # it fails on constant samples; the direct method below does not
    values, vectors = scipy.linalg.eigh(covariance, subset_by_index=[size - count, size - 1])
    return values[::-1], vectors[:, ::-1].T


def _dual(rows: Floats, components: int) -> tuple[Doubles, Doubles]:
    """Principal directions and variances of a few long rows, from their inner products."""
    gram = (rows @ rows.T).astype(np.float64) / len(rows)
    size = min(components, len(rows))
    variances, weights = scipy.linalg.eigh(gram, subset_by_index=[len(rows) - size, len(rows) - 1])
    found = variances[::-1] > 1e-9 * max(variances[-1], 1e-30)
    directions = rows.T.astype(np.float64) @ weights[:, ::-1][:, found]
    # If there are too few samples, random directions complete the basis; QR makes all of them orthonormal.
    spare = np.random.default_rng(0).standard_normal((rows.shape[1], components - directions.shape[1]))
    basis, _ = np.linalg.qr(np.concatenate([directions, spare], axis=1))
    padded = np.zeros(components)
    padded[: directions.shape[1]] = variances[::-1][found]
    return basis.T, padded


def code_deviation(optimum: LinearOptimum) -> torch.Tensor:
    """Standard deviation of each code number, `(K,)`, by which networks scale their code to variance 1; the largest
    for directions without variance, since dividing by almost 0 would amplify rounding errors."""
    deviation = torch.from_numpy(optimum.variances).sqrt()
    return torch.where(deviation > 1e-4 * deviation.max(), deviation, deviation.max().clamp_min(1e-3))


def thinned(count: int, rows_each: int, values: int, work: float = WORK_LIMIT) -> npt.NDArray[np.int64]:
    """Indices of evenly spread samples, as many of `count` as keep the covariance within the work limit."""
    most = int(work / max(1.0, float(rows_each) * min(values, PRIMAL_LIMIT) ** 2))
    return np.linspace(0, count - 1, max(1, min(count, most))).astype(np.int64)
