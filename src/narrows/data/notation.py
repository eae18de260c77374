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
    known = [list(dict.fromkeys(c.strip() for c in cells if not column.missing(c))) for column, cells in each]
    told = [
        points_in(cells) if column.kind == "number" else set() for (column, _), cells in zip(each, known, strict=True)
    ]
    chosen = [
        _style(column, cells, points, table.delimiter) if column.kind == "number" else column.style
        for (column, _), cells, points in zip(each, known, told, strict=True)
    ]
    kept = any(column.style.point in points for column, points in zip(columns, told, strict=True))
    others = {style.point for column, style in zip(columns, chosen, strict=True) if style.point != column.style.point}
    found, notes = [], []
    for column, cells, points, style in zip(columns, known, told, chosen, strict=True):
        if column.kind == "number":
            if not points and others and not kept:
                style = _style(column, cells, others, table.delimiter)
            if not points and (note := _otherwise(style, cells, table.delimiter)):
                notes.append(f"column {column.name!r}: {note}")
            column = replace(column, comma=style.point == ",", group=style.group)
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


def _style(column: Column, cells: Sequence[str], points: set[str], delimiter: str) -> Style:
    """How the numbers in these cells are written, with one of these decimal points if any are given: the style that
    reads most of them, then that which puts most into the range of the column, then the column's own."""
    points = points or {column.style.point, "."} | ({","} if delimiter != "," else set())
    telling = [cell for cell in cells if not cell.isdecimal()]  # what has nothing but digits is read alike by all
    styles = [style for style in (column.style, *_styles(telling)) if style.point in points]

    def worth(style: Style) -> tuple[int, int]:
        numbers = [number for cell in telling if (number := style.number(cell)) is not None]
        return len(numbers), sum(column.low <= number <= column.high for number in numbers)

    return max(styles, key=worth) if len(set(styles)) > 1 else styles[0]


def _otherwise(style: Style, cells: Sequence[str], delimiter: str) -> str:
    """A note on the first number that another style, which reads as many, reads otherwise; else nothing."""
    telling = [cell for cell in cells if not cell.isdecimal()]
    numbers = [style.number(cell) for cell in telling]
    for other in _styles(telling):
        others = [other.number(cell) for cell in telling]
        if others.count(None) > numbers.count(None) or (delimiter == "," and other == Style(",", ".")):
            continue
        for cell, number, second in zip(telling, numbers, others, strict=True):
            if number is not None and second is not None and number != second:
                return f"{cell} is taken as {number:.15g}, not as {second:.15g}"
    return ""


def _styles(cells: Sequence[str]) -> list[Style]:
    """The styles in which these cells may be written."""
    marks = set("".join(cells))
    return [Style(point, group) for point in GROUPS for group in ("", *GROUPS[point]) if not group or group in marks]


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
