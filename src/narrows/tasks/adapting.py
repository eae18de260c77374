"""A model that has gone on learning from one damaged picture, before it fills in what is missing there.

More of the picture is hidden in every step, and the network is asked for that; what repeats, such as bricks, stripes
and letters, is learned best. That a network may learn from the very picture it is to restore: Shocher, Cohen and
Irani, "Zero-shot super-resolution using deep internal learning", CVPR 2018; that it begins with what it has learned
from others: Mohan et al., "Adaptive denoising via GainTuning", NeurIPS 2021.
Next door: `specialists` says which model is suited; `restore` restores.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from narrows.data.batches import random_crop, to_tensor
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
STEPS, PASSES = 400, 20  # the most steps, and how often they go through a picture at most
RATE = 3e-4  # of Adam in the first steps; it falls to 0
WARM = 10  # steps until then
SINGLE, HOLES = 0.2, 0.3  # the share that is hidden of single pixels, and of crops by strokes and boxes
APART = 0.04  # the share of a picture that is never asked for, by which the result is judged
JUDGED = 32  # crops
Planes = npt.NDArray[np.float32]


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
    planes = _planes(model, image, missing, single, generator)
    level = None
    if "level" in model.degradation.needs:
        level = torch.tensor([estimate(model, image) if strength is None else strength], device=model.device)
    side = min(CROP, *missing.shape)

    def crop() -> torch.Tensor:
        piece = np.rot90(random_crop(planes, side, rng), int(rng.integers(4)))
        piece = piece[:, ::-1] if rng.random() < 0.5 else piece
        return torch.from_numpy(np.ascontiguousarray(piece.transpose(2, 0, 1))[None]).to(model.device)

    judged = [crop() for _ in range(JUDGED)]
    before = _judged(model, judged, level)
    learner = copy.deepcopy(model)
    kinds: tuple[MaskKind, ...] = ("pixels",) if single else ("strokes", "boxes")
    optimiser = Optimiser(learner, RATE, 0.0, half=False)
    steps = min(STEPS, max(1, PASSES * missing.size // side**2))
    for step in range(steps):
        seen = crop()
        hidden = _drawn(kinds[step % len(kinds)], SINGLE if single else HOLES, 1, side, generator).to(model.device)
        hidden = hidden * seen[:, -2:-1] * (1 - seen[:, -1:])
        if hidden.any():
            _error(learner, seen, hidden, level).backward()  # type: ignore[no-untyped-call]
            optimiser.step(min(1.0, (step + 1) / WARM) * (1 - step / steps))
        if report is not None:
            report("learning from the picture", step + 1, steps)
    return learner if _judged(learner, judged, level) < before else model


def _planes(model: Restoring, image: Array, missing: Mask, single: bool, generator: torch.Generator) -> Planes:
    """Everything about an image as `(H, W, ...)`: its colours in 0..1, its alpha if the model knows any, then 1 where
    a pixel is known, and where it is kept apart."""
    x = to_tensor(image[None], fitting(model, image[None]))[0].permute(1, 2, 0)
    known = torch.from_numpy(~missing[..., None]).float()
    alpha = torch.ones_like(known)
    if x.shape[2] in (2, 4):
        x, alpha = x[..., :-1], x[..., -1:]
        known = known * (alpha > 0)
    if repeated(model, x.shape[2]):
        x = x.expand(-1, -1, 3)
    rows, columns = (-(-size // CROP) for size in missing.shape)
    sheet = _drawn("pixels" if single else "boxes", APART, rows * columns, CROP, generator)
    sheet = sheet.view(rows, columns, CROP, CROP).permute(0, 2, 1, 3).reshape(rows * CROP, columns * CROP, 1)
    apart = sheet[: missing.shape[0], : missing.shape[1]] * known
    planes: Planes = torch.cat([x, *([alpha] * model.description.alpha), known, apart], dim=2).numpy()
    return planes


def _drawn(kind: MaskKind, share: float, count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """What is to be hidden of so many crops: `(N, 1, side, side)`, 1 where a pixel is."""
    shape = (count, 1, side, side)
    return 1 - draw(kind, torch.full((count, 1, 1, 1), share), shape, generator, torch.device("cpu"))


def _error(model: Restoring, seen: torch.Tensor, hidden: torch.Tensor, level: torch.Tensor | None) -> torch.Tensor:
    """The mean squared error of hidden pixels `(1, 1, h, w)` of crops of the planes `(1, P, h, w)`."""
    colours, known = seen[:, :-2], seen[:, -2:-1] * (1 - hidden)
    alpha = None
    if model.description.alpha:
        colours, alpha = colours[:, :-1], colours[:, -1:]
    observed = model.degradation.given(colours, Hints(level, known))
    with halved(seen.device):
        found = model.restored(observed, alpha)[:, : colours.shape[1]].float()
    return ((found - colours).square() * hidden).sum() / (colours.shape[1] * hidden.sum())


@torch.no_grad()
def _judged(model: Restoring, crops: list[torch.Tensor], level: torch.Tensor | None) -> float:
    """The mean error of the pixels that are kept apart."""
    errors = [float(_error(model, seen, seen[:, -1:], level)) for seen in crops if seen[:, -1:].any()]
    return float(np.mean(errors)) if errors else 0.0
