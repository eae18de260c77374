"""One archive of each promise, written once, decoded in every way that this machine has: are the samples the same?

Threads, sizes of matrix products, oneDNN, bfloat16 autocast, TF32-like shortcuts, NumPy integers in place of PyTorch,
and a GPU where there is one. Exact promises must give identical samples; a quality identical symbols (their digest is
checked at each decoding) and samples within 1. Every block must need its model, or nothing would be shown.
"""

from __future__ import annotations

import argparse
import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import torch
from _common import Rows, check_learned, table, write

import narrows
from narrows.archive.entries import Entry
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.entropy import integer_networks
from narrows.io.arrays import Array
from narrows.models.base import Purpose

COUNT = 300  # images


def numpy_network(self: integer_networks.IntegerNetwork, x: torch.Tensor) -> torch.Tensor:
    """`IntegerNetwork` by its definition in `FORMAT.md`, in NumPy's integers of 64 bits."""
    first = self.layers[0]
    seen = [np.clip(np.rint(x.numpy()).astype(np.int64), first.low_in, first.high_in)]
    for layer in self.layers:
        reach = layer.weight.shape[2] // 2
        height, width = x.shape[1:3]
        padded = np.pad(seen[-1], ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        y = np.zeros((*x.shape[:3], len(layer.weight)), np.int64)
        for i in range(layer.weight.shape[2]):
            for j in range(layer.weight.shape[3]):
                part = padded[:, i : i + height, j : j + width]
                y += part @ layer.weight[:, :, i, j].astype(np.int64).T
        y = (y + layer.bias) >> layer.shift
        y = y + seen[-layer.span] if layer.span else y
        seen.append(np.clip(y, layer.low, layer.high))
    return torch.from_numpy(seen[-1].astype(np.float32))


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with mock.patch.dict(os.environ, OMP_NUM_THREADS=str(count)):  # which archives go by
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def shortcuts() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


WAYS: dict[str, Callable[[], object]] = {
    "as it comes": lambda: threads(torch.get_num_threads()),
    "1 thread": lambda: threads(1),
    "2 threads": lambda: threads(2),
    "products of few rows (batch 1)": lambda: mock.patch.object(integer_networks, "STRIP", 1),
    "products of 7 times as many": lambda: mock.patch.object(integer_networks, "STRIP", 7 << 10),
    "products of 256 times as many": lambda: mock.patch.object(integer_networks, "STRIP", 256 << 10),
    "without oneDNN": lambda: torch.backends.mkldnn.flags(enabled=False),
    "inside bfloat16 autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "with 'medium' products allowed": shortcuts,
    "NumPy integers": lambda: mock.patch.object(integer_networks.IntegerNetwork, "__call__", numpy_network),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    steps = arguments.steps
    training, test = narrows.open_samples("mnist"), narrows.open_samples("mnist", "test")
    images = np.asarray(test.values)[: 40 if arguments.quick else COUNT]
    learned: list[tuple[Purpose, str | None, int, tuple[Promise, ...]]] = [
        ("exact", None, 0, (Promise(0), Promise(4))),
        ("compress", "levels", 0, (Promise(None, 60),)),
        ("compress", "transform", 100, (Promise(None, 40),)),  # which does not suit digits well
        ("compress", "flat", 0, (Promise(None, 60),)),
    ]
    archives: list[tuple[str, Promise, int, bytes]] = []
    for purpose, network, memory, promises in learned:
        model = narrows.build(training.description, network, purpose=purpose, memory=memory)
        # The usual batches of a transform are for large images.
        settings = narrows.Settings(steps=steps, batch_size=64 if network == "transform" else None)
        for _ in narrows.fit(model, training, settings):
            pass
        for promise in promises:
            archive = written(images, narrows.Codec(model, max_error=promise.max_error, quality=promise.quality))
            with narrows.open_archive(io.BytesIO(archive)) as opened:
                check_learned(opened, f"{promise}, {model.specification.network}")
                archives.append((model.specification.network, promise, opened.sizes.model, archive))
    rows: Rows = []
    for name, promise, model_bytes, archive in archives:
        what = f"quality {promise.quality}" if promise.quality else f"max error {promise.max_error}"
        first: Array | None = None
        for decoded, way in WAYS.items():
            with warnings.catch_warnings(), way():  # type: ignore[attr-defined]
                warnings.simplefilter("ignore")
                with narrows.open_archive(io.BytesIO(archive)) as opened:
                    samples = opened["digits"]
            first = samples if first is None else first
            differ = int((samples != first).sum())
            most = int(np.abs(samples.astype(int) - first.astype(int)).max())
            assert most <= (promise.quality is not None), "not portable"
            sizes = (str(len(archive)), str(len(archive) - model_bytes))
            rows.append((f"{what}, {name}", decoded, *sizes, str(differ), str(most)))
    gpu = "" if torch.cuda.is_available() else " No GPU was there to try."
    columns = ("promise", "decoded", "bytes", "but the model", "samples' values that differ", "by at most")
    text = table(columns, rows)
    text += (
        f"\n\n{len(images)} MNIST digits, models of {steps} steps; the transform in batches of 64, with a memory of "
        "100. Every block needs its model: none is stored in a plain way. Symbols were the same in every row: each "
        f"block's digest is checked.{gpu}\n"
    )
    write("portable-quick" if arguments.quick else "portable", "One archive, decoded in many ways", text)


def written(images: Array, codec: narrows.Codec) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, codec)
    writer.add(Entry("digits", "array", (28, 28, 1), "uint8", len(images)), images)
    writer.close()
    return file.getvalue()


if __name__ == "__main__":
    main()
