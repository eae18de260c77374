"""Cells mean what people mean by them: codes, thousands, words for nothing; what can be read in two ways is told."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

from narrows.data.columns import Column, columns_of, encode
from narrows.data.notation import as_written
from narrows.data.numbers import Style, style_of
from narrows.errors import DataError
from narrows.io.csv import parse


@pytest.mark.parametrize(
    ("cells", "delimiter", "style", "first", "told"),
    [
        (["1.5", "2"], ",", Style("."), 1.5, False),
        (["1,5", "2"], ";", Style(","), 1.5, False),
        (["1.5", "2"], ";", Style("."), 1.5, False),
        (["1.011", "900"], ";", Style(",", "."), 1011, True),
        (["1.234.567", "1,5"], ";", Style(",", "."), 1234567, True),
        (["1.011", "2.250"], ";", Style("."), 1.011, True),
        (["1.011", "1200"], ";", Style("."), 1.011, True),
        (["0.011", "900"], ";", Style("."), 0.011, False),
        (["1,011", "900"], ",", Style(".", ","), 1011, True),
        (["1,011.50", "900.25"], ",", Style(".", ","), 1011.5, True),
        (["1'011.5", "900"], ",", Style(".", "'"), 1011.5, True),
        (["1\u202f011,5", "900"], ";", Style(",", "\u202f"), 1011.5, True),
        (["1e5", "2"], ",", Style("."), 1e5, False),
    ],
)
def test_numbers_are_read_as_people_write_them(
    cells: list[str], delimiter: str, style: Style, first: float, told: bool
) -> None:
    found = style_of(cells, delimiter)
    assert found is not None
    assert found.style == style
    assert style.number(cells[0]) == first
    assert bool(found.note) == told
    assert style.number(style.text(1234.5, 1)) == 1234.5


@pytest.mark.parametrize("cells", [["02101", "10001"], ["007"], ["1.2.3"], ["1,2,3"], ["12:30"], ["one"], ["1e999"]])
def test_codes_and_words_are_no_numbers(cells: list[str]) -> None:
    assert style_of(cells, ",") is None


def table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows, ""])


def test_postcodes_are_categories_and_thousands_are_written_with_their_mark() -> None:
    (code,), _ = columns_of(parse(table("plz", [["02101", "10001"][n % 2] for n in range(40)])))
    assert code.categories == ("02101", "10001")
    rows = [f"{f'{100 * n + 500:,}'.replace(',', '.')};{n}" for n in range(50)]
    (price, _), notes = columns_of(parse(table("preis;b", rows)))
    assert (price.low, price.high, price.group) == (500, 5400, ".")
    assert price.written(np.array([1.0])) == "5.400"
    assert "1.000 is taken as 1000" in notes[0]


@pytest.mark.parametrize("mark", ["?", "NULL", "None", "N/A", "#N/A", "-", "NA", "n.a.", "null"])
def test_words_for_nothing_are_missing_in_numbers_and_categories(mark: str) -> None:
    rows = [f"{n / 2},{'yes' if n % 2 else 'no'}" if n % 5 else f"{mark},{mark}" for n in range(60)]
    columns, notes = columns_of(parse(table("a,b", rows)))
    assert [column.kind for column in columns] == ["number", "category"]
    assert columns[1].categories == ("no", "yes")
    assert len(notes) == 1
    assert f"column 'a' and 1 more columns: {mark!r} counts as missing, 24 times" in notes[0]
    vectors = encode(parse(table("a,b", [f"{mark},yes"])), columns)
    assert vectors.tolist() == [[0, 0, 1, 0, 1, 1]]


def test_na_among_codes_is_a_country_and_words_of_ones_own_replace_the_usual_ones() -> None:
    text = table("country,x", [f"{['NA', 'ZA', 'DE'][n % 3]},{n}" for n in range(30)])
    (country, _), notes = columns_of(parse(text))
    assert country.categories == ("DE", "NA", "ZA")
    assert not country.missing("NA")
    assert "'NA' is a category as other codes are" in notes[0]
    (country, _), _ = columns_of(parse(text), ["NA"])
    assert country.categories == ("DE", "ZA")
    assert country.missing("NA")
    assert Column.from_json(country.to_json()) == country
    (kind, _), _ = columns_of(parse(table("garage,x", [f"{['None', 'Big'][n % 2]},{n}" for n in range(30)])), ["?"])
    assert kind.categories == ("Big", "None")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("+ -", "'-' is a category; --missing-value - says otherwise"),
        ("Cl H K Na", "'Na' is a category; "),
        ("high low none", "'none' is a category; "),
        ("Baker Null Smith", "'Null' is a category; "),
        ("de na za", "'na' is a category as other codes are; "),
        ("Ann Nan", "'Nan' is a category; "),
        ("found missing", "'missing' is a category; "),
    ],
)
def test_words_among_words_are_categories_unless_they_usually_stand_for_nothing(words: str, told: str) -> None:
    rows = [f"{words.split()[n % len(words.split())]},{n}" for n in range(30)]
    (column, _), notes = columns_of(parse(table("a,b", rows)))
    assert column.categories == tuple(words.split())
    assert not any(map(column.missing, words.split()))
    assert [note.startswith(f"column 'a': {told}") for note in notes] == [True]


@pytest.mark.parametrize("mark", ["none", "Null", "missing", "Na", "NAN", "-nan", "#N/A N/A", "1.#IND", "-1.#QNAN"])
def test_words_for_nothing_among_numbers_are_so_in_any_case(mark: str) -> None:
    rows = [f"{mark if n % 5 == 0 else n},{n}" for n in range(30)]
    (column, _), notes = columns_of(parse(table("a,b", rows)))
    assert column.kind == "number"
    assert sum(column.missing(row.split(",")[0]) for row in rows) == 6
    assert (f"{mark!r} counts as missing, 6 times" in "".join(notes)) == (mark != "NAN")


@pytest.mark.parametrize(
    ("mark", "cells", "kind"),
    [
        ("-999", ["-999.0", "-999", "-999.00"], "number"),
        ("-999.50", ["-999.5"], "number"),
        ("unknown", ["UNKNOWN", "Unknown", "unknown"], "number"),
        ("unknown", ["UNKNOWN", "Unknown"], "category"),
        ("-999", ["-999.0"], "category"),
        ("unknown", ["UNKNOWN"], "text"),
    ],
)
def test_marks_are_found_as_numbers_and_in_any_case(mark: str, cells: list[str], kind: str) -> None:
    known = {"number": "{}.5", "category": "c{}", "text": "free {}"}[kind]
    rows = [
        f"{cells[n % len(cells)] if n % 6 == 0 else known.format(n % 5 if kind != 'text' else n)},{n}"
        for n in range(60)
    ]
    (column, _), notes = columns_of(parse(table("a,b", rows)), [mark])
    assert column.kind == kind
    assert sum(column.missing(row.split(",")[0]) for row in rows) == 10
    assert not any("no cell is" in note for note in notes)
    assert column.low == (0.5 if kind == "number" else 0)
    assert len(column.categories) == 5 * (kind == "category")
    assert column == Column.from_json(column.to_json())


def test_a_mark_is_no_code_no_other_number_and_told_where_it_is_nowhere() -> None:
    (code, _), notes = columns_of(parse(table("a,b", [f"{['007', '011'][n % 2]},{n % 9}" for n in range(40)])), ["7"])
    assert code.categories == ("007", "011")
    assert not any("no cell is" in note for note in notes)
    rows = [f"{f'{100 * n + 500:,}'.replace(',', '.')};x" for n in range(50)]
    (grouped, _), notes = columns_of(parse(table("a;b", rows)), ["1", "1000"])
    assert (grouped.missing("1.000"), grouped.missing("1.100")) == (True, False)
    assert [note for note in notes if "no cell is" in note] == [
        "no cell is '1', which was given as a missing value: see how it is written"
    ]
    old = Column("a", "category", categories=("UNKNOWN", "a"), marks=("unknown",))
    assert not old.missing("UNKNOWN")  # as it was trained


def test_the_largest_numbers_are_scaled_without_a_warning_and_written_short() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (huge, _), _ = columns_of(parse(table("a,b", [f"{(-1) ** n}e308,{n}" for n in range(20)])))
        assert huge.scaled(np.array([-1e308, 0.0, 1e308])).tolist() == [0, 0.5, 1]
        assert huge.written(np.array([1.0])) == "1e+308"
        (wide, _), _ = columns_of(parse(table("a,b", [f"12345678901234{n},{n}" for n in range(10, 40)])))
        assert wide.low <= int(wide.written(np.array([1.0]))) <= wide.high
        assert huge.number("1e299999") is None
        (small, _), _ = columns_of(parse(table("a,b", [f"{n},{n}" for n in range(10)])))
        assert small.number("-1e300") is None


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("5.1,3.5,\n4.9,3.0,1\n4.7,3.2,0\n", ["column 1", "column 2", "column 3"], 3),
        ("5.1,setosa\n4.9,setosa\n4.7,virginica\n", ["column 1", "column 2"], 3),
        ("country,2019,2020\nDE,1,2\nFR,3,4\n", ["country", "2019", "2020"], 2),
        ("2019,2020,2021\n1,2,3\n3,4,5\n", ["2019", "2020", "2021"], 2),
        ("a,b,\n1,2,\n3,4,\n", ["a", "b"], 2),
        ("a,b\n1,2,\n3,4,,\n", ["a", "b"], 2),
        (",a\n0,1\n1,2\n", ["column 1", "a"], 2),
        ("a,a\n1,2\n3,4\n", ["a", "a (2)"], 2),
        ("sep=;\na;b\n1;2\n", ["a", "b"], 1),
        ('"sep=|"\r\na|b\r\n1|2\r\n', ["a", "b"], 1),
        ("sep=:\na:b\n1,5:2\n", ["a", "b"], 1),
        ("sep=^\na^b\n1.5^2\n", ["a", "b"], 1),
        ("a|b\n1|2\n", ["a", "b"], 1),
        ("a,b\n1,2\n\n  \n,\n", ["a", "b"], 1),
        ("setosa,versicolor\nx,y\nz,w\n", ["setosa", "versicolor"], 2),
    ],
)
def test_headers_ends_and_marks_are_seen_as_they_are(text: str, names: list[str], rows: int) -> None:
    found = parse(text)
    assert list(found.names) == names
    assert len(found.cells) == rows
    assert found.with_cells({}) == text
    told = (
        "no header"
        if names[0] == "column 1" and not text.startswith(",")
        else "is called"
        if "a (2)" in names
        else ""
    )
    assert [told in note for note in found.notes] == [True] * bool(told)
    last = found.with_cells({(rows - 1, 0): "X"})
    assert last.replace("X", found.cells[-1][0]) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (",0,1,2\n0,0.0,,2.0\n1,3.0,4.0,5.0\n", "since its first cell alone is empty"),
        (",0\n0,0.5\n1,3.5\n", "since its first cell alone is empty"),
        (",0,1,2\n0,0.0,,2.0\n,3.0,4.0,5.0\n", "no header"),
        (",0.5,,2.5\n0,0.0,,2.0\n1,3.0,4.0,5.0\n", "no header"),
    ],
)
def test_an_empty_corner_is_that_of_a_header(text: str, told: str) -> None:
    found = parse(text)
    assert len(found.cells) == (3 if told == "no header" else 2)
    assert [told in note for note in found.notes] == [True]


def test_a_model_knows_whether_its_table_had_a_header() -> None:
    bare = parse("5.1,3.5\n4.9,3.0\n")
    assert len(parse("6.0,\n", names=bare.names).cells) == 1
    assert parse("a,b\n6.0,\n", names=("a", "b")).names == ("a", "b")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Höhe, m;Gewicht, kg;Alter\n11,5;71,5;\n12,5;72,5;3\n", ["Höhe, m", "Gewicht, kg", "Alter"]),
        ('"Höhe\n(m)";"Gewicht\n(kg)"\n1,5;2,5\n2,5;3,5\n', ["Höhe\n(m)", "Gewicht\n(kg)"]),
        ("a;b,c\n1;2,3\n", ["a", "b,c"]),
        ("text,n\nx; y,1\nz,2\n", ["text", "n"]),
        ("a,b\n1,2\n3,4,\n5,6\n", ["a", "b"]),
        ("one\n1\n2\n", ["one"]),
        ("air temp\n20\n21\n22\n20\n", ["air temp"]),
        ('"air temp"\nvery hot\n cold \n', ["air temp"]),
        ('"full name"\nAda Lovelace\nAlan Turing\n', ["full name"]),
        ("20\n21\n22\n20\n", ["column 1"]),
    ],
)
def test_cells_end_where_all_rows_agree(text: str, names: list[str]) -> None:
    found = parse(text)
    assert list(found.names) == names
    assert found.with_cells({}) == text


@pytest.mark.parametrize("mark", [" ", ":", "^"])
def test_cells_between_marks_that_are_not_known_are_refused(mark: str) -> None:
    text = "air temp\n20 1\n21 2\n".replace(" ", mark)
    with pytest.raises(DataError, match=re.escape(f"only one column, 'air{mark}temp': cells end at a comma")):
        parse(text)
    assert len(parse(text.replace(f"air{mark}temp", f'"air{mark}temp"')).names) == 1


@pytest.mark.parametrize("mark", ["x", "1", " ", '"'])
def test_cells_cannot_end_at_letters_digits_spaces_and_quotes(mark: str) -> None:
    with pytest.raises(DataError, match=f"cells end at {mark!r}; allowed is any mark but"):
        parse(f"sep={mark}\na,b\n1,2\n")


def test_a_row_of_nothing_between_others_is_a_row() -> None:
    found = parse("a,b\n,\nx,1\n,\n,,\n")
    assert found.cells == (("", ""), ("x", "1"))
    assert found.row(1).endswith("row 2")


def test_numbers_may_be_written_otherwise_than_in_training() -> None:
    (column, _), _ = columns_of(parse(table("a,b", [f"{n / 4},{n}" for n in range(30)])))

    def found(*cells: str) -> Column:
        return as_written([column], parse("\n".join(["a;", *(f"{cell};" for cell in cells)])))[0][0]

    other = found("1,5", " ", "2,25")
    assert other.written(np.array([0.5])) == "3,62"
    assert other.number("7,25") == 7.25
    assert found("1.5", "x") == column == found("x", "y") == found("1", "2")
    assert found("1,5", "2") == other


@pytest.mark.parametrize(
    ("rows", "read", "told"),
    [
        ("2174,3;\n2608;", [2174.3, 2608], None),
        ("2174,3;1\n2608,5;", [2174.3, 2608.5], None),
        ("2.174,3;\n2.608;", [2174.3, 2608], None),
        ("2.608;\n900;", [2608, 900], "2.608 is taken as 2608, not as 2.608"),
        (";2174,3\n2.608;", [None, 2608], "2.608 is taken as 2608, not as 2.608"),
    ],
)
def test_a_table_with_decimal_commas_is_read_by_a_model_of_points_as_a_whole(
    rows: str, read: list[float | None], told: str | None
) -> None:
    columns, _ = columns_of(parse(table("price,total", [f"{n}.5,{2 * n}.5" for n in range(1000, 4000, 100)])))
    given = parse(f"price;total\n{rows}\n")
    found, notes = as_written(columns, given)
    assert [found[0].number(cell) for cell, _ in given.cells] == read
    assert [column.comma for column in found] == [True, True]
    assert [told in note for note in notes if told] == [True] * len(notes) == [True] * bool(told)


def test_columns_that_tell_nothing_are_written_as_in_training_where_another_column_is() -> None:
    (first, second), _ = columns_of(parse(table("a;b", [f"{n},5;{n}.5" for n in range(30)])))
    found, notes = as_written((first, second), parse("a;b\n1,5;2\n"))
    assert found == (first, second)
    assert not notes
    columns, _ = columns_of(parse(table("n,who", [f"{n}.5,name {n}" for n in range(30)])))
    assert as_written(columns, parse("n;who\n2;1,5\n3;2,5\n"))[0] == columns  # nor by what is free text


@pytest.mark.parametrize(
    ("trained", "given", "read"),
    [
        (["false", "true"], ["True"], ["False", "True"]),
        (["False", "True"], ["TRUE", "FALSE"], ["FALSE", "TRUE"]),
        (["2020-01-01 00:00:00.000000", "2020-01-02 00:00:00.000000"], ["2020-01-01"], ["2020-01-01", None]),
        (["2020-01-01 00:00:00.500000Z"], ["2020-01-01 00:00:00.5+00:00"], ["2020-01-01 00:00:00.5+00:00"]),
        (["01:00:00.000"], ["01:00:00"], ["01:00:00"]),
        (["true", "True"], ["TRUE"], ["true", "True"]),
        (["2020-01-01", "us"], ["2020-01-02", "US"], ["2020-01-01", "us"]),
    ],
)
def test_categories_are_known_in_other_spellings(
    trained: list[str], given: list[str], read: list[str | None]
) -> None:
    columns = (Column("a", "category", categories=tuple(trained)), Column("b", "category", categories=("x",)))
    (found, _), notes = as_written(columns, parse(table("a,b", [f"{cell},x" for cell in given])))
    assert list(found.categories) == [word or old for word, old in zip(read, trained, strict=True)]
    assert not notes


def test_a_quoted_cell_may_have_spaces_around_it_and_is_replaced_within_them() -> None:
    read = parse('a, b, c\n1, "x, ""y""" ,2\n3,"z" , "half\n4, "x"y ,5\n')
    assert read.cells == (("1", 'x, "y"', "2"), ("3", "z", ' "half'), ("4", ' "x"y ', "5"))
    assert read.with_cells({(0, 1): "new", (1, 1): 'a, "b"'}).splitlines()[1:3] == [
        "1, new ,2",
        '3,"a, ""b""" , "half',
    ]
