"""`outliers`, `sample` and `walk` on the command line: what they write, and what they refuse."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.cli.main import run
from narrows.data.samples import Samples
from narrows.errors import DataError


def trained(folder: Path, *arguments: object) -> Path:
    path = folder / "m.safetensors"
    with pytest.raises(SystemExit) as caught:
        run(["train", *map(str, arguments), "-o", str(path), "--threads", "1", "--force"])
    assert not caught.value.code
    return path


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reconstructs digits."""
    folder = tmp_path_factory.mktemp("taught")
    return trained(folder, "digits", "--network", "dense", "--code", 6, "--steps", 80)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with two odd rows, beside a model `m.safetensors` of its rows."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    kinds = rng.choice(["cat", "horse"], 200)
    lines = [f"{kind},{(5 if kind == 'cat' else 500) * rng.uniform(0.8, 1.2):.1f}" for kind in kinds]
    lines[17], lines[60] = "cat,480.0", "horse,5.0"
    lines[90] = "cat,"
    (folder / "t.csv").write_text("\n".join(["kind,weight", *lines, ""]))
    trained(folder, folder / "t.csv", "--steps", 150)
    return folder / "t.csv"


def test_outliers_are_listed_and_all_scores_are_kept(call, taught: Path, tmp_path: Path) -> None:
    code, out, err = call("outliers", "digits", "-m", taught, "-o", tmp_path / "s.csv", "--false-alarms", 0.05)
    assert code == 0
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert len(rows) == 360
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    odd = [row["name"] for row in rows if row["odd"] == "yes"]
    assert f"{len(odd)} of 360 samples are odd" in err
    assert [line.split()[-1] for line in out.splitlines()] == odd[:20]
    code, out, _ = call("outliers", "digits", "-m", taught, "--json", "--false-alarms", 0.05)
    found = json.loads(out)
    assert (code, found["samples"], found["odd"]) == (0, 360, len(odd))
    code, _, err = call("outliers", "digits", "-m", taught, "-o", tmp_path / "s.csv")
    assert code == 2
    assert "--force" in err


def test_odd_rows_of_a_table_are_found(call, table: Path, tmp_path: Path) -> None:
    model = table.with_name("m.safetensors")
    code, out, _ = call("outliers", table, "-m", model, "-o", tmp_path / "s.csv", "--false-alarms", 0.05)
    assert code == 0
    assert "row 18" in out
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert {row["name"] for row in rows[:3]} == {"row 18", "row 61", "row 91"}  # the last lacks a cell


def test_new_rows_of_a_table_are_a_table(call, table: Path, tmp_path: Path) -> None:
    code, _, err = call("sample", table.with_name("m.safetensors"), "-n", 30, "-o", tmp_path / "new")
    assert code == 0
    assert "as good as copies" in err
    rows = list(csv.reader((tmp_path / "new" / "samples.csv").read_text().splitlines()))
    assert rows[0] == ["kind", "weight"]
    assert len(rows) == 31
    assert {kind for kind, _ in rows[1:]} <= {"cat", "horse"}


def test_rows_of_a_table_are_embedded_and_found(call, table: Path, tmp_path: Path) -> None:
    model = table.with_name("m.safetensors")
    assert call("embed", table, "-m", model, "-o", tmp_path / "c.csv")[0] == 0
    (tmp_path / "q.csv").write_text("kind,weight\ncat,480.0\n")
    for searched in (table, tmp_path / "c.csv"):
        code, out, _ = call("find", tmp_path / "q.csv", searched, "-m", model, "-k", 1)
        assert code == 0
        assert "row 18" in out
    (tmp_path / "turned.csv").write_text("weight,kind\n480.0,cat\n5.0,horse\n")
    code, _, err = call("find", tmp_path / "q.csv", tmp_path / "turned.csv", "-m", model, "-k", 1)
    assert code == 2
    assert "the columns are in another order" in err


def test_a_model_of_rows_is_measured_on_a_table(call, table: Path, tmp_path: Path) -> None:
    model = table.with_name("m.safetensors")
    code, out, err = call("evaluate", model, table, "-o", tmp_path / "e", "--json")
    assert code == 0, err
    assert json.loads(out)["samples"] == 200
    assert (tmp_path / "e" / "odd.png").is_file()
    code, _, err = call("evaluate", model, "digits", "-o", tmp_path / "e")
    assert code == 2
    assert "no table, and the model is for rows of 2 columns" in err


def test_codes_of_rows_say_what_can_be_drawn(call, table: Path, tmp_path: Path) -> None:
    model = table.with_name("m.safetensors")
    assert call("embed", table, "-m", model, "-o", tmp_path / "c.npy")[0] == 0
    code, _, err = call("find", table, tmp_path / "c.npy", "-m", model, "-o", tmp_path / "f.png")
    assert code == 2
    assert f"holds codes only; give {table} in its place" in err
    with pytest.raises(DataError, match="a table, which goes with models of tables"):
        narrows.open_samples(table)


def test_new_digits_are_pictures_and_a_sheet(call, taught: Path, tmp_path: Path) -> None:
    code, out, _ = call("sample", taught, "-n", 5, "-o", tmp_path / "new", "--json", "--seed", 4)
    assert code == 0
    found = json.loads(out)
    assert (found["samples"], found["files"]) == (5, 5)
    assert found["copies"] <= 1
    assert {p.name for p in (tmp_path / "new").iterdir()} == {*(f"00{i}.png" for i in range(5)), "sheet.png"}
    first = np.asarray(Image.open(tmp_path / "new" / "000.png"))
    assert first.shape == (8, 8)
    near = ("sample", taught, "-n", 2, "--near", tmp_path / "new" / "000.png", "--far", 0)
    code, _, err = call(*near, "-o", tmp_path / "near", "--beside", "digits")
    assert code == 0, err
    again = np.asarray(Image.open(tmp_path / "near" / "001.png")).astype(int)
    assert np.abs(again - first).max() <= 60  # through the code once more
    code, _, err = call("sample", taught, "-o", tmp_path / "new")
    assert code == 2
    assert "it is there already" in err


def test_a_walk_is_pictures_and_a_sheet(call, taught: Path, tmp_path: Path) -> None:
    assert call("sample", taught, "-n", 2, "-o", tmp_path / "new")[0] == 0
    ends = [tmp_path / "new" / f"00{i}.png" for i in range(2)]
    code, _, err = call("walk", *ends, "-m", taught, "-o", tmp_path / "way", "--steps", 4)
    assert code == 0
    assert "4 samples from 000.png to 001.png" in err
    assert len(list((tmp_path / "way").iterdir())) == 5


def test_evaluate_draws_the_odd_ones(call, taught: Path, tmp_path: Path) -> None:
    assert call("evaluate", taught, "digits", "-o", tmp_path / "e")[0] == 0
    assert (tmp_path / "e" / "odd.png").is_file()


def test_new_vectors_are_an_array(call, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(60, 5)))
    model = trained(tmp_path, tmp_path / "v.npy", "--steps", 20)
    assert call("sample", model, "-n", 7, "-o", tmp_path / "new")[0] == 0
    assert np.load(tmp_path / "new" / "samples.npy").shape == (7, 5)


def test_exact_models_draw_digits(call, tmp_path: Path) -> None:
    options = ("--for", "compress", "--promise", "max-error", "--steps", 5)
    model = trained(tmp_path, "digits", *options)
    code, _, err = call("sample", model, "-n", 3, "-o", tmp_path / "new")
    assert code == 0, err
    assert len(list((tmp_path / "new").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("outliers", "digits", "-m", "{own}", "-o", "s.txt"), "scores are written as .csv"),
        (("outliers", "digits", "-m", "{own}", "--false-alarms", "0"), "above 0 and below 1"),
        (("outliers", "digits", "-m", "{own}", "--false-alarms", "nan"), "false alarms"),
        (("outliers", "{vectors}", "-m", "{own}"), "do not fit this model"),
        (("outliers", "{table}", "-m", "{own}"), "a table was given to a model for images 8x8"),
        (("outliers", "digits", "-m", "{rows}"), "is no table"),
        (("outliers", "{other}", "-m", "{rows}"), "does not fit this model: no column 'kind'"),
        (("outliers", "{nan}", "-m", "{own}"), "NaN or infinity"),
        (("outliers", "digits", "-m", "photo-denoise"), "a model to denoise was given"),
        (("sample", "photo-upscale-2", "-o", "{new}"), "a model to upscale was given"),
        (("sample", "photo-compress", "-o", "{new}"), "codes at a quality only"),
        (("sample", "photo-exact", "-o", "{new}"), "images of differing sizes"),
        (("sample", "{own}", "-n", "0", "-o", "{new}"), "count 0 was given"),
        (("sample", "{own}", "-o", "{new}", "--near", "{vectors}"), "do not fit this model"),
        (("sample", "{own}", "-o", "{new}", "--near", "{text}"), "text.png"),
        (("sample", "{own}", "-o", "{new}", "--near", "{one}", "--far", "-1"), "far -1.0 was given"),
        (("sample", "{own}", "-o", "{new}", "--near", "digits"), "samples were given near"),
        (("sample", "{own}", "-o", "{new}", "--beside", "{vectors}"), "do not fit this model"),
        (("walk", "{one}", "{large}", "-m", "{own}", "-o", "{new}"), "do not fit this model"),
        (("walk", "{one}", "{one}", "-m", "{own}", "-o", "{new}", "--steps", "1"), "steps 1 was given"),
        (("walk", "{one}", "{one}", "-m", "photo-denoise", "-o", "{new}"), "a model to denoise was given"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    call, arguments, words: str, taught: Path, table: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "vectors.npy", np.zeros((4, 5)))
    np.save(tmp_path / "nan.npy", np.full((4, 8, 8), np.nan))
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    Image.new("L", (9, 9)).save(tmp_path / "large.png")
    places = {"own": taught, "rows": table.with_name("m.safetensors"), "table": table, "new": tmp_path / "new"}
    places |= {name: tmp_path / f"{name}.npy" for name in ("vectors", "nan")}
    places |= {"text": tmp_path / "text.png", "other": tmp_path / "other.csv"}
    places |= {name: tmp_path / f"{name}.png" for name in ("one", "large")}
    code, out, err = call(*(str(word).format(**places) for word in arguments))
    assert code == 2, err
    assert out == ""
    assert words in err
    assert err.strip().count("\n") == 0 or err.startswith(("note:", "reading"))
    assert not (tmp_path / "new").exists()


def test_a_model_from_before_says_what_to_do(call, digits: Samples, tmp_path: Path) -> None:
    model = narrows.build(digits.description, "dense", 4)
    list(narrows.fit(model, digits, narrows.Settings(steps=2)))
    model.save(tmp_path / "m")
    code, _, err = call("outliers", "digits", "-m", tmp_path / "m")
    assert code == 2
    assert "train it again with 'narrows train'" in err
