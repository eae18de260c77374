"""MNIST in 30 numbers: squared error over the 784 pixels of a test image, trained within ten minutes on two cores.

Codes are those of the encoder, and those that are searched for from there, which takes no training. Rivals: PCA,
measured here; the deep autoencoder of Hinton and Salakhutdinov (Science 2006), as published.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from _common import Rows, autoencoder, table, write
from sklearn.decomposition import PCA

import narrows
from narrows.data.batches import to_tensor
from narrows.evaluation.report import evaluate
from narrows.models.autoencoder import Autoencoder
from narrows.training.settings import Settings

SEARCHED = 10_000  # samples of each set, the first


def searched_error(model: Autoencoder, samples: narrows.Samples) -> float:
    """The squared error of an image whose 30 numbers are those that decode best."""
    few = samples.take(np.arange(SEARCHED))
    x = to_tensor(np.asarray(few.values), samples.description)
    with torch.no_grad():
        again = model.decode(torch.from_numpy(model.encode(few, effort="best")))
    return float((again - x).square().sum(dtype=torch.float64)) / len(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.6)
    parser.add_argument("--quick", action="store_true", help="half a minute of training")
    arguments = parser.parse_args()
    minutes = 0.5 if arguments.quick else arguments.minutes
    training, test = narrows.open_samples("mnist"), narrows.open_samples("mnist", "test")
    rows: Rows = []

    x, y = (to_tensor(s.values, s.description).flatten(1).numpy() for s in (training, test))  # type: ignore[arg-type]
    began = time.perf_counter()
    pca = PCA(30, svd_solver="covariance_eigh").fit(x)
    seconds = time.perf_counter() - began
    for name, data in (("PCA, scikit-learn", (x, y)),):
        train_error, test_error = (
            float(((pca.inverse_transform(pca.transform(d)) - d) ** 2).sum(axis=1).mean()) for d in data
        )
        rows.append((name, f"{seconds:.1f}", "", f"{train_error:.2f}", f"{test_error:.2f}"))
    rows.append(("logistic PCA (Science 2006, published)", "", "", "", "8.01"))
    rows.append(("deep autoencoder (Science 2006, published)", "", "", "", "3.00"))

    began = time.perf_counter()
    model = autoencoder(training, "dense", 30)
    last = None
    for progress in narrows.fit(model, training, Settings(minutes=minutes)):
        if last is None or progress.validation_mse != last.validation_mse:
            print(f"{progress.step}/{progress.steps} {progress.seconds:.0f} s {784 * progress.validation_mse:.3f}")
        last = progress
    seconds = time.perf_counter() - began
    assert last is not None
    errors = [f"{evaluate(model, s).squared_error:.3f}" for s in (training, test)]
    rows.append((f"narrows dense, {last.epoch:.0f} epochs", f"{seconds:.0f}", str(model.parameter_count), *errors))
    began = time.perf_counter()
    errors = [f"{searched_error(model, s):.3f}" for s in (training, test)]
    seconds = time.perf_counter() - began
    rows.append(
        (f"the same, codes of {SEARCHED:,} searched for", f"{seconds:.0f}", str(model.parameter_count), *errors)
    )
    text = table(("how", "seconds", "parameters", "train", "test"), rows)
    text += f"\n\nPlan: {last.plan}; validation {784 * last.validation_mse:.3f}.\n"
    write("code30-quick" if arguments.quick else "code30", "MNIST in 30 numbers, squared error per image", text)


if __name__ == "__main__":
    main()
