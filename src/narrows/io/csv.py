"""Tables as text: cells between commas, semicolons or tabs, one row a line; the same text with single cells replaced.

A file is never written anew: what changes is put in place of the old cells, so that quotes, line ends, spaces and
everything else stay as they are, to the byte. Next door: `columns` says what the cells mean.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from narrows.errors import DataError

SUFFIXES = frozenset({".csv", ".tsv"})
DELIMITERS = (",", ";", "\t")
MISSING = frozenset({"", "nan", "na"})  # in lower case, without spaces around
_BOM = codecs.BOM_UTF8.decode()
_END = r"\r\n|\n|\r|\Z"


@dataclass(frozen=True)
class Table:
    """A table as it stands in a file. `cells` are the rows below the header, each with one text a column, without
    quotes; `spans` say where each stands in `text`."""

    source: str
    text: str
    delimiter: str
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]

    def row(self, index: int) -> str:
        """The number of a row in words: the line after the header is row 1."""
        return f"{self.source}: row {index + 1}"

    def with_cells(self, new: Mapping[tuple[int, int], str]) -> str:
        """The text with other cells at some places `(row, column)`, quoted where they have to be."""
        pieces, at = [], 0
        for row, column in sorted(new):
            start, stop = self.spans[row][column]
            pieces += [self.text[at:start], self._quoted(new[row, column])]
            at = stop
        return "".join([*pieces, self.text[at:]])

    def _quoted(self, cell: str) -> str:
        if any(mark in cell for mark in (self.delimiter, '"', "\n", "\r")):
            return '"' + cell.replace('"', '""') + '"'
        return cell


def is_table(source: object) -> bool:
    """Whether a person points at a table: a file whose name ends in .csv or .tsv."""
    return isinstance(source, (str, os.PathLike)) and Path(os.fsdecode(source)).suffix.lower() in SUFFIXES


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known: empty, NaN or NA."""
    return cell.strip().lower() in MISSING


def read_table(path: str | os.PathLike[str]) -> Table:
    """The table in a UTF-8 file with a header. Raises `DataError` for a file that is no text, that has no rows, or
    whose rows have more or fewer cells than the header."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read: {error.strerror}; give a .csv or .tsv file") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text in UTF-8 (byte {error.start}); save the table as CSV in UTF-8") from None
    if "\0" in text:
        raise DataError(f"{path}: no text, it has zero bytes; save the table as CSV in UTF-8")
    return parse(text, str(path))


def parse(text: str, source: str = "table") -> Table:
    """The table that a text is; raises as `read_table` does."""
    start = len(_BOM) if text.startswith(_BOM) else 0
    delimiter = _delimiter(re.split(_END, text[start:], maxsplit=1)[0])
    field = re.compile(rf'("(?:[^"]|"")*"|(?!")[^{delimiter}\r\n]*)({delimiter}|{_END})')
    rows: list[list[str]] = []
    spans: list[list[tuple[int, int]]] = []
    row: list[str] = []
    places: list[tuple[int, int]] = []
    while start < len(text) or places:
        found = field.match(text, start)
        if found is None:
            raise DataError(
                f"{source}: row {len(rows)}: a quoted cell has no end, or something follows its closing quote; "
                "double the quotes inside it"
            )
        raw = found[1]
        row.append(raw[1:-1].replace('""', '"') if raw.startswith('"') else raw)
        places.append(found.span(1))
        start = found.end()
        if found[2] != delimiter:
            if len(row) > 1 or raw or len(rows[:1] and rows[0]) == 1:  # else an empty line, which is no row
                rows.append(row)
                spans.append(places)
            row, places = [], []
    return _checked(source, text, delimiter, rows, spans)


def _checked(
    source: str, text: str, delimiter: str, rows: list[list[str]], spans: list[list[tuple[int, int]]]
) -> Table:
    if len(rows) < 2:
        what = "it has a header and no rows" if rows else "there is nothing in it"
        raise DataError(f"{source}: {what}; at least one row below a header is needed")
    names = tuple(name.strip() for name in rows[0])
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise DataError(f"{source}: two columns are named {twice!r}; give each a name of its own in the header")
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(names):
            raise DataError(f"{source}: row {number} has {len(row)} cells, the header has {len(names)}; mend the row")
    return Table(
        source, text, delimiter, names, tuple(tuple(r) for r in rows[1:]), tuple(tuple(p) for p in spans[1:])
    )


def _delimiter(header: str) -> str:
    """Of those that are read the one most frequent in the header, outside quotes."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=bare.count)
