"""Gaps in channels of a signal filled in from channels that are known there. Next door: `extrapolate` fills them from
what is before and after them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from narrows.degradations.extrapolate import Doubles
from narrows.degradations.gaps import around_mean

ROUNDS = 3
MOVES = 4  # places to which the gaps of a channel are moved, to see how well they are filled there
BETTER = 0.5  # of the squared error without the other channels, below which these are taken
FEWEST = 4  # known steps for each channel
RIDGE = 1e-6  # of the power, on the diagonal

Flags = npt.NDArray[np.bool_]


def from_one_another(signals: Doubles, known: Flags) -> tuple[Doubles, Flags]:
    """Signals `(C, T)` around 0 with what is not `known` `(C, T)` filled in, and which of them, `(C,)`, follow from
    the others.

    Those are filled in with a linear function of the others, and what linear prediction finds of the rest, in rounds,
    as chained equations do (van Buuren and Groothuis-Oudshoorn, Journal of Statistical Software 2011); the others by
    linear prediction alone. They follow if that is better by far in gaps like their own that are moved to where
    everything is known, or if that is nowhere, the channel. See `results/series_gaps.md`.
    """
    alone = np.stack([around_mean(*each) for each in zip(signals, known, strict=True)])
    filled, chosen = alone.copy(), np.flatnonzero(~known.all(axis=1) & (known.sum(axis=1) >= FEWEST * len(known)))
    for channel in chosen.tolist() * ROUNDS:
        filled[channel] = _from_others(filled, known[channel], channel)
    follow = np.zeros(len(signals), bool)
    follow[chosen] = [_follows(filled, known, channel) for channel in chosen.tolist()]
    return np.where(follow[:, None], filled, alone), follow


def _from_others(signals: Doubles, known: Flags, channel: int) -> Doubles:
    """A channel with what is not `known` `(T,)` of it filled in from the others."""
    own, others = signals[channel], np.delete(signals, channel, axis=0)
    means = others[:, known].mean(axis=1, keepdims=True)
    seen = others[:, known] - means
    products = seen @ seen.T
    products[np.diag_indices_from(products)] += RIDGE * np.trace(products) / len(others) + np.finfo(float).tiny
    told = np.linalg.solve(products, seen @ (own[known] - own[known].mean())) @ (others - means)
    rest: Doubles = told + around_mean(np.where(known, own - told, 0.0), known)
    return np.where(known, own, rest)


def _follows(signals: Doubles, known: Flags, channel: int) -> bool:
    own, whole = known[channel], np.asarray(known.all(axis=0))
    errors = np.zeros(2)
    for move in range(1, MOVES + 1):
        hidden = (whole if whole.any() else own) & ~np.roll(own, move * len(own) // (MOVES + 1))
        left = own & ~hidden
        if left.sum() >= FEWEST * len(known):
            ways = around_mean(signals[channel] * left, left), _from_others(signals, left, channel)
            errors += [np.square(way - signals[channel])[hidden].sum() for way in ways]
    return bool(errors[1] < BETTER * errors[0])
