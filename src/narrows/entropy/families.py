"""Families of tables out of distributions: computed in floats, once, when a model is made, which then stores them.

Next door: `cumulative` has the tables; `gaussians` and `logistics` code with them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, ndtr, ndtri

from narrows.entropy.cumulative import (
    LOGIT_BITS,
    MOST_SYMBOLS,
    CumulativeTables,
    Doubles,
    Integers,
    from_probabilities,
)
from narrows.entropy.logistics import (
    FIRSTS,
    LOGIT_SHIFT,
    NARROWEST,
    PHASES,
    STEPS,
    TABLES,
    TAIL_EDGES,
    TAILS,
    TOLD_BITS,
    Logistics,
)


def discretised(scales: Sequence[float], tail_bits: float = 16.0) -> CumulativeTables:
    """Tables of Gaussians around 0 with these standard deviations, integrated over each integer's interval of 1.

    The escape, for everything beyond a table, costs about `tail_bits` bits.
    """
    parts, lowest = [], []
    for scale in scales:
        reach = max(1, int(np.ceil(scale * -ndtri(2.0 ** -(tail_bits + 1)) - 0.5)))
        reach = min(reach, MOST_SYMBOLS // 2 - 2)
        edges = np.arange(-reach, reach + 2) - 0.5
        inside = np.diff(ndtr(edges / scale))
        outside = 2 * ndtr(edges[0] / scale)
        parts.append(from_probabilities(np.append(inside, outside)))
        lowest.append(-reach)
    return CumulativeTables(tuple(parts), tuple(lowest))


def logistics(wide: float, counts: list[Integers] | None = None, belief: float = 0.0) -> Logistics:
    """The family whose second logistic is `wide` times the first, corrected by how often each symbol came, where
    `counts` has that for each table; the mixture counts for `belief` symbols."""
    lengths, lowest, logits = [], [], []
    for number in range(TABLES):
        least, found = _mixture(number, wide)
        if counts is not None and counts[number].sum():
            found = found * belief + counts[number]
        parts = from_probabilities(np.maximum(found, found.max() * 2.0**-20))
        steps = np.rint(np.log2(parts / parts.max()) * (1 << LOGIT_BITS - LOGIT_SHIFT)).astype(np.int64)
        lengths.append(len(parts))
        lowest.append(least)
        logits.append(steps)
    return Logistics(np.array(lengths), np.array(lowest), np.concatenate(logits))


def _mixture(number: int, wide: float) -> tuple[int, Doubles]:
    """The smallest symbol of a table, and the probabilities of its symbols, the escape's last."""
    pair, kind = divmod(number, TAILS)
    index = int(np.searchsorted(FIRSTS, pair, side="right")) - 1
    scale, count = 2.0 ** (NARROWEST + index / STEPS), int(PHASES[index])
    phase = (pair - int(FIRSTS[index])) / (2 * max(1, count - 1))
    edges = [-6.5, *(edge / (1 << TOLD_BITS) for edge in TAIL_EDGES), 6.0]
    share = expit((edges[kind] + edges[kind + 1]) / 2)
    reach = int(min(255, np.ceil(12 * wide * scale) + 1))
    ends = np.arange(-reach, reach + 2) - 0.5 - phase
    # Left of the mean the differences are exact, and the right side is its mirror.
    lower, upper = np.minimum(ends[:-1], -ends[1:]), np.minimum(ends[1:], -ends[:-1])
    inside = sum(
        weight * np.abs(expit(upper / s) - expit(lower / s))
        for weight, s in ((1 - share, scale), (share, wide * scale))
    )
    kept = np.flatnonzero(inside > 2.0**-16)
    first, last = int(kept[0]), int(kept[-1])
    rest = max(2.0**-16, 1 - float(inside[first : last + 1].sum()))
    return first - reach, np.append(inside[first : last + 1], rest)
