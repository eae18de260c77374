"""How noisy a picture is, told from the picture alone.

Next door: `degrade` asks where nobody has said.
"""

from __future__ import annotations

import numpy as np
import torch


def estimated(seen: torch.Tensor) -> float:
    """The standard deviation of noise in one sample `(C, H, W)`: the median over channels of what the finest wavelets
    tell (Donoho and Johnstone, Biometrika 81, 1994), by scikit-image."""
    from skimage.restoration import estimate_sigma

    if min(seen.shape[1:]) < 4:
        return 0.0
    found = estimate_sigma(seen.cpu().numpy(), channel_axis=0)
    return float(np.median(np.nan_to_num(found)))
