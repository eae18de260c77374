"""Advice for the exact coding of signals: a network that corrects what adaptive filters think of the next value.

The filters are those that code without a model; they walk over the signals in whole numbers, and the network learns
from what they see.
Next door: `entropy.lanes` has the walk; `residuals` codes pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from narrows.entropy.advice import ADVICE_BITS, FEATURE_BITS, FEATURES, MOST_ADVICE, OPINIONS, TOLD
from narrows.entropy.bits import BitWriter
from narrows.entropy.coder import RangeEncoder
from narrows.entropy.cumulative import Integers
from narrows.entropy.experts import CAUTION_BITS, LEAST_SCALE, POINT_BITS, SCALE_BITS
from narrows.entropy.lanes import Layout, Walk

WIDTH = 64
SPREAD, WIDE, SHARE = 0.65, 4.0, 1 / 64  # of the curve of `entropy.experts`, in mean absolute errors
LEAST = 2.0**-20  # of a mass


class Advice(nn.Module):
    """Three layers, place by place: from `FEATURES` to three numbers for each opinion.

    Signals are `(N, C, 1, T)` in 0..1, which stand for whole numbers from `low` to `low` + `span`, one for all or
    `(C,)` for the channels.
    """

    def __init__(self, width: int, low: npt.ArrayLike, span: npt.ArrayLike) -> None:
        super().__init__()
        self.low, self.span = (
            torch.as_tensor(np.reshape(ends, (-1, 1, 1)), dtype=torch.float64) for ends in (low, span)
        )
        self.layers = nn.Sequential(
            nn.Conv2d(FEATURES, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, TOLD, 1)
        )
        with torch.no_grad():
            for parameter in self.layers[-1].parameters():
                parameter.mul_(0.01)  # it begins with next to no advice
        self._kept: tuple[torch.Tensor, torch.Tensor] | None = None
        self._rows: torch.Tensor | None = None

    def bits(self, x: torch.Tensor) -> torch.Tensor:
        """Bits a value of signals."""
        return self._cost(self.rows(x))

    def some_bits(self, x: torch.Tensor, count: int, seed: int) -> torch.Tensor:
        """Bits a value at `count` of the places that `start` saw, or of these signals if it saw none."""
        if self._rows is None:
            return self.bits(x)
        chosen = torch.randint(len(self._rows), (count,), generator=torch.Generator().manual_seed(seed))
        return self._cost(self._rows[chosen].to(x.device))

    def start(self, x: torch.Tensor) -> None:
        """Walk over signals once, so that training need not."""
        self._rows = self.rows(x)

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        """What there is to learn from at every value of signals, `(M, K)`: features, then means and scales of the
        opinions, what they earned, and the value."""
        if self._kept is None or not torch.equal(self._kept[0], x):
            values = (x.detach().double().cpu() * self.span + self.low).round().long()[:, :, 0]
            self._kept = x, walked(list(values.transpose(1, 2).numpy()))
        return self._kept[1].to(x.device)

    def _cost(self, rows: torch.Tensor) -> torch.Tensor:
        """Bits a row: those of `entropy.experts`, in floats."""
        seen, means, scales, earned, value = torch.split(rows, [FEATURES, OPINIONS, OPINIONS, OPINIONS, 1], dim=1)
        told = self.layers(seen[:, :, None, None])[:, :, 0, 0]
        most = MOST_ADVICE / (1 << ADVICE_BITS)
        shifts, wider, further = torch.split(told.clamp(-most, most), OPINIONS, dim=1)
        width = scales * wider.exp2() * SPREAD
        away = (value - means - further * scales[:, -1:]).abs()
        shares = torch.log_softmax((earned + shifts) * np.log(2), dim=1)

        def mass(width: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid((0.5 - away) / width) - torch.sigmoid((-0.5 - away) / width)

        found = (1 - SHARE) * mass(width) + SHARE * mass(WIDE * width)
        bits: torch.Tensor = -torch.logsumexp(shares + (found + LEAST).log(), dim=1).mean() / np.log(2)
        return bits


@dataclass
class _Record:
    """An adviser that gives no advice, and takes down what it could have seen."""

    rows: list[Integers]
    waiting: Integers

    def advise(
        self, features: Integers, means: Integers, scales: Integers, earned: Integers
    ) -> tuple[Integers, Integers, None]:
        self.waiting = np.concatenate([features, means, scales, earned.T])
        return means, scales, None

    def told(self, values: Integers, alive: np.ndarray) -> None:
        self.rows.append(np.concatenate([self.waiting, values[None]])[:, alive].T)


class _Nowhere(RangeEncoder):
    """A coder that keeps nothing."""

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        assert symbols is not None
        return symbols


def walked(signals: list[Integers]) -> torch.Tensor:
    """What the walk sees at every value of signals `(T, C)`, as `Advice.rows` has it."""
    middle = int(np.median(np.concatenate(signals)))
    signals = [signal - middle for signal in signals]
    low, high = min(int(s.min()) for s in signals), max(int(s.max()) for s in signals)
    scale = round(16 * float(np.mean([np.abs(np.diff(s[:256], axis=0)).mean() for s in signals])))
    layout = Layout.of([len(s) for s in signals], signals[0].shape[1], max(len(s) for s in signals))
    record = _Record([], np.empty(0, np.int64))
    Walk(layout, low, high, scale, record).code(_Nowhere(), _Bits(), layout.to_lanes(signals))
    rows = np.concatenate(record.rows).astype(np.float64)
    ends = np.cumsum([FEATURES, OPINIONS, OPINIONS, OPINIONS])
    rows[:, : ends[0]] /= 1 << FEATURE_BITS
    rows[:, ends[1] : ends[2]] = np.maximum(rows[:, ends[1] : ends[2]], LEAST_SCALE) / (1 << SCALE_BITS)
    # Relative to the last mean, so that float32 holds large values too.
    rows[:, -1] -= rows[:, ends[1] - 1] / (1 << POINT_BITS)
    rows[:, ends[0] : ends[1]] = (rows[:, ends[0] : ends[1]] - rows[:, ends[1] - 1, None]) / (1 << POINT_BITS)
    rows[:, ends[2] : ends[3]] /= 1 << 8 + CAUTION_BITS
    return torch.from_numpy(rows.astype(np.float32))


class _Bits(BitWriter):
    def code(self, values: Integers | None, widths: Integers) -> Integers:
        assert values is not None
        return values
