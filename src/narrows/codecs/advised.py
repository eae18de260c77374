"""Signals with a model: the walk of `series`, with the advice of an integer network.

Next door: `series` codes without a model; `networks.advice` is what is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from narrows.archive.promise import Promise
from narrows.codecs.base import Way
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.difference import arrays_of
from narrows.codecs.quantise import quantised
from narrows.codecs.series import Plan, SeriesWay
from narrows.entropy.advice import ADVICE_BITS, FEATURE_BITS, FEATURES, MOST_FEATURE, TOLD, advised
from narrows.entropy.bits import BitReader, BitWriter
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Integers
from narrows.entropy.integer_networks import IntegerNetwork, from_arrays, to_arrays
from narrows.entropy.lanes import Layout, Walk
from narrows.errors import ModelError
from narrows.networks.advice import Advice

RANGE_ROWS = 1 << 16  # that decide the ranges of the integer network


@dataclass(frozen=True)
class IntegerAdvice:
    """`networks.advice.Advice` in integers."""

    network: IntegerNetwork

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        return to_arrays(self.network)

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers]) -> IntegerAdvice:
        """The inverse, taking its arrays from an iterator; raises `ModelError` for other arrays."""
        network = from_arrays(arrays)
        if network.ends != (FEATURES, TOLD, FEATURE_BITS, ADVICE_BITS):
            raise ModelError("a compact model whose network does not fit signals; make the model again")
        if any(layer.weight.shape[2] > 1 for layer in network.layers):
            raise ModelError("a compact model whose network sees neighbours; make the model again")
        return cls(network)

    def advise(
        self, features: Integers, means: Integers, scales: Integers, earned: Integers
    ) -> tuple[Integers, Integers, Integers | None]:
        """Means and scales `(E, L)` in place of these, and what to add to `earned` `(L, E)`."""
        seen = torch.from_numpy(features.T.astype(np.float32))[None, None]
        told = self.network(seen)[0, 0].T.numpy().astype(np.int64)
        return advised(told, means, scales)

    def told(self, values: Integers, alive: np.ndarray) -> None:
        """Nothing: features have what it needs."""


class AdvisedWay(SeriesWay):
    """Signals of any channels."""

    def __init__(self, advice: IntegerAdvice, error: int) -> None:
        super().__init__(error)
        self.advice = advice

    def _walk(
        self, plan: Plan, layout: Layout, coder: Coder, bits: BitWriter | BitReader, given: Integers | None
    ) -> Integers:
        return Walk(layout, plan.low, plan.high, plan.scale, self.advice).code(coder, bits, given)


@torch.no_grad()
def integer_advice(advice: Advice, signals: torch.Tensor) -> IntegerAdvice:
    """Convert a trained network to integers; signals `(N, C, 1, T)` in 0..1 decide the ranges."""
    rows = advice.rows(signals)
    seen = rows[:: max(1, len(rows) // RANGE_ROWS), :FEATURES][:, :, None, None]
    most = np.full(FEATURES, MOST_FEATURE)
    return IntegerAdvice(quantised(advice.layers, seen, FEATURE_BITS, most, ADVICE_BITS, -most))


def open_advised(promise: Promise, model: CompactModel | None) -> Way:
    """The way of a compact model of signals."""
    assert model is not None
    arrays = iter(arrays_of(model))
    way = AdvisedWay(IntegerAdvice.from_arrays(arrays), promise.steps)
    if next(arrays, None) is not None:
        raise ModelError("a compact model with arrays left over; make the model again")
    return way
