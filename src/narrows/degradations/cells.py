"""Cells of a table hidden: a degradation of vectors that carry their own mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from narrows.data.columns import Column
from narrows.degradations.base import SHARE_MOST, Degradation, Hints, Observed, Range, range_of, range_words

USUAL_CELLS = (0.1, 0.4)


@dataclass(frozen=True, init=False)
class Cells(Degradation):
    """A share, or a range of shares, of the cells of a table with these `columns` hidden, drawn anew for each row.

    Samples are `(N, 2W)` as returned by `data.columns.encode`: W values, then 1 for each that is known. So a table
    with missing cells can be trained on: further cells are hidden, a category as a whole. What is seen has 0 in place
    of hidden values; the condition `(N, W)` is 1 for values that are left. Columns may also be given as JSON values.

    Raises `SettingsError` for shares outside 0..0.99.
    """

    columns: tuple[Column, ...]
    share: tuple[float, float]

    name = "cells"
    scale = 1
    fold = 1
    condition_channels = 1
    task = "inpaint"
    needs = ()

    def __init__(self, columns: Sequence[Column | dict[str, Any]], share: Range = USUAL_CELLS) -> None:
        made = tuple(column if isinstance(column, Column) else Column.from_json(column) for column in columns)
        vars(self).update(columns=made, share=range_of("missing", share, SHARE_MOST))  # frozen: not by assignment

    def __str__(self) -> str:
        return f"{range_words(self.share)} of the cells hidden"

    def to_json(self) -> list[dict[str, Any]]:
        columns = [column.to_json() for column in self.columns]
        return [{"degradation": self.name, "columns": columns, "share": list(self.share)}]

    @property
    def width(self) -> int:
        """The number of values W in a row."""
        return sum(column.width for column in self.columns)

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        widths = torch.tensor([column.width for column in self.columns], device=clean.device)
        draws = torch.rand((len(clean), len(widths) + 1), generator=generator, device=clean.device)
        low, high = self.share
        share = low + (high - low) * draws[:, :1]
        left = (draws[:, 1:] >= share).to(clean.dtype).repeat_interleave(widths, dim=1)
        return self._observed(clean, clean[:, self.width :] * left)

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        return self._observed(seen, seen[:, self.width :])

    def _observed(self, sample: torch.Tensor, left: torch.Tensor) -> Observed:
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
        return torch.cat([torch.where(observed.condition > 0, values, answer), known], dim=1)

    def settled(self, restored: Callable[[], torch.Tensor], clean: torch.Tensor) -> Degradation:
        return self
