"""What is missing of tables is filled in better than by a mean or a line, and what is known is never touched."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer

import narrows
from narrows.data.columns import Column, columns_of, encode
from narrows.degradations import Cells
from narrows.errors import DataError, ModelError, SettingsError
from narrows.io.csv import parse, read_table
from narrows.sklearn import Imputer
from narrows.tasks.restore import restore
from narrows.tasks.tables import fill_table, filled, open_table

STEPS = 150


@pytest.fixture(scope="module")
def curved() -> tuple[np.ndarray, np.ndarray]:
    """Rows `(600, 4)` of which no column is a line in the others, and which cells are missing."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 600))
    x = np.stack([a, a**2, np.abs(b), b], axis=1)
    missing = np.zeros(x.shape, bool)
    missing[np.arange(600), rng.integers(0, 4, 600)] = rng.random(600) < 0.6
    return x, missing


@pytest.fixture(scope="module")
def imputer(curved) -> Imputer:
    x, missing = curved
    return Imputer(steps=STEPS, width=64, threads=1).fit(np.where(missing, np.nan, x))


def error(found: np.ndarray, x: np.ndarray, missing: np.ndarray) -> float:
    return float(np.sqrt(np.square((found - x) / x.std(axis=0))[missing].mean()))


def test_known_values_come_back_to_the_bit_and_missing_ones_within_their_range(curved, imputer: Imputer) -> None:
    x, missing = curved
    holes = np.where(missing, np.nan, x)
    found = imputer.transform(holes)
    np.testing.assert_array_equal(found[~missing], x[~missing])
    assert np.isfinite(found).all()
    assert (found >= np.nanmin(holes, axis=0)).all()
    assert (found <= np.nanmax(holes, axis=0)).all()
    assert np.isnan(holes).sum() == missing.sum()


def test_curves_are_filled_in_better_than_by_the_mean_and_by_lines(curved, imputer: Imputer) -> None:
    x, missing = curved
    holes = np.where(missing, np.nan, x)
    ours = error(imputer.transform(holes), x, missing)
    assert ours < 0.9 * error(SimpleImputer().fit_transform(holes), x, missing)
    assert ours < 0.9 * error(IterativeImputer().fit_transform(holes), x, missing)


def test_the_names_of_both_files_may_be_strings(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(30)) + "4,\n")
    settings = narrows.Settings(steps=2)
    narrows.train(str(tmp_path / "t.csv"), str(tmp_path / "m"), purpose="inpaint", settings=settings).run()
    fill_table(narrows.load(tmp_path / "m"), str(tmp_path / "t.csv"), str(tmp_path / "full.csv"))
    assert (tmp_path / "full.csv").read_text().splitlines()[:31] == (tmp_path / "t.csv").read_text().splitlines()[:31]


def test_before_training_the_network_is_the_mean_of_a_gaussian_given_what_is_known() -> None:
    rng = np.random.default_rng(1)
    mixed = rng.normal(size=(3, 3))
    x = (rng.normal(size=(4000, 3)) @ mixed).astype(np.float64)
    x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
    known = rng.random(x.shape) >= 0.2
    vectors = np.concatenate([x * known, known], axis=1).astype(np.float32)
    model = narrows.build(narrows.from_arrays(vectors).description, degradation=Cells([Column("a")] * 3))
    list(narrows.fit(model, vectors, narrows.Settings(steps=1, learning_rate=1e-12, threads=1)))
    mean, covariance = x.mean(axis=0), np.cov(x.T)
    some = vectors[(known == (True, True, False)).all(axis=1)][:50]
    wanted = mean[2] + (some[:, :2] - mean[:2]) @ np.linalg.solve(covariance[:2, :2], covariance[:2, 2])
    found = restore(model, some)
    assert np.abs(found[:, 2] - wanted).max() < 0.03
    np.testing.assert_array_equal(found[:, :2], some[:, :2])


def test_the_seed_decides_and_a_saved_model_gives_the_same(curved, imputer: Imputer, tmp_path: Path) -> None:
    x, missing = curved
    holes = np.where(missing, np.nan, x)
    short = [Imputer(steps=5, width=16, threads=1, random_state=seed).fit_transform(holes) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(short[0], short[1])
    assert np.abs(short[0] - short[2]).max() > 0
    before = imputer.transform(holes)
    model = imputer.models_[0]
    model.save(tmp_path / "m")
    again = narrows.load(tmp_path / "m")
    assert again.degradation == model.degradation
    imputer.models_ = [again]
    np.testing.assert_array_equal(imputer.transform(holes), before)


def test_the_imputer_keeps_the_manners_of_scikit_learn() -> None:
    from sklearn.base import clone

    names = Imputer(steps=3, width=8).fit([[1.0, np.nan], [2.0, 3.0], [0.0, 1.0]]).get_feature_names_out()
    assert list(names) == ["x0", "x1"]
    assert clone(Imputer(steps=3)).get_params()["steps"] == 3
    with pytest.raises(ValueError, match="3 features"):
        Imputer(steps=3, width=8).fit([[1.0, 2.0], [2.0, 3.0]]).transform([[1.0, 2.0, 3.0]])
    with pytest.raises(DataError, match="column 1 has no known value"):
        Imputer().fit([[1.0, np.nan], [2.0, np.nan]])
    with pytest.raises(SettingsError, match=r"missing 0\.5 to 0\.1"):
        Imputer(hide=(0.5, 0.1)).fit([[1.0, 2.0], [2.0, 3.0]])


def test_cells_are_read_as_the_csv_module_reads_them_and_replaced_in_place() -> None:
    text = '\ufeffname n;x\r\n"a; ""b""";1\r\n c ;"2"\r\n\r\n"line\nend";'
    table = parse(text)
    rows = [row for row in csv.reader(io.StringIO(text[1:], newline=""), delimiter=";") if row]
    assert [list(row) for row in table.cells] == rows[1:]
    assert table.with_cells({}) == text
    assert table.with_cells({(2, 1): "3;4", (0, 1): "9"}) == text.replace(";1\r", ";9\r") + '"3;4"'


def test_columns_are_numbers_categories_or_free_text() -> None:
    lines = [f"{n},{n / 4:.2f},{'red' if n % 2 else 'blue'},name {n}" for n in range(40)]
    columns, notes = columns_of(parse("\n".join(["i,x,colour,who", *lines, ",NaN,NA,nobody"])))
    assert [column.kind for column in columns] == ["number", "number", "category", "text"]
    assert (columns[0].whole, columns[0].decimals, columns[1].whole, columns[1].decimals) == (True, 0, False, 2)
    assert columns[2].categories == ("blue", "red")
    assert ["'NA' counts as missing, 1 times" in note for note in notes] == [False, True]
    assert ["'who' is free text" in note for note in notes] == [True, False]
    assert columns[0].written(np.array([0.49])) == "19"
    assert columns[1].written(np.array([2.0])) == "9.75"
    assert columns_of(parse("a;b\n1,5;2\n2,25;3"))[0][0].written(np.array([1.0])) == "2,25"
    assert Column("x", low=-1.0, high=1.0, decimals=1).written(np.array([0.49])) == "0.0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is nothing in it"),
        ("a,b\n", "a header and no rows"),
        ("a,b\n1,2\n3\n", "row 2 has 1 cells, the header has 2"),
        ('a,b\n1,"2\n', "row 1: a quoted cell has no end"),
        ("a,b\n,\nnan,\n", "all columns are free text, or"),
        ("a\n" + "\n".join(f"t{n}" for n in range(100)), "all columns are free text, or empty"),
        ("a,b\n" + "\n".join(f"{n},c{n % 60}" for n in range(3)), None),
    ],
)
def test_tables_that_teach_nothing_are_refused_in_one_line(text: str, words: str | None) -> None:
    if words is None:
        columns_of(parse(text))
        return
    with pytest.raises(DataError, match=words) as caught:
        columns_of(parse(text))
    assert "\n" not in str(caught.value)


def test_a_column_without_a_known_cell_is_left() -> None:
    columns, notes = columns_of(parse("a,b\n1,\n2,nan\n"))
    assert [column.kind for column in columns] == ["number", "text"]
    assert notes == ("column 'b' has no known cell: left as it is",)


def test_a_table_that_tells_nothing_of_its_empty_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f",{n}\n" for n in range(20)))
    with pytest.raises(DataError, match="only column 'b' can be used"):
        open_table(tmp_path / "t.csv", "inpaint")
    assert len(open_table(tmp_path / "t.csv", "reconstruct").samples) == 20
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(f",{n},{n}\n" for n in range(20)))
    assert len(open_table(tmp_path / "t.csv", "inpaint").samples) == 20


@pytest.mark.parametrize("cell", [str(2**60 + 1), "-12345678901234567890"])
def test_whole_numbers_that_a_double_does_not_hold_are_words(cell: str) -> None:
    columns, notes = columns_of(parse("a,b\n" + "".join(f"{cell[:-2]}{n},{n}\n" for n in range(10, 90))))
    assert [column.kind for column in columns] == ["text", "number"]
    assert "free text" in notes[0]


@pytest.mark.parametrize("header", ["id,b,c\n", ""])
def test_cells_of_thousands_of_digits_are_words(header: str) -> None:
    columns, _ = columns_of(parse(f"{header}{'1' * 5000},1,0\n2,3,1\n4,5,0\n"))
    assert [column.kind for column in columns[1:]] == ["number", "number"]
    assert columns[0].kind != "number"


def test_cells_end_where_they_end_however_long_the_first_rows_are() -> None:
    rows = "".join(f'{n};{n},50;{n % 5},50;"one {"x" * 40}\ntwo,{n % 4}, end"\r\n' for n in range(900))
    for header in ("id;Preis, EUR;Steuer, EUR;Note", "i" * 30 + ";b, c;d, e;f"):
        table = parse(f"{header}\r\n{rows}")
        assert (table.delimiter, len(table.cells)) == (";", 900)
        assert table.names == tuple(header.split(";"))


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="not text in UTF-8"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"a,b\n\0,1\n")
    with pytest.raises(DataError, match="zero bytes"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "none.csv")


def test_categories_that_follow_from_the_rest_are_filled_in_right() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.uniform(-1, 1, (2, 500))
    kinds = np.where(np.abs(x) > 0.5, "far", "near")  # no line in x parts them
    gone = rng.random(500) < 0.2
    rows = [f"{a:.3f},{'' if g else k},{b:.3f}" for a, k, b, g in zip(x, kinds, y, gone, strict=True)]
    table = parse("\n".join(["x,kind,y", *rows]))
    columns, _ = columns_of(table)
    vectors = encode(table, columns)
    model = narrows.build(narrows.from_arrays(vectors).description, width=64, degradation=Cells(columns))
    list(narrows.fit(model, vectors, narrows.Settings(steps=STEPS, threads=1)))
    result = filled(model, table)
    assert len(result.cells) == gone.sum()
    found = np.array([row[1] for row in parse(table.with_cells(result.cells)).cells])
    assert (found[~gone] == kinds[~gone]).all()
    assert (found[gone] == kinds[gone]).mean() > 0.9


def test_a_model_of_something_else_fills_no_tables(digits) -> None:
    with pytest.raises(ModelError, match="not tables"):
        filled(narrows.build(digits.description), parse("a,b\n1,2\n"))
