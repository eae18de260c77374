"""Tables in Parquet files, by pyarrow: their cells as words, and the same file with some cells replaced.

What is not replaced stays as it is, value by value and type by type. Next door: `csv` makes a table of the cells.
"""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from narrows.errors import DataError, MissingExtraError

SUFFIX = ".parquet"
_INSTANT = re.compile(r"(.*?)(?:\.(\d+))?(Z|[+-]\d{4})?")  # any text: start, fraction of a second, zone
_MIDNIGHT = " 00:00:00"


def cells_of(path: str | os.PathLike[str]) -> tuple[list[str], list[tuple[str, ...]], dict[str, str]]:
    """The names of a table's columns, its rows, and the types of columns that hold no numbers or words, but lists and
    the like; what is null is empty. Raises `DataError` naming the file, `MissingExtraError` without pyarrow."""
    arrow, table = _pyarrow(), _read(path)
    columns, others = [], {}
    for name in table.column_names:
        try:
            words = _words(table[name])
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
            words = ["" if value is None else str(value) for value in table[name].to_pylist()]
            others[name] = str(table[name].type)
        columns.append(words)
    return table.column_names, list(zip(*columns, strict=True)), others


def with_cells(path: str | os.PathLike[str], new: Mapping[tuple[int, int], str]) -> bytes:
    """The content of the file with new cells at some places `(row, column)`. Raises `DataError` where one does not
    fit the type of its column."""
    arrow, table = _pyarrow(), _read(path)
    for number, field in enumerate(table.schema):
        places = {row: cell for (row, column), cell in new.items() if column == number}
        if not places:
            continue
        words = arrow.array([places.get(row) for row in range(len(table))], arrow.string())
        plain = _plain(field.type)
        try:
            column, answers = table[number].cast(plain).combine_chunks(), _cast(words, plain)
            filled = arrow.compute.if_else(words.is_valid(), answers, column).cast(field.type)
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError) as error:
            raise DataError(
                f"{path}: column {field.name!r} of {field.type} cannot hold what is filled in ({error}); write a .csv"
            ) from None
        table = table.set_column(number, field, filled)
    out = io.BytesIO()
    arrow.parquet.write_table(table, out)
    return out.getvalue()


def _read(path: str | os.PathLike[str]) -> Any:
    arrow = _pyarrow()
    try:
        names = arrow.parquet.read_schema(path).names
        twice = [name for name, count in Counter(names).items() if count > 1]
        table = None if twice else arrow.parquet.read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a .csv, .tsv or .parquet file") from None
    except Exception as error:  # pyarrow raises every kind on damaged files
        why = " ".join(str(error).split())[:160]
        raise DataError(f"{path}: the table cannot be read ({why}); save it as CSV") from None
    if twice:
        raise DataError(f"{path}: two columns are named {twice[0]!r}; give each its own name")
    return table


def _words(column: Any) -> list[str]:
    arrow = _pyarrow()
    plain = _plain(column.type)
    words = [word or "" for word in _cast(column, arrow.string()).to_pylist()]
    if arrow.types.is_boolean(plain):
        return [word.capitalize() for word in words]
    return _shortened(words) if arrow.types.is_timestamp(plain) or arrow.types.is_time(plain) else words


def _plain(kind: Any) -> Any:
    """The type of the values of a column that can be replaced: not stored as a dictionary, or as views."""
    arrow = _pyarrow()
    kind = kind.value_type if arrow.types.is_dictionary(kind) else kind
    return {arrow.string_view(): arrow.large_string(), arrow.binary_view(): arrow.large_binary()}.get(kind, kind)


def _shortened(words: list[str]) -> list[str]:
    """Instants and times of day as pandas writes a column of them into a CSV file: without a time that is 0 in all of
    them, and without digits of fractions that are."""
    parts = [found.groups("") for found in map(_INSTANT.fullmatch, words) if found is not None]
    longest = max((len(fraction.rstrip("0")) for _, fraction, _ in parts), default=0)
    digits = -(-longest // 3) * 3
    if not digits and all(not start or (start.endswith(_MIDNIGHT) and not zone) for start, _, zone in parts):
        return [start.removesuffix(_MIDNIGHT) for start, _, _ in parts]
    made = []
    for start, fraction, zone in parts:
        zone = "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[3:]}" if zone else ""
        made.append(start + f".{fraction[:digits]}" * bool(digits and start) + zone)
    return made


def _cast(values: Any, wanted: Any) -> Any:
    """Values of another type; by way of a third where Arrow does not know the way: words of halves, times of day and
    durations."""
    arrow = _pyarrow()
    if arrow.float16() in (values.type, wanted):
        values = values.cast(arrow.float64())
    elif arrow.types.is_string(values.type) and arrow.types.is_time(wanted):
        instants = arrow.compute.binary_join_element_wise("1970-01-01", values, " ")
        values = instants.cast(arrow.timestamp(wanted.unit))
    elif arrow.types.is_string(values.type) and arrow.types.is_duration(wanted):
        values = values.cast(arrow.int64())
    return values.cast(wanted)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("tables in .parquet need a package: pip install 'narrows[parquet]'") from None
    return pyarrow
