"""What training makes small: the distortion between a reconstruction and its original."""

from __future__ import annotations

import torch


def distortion(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared error per value, both in 0..1 and of one shape."""
    return (x_hat - x).square().mean()
