"""Degradations: how samples are damaged, `clean -> observed`, and what a network that restores them has to know.

Everything that tells one restoration from another stands here: what is drawn at random, what the network is told
beside the damaged sample, where it begins, and what its answer means. Who trains, restores or measures only calls
the methods of `degradation`. Next door: `holes` draws what is missing, `resize` makes smaller, `colour` takes colour
apart, `combine` has several at once and functions of people's own, `damage` names them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from narrows.degradations import masks as holes
from narrows.degradations.base import Degradation, Hints, Observed, Residual, Unaided
from narrows.degradations.colour import colourfulness, from_chroma, luma, to_chroma
from narrows.degradations.estimate import estimated
from narrows.degradations.resample import smaller

COLOURFUL = 0.9  # of the colourfulness of true pictures: full colours of the wrong kind are worse than pale ones
MOST_VIVID = 2.0  # that a training makes them
VIVIDNESS_MOST = 4.0  # that a model may have
NoiseKind = Literal["gaussian", "salt-and-pepper", "poisson"]


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
    fold = 2
    told = 1
    task = "denoise"
    needs = ("level",)

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
        return Observed(seen.clamp(0, 1) if self.clip else seen, _map(level, clean))

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        assert hints.level is not None
        return Observed(seen, _map(hints.level.view(-1, *(1,) * (seen.ndim - 1)), seen))

    def hints(self, observed: Observed) -> Hints:
        return Hints(level=observed.told.flatten(1)[:, 0])

    def estimate(self, seen: torch.Tensor) -> float:
        """The level of the noise in one sample `(C, H, W)`, within the range that is learned."""
        if self.low == self.high:
            return self.low
        if self.kind == "salt-and-pepper":
            found = float(((seen <= 0) | (seen >= 1)).float().mean())
        else:
            found = estimated(seen)
            found /= max(1e-3, float(seen.mean())) ** 0.5 if self.kind == "poisson" else 1
        return min(max(found, self.low), self.high)

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen


@dataclass(frozen=True)
class Missing(Residual):
    """Pixels that are not there, a share from `low` to `high` of them: "pixels" each by itself, "strokes", "boxes",
    or "any" of the three, another for each sample; of vectors single values.

    The kind "given" takes the `mask` `(H, W)`, true where a pixel is missing, or where samples are smaller a random
    part of it; files keep its share, and the mask itself is needed only to train. A network is told which pixels are
    known, and these are kept exactly. Where nothing is known, it begins with what is known nearby.
    """

    low: float
    high: float
    kind: holes.Kind | Literal["given"] = "any"
    mask: torch.Tensor | None = field(default=None, compare=False, repr=False)

    scale = 1
    fold = 2
    told = 1
    task = "inpaint"
    needs = ("known",)

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        share = self.low + (self.high - self.low) * _uniform(clean[:, :1], generator)
        if self.kind == "given":
            if self.mask is None:
                raise ValueError("the mask of this degradation is not known any more; give it to damage samples")
            known = holes.cut_out(~self.mask.to(clean.device), clean.shape, generator)
        else:
            known = holes.draw(self.kind, share, clean.shape, generator, clean.device)
        return Observed(clean * known, known)

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        assert hints.known is not None
        return Observed(seen * hints.known, hints.known)

    def hints(self, observed: Observed) -> Hints:
        return Hints(known=observed.told)

    def guess(self, observed: Observed) -> torch.Tensor:
        return holes.filled(observed.seen, observed.told)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return torch.where(observed.told > 0, observed.seen, guess + answer)


@dataclass(frozen=True)
class Grey(Degradation):
    """Colour that is not there; the luma is kept exactly, and a network answers the two planes of chroma.

    It is told nothing but where the picture is: a plane of ones, by which it can tell the border. Where several
    colours are likely, the answer of least error is their mean, which is paler than any; after training chroma is
    multiplied by `vividness`, so that results are nearly as colourful as true pictures.
    """

    vividness: float = 1.0

    scale = 1
    fold = 4
    told = 1
    task = "colourise"
    needs = ()

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        return Observed(luma(clean), torch.ones_like(clean[:, :1]))

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        grey = luma(seen) if seen.shape[1] == 3 else seen
        return Observed(grey, torch.ones_like(grey))

    def hints(self, observed: Observed) -> Hints:
        return Hints()

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen.expand(-1, 3, -1, -1)

    def colours(self, clean: int) -> tuple[int, ...]:
        return (1, 3)

    def answers(self, colours: int) -> int:
        return 2

    def answer(self, wanted: torch.Tensor, guess: torch.Tensor) -> torch.Tensor:
        return to_chroma(wanted)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + self.vividness * from_chroma(answer)

    def settled(self, restored: torch.Tensor, clean: torch.Tensor) -> Degradation:
        wanted = COLOURFUL * float(colourfulness(clean).mean())
        grey, chroma = luma(restored), from_chroma(to_chroma(restored))
        low, high = 1.0, min(MOST_VIVID, VIVIDNESS_MOST / max(self.vividness, 1))
        for _ in range(12):  # halves the span each time
            middle = (low + high) / 2
            enough = float(colourfulness((grey + middle * chroma).clamp(0, 1)).mean()) >= wanted
            low, high = (low, middle) if enough else (middle, high)
        return Grey(round(self.vividness * high, 3) if high > 1.001 else self.vividness)


@dataclass(frozen=True)
class Smaller(Unaided):
    """Fewer pixels: sides divided by `factor`, by antialiased bicubic resampling. A network sees the picture made
    larger again by the same kernel, and answers what to add."""

    factor: int

    task = "upscale"

    @property
    def scale(self) -> int:
        """The factor."""
        return self.factor

    @property
    def fold(self) -> int:
        """The factor."""
        return self.factor

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        return self.given(smaller(clean, self.scale), Hints())


def _map(level: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Levels `(N, 1, ...)` of size 1 as a channel over the plane of samples."""
    return level.expand(-1, -1, *like.shape[2:]).to(like.dtype)


def _uniform(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A number in 0..1 for each sample: `(N, 1, ...)`."""
    return torch.rand((len(like), *(1,) * (like.ndim - 1)), generator=generator, device=like.device)


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator, device=like.device)
