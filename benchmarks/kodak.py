"""The Kodak photographs by the weights that come with narrows, beside the general formats, one file a picture.

AVIF at its slowest takes half an hour, once: what is measured of it is kept in the file that `--slowest` names.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from _common import Rows, table, together, write
from torch import nn

import narrows
from narrows.entropy.integer_networks import IntegerLayer
from narrows.evaluation.against import our_curve, rival_curve
from narrows.evaluation.curves import Curve, Point, bd_rate, rate_at
from narrows.evaluation.rivals import RIVALS, Coded, choose
from narrows.io.arrays import Array
from narrows.io.images import Report as Progress

EYES = replace(RIVALS["avif"], title="AVIF, tuned for eyes", options={"speed": 6})
SLOWEST = replace(
    RIVALS["avif"],
    title="AVIF at its slowest",
    options={**RIVALS["avif"].options, "speed": 0},
    chroma={"4:4:4": "4:4:4"},
    qualities=(1, 15, 30, 50, 80),
)
PSNRS = (26, 28, 30, 32, 34, 36, 38, 40)
# Bits against JPEG at equal PSNR, computed from the result files of CompressAI and of mandt-lab/shallow-ntc.
PUBLISHED = (
    ("bmshj2018-factorized", "-45 %"),
    ("one linear synthesis and a hyperprior, 16 kMAC a pixel", "-49.5 %"),
    ("bmshj2018-hyperprior, 43.5 kMAC a pixel", "-55 %"),
    ("two-layer synthesis and a hyperprior, 20 kMAC a pixel", "-55.5 %"),
    ("the same, the code searched for each picture (SGA)", "-59.1 %"),
    ("AV1 at its slowest", "-62 %"),
    ("H.266 (VTM)", "-68 %"),
)
NOTE = (
    "Bytes are those of whole files, one for each picture, ours without the model, which comes with narrows. PSNR "
    "is averaged over pictures, on 8-bit RGB values. JPEG optimised and progressive, WebP method 6, JPEG XL effort "
    "7, AVIF speed 6, tuned for PSNR or, as it comes, for eyes, a choice that Pillow does not have for the others; "
    "JPEG and AVIF with colour at full and at half resolution, the better at each rate. AVIF at its slowest is "
    "tuned for PSNR too, at speed 0 with colour at full resolution; its seconds are those of one core beside "
    "another program. Our encoding seconds include decoding once, to check what was written. Tried and not kept: "
    "searching the code of each picture when it is encoded (annealed stochastic rounding; Yang, Bamler and Mandt, "
    "NeurIPS 2020). At quality 50, 600 steps on two held-out crops of 256 pixels a side saved 3.4 % of the bits at "
    "equal PSNR in 8 minutes of a busy core, an hour a megapixel; 100 steps saved less than 1 %."
)


def coder(images: Sequence[Array], quality: int) -> Coded:
    """Each picture in an archive of its own."""
    codec = narrows.Codec(quality=quality)
    began = time.perf_counter()
    files = [codec.compress([image]) for image in images]
    written = time.perf_counter()
    back = [codec.decompress(file)[0] for file in files]
    return Coded(sum(map(len, files)), back, written - began, time.perf_counter() - written)


@contextmanager
def multiplications() -> Iterator[list[int]]:
    """Counts those of integer layers and of convolutions."""
    found: list[int] = []
    layer, convolution = IntegerLayer.__call__, nn.Conv2d.forward

    def whole(self: IntegerLayer, x: torch.Tensor, earlier: torch.Tensor | None = None) -> torch.Tensor:
        found.append(self.weight.size * x.shape[0] * x.shape[1] * x.shape[2])
        return layer(self, x, earlier)

    def floats(self: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        y = convolution(self, x)
        found.append(self.weight[0].numel() * y.numel())
        return y

    with mock.patch.object(IntegerLayer, "__call__", whole), mock.patch.object(nn.Conv2d, "forward", floats):
        yield found


def cost(image: Array) -> tuple[float, float]:
    """Thousands of multiplications a pixel, to encode without a check and to decode."""
    codec, pixels = narrows.Codec(quality=60), image.shape[0] * image.shape[1]
    with multiplications() as encoding:
        block = codec.encode([image], verify=False)
    with multiplications() as decoding:
        codec.decode(block.payload, [image.shape], image.dtype, block.digest)
    return sum(encoding) / pixels / 1000, sum(decoding) / pixels / 1000


# The largest memory of the program itself: that of a child, as its parent sees it, includes what the parent had.
PROGRAM = """
import atexit, pathlib, re
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]))
from narrows.cli.main import run
run()
"""


def memory(image: Array) -> float:
    """Megabytes that a process of its own has at most, to decompress one picture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.narrows"
        path.write_bytes(narrows.Codec(quality=60).compress([image]))
        arguments = [sys.executable, "-c", PROGRAM, "decompress", str(path), "-o", f"{folder}/back"]
        told = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    return int(told.split()[-1]) / 1024


def kept(file: Path, images: Sequence[Array], progress: Progress) -> Curve:
    """AVIF at its slowest, as it is kept in a file, or measured and kept there."""
    if not file.exists():
        measured = rival_curve(SLOWEST, images, progress)
        file.write_text(json.dumps([asdict(point) for point in measured.points]))
    return Curve(SLOWEST.name, SLOWEST.title, tuple(Point(**each) for each in json.loads(file.read_text())))


def report(ours: Curve, rivals: list[Curve], count: int) -> str:
    """Rates at several PSNRs, BD-rates both ways, and all points."""
    jpeg = next(curve for curve in rivals if curve.name == "jpeg")
    rows: Rows = []
    for curve in [*rivals, ours]:
        rates = [rate_at(curve, level, False) for level in PSNRS]
        against = [bd_rate(curve, jpeg).percent, None if curve is ours else bd_rate(ours, curve).percent]
        cells = ["-" if p is None else f"{p:+.1f} %" for p in against]
        rows.append((curve.title, *("-" if r is None else f"{r:.3f}" for r in rates), *cells))
    columns = ("bits a pixel at", *(f"{level} dB" for level in PSNRS), "against JPEG", "narrows against it")
    parts = [table(columns, rows)]
    points: Rows = []
    for curve in [*rivals, ours]:
        for p in curve.front():
            similar = "-" if p.ms_ssim is None else f"{p.ms_ssim:.4f}"
            seconds = (f"{s / count:.3f}" for s in (p.encode_seconds, p.decode_seconds))
            points.append(
                (curve.title, p.how, str(p.quality), f"{p.bits_per_pixel:.4f}", f"{p.psnr_db:.2f}", similar, *seconds)
            )
    heads = ("codec", "how", "quality", "bits a pixel", "PSNR dB", "MS-SSIM", "encode s", "decode s")
    published = table(("published, PSNR on Kodak", "against JPEG"), list(PUBLISHED))
    return "\n\n".join([*parts, published, table(heads, points)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with photos/kodak")
    parser.add_argument("--slowest", type=Path, metavar="FILE", help="AVIF at its slowest too, measured once")
    parser.add_argument("--quick", action="store_true", help="every sixth picture")
    arguments = parser.parse_args()
    if arguments.quick and arguments.slowest is not None:
        parser.error("--slowest keeps what is measured of all pictures; leave out --quick")
    formats = choose("jpeg,webp,avif,jxl")  # first, as JPEG XL needs an extra
    images = [np.asarray(image) for image in narrows.open_samples(arguments.data / "photos" / "kodak").values]
    images = images[:: 6 if arguments.quick else 1]

    def progress(what: str, done: int, total: int | None) -> None:
        print(f"{what} {done}/{total}", flush=True)

    slowest = [] if arguments.slowest is None else [kept(arguments.slowest, images, progress)]
    ours = our_curve(coder, images, images, progress)
    rivals = [rival_curve(rival, images, progress) for rival in (*formats, EYES)] + slowest
    encoding, decoding = cost(images[0])
    trained = narrows.load("photo-compress").provenance
    text = (
        f"{len(images)} pictures. photo-compress, trained for {trained['hours']} hours: {encoding:.1f} thousand "
        f"multiplications a pixel to encode, {decoding:.1f} to decode; at most {memory(images[0]):.0f} MB in a "
        f"process that decompresses one picture. {together(narrows.Codec(quality=60), images)}\n\n"
        f"{report(ours, rivals, len(images))}\n\n{NOTE}"
    )
    write("kodak" + "-quick" * arguments.quick, "Kodak photographs, one file each", text)


if __name__ == "__main__":
    main()
