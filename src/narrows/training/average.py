"""The mean of late weights, which is better than any of them as long as the learning rate does not fall.

Next door: `loop` validates and keeps it in place of the weights of the last step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

SHARE = 0.05  # of the steps so far that the mean reaches back


class Average:
    """A running mean of a model's weights, an exponential one whose reach grows with the steps (Karras et al., 2024,
    https://arxiv.org/abs/2312.02696, for powers of the step). With a `share` of 0 it is the weights themselves."""

    def __init__(self, model: nn.Module, share: float) -> None:
        self.model, self.share = model, share
        weights = model.state_dict() if share else {}
        self.mean = {k: v.detach().clone() for k, v in weights.items() if v.is_floating_point()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step number `step`, counted from 1."""
        if self.mean:
            now = self.model.state_dict()
            torch._foreach_lerp_(
                list(self.mean.values()), [now[k] for k in self.mean], min(1.0, 1 / (self.share * step + 1))
            )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the mean for its weights."""
        before = {k: v.detach().clone() for k, v in self.model.state_dict().items()} if self.mean else {}
        self.model.load_state_dict(self.mean, strict=False)
        try:
            yield
        finally:
            self.model.load_state_dict(before, strict=False)

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Continue from an earlier mean."""
        for name, tensor in tensors.items():
            self.mean[name].copy_(tensor)
