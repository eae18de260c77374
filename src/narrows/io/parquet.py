"""Tables in Parquet files, by pyarrow, as the text of a CSV and back. Next door: `csv` reads that text."""

from __future__ import annotations

import io
import os
from typing import Any

from narrows.errors import DataError, MissingExtraError

SUFFIX = ".parquet"


def to_text(path: str | os.PathLike[str]) -> str:
    """The table as CSV: what is null is empty. Raises `DataError` naming the file, and for columns of lists and other
    nested values, `MissingExtraError` without pyarrow."""
    arrow = _pyarrow()
    try:
        table = arrow.parquet.read_table(path)
        columns = {
            name: column.cast(arrow.string()) if arrow.types.is_dictionary(column.type) else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        out = io.BytesIO()
        arrow.csv.write_csv(arrow.table(columns), out)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a .csv, .tsv or .parquet file") from None
    except Exception as error:  # pyarrow raises every kind on damaged files and nested columns
        why = " ".join(str(error).split())[:160]
        raise DataError(f"{path}: the table cannot be read ({why}); save it as CSV") from None
    return out.getvalue().decode()


def from_text(text: str, like: str | os.PathLike[str]) -> bytes:
    """The file of such a text, with the types that another file has."""
    arrow = _pyarrow()
    schema = arrow.parquet.read_schema(like)
    plain = {field.name: arrow.string() if arrow.types.is_dictionary(field.type) else field.type for field in schema}
    options = arrow.csv.ConvertOptions(column_types=plain, null_values=[""], strings_can_be_null=True)
    try:
        table = arrow.csv.read_csv(io.BytesIO(text.encode()), convert_options=options).cast(schema)
    except arrow.ArrowInvalid as error:
        raise DataError(f"{like}: the filled table does not fit its columns ({error}); write a .csv") from None
    out = io.BytesIO()
    arrow.parquet.write_table(table.replace_schema_metadata(schema.metadata), out)
    return out.getvalue()


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("tables in .parquet need a package: pip install 'narrows[parquet]'") from None
    return pyarrow
