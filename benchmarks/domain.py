"""Clothes and emoji: archives of a model trained on each domain's own training images, beside the general formats.

The emoji are laid on white first, for everyone. `--rivals-only` measures the formats alone, without training.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from _common import Rows, table, write

import narrows
from narrows.evaluation.against import narrows_coder, our_curve, rival_curve
from narrows.evaluation.curves import Curve, bd_rate, on_white, rate_at
from narrows.evaluation.rivals import ONE_EACH, choose
from narrows.io.arrays import Array

RIVALS = "jpeg,webp,avif,jxl"
LEVELS = (26, 28, 30, 32, 34, 36, 38, 40)
SMALL, SHEET = 1 << 16, 64  # bytes of an image that rivals also get on one sheet; images a block beside that
DOMAINS = ("emoji", "clothing")
AIMS = {
    "emoji": "To reach: 30 % fewer bytes than the best of WebP, AVIF and JPEG XL; the aim: 50 %.",
    "clothing": "To reach: 20 % fewer bytes than WebP; the aim: fewer than AVIF.",
}


def images(folder: Path) -> list[Array]:
    """Every image of a folder as it looks on white."""
    return on_white(list(narrows.open_samples(folder).values))


def train(domain: str, folder: Path, minutes: float, begin: str | None, threads: int, place: Path) -> Path:
    """A model file trained to compress on the domain's training images, by the command that people use."""
    place.mkdir(parents=True, exist_ok=True)
    data, model = folder, place / f"{domain}-{begin or 'usual'}-{minutes:g}.safetensors"
    if domain == "emoji":
        data = place / "emoji.npy"
        np.save(data, np.stack(images(folder)))
    if model.exists():
        return model
    arguments = ["train", str(data), "-o", str(model), "--for", "compress", "--promise", "quality"]
    arguments += ["--minutes", str(minutes), "--threads", str(threads)]
    arguments += [] if begin is None else ["--from", begin]
    subprocess.run([sys.executable, "-c", "from narrows.cli.main import run; run()", *arguments], check=True)
    return model


def trained(model: narrows.Model) -> str:
    """How long a model was trained, and what it is."""
    plan, specification = model.provenance["plan"], model.specification
    what = f"blocks of {model.grid.step} pixels, {specification.width} channels"
    what += f", a memory of {specification.memory}" * (specification.memory > 0)
    what += f", begun at {model.provenance['from'][0]['recipe']}" if model.provenance.get("from") else ""
    minutes = model.provenance["seconds"] / 60
    return (
        f"{what}; {plan['steps']} steps of {plan['batch_size']} in {minutes:.0f} minutes on {plan['threads']} threads"
    )


def progress(what: str, done: int, total: int | None) -> None:
    print(f"{what} {done}/{total}", flush=True)


def variants(curves: list[Curve]) -> list[tuple[str, Curve]]:
    """Each rival at its best, and where it was also tried on a sheet, one file each."""
    named = []
    for curve in curves:
        alone = curve.used(ONE_EACH)
        if len(alone.points) < len(curve.points):
            named.append((f"{curve.title}, {ONE_EACH}", alone))
            named.append((f"{curve.title}, better of both", curve))
        else:
            named.append((curve.title, curve))
    return named


def report(ours: list[Curve], rivals: list[Curve], count: int, pixels: int) -> str:
    """Bits a pixel at several PSNRs and BD-rates, then the points of every curve's front."""
    named = variants(rivals)
    webp = next(curve for curve in rivals if curve.name == "webp").used(ONE_EACH)
    rows: Rows = []
    levels = [f"{level} dB" for level in LEVELS]
    names = [f"{curve.title} against it" for curve in ours] + ["with its model"] * bool(ours)
    columns = ("bits a pixel at", *levels, f"against WebP, {ONE_EACH}", *names)
    lines = [(title, curve, False) for title, curve in named]
    lines += [(curve.title, curve, False) for curve in ours]
    lines += [("narrows and its model", curve, True) for curve in ours[:1]]
    for title, curve, with_model in lines:
        rates = [rate_at(curve, level, with_model) for level in LEVELS]
        against = [bd_rate(curve, webp, with_model)]
        if curve not in ours:
            against += [bd_rate(own, curve) for own in ours] + [bd_rate(own, curve, True) for own in ours[:1]]
        cells = ["-" if d.percent is None else f"{d.percent:+.1f} %" for d in against]
        rows.append(
            (
                title,
                *("-" if r is None else f"{r:.3f}" for r in rates),
                *cells,
                *[""] * (len(columns) - 1 - len(levels) - len(cells)),
            )
        )
    parts = [table(columns, rows)]
    points: Rows = []
    for curve in [*rivals, *ours]:
        for p in curve.front():
            points.append(
                (
                    *(curve.title, p.how, str(p.quality), f"{p.data_bytes / count:,.0f}"),
                    *(f"{p.bits_per_pixel:.4f}", f"{p.psnr_db:.2f}"),
                    *("-" if s is None else f"{s:.4f}" for s in (p.ssim, p.ms_ssim)),
                    *(f"{1000 * s / count:.1f}" for s in (p.encode_seconds, p.decode_seconds)),
                )
            )
    heads = ("codec", "how", "quality", "bytes an image", "bits a pixel", "PSNR dB", "SSIM", "MS-SSIM")
    parts.append(table((*heads, "encode ms", "decode ms"), points))
    parts[0] = f"{count} images, {pixels / 1e6:.1f} million pixels.\n\n{parts[0]}"
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with emoji/ and clothing/")
    parser.add_argument("--only", choices=DOMAINS)
    parser.add_argument("--minutes", type=float, nargs="+", default=[60.0], help="of training, for each domain")
    parser.add_argument("--begin", nargs="+", default=[None], help="weights, or none; by default the usual start")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="that train and code")
    parser.add_argument("--keep", type=Path, help="folder for models; those that lie there are not trained again")
    parser.add_argument("--images", type=int, help="at most so many test images, evenly picked")
    parser.add_argument("--quick", action="store_true", help="two minutes of training, 20 test images")
    parser.add_argument("--rivals-only", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # which archives go by
    minutes = [2.0] if arguments.quick else sorted(arguments.minutes, reverse=True)
    most = 20 if arguments.quick else arguments.images
    sections = []
    for domain in DOMAINS if arguments.only is None else (arguments.only,):
        test = images(arguments.data / domain / "test")
        if most is not None:
            test = [test[i] for i in np.linspace(0, len(test) - 1, min(most, len(test))).astype(int)]
        ours: list[Curve] = []
        told = ""
        if not arguments.rivals_only:
            with tempfile.TemporaryDirectory() as folder:
                place = arguments.keep or Path(folder)
                for begin, each in product(arguments.begin, minutes):
                    data = arguments.data / domain / "train"
                    model = narrows.load(train(domain, data, each, begin, arguments.threads, place))
                    title = f"narrows, {each:g} minutes" + (f" from {begin}" if begin else "")
                    ours.append(replace(our_curve(narrows_coder(model, domain), test, test, progress), title=title))
                    if all(image.nbytes <= SMALL for image in test):
                        many = our_curve(narrows_coder(model, domain, SHEET), test, test, progress)
                        ours.append(replace(many, title=f"{title}, {SHEET} images a block"))
                    size = len(narrows.Codec(model, quality=50).compact_model)
                    told += f" Ours, {title}: {trained(model)}; its own bytes in an archive: {size:,}."
        rivals = [rival_curve(rival, test, progress) for rival in choose(RIVALS)]
        pixels = sum(image.shape[0] * image.shape[1] for image in test)
        sections.append(f"## {domain}\n\n{AIMS[domain]}{told} {report(ours, rivals, len(test), pixels)}")
    note = (
        "Bytes are those of whole files; ours are those of one archive, its model counted where it is said. PSNR is "
        "averaged over images, on 8-bit values. Rivals: JPEG optimised and progressive, WebP method 6, AVIF speed 6 "
        "tuned for PSNR, JPEG XL effort 7; JPEG and AVIF with colour at full and at half resolution, small images "
        "also all on one sheet, at each rate whichever is better; the fronts are listed. BD-rates are over the "
        "PSNRs that both curves reach. The clothes came as JPEG files, so that above 40 dB JPEG finds its own "
        "blocks again. SSIM and MS-SSIM are means over at most two million pixels, evenly picked."
    )
    name = "domain" + "-rivals" * arguments.rivals_only + (f"-{arguments.only}" if arguments.only else "")
    name += "-quick" * arguments.quick
    write(name, "Archives of one domain beside the general formats", "\n\n".join([*sections, note]))


if __name__ == "__main__":
    main()
