"""Linear predictions that learn from what they have seen, in exact integers, for many signals at once.

Weighted least squares with forgetting, solved anew every few steps by a square-root-free Cholesky decomposition, and
a normalised gradient filter. Signals stand side by side on the last axis; no sum leaves 64 bits, products of floats
stay below 2**53, so all machines agree.
Next door: `codecs.series` walks signals with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from narrows.entropy.cumulative import Doubles, Integers

# Part of the format.
WEIGHT_BITS = 20  # of a weight, after the point
MOST_WEIGHT = 1 << 25
TOP_BITS = 28  # of the largest power, when a system is solved
MOST_ENTRY, MOST_RATIO = 1 << 29, 1 << 28
LEAST_PIVOT = 4
RIDGE_BITS = 20  # a power is raised by 2**-20 of itself
LEARN_BITS = 8  # a gradient filter moves by 2**-8 of what the error asks for
MOST_REGRESSORS = 63


def solve(powers: Integers, ridge: int) -> Integers:
    """The weights `(n, L)`, in 2**-20, of the regressions whose sums of products are `powers` `(n + 1, n + 1, L)`,
    the target last, below 2**53; `ridge` is added to the powers of the others."""
    count = len(powers) - 1
    top = np.max([powers[j, j] for j in range(count)], axis=0) + ridge
    shift = np.frexp(top.astype(np.float64))[1].astype(np.int64) - TOP_BITS
    more, less = np.maximum(-shift, 0), np.maximum(shift, 0)
    lower, entries = np.empty_like(powers), np.empty_like(powers)
    for j in range(count):
        column = powers[j:, j].copy()
        column[0] += ridge
        column <<= more
        column >>= less
        column[0] += (column[0] >> RIDGE_BITS) + LEAST_PIVOT
        if j:
            column -= np.einsum("ikl,kl->il", lower[j:, :j], entries[j, :j]) >> WEIGHT_BITS
        pivot = np.maximum(column[0], LEAST_PIVOT)
        below = clip(column[1:], MOST_ENTRY, entries[j + 1 :, j])
        clip(quotient(below << WEIGHT_BITS, pivot), MOST_RATIO, lower[j + 1 :, j])
    weights = np.empty((count, powers.shape[2]), np.int64)
    for i in range(count - 1, -1, -1):
        known = np.einsum("kl,kl->l", lower[i + 1 : count, i], weights[i + 1 :]) >> WEIGHT_BITS
        clip(lower[count, i] - known, MOST_WEIGHT, weights[i])
    return weights


def clip(values: Integers, most: int, out: Integers | None = None) -> Integers:
    """Values cut to -`most` to `most`; `numpy.clip` takes longer for few values."""
    found: Integers = np.minimum(np.maximum(values, -most, out=out), most, out=out)
    return found


def quotient(over: Integers, under: Integers) -> Integers:
    """`floor(over / under)` for whole numbers below 2**53 in size: IEEE 754 rounds such a quotient by less than its
    distance from the next whole number, so the floor of a float is right, and quicker."""
    found: Doubles = np.floor(over / under)
    return found.astype(np.int64)


def products(rows: Doubles) -> Integers:
    """Sums of products `(n, n, L)` of `rows` `(K, n, L)`: whole numbers up to 2**20 in size, at most 2**12 rows."""
    flat = np.ascontiguousarray(rows.transpose(2, 1, 0))
    return np.ascontiguousarray((flat @ flat.transpose(0, 2, 1)).transpose(1, 2, 0)).astype(np.int64)


@dataclass
class Gradient:
    """A filter of the last errors that follows the gradient: `weights` `(n, L)`, in 2**-16."""

    weights: Integers

    def predict(self, seen: Integers) -> Integers:
        """From the last values `(n, L)`, up to 2**24 in size, the next one's, `(L,)`."""
        told: Integers = np.einsum("nl,nl->l", self.weights, seen) + (1 << 15) >> 16
        return told

    def learn(self, seen: Integers, error: Integers) -> None:
        """Move against the error `(L,)`, up to 2**24 in size, of what was predicted from `seen`."""
        power = np.einsum("nl,nl->l", seen, seen) + (1 << 14)
        step = clip(quotient(error << 26, power), 1 << 28)
        self.weights += step * seen + (1 << 9 + LEARN_BITS) >> 10 + LEARN_BITS
        clip(self.weights, 1 << 20, self.weights)
