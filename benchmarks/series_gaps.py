"""Gaps in a series of many channels: the 12 leads of an electrocardiogram, each with gaps of its own, or all with the
same, beside linear interpolation, an autoregressive model of each lead, and scikit-learn's `IterativeImputer`.

The first 80 % are trained on, gaps of 20 to 100 ms are drawn in the rest. The score is the signal-to-noise ratio of
what was missing, leads in units of their deviation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _common import Rows, table, write
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer

import narrows
from narrows.degradations import Gaps
from narrows.degradations.gaps import around_mean
from narrows.io.arrays import Array
from narrows.tasks.restore import fill
from narrows.training.settings import Settings

RATE, TRAINED, LENGTHS = 1000, 0.8, (0.02, 0.1)
BREAKS = (300, 1000, 3000)  # steps between two gaps of a lead, on the mean


def drawn(shape: tuple[int, int], pause: int, apart: bool, seed: int) -> Array:
    """What is missing, `(T, C)`: gaps of each channel, or the same of all."""
    rng, missing = np.random.default_rng(seed), np.zeros(shape, bool)
    for channel in range(shape[1] if apart else 1):
        at = int(rng.integers(0, pause))
        while at < shape[0]:
            length = int(rng.integers(int(LENGTHS[0] * RATE), int(LENGTHS[1] * RATE)))
            missing[at : at + length, channel if apart else slice(None)] = True
            at += length + int(rng.integers(pause // 2, 3 * pause // 2))
    return missing


def by_lead(one: Callable[[Array, Array], Array]) -> Callable[[Array], Array]:
    """A way that fills in each lead, given it and what is known of it, by itself."""
    return lambda holed: np.stack([one(np.nan_to_num(lead), ~np.isnan(lead)) for lead in holed.T], axis=1)


def straight(lead: Array, known: Array) -> Array:
    """Linear interpolation."""
    steps = np.arange(len(lead))
    return np.interp(steps, steps[known], lead[known])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="has ecg/ptb-s0010.npy")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--quick", action="store_true", help="train for 10 steps, one distance of gaps")
    arguments = parser.parse_args()
    leads = np.load(arguments.data / "ecg" / "ptb-s0010.npy").astype(np.float32)
    training, test = np.split(leads, [int(TRAINED * len(leads))])
    samples = narrows.from_arrays(training[None], kind="signals", rate=RATE)
    model = narrows.build(samples.description, degradation=Gaps(LENGTHS))
    limits = {"steps": 10} if arguments.quick else {"minutes": arguments.minutes}
    for _ in narrows.fit(model, samples, Settings(**limits)):
        pass
    ways: dict[str, Callable[[Array], Array]] = {
        "linear interpolation": by_lead(straight),
        "autoregression, each lead": by_lead(around_mean),
        "IterativeImputer": IterativeImputer(random_state=0).fit_transform,
        "narrows": lambda holed: fill(model, holed, (float("nan"),)),
    }
    rows: Rows = []
    for apart in (True, False):
        for pause in BREAKS[: 1 if arguments.quick else None]:
            missing = drawn(test.shape, pause, apart, seed=0)
            holed = np.where(missing, np.float32("nan"), test)
            for name, way in ways.items():
                began = time.perf_counter()
                wrong = ((way(holed) - test) / test.std(axis=0))[missing]
                seconds = time.perf_counter() - began
                score = 10 * np.log10(np.square((test / test.std(axis=0))[missing]).sum() / np.square(wrong).sum())
                whole = f"{100 * missing.any(axis=1).mean():.0f} %"
                rows.append(("its own" if apart else "the same", whole, name, f"{score:.1f}", f"{seconds:.1f}"))
    columns = ("gaps of each lead", "steps with a gap", "filled in by", "SNR dB", "seconds")
    write("series_gaps" + "-quick" * arguments.quick, "Gaps in series of many channels", table(columns, rows))


if __name__ == "__main__":
    main()
