"""Noise, and an estimate of its level. Next door: `base` is the interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from narrows.checks import one_of, real
from narrows.degradations.base import Hints, Observed, Range, Residual, range_of, range_words, uniform
from narrows.degradations.level import deviation
from narrows.errors import SettingsError

USUAL_NOISE = (0.0, 55 / 255)  # the range of the published denoisers
OWN_MOST = 0.6  # the level of noise that samples may have themselves
AROUND = (0.5, 1.5)  # the levels that a model takes that has learned from noisy samples, as shares of theirs
SHARES = (0.5, 1.0)  # of their noise, so much is added to what the network sees
NoiseKind = Literal["gaussian", "salt-and-pepper", "poisson"]
Clip = bool | Literal["some"] | None


@dataclass(frozen=True, init=False)
class Noise(Residual):
    """Noise of one `level`, or of a range of levels, drawn anew for each sample, as a share of the value range, 0..1.

    The level of "gaussian" is its standard deviation, of "salt-and-pepper" the share of values that become 0 or 1, of
    "poisson" the standard deviation at white. `clip` keeps noisy values in 0..1, as image files do: True or False,
    "some" for every second sample at random, or None, as the samples are stored: True for integers. Grey images in
    several channels get the same noise in each. The condition is the level; a network without biases serves all
    levels (Mohan et al., ICLR 2020).

    With `own` above 0 the samples are not clean: they have Gaussian noise of that level themselves. Some more of it
    is added, drawn anew, and taken away, larger, from what stands for clean samples, so that the noise of the one
    says nothing about that of the other (Pang et al., Recorrupted-to-recorrupted, CVPR 2021). `level` is then around
    it.

    Raises `SettingsError` for levels outside 0..1 and unknown kinds.
    """

    level: tuple[float, float]
    kind: NoiseKind
    clip: Clip
    own: float

    name = "noise"
    scale = 1
    fold = 2
    condition_channels = 1
    task = "denoise"
    needs = ("level",)

    def __init__(
        self, level: Range = USUAL_NOISE, kind: NoiseKind = "gaussian", clip: Clip = None, own: float = 0.0
    ) -> None:
        kind = one_of("kind of noise", kind, get_args(NoiseKind))
        clip = one_of("clip", clip, (None, False, True, "some"))
        own = real("own noise", own, 0, OWN_MOST)
        if own and kind != "gaussian":
            raise SettingsError(f"own noise was given with {kind} noise; it goes with gaussian noise")
        if own:
            level = (AROUND[0] * own, AROUND[1] * own)
        # Frozen: not by assignment.
        vars(self).update(level=range_of("noise", level), kind=kind, clip=clip, own=own)

    def __str__(self) -> str:
        if self.own:
            return f"the samples' own gaussian noise {self.own:.3g}"
        words = {True: ", clipped", "some": ", clipped or not"}.get(self.clip or False, "")
        return f"{self.kind} noise {range_words(self.level)}{words}"

    def to_json(self) -> list[dict[str, Any]]:
        own = {"own": self.own} if self.own else {}
        fields = {"degradation": self.name, "level": list(self.level), "kind": self.kind, "clip": self.clip}
        return [{**fields, **own}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        if self.own:
            return self._recorrupted(clean, generator)
        level = uniform(self.level, clean, generator)
        if self.kind == "gaussian":
            seen = clean + level * torch.randn(clean.shape, generator=generator, device=clean.device)
        elif self.kind == "poisson":
            peak = level.clamp_min(1e-3) ** -2
            seen = torch.poisson((clean.clamp_min(0) * peak).float(), generator) / peak
        else:
            chance = torch.rand(clean.shape, generator=generator, device=clean.device)
            seen = torch.where(chance < level, (chance < level / 2).to(clean.dtype), clean)
        if clean.ndim == 4:
            seen = torch.where(_grey(clean), seen[:, :1], seen)
        if self.clip == "some":
            chosen = (
                torch.rand((len(clean), *(1,) * (clean.ndim - 1)), generator=generator, device=clean.device) < 0.5
            )
            seen = torch.where(chosen, seen.clamp(0, 1), seen)
        elif self.clip:
            seen = seen.clamp(0, 1)
        return Observed(seen, _plane(level, clean))

    def _recorrupted(self, noisy: torch.Tensor, generator: torch.Generator) -> Observed:
        """Noisy samples with more noise, and a target whose noise is independent of that."""
        share = uniform(SHARES, noisy, generator)
        more = self.own * torch.randn(noisy.shape, generator=generator, device=noisy.device)
        if noisy.ndim == 4:
            more = torch.where(_grey(noisy), more[:, :1], more)
        level = self.own * (1 + share.square()).sqrt()
        return Observed(noisy + share * more, _plane(level, noisy), noisy - more / share)

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        assert hints.level is not None
        return Observed(seen, _plane(hints.level.view(-1, *(1,) * (seen.ndim - 1)), seen))

    def hints(self, observed: Observed) -> Hints:
        return Hints(level=observed.condition.flatten(1)[:, 0])

    def guess(self, observed: Observed) -> torch.Tensor:
        return observed.seen

    def colours(self, clean: int) -> tuple[int, ...]:
        return (clean,)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return guess + answer

    def settled(self, restored: Callable[[], torch.Tensor], clean: torch.Tensor) -> Noise:
        """Once it is trained, the model denoises as others do."""
        return Noise(self.level, self.kind, self.clip)

    def estimate(self, seen: torch.Tensor) -> float:
        """The level of the noise in one sample `(C, H, W)`, within the range of this degradation."""
        low, high = self.level
        if low == high:
            return low
        if self.kind == "salt-and-pepper":
            found = float(((seen <= 0) | (seen >= 1)).float().mean())
        else:
            found = deviation(seen.double().cpu().numpy())
            found /= max(1e-3, float(seen.mean())) ** 0.5 if self.kind == "poisson" else 1
        return min(max(found, low), high)


def _grey(images: torch.Tensor) -> torch.Tensor:
    """Which images have the same values in all channels: `(N, 1, 1, 1)`."""
    return (images == images[:, :1]).flatten(1).all(dim=1).view(-1, 1, 1, 1)


def _plane(level: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Levels `(N, 1, ...)` as a channel of the size of the samples."""
    return level.expand(-1, -1, *like.shape[2:]).to(like.dtype)
