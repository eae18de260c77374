"""The order in which the numbers of an image or of a code are coded, and what each may depend on.

All of it is part of the format: with another constant or order, older files can no longer be read.
Next door: `networks` trains densities along these passes; `codecs` walks the same passes in integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

QUALITIES = 100  # 1 to 100; each is a position of the dial, from -1 to 1
REFERENCE_QUALITY = 70  # at which a model keeps its references

HALVINGS = 5  # of an image's resolution; one pixel in 1024 is outside all passes
GRID_SECTION = 512  # pixels per side; larger images are coded in sections, so that memory is bounded
DIGITS = 16  # values of one digit; a pixel of 8 bits has two
MOST_LEVELS = 16  # to which a value may be rounded
TOGETHER_VALUES = 1 << 18  # of neighbouring samples of one shape that are coded together, at most

CODE_HALVINGS = 4  # of a code's resolution; its first blocks are 2**4 apart
CODE_SECTION = 2048  # pixels per side
REACH = 4  # deviations to which numbers of a code are clipped before a network sees them

Mask = npt.NDArray[np.bool_]
Where = Literal["all", "centres", "sides", "white", "black"]
_TOGETHER = ((3,), (1, 2))  # of the four pixels of a quad, those that come in one pass; pixel 0 is known


@dataclass(frozen=True)
class GridPass:
    """The planes of an image's quads that are predicted, and those that are known; plane 4 c + p is pixel p of
    channel c."""

    targets: tuple[int, ...]
    known: tuple[int, ...]


def grid_passes(channels: int) -> tuple[GridPass, ...]:
    """The passes that double the resolution of an image, in order."""
    known = [4 * c for c in range(channels)]
    found = []
    for pixels in _TOGETHER:
        for c in range(channels):
            targets = [4 * c + p for p in pixels]
            found.append(GridPass(tuple(targets), tuple(known)))
            known += targets
    return tuple(found)


@dataclass(frozen=True)
class CodePass:
    """Network `number` predicts the channels `first` to `last` from the first `seen` channels, at `where` of the
    blocks that are `spacing` apart. It also sees the first `referred` channels of what lies beside the code, if
    anything does."""

    number: int
    first: int
    last: int
    seen: int
    referred: int
    spacing: int
    where: Where


def code_passes(edges: Sequence[int], spatial: bool, beside: int = 0) -> tuple[CodePass, ...]:
    """The passes of a code whose groups of channels lie between `edges`, in order. Where `beside` channels that are
    known already lie beside the code, the first group does not have to come from coarse to fine."""
    most = edges[-2] or edges[-1]  # the last group gains next to nothing from a reference

    def made(number: int, first: int, last: int, seen: int, spacing: int, where: Where) -> CodePass:
        return CodePass(number, first, last, seen, beside or min(last, most), spacing, where)

    if not spatial:
        return tuple(made(i, a, b, a, 1, "all") for i, (a, b) in enumerate(pairwise(edges)))
    found: list[CodePass] = []
    if not beside:
        first = edges[1]
        found.append(made(0, 0, first, 0, 1 << CODE_HALVINGS, "all"))
        for halving in reversed(range(CODE_HALVINGS)):
            apart = 1 << halving
            found += [made(1, 0, first, first, apart, "centres"), made(2, 0, first, first, apart, "sides")]
    for a, b in pairwise(edges if beside else edges[1:]):
        number = found[-1].number + 1 if found else 0
        if b == edges[-1]:
            found.append(made(number, a, b, a, 1, "all"))
        else:
            found += [made(number, a, b, a, 1, "white"), made(number + 1, a, b, b, 1, "black")]
    return tuple(found)


def places(where: Where, height: int, width: int) -> Mask:
    """Which blocks of a grid a pass codes, `(height, width)`."""
    rows, columns = np.arange(height)[:, None] % 2, np.arange(width) % 2
    if where == "all":
        return np.ones((height, width), bool)
    chosen: Mask = rows + columns == 2 if where == "centres" else (rows == columns) == (where == "white")
    return chosen
