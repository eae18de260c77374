"""A model that has gone on learning from one damaged picture, before it fills in what is missing there.

More of the picture is hidden in every step, and the network is asked for that; what repeats, such as straight
lines, is learned best. That a network may learn from the very picture it is to restore: Shocher, Cohen and
Irani, "Zero-shot super-resolution using deep internal learning", CVPR 2018; that it begins with what it has learned
from others: Mohan et al., "Adaptive denoising via GainTuning", NeurIPS 2021.
Next door: `specialists` says which model is suited; `restore` restores.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from narrows.data.batches import random_crop, to_tensor
from narrows.data.samples import Description
from narrows.degradations.base import Hints
from narrows.degradations.masks import MaskKind, draw
from narrows.io.arrays import Array
from narrows.models.restorer import Restoring
from narrows.tasks.fitting import estimate, fitting, repeated
from narrows.tasks.missing import Mask
from narrows.tasks.specialists import scattered
from narrows.training.device import halved
from narrows.training.optimiser import Optimiser

LEAST = 64  # pixels a side of the smallest picture from which something can be learned
CROP = 96  # pixels a side of what is seen in a step
STEPS, PASSES = 800, 40  # the most steps, and how often they go through a picture at most
RATE = 3e-4  # of Adam in the first steps; it falls to 0
WARM = 10  # steps until then
SINGLE, HOLES = 0.2, 0.3  # the share that is hidden of single pixels, and of crops by strokes and boxes
APART = 0.04  # the share of a picture that is never asked for, by which the result is judged
JUDGED = 32  # crops
SHEET = 8  # crops a side of what is drawn of it; larger pictures have it many times


@dataclass(frozen=True)
class Crop:
    """A piece of a picture: `colours` `(1, C, h, w)` in 0..1, `alpha` if the model knows any, what is `known` of it
    and what is kept `apart`, `(1, 1, h, w)` each."""

    colours: torch.Tensor
    alpha: torch.Tensor | None
    known: torch.Tensor
    apart: torch.Tensor


def adapted(
    model: Restoring,
    image: Array,
    missing: Mask,
    strength: float | None = None,
    report: Callable[[str, int, int | None], None] | None = None,
) -> Restoring:
    """A copy of the model that has learned from the known pixels of an image `(H, W, C)`, whose others are marked in
    `missing` `(H, W)`. The model itself, where it is not one to inpaint images of any size, the image is small, or
    what was learned is of no use for pixels that were kept apart."""
    if model.specification.purpose != "inpaint" or not model.grid.step or min(image.shape[:2]) < LEAST:
        return model
    single = scattered(missing)
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    planes, description = _planes(image, missing, single, generator), fitting(model, image[None])
    side = min(CROP, *missing.shape)
    level = None
    if "level" in model.degradation.needs:
        level = torch.tensor([estimate(model, image) if strength is None else strength], device=model.device)

    def crop() -> Crop:
        piece = np.rot90(random_crop(planes, side, rng), int(rng.integers(4)))
        piece = np.ascontiguousarray(piece[:, ::-1] if rng.random() < 0.5 else piece)
        return _crop(model, piece, description)

    judged = [crop() for _ in range(JUDGED)]
    before = _judged(model, judged, level)
    learner = copy.deepcopy(model).requires_grad_(True)
    kinds: tuple[MaskKind, ...] = ("pixels",) if single else ("strokes", "boxes")
    optimiser = Optimiser(learner, RATE, 0.0, half=False)
    steps = min(STEPS, max(1, PASSES * missing.size // side**2))
    for step in range(steps):
        seen = crop()
        drawn = _drawn(kinds[step % len(kinds)], SINGLE if single else HOLES, 1, side, generator)
        hidden = drawn.to(model.device) * seen.known * (1 - seen.apart)
        if hidden.any():
            _error(learner, seen, hidden, level).backward()  # type: ignore[no-untyped-call]
            optimiser.step(min(1.0, (step + 1) / WARM) * (1 - step / steps))
        if report is not None:
            report("learning from the picture", step + 1, steps)
    return learner if _judged(learner, judged, level) < before else model


def _planes(image: Array, missing: Mask, single: bool, generator: torch.Generator) -> Array:
    """An image `(H, W, C)` with two channels more: 1 where a pixel is known, and where it is kept apart."""
    known = ~missing
    if image.shape[2] in (2, 4):
        known &= image[..., -1] > 0
    sheet = _drawn("pixels" if single else "boxes", APART, SHEET**2, CROP, generator)
    sheet = sheet.view(SHEET, SHEET, CROP, CROP).permute(0, 2, 1, 3).reshape(SHEET * CROP, SHEET * CROP)
    times = [-(-size // (SHEET * CROP)) for size in missing.shape]
    apart = known & np.tile(sheet.bool().numpy(), times)[: missing.shape[0], : missing.shape[1]]
    return np.concatenate([image, known[..., None], apart[..., None]], axis=2, dtype=image.dtype)


def _crop(model: Restoring, piece: Array, description: Description) -> Crop:
    """A piece `(h, w, C + 2)` of the planes as the model takes it."""
    x = to_tensor(piece[None, ..., :-2], description, model.device)
    marks = torch.from_numpy(piece[None, ..., -2:].astype(np.float32)).to(model.device)
    colours, alpha = (x[:, :-1], x[:, -1:]) if x.shape[1] in (2, 4) else (x, torch.ones_like(x[:, :1]))
    if repeated(model, colours.shape[1]):
        colours = colours.expand(-1, 3, -1, -1)
    known, apart = (mark[:, None] for mark in marks.unbind(dim=3))
    return Crop(colours, alpha if model.description.alpha else None, known, apart)


def _drawn(kind: MaskKind, share: float, count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """What is to be hidden of so many crops: `(N, 1, side, side)`, 1 where a pixel is."""
    shape = (count, 1, side, side)
    return 1 - draw(kind, torch.full((count, 1, 1, 1), share), shape, generator, torch.device("cpu"))


def _error(model: Restoring, seen: Crop, hidden: torch.Tensor, level: torch.Tensor | None) -> torch.Tensor:
    """The mean squared error of the `hidden` pixels of a crop, `(1, 1, h, w)`."""
    observed = model.degradation.given(seen.colours, Hints(level, seen.known * (1 - hidden)))
    with halved(hidden.device):
        found = model.restored(observed, seen.alpha)[:, : seen.colours.shape[1]].float()
    return ((found - seen.colours).square() * hidden).sum() / (seen.colours.shape[1] * hidden.sum())


@torch.no_grad()
def _judged(model: Restoring, crops: list[Crop], level: torch.Tensor | None) -> float:
    """The mean error of the pixels that are kept apart."""
    errors = [float(_error(model, seen, seen.apart, level)) for seen in crops if seen.apart.any()]
    return float(np.mean(errors)) if errors else 0.0
