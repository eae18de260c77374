"""Degradations: how samples are damaged, `clean -> observed`, and what a network that restores them has to know.

Everything that tells one restoration from another stands here: what is drawn at random, what the network is told
beside the damaged sample, where it begins, and what its answer means. Who trains, restores or measures only calls
these methods. Next door: `holes` draws what is missing, `resize` makes smaller, `damage` names degradations.

Tensors are clean samples in 0..1, images `(N, C, H, W)` without alpha or vectors `(N, D)`, on any device; random
numbers come from the generator that is passed in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from narrows.data import holes
from narrows.data.resize import larger, smaller

Task = Literal["denoise", "inpaint", "colourise", "upscale"]
NoiseKind = Literal["gaussian", "salt-and-pepper", "poisson"]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as JPEG has it
RED, BLUE = 1.402, 1.772  # of Cr in red and of Cb in blue (JFIF)


@dataclass(frozen=True)
class Observed:
    """What is left of samples: `seen` as a person has it, and `told`, what is known beside it: a level or a mask
    `(N, T, ...)`, over the same plane."""

    seen: torch.Tensor
    told: torch.Tensor


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
    def told(self) -> int:
        """How many channels a network is told beside the damaged sample."""

    @abstractmethod
    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        """Damage samples."""

    @abstractmethod
    def guess(self, observed: Observed) -> torch.Tensor:
        """The classical first answer, of the shape of the clean samples."""

    @abstractmethod
    def answers(self, colours: int) -> int:
        """Channels that a network answers for samples of so many."""

    @abstractmethod
    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        """The answer by which a guess becomes the samples wanted."""

    @abstractmethod
    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        """Samples from what was seen, the guess and what a network answered, not clipped."""


class Residual(Degradation):
    """A degradation of which a network answers what has to be added to the guess."""

    def answers(self, colours: int) -> int:
        return colours

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return wanted - guess

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + answer


@dataclass(frozen=True)
class Noise(Residual):
    """Noise of a level from `low` to `high`, another for each sample.

    The level of "gaussian" is its standard deviation, of "salt-and-pepper" the share of values that become 0 or 1, of
    "poisson" the standard deviation at white. `clip` keeps the noisy values in 0..1, as files do. A network is told
    the level, and answers what to add; being free of biases, it serves all levels (Mohan et al., ICLR 2020).
    """

    low: float
    high: float
    kind: NoiseKind = "gaussian"
    clip: bool = False

    scale = 1
    told = 1
    task = "denoise"

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        level = self.low + (self.high - self.low) * _uniform(clean[:, :1], generator)
        if self.kind == "gaussian":
            seen = clean + level * _normal(clean, generator)
        elif self.kind == "poisson":
            peak = level.clamp_min(1e-3) ** -2
            seen = torch.poisson((clean.clamp_min(0) * peak).float(), generator) / peak
        else:
            chance = torch.rand(clean.shape, generator=generator, device=clean.device)
            seen = torch.where(chance < level, (chance < level / 2).to(clean.dtype), clean)
        return Observed(seen.clamp(0, 1) if self.clip else seen, level_map(level, clean))

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen


@dataclass(frozen=True)
class Missing(Degradation):
    """Pixels that are not there, a share from `low` to `high` of them: "pixels" each by itself, "strokes", "boxes",
    or "any" of the three, another for each sample; of vectors single values.

    A network is told which are known, and these are kept exactly. Where nothing is known, it begins with what is
    known nearby.
    """

    low: float
    high: float
    kind: holes.Kind = "any"

    scale = 1
    told = 1
    task = "inpaint"

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        share = self.low + (self.high - self.low) * _uniform(clean[:, :1], generator)
        known = holes.draw(self.kind, share, clean.shape, generator, clean.device)
        return Observed(clean * known, known)

    def guess(self, observed: Observed) -> torch.Tensor:
        return holes.filled(observed.seen, observed.told)

    def answers(self, colours: int) -> int:
        return colours

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return wanted - guess

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return torch.where(observed.told > 0, observed.seen, guess + answer)


@dataclass(frozen=True)
class Grey(Degradation):
    """Colour that is not there; the luma is kept exactly, and a network answers the two planes of chroma.

    It is told nothing but where the picture is: a plane of ones, by which it can tell the border.
    """

    scale = 1
    told = 1
    task = "colourise"

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        return Observed(luma(clean), torch.ones_like(clean[:, :1]))

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen.expand(-1, 3, -1, -1)

    def answers(self, colours: int) -> int:
        return 2

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return to_chroma(wanted)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + from_chroma(answer)


@dataclass(frozen=True)
class Smaller(Residual):
    """Fewer pixels: sides divided by `factor`, by antialiased bicubic resampling. A network sees the picture made
    larger again by the same kernel, and answers what to add."""

    factor: int

    told = 0
    task = "upscale"

    @property
    def scale(self) -> int:
        """The factor."""
        return self.factor

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        seen = smaller(clean, self.scale)
        return Observed(seen, seen[:, :0])

    def guess(self, observed: Observed) -> torch.Tensor:
        return larger(observed.seen, self.scale)


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

    def guess(self, observed: Observed) -> torch.Tensor:
        seen = observed.seen
        told = torch.split(observed.told, [part.told for part in self.parts], dim=1)
        for part, beside in zip(self.parts[::-1], told[::-1], strict=True):
            seen = part.guess(Observed(seen, beside))
        return seen


@dataclass(frozen=True)
class Custom(Residual):
    """Any function from clean samples `(N, C, H, W)` in 0..1 and a generator to damaged ones of as many channels,
    their sides divided by `scale`. Files keep its name; the function itself is needed only to train."""

    name: str
    function: Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None = None
    task: Task = "denoise"
    scale: int = 1

    told = 0

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        if self.function is None:
            raise ValueError(f"degradation {self.name} is known by name only; give its function to damage samples")
        seen = self.function(clean, generator)
        wanted = (*clean.shape[:2], *(n // self.scale for n in clean.shape[2:]))
        if tuple(seen.shape) != wanted:
            raise ValueError(f"degradation {self.name} gave shape {tuple(seen.shape)}; {wanted} is needed")
        return Observed(seen, seen[:, :0])

    def guess(self, observed: Observed) -> torch.Tensor:
        return larger(observed.seen, self.scale)


def luma(x: torch.Tensor) -> torch.Tensor:
    """The grey `(N, 1, H, W)` of colours `(N, 3, H, W)`."""
    weights = torch.tensor(LUMA, device=x.device, dtype=x.dtype).view(1, 3, 1, 1)
    return (x * weights).sum(dim=1, keepdim=True)


def to_chroma(x: torch.Tensor) -> torch.Tensor:
    """The planes Cb and Cr `(N, 2, H, W)` of colours `(N, 3, H, W)`, 0 for grey."""
    y = luma(x)
    return torch.cat([(x[:, 2:] - y) / BLUE, (x[:, :1] - y) / RED], dim=1)


def from_chroma(chroma: torch.Tensor) -> torch.Tensor:
    """What the planes Cb and Cr `(N, 2, H, W)`, 0 for grey, add to the luma: `(N, 3, H, W)`."""
    blue, red = chroma[:, :1], chroma[:, 1:]
    green = -(LUMA[0] * RED * red + LUMA[2] * BLUE * blue) / LUMA[1]
    return torch.cat([RED * red, green, BLUE * blue], dim=1)


def level_map(level: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Levels `(N, 1, ...)` of size 1 as a channel over the plane of samples."""
    return level.expand(-1, -1, *like.shape[2:]).to(like.dtype)


def _uniform(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A number in 0..1 for each sample: `(N, 1, ...)`."""
    return torch.rand((len(like), *(1,) * (like.ndim - 1)), generator=generator, device=like.device)


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)
