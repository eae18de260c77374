"""Models for exact coding: the density of whole images, pixel by pixel, or of signals, step by step.

Next door: `lossy` models code at a quality.
"""

from __future__ import annotations

import numpy as np
import torch

from narrows.data.batches import Batches, Indices
from narrows.data.samples import Description, Samples
from narrows.models.base import Beginning, Grid, Measure, Part, Recipe, Specification
from narrows.models.lossy import Compressing
from narrows.networks.advice import Advice
from narrows.networks.pixels import Pixels
from narrows.networks.residuals import Residuals

ADVICE_LANES, ADVICE_ROWS = 192, 4096  # crops of signals that are seen, and places of them in a step
FILTER_SAMPLES, FILTER_CROP = 256, 128  # images, and their crops, that decide linear filters at the start


class Density(Compressing):
    """The distribution of images of 8 bits, or of signals of whole numbers, of any size. Called, it gives the bits
    per value that samples in 0..1 cost, which training makes small; nothing is lost, so the squared error is 0."""

    def __init__(
        self,
        pixels: Pixels | Residuals | Advice,
        specification: Specification,
        description: Description,
        grid: Grid,
        recipe: Recipe,
    ) -> None:
        super().__init__(specification, description, grid, recipe)
        self.pixels = pixels
        self.arrange()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pixels.bits(x)

    def start(self, samples: Samples, training: Indices, beginning: Beginning) -> None:
        """The best linear predictions, for networks that predict; there is no other optimum to start from. What
        filters of signals see is computed here, once."""
        if isinstance(self.pixels, Advice):
            chosen = np.resize(training, max(1, ADVICE_LANES // samples.description.channels))
            x = Batches(samples, chosen, len(chosen), beginning.seed + 2, self.recipe.crop).draw(0)
            self.pixels.start(x)
            return
        if beginning.start != "pca" or not isinstance(self.pixels, Residuals):
            return
        count = min(FILTER_SAMPLES, len(training))
        some = training[np.linspace(0, len(training) - 1, count).astype(np.int64)]
        varied = samples.description.varied or max(samples.description.shape[:2]) > FILTER_CROP
        batches = Batches(samples, some, count, beginning.seed + 2, FILTER_CROP if varied else 0)
        self.pixels.start(batches.draw(0).to(next(self.parameters()).device))

    def trained(self, learning_rate: float, muon: float) -> tuple[Part, ...]:
        return (Part(self.pixels, learning_rate, muon),)

    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        if isinstance(self.pixels, Advice):
            return self.pixels.some_bits(x, ADVICE_ROWS, seed + step)
        return self.pixels.bits(x)

    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        bits = float(self.pixels.bits(x))
        return Measure(bits, 0.0, bits * x[0].numel())

    def baselines(self, x: torch.Tensor) -> dict[str, float | None]:
        return {"pca_mse": None}

    def examine(self, x: torch.Tensor, mse: float) -> list[str]:
        """Nothing: whatever it learns is worth its bits."""
        return []

    def settle(self, x: torch.Tensor) -> None:
        """Nothing: the weights are all there is."""
