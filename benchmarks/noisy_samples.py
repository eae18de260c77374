"""Learning to denoise without clean samples: from noisy ones alone, beside the same training on clean ones.

Photographs get noise of sigma 25 once, as files have it: in 8 bits. One training knows only these; its level is
estimated. The other adds such noise to the clean photographs, anew in each step. Both have the same network, seed
and number of steps, and are measured on CBSD68 with noise as files have it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _common import Rows, table, write
from _restoring import pictures, spread

import narrows
from narrows.degradations import Noise
from narrows.evaluation.metrics import psnr_db
from narrows.io.arrays import Array
from narrows.models.base import Model
from narrows.tasks.noisy import own_noise

SIGMA = 25 / 255
ALLOWED = 1.0  # dB below clean training, to be offered


def files(images: list[Array], first_seed: int = 0) -> list[Array]:
    """Images with noise as 8 bits hold it."""
    made = []
    for seed, image in enumerate(images, first_seed):
        noise = np.random.default_rng(seed).normal(0, 255 * SIGMA, image.shape)
        made.append(np.clip(np.round(image + noise), 0, 255).astype(np.uint8))
    return made


def measured(model: Model, test: list[Array]) -> list[float]:
    """PSNR of each image in dB, of 8 bits."""
    found = []
    for image, clean in zip(files(test, 1000), test, strict=True):
        back = narrows.restore(model, image[None], strength=SIGMA)[0]
        found.append(float(psnr_db(np.square((back - 1.0 * clean) / 255).mean())))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder with photos/")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--quick", action="store_true", help="few steps and images; the table is marked")
    arguments = parser.parse_args()
    steps = 30 if arguments.quick else arguments.steps
    clean = pictures(arguments.data / "photos" / "bsds500-train", 20 if arguments.quick else None)
    test = pictures(arguments.data / "photos" / "cbsd68", 4 if arguments.quick else None)
    noisy = narrows.from_arrays(files(clean))
    own = own_noise(noisy)
    rows: Rows = []
    for name, samples, degradation in (
        ("clean samples", narrows.from_arrays(clean), Noise(SIGMA, clip=True)),
        (f"noisy samples alone, level found: {255 * own.own:.1f} of 255", noisy, own),
    ):
        model = narrows.build(samples.description, degradation=degradation)
        for _ in narrows.fit(model, samples, narrows.Settings(steps=steps, threads=1)):
            pass
        rows.append((name, spread(measured(model, test)), f"{model.provenance['seconds'] / 60:.0f}"))
        print(rows[-1], flush=True)
    text = table(("learned from", f"PSNR dB, {len(test)} photographs, sigma 25", "minutes"), rows)
    story = (
        f"{len(clean)} photographs of BSDS500, {steps} steps of 8 crops each. To reach: {ALLOWED:g} dB below clean."
    )
    write(
        f"noisy_samples{'-quick' * arguments.quick}", "Denoising learned without clean samples", f"{story}\n\n{text}"
    )


if __name__ == "__main__":
    main()
