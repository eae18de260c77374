"""Tables as text: cells between commas, semicolons or tabs, one row per line; the same text with some cells replaced.

New cells are put in place of the old ones in the text, so that quotes, line ends, spaces and everything else stay as
they are, to the byte. Next door: `data.columns` says what the cells mean.
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
    """A table and its `text`. `cells` are the rows below the header, without quotes; `spans` are the (start, stop) of
    each cell in `text`."""

    source: str
    text: str
    delimiter: str
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    spans: tuple[tuple[tuple[int, int], ...], ...]

    def row(self, index: int) -> str:
        """A row in words; the first below the header is row 1."""
        return f"{self.source}: row {index + 1}"

    def with_cells(self, new: Mapping[tuple[int, int], str]) -> str:
        """The text with new cells at some places `(row, column)`, quoted if necessary."""
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
    """Whether a source is a table: a path that ends in .csv or .tsv."""
    return isinstance(source, (str, os.PathLike)) and Path(os.fsdecode(source)).suffix.lower() in SUFFIXES


def is_missing(cell: str) -> bool:
    """Whether a cell is missing: empty, NaN or NA."""
    return cell.strip().lower() in MISSING


def read_table(path: str | os.PathLike[str]) -> Table:
    """The table in a UTF-8 file with a header. Raises `DataError` for a file that is not text or has no rows, and for
    rows with more or fewer cells than the header."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read: {error.strerror}; give a .csv or .tsv file") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8 (byte {error.start}); save the table as CSV in UTF-8") from None
    if "\0" in text:
        raise DataError(f"{path}: not text, it has zero bytes; save the table as CSV in UTF-8")
    return parse(text, str(path))


def parse(text: str, source: str = "table") -> Table:
    """The table in a text; raises as `read_table` does."""
    start = len(_BOM) if text.startswith(_BOM) else 0
    header = re.sub(r'"[^"]*"', "", re.split(_END, text[start:], maxsplit=1)[0])
    delimiter = max(DELIMITERS, key=header.count)  # the most frequent outside quotes
    field = re.compile(rf'("(?:[^"]|"")*"|(?!")[^{delimiter}\r\n]*)({delimiter}|{_END})')
    rows: list[tuple[str, ...]] = []
    spans: list[tuple[tuple[int, int], ...]] = []
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
            if len(row) > 1 or raw or len(rows[:1] and rows[0]) == 1:  # else an empty line, which is not a row
                rows.append(tuple(row))
                spans.append(tuple(places))
            row, places = [], []
    if len(rows) < 2:
        what = "it has a header and no rows" if rows else "there is nothing in it"
        raise DataError(f"{source}: {what}; at least one row below a header is needed")
    names = tuple(name.strip() for name in rows[0])
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise DataError(f"{source}: two columns are named {twice!r}; give each its own name in the header")
    for number, cells in enumerate(rows[1:], start=1):
        if len(cells) != len(names):
            raise DataError(f"{source}: row {number} has {len(cells)} cells, the header has {len(names)}; correct it")
    return Table(source, text, delimiter, names, tuple(rows[1:]), tuple(spans[1:]))
