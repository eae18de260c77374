"""Several degradations one after the other, and functions of a person's own.

Next door: `degrade` has the single ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from narrows.degradations.base import Degradation, Hint, Hints, Observed, Residual, Task, Unaided


@dataclass(frozen=True)
class Combination(Residual):
    """Several degradations, one after the other: first smaller, then grey, then noisy, then with holes, as a camera
    does it. A network is told all that it is told of each, and answers what to add to their guesses in turn."""

    parts: tuple[Degradation, ...]

    @property
    def task(self) -> Task:
        """That of the first part, which changes the sample most."""
        return self.parts[0].task

    @property
    def scale(self) -> int:
        """Only the first part may be smaller."""
        return self.parts[0].scale

    @property
    def fold(self) -> int:
        """That of the part that needs the finest, but no less than is made of one pixel."""
        return max(self.scale, min(part.fold for part in self.parts))

    @property
    def told(self) -> int:
        """Channels that all parts tell together."""
        return sum(part.told for part in self.parts)

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        seen, told = clean, []
        for part in self.parts:
            observed = part.observe(seen, generator)
            seen = observed.seen
            told.append(observed.told)
        return Observed(seen, torch.cat(told, dim=1))

    @property
    def needs(self) -> tuple[Hint, ...]:
        """Those of all parts."""
        return tuple(hint for part in self.parts for hint in part.needs)

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        told = []
        for part in self.parts:
            observed = part.given(seen, hints)
            seen = observed.seen
            told.append(observed.told)
        return Observed(seen, torch.cat(told, dim=1))

    def colours(self, clean: int) -> tuple[int, ...]:
        return tuple({n for n in (1, clean) if all(n in part.colours(clean) for part in self.parts)})

    def hints(self, observed: Observed) -> Hints:
        level = known = None
        told = torch.split(observed.told, [part.told for part in self.parts], dim=1)
        for part, beside in zip(self.parts, told, strict=True):
            found = part.hints(Observed(observed.seen, beside))
            level = level if found.level is None else found.level
            known = known if found.known is None else found.known
        return Hints(level, known)

    def guess(self, observed: Observed) -> torch.Tensor:
        seen = observed.seen
        told = torch.split(observed.told, [part.told for part in self.parts], dim=1)
        for part, beside in zip(self.parts[::-1], told[::-1], strict=True):
            seen = part.guess(Observed(seen, beside))
        return seen


@dataclass(frozen=True)
class Custom(Unaided):
    """Any function from clean samples `(N, C, H, W)` in 0..1 and a generator to damaged ones of as many channels,
    their sides divided by `scale`. Files keep its name; the function itself is needed only to train."""

    name: str
    function: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None = None
    task: Task = "denoise"
    scale: int = 1

    @property
    def fold(self) -> int:
        """2, but no less than is made of one pixel."""
        return max(2, self.scale)

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        if self.function is None:
            raise ValueError(f"degradation {self.name} is known by name only; give its function to damage samples")
        seen = self.function(clean, generator)
        wanted = (*clean.shape[:2], *(n // self.scale for n in clean.shape[2:]))
        if tuple(seen.shape) != wanted:
            raise ValueError(f"degradation {self.name} gave shape {tuple(seen.shape)}; {wanted} is needed")
        return self.given(seen, Hints())
