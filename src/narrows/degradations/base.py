"""The interface of degradations: damage samples, describe themselves, and say how a network undoes the damage.

Samples are tensors in 0..1 on any device: images `(N, C, H, W)` without alpha, signals `(N, C, 1, T)`, or vectors
`(N, D)`. Random numbers come from the generator that is passed in. Next door: `compose` combines degradations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from narrows.checks import real
from narrows.errors import SettingsError

Task = Literal["denoise", "inpaint", "colourise", "upscale"]  # each may include those before it
TASKS: tuple[Task, ...] = get_args(Task)
Hint = Literal["level", "known"]
Range = float | tuple[float, float]
SHARE_MOST = 0.99  # the largest share of a sample that can be missing


@dataclass(frozen=True)
class Observed:
    """Damaged samples as they are `seen`, and the `condition` on which the network depends: a noise level or a mask,
    `(N, K, H, W)` of the size of what is seen, or `(N, K)` for vectors. Where the samples were not clean, `target`
    is what training takes in their place."""

    seen: torch.Tensor
    condition: torch.Tensor
    target: torch.Tensor | None = None


@dataclass(frozen=True)
class Hints:
    """What a user knows about damaged samples: the noise `level` of each, `(N,)`, and which pixels are `known`, 1 or
    0, `(N, 1, H, W)` or `(N, D)`."""

    level: torch.Tensor | None = None
    known: torch.Tensor | None = None


class Degradation(ABC):
    """A way to damage samples, and everything that a network needs to undo it. `str` describes it in a few words."""

    name: str  # in model files and messages
    task: Task  # the command that undoes it
    scale: int  # the factor by which the sides of an image shrink
    fold: int  # the side in pixels of the blocks that a network may treat as one position
    condition_channels: int  # the number of channels K of the condition
    needs: tuple[Hint, ...]  # the hints without which damaged samples cannot be restored
    veils: bool = False  # whether less of what came before is seen after it
    axes: int = 2  # 1 for damages that only signals suffer, 2 for those of images and vectors

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def to_json(self) -> list[dict[str, Any]]:
        """The parts of it as JSON objects, each with its name under `degradation`."""

    @abstractmethod
    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        """Damage clean samples."""

    @abstractmethod
    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        """Samples that are already damaged, with the hints that are needed."""

    @abstractmethod
    def hints(self, observed: Observed) -> Hints:
        """The hints from which `given` makes the same condition."""

    @abstractmethod
    def guess(self, observed: Observed) -> torch.Tensor:
        """A first guess by classical methods, of the shape of the clean samples."""

    @abstractmethod
    def colours(self, clean: int) -> tuple[int, ...]:
        """The numbers of colour channels that damaged samples may have if clean ones have `clean`."""

    @abstractmethod
    def answers(self, colours: int) -> int:
        """The number of channels that a network returns for samples with this many colour channels."""

    @abstractmethod
    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        """What a network should return so that `guess` becomes `wanted`."""

    @abstractmethod
    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        """Restored samples from the guess and what a network returned; not clipped."""

    @abstractmethod
    def settled(self, restored: Callable[[], torch.Tensor], clean: torch.Tensor) -> Degradation:
        """The degradation that the trained model keeps; `restored` gives the network's results for clean validation
        samples."""


class Residual(Degradation):
    """A degradation whose network returns the difference between the clean samples and the guess."""

    def answers(self, colours: int) -> int:
        return colours

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return wanted - guess

    def settled(self, restored: Callable[[], torch.Tensor], clean: torch.Tensor) -> Degradation:
        return self


class Unconditional(Residual):
    """A residual degradation whose network sees the damaged samples alone."""

    condition_channels = 0
    needs = ()

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        return Observed(seen, seen[:, :0])

    def hints(self, observed: Observed) -> Hints:
        return Hints()

    def colours(self, clean: int) -> tuple[int, ...]:
        return (clean,)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + answer


def range_of(name: str, value: Any, most: float = 1.0) -> tuple[float, float]:
    """A number or a pair (low, high) as a pair within 0..`most`. Raises `SettingsError` for other values, for low
    above high, and if high is 0."""
    low, high = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, value)
    low, high = real(name, low, 0, most), real(name, high, 0, most)
    if low > high or high == 0:
        raise SettingsError(f"{name} {low:g} to {high:g} was given; the end must be above 0 and not below the start")
    return low, high


def range_words(span: tuple[float, float]) -> str:
    """A range for people: `0.5`, or `0.1 to 0.9`."""
    low, high = span
    return f"{low:g}" if low == high else f"{low:.3g} to {high:.3g}"


def uniform(span: tuple[float, float], like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A number drawn uniformly from the range for each sample: `(N, 1, ...)`."""
    shape = (len(like), *(1,) * (like.ndim - 1))
    return span[0] + (span[1] - span[0]) * torch.rand(shape, generator=generator, device=like.device)
