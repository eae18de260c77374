"""An autoencoder whose code is to be used as features: samples that mean the same have codes that are close.

Next door: `autoencoder` is trained to reconstruct alone; `networks.views` says what means the same.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from narrows.data.batches import Indices
from narrows.data.samples import Samples
from narrows.models.autoencoder import Autoencoder
from narrows.models.base import Beginning, Measure, cut, seeded
from narrows.models.coded import LinearStart
from narrows.networks.klt import code_deviation
from narrows.networks.views import disagreement, view

AGREEING = 0.3  # what the agreement of codes counts for, beside the share of the variance that is not reconstructed
LEAST_VARIANCE = 1e-4
LEAST_DEVIATION = 0.05  # of the largest, from which numbers of the code begin with variance 1


class Embedder(Autoencoder):
    """It reconstructs what it is given, through a code that hardly changes with what does not matter: an image that
    is moved or turned a little, a louder signal, a row with some values of other rows."""

    def start(self, samples: Samples, training: Indices, beginning: Beginning) -> None:
        """As others, but numbers that hardly vary in training are not made as large as those that do: what they are
        of other samples would be out of all proportion."""
        super().start(samples, training, beginning)
        begin, optimum = self._start, self.optimum
        if beginning.start == "pca" and optimum is not None and isinstance(begin, LinearStart) and begin.rescale:
            deviation = code_deviation(optimum)
            factors = (deviation / (LEAST_DEVIATION * deviation.max())).clamp_max(1)
            begin.rescale(self.encoder, self.decoder, factors.to(beginning.device))

    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        """Mean squared error per value, as a share of the variance, and how far codes of two looks disagree."""
        y, apart = self._seen_twice(x, seeded(x.device, seed, step, 1))
        return functional.mse_loss(y, x) / _variance(x) + AGREEING * apart

    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        y, apart = self._seen_twice(x, seeded(x.device, seed, 0, 2))
        mse = (y.clamp(0, 1) - x).square().mean(dtype=torch.float64)
        return Measure(float(mse / _variance(x) + AGREEING * apart), float(mse))

    def settle(self, x: torch.Tensor) -> None:
        """Nothing: the training itself says how far apart codes are."""

    def _seen_twice(self, x: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstructions, and how far the codes of samples and of other looks at them disagree."""
        code = self.encoder(self.pad(x))
        y = cut(self.decoder(code), x).float()
        other = self.encoder(self.pad(view(x, generator)))
        with torch.autocast(x.device.type, enabled=False):
            return y, disagreement(_rows(code.float()), _rows(other.float()))


def _rows(code: torch.Tensor) -> torch.Tensor:
    """Codes `(N, K)`; of those over a plane or time, the mean of each channel."""
    return code.mean(dim=(2, 3)) if code.ndim == 4 else code


def _variance(x: torch.Tensor) -> torch.Tensor:
    """The variance of values over samples, in the mean."""
    return x.var(dim=0, correction=0).mean().clamp_min(LEAST_VARIANCE)
