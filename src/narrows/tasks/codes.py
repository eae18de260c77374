"""Codes in files: .npy, .csv or .parquet, with names, labels and a record of the encoder that made them.

A .parquet holds everything. Beside `x.npy` stand `x.names.txt` and `x.labels.txt`, one a line, where there are such,
and `x.npy.json`, the record, as beside a .csv. Next door: `embed` makes codes, `find` searches in them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from narrows.checks import legible
from narrows.errors import DataError, MissingExtraError, NarrowsError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_new, replacing, write_file
from narrows.io.npy import open_npy, save_array
from narrows.tasks.embed import Codes, check_finite

SUFFIXES = (".npy", ".csv", ".parquet")
COLUMNS = ("code_", "component_")  # begin the names of columns of codes in tables
DIGITS = 18  # of labels that are numbers, at most: int64 holds those
NAMES, LABELS = ".names.txt", ".labels.txt"
_KEY = b"narrows"  # of the record in the metadata of a .parquet


def check_codes_path(path: Path, force: bool = False) -> None:
    """Raise `SettingsError` for a file that codes are not written to, `OutputError` where it, or what belongs beside
    it, cannot be written or is there already, unless `force`; `MissingExtraError` without pyarrow for .parquet."""
    if path.suffix not in SUFFIXES:
        raise SettingsError(f"{path}: files ending in {', '.join(SUFFIXES)} can be written; choose one of them")
    if path.suffix == ".parquet":
        _pyarrow()
    for each in (path, *_beside(path)):
        check_new(each, force)


def _beside(path: Path) -> tuple[Path, ...]:
    texts = (path.with_suffix(NAMES), path.with_suffix(LABELS))
    return {".npy": (*texts, _record(path)), ".csv": (_record(path),)}.get(path.suffix, ())


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def write_codes(path: Path, codes: Codes) -> None:
    """Write codes to a file; what is there is replaced. Raises as `check_codes_path` does, and leaves nothing behind
    then."""
    check_codes_path(path, force=True)
    record = {"encoder": codes.encoder, "source": codes.source, "components": codes.components}
    texts = {_record(path): json.dumps(record) + "\n"}
    if codes.names is not None:
        texts[path.with_suffix(NAMES)] = "".join(f"{_line(name)}\n" for name in codes.names)
    if codes.labels is not None:
        texts[path.with_suffix(LABELS)] = "".join(f"{_line(str(label))}\n" for label in codes.labels)
    writers: dict[Path, Callable[[], None]] = {}
    writers[path] = {
        ".npy": partial(save_array, path, codes.rows),
        ".csv": partial(_write_csv, path, codes),
        ".parquet": partial(_write_parquet, path, codes, record),
    }[path.suffix]
    for each in _beside(path):
        text = texts.get(each)
        remove = partial(each.unlink, missing_ok=True)  # of earlier codes
        writers[each] = remove if text is None else partial(write_file, each, text.encode("utf-8", "surrogateescape"))
    written: list[Path] = []
    try:
        for each, write in writers.items():
            write()
            written.append(each)
    except NarrowsError:
        for each in written:
            each.unlink(missing_ok=True)
        raise


def _line(name: str) -> str:
    """A name on one line; bytes that are no text stay, as in the names of files."""
    return "".join(legible(letter) if letter in "\n\r" else letter for letter in name)


def _columns(codes: Codes) -> dict[str, Sequence[Any]]:
    """The columns before the numbers, as text in UTF-8, which names of files need not be."""
    names = map(str, range(len(codes))) if codes.names is None else codes.names
    columns: dict[str, Sequence[Any]] = {"name": [_utf8(name) for name in names]}
    if codes.labels is not None:
        text = codes.labels.dtype.kind not in "buif"
        columns["label"] = [_utf8(str(label)) for label in codes.labels] if text else codes.labels.tolist()
    return columns


def _utf8(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def _numbered(codes: Codes) -> list[str]:
    return [f"{'component' if codes.components else 'code'}_{i}" for i in range(codes.rows.shape[1])]


def _write_csv(path: Path, codes: Codes) -> None:
    columns = _columns(codes)
    with replacing(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*columns, *_numbered(codes)])
        for *words, row in zip(*columns.values(), codes.rows, strict=True):
            writer.writerow([*words, *(f"{number:.9g}" for number in row.tolist())])  # nine digits tell all float32
        text.detach()


def _write_parquet(path: Path, codes: Codes, record: dict[str, Any]) -> None:
    pyarrow = _pyarrow()
    numbers = {name: codes.rows[:, i] for i, name in enumerate(_numbered(codes))}
    table = pyarrow.table({**_columns(codes), **numbers})
    table = table.replace_schema_metadata({_KEY: json.dumps(record).encode()})
    with replacing(path) as file:
        pyarrow.parquet.write_table(table, file)


def is_codes(source: object) -> bool:
    """Whether a source is a file of codes: a .csv or .parquet, or an .npy with a record or names beside it."""
    if not isinstance(source, (str, Path)) or not (path := Path(source)).is_file():
        return False
    known = path.suffix == ".npy" and (_record(path).is_file() or path.with_suffix(NAMES).is_file())
    return known or path.suffix in (".csv", ".parquet")


def read_codes(path: Path) -> Codes:
    """Codes as `write_codes` wrote them; those in an .npy stay on disk. Raises `DataError` for other content and for
    NaN, `MissingExtraError` without pyarrow for .parquet."""
    names: Sequence[str] | None
    labels: Sequence[Any] | None
    if path.suffix == ".npy":
        rows, record = open_npy(path), _record_beside(path)
        names, labels = (_lines(path.with_suffix(ending), len(rows)) for ending in (NAMES, LABELS))
    else:
        columns, record = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
        numbers = [column for name, column in columns.items() if name.startswith(COLUMNS)]
        if not numbers:
            raise DataError(f"{path}: no codes: there is no column code_0; give a file that 'narrows embed' wrote")
        try:
            rows = np.stack([np.asarray(column, np.float32) for column in numbers], axis=1)
        except (TypeError, ValueError):
            raise DataError(
                f"{path}: not all codes in it are numbers; give a file that 'narrows embed' wrote"
            ) from None
        names, labels = columns.get("name"), columns.get("label")
    if rows.ndim != 2 or 0 in rows.shape or rows.dtype.kind != "f":
        raise DataError(f"{path}: {rows.dtype} of shape {rows.shape} is not codes, which are floats (N, K)")
    if names is not None and list(names) == list(map(str, range(len(rows)))):
        names = None  # numbers in place of names
    codes = Codes(
        rows, None if names is None else tuple(map(str, names)), _labels(labels), str(path), **_checked(record, path)
    )
    check_finite(codes)
    return codes


def _checked(record: object, path: Path) -> dict[str, Any]:
    """What a record says of the encoder; nothing where there is no record."""
    if record is None:
        return {}
    kinds = {"encoder": str, "components": int}
    if not isinstance(record, dict) or not all(isinstance(record.get(key), kind) for key, kind in kinds.items()):
        raise DataError(f"{path}: its record {_record(path).name} is damaged; make the codes again")
    return {key: record[key] for key in kinds}


def source_of(path: Path) -> str:
    """Where the samples came from whose codes are in a file; empty where it does not say."""
    record = _read_parquet(path)[1] if path.suffix == ".parquet" else _record_beside(path)
    source = record.get("source") if isinstance(record, dict) else None
    return source if isinstance(source, str) else ""


def _record_beside(path: Path) -> Any:
    try:
        return json.loads(_record(path).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}


def _lines(path: Path, count: int) -> list[str] | None:
    """The lines of a file beside an .npy; None where there is none."""
    if not path.is_file():
        return None
    lines = path.read_bytes().decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    if len(lines) != count:
        raise DataError(f"{path}: {len(lines)} lines for {count} codes; one each is needed; make the codes again")
    return lines


def _labels(labels: Sequence[Any] | None) -> Array | None:
    if labels is None:
        return None
    words = [str(label) for label in labels]
    numbers = all(w.isdecimal() and len(w) <= DIGITS for w in words)
    return np.array([int(w) for w in words]) if numbers else np.array(words)


def _read_csv(path: Path) -> tuple[dict[str, Sequence[Any]], Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = filter(None, csv.reader(file))
            columns: dict[str, Sequence[Any]] = dict(zip(header, zip(*rows, strict=True), strict=True))
    except (OSError, ValueError, csv.Error):
        raise DataError(f"{path}: no codes can be read in it; give a file that 'narrows embed' wrote") from None
    return columns, _record_beside(path)


def _read_parquet(path: Path) -> tuple[dict[str, Sequence[Any]], Any]:
    pyarrow = _pyarrow()
    try:
        table = pyarrow.parquet.read_table(path)
        record = json.loads((table.schema.metadata or {}).get(_KEY, b"null"))
        columns = {
            name: column.to_pylist() if name in ("name", "label") else column.to_numpy()
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    except Exception:  # pyarrow raises every kind on damaged files
        raise DataError(f"{path}: no codes can be read in it; give a file that 'narrows embed' wrote") from None
    return columns, record


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("codes in .parquet need a package: pip install 'narrows[parquet]'") from None
    return pyarrow
