"""What is missing: masks drawn at random, and the simplest way to fill them.

Masks are 1 where something is known and 0 where it is missing. Next door: `degrade` punches them into samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch.nn import functional

Kind = Literal["pixels", "strokes", "boxes", "any"]
SHAPES = 24  # strokes or boxes of which as many are taken as reach the share
BOX = (0.06, 0.3)  # sides of boxes, and lengths of strokes, as shares of the image's longer side
STROKE = (0.008, 0.03)  # half the width of strokes, likewise
BOX_SHARE, STROKE_SHARE = 0.25, 0.12  # that so many of these surely reach
MOST = 0.4  # missing in boxes and strokes where there are also single pixels: more of them tells nothing
SINGLE = 0.5  # of such samples have single pixels missing: of them there is most to learn
TENSION = 0.3  # of the plate by which holes are filled, beside a bending stiffness of 1
STIFFEST = 64 + 8 * TENSION  # the largest eigenvalue of its equations
SOFTEST = 2.0  # the smallest that is solved well in so few steps; wider waves come from coarse to fine
BENDINGS = 8


def draw(
    kind: Kind, share: torch.Tensor, shape: Sequence[int], generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Masks for samples of `shape`, `(N, C, H, W)` or `(N, D)`: `(N, 1, H, W)` or `(N, D)`.

    `share` `(N, 1, ...)` is missing of each. Strokes and boxes reach it, with at most one of them too
    many; at least one pixel of each sample stays known.
    """
    count, plane = shape[0], shape[2:]
    if not plane:
        return _with_one((torch.rand(tuple(shape), generator=generator, device=device) >= share).float())
    pixels = torch.rand((count, 1, *plane), generator=generator, device=device)
    known = (pixels >= share).float()
    if kind != "pixels":
        if kind == "any":
            share = share.clamp_max(MOST)
        shapes = _shapes(kind, share, (plane[0], plane[1]), generator)  # (N, S, H, W)
        gone = shapes.cummax(dim=1).values
        reached = gone.mean(dim=(2, 3)) >= share.view(count, 1)
        # The first number of shapes that reaches the share, or all of them.
        first = torch.where(reached.any(dim=1), reached.int().argmax(dim=1), SHAPES - 1)
        drawn = 1 - gone[torch.arange(count, device=device), first][:, None]
        if kind == "any":
            single = torch.rand((count, 1, 1, 1), generator=generator, device=device) < SINGLE
            known = torch.where(single, known, drawn)
        else:
            known = drawn
    return _with_one(known)


def _with_one(known: torch.Tensor) -> torch.Tensor:
    """The masks, with one place known where none was."""
    none = known.flatten(1).amax(dim=1) == 0
    if none.any():
        known.flatten(1)[none, known[0].numel() // 2] = 1
    return known


def _shapes(kind: Kind, share: torch.Tensor, plane: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Strokes or boxes, 1 inside: `(N, S, H, W)`, larger where a large share is to be reached; of "any", one of the
    two for each sample."""
    size, count, device = max(plane), len(share), share.device

    def between(low: float, high: float, *more: int) -> torch.Tensor:
        drawn = torch.rand((count, SHAPES, *more), generator=generator, device=device)
        return (low + (high - low) * drawn)[..., None, None]

    rows = torch.arange(plane[0], device=device).view(1, 1, -1, 1).float()
    columns = torch.arange(plane[1], device=device).view(1, 1, 1, -1).float()
    row, column = between(0, plane[0]), between(0, plane[1])
    shapes: list[torch.Tensor] = []
    if kind != "strokes":
        grown = (share / BOX_SHARE).clamp_min(1).sqrt().view(-1, 1, 1, 1) * size / 2
        high, wide = between(*BOX) * grown, between(*BOX) * grown
        shapes.append(((rows - row).abs() <= high.clamp_min(0.5)) & ((columns - column).abs() <= wide.clamp_min(0.5)))
    if kind != "boxes":
        length, angle = between(*BOX) * size, between(0, torch.pi)
        grown = (share / STROKE_SHARE).clamp_min(1).view(-1, 1, 1, 1) * size
        width = (between(*STROKE) * grown).clamp_min(0.6)
        down, right = rows - row, columns - column
        along = (down * angle.sin() + right * angle.cos()).clamp(min=-length, max=length)
        away = (down - along * angle.sin()).square() + (right - along * angle.cos()).square()
        shapes.append(away <= width.square())
    if kind != "any":
        return shapes[0].float()
    boxes = torch.rand((count, 1, 1, 1), generator=generator, device=device) < 0.5
    return torch.where(boxes, shapes[0], shapes[1]).float()


def cut_out(known: torch.Tensor, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """The mask `(H, W)` for each sample of `shape` `(N, C, h, w)`: `(N, 1, h, w)`, whole where it is of their size,
    else a part of it from a random place, over its edges where it is too small."""
    if tuple(known.shape) == tuple(shape[2:]):
        return known.float().expand(shape[0], 1, -1, -1)
    parts = []
    for _ in range(shape[0]):
        spans = []
        for size, wanted in zip(known.shape, shape[2:], strict=True):
            first = torch.randint(max(1, size - wanted + 1), (1,), generator=generator, device=known.device)
            spans.append((first + torch.arange(wanted, device=known.device)) % size)
        parts.append(known[spans[0]][:, spans[1]])
    return torch.stack(parts)[:, None].float()


def filled(seen: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Samples `(N, C, H, W)` with what is missing taken from what is known nearby. Vectors stay as they are.

    First from coarse to fine, then bent towards a spline in tension (Smith and Wessel, Geophysics 1990), by steps of
    fixed size and reach, so that a piece of an image is filled as in the whole (Golub and Varga, Numerische
    Mathematik 1961).
    """
    if known.ndim < 4 or bool((known > 0).all()):
        return seen
    missing = (known == 0).to(seen.dtype)
    x = _coarse_to_fine(seen, known)
    middle, half = (STIFFEST + SOFTEST) / 2, (STIFFEST - SOFTEST) / 2
    last, ratio = half / middle, middle / half
    step = _force(x, missing) / middle
    for _ in range(BENDINGS - 1):
        x = x + step
        grown = 1 / (2 * ratio - last)
        step = (grown * last) * step + (2 * grown / half) * _force(x, missing)
        last = grown
    return x + step


def _force(x: torch.Tensor, missing: torch.Tensor) -> torch.Tensor:
    """What moves the missing pixels of a plate that resists bending, and a little stretching."""
    curved = _curvature(x)
    return missing * _curvature(TENSION * x - curved)


def _curvature(x: torch.Tensor) -> torch.Tensor:
    """Sum of the differences to the four neighbours, of those that there are."""
    out = torch.zeros_like(x)
    for dim in (2, 3):
        size = x.shape[dim] - 1
        difference = x.narrow(dim, 1, size) - x.narrow(dim, 0, size)
        out.narrow(dim, 0, size).add_(difference)
        out.narrow(dim, 1, size).sub_(difference)
    return out


def _coarse_to_fine(seen: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """What is missing taken from the mean of what is known nearby: of the smallest square of 2, 4, 8 ... pixels that
    has any, smoothly enlarged (push and pull, Gortler et al., SIGGRAPH 1996)."""
    if max(known.shape[2:]) == 1 or bool((known > 0).all()):
        return seen
    size = known.shape[2:]
    pad = (0, size[1] % 2, 0, size[0] % 2)
    share = functional.avg_pool2d(functional.pad(known, pad), 2)
    sums = functional.avg_pool2d(functional.pad(seen * known, pad), 2)
    coarse = _coarse_to_fine(sums / share.clamp_min(1e-6), (share > 0).to(share.dtype))
    fine = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(known > 0, seen, fine[..., : size[0], : size[1]])
