"""MNIST with the lesson's noise: its own network by its own loop and by ours, a network with levels, classical ways.

Next door: `denoise` is the command.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bm3d
import numpy as np
import numpy.typing as npt
import torch
from _common import Rows, table
from _restoring import panel
from lesson import PilImages
from scipy import ndimage
from skimage import restoration
from torch import nn
from torch.utils.data import DataLoader

import narrows
from narrows.degradations import Noise
from narrows.models.base import Model
from narrows.training.settings import Settings

NOISE = 0.5
EPOCHS, PUBLISHED = 20, 0.02611
QUICK_LESSON: dict[str, Any] = {"epochs": 1}
UNET: dict[str, Any] = {"epochs": 6, "batch_size": 128}
SLOW = 200  # test images for the ways that take long
TUNED = 30  # training images by which the dials of the classical ways are chosen
Floats = npt.NDArray[np.float32]
Dials = tuple[float, ...]
# Each with the dials that are tried: side; weight; how alike patches are, and their noise; noise.
CLASSICAL: dict[str, tuple[Callable[[Floats, Dials], Floats], tuple[Dials, ...]]] = {
    "median": (lambda y, d: ndimage.median_filter(y, (int(d[0]),) * 2), ((3.0,), (5.0,), (7.0,))),
    "total variation": (
        lambda y, d: restoration.denoise_tv_chambolle(y, weight=d[0]),
        ((0.2,), (0.3,), (0.4,), (0.6,), (0.8,), (1.2,), (1.6,)),
    ),
    "non-local means": (
        lambda y, d: restoration.denoise_nl_means(y, h=d[0], sigma=d[1], fast_mode=True),
        tuple((h, sigma) for sigma in (0.0, 0.4) for h in (0.2, 0.3, 0.5, 0.8, 1.2)),
    ),
    "BM3D": (lambda y, d: bm3d.bm3d(y, d[0]), ((0.3,), (0.4,), (0.6,), (0.8,), (1.2,))),
}


def noisy(images: Floats) -> Floats:
    """Images in 0..1 as the lesson damages them."""
    rng = np.random.default_rng(0)
    seen: Floats = np.clip(images + np.float32(NOISE) * rng.standard_normal(images.shape, np.float32), 0, 1)
    return seen


def _each(way: Callable[[Floats, Dials], Floats], images: Floats, dial: Dials) -> Floats:
    """Images `(N, H, W, 1)`, each alone through a classical way."""
    return np.stack([np.clip(way(y[..., 0], dial), 0, 1)[..., None] for y in images]).astype(np.float32)


def lesson_loop(model: nn.Module, images: npt.NDArray[np.uint8], epochs: int) -> list[float]:
    """The lesson's loop: seconds of each epoch."""
    loader = DataLoader(PilImages(images), batch_size=20, num_workers=0, shuffle=True)
    criterion, optimiser = nn.MSELoss(), torch.optim.Adam(model.parameters(), lr=0.001)
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        for x in loader:
            seen = torch.clip(x + NOISE * torch.randn(*x.shape), 0, 1)
            optimiser.zero_grad()
            loss = criterion(model(seen), x)
            loss.backward()
            optimiser.step()
        seconds.append(time.perf_counter() - began)
    return seconds


def ours(samples: narrows.Samples, network: str, settings: Settings) -> tuple[Model, float]:
    """A trained model and the seconds that all of it took."""
    began = time.perf_counter()
    model = narrows.build(samples.description, network, degradation=Noise(NOISE, clip=True))
    for _ in narrows.fit(model, samples, settings):
        pass
    return model, time.perf_counter() - began


def digits(quick: bool, pictures: Path | None) -> str:
    """The table of digits."""
    training, test = narrows.open_samples("mnist"), narrows.open_samples("mnist", "test")
    assert isinstance(training.values, np.ndarray)
    clean = (np.asarray(test.values) / 255).astype(np.float32)
    seen = noisy(clean)
    rows: Rows = []

    def told(name: str, x_hat: Floats, train_seconds: str, seconds: float) -> None:
        mse = np.square(x_hat - clean[: len(x_hat)]).mean(axis=(1, 2, 3))
        spread = f"{mse.mean():.5f} ± {mse.std():.5f}"
        rows.append((name, train_seconds, spread, f"{1e6 * seconds / len(x_hat):.0f}", f"{len(x_hat)}"))
        print(rows[-1], flush=True)

    told("noisy", seen, "", 0.0)
    wanted = (np.asarray(training.values[:TUNED]) / 255).astype(np.float32)
    for name, (way, dials) in CLASSICAL.items():
        scores = [np.square(_each(way, noisy(wanted), dial) - wanted).mean() for dial in dials]
        dial = dials[int(np.argmin(scores))]
        some = seen if name == "median" else seen[:SLOW]
        began = time.perf_counter()
        told(f"{name}, {' '.join(f'{n:g}' for n in dial)}", _each(way, some, dial), "", time.perf_counter() - began)
    lesson = narrows.build(training.description, "lesson-denoise", seed=1)
    epoch = float(np.median(lesson_loop(lesson, training.values, 1 if quick else 2)))
    rows.append(("the lesson's network, its loop", f"{EPOCHS * epoch:.0f}", f"published {PUBLISHED:.5f}", "", ""))
    shown: list[Floats] = []
    budgets: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("the lesson's network, fit", "lesson-denoise", QUICK_LESSON),
        ("the lesson's network, fit, usual budget", "lesson-denoise", {}),
        ("unet", "unet", UNET),
    )
    for name, network, budget in budgets:
        model, seconds = ours(training, network, Settings(**({"steps": 20} if quick else budget)))
        began = time.perf_counter()
        x_hat = np.asarray(narrows.restore(model, seen))
        took = time.perf_counter() - began
        said = " ".join(f"{key.replace('_', ' ')} {value}" for key, value in budget.items())
        told(f"{name}{f', {said}' if said else ''}", x_hat, f"{seconds:.0f}", took)
        shown.append(x_hat)
    if pictures is not None:
        both = [seen, *shown, clean]
        rows_of = [[np.repeat((255 * a[i]).astype(np.uint8), 3, axis=2) for a in both] for i in range(8)]
        panel(pictures / "denoise-digits.png", rows_of)
    columns = ("", "training, seconds", "MSE a pixel, test images", "microseconds an image", "images")
    return (
        f"## MNIST, noise of {NOISE} clipped to 0..1\n\nTo reach: 0.0095 with connections between levels; 0.0261 "
        "with the lesson's network in a tenth of its time. The lesson's time is that of its median epoch times "
        f"{EPOCHS}; its figure, on training images, is published. The dials of the classical ways, named, are "
        f"the best of several on {TUNED} training images.\n\n"
        f"{table(columns, rows)}"
    )
