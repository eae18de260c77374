"""`--as series` and `--as signals`: what arrays and tables are read as."""

import json
from pathlib import Path

import numpy as np
import pytest

from narrows.tasks.tables import open_series

TABLE = "date,wind,temperature\n2020-01-01,3.5,1\n2020-01-02,4.5,2\n2020-01-03,5.5,2\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "weather.csv"
    path.write_text(TABLE)
    return path


def test_the_numbers_of_a_table_whose_rows_follow_in_time_are_a_signal(table: Path) -> None:
    samples = open_series(table, 24)
    assert (samples.description.shape, samples.description.rate) == ((3, 2), 24)
    np.testing.assert_array_equal(samples.values[0], [[3.5, 1], [4.5, 2], [5.5, 2]])
    assert "'date'" in samples.notes[-1]


def test_a_series_and_an_array_of_signals_are_shown_as_such(call, table: Path, tmp_path: Path) -> None:
    code, out, _ = call("show", table, "--as", "series", "--rate", 1)
    assert code == 0
    assert "signals of 3 steps, 2 channels, 1 Hz" in out
    np.save(tmp_path / "x.npy", np.zeros((4, 90, 2), np.int16))
    code, out, _ = call("show", tmp_path / "x.npy", "--as", "signals", "--json")
    assert code == 0
    assert json.loads(out)["samples"] == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n,3\n", "row 2, column 'a': '' is no number"),
        ("a\nx\ny\n", "no column of numbers"),
    ],
)
def test_a_series_with_gaps_or_without_numbers_is_refused(call, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    code, _, err = call("show", tmp_path / "t.csv", "--as", "series")
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
