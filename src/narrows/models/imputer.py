"""The model that fills in missing cells of tables.

Next door: `degradations.cells` hides cells in training; `restorer` does the same for pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from narrows.data.batches import Indices, chunks
from narrows.data.samples import Description, Samples
from narrows.degradations.base import Observed
from narrows.degradations.cells import Cells
from narrows.models.base import Beginning, Grid, Measure, Recipe, Specification, seeded
from narrows.models.restorer import Restoring

Start = Callable[[nn.Module, nn.Module, torch.Tensor, torch.Tensor], None]


class Imputer(Restoring):
    """A network that fills in cells of rows `(N, 2W)`: values, then which of them are known.

    Trained by the mean squared error of cells that are hidden although they are known, each divided by the standard
    deviation of its column.
    """

    degradation: Cells

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        specification: Specification,
        description: Description,
        recipe: Recipe,
        degradation: Cells,
        start: Start,
    ) -> None:
        """`start(encoder, decoder, values, known)` takes all training rows, `(N, W)` each."""
        super().__init__(specification, description, Grid(), recipe)
        self.encoder, self.decoder, self.degradation, self._start = encoder, decoder, degradation, start

    @property
    def cells(self) -> Cells:
        """What is known of the table's columns."""
        return self.degradation

    def restored(self, observed: Observed, alpha: torch.Tensor | None = None) -> torch.Tensor:
        guess = self.degradation.guess(observed)
        answer = self.decoder(self.encoder(torch.cat([guess, observed.condition], dim=1)))
        return self.degradation.restored(observed, guess, answer.float())

    def start(self, samples: Samples, training: Indices, beginning: Beginning) -> None:
        rows = torch.cat(list(chunks(samples, training)))
        self._start(self.encoder.cpu(), self.decoder.cpu(), *rows.chunk(2, dim=1))
        self.to(beginning.device)

    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        return self._score(x, self.observe(x, seeded(x.device, seed, 4, step))[0])[0]

    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        """Its `mse` is over all values; those that are kept have no error."""
        score, mse = self._score(x, self.observe(x, torch.Generator(x.device).manual_seed(0))[0])
        return Measure(float(score), float(mse))

    def _score(self, x: torch.Tensor, observed: Observed) -> tuple[torch.Tensor, torch.Tensor]:
        values, known = x.chunk(2, dim=1)
        hidden = known - observed.condition
        y = self.restored(observed).chunk(2, dim=1)[0]
        squares = ((y if self.training else y.clamp(0, 1)) - values).square() * hidden
        weighted = squares / self.encoder.get_buffer("deviation")
        return weighted.sum() / hidden.sum().clamp_min(1), squares.sum() / x.numel()
