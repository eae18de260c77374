"""Gaps in signals filled by linear prediction from both sides: the first guess. Next door: `gaps` makes them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, solve_toeplitz
from scipy.signal import lfilter, lfiltic

from narrows.io.spans import runs_of

Doubles = npt.NDArray[np.float64]
CONTEXT = 800  # steps on either side that are looked at, at most
ORDER = 128  # of the prediction, at most: at 8 kHz the period of the deepest voices and more
FEWEST = 16  # steps on a side from which anything is predicted
RIDGE = 1e-5  # of the power, on the diagonal: noise that keeps predictions stable


def bridged(signal: Doubles, known: npt.NDArray[np.bool_]) -> Doubles:
    """A signal `(T,)` around 0 with its gaps, where `known` is false, filled: what an autoregressive model of each
    side (by the autocorrelation method, which is stable) predicts, faded from one side to the other.

    What was filled before counts as known, from left to right.
    """
    filled = np.where(known, signal, 0.0)
    for start, stop in runs_of(~known):
        length = stop - start
        after = known[stop : stop + CONTEXT]
        reach = CONTEXT if after.all() else int(np.argmin(after))
        before = _predicted(filled[max(0, start - CONTEXT) : start], length)
        behind = _predicted(filled[stop : stop + reach][::-1], length)
        fade = np.cos(np.pi / 2 * (np.arange(length) + 0.5) / length) ** 2
        if before is None or behind is None:
            fade = np.full(length, 1.0 if behind is None else 0.0)
        left, right = (np.zeros(length) if side is None else side for side in (before, behind))
        filled[start:stop] = fade * left + (1 - fade) * right[::-1]
    return filled


def _predicted(past: Doubles, length: int) -> Doubles | None:
    """The steps that follow `past`, `(length,)`; None where there is too little of it."""
    if len(past) < FEWEST:
        return None
    order = min(ORDER, len(past) // 2)
    size = 2 * len(past)
    tapered = past * np.hanning(len(past) + 2)[1:-1]
    correlations = np.fft.irfft(np.abs(np.fft.rfft(tapered, size)) ** 2, size)[: order + 1]
    if correlations[0] <= 0:
        return np.zeros(length)
    correlations[0] *= 1 + RIDGE
    try:
        weights = solve_toeplitz(correlations[:order], correlations[1:])
    except LinAlgError:
        return np.zeros(length)
    filter_ = np.concatenate(([1.0], -weights))
    state = lfiltic([1.0], filter_, past[::-1][:order])
    following: Doubles = lfilter([1.0], filter_, np.zeros(length), zi=state)[0]
    return following
