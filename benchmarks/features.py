"""The code as features: 30 numbers for each image of MNIST and Fashion-MNIST, beside PCA and UMAP of the same size.

Each way learns from the training images, without labels, and turns both parts, in the form that it takes, floats or
images of bytes, into rows of 30 numbers. From these, the labels of the test images are told by the nearest training
image, and by a linear classifier. The overlap of neighbours is the share of a test image's ten nearest by pixels that
are among its ten nearest by code. Raw pixels are measured too.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from _common import Rows, table, write
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from umap import UMAP

import narrows
from narrows.models.autoencoder import Autoencoder
from narrows.models.base import Purpose
from narrows.tasks.nearest import nearest
from narrows.training.settings import Settings

Floats = npt.NDArray[np.float32]
Given = Any  # floats `(N, D)`, or images as they are
NUMBERS = 30
TIMES = 3  # that transforming is timed
NEIGHBOURS, LOOKED_AT = 10, 2000  # test images whose neighbours are compared


@dataclass(frozen=True)
class Made:
    """Features of both parts `(N, K)`, and the seconds that learning took and that transforming the test images took
    at least."""

    training: Floats
    test: Floats
    learning: float
    transforming: float


def timed(learn: Callable[[], Callable[[Given], Floats]], x: Given, y: Given) -> Made:
    """Learn, then transform training images `x`, and test images `y` a few times, since the first time is slower."""
    began = time.perf_counter()
    transform = learn()
    learning, transforming = time.perf_counter() - began, []
    for _ in range(TIMES):
        began = time.perf_counter()
        test = transform(y)
        transforming.append(time.perf_counter() - began)
    return Made(transform(x), test, learning, min(transforming))


def ours(samples: narrows.Samples, purpose: Purpose, minutes: float) -> Callable[[Given], Floats]:
    """The code of a dense network, trained to reconstruct alone or to embed."""
    model = narrows.build(samples.description, "dense", NUMBERS, purpose=purpose)
    assert isinstance(model, Autoencoder)
    for _ in narrows.fit(model, samples, Settings(minutes=minutes)):
        pass
    return lambda images: np.asarray(model.encode(images))


def umap(x: Floats) -> Callable[[Given], Floats]:
    """UMAP into as many numbers, with its usual settings."""
    mapped = UMAP(n_components=NUMBERS, random_state=0).fit(x)
    # Where the training images themselves lie is known; to transform them again would take a quarter of an hour.
    return lambda y: np.asarray(mapped.embedding_ if y is x else mapped.transform(y), np.float32)


def measured(made: Made, labels: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], pixels: Floats) -> list[str]:
    """Both accuracies and the overlap, in words."""
    found = nearest(made.training, made.test, 1).indices[:, 0]
    by_nearest = float((labels[0][found] == labels[1]).mean())
    scaler = StandardScaler().fit(made.training)
    linear = LogisticRegression(max_iter=200).fit(scaler.transform(made.training), labels[0])
    by_line = float(linear.score(scaler.transform(made.test), labels[1]))
    some = slice(0, LOOKED_AT)
    near = [nearest(rows, rows[some], NEIGHBOURS + 1).indices[:, 1:] for rows in (pixels, made.test)]
    overlap = np.mean([len(np.intersect1d(a, b)) / NEIGHBOURS for a, b in zip(*near, strict=True)])
    return [f"{100 * by_nearest:.2f}", f"{100 * by_line:.2f}", f"{100 * overlap:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="of our training, for each set")
    parser.add_argument("--sets", default="mnist,fashion-mnist")
    parser.add_argument("--quick", action="store_true", help="few images, ten seconds; the table is marked")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    rows: Rows = []
    for name in arguments.sets.split(","):
        training, test = narrows.open_samples(name), narrows.open_samples(name, "test")
        if arguments.quick:
            training, test = training.take(np.arange(2000)), test.take(np.arange(500))
        assert training.labels is not None
        assert test.labels is not None
        x, y = (np.asarray(s.values, np.float32).reshape(len(s), -1) / np.float32(255) for s in (training, test))
        labels = (np.asarray(training.labels).astype(np.int64), np.asarray(test.labels).astype(np.int64))
        minutes = 1 / 6 if arguments.quick else arguments.minutes
        ways: dict[str, Callable[[], Callable[[Given], Floats]]] = {
            "raw pixels, 784 numbers": lambda: lambda z: z,
            "PCA": lambda x=x: PCA(NUMBERS, random_state=0).fit(x).transform,  # type: ignore[misc]
            "IncrementalPCA": lambda x=x: IncrementalPCA(NUMBERS).fit(x).transform,  # type: ignore[misc]
            "UMAP": lambda x=x: umap(x),  # type: ignore[misc]
            "narrows, to reconstruct": lambda s=training, m=minutes: ours(s, "reconstruct", m),  # type: ignore[misc]
            "narrows, to embed": lambda s=training, m=minutes: ours(s, "embed", m),  # type: ignore[misc]
        }
        for way, learn in ways.items():
            images = way.startswith("narrows")
            made = timed(learn, training.values if images else x, test.values if images else y)
            took = [f"{made.learning:.1f}", f"{made.transforming:.3f}"]
            rows.append((name, way, *measured(made, labels, y), *took))
            print(rows[-1], flush=True)
        columns = ("set", "features", "1-NN, %", "linear, %", "overlap, %", "learning, s", "transforming 10,000, s")
        head = f"{NUMBERS} numbers for each image but for raw pixels. Transforming: the least of {TIMES} times."
        text = f"{head}\n\n{table(columns, rows)}\n"
        write(f"features{'-quick' * arguments.quick}", "The code as features", text)


if __name__ == "__main__":
    main()
