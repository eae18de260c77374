"""Missing values of two tables filled in, beside scikit-learn's imputers on the same cells.

Spambase and Letter as in GAIN (Yoon, Jordon and van der Schaar, ICML 2018): a fifth of the cells hidden at random,
each imputer fitted on the table with these holes and asked to fill it, the root of the mean squared error over the
hidden cells on columns scaled to 0..1. The settings of narrows were found with the holes of seed 0 by hiding further
cells, which were known; those hidden here took no part.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from _common import Rows, table, write
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from narrows.io.arrays import Array
from narrows.sklearn import Imputer

SHARE = 0.2
TREES = "IterativeImputer, 30 extra trees, 3 rounds"
NARROWS = "narrows"


def imputers(seed: int, members: int, steps: int | None) -> dict[str, Any]:
    """All that are compared, untrained."""
    trees = ExtraTreesRegressor(30, min_samples_leaf=3, max_features=0.5, random_state=seed)
    return {
        "mean": SimpleImputer(),
        "KNNImputer": KNNImputer(),
        "IterativeImputer": IterativeImputer(random_state=seed),
        TREES: IterativeImputer(trees, max_iter=3, random_state=seed),
        NARROWS: Imputer(random_state=seed, members=members, steps=steps),
    }


def scaled(path: Path) -> Array:
    """The table `(N, D)` with each column scaled to 0..1."""
    values = np.genfromtxt(path, delimiter=",", skip_header=1)
    low, high = values.min(axis=0), values.max(axis=0)
    result: Array = (values - low) / (high - low)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with spam.csv and letter.csv")
    parser.add_argument("--tables", nargs="+", default=["spam", "letter"], choices=["spam", "letter"])
    parser.add_argument("--seeds", type=int, default=10, help="which cells are hidden, from seed 0 on")
    parser.add_argument("--members", type=int, default=1, help="networks whose answers are averaged")
    parser.add_argument("--quick", action="store_true", help="one seed, 30 steps, 1000 rows")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    sections = []
    for name in arguments.tables:
        whole = scaled(arguments.data / f"{name}.csv")
        whole = whole[:1000] if arguments.quick else whole
        errors: dict[str, list[float]] = {}
        seconds: dict[str, list[float]] = {}
        parameters = 0
        for seed in range(1 if arguments.quick else arguments.seeds):
            hidden = np.random.default_rng(seed).random(whole.shape) < SHARE
            holes = np.where(hidden, np.nan, whole)
            for title, imputer in imputers(seed, arguments.members, 30 if arguments.quick else None).items():
                began = time.perf_counter()
                answer = np.clip(imputer.fit_transform(holes), 0, 1)
                seconds.setdefault(title, []).append(time.perf_counter() - began)
                error = float(np.sqrt(np.square(answer - whole)[hidden].mean()))
                errors.setdefault(title, []).append(error)
                print(f"{name}, seed {seed}: {title} {error:.5f}, {seconds[title][-1]:.0f} s", flush=True)
                if title == NARROWS:
                    parameters = sum(model.parameter_count for model in imputer.models_)
        rows: Rows = [
            (
                title,
                f"{np.mean(found):.4f} ± {np.std(found):.4f}",
                f"{np.mean(seconds[title]):.1f}",
                f"{parameters:,}" if title == NARROWS else "-",
            )
            for title, found in errors.items()
        ]
        count = len(errors[NARROWS])
        head = f"## {name}\n\n{len(whole)} rows, {whole.shape[1]} columns; {count} seeds.\n\n"
        sections.append(head + table(("", "RMSE", "seconds", "parameters"), rows))
    write("tables" + "-quick" * arguments.quick, "Missing values of tables", "\n\n".join(sections))


if __name__ == "__main__":
    main()
