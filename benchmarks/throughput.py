"""Samples a second of encode and decode, beside scikit-learn's PCA with as many numbers, on the MNIST test images.

Both take and give what their users have: narrows uint8 images, PCA float32 rows.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from _common import Rows, table, write
from sklearn.decomposition import PCA

import narrows
from narrows.coding.archive import Archive, Entry, Writer
from narrows.coding.blocks import BlockCodec, Promise
from narrows.coding.codec import prepare
from narrows.networks.autoencoder import Purpose
from narrows.training.settings import Settings

LEARNED = 300  # steps of the models of archives


def rate(work: Callable[[], Any], samples: int, seconds: float) -> float:
    """Samples a second, the best of several repetitions that last `seconds` together."""
    work()
    best, began = float("inf"), time.perf_counter()
    while time.perf_counter() - began < seconds:
        at = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - at)
    return samples / best


def archives(training: narrows.Samples, images: np.ndarray[Any, np.dtype[np.uint8]]) -> Rows:
    """MB of raw pixels a second into archives and out of them, by promise."""
    rows: Rows = []
    learned: tuple[tuple[Purpose, str], ...] = (("exact", "exact"), ("compress", "lossy"))
    for purpose, key in learned:
        model = narrows.build(training.description, purpose=purpose)
        list(narrows.fit(model, training, Settings(steps=LEARNED)))
        prepare(model, training)
        for promise in (Promise(0), Promise(4)) if key == "exact" else (Promise(None, 50),):
            codec = BlockCodec(promise, model.packed[key])
            speeds = []
            for verify in (False, True):
                file = io.BytesIO()
                began = time.perf_counter()
                writer = Writer(file, codec, verify=verify)
                writer.add(Entry("digits", "array", (28, 28, 1), "uint8", len(images)), images)
                writer.close()
                speeds.append(images.nbytes / 1e6 / (time.perf_counter() - began))
            began = time.perf_counter()
            with Archive(file) as archive:
                _ = archive["digits"]
            speeds.append(images.nbytes / 1e6 / (time.perf_counter() - began))
            what = f"quality {promise.quality}" if promise.quality else f"max error {promise.max_error}"
            rows.append((what, *(f"{speed:.2f}" for speed in speeds)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a second a figure")
    seconds = 0.5 if parser.parse_args().quick else 3.0
    training, test = narrows.open_samples("mnist"), narrows.open_samples("mnist", "test")
    images = np.asarray(test.values)
    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    train_flat = np.asarray(training.values)[::6].reshape(-1, 784).astype(np.float32) / 255
    rows: Rows = []
    for network, code in (
        ("lesson-linear", 32),
        ("dense", 32),
        ("lesson-conv", 4),
        ("lesson-upsample", 4),
        ("conv", 4),
    ):
        model = narrows.build(training.description, network, code)
        list(narrows.fit(model, training, Settings(steps=30)))
        codes = model.encode(images)
        assert isinstance(codes, np.ndarray)
        numbers = codes[0].size
        pca = PCA(numbers, svd_solver="covariance_eigh").fit(train_flat)
        projected = pca.transform(flat)
        measured = [
            rate(partial(model.encode, images), len(images), seconds),
            rate(partial(model.decode, codes), len(images), seconds),
            rate(partial(pca.transform, flat), len(images), seconds),
            rate(partial(pca.inverse_transform, projected), len(images), seconds),
        ]
        ratios = [measured[0] / measured[2], measured[1] / measured[3]]
        rows.append((network, str(numbers), *(f"{m:,.0f}" for m in measured), *(f"{r:.2f}" for r in ratios)))
    columns = (
        "network",
        "numbers",
        "encode/s",
        "decode/s",
        "PCA transform/s",
        "PCA inverse/s",
        "encode ratio",
        "decode ratio",
    )
    text = table(columns, rows) + "\n\nIn calls of 10,000 images. A ratio above 1 means faster than PCA.\n\n"
    text += table(("archives", "encode MB/s", "verified", "decode MB/s"), archives(training, images[:2000]))
    text += "\n\nOf raw pixels, 2,000 images in memory, on all cores; models of "
    text += f"{LEARNED} steps, good enough for all blocks to be learned ones.\n"
    write("throughput", "Encode and decode, MNIST test images a second", text)


if __name__ == "__main__":
    main()
