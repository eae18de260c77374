"""Any function as a degradation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from narrows.checks import brief, one_of, whole
from narrows.degradations.base import TASKS, Hints, Observed, Task, Unconditional
from narrows.degradations.resample import SCALE_MOST, larger
from narrows.errors import SettingsError

Function = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


@dataclass(frozen=True, init=False)
class Custom(Unconditional):
    """Any `function` from clean samples `(N, C, H, W)` or `(N, D)` in 0..1 and a `torch.Generator` to damaged ones
    with as many channels and the sides of images divided by `scale`, 1 to 4. The `task` is the command that undoes
    it.

    Model files keep the name of the function alone, which may be given in its place and is enough to restore. Raises
    `SettingsError` for other values; `observe` raises it if there is only a name, or if the function returns another
    shape.
    """

    function: Function
    task: Task = "denoise"
    scale: int = 1

    name = "custom"

    def __init__(self, function: Function | str, task: Task = "denoise", scale: int = 1) -> None:
        known = _Lost(function) if isinstance(function, str) else function
        if not callable(known):
            raise SettingsError(
                f"{brief(known)} was given as a degradation; give a function of samples and generator"
            )
        task, scale = one_of("task", task, TASKS), whole("scale", scale, 1, SCALE_MOST)
        vars(self).update(function=known, task=task, scale=scale, fold=max(2, scale))  # frozen: not by assignment

    @property
    def function_name(self) -> str:
        """The name by which model files know the function."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))[:80]

    def __str__(self) -> str:
        return f"by {self.function_name}"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "function": self.function_name, "task": self.task, "scale": self.scale}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        seen = self.function(clean, generator)
        wanted = (*clean.shape[:2], *(n // self.scale for n in clean.shape[2:]))
        if tuple(seen.shape) != wanted:
            raise SettingsError(
                f"degradation {self.function_name} gave shape {tuple(seen.shape)}; {wanted} is needed"
            )
        return self.given(seen, Hints())

    def guess(self, observed: Observed) -> torch.Tensor:
        return larger(observed.seen, self.scale)


class _Lost:
    """Takes the place of a function of which a model file kept the name."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        raise SettingsError(f"degradation {self.__name__} is known by name only; give its function to damage samples")
