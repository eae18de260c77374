"""How well samples come back, measured on what a person gets: values of the original dtype.

Next door: `report` runs a model over a set; `figures` draws.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from narrows.data.samples import Description
from narrows.io.arrays import Array

Floats = npt.NDArray[np.float64]
SSIM_SIGMA = 1.5  # of the Gaussian window, as in the paper; its window is 11 pixels wide
PSNR_CAP_DB = 100.0  # stands for a perfect sample, so that means stay finite


def squared_errors(originals: Array, reconstructions: Array, description: Description) -> Floats:
    """Squared error of each sample `(N, ...)`, summed over its values scaled to 0..1: `(N,)`."""
    span = description.high - description.low
    difference = (reconstructions.astype(np.float64) - originals.astype(np.float64)) / span
    sums: Floats = np.square(difference).reshape(len(originals), -1).sum(axis=1)
    return sums


def psnr_db(mse: npt.ArrayLike) -> Floats:
    """Peak signal-to-noise ratio in dB of each sample from its MSE per value in 0..1, at most 100."""
    ratio: Floats = np.minimum(-10 * np.log10(np.maximum(mse, 1e-30)), PSNR_CAP_DB)
    return ratio


def ssim(originals: Array, reconstructions: Array, description: Description) -> Floats | None:
    """Structural similarity of each image `(N, H, W, C)`, by torchmetrics (Wang et al., IEEE TIP 13, 2004).

    Images under 11 pixels get a window that fits them; below 5 pixels there is none: None.
    """
    side = min(originals.shape[1:3])
    sigma = SSIM_SIGMA if side >= 11 else {10: 1.2, 9: 1.2, 8: 0.9, 7: 0.9, 6: 0.6, 5: 0.6}.get(side)
    if sigma is None:
        return None
    scaled = [
        torch.from_numpy((array.astype(np.float32) - description.low) / (description.high - description.low))
        for array in (reconstructions, originals)
    ]
    x_hat, x = (tensor.permute(0, 3, 1, 2).float() for tensor in scaled)
    value = structural_similarity_index_measure(x_hat, x, sigma=sigma, data_range=1.0, reduction="none")
    assert isinstance(value, torch.Tensor)
    return value.reshape(-1).double().numpy()
