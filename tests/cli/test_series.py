"""`--as series` and `--as signals`: what arrays and tables are read as."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.archive.promise import Promise
from narrows.cli.compress import _tell
from narrows.errors import DataError, ModelError
from narrows.evaluation.lossless import Rivals
from narrows.io.csv import parse
from narrows.tasks.compressed import Compressed
from narrows.tasks.series import as_series, even, monotone, open_series

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
        ("a,b\n1,2\n,3\n4,5\n", "no two rows in a row with a number in every column"),
        ("a\nx\ny\n", "no column of numbers"),
    ],
)
def test_a_series_with_gaps_or_without_numbers_is_refused(call, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    code, _, err = call("show", tmp_path / "t.csv", "--as", "series")
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_stretches_between_gaps_of_a_series_are_learned_from(call, tmp_path: Path) -> None:
    table, model = waves(tmp_path / "broken.csv", slice(200, 220)), tmp_path / "m.safetensors"
    words = ("--as", "series", "--rate", 1, "--for", "inpaint", "--steps", 1, "--gaps", "5000..10000")
    code, _, err = call("train", table, "-o", model, *words)
    assert code == 0, err
    assert "20 of 600 rows lack a number; 2 stretches between are signals" in err
    assert call("inpaint", table, "-m", model, "-o", tmp_path / "full.csv")[0] == 0
    assert ";;" not in (tmp_path / "full.csv").read_text()


def test_a_table_with_a_gap_in_every_row_is_filled_in_where_columns_differ(call, tmp_path: Path) -> None:
    t, model = np.arange(600), tmp_path / "m.safetensors"
    columns = np.stack([np.sin(t / 9), np.cos(t / 7), np.sin(t / 9) + np.cos(t / 7)], axis=1)

    def write(name: str, numbers: np.ndarray) -> Path:
        lines = [",".join("" if np.isnan(cell) else f"{cell:.4f}" for cell in row) for row in numbers]
        (tmp_path / name).write_text("\n".join(["a,b,sum", *lines]) + "\n")
        return tmp_path / name

    words = ("--as", "series", "--rate", 1, "--for", "inpaint", "--steps", 1, "--gaps", "5000..10000")
    assert call("train", write("whole.csv", columns), "-o", model, *words)[0] == 0
    holed = columns.copy()
    for start in range(0, 600, 12):
        holed[start : start + 12, start // 12 % 3] = np.nan
    code, _, err = call("inpaint", write("holed.csv", holed), "-m", model, "-o", tmp_path / "full.csv")
    assert code == 0, err
    full = np.loadtxt(tmp_path / "full.csv", delimiter=",", skiprows=1)
    known = ~np.isnan(holed)
    assert np.array_equal(full[known], columns[known].round(4))
    assert np.abs(full - columns).mean() < 0.02
    holed[:, 1] = np.nan
    holed[7, 1] = 0.5
    assert call("inpaint", write("little.csv", holed), "-m", model, "-o", tmp_path / "little-full.csv")[0] == 0


def test_pictures_are_not_read_as_signals(call, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "set" / "a.png")
    code, _, err = call("train", tmp_path / "set", "-o", tmp_path / "m.safetensors", "--as", "signals", "--steps", 1)
    assert code == 2
    assert "no signals; leave out --as" in err
    assert not (tmp_path / "m.safetensors").exists()


def test_a_series_whose_gaps_need_a_rate_is_told_the_option(call, table: Path, tmp_path: Path) -> None:
    words = ("train", table, "-o", tmp_path / "m.safetensors", "--as", "series", "--steps", 1)
    code, _, err = call(*words, "--for", "inpaint")
    assert (code, "--rate HZ" in err) == (2, True), err


def waves(path: Path, hidden: slice = slice(0), noise: float = 0.0) -> Path:
    """A table of 600 rows with a date and two waves, between semicolons, of which one has a gap."""
    t, rng = np.arange(600), np.random.default_rng(0)
    x, y = 20 + 5 * np.sin(t / 20), 300 * np.cos(t / 13)
    cells = [f"{v:.2f}".replace(".", ",") for v in x + noise * rng.normal(size=600)]
    cells[hidden] = [""] * len(cells[hidden])
    rows = [f"day {n};{cell};{v:.0f}\n" for n, cell, v in zip(t, cells, y, strict=True)]
    path.write_text("date;temperature;count\n" + "".join(rows))
    return path


def test_large_numbers_do_not_spoil_the_columns_beside_them(call, tmp_path: Path) -> None:
    full, broken, model = tmp_path / "full.csv", tmp_path / "broken.csv", tmp_path / "m.safetensors"
    rows = [f"{101325000 + n * n % 7},{20 + 5 * np.sin(n / 20):.2f}" for n in range(400)]
    full.write_text("\n".join(["pressure,temperature", *rows, ""]))
    holed = [row.split(",")[0] + "," if n % 100 // 8 == 6 else row for n, row in enumerate(rows)]
    broken.write_text("\n".join(["pressure,temperature", *holed, ""]))
    words = ("--as", "series", "--rate", 1, "--for", "inpaint", "--steps", 1, "--gaps", "5000..10000")
    assert call("train", full, "-o", model, *words)[0] == 0
    code, _, err = call("inpaint", broken, "-m", model, "-o", tmp_path / "out.csv")
    assert code == 0, err
    assert "1 restored, 400.0 seconds of series in" in err
    found = (tmp_path / "out.csv").read_text().splitlines()[1:]
    values = [[list(map(float, row.split(","))) for row in each] for each in (rows, found)]
    assert np.abs(np.subtract(*values)).max() < 0.5
    code, out, err = call("evaluate", model, full, "-o", tmp_path / "measured", "--json")
    assert code == 0, err
    assert json.loads(out)["psnr_db"] > 30
    assert {"snr_db", "si_sdr_db"} < json.loads(out)["damaged"].keys()
    assert "Telea" not in err


def test_gaps_of_a_series_are_filled_in_its_table(call, tmp_path: Path) -> None:
    full, model = waves(tmp_path / "full.csv"), tmp_path / "m.safetensors"
    words = (
        "train",
        full,
        "-o",
        model,
        "--as",
        "series",
        "--rate",
        1,
        "--for",
        "inpaint",
        "--steps",
        3,
        "--gaps",
        "9000..30000",
    )
    assert call(*words)[0] == 0
    hidden = slice(200, 220)
    broken, out = waves(tmp_path / "broken.csv", hidden), tmp_path / "out.csv"
    code, _, err = call("inpaint", broken, "-m", model, "-o", out)
    assert code == 0, err
    rows = [path.read_text().splitlines()[1:] for path in (full, broken, out)]
    assert rows[2][:200] + rows[2][220:] == rows[1][:200] + rows[1][220:]
    found = [row.split(";") for row in rows[2][hidden]]
    assert [[day, count] for day, _, count in found] == [
        [r[0], r[2]] for r in (row.split(";") for row in rows[0][hidden])
    ]
    assert all(10 < float(value.replace(",", ".")) < 30 for _, value, _ in found)
    marked = tmp_path / "marked.csv"
    marked.write_text(broken.read_text().replace(";;", ";-999,00;"))
    words = ("inpaint", marked, "-m", model, "-o", tmp_path / "unmarked.csv", "--missing-value", -999)
    assert call(*words)[0] == 0
    rows.append((tmp_path / "unmarked.csv").read_text().splitlines()[1:])
    assert "-999" not in "".join(rows[3])
    assert [row.split(";")[2] for row in rows[3]] == [row.split(";")[2] for row in rows[0]]
    for given, name, said in (
        (full, "x.csv", "nothing in it is marked as missing"),
        (broken, "x.npy", "tables are written as .csv"),
        (broken, "full.csv", "--force"),
    ):
        code, _, err = call("inpaint", given, "-m", model, "-o", tmp_path / name)
        assert code == 2
        assert said in err


def test_numbers_of_a_series_are_denoised_in_their_table(call, tmp_path: Path) -> None:
    full, model = waves(tmp_path / "full.csv", noise=0.5), tmp_path / "m.safetensors"
    words = ("train", full, "-o", model, "--as", "series", "--rate", 1, "--for", "denoise", "--steps", 5)
    assert call(*words)[0] == 0
    assert call("denoise", full, "-m", model, "-o", tmp_path / "out.csv")[0] == 0
    one, other = (path.read_text().splitlines() for path in (full, tmp_path / "out.csv"))
    assert one[0] == other[0]
    assert [row.split(";")[0] for row in one] == [row.split(";")[0] for row in other]
    assert one != other
    assert all(len(row.split(";")[1].partition(",")[2]) == 2 for row in other[1:])


def test_a_column_that_counts_the_rows_is_left_out_and_stays(call, tmp_path: Path) -> None:
    t, model = np.arange(400) / 360, tmp_path / "m.safetensors"
    x = 5 * np.sin(np.arange(400) / 20) + np.random.default_rng(0).normal(size=400)
    full, few, jump = (tmp_path / f"{name}.csv" for name in ("full", "few", "jump"))
    lines = [f"{time:.4f},{value:.3f}" for time, value in zip(t, x, strict=True)]
    full.write_text("\n".join(["seconds,signal", *lines, ""]))
    few.write_text("\n".join(["seconds,signal", *lines[:12], ""]))
    jump.write_text("\n".join(["seconds,signal", *lines[:60], *lines[90:100], *lines[200:], ""]))
    words = ("-o", model, "--as", "series", "--rate", 360, "--for", "denoise", "--steps", 2)
    code, _, err = call("train", full, *words)
    assert code == 0, err
    assert "left out, since they count the rows, as a clock does: 'seconds'" in err
    for given in (full, few, jump):
        out = tmp_path / f"out-{given.name}"
        code, _, err = call("denoise", given, "-m", model, "-o", out)
        assert code == 0, err
        assert "as a clock does: 'seconds'" in err
        one, other = ([row.split(",") for row in path.read_text().splitlines()] for path in (given, out))
        assert [row[0] for row in one] == [row[0] for row in other]
        assert one != other


def test_even_steps_may_jump_and_what_curves_or_wanders_has_none() -> None:
    count = np.arange(20.0)
    gone = np.where(count == 4, np.nan, count)
    jumping, wandering = count + 30 * (count > 9), np.cumsum([1, 2, 3, 1, 3, 2, 1, 1, 3, 3] * 2)
    columns = [count, gone, jumping, -jumping, count + 0.2 * np.sin(count), wandering, np.sqrt(count), 0 * count]
    assert even(np.stack(columns, axis=1)).tolist() == [True] * 5 + [False] * 3
    assert monotone(np.stack(columns, axis=1), 16).tolist() == [True] * 7 + [False]
    assert not monotone(np.stack(columns, axis=1)[:12], 16).any()


def signals(*columns: list[object]) -> str:
    """A table of these columns, between a text and a signal that is no clock."""
    count = len(columns[0]) if columns else 40
    names = ["a", "b", "c"][: len(columns)]
    rows = zip(*columns, [n * n % 7 for n in range(count)], strict=True)
    return "\n".join([",".join([*names, "x"]), *(",".join(map(str, row)) for row in rows), ""])


@pytest.mark.parametrize(
    ("columns", "channels", "taken"),
    [
        ([[n + 9 * (n > 20) for n in range(40)]], None, ["x"]),
        ([[n**2 for n in range(40)]], None, ["x"]),
        ([["" if n == 5 else -n for n in range(40)]], None, ["x"]),
        ([["" if n == 5 else n + 90 * (n > 20) for n in range(40)], [n**2 for n in range(40)]], None, ["b", "x"]),
        ([["u"] * 40, [n + 90 * (n > 20) for n in range(40)]], None, ["x"]),
        ([["u"] * 40, [n**2 for n in range(40)]], None, ["b", "x"]),
        ([[1, 4, 5], [n % 2 for n in range(3)]], 2, ["b", "x"]),
        ([[1, 5, 6], [1, 2, 3]], 2, ["a", "x"]),
        ([[1, 4, 5]], 2, ["a", "x"]),
        ([[n % 3 for n in range(40)]], 1, ["a", "x"]),
    ],
)
def test_a_clock_may_jump_fall_or_lack_a_number(
    columns: list[list[object]], channels: int | None, taken: list[str]
) -> None:
    series = as_series(parse(signals(*columns)), channels=channels)
    assert [column.name for column in series.columns] == taken
    assert not np.isnan(series.values).any()
    assert any("as a clock does" in note for note in series.notes) == (
        len(taken) < 1 + sum(c[0] != "u" for c in columns)
    )
    assert ("left missing: 1 cells of clocks" in series.notes) == ("" in columns[0])


def test_what_only_rises_and_is_a_signal_is_told() -> None:
    told = as_series(parse(signals([n % 2 for n in range(40)], [n**2 for n in range(40)]))).notes
    assert "taken as signals, though they only rise or only fall; take them out if they are clocks: 'b'" in told
    assert not as_series(parse(signals([n % 2 for n in range(40)]))).notes


def test_columns_that_a_model_does_not_take_are_named() -> None:
    table = parse(signals([n % 3 for n in range(40)], [n % 4 for n in range(40)]))
    with pytest.raises(ModelError, match="3 columns are channels, 'a', 'b', 'x', and the model takes 2"):
        as_series(table, channels=2)
    with pytest.raises(DataError, match="row 3, column 'b': '' is no number"):
        as_series(parse(signals([0, 5, 7], [1, 0, ""])), channels=2)


def test_channels_are_taken_by_their_names_whatever_their_order(call, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    time, one, other, more = np.arange(60), np.sin(np.arange(60) / 3), rng.normal(50, 5, 60), rng.normal(0, 1, 60)

    def written(name: str, header: str, *columns: np.ndarray) -> Path:
        rows = [",".join(f"{number:.4f}" for number in row) for row in np.stack(columns, axis=1)]
        (tmp_path / name).write_text("\n".join([header, *rows]) + "\n")
        return tmp_path / name

    def denoised(path: Path) -> tuple[dict[str, list[str]], str]:
        code, _, err = call("denoise", path, "-m", model, "-o", tmp_path / "out.csv", "--force")
        assert code == 0
        rows = [row.split(",") for row in (tmp_path / "out.csv").read_text().splitlines()]
        return {name: list(column) for name, *column in zip(*rows, strict=True)}, err

    learned, model = written("a.csv", "t,one,other", time, one, other), tmp_path / "m.safetensors"
    words = ("train", learned, "-o", model, "--as", "series", "--rate", 1, "--for", "denoise", "--steps", 5)
    assert call(*words)[0] == 0
    assert narrows.load(model).provenance["channels"] == ["one", "other"]
    wanted, said = denoised(learned)
    assert "by their names" not in said
    turned = written("b.csv", "other,more,t,one", other, more, time, one)
    found, said = denoised(turned)
    assert {name: found[name] for name in wanted} == wanted
    assert found["more"] == [f"{number:.4f}" for number in more]
    assert "left out, since the model has no channel of that name: 'more'" in said
    assert "left out, since they count the rows, as a clock does: 't'" in said
    assert "columns were taken by their names, in the order of training: 'one', 'other'" in said
    _, said = denoised(written("c.csv", "t,x,y", time, one, other))
    assert "columns were taken by their places, since the model has learned others: 'one', 'other'" in said


def test_a_model_that_learned_from_clocks_gets_them(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("step,x\n" + "".join(f"{n},{n * n % 5}\n" for n in range(20)))
    assert [open_series(table, channels=c).description.channels for c in (None, 1, 2)] == [1, 1, 2]


def test_a_model_that_no_file_needs_is_not_in_the_archive(call, table: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    words = ("train", waves(tmp_path / "w.csv"), "-o", model, "--as", "series", "--for", "compress", "--steps", 2)
    assert call(*words)[0] == 0
    code, _, err = call("compress", table, "-m", model, "-o", tmp_path / "t.narrows")
    assert code == 0, err
    assert "holds nothing to compress such files with" in err
    assert (tmp_path / "t.narrows").stat().st_size < 300


def test_signals_have_no_colour_to_give(call, table: Path, tmp_path: Path) -> None:
    words = ("train", table, "-o", tmp_path / "m.safetensors", "--as", "series", "--steps", 1)
    code, _, err = call(*words, "--for", "colourise")
    assert (code, "it is for pictures" in err) == (2, True), err


def test_a_code_along_a_signal_is_refused_as_such_when_samples_are_drawn(call, tmp_path: Path) -> None:
    signals = narrows.from_arrays(np.zeros((2, 900, 1), np.int16), kind="signals", rate=8000)
    narrows.build(signals.description, network="conv").save(tmp_path / "m.safetensors")
    code, _, err = call("sample", tmp_path / "m.safetensors", "-o", tmp_path / "x.npy")
    assert code == 2, err
    assert "image" not in err


def test_samples_of_a_model_that_is_left_out_are_not_said_to_be_exact_or_unknown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Compressed(Promise(3), False, "", 1, 9, [], unknown=1, unpaid=(1, 0), raw_bytes=9, archive_bytes=9)
    _tell(made, Rivals(), Path("x.narrows"), 1)
    assert "stored exactly" not in capsys.readouterr().err
    _tell(replace(made, unpaid=None), Rivals(), Path("x.narrows"), 1)
    assert "stored by general ways" in capsys.readouterr().err


def test_a_model_of_signals_takes_arrays_as_such(call, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wave = (900 * np.sin(np.arange(6000) / 9) + rng.normal(0, 20, 6000)).astype(np.int16)[:, None]
    np.save(tmp_path / "x.npy", wave)
    model = tmp_path / "m.safetensors"
    how = ("--as", "signals", "--for", "compress", "--promise", "quality", "--width", "16", "--steps", "3")
    assert call("train", tmp_path / "x.npy", "-o", model, *how)[0] == 0
    code, _, err = call("compress", tmp_path / "x.npy", "-m", model, "-o", tmp_path / "x.narrows", "--quality", "50")
    assert code == 0
    assert "not of a kind" not in err
    assert call("decompress", tmp_path / "x.narrows", "-o", tmp_path / "back")[0] == 0
    assert np.load(tmp_path / "back" / "x.npy").shape == wave.shape
