"""Numbers as people write them in tables: which point, which mark between thousands. Next door: `columns` uses it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

GROUPS = {".": (",", "'", "\u2019", " ", "\xa0", "\u202f"), ",": (".", "'", "\u2019", " ", "\xa0", "\u202f")}
_CODE = re.compile(r"[+-]?0\d+")
_LONG = re.compile(r"[+-]?\d{16,}")
EXACT = 2**53  # of 16 digits; beyond it, doubles do not tell whole numbers apart


@dataclass(frozen=True)
class Style:
    """The decimal `point`, "." or ",", and the mark in `group`s of three digits, if there is one."""

    point: str = "."
    group: str = ""

    def number(self, cell: str) -> float | None:
        """The number in a cell, None if it is not one or not finite."""
        cell = cell.strip()
        if not _plain(self.point).match(cell):
            if not self.group or not _grouped(self.point, self.group).match(cell):
                return None
            cell = cell.replace(self.group, "")
        value = float(cell.replace(self.point, "."))
        return value if math.isfinite(value) else None

    def text(self, number: float, decimals: int) -> str:
        """A number with so many digits after the point."""
        text = f"{number:{',' if self.group else ''}.{decimals}f}"
        text = text[1:] if text.startswith("-") and not text.strip("-0.") else text  # no -0
        return text.replace(".", "\0").replace(",", self.group).replace("\0", self.point)


@dataclass(frozen=True)
class Found:
    """How the numbers of a column are written; what was decided where they can be read in two ways is in `note`."""

    style: Style
    note: str = ""


def style_of(cells: Sequence[str], delimiter: str) -> Found | None:
    """How these cells are written, if all are numbers and none is a code such as 02101, or such as 9007199254740993,
    which a double does not hold.

    Between commas a point is expected before decimals, else a comma. Where the other mark always stands before three
    digits, it may part thousands: between commas it does, elsewhere if there are numbers without it, all below 1000.
    """
    cells = [cell.strip() for cell in cells]
    if any(is_code(cell) or (_LONG.fullmatch(cell) and _inexact(cell.lstrip("+-"))) for cell in cells):
        return None
    usual, other = (".", ",") if delimiter == "," else (",", ".")
    plain = next((Style(mark) for mark in (usual, other) if _all(Style(mark), cells)), None)
    styles = (Style(point, group) for point in (usual, other) for group in GROUPS[point])
    grouped = next((s for s in styles if any(s.group in cell for cell in cells) and _all(s, cells)), None)
    if plain is None and grouped is not None:
        return Found(grouped, _example(grouped, cells))
    if plain is None or grouped != Style(usual, other):
        return None if plain is None else Found(plain)
    without = [cell for cell in cells if other not in cell]
    if delimiter == "," or (without and all(len(cell.lstrip("+-")) <= 3 for cell in without)):
        return Found(grouped, _example(grouped, cells))
    cell = next(cell for cell in cells if other in cell)
    return Found(plain, f"{cell} is taken as {plain.number(cell):.15g}, not as {grouped.number(cell):.15g}")


def _inexact(digits: str) -> bool:
    return len(digits) > 16 or int(digits) > EXACT  # Python refuses to read thousands of digits


def is_code(cell: str) -> bool:
    """Whether a cell has digits and is no number, such as 02101."""
    return _CODE.fullmatch(cell) is not None


def points_in(cells: Sequence[str]) -> set[str]:
    """The decimal points, "." and ",", without which some of these cells, without spaces around them, cannot be read
    as numbers."""
    pairs = ((".", ","), (",", "."))
    return {point for point, other in pairs if any(not _read(other, cell) and _read(point, cell) for cell in cells)}


def _read(point: str, cell: str) -> bool:
    return bool(_plain(point).match(cell)) or any(_grouped(point, group).match(cell) for group in GROUPS[point])


def _all(style: Style, cells: Sequence[str]) -> bool:
    return all(style.number(cell) is not None for cell in cells)


def _example(style: Style, cells: Sequence[str]) -> str:
    cell = next(cell for cell in cells if style.group in cell)
    return f"{cell} is taken as {style.number(cell):.15g}"


@functools.cache
def _plain(point: str) -> re.Pattern[str]:
    mark = re.escape(point)
    return re.compile(rf"[+-]?(?:\d+{mark}?\d*|{mark}\d+)(?:[eE][+-]?\d{{1,3}})?\Z")


@functools.cache
def _grouped(point: str, group: str) -> re.Pattern[str]:
    mark = re.escape(point)
    return re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(group)}\d{{3}})+(?:{mark}\d+)?\Z")
