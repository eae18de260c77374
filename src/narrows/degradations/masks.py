"""Missing pixels, and masks drawn at random. Masks are 1 where a pixel is known and 0 where it is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from narrows.checks import one_of
from narrows.degradations.base import SHARE_MOST, Hints, Observed, Range, Residual, range_of, range_words, uniform
from narrows.degradations.filling import filled
from narrows.errors import SettingsError

MaskKind = Literal["pixels", "strokes", "boxes", "any"]
USUAL_MISSING = (0.1, 0.9)
SHAPES = 24  # strokes or boxes drawn, of which as many are used as it takes to reach the share
BOX = (0.06, 0.3)  # sides of boxes and lengths of strokes, as shares of the longer side of the image
STROKE = (0.008, 0.03)  # half the width of strokes, likewise
BOX_SHARE, STROKE_SHARE = 0.25, 0.12  # the shares that this many boxes or strokes always reach
ANY_MOST = 0.4  # the largest share of boxes and strokes in "any"; larger ones teach nothing
SINGLE = 0.5  # the share of samples of "any" with single pixels missing, which teach most


@dataclass(frozen=True, init=False)
class Missing(Residual):
    """A `share`, or a range of shares, of the pixels missing, drawn anew for each sample: "pixels" one by one,
    "strokes", "boxes", or "any" of the three; in vectors, single values.

    With a `mask` `(H, W)`, true or not 0 where a pixel is missing, the kind is "given" and the share is that of the
    mask: samples of its size get the whole mask, others a random part of it. Model files keep only kind and share.
    The condition is 1 where a pixel is known; known pixels are kept exactly.

    Raises `SettingsError` for shares outside 0..0.99, unknown kinds, and a mask that marks all pixels or none, or
    comes with a share or a kind.
    """

    share: tuple[float, float]
    kind: MaskKind | Literal["given"]
    mask: torch.Tensor | None = field(compare=False, repr=False)

    name = "missing"
    scale = 1
    fold = 2
    condition_channels = 1
    task = "inpaint"
    needs = ("known",)

    def __init__(
        self, share: Range = USUAL_MISSING, kind: MaskKind | Literal["given"] = "any", mask: Any = None
    ) -> None:
        if mask is not None:
            if kind != "given" and (share, kind) != (USUAL_MISSING, "any"):
                raise SettingsError("both a mask and a share or kind of missing pixels were given; choose one")
            marked = _marked(mask)
            share, kind, mask = float(marked.mean()), "given", torch.from_numpy(marked)
        elif kind != "given":
            kind = one_of("kind of missing pixels", kind, get_args(MaskKind))
        span = range_of("missing", share, 1.0 if kind == "given" else SHARE_MOST)
        vars(self).update(share=span, kind=kind, mask=mask)  # frozen: not by assignment

    def __str__(self) -> str:
        return f"{range_words(self.share)} missing ({self.kind})"

    def to_json(self) -> list[dict[str, Any]]:
        return [{"degradation": self.name, "share": list(self.share), "kind": self.kind}]

    def observe(self, clean: torch.Tensor, generator: torch.Generator) -> Observed:
        share = uniform(self.share, clean, generator)
        if self.kind != "given":
            known = draw(self.kind, share, clean.shape, generator, clean.device)
        elif self.mask is not None:
            known = cut_out(~self.mask.to(clean.device), clean.shape, generator)
        else:
            raise SettingsError("the mask of this degradation is no longer known; give it to damage samples")
        return Observed(clean * known, known)

    def given(self, seen: torch.Tensor, hints: Hints) -> Observed:
        assert hints.known is not None
        return Observed(seen * hints.known, hints.known)

    def hints(self, observed: Observed) -> Hints:
        return Hints(known=observed.condition)

    def guess(self, observed: Observed) -> torch.Tensor:
        return filled(observed.seen, observed.condition)

    def colours(self, clean: int) -> tuple[int, ...]:
        return (clean,)

    def restored(self, observed: Observed, guess: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return torch.where(observed.condition > 0, observed.seen, guess + answer)


def _marked(mask: Any) -> npt.NDArray[np.bool_]:
    """A mask `(H, W)` or `(H, W, 1)` as booleans; raises `SettingsError` unless it marks some pixels and not all."""
    marked: npt.NDArray[np.bool_] = np.asarray(mask) != 0
    marked = marked[..., 0] if marked.ndim == 3 and marked.shape[2] == 1 else marked
    if marked.ndim != 2 or marked.all() or not marked.any():
        raise SettingsError(
            f"a mask of shape {marked.shape} that marks {int(marked.sum())} pixels was given; it has to be of (H, W) "
            "and mark some and not all"
        )
    return marked.copy()


def draw(
    kind: MaskKind, share: torch.Tensor, shape: Sequence[int], generator: torch.Generator, device: torch.device
) -> torch.Tensor:
    """Masks for samples of `shape`, `(N, C, H, W)` or `(N, D)`: `(N, 1, H, W)` or `(N, D)`.

    In each the `share` `(N, 1, ...)` is missing. Strokes and boxes exceed it by at most one of them; at least one
    pixel of each sample stays known.
    """
    count, plane = shape[0], shape[2:]
    if not plane:
        return _with_one((torch.rand(tuple(shape), generator=generator, device=device) >= share).float())
    pixels = torch.rand((count, 1, *plane), generator=generator, device=device)
    known = (pixels >= share).float()
    if kind != "pixels":
        if kind == "any":
            share = share.clamp_max(ANY_MOST)
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
    """The masks, with one pixel known in those that had none."""
    none = known.flatten(1).amax(dim=1) == 0
    if none.any():
        known.flatten(1)[none, known[0].numel() // 2] = 1
    return known


def _shapes(kind: MaskKind, share: torch.Tensor, plane: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Strokes or boxes, 1 inside: `(N, S, H, W)`, larger for large shares; with "any" each sample has one."""
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
    """The mask `(H, W)` for each sample of `shape` `(N, C, h, w)`: `(N, 1, h, w)`, whole if it has their size,
    otherwise cut at a random place and repeated if it is too small."""
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
