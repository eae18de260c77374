"""What all degradations have in common: damaged samples, what is known beside them, and how they are restored.

Tensors are clean samples in 0..1, images `(N, C, H, W)` without alpha or vectors `(N, D)`, on any device; random
numbers come from the generator that is passed in. Next door: `degrade` has the degradations themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch

from narrows.degradations.resample import larger

Task = Literal["denoise", "inpaint", "colourise", "upscale"]
Hint = Literal["level", "known"]


@dataclass(frozen=True)
class Observed:
    """What is left of samples: `seen` as a person has it, and `told`, what is known beside it: a level or a mask
    `(N, T, ...)`, over the same plane."""

    seen: torch.Tensor
    told: torch.Tensor


@dataclass(frozen=True)
class Hints:
    """What a person knows of damaged samples: the `level` of noise of each `(N,)`, and which pixels are `known`,
    `(N, 1, H, W)`."""

    level: torch.Tensor | None = None
    known: torch.Tensor | None = None


class Degradation(ABC):
    """What all degradations have."""

    @property
    @abstractmethod
    def task(self) -> Task:
        """The command that undoes it."""

    @property
    @abstractmethod
    def scale(self) -> int:
        """How many times smaller the sides become."""

    @property
    @abstractmethod
    def fold(self) -> int:
        """Pixels a side that a network may take together: finer than that, nothing has to be worked out."""

    @property
    @abstractmethod
    def told(self) -> int:
        """How many channels a network is told beside the damaged sample."""

    @abstractmethod
    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        """Damage samples."""

    @property
    @abstractmethod
    def needs(self) -> tuple[Hint, ...]:
        """The hints without which damaged samples cannot be restored."""

    @abstractmethod
    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        """Damaged samples of a person's, `(N, C, H, W)`, with the hints that are needed."""

    @abstractmethod
    def hints(self, observed: Observed) -> Hints:
        """The hints with which `given` would tell the same."""

    @abstractmethod
    def guess(self, observed: Observed) -> torch.Tensor:
        """The classical first answer, of the shape of the clean samples."""

    @abstractmethod
    def colours(self, clean: int) -> tuple[int, ...]:
        """How many colour channels damaged samples may have, where clean ones have so many."""

    @abstractmethod
    def answers(self, colours: int) -> int:
        """Channels that a network answers for samples of so many."""

    @abstractmethod
    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        """The answer by which a guess becomes the samples wanted."""

    @abstractmethod
    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        """Samples from what was seen, the guess and what a network answered, not clipped."""

    @abstractmethod
    def settled(self, restored: torch.Tensor, clean: torch.Tensor) -> Degradation:
        """What is to be undone by a trained network, from what it made of validation samples: mostly the same."""


class Residual(Degradation):
    """A degradation of which a network answers what has to be added to the guess."""

    def colours(self, clean: int) -> tuple[int, ...]:
        return (clean,)

    def answers(self, colours: int) -> int:
        return colours

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return wanted - guess

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + answer

    def settled(self, restored: torch.Tensor, clean: torch.Tensor) -> Degradation:
        return self


class Unaided(Residual):
    """One of which a network is told nothing: it begins with what is seen, made larger where that is small."""

    told = 0
    needs = ()

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        return Observed(seen, seen[:, :0])

    def hints(self, observed: Observed) -> Hints:
        return Hints()

    def guess(self, observed: Observed) -> torch.Tensor:
        return larger(observed.seen, self.scale)
