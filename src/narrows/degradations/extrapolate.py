"""Gaps in signals filled in by autoregressive models: the first guess. Next door: `gaps` makes them."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt
import scipy  # whose parts are loaded when they are first used

from narrows.io.spans import runs_of

Doubles = npt.NDArray[np.float64]
CONTEXT = 320  # steps on either side that are looked at, at most
ORDER = 128  # of the prediction, at most: at 8 kHz the period of the deepest voices and more
SHORTER = (250, 64)  # steps and order of a second model, whose errors are others
FEWEST = 16  # steps on a side from which anything is predicted
RIDGE = 1e-5  # of the power, on the diagonal: noise that keeps predictions stable


def bridged(signal: Doubles, known: npt.NDArray[np.bool_]) -> Doubles:
    """A signal `(T,)` around 0 with its gaps, where `known` is false, filled in: first with what an autoregressive
    model of each side predicts, faded from one side to the other, then with what leaves the least error of the model
    of both sides and that (Janssen, Veldhuis and Vries, IEEE Trans. ASSP 1986; further rounds gain nothing).

    It is the mean of what two such models find, one of them of steps that fade with their distance: about as good as
    the better of the two in gaps of every length, see `results/sound_inpaint.md`. What was filled before counts as
    known, from left to right.
    """
    filled = predicted(signal, known)
    for start, stop in runs_of(~known):
        ways = (_between(filled, start, stop, CONTEXT, ORDER, True), _between(filled, start, stop, *SHORTER, False))
        found = [way for way in ways if way is not None]
        if found:
            filled[start:stop] = np.mean(found, axis=0)
    return filled


def _between(signal: Doubles, start: int, stop: int, context: int, order: int, faded: bool) -> Doubles | None:
    """The steps from `start` to `stop` that leave the least error of an autoregressive model of them and the
    `context` on either side, with weights that fade from there if `faded`; None where there is too little of it."""
    first, last = max(0, start - context), min(len(signal), stop + context)
    piece, gap = signal[first:last], slice(start - first, stop - first)
    near = np.ones(len(piece))
    if faded:
        near[: gap.start] = np.sin(np.pi / 2 * (np.arange(gap.start) + 0.5) / max(1, gap.start))
        near[gap.stop :] = np.sin(np.pi / 2 * (np.arange(last - stop) + 0.5) / max(1, last - stop))[::-1]
    weights = _weights(piece * near, min(order, (len(piece) - (stop - start)) // 4))
    if weights is None:
        return None
    error = np.concatenate(([1.0], -weights))
    products = np.correlate(error, error, "full")
    rest = piece.copy()
    rest[gap] = 0
    wanted = -np.convolve(rest, products)[len(weights) :][gap]
    row = products[len(weights) :][: stop - start]
    with suppress(np.linalg.LinAlgError):
        between: Doubles = scipy.linalg.solve_toeplitz(np.pad(row, (0, stop - start - len(row))), wanted)
        return between
    return None


def predicted(signal: Doubles, known: npt.NDArray[np.bool_]) -> Doubles:
    """The same with predictions from both sides alone."""
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
    weights = _weights(past * np.hanning(len(past) + 2)[1:-1], min(ORDER, len(past) // 2))
    if weights is None:
        return np.zeros(length)
    filter_ = np.concatenate(([1.0], -weights))
    state = scipy.signal.lfiltic([1.0], filter_, past[::-1][: len(weights)])
    following: Doubles = scipy.signal.lfilter([1.0], filter_, np.zeros(length), zi=state)[0]
    return following


def _weights(signal: Doubles, order: int) -> Doubles | None:
    """The weights of the steps before each, the last first, that predict it best, by the autocorrelation method; None
    for silence, and for an order of 0."""
    size = 2 * len(signal)
    correlations = np.fft.irfft(np.abs(np.fft.rfft(signal, size)) ** 2, size)[: order + 1]
    if order < 1 or correlations[0] <= 0:
        return None
    correlations[0] *= 1 + RIDGE
    with suppress(np.linalg.LinAlgError):
        weights: Doubles = scipy.linalg.solve_toeplitz(correlations[:order], correlations[1:])
        return weights
    return None
