"""MNIST at a quality: bytes a digit against PSNR, beside JPEG, WebP, AVIF and JPEG XL, one by one and on one sheet.

The model is trained on the training part only. Ours is one archive of all digits, its header, index and checksums
included, without the model; the size of the model is given beside it. The PSNR is that of the mean squared error over
all digits, rounded to 8 bits, which favours no one.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import Rows, table, write
from PIL import Image

import narrows
from narrows.io.arrays import Array
from narrows.training.settings import Settings

QUALITIES = {
    "JPEG": (1, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    "WEBP": (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
    "AVIF": (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90),
    "JXL": (5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95),
}
SLOW: dict[str, dict[str, Any]] = {
    "JPEG": {"optimize": True, "progressive": True},
    "WEBP": {"method": 6},
    "AVIF": {"speed": 4},
    "JXL": {"effort": 7},
}
OURS = (1, 10, 20, 26, 30, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 75, 80, 85, 90, 95, 100)
ALONE = 200  # digits that are coded one by one, to keep the time down
TARGETS = (20, 25, 30, 33, 36, 40)
Curve = list[tuple[float, float]]  # PSNR in dB and bytes a digit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--digits", type=int, default=2000, help="test digits, from the first")
    parser.add_argument("--model", type=Path, help="a trained model to use again")
    parser.add_argument("--quick", action="store_true", help="half a minute of training, 200 digits")
    arguments = parser.parse_args()
    minutes, count = (0.5, 200) if arguments.quick else (arguments.minutes, arguments.digits)
    digits = np.asarray(narrows.open_samples("mnist", "test").values[:count])

    if arguments.model is not None:
        model, trained = narrows.load(arguments.model), "trained before"
    else:
        training = narrows.open_samples("mnist")
        model = narrows.build(training.description, purpose="compress")
        began, last = time.perf_counter(), None
        for progress in narrows.fit(model, training, Settings(minutes=minutes)):
            if last is None or progress.validation_bits != last.validation_bits:
                print(f"{progress.step}/{progress.steps} {progress.seconds:.0f} s {progress.validation_bits} bits")
            last = progress
        assert last is not None
        trained = f"{time.perf_counter() - began:.0f} seconds of training; {last.plan}"
    curves: dict[str, Curve] = {"narrows": ours(model, digits)}
    for kind, qualities in QUALITIES.items():
        if kind == "JXL":
            if importlib.util.find_spec("pillow_jxl") is None:
                continue
            importlib.import_module("pillow_jxl")
        curves[f"{kind}, one sheet"] = rival(kind, qualities, [sheet(digits)], count)
        curves[f"{kind}, one by one"] = rival(kind, qualities, list(digits[:ALONE, :, :, 0]), min(ALONE, count))

    rows: Rows = [(name, *(_cell(_at(curve, psnr)) for psnr in TARGETS)) for name, curve in curves.items()]
    best = [min(_at(curve, psnr) for name, curve in curves.items() if name != "narrows") for psnr in TARGETS]
    shares = [_at(curves["narrows"], psnr) / rival for psnr, rival in zip(TARGETS, best, strict=True)]
    rows.append(("narrows, of the best rival", *(f"{share:.0%}" if math.isfinite(share) else "" for share in shares)))
    text = (
        "Bytes a digit at a PSNR, interpolated between the qualities measured; empty where a codec does not go.\n\n"
    )
    text += table(("codec", *(f"{psnr} dB" for psnr in TARGETS)), rows)
    text += f"\n\nThe first {count} test digits ({min(ALONE, count)} one by one); {trained}. "
    size = len(narrows.Codec(model, quality=OURS[0]).compact_model)
    text += f"The compact model takes {size} bytes, {size / count:.1f} a digit here.\n\n"
    measured: Rows = [(f"{psnr:.2f}", f"{size:.2f}") for psnr, size in curves["narrows"]]
    text += table(("PSNR", "bytes a digit"), measured) + "\n"
    write("mnist_lossy-quick" if arguments.quick else "mnist_lossy", "MNIST, lossy", text)


def ours(model: narrows.Model, digits: Array) -> Curve:
    """Archives at all qualities."""
    curve = []
    for quality in OURS:
        codec = narrows.Codec(model, quality=quality)
        data = codec.compress(digits, embed_model=False)
        back = codec.decompress(data)
        assert isinstance(back, np.ndarray)
        curve.append((_psnr([digits], [back]), len(data) / len(digits)))
        print(f"narrows {quality}: {curve[-1][0]:.2f} dB, {curve[-1][1]:.2f} bytes", flush=True)
    return curve


def rival(kind: str, qualities: tuple[int, ...], images: list[Array], count: int) -> Curve:
    """A codec of Pillow's at a slow setting, on grey images."""
    curve = []
    for quality in qualities:
        size, back = 0, []
        for image in images:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, kind, quality=quality, **SLOW[kind])
            size += len(buffer.getvalue())
            with Image.open(io.BytesIO(buffer.getvalue())) as opened:
                back.append(np.asarray(opened.convert("L")))
        curve.append((_psnr(images, back), size / count))
    return curve


def sheet(digits: Array) -> Array:
    """All digits side by side in one picture about as wide as high, black where they end."""
    across = math.ceil(math.sqrt(len(digits)))
    down = math.ceil(len(digits) / across)
    tiles = np.zeros((down * across, *digits.shape[1:3]), np.uint8)
    tiles[: len(digits)] = digits[..., 0]
    high, wide = digits.shape[1:3]
    return tiles.reshape(down, across, high, wide).transpose(0, 2, 1, 3).reshape(down * high, across * wide)


def _psnr(images: list[Array], back: list[Array]) -> float:
    squares = sum(float(np.square(a.astype(float) - b).sum()) for a, b in zip(images, back, strict=True))
    return 10 * math.log10(255**2 * sum(image.size for image in images) / max(squares, 1e-9))


def _at(curve: Curve, psnr: float) -> float:
    """Bytes at a PSNR, on the curve's lower edge; beyond its lower end what that end takes, above none."""
    best = {p: size for p, size in curve if not any(q >= p and other < size for q, other in curve)}
    points = sorted(best.items())
    if psnr > points[-1][0]:
        return math.inf
    return float(np.exp(np.interp(psnr, [p for p, _ in points], [math.log(size) for _, size in points])))


def _cell(size: float) -> str:
    return f"{size:.1f}" if math.isfinite(size) else ""


if __name__ == "__main__":
    main()
