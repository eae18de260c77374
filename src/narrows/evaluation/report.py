"""A model over a set of samples: the numbers, beside PCA with as many numbers.

Next door: `metrics` measures, `pictures` shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from narrows.data.batches import runs, to_tensor
from narrows.data.samples import Samples
from narrows.evaluation.metrics import Floats, psnr_db, squared_errors, ssim
from narrows.io.arrays import Array
from narrows.io.images import Report
from narrows.models.coded import Coded


@dataclass(frozen=True)
class Evaluation:
    """What a model does to a set of samples; errors with values scaled to 0..1.

    `squared_error` is summed over a sample and averaged over samples, the PSNRs and `ssim` are averaged over
    samples. `pca_mse` is that of the linear optimum found in training, `pca_clipped_mse` the same with its
    output clipped to the range; None where a model has none. `errors` is the MSE of each sample, `(N,)`; where
    samples differ in size its mean is not `mse`, in which large ones count more.
    """

    samples: int
    mse: float
    squared_error: float
    psnr_db: float
    ssim: float | None
    lesson_loss: float | None
    pca_mse: float | None
    pca_clipped_mse: float | None
    pca_psnr_db: float | None
    pca_clipped_psnr_db: float | None
    pca: str
    errors: Floats


def evaluate(model: Coded, samples: Samples | Array | list[Array], report: Report | None = None) -> Evaluation:
    """Encode and decode every sample and measure what came back, in bounded memory; `report` is told of progress.

    Raises `ModelError` where the samples do not fit the model.
    """
    checked = model.fitting(samples)
    # Ranges come from training: a test set's own smallest and largest value say nothing.
    description = model.description
    optimum = model.optimum
    sums, sizes, similarities = [], [], []
    linear, clipped = [], []
    done = 0
    for batch in runs(checked):
        restored = model.reconstruct(batch)
        sums.append(squared_errors(batch, restored, description))
        sizes.append(np.full(len(batch), batch[0].size))
        if batch.ndim == 4:
            similarities.append(ssim(batch, restored, description))
        if optimum is not None:
            x = to_tensor(batch, description)
            y = optimum.reconstruct(x)
            linear.append(_error(y, x))
            clipped.append(_error(y.clamp(0, 1), x))
        done += len(batch)
        if report is not None:
            report("evaluating", done, len(checked))
    total, values = np.concatenate(sums), np.concatenate(sizes)
    errors = total / values
    known = [s for s in similarities if s is not None]
    mse = float(total.sum() / values.sum())
    pca, pca_clipped = (np.concatenate(sums) / values if sums else None for sums in (linear, clipped))
    return Evaluation(
        samples=len(checked),
        mse=mse,
        squared_error=float(total.mean()),
        psnr_db=float(psnr_db(errors).mean()),
        ssim=float(np.concatenate(known).mean()) if known else None,
        lesson_loss=mse * model.recipe.printed_batch if model.recipe.printed_batch else None,
        pca_mse=float(np.concatenate(linear).sum() / values.sum()) if linear else None,
        pca_clipped_mse=float(np.concatenate(clipped).sum() / values.sum()) if clipped else None,
        pca_psnr_db=None if pca is None else float(psnr_db(pca).mean()),
        pca_clipped_psnr_db=None if pca_clipped is None else float(psnr_db(pca_clipped).mean()),
        pca=pca_name(model),
        errors=errors,
    )


def pca_name(model: Coded) -> str:
    """What the model is compared with, in words."""
    block = model.grid.block
    if block:
        code = model.specification.code
        return f"block KLT, {code} of {block**2 * model.description.channels} numbers a block"
    return f"PCA, {math.prod(model.code_shape)} numbers"


def _error(y: torch.Tensor, x: torch.Tensor) -> Floats:
    return (y - x).double().square().flatten(1).sum(dim=1).numpy()


def values(evaluation: Evaluation) -> dict[str, Any]:
    """The figures as JSON values."""
    return {name: value for name, value in vars(evaluation).items() if name != "errors"}
