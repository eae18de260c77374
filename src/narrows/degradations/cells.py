"""Cells of a table that are missing: a degradation of vectors that say themselves what of them is known.

Samples are as `columns` makes them, `(N, 2W)`: values, then which of them are known. In training further cells are
hidden, whole columns of a row at a time, so that a table with holes teaches how to fill them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from narrows.data.columns import Column
from narrows.degradations.base import Degradation, Hints, Observed


@dataclass(frozen=True)
class Cells(Degradation):
    """A share from `low` to `high` of the known cells hidden, another for each row, in a table of these `columns`.

    What is seen is the sample with 0 in place of what is hidden, what is told `(N, W)`, which values are left.
    """

    low: float
    high: float
    columns: tuple[Column, ...]

    scale = 1
    fold = 1
    told = 1
    task = "inpaint"
    needs = ()

    @property
    def width(self) -> int:
        """Values in a row."""
        return sum(column.width for column in self.columns)

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        widths = torch.tensor([column.width for column in self.columns], device=clean.device)
        draws = torch.rand((len(clean), len(widths) + 1), generator=generator, device=clean.device)
        share = self.low + (self.high - self.low) * draws[:, :1]
        left = (draws[:, 1:] >= share).to(clean.dtype).repeat_interleave(widths, dim=1)
        return self._of(clean, clean[:, self.width :] * left)

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        return self._of(seen, seen[:, self.width :])

    def _of(self, sample: torch.Tensor, left: torch.Tensor) -> Observed:
        values, known = sample[:, : self.width], sample[:, self.width :]
        return Observed(torch.cat([values * left, known], dim=1), left)

    def hints(self, observed: Observed) -> Hints:
        return Hints()

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen

    def colours(self, clean: int) -> tuple[int, ...]:
        return (clean,)

    def answers(self, colours: int) -> int:
        return colours

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return wanted[:, : self.width]

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        values, known = guess[:, : self.width], guess[:, self.width :]
        return torch.cat([torch.where(observed.told > 0, values, answer), known], dim=1)

    def settled(self, restored: torch.Tensor, clean: torch.Tensor) -> Degradation:
        return self
