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


@dataclass(frozen=True)
class Custom(Unconditional):
    """Any `function` from clean samples `(N, C, H, W)` or `(N, D)` in 0..1 and a `torch.Generator` to damaged ones of
    as many channels, with the sides of images divided by `scale`, 1 to 4. The `task` is the command that undoes it.

    Model files keep the name of the function alone, which is all that restoring needs. Raises `SettingsError` for
    what cannot be called, unknown tasks and scales out of range, and when damaged samples have another shape.
    """

    function: Callable[[torch.Tensor, torch.Generator], torch.Tensor]
    task: Task = "denoise"
    scale: int = 1

    name = "custom"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise SettingsError(
                f"{brief(self.function)} was given as a degradation; give a function of samples and generator"
            )
        one_of("task", self.task, TASKS)
        vars(self).update(scale=whole("scale", self.scale, 1, SCALE_MOST))  # frozen: not by assignment

    @property
    def function_name(self) -> str:
        """The name by which model files know the function."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))[:80]

    def __str__(self) -> str:
        return f"by {self.function_name}"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "function": self.function_name, "task": self.task, "scale": self.scale}]

    @classmethod
    def from_fields(cls, function: Any, task: Any, scale: Any) -> Custom:
        """From the fields of `to_json`; `observe` then raises `SettingsError`."""
        return cls(_Lost(str(function)), task, scale)

    @property
    def fold(self) -> int:
        """2, but no less than the block that became one pixel."""
        return max(2, self.scale)

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
    """Stands for a function of which a model file kept the name."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, clean: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        raise SettingsError(f"degradation {self.__name__} is known by name only; give its function to damage samples")
