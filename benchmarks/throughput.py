"""Samples a second of encode and decode, beside scikit-learn's PCA with as many numbers, on the MNIST test images.

Both take and give what their users have: narrows uint8 images, PCA float32 rows.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from _common import Rows, autoencoder, check_learned, table, write
from sklearn.decomposition import PCA

import narrows
from narrows.archive.entries import Entry
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.io.arrays import Array
from narrows.models.base import Purpose
from narrows.models.makers import Effort
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


def archives(training: narrows.Samples, test: Array, quick: bool) -> Rows:
    """MB of raw pixels a second into archives and out of them, by effort and promise."""
    rows: Rows = []
    many = np.asarray(training.values)[: 6000 if quick else None]  # whose speed counts here, not how well they fit
    efforts: tuple[Effort, ...] = ("usual", "fast")
    purposes: tuple[Purpose, ...] = ("exact", "compress")
    for effort, purpose in product(efforts, purposes):
        model = narrows.build(training.description, purpose=purpose, effort=effort)
        list(narrows.fit(model, training, Settings(steps=LEARNED)))
        flat = model.specification.network == "flat"
        images = many if flat else test
        qualities = (30, 60) if flat else (50,)
        errors = (Promise(0), Promise(4)) if effort == "usual" else (Promise(0),)
        promises = errors if purpose == "exact" else [Promise(None, quality) for quality in qualities]
        for promise, block in product(promises, (83, 668) if flat else (83,)):
            codec = narrows.Codec(model, max_error=promise.max_error, quality=promise.quality)
            seconds, size, back = coded(codec, images, block)
            mse = np.square(back.astype(np.float32) - images).mean(axis=(1, 2, 3))
            psnr = (
                "exact" if promise.max_error == 0 else f"{np.mean(10 * np.log10(255**2 / np.maximum(mse, 0.1))):.1f}"
            )
            what = f"quality {promise.quality}" if promise.quality else f"max error {promise.max_error}"
            speeds = [f"{images.nbytes / 1e6 / s:.2f}" for s in seconds]
            rows.append((effort, what, str(block), *speeds, f"{size / len(images):.1f}", psnr, f"{len(images):,}"))
    return rows


def coded(codec: narrows.Codec, images: Array, block: int) -> tuple[list[float], int, Array]:
    """Seconds to encode, to encode verified, and to decode, the best of two; bytes but the model; what came back."""
    runs = []
    for _ in range(2):
        seconds = []
        for verify in (False, True):
            file = io.BytesIO()
            began = time.perf_counter()
            writer = Writer(file, codec, verify=verify, block_samples=block)
            writer.add(Entry("digits", "array", (28, 28, 1), "uint8", len(images)), images)
            sizes = writer.close()
            seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        with narrows.open_archive(file) as archive:
            back = archive["digits"]
            ended = time.perf_counter()
            check_learned(archive, f"{codec.promise}, {block} a block")
        seconds.append(ended - began)
        runs.append(seconds)
    return [min(pair) for pair in zip(*runs, strict=True)], sizes.total - sizes.model, back


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a second a figure")
    quick = parser.parse_args().quick
    seconds = 0.5 if quick else 3.0
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
        model = autoencoder(training, network, code)
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
    names = (
        "effort",
        "promise",
        "a block",
        "encode MB/s",
        "verified",
        "decode MB/s",
        "bytes a digit",
        "PSNR dB",
        "digits",
    )
    text += table(names, archives(training, images[: 200 if quick else 2000], quick))
    text += (
        "\n\nOf raw pixels, images in memory, on all cores; 83 digits a block are what comes by itself; opening the "
        f"archive and its model included; models of {LEARNED} steps, good enough for all blocks to be learned ones.\n"
    )
    write("throughput" + "-quick" * quick, "Encode and decode, MNIST test images a second", text)


if __name__ == "__main__":
    main()
