"""What a learned network may see of a walk over signals, in whole numbers, and how its advice is taken.

Next door: `lanes` asks for it; `networks.advice` learns it, `codecs.advised` has it in integers.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from narrows.entropy.cumulative import Integers, powers
from narrows.entropy.experts import LEAST_SCALE, POINT_BITS, SCALE_BITS
from narrows.entropy.linear import clip, quotient

# Part of the format.
OPINIONS = 6
PAST = 8  # errors that are seen
FEATURE_BITS = 7  # of what is seen, after the point
MOST_FEATURE = 8 << FEATURE_BITS
ADVICE_BITS = 8  # of what is told
MOST_ADVICE = 4 << ADVICE_BITS
FEATURES = OPINIONS + OPINIONS - 2 + OPINIONS + 2 * PAST
TOLD = 3 * OPINIONS
MOST_SCALE = 1 << 42


class Adviser(Protocol):
    """Whoever corrects opinions before a value is coded."""

    def advise(
        self, features: Integers, means: Integers, scales: Integers, earned: Integers
    ) -> tuple[Integers, Integers, Integers | None]:
        """Means and scales `(E, L)` in place of these, and what to add to `earned` `(L, E)`."""

    def told(self, values: Integers, alive: np.ndarray) -> None:
        """The values `(L,)` that came, for signals that are `alive`."""


def features(means: Integers, scales: Integers, earned: Integers, past: Integers) -> Integers:
    """What is seen `(F, L)`, in 1/128: from the opinions `(E, L)`, and the `past` `(P, L)`, errors of the last values
    in 1/128 of the mean absolute error, the latest first."""
    scales = np.maximum(scales, LEAST_SCALE)
    logs = logarithm(scales)
    level = logs[-1:] - (SCALE_BITS << FEATURE_BITS)
    seen = [logs[:-1] - logs[-1], (level >> 1) - (2 << FEATURE_BITS), relative(means[:-2] - means[-1], scales[-1])]
    seen += [(earned.T >> 3) + (1 << FEATURE_BITS), past, logarithm(np.abs(past) + 8) - (6 << FEATURE_BITS)]
    return clip(np.concatenate(seen), MOST_FEATURE)


def relative(away: Integers, scale: Integers) -> Integers:
    """A distance in 1/16, in 1/128 of a mean absolute error in 1/4096, cut to what is seen."""
    shift = SCALE_BITS - POINT_BITS + FEATURE_BITS
    return clip(quotient(clip(away, 1 << 37) << shift, np.maximum(scale, LEAST_SCALE)), MOST_FEATURE)


def advised(told: Integers, means: Integers, scales: Integers) -> tuple[Integers, Integers, Integers]:
    """Opinions `(E, L)` with what a network told, `(3 E, L)` in 1/256: logarithms of shares and of scales, to the
    base 2, and by how many scales means move."""
    told = clip(told, MOST_ADVICE)
    shifts, wider, further = np.split(told, 3)
    scales = np.minimum(np.maximum(scales, LEAST_SCALE), MOST_SCALE)
    moved = means + (further * scales[-1] >> ADVICE_BITS + SCALE_BITS - POINT_BITS)
    factors = powers(MOST_ADVICE - wider).astype(np.int64)  # 2**20 is 2**4
    return moved, scales * factors >> 16, shifts.T


def _steps() -> Integers:
    """128 times the logarithm to the base 2 of 128/128 to 255/128, rounded down."""
    return np.array([((n**128).bit_length() - 1) - 7 * 128 for n in range(128, 256)], np.int64)


_STEPS = _steps()


def logarithm(values: Integers) -> Integers:
    """128 times the logarithm to the base 2 of whole numbers from 1, below 2**53, rounded down."""
    part, power = np.frexp(values.astype(np.float64))
    return _STEPS[(part * 256).astype(np.int64) - 128] + (power.astype(np.int64) - 1 << FEATURE_BITS)
