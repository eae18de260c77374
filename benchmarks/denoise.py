"""Noise removed: photographs (CBSD68, one network for all levels) and MNIST as in the lesson, beside classical ways.

Noise is float, Gaussian, on photographs not clipped; every PSNR is of values rounded to 8 bits. BM3D takes so long
that it gets every n-th photograph; all others are also measured on these. NLM and TV have one dial each, which is set
on training photographs for each level.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bm3d
import numpy as np
import numpy.typing as npt
from _common import Rows, table, write
from _denoise_mnist import digits
from _restoring import panel, pictures, spread, trained
from skimage import restoration

import narrows
from narrows.evaluation.metrics import psnr_db
from narrows.io.arrays import Array
from narrows.models.base import Model

Floats = npt.NDArray[np.float64]
Denoiser = Callable[[Floats, float], Floats]
SIGMAS = (15, 25, 50)
# Published tables have noise that is not clipped.
RECIPE = ("--for", "denoise", "--no-clip", "--from", "none", "--steps", "19000")
TUNED_ON = 8  # training photographs
NLM_STRENGTHS, TV_WEIGHTS = (0.5, 0.6, 0.7, 0.8, 0.9), (0.5, 0.7, 0.9, 1.1, 1.3)
SHOWN = ("noisy", "CBM3D (bm3d)", "narrows")
PUBLISHED = {
    "CBM3D": (33.52, 30.71, 27.38),
    "DnCNN, 667 thousand multiplications a pixel": (33.90, 31.24, 27.95),
    "FFDNet, 213, one network": (33.87, 31.21, 27.96),
    "DRUNet, 2118, one network": (34.30, 31.69, 28.51),
}


def nlm(strength: float) -> Denoiser:
    """Non-local means as scikit-image recommends it for speed."""
    return lambda y, sigma: restoration.denoise_nl_means(
        y, h=strength * sigma, sigma=sigma, fast_mode=True, patch_size=5, patch_distance=6, channel_axis=2
    )


def tv(weight: float) -> Denoiser:
    """Total variation (Chambolle)."""
    return lambda y, sigma: restoration.denoise_tv_chambolle(y, weight=weight * 4 * sigma, channel_axis=2)


def wavelet(y: Floats, sigma: float) -> Floats:
    """BayesShrink, in luma and chroma."""
    found: Floats = restoration.denoise_wavelet(
        y, sigma=sigma, convert2ycbcr=True, method="BayesShrink", rescale_sigma=True, channel_axis=2
    )
    return found


def ours(model: Model, blind: bool) -> Denoiser:
    """Our network, given the noise level, or `blind` to estimate it."""
    return lambda y, sigma: narrows.restore(model, y.astype(np.float32)[None], strength=None if blind else sigma)[0]


def noisy(image: Array, sigma: float, seed: int) -> Floats:
    """An image in 0..1 with noise."""
    return image / 255 + np.random.default_rng(seed).normal(0, sigma, image.shape)


def psnr(y: Floats, image: Array) -> float:
    """Of `y` in 0..1 against an image of 8 bits, after rounding, in dB."""
    rounded = np.round(255 * np.clip(y, 0, 1))
    return float(psnr_db(np.square((rounded - image) / 255).mean()))


def tuned(make: Callable[[float], Denoiser], dials: tuple[float, ...], images: list[Array], sigma: float) -> Denoiser:
    """A denoiser at the best of its dials on these images."""
    scores = [np.mean([psnr(make(d)(noisy(x, sigma, i), sigma), x) for i, x in enumerate(images)]) for d in dials]
    return make(dials[int(np.argmax(scores))])


def photographs(arguments: argparse.Namespace, place: Path) -> str:
    """The table of photographs."""
    training = arguments.data / "photos" / "bsds500-train"
    recipe = (*RECIPE[:-1], "30") if arguments.quick else RECIPE
    model, story = trained("denoise", training, place, *recipe)
    test = pictures(arguments.data / "photos" / "cbsd68", 4 if arguments.quick else None)
    some = pictures(training, TUNED_ON)
    few = set(range(0, len(test), arguments.bm3d_every))
    rows: Rows = []
    shown: dict[int, list[Array]] = {i: [] for i in sorted(few)[:4]}
    for number, sigma in enumerate(SIGMAS):
        s = sigma / 255
        ways: dict[str, Denoiser] = {
            "noisy": lambda y, sigma: y,
            "total variation": tuned(tv, TV_WEIGHTS, some, s),
            "wavelets, BayesShrink": wavelet,
            "non-local means": tuned(nlm, NLM_STRENGTHS, some, s),
            "CBM3D (bm3d)": lambda y, sigma: bm3d.bm3d_rgb(y, sigma),
            "narrows": ours(model, False),
            "narrows, level estimated": ours(model, True),
        }
        pace: dict[str, float] = {}
        for name, way in ways.items():
            alike = [i for i in range(len(test)) if i in few or "bm3d" not in name]
            found, seconds = {}, 0.0
            for i in alike:
                y = noisy(test[i], s, i)
                began = time.perf_counter()
                x_hat = way(y, s)
                seconds += time.perf_counter() - began
                found[i] = psnr(x_hat, test[i])
                if sigma == SIGMAS[-1] and i in shown and name in SHOWN:
                    shown[i].append(np.round(255 * np.clip(x_hat, 0, 1)).astype(np.uint8))
            pace[name] = seconds / (sum(test[i].shape[0] * test[i].shape[1] for i in alike) / 1e6)
            rows.append(
                (
                    str(sigma),
                    name,
                    "-" if len(alike) < len(test) else spread(list(found.values())),
                    spread([found[i] for i in sorted(few)]),
                    f"{pace[name]:.3f}",
                )
            )
            print(rows[-1], flush=True)
        slowest, pace["noisy"] = pace["CBM3D (bm3d)"], 0.0
        rows = [
            (*row, f"{slowest / pace[row[1]]:,.0f}" if pace[row[1]] else "") if len(row) == 5 else row for row in rows
        ]
        rows += [(str(sigma), f"published: {name}", f"{v[number]:.2f}", "", "", "") for name, v in PUBLISHED.items()]
    if arguments.pictures is not None:
        panel(arguments.pictures / "denoise.png", [[*found, test[i]] for i, found in shown.items()])
    columns = ("sigma", "", f"PSNR dB, {len(test)} photographs", f"PSNR dB, {len(few)} of them")
    told = table((*columns, "seconds a megapixel", "times as fast as CBM3D"), rows)
    return (
        f"## Photographs: CBSD68\n\nOurs: {story}. To reach at sigma 25: 31.0 dB and 20 times the speed of bm3d; the "
        f"aim: 31.3.\n\n{told}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with photos/")
    parser.add_argument("--keep", type=Path, help="folder for models; those that lie there are not trained again")
    parser.add_argument("--pictures", type=Path, help="folder for pictures: noisy, CBM3D, narrows, original")
    parser.add_argument("--bm3d-every", type=int, default=6, metavar="N")
    parser.add_argument("--only", choices=("photographs", "digits"))
    parser.add_argument("--quick", action="store_true", help="30 steps, 4 photographs")
    arguments = parser.parse_args()
    sections = []
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.keep if arguments.keep and not arguments.quick else Path(folder)
        if arguments.only != "digits":
            sections.append(photographs(arguments, place))
        if arguments.only != "photographs":
            sections.append(digits(arguments.quick, arguments.pictures))
    name = "denoise" + (f"-{arguments.only}" if arguments.only else "") + "-quick" * arguments.quick
    write(name, "Noise removed", "\n\n".join(sections))


if __name__ == "__main__":
    main()
