"""Gaps in signals, as lost packets leave them. Next door: `extrapolate` fills them for a first guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from narrows.checks import real
from narrows.degradations.base import Hints, Observed, Residual, range_words
from narrows.degradations.extrapolate import Doubles, bridged
from narrows.degradations.rates import SILENCE
from narrows.errors import SettingsError

USUAL_SECONDS = (0.02, 0.1)
LONGEST = 1e9  # seconds, or steps where these are counted
USUAL_STEPS = (5.0, 25.0)  # where the usual lengths are less than a step
BETWEEN = (1.0, 5.0)  # what is known between two gaps, in lengths of the longest


@dataclass(frozen=True, init=False)
class Gaps(Residual):
    """Gaps in signals, in all channels, of one length in `seconds`, or in a range of lengths, drawn anew; between two
    there is from one to five times the longest. `rate` is the number of steps in a second, which a model takes from
    its samples if it is 0; with a rate of 1, lengths count steps. The condition is 1 where the signal is known.

    Raises `SettingsError` for lengths that are not above 0, and a range whose end is below its start.
    """

    seconds: tuple[float, float]
    rate: float

    name = "gaps"
    task = "inpaint"
    scale = 1
    fold = 1
    axes = 1
    condition_channels = 1
    needs = ("known",)

    def __init__(self, seconds: float | tuple[float, float] | list[float] = USUAL_SECONDS, rate: float = 0.0) -> None:
        pair = seconds if isinstance(seconds, (tuple, list)) and len(seconds) == 2 else (seconds, seconds)
        low, high = (real("length of gaps", end, 0, LONGEST, above=True) for end in pair)
        if low > high:
            raise SettingsError(f"gaps of {low:g} to {high:g} seconds were given; give the shorter length first")
        vars(self).update(seconds=(low, high), rate=real("rate", rate, 0))  # frozen: not by assignment

    def __str__(self) -> str:
        if self.rate == 1:
            return f"gaps of {range_words(self.seconds)} steps"
        return f"gaps of {range_words((1000 * self.seconds[0], 1000 * self.seconds[1]))} ms"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "seconds": list(self.seconds), "rate": self.rate}]

    def at(self, rate: float) -> Gaps:
        """The same for signals of this rate, unless it has one; of slow ones, such as a value an hour, the usual
        lengths are counted in steps. Raises `SettingsError` where there is no rate."""
        if not (self.rate or rate):
            raise SettingsError(
                f"{self} were given for signals of unknown rate; give it by --rate HZ, or in Python count steps: "
                "Gaps(..., rate=1)"
            )
        if self.rate:
            return self
        slow = self.seconds == USUAL_SECONDS and rate * min(USUAL_SECONDS) < 1
        return Gaps([steps / rate for steps in USUAL_STEPS] if slow else self.seconds, rate)

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        if not self.rate:
            raise SettingsError(f"the rate of {self} is not known; give it to damage samples")
        known = torch.stack([self._drawn(clean.shape[3], generator) for _ in clean])[:, None, None]
        return self.given(clean, Hints(known=known.to(clean)))

    def _drawn(self, length: int, generator: torch.Generator) -> torch.Tensor:
        """What is known of one sample: `(T,)`."""
        shortest, longest = (max(1.0, self.rate * end) for end in self.seconds)
        most = int(longest * (1 + BETWEEN[1])) + 1
        count = length // max(1, int(shortest + BETWEEN[0] * longest)) + 1
        draws = torch.rand((count, 2), generator=generator, device=generator.device).cpu().numpy()
        spans = shortest + (longest - shortest) * draws[:, 0]
        breaks = longest * (BETWEEN[0] + (BETWEEN[1] - BETWEEN[0]) * draws[:, 1])
        breaks[0] = draws[0, 1] * min(most, max(1.0, length - spans[0]))
        stops = np.cumsum(spans + breaks).round().astype(np.int64)
        known = torch.ones(length)
        for stop, span in zip(stops, np.maximum(1, spans.round().astype(np.int64)), strict=True):
            known[max(0, stop - span) : stop] = 0
        if not known.any():
            known[0] = 1  # something has to be known
        return known

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        assert hints.known is not None
        known = hints.known.expand(len(seen), -1, -1, -1)
        return Observed(torch.where(known > 0, seen, SILENCE), known)

    def hints(self, observed: Observed) -> Hints:
        return Hints(known=observed.condition)

    def guess(self, observed: Observed) -> torch.Tensor:
        """Linear prediction, on the processor."""
        signals = observed.seen.double().cpu().numpy() - SILENCE
        known = observed.condition.cpu().numpy()[:, 0, 0] > 0
        for sample, here in zip(signals, known, strict=True):
            for channel in range(len(sample)):
                sample[channel, 0] = around_mean(sample[channel, 0], here)
        return torch.from_numpy(signals + SILENCE).to(observed.seen)

    def colours(self, clean: int) -> tuple[int, ...]:
        return (clean,)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return torch.where(observed.condition > 0, observed.seen, guess + answer)


def around_mean(signal: Doubles, known: npt.NDArray[np.bool_]) -> Doubles:
    """A signal `(T,)` with what is not known filled in by linear prediction."""
    if known.all():
        return signal
    mean = (signal * known).sum() / max(1, known.sum())
    filled: Doubles = bridged(signal - mean, known) + mean
    return filled
