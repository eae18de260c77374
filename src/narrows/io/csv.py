"""Tables as text: cells between commas, semicolons, tabs or bars; the same text with some cells replaced.

New cells are put in place of the old ones in the text, so that quotes, line ends, spaces and everything else stay as
they are, to the byte. Next door: `data.columns` says what the cells mean.
"""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from narrows.errors import DataError
from narrows.io import parquet
from narrows.io.files import open_file

SUFFIXES = frozenset({".csv", ".tsv", parquet.SUFFIX})
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
DIGITS = 16  # of names that are numbers, at most
ROWS = 1000  # that decide whether the first is a header
LOOKED_AT = 20_000  # characters that decide at which mark cells end
NUMBERED = "column {}"  # names of columns without a header
_BOM = codecs.BOM_UTF8.decode()
_END = r"\r\n|\n|\r|\Z"
_SEPARATOR = re.compile(rf'"?sep=(.)"?[ \t]*({_END})', re.IGNORECASE)  # a first line for Excel
_NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?|\s*")


@dataclass(frozen=True)
class Table:
    """A table and its `text`. `cells` are the rows below the header, without quotes; `spans` are the (start, stop) of
    each cell in `text`. What was decided about its form is in `notes`. The columns named in `others` hold no numbers
    or words, but lists and the like."""

    source: str
    text: str
    delimiter: str
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]
    notes: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    def row(self, index: int) -> str:
        """A row in words; the first below the header is row 1."""
        return f"{self.source}: row {index + 1}"

    def with_cells(self, new: Mapping[tuple[int, int], str]) -> str:
        """The text with new cells at some places `(row, column)`, quoted if necessary."""
        pieces, at = [], 0
        for row, column in sorted(new):
            start, stop = self.spans[row][column]
            pieces += [self.text[at:start], _quoted(new[row, column], self.delimiter)]
            at = stop
        return "".join([*pieces, self.text[at:]])


def is_table(source: object) -> bool:
    """Whether a source is a table: a path that ends in .csv, .tsv or .parquet."""
    return isinstance(source, (str, os.PathLike)) and Path(os.fsdecode(source)).suffix.lower() in SUFFIXES


def read_table(path: str | os.PathLike[str], names: Sequence[str] | None = None) -> Table:
    """The table in a UTF-8 file, with or without a header, see `parse`, or in a Parquet file. Raises `DataError` for
    a file that is not text or has no rows, and for rows with more or fewer cells than the first."""
    if Path(path).suffix.lower() == parquet.SUFFIX:
        return _made(str(path), *parquet.cells_of(path))
    try:
        with open_file(path) as file:
            content = file.read()
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read: {error.strerror}; give a .csv or .tsv file") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8 (byte {error.start}); save the table as CSV in UTF-8") from None
    if "\0" in text:
        raise DataError(f"{path}: not text, it has zero bytes; save the table as CSV in UTF-8")
    return parse(text, str(path), names)


def parse(text: str, source: str = "table", names: Sequence[str] | None = None) -> Table:
    """The table in a text; raises as `read_table` does.

    Whether it has a header is inferred: there is none if the first row has numbers where the others have, and no
    text that is not below it, unless its first cell alone is empty; columns then have numbers as names. With `names`,
    those of a model, there is none if these are such. Cells end at the mark by which the rows agree, or that a line
    such as `sep=;` says. Empty lines, empty rows at the end, and empty cells after the last column are no part of the
    table.
    """
    start = len(_BOM) if text.startswith(_BOM) else 0
    said = _SEPARATOR.match(text, start)
    if said:
        start = said.end()
        if said[1].isalnum() or said[1] in ' "\r':
            raise DataError(
                f"{source}: its first line says that cells end at {said[1]!r}; allowed is any mark but letters, "
                "digits, spaces and quotes; correct the line"
            )
    delimiter = said[1] if said else _delimiter(text, start)
    rows, spans = _rows(text, start, delimiter, source)
    if not rows:
        raise DataError(f"{source}: there is nothing in it; at least one row below a header is needed")
    header, notes = _header(rows, names)
    quoted = text[slice(*spans[0][0])].startswith('"')
    if header is not None:
        rows, spans = rows[1:], spans[1:]
    else:
        header = tuple(NUMBERED.format(number + 1) for number in range(len(rows[0])))
        notes = (f"no header: the first row is data, and columns are called {header[0]!r} and so on",)
    if not rows:
        raise DataError(f"{source}: it has a header and no rows with anything in them; at least one is needed")
    lines = [header[0], *(row[0].strip() for row in rows)] if len(header) == 1 and not quoted else [""]
    if any(all(mark in line for line in lines) for mark in " :^"):
        marks = ", ".join(DELIMITERS.values())
        raise DataError(
            f"{source}: only one column, {header[0]!r}: cells end at a {marks}, or at the mark that a first line "
            "such as sep=: says; save it so, with that name in quotes if it is one column"
        )
    for number, cells in enumerate(rows):
        if any(cell.strip() for cell in cells[len(header) :]) or len(cells) < len(header):
            raise DataError(
                f"{source}: row {number + 1} has {len(cells)} cells, the header has {len(header)}; correct it"
            )
    width = len(header)
    return Table(
        source,
        text,
        delimiter,
        header,
        tuple(cells[:width] for cells in rows),
        tuple(places[:width] for places in spans),
        notes,
    )


Rows = list[tuple[str, ...]]


def _made(source: str, names: Sequence[str], rows: Rows, others: Mapping[str, str]) -> Table:
    """A table of these cells, with a text of its own, and the types of columns without numbers or words."""
    if not names or not rows:
        raise DataError(f"{source}: it has {len(names)} columns and {len(rows)} rows; at least one of each is needed")
    lines, spans = [",".join(_quoted(name, ",") for name in names) + "\n"], []
    at = len(lines[0])
    for row in rows:
        cells = [_quoted(cell, ",") for cell in row]
        ends = list(accumulate((len(cell) + 1 for cell in cells), initial=at))
        spans.append(tuple((start, stop - 1) for start, stop in pairwise(ends)))
        lines.append(",".join(cells) + "\n")
        at = ends[-1]
    notes = tuple(f"column {name!r} holds {kind}: kept as it is and not used" for name, kind in others.items())
    return Table(source, "".join(lines), ",", tuple(names), tuple(rows), tuple(spans), notes, frozenset(others))


def _quoted(cell: str, delimiter: str) -> str:
    if any(mark in cell for mark in (delimiter, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _rows(
    text: str, start: int, delimiter: str, source: str, until: int | None = None
) -> tuple[Rows, list[tuple[tuple[int, int], ...]]]:
    """All rows that have anything in them, and the places of their cells; or those that begin before a place."""
    mark = re.escape(delimiter)
    field = re.compile(rf'(?: *("(?:[^"]|"")*") *|((?!")[^{mark}\r\n]*))({mark}|{_END})')
    rows: Rows = []
    spans: list[tuple[tuple[int, int], ...]] = []
    row: list[str] = []
    places: list[tuple[int, int]] = []
    while places or start < (len(text) if until is None else min(until, len(text))):
        found = field.match(text, start)
        if found is None:
            raise DataError(
                f"{source}: row {len(rows)}: a quoted cell has no end, or something follows its closing quote; "
                "double the quotes inside it"
            )
        quoted = found[1] is not None  # perhaps with spaces around it
        row.append(found[1][1:-1].replace('""', '"') if quoted else found[2])
        places.append(found.span(1 if quoted else 2))
        start = found.end()
        if found[3] != delimiter:
            if len(row) > 1 or row[0].strip():  # else an empty line
                rows.append(tuple(row))
                spans.append(tuple(places))
            row, places = [], []
    while rows and not "".join(rows[-1]).strip():  # as spreadsheets leave below a table
        rows.pop()
        spans.pop()
    return rows, spans


def _delimiter(text: str, start: int) -> str:
    """The mark at which cells end: that by which most of the first rows have the same number of cells, more than one;
    of several such the one that decimals are not written with, and then the one that makes more cells."""

    def worth(mark: str) -> tuple[float, bool, int]:
        try:
            rows, _ = _rows(text, start, mark, "", start + LOOKED_AT)
        except DataError:  # a quote inside a cell
            return 0.0, False, 0
        number, often = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
        return (often / len(rows), mark != ",", number) if number > 1 else (0.0, False, 0)

    best = max(DELIMITERS, key=worth)
    return best if worth(best)[0] else max(DELIMITERS, key=text[start : start + LOOKED_AT].count)


def _header(rows: Rows, names: Sequence[str] | None) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The names in the first row, each different, and what was changed to make them so; None if it is data."""
    first = [cell.strip() for cell in rows[0]]
    notes = []
    if names is not None:
        numbered = [NUMBERED.format(number + 1) for number in range(len(names))]
        if list(names) == numbered and first != numbered:
            return None, ()
    elif len(rows) > 1 and _is_data(first, rows[1:ROWS]):
        if first[0] or not all(first[1:]) or not all(row[0].strip() for row in rows[1:ROWS]):
            return None, ()
        notes.append("the first row is taken as names, since its first cell alone is empty")  # as pandas writes them
    while len(first) > 1 and not any("".join(row[len(first) - 1 :]).strip() for row in (first, *rows[1:])):
        first.pop()  # a mark at the end of each line makes no column
    made: list[str] = []
    for number, name in enumerate(first):
        name = name or NUMBERED.format(number + 1)
        again = sum(name == other for other in first[:number])
        made.append(f"{name} ({again + 1})" if again else name)
    twice = [name for number, name in enumerate(first) if name and name in first[:number]]
    if twice:
        notes.append(f"columns share the name {twice[0]!r}; the second is called {twice[0] + ' (2)'!r} here")
    return tuple(made), tuple(notes)


def _is_data(first: Sequence[str], others: Rows) -> bool:
    """Whether a first row looks like the others, and not like names or years above them."""
    numbers = 0
    for column, cell in enumerate(first):
        below = [row[column].strip() for row in others if len(row) > column]
        numeric = sum(_NUMBER.fullmatch(value) is not None for value in below) > len(below) // 2
        if not cell:
            continue
        if _NUMBER.fullmatch(cell) is not None:
            numbers += numeric
        elif numeric or cell not in below:
            return False  # a name
    if not numbers:
        return False
    whole = [int(cell) for cell in first if cell.isdecimal() and len(cell) <= DIGITS]
    steps = {after - before for before, after in pairwise(whole)}
    return not (len(whole) == len(first) > 2 and len(steps) == 1 and steps != {0})  # 2019, 2020, 2021
