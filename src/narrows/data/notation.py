"""The columns of a model as a table writes them: its decimal point, its mark between thousands, its words.

The table need not come from the program that wrote the one of training. Next door: `columns` infers what columns
hold; `numbers` knows how numbers are written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from narrows.checks import brief
from narrows.data.columns import Column
from narrows.data.numbers import GROUPS, Style, points_in
from narrows.errors import ModelError
from narrows.io.csv import Table

TRUTHS = (("True", "False"), ("true", "false"), ("TRUE", "FALSE"))
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)?(?:(?:^|[ T])(\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?)?")


def as_written(columns: Sequence[Column], table: Table) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns of a model as this table writes them, and notes on numbers that can be read in two ways.

    A column of numbers that does not tell its decimal point is written as the others are, if none of them is written
    as in training. Raises `ModelError` unless the table has these columns, in their order.
    """
    _check_names(tuple(column.name for column in columns), table)
    each = list(zip(columns, zip(*table.cells, strict=True), strict=True))
    known = [
        list(dict.fromkeys(cell.strip() for cell in cells if not column.missing(cell))) for column, cells in each
    ]
    told = [_points(column, cells, table.delimiter) for column, cells in zip(columns, known, strict=True)]
    kept = any(column.style.point in points for column, points in zip(columns, told, strict=True))
    others: set[str] = set() if kept else set().union(*told)
    found, notes = [], []
    for column, cells, points in zip(columns, known, told, strict=True):
        if column.kind == "number":
            style, note = _style(column, cells, points or others, table.delimiter)
            column = replace(column, comma=style.point == ",", group=style.group)
            notes += [f"column {column.name!r}: {note}"] * bool(note)
        elif column.kind == "category":
            column = _respelled(column, cells)
        found.append(column)
    return tuple(found), tuple(notes)


def _check_names(own: tuple[str, ...], table: Table) -> None:
    """Raise `ModelError` unless these are the names of the table's columns, in their order."""
    names = table.names
    if names == own:
        return
    if sorted(names) == sorted(own):
        what = f"the columns are in another order, {brief(names[0])} first"
    else:
        lacking = [f"no column {name!r}" for name in own if name not in names]
        extra = [f"a column {brief(name)} too many" for name in names if name not in own]
        what = " and ".join(lacking[:1] + extra[:1])
    raise ModelError(
        f"{table.source}: the table does not fit this model: {what}; it takes {len(own)} columns, {brief(own[0])} to "
        f"{brief(own[-1])}"
    )


def _points(column: Column, cells: Sequence[str], delimiter: str) -> set[str]:
    """The decimal points that the cells of a column tell, by themselves or by what the column can hold."""
    if column.kind != "number":
        return set()
    style, _ = _style(column, cells, set(), delimiter)
    return points_in(cells) or {style.point} - {column.style.point}


def _style(column: Column, cells: Sequence[str], points: set[str], delimiter: str) -> tuple[Style, str]:
    """How the numbers in these cells are written, with one of these decimal points if any are given: the style that
    reads most of them, then that which puts most into the range of the column, then the column's own; and a note on
    the first number that another style reads otherwise."""
    marks = set("".join(cells))
    styles = [column.style, *(Style(p, g) for p in GROUPS for g in ("", *GROUPS[p]) if not g or g in marks)]
    points = points or {column.style.point, "."} | ({","} if delimiter != "," else set())
    numbers = {style: [style.number(cell) for cell in cells] for style in dict.fromkeys(styles)}

    def worth(style: Style) -> tuple[int, int]:
        there = [number for number in numbers[style] if number is not None]
        return len(there), sum(column.low <= number <= column.high for number in there)

    best = max((style for style in numbers if style.point in points), key=worth)
    for style, read in numbers.items():
        if worth(style)[0] < worth(best)[0] or (delimiter == "," and style == Style(",", ".")):
            continue
        for cell, number, other in zip(cells, numbers[best], read, strict=True):
            if number is not None and other is not None and number != other:
                return best, f"{cell} is taken as {number:.15g}, not as {other:.15g}"
    return best, ""


def _respelled(column: Column, cells: Collection[str]) -> Column:
    """The column with the categories spelled as they are in these cells, where only the spelling differs."""
    spelled = {_meaning(cell): cell for cell in cells}
    for truths in TRUTHS:
        if any(truth in cells for truth in truths):
            spelled |= {_meaning(truth): truth for truth in truths}
    words = tuple(word if word in cells else spelled.get(_meaning(word), word) for word in column.categories)
    return replace(column, categories=words) if len(set(words)) == len(words) else column


def _meaning(word: str) -> str:
    """What a word says, the same for all spellings of a truth value, a day, a time of day or an instant."""
    if any(word in truths for truths in TRUTHS):
        return word.lower()
    found = _INSTANT.fullmatch(word)
    if found is None:
        return word
    day, time, fraction, zone = (part or "" for part in found.groups())
    zone = "+0000" if zone == "Z" else zone.replace(":", "")
    return f"{day} {time or '00:00:00'}.{fraction.rstrip('0')}{zone}"
