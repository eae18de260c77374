"""Tables on the command line: filled in, the rest to the byte; bad ones in one line, with nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from narrows.cli.main import run


@pytest.fixture(scope="module")
def text() -> str:
    rng = np.random.default_rng(0)
    lines = []
    for n in range(200):
        height = rng.integers(150, 200)
        cells = [str(height), f"{height * 0.5 + rng.normal():.1f}", '"tall"' if height > 175 else "small"]
        if n % 4 == 0:
            cells[rng.integers(0, 3)] = ("", "NaN", " ")[n // 4 % 3]
        lines.append(",".join(cells))
    return "\r\n".join(["height,weight,kind", *lines, ""])


@pytest.fixture(scope="module")
def taught(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table `t.csv` and a model `m` that has learned from it."""
    folder = tmp_path_factory.mktemp("taught")
    (folder / "t.csv").write_bytes(text.encode())
    options = ("--for", "inpaint", "--steps", "20", "--width", "16", "--threads", "1", "-o", str(folder / "m"))
    with pytest.raises(SystemExit) as caught:
        run(["train", str(folder / "t.csv"), *options])
    assert not caught.value.code
    return folder


@pytest.fixture
def trained(taught: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for a test to write in."""
    return shutil.copytree(taught, tmp_path / "own")


def test_training_says_how_many_cells_are_missing(call, text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode())
    options = ("--for", "inpaint", "--steps", 1, "--width", 16, "-o", tmp_path / "m")
    code, _, err = call("train", tmp_path / "t.csv", *options)
    assert code == 0, err
    assert "200 rows, 3 columns, 50 cells missing" in err


def test_a_table_teaches_how_to_fill_it_and_comes_back_full(call, trained: Path, text: str) -> None:
    code, out, err = call("inpaint", trained / "t.csv", "-m", trained / "m", "-o", trained / "full.csv", "--json")
    assert code == 0, err
    assert {k: v for k, v in json.loads(out).items() if k != "seconds"} == {
        "samples": 200,
        "cells": 50,
        "left": 0,
        "unknown": 0,
        "megapixels": 0.0,
    }
    before = [line.split(",") for line in text.split("\r\n")]
    after = [line.split(",") for line in (trained / "full.csv").read_bytes().decode().split("\r\n")]
    for old_row, new_row in zip(before, after, strict=True):
        for number, (old, new) in enumerate(zip(old_row, new_row, strict=True)):
            if old.strip() not in ("", "NaN") or len(old_row) == 1:
                assert new == old
            elif number == 2:
                assert new in ("tall", "small")
            else:
                assert new == (f"{int(new)}" if number == 0 else f"{float(new):.1f}")
    assert call("inpaint", trained / "full.csv", "-m", trained / "m", "-o", trained / "copy.csv")[0] == 0
    assert (trained / "copy.csv").read_bytes() == (trained / "full.csv").read_bytes()


def test_a_full_table_is_copied_with_a_note(call, trained: Path) -> None:
    (trained / "full.csv").write_text("height,weight,kind\n180,80.0,tall\n")
    err = call("inpaint", trained / "full.csv", "-m", trained / "m", "-o", trained / "out.csv")[2]
    assert "no cell is missing" in err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"weight,height,kind\n80,,small\n", "the columns are in another order"),
        (b"height,weight\n180,\n", "no column 'kind'"),
        (b"height,weight,kind,more\n180,,small,1\n", "a column 'more' too many"),
        (b"height,weight,kind\n180,\n", "row 1 has 2 cells, the header has 3"),
        (b"height,weight,kind\n", "a header and no rows"),
        (b"", "there is nothing in it"),
        (b"\xff\xd8\xff\xe0", "not text in UTF-8"),
    ],
)
def test_tables_that_do_not_fit_are_refused_in_one_line(content: bytes, words: str, call, trained: Path) -> None:
    (trained / "bad.csv").write_bytes(content)
    code, out, err = call("inpaint", trained / "bad.csv", "-m", trained / "m", "-o", trained / "out.csv")
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (trained / "out.csv").exists()


def test_a_model_of_tables_is_measured_on_one(call, trained: Path) -> None:
    code, out, err = call("evaluate", trained / "m", trained / "t.csv", "--json", "-o", trained / "found")
    assert code == 0, err
    values = json.loads(out)
    assert values["samples"] == 200
    assert list(values["columns"]) == ["height", "weight", "kind"]
    assert json.loads((trained / "found" / "evaluation.json").read_text()) == values
    code, out, err = call("evaluate", trained / "m", trained / "t.csv")
    assert code == 0, err
    assert "all categories" in out


def test_what_a_model_never_saw_stays_and_the_rest_is_filled_in(call, trained: Path) -> None:
    text = "height,weight,kind\n180,,giant\ntwo,,small\n1e999,70,\n,,\n"
    (trained / "odd.csv").write_text(text)
    code, out, err = call("inpaint", trained / "odd.csv", "-m", trained / "m", "-o", trained / "o.csv", "--json")
    assert code == 0, err
    assert (json.loads(out)["cells"], json.loads(out)["unknown"]) == (3, 3)
    assert "3 cells that the model cannot know, the first: " in err
    assert "row 1, column 'kind': 'giant'" in err
    rows = [row.split(",") for row in (trained / "o.csv").read_text().split("\n")]
    assert (rows[1][0], rows[1][2], rows[2][0], rows[2][2], rows[3][:2]) == (
        "180",
        "giant",
        "two",
        "small",
        ["1e999", "70"],
    )
    assert all(float(rows[n][1]) for n in (1, 2))
    assert rows[3][2] in ("tall", "small")
    assert rows[4:] == [["", "", ""], [""]]  # a row of nothing tells nothing


def test_filling_says_which_words_are_missing_cells(call, trained: Path) -> None:
    (trained / "w.csv").write_text("height,weight,kind\n180,?,None\n?,70,none\n?,70,NaN\n")
    code, _, err = call("inpaint", trained / "w.csv", "-m", trained / "m", "-o", trained / "o.csv")
    assert code == 0, err
    assert "column 'height' and 1 more columns: '?' counts as missing, 3 times" in err
    assert "column 'kind': 'None' counts as missing, 1 times" in err
    assert "1 cells that the model cannot know, the first: " in err
    assert (trained / "o.csv").read_text().splitlines()[2].endswith(",70,none")


def test_numbers_that_can_be_read_in_two_ways_are_told(call, trained: Path) -> None:
    (trained / "two.csv").write_text("height;weight;kind\n180;1.500;small\n170;;small\n")
    code, _, err = call("inpaint", trained / "two.csv", "-m", trained / "m", "-o", trained / "o.csv")
    assert code == 0, err
    assert "column 'weight': 1.500 is taken as 1.5, not as 1500" in err


def test_free_text_is_kept_and_a_hole_in_it_is_left(call, tmp_path: Path) -> None:
    lines = [f"name {n},{n % 7},{'' if n == 5 else n % 5}" for n in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["who,a,b", *lines]))
    options = ("--for", "inpaint", "--steps", 3, "--width", 16, "-o", tmp_path / "m")
    assert "column 'who' is free text" in call("train", tmp_path / "t.csv", *options)[2]
    assert call("inpaint", tmp_path / "t.csv", "-m", tmp_path / "m", "-o", tmp_path / "o.csv")[0] == 0
    assert "name 5,5," in (tmp_path / "o.csv").read_text()
    (tmp_path / "hole.csv").write_text("who,a,b\n,1,\n")
    err = call("inpaint", tmp_path / "hole.csv", "-m", tmp_path / "m", "-o", tmp_path / "p.csv")[2]
    assert "left missing: 1 cells in columns that are not used" in err
    assert (tmp_path / "p.csv").read_text().startswith("who,a,b\n,1,")


def test_a_word_of_ones_own_stands_for_missing_cells(call, tmp_path: Path) -> None:
    lines = [f"{('-999', '-999.0')[n % 2] if n % 9 == 0 else n % 7},{'NA' if n % 2 else 'none'}" for n in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *lines]))
    options = (
        "--for",
        "inpaint",
        "--steps",
        3,
        "--width",
        16,
        "-o",
        tmp_path / "m",
        "--missing-value",
        "-999",
        "--missing-value",
        "unknown",
    )
    code, _, err = call("train", tmp_path / "t.csv", *options)
    assert code == 0, err
    assert "7 cells missing" in err
    assert "column 'a': '-999' counts as missing, 4 times" in err
    assert "no cell is 'unknown', which was given as a missing value" in err
    call("inpaint", tmp_path / "t.csv", "-m", tmp_path / "m", "-o", tmp_path / "o.csv")
    found = (tmp_path / "o.csv").read_text()
    assert "-999" not in found
    assert (found.count("NA"), found.count("none")) == (30, 30)
    code, _, err = call("train", "digits", "--missing-value", "0", "-o", tmp_path / "n")
    assert code == 2
    assert "for tables" in err


def test_wrong_calls_with_tables_are_refused(call, trained: Path, model: Path) -> None:
    table, made, out = trained / "t.csv", trained / "m", trained / "o.csv"
    for arguments, words in (
        (("inpaint", table, "-m", made, "-o", table), "the output is also the input"),
        (("inpaint", table, "-m", made, "-o", trained / "o.png"), "written as .csv, .tsv or .parquet"),
        (("inpaint", table, "-m", made, "-o", out, "--missing-value", 0), "say them to 'narrows train"),
        (("inpaint", table, "-m", model, "-o", out), "not to inpaint"),
        (("train", table, "-o", trained / "n", "--for", "denoise"), "tables go with reconstruct, embed, inpaint"),
        (
            ("train", table, "-o", trained / "n", "--for", "inpaint", "--holes", "boxes"),
            "only a share of missing",
        ),
        (("train", table, "-o", trained / "n", "--for", "inpaint", "--missing", 2), "missing 2.0 was given"),
        (("train", table, "-o", trained / "n", "--for", "inpaint", "--network", "dense"), "a network of their own"),
    ):
        code, _, err = call(*arguments)
        assert code == 2
        assert words in err.splitlines()[-1]
    assert not out.exists()
    assert not (trained / "n").exists()


def test_a_parquet_file_is_a_table_and_comes_back_as_one(call, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, 120)
    values = {
        "whole": [None if n % 7 == 0 else int(v) for n, v in enumerate(x)],
        "real": [None if n % 5 == 0 else float(v) / 4 for n, v in enumerate(x)],
        "kind": [None if n % 11 == 0 else ("low" if v < 50 else "high") for n, v in enumerate(x)],
        "who": [f"name, {n}" for n in range(120)],
    }
    table = arrow.table(values).cast(
        arrow.schema(
            [("whole", arrow.int32()), ("real", arrow.float32()), ("kind", arrow.string()), ("who", arrow.string())]
        )
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    options = ("--for", "inpaint", "--steps", 5, "--width", 16, "-o", tmp_path / "m")
    code, _, err = call("train", tmp_path / "t.parquet", *options)
    assert code == 0, err
    assert "120 rows, 4 columns" in err
    for name in ("full.parquet", "full.csv"):
        assert call("inpaint", tmp_path / "t.parquet", "-m", tmp_path / "m", "-o", tmp_path / name)[0] == 0
    full = parquet.read_table(tmp_path / "full.parquet")
    assert full.schema.equals(table.schema)
    for name in values:
        for old, new in zip(table[name].to_pylist(), full[name].to_pylist(), strict=True):
            assert new is not None
            assert old is None or new == old
    assert call("inpaint", tmp_path / "full.csv", "-m", tmp_path / "m", "-o", tmp_path / "b.parquet")[0] == 2
    parquet.write_table(arrow.table({"a": [[1], [2]]}), tmp_path / "nested.parquet")
    parquet.write_table(arrow.table([[1], [2]], names=["a", "a"]), tmp_path / "twice.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    for name, words in (
        ("nested", "all columns are free text"),
        ("twice", "two columns are named 'a'"),
        ("text", ""),
    ):
        code, _, err = call("train", tmp_path / f"{name}.parquet", *options, "--force")
        assert code == 2
        assert f"{name}.parquet: {words}" in err.splitlines()[-1]


def test_values_of_a_parquet_file_that_are_known_or_not_used_keep_their_bits(call, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    count = range(80)
    table = arrow.table(
        {
            "half": arrow.array([None if n % 4 == 0 else n / 3 for n in count], arrow.float64()).cast(
                arrow.float16()
            ),
            "money": arrow.array([None if n % 5 == 0 else n for n in count], arrow.decimal256(60, 2)),
            "note": ["" if n % 3 == 0 else None if n % 3 == 1 else f'free, "{n}"\n' for n in count],
            "kind": arrow.array([None if n % 7 == 0 else "ab"[n % 2] for n in count]).dictionary_encode(),
            "long": arrow.array([None if n % 6 == 0 else 2**64 - 1 - n for n in count], arrow.uint64()),
            "small": arrow.array([None if n % 6 == 1 else n / 7 * 1e-12 for n in count]),
            "never": arrow.array([None for _ in count], arrow.int8()),
            "day": arrow.array([n * 86_400_000 for n in count], arrow.timestamp("ms", "UTC")),
            "time": arrow.array([None if n % 5 == 1 else n % 3 * 10**12 + 1000 for n in count], arrow.time64("ns")),
            "hour": arrow.array([None if n % 5 == 2 else n % 3 * 3_600_000 for n in count], arrow.time32("ms")),
            "span": arrow.array([None if n % 5 == 3 else n * 10**6 for n in count], arrow.duration("us")),
            "view": arrow.array([None if n % 5 == 4 else "ab"[n % 2] for n in count], arrow.string_view()),
            "list": arrow.array([None if n % 8 == 0 else [n % 2] for n in count], arrow.list_(arrow.int64())),
            "parts": [{"a": n % 2, "b": None} for n in count],
            "bytes": [b"\xff" if n % 2 else b"\x00" for n in count],
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    options = ("--for", "inpaint", "--steps", 3, "--width", 16, "-o", tmp_path / "m")
    code, _, err = call("train", tmp_path / "t.parquet", *options)
    assert code == 0, err
    assert "column 'bytes' holds binary: kept as it is and not used" in err
    code, _, err = call("inpaint", tmp_path / "t.parquet", "-m", tmp_path / "m", "-o", tmp_path / "o.parquet")
    assert code == 0, err
    assert call("inpaint", tmp_path / "t.parquet", "-m", tmp_path / "m", "-o", tmp_path / "o.csv")[0] == 0
    assert """,[1],"{'a': 1, 'b': None}",b'\\xff'""" in (tmp_path / "o.csv").read_text()
    full = parquet.read_table(tmp_path / "o.parquet")
    assert full.schema.equals(parquet.read_schema(tmp_path / "t.parquet"), check_metadata=True)
    for name in table.column_names:
        filled = name in ("half", "money", "kind", "small", "time", "hour", "span", "view")
        for old, new in zip(table[name].to_pylist(), full[name].to_pylist(), strict=True):
            assert new == old if old is not None or not filled else new is not None


def test_one_column_with_holes_keeps_its_rows(call, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"a": [None if n % 3 else n for n in range(60)]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert call("train", tmp_path / "t.parquet", "--for", "inpaint", "--steps", 2, "-o", tmp_path / "m")[0] == 0
    assert call("inpaint", tmp_path / "t.parquet", "-m", tmp_path / "m", "-o", tmp_path / "o.parquet")[0] == 0
    assert parquet.read_table(tmp_path / "o.parquet")["a"].to_pylist()[::3] == list(range(0, 60, 3))


def test_a_model_of_a_parquet_file_takes_the_csv_file_of_the_same_table(call, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    day, hour = 86_400_000_000, 3_600_000_000
    columns = {
        "x": [n % 10 for n in range(80)],
        "flag": [None if n % 9 == 0 else n % 10 > 4 for n in range(80)],
        "day": arrow.array([n % 4 * day for n in range(80)], arrow.timestamp("us")),
        "noon": arrow.array([n % 4 * day + 12 * hour + n % 2 * 500_000 for n in range(80)], arrow.timestamp("us")),
        "world": arrow.array([n % 4 * day for n in range(80)], arrow.timestamp("us", "UTC")),
        "time": arrow.array([n % 4 * hour for n in range(80)], arrow.time64("us")),
    }
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    lines = [  # as pandas writes them
        f"{n % 10},{'' if n % 9 == 0 else n % 10 > 4},1970-01-0{n % 4 + 1},"
        f"1970-01-0{n % 4 + 1} 12:00:00.{n % 2 * 5}00,1970-01-0{n % 4 + 1} 00:00:00+00:00,0{n % 4}:00:00"
        for n in range(80)
    ]
    (tmp_path / "t.csv").write_text("\n".join([",".join(columns), *lines, ""]))
    for task in ("inpaint", "reconstruct"):
        options = ("--for", task, "--steps", 5, "-o", tmp_path / task)
        assert call("train", tmp_path / "t.parquet", *options)[0] == 0
    full = []
    for name in ("t.csv", "t.parquet"):
        code, out, err = call(
            "inpaint", tmp_path / name, "-m", tmp_path / "inpaint", "-o", tmp_path / "o.csv", "--json", "--force"
        )
        assert code == 0, err
        assert (json.loads(out)["cells"], json.loads(out)["unknown"]) == (9, 0)
        full.append((tmp_path / "o.csv").read_text())
        assert "cannot use" not in call("outliers", tmp_path / name, "-m", tmp_path / "reconstruct")[2]
    assert full[0] == full[1]
