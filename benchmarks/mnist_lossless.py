"""MNIST without loss: bits per pixel of the 10,000 test images in one archive, and how fast it goes each way.

Rivals as published: Bit-Swap 1.29 (chains of 100 images), probabilistic circuits about 1.24, best bound known 1.11;
general formats are run here on all images at once, which is kindest to them. Training sees the training part only.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import lzma
import os
import time
from pathlib import Path

import numpy as np
import torch
from _common import Rows, table, write
from PIL import Image

import narrows
from narrows.archive.entries import Entry
from narrows.archive.writer import Writer
from narrows.io.arrays import Array
from narrows.training.settings import Settings

BLOCK = 64  # images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, nargs="+", default=[32, 64], help="default and highest effort")
    parser.add_argument("--steps", type=int, nargs="+", default=[4000, 7000])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--keep", type=Path, help="folder for models; those that lie there are not trained again")
    parser.add_argument("--quick", action="store_true", help="a few steps and images")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # which archives go by
    training, test = narrows.open_samples("mnist"), narrows.open_samples("mnist", "test")
    images = np.asarray(test.values)[: 256 if arguments.quick else None]
    rows: Rows = [(name, "", f"{8 * size / images.size:.3f}", "", "", "", "") for name, size in general(images)]
    for width, steps in zip(arguments.width, arguments.steps, strict=True):
        model, minutes = trained(training, width, 20 if arguments.quick else steps, arguments.threads, arguments.keep)
        rows.append((f"narrows, width {width}, {steps} steps", f"{minutes:.1f}", *measured(model, images)))
    columns = (
        "how",
        "core-minutes of training",
        "bits per pixel",
        "with the model",
        "model KB",
        "encode MB/s",
        "decode MB/s",
    )
    text = table(columns, rows)
    text += (
        f"\n\n{len(images)} images, blocks of {BLOCK}; every archive was read back and compared. Bits per pixel "
        "count all bytes of the archive but the model. Speeds are of raw pixels, the index included; "
        f"encode without and with the decoding that verifies each block. {arguments.threads} threads.\n"
    )
    write("mnist_lossless-quick" if arguments.quick else "mnist_lossless", "MNIST without loss", text)


def general(images: Array) -> list[tuple[str, int]]:
    """Formats that know nothing of digits, on all images at once: the raw array, or one tall picture."""
    raw = images.tobytes()
    found = [
        ("gzip of the array", len(gzip.compress(raw, 9))),
        ("bz2 of the array", len(bz2.compress(raw, 9))),
        ("xz of the array", len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))),
    ]
    side = 28 * 64  # a sheet of 64 columns
    count = -(-len(images) // 64) * 64
    sheet = np.zeros((count, 28, 28), np.uint8)
    sheet[: len(images)] = images[..., 0]
    picture = Image.fromarray(sheet.reshape(-1, 64, 28, 28).swapaxes(1, 2).reshape(-1, side))
    for name, options in (("PNG", {"optimize": True}), ("WEBP", {"lossless": True, "quality": 100, "method": 6})):
        buffer = io.BytesIO()
        picture.save(buffer, name, **options)
        found.append((f"{name} of one sheet", len(buffer.getvalue())))
    return found


def trained(
    training: narrows.Samples, width: int, steps: int, threads: int, keep: Path | None
) -> tuple[narrows.Model, float]:
    """A model and the minutes of processor time, over all cores, that its training took."""
    path = keep / f"mnist-exact-{width}-{steps}.safetensors" if keep else None
    if path is not None and path.exists():
        model = narrows.load(path)
        return model, float(model.provenance["core_minutes"])
    began = time.process_time()
    model = narrows.build(training.description, purpose="exact", width=width)
    checkpoint = path.with_suffix(".checkpoint") if path else None
    resume = checkpoint is not None and checkpoint.exists()
    last = None
    settings = Settings(steps=steps, threads=threads)
    for progress in narrows.fit(
        model, training, settings, checkpoint=checkpoint, checkpoint_seconds=120, resume=resume
    ):
        if last is None or progress.validation_mse != last.validation_mse or progress.step - last.step > 200:
            last = progress
            print(
                f"{last.step}/{last.steps} {(time.process_time() - began) / 60:.1f} core-minutes "
                f"{(last.validation_bits or 0) / 784:.4f}",
                flush=True,
            )
    minutes = (time.process_time() - began) / 60
    model.provenance["core_minutes"] = round(minutes, 2)
    if path is not None:
        model.save(path)
    return model, minutes


def measured(model: narrows.Model, images: Array) -> tuple[str, ...]:
    """Bits per pixel without and with the model, the model's size, and MB/s each way."""
    codec = narrows.Codec(model)
    seconds = []
    for verify in (False, True):
        file = io.BytesIO()
        began = time.perf_counter()
        writer = Writer(file, codec, block_samples=BLOCK, verify=verify)
        writer.add(Entry("digits.npy", "array", (28, 28, 1), "uint8", len(images)), images)
        sizes = writer.close()
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    with narrows.open_archive(file) as archive:
        back = archive["digits.npy"]
    seconds.append(time.perf_counter() - began)
    assert (back == images).all()
    plain, checked, decode = (images.nbytes / s / 1e6 for s in seconds)
    return (
        f"{8 * (sizes.total - sizes.model) / images.size:.4f}",
        f"{8 * sizes.total / images.size:.4f}",
        f"{sizes.model / 1000:.0f}",
        f"{plain:.2f}, verified {checked:.2f}",
        f"{decode:.2f}",
    )


if __name__ == "__main__":
    main()
