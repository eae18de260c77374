"""narrows find, show and embed: what they print, and one clear line for what they cannot do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.data.samples import Samples

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def refused(call: Call) -> Callable[..., str]:
    """Run a command that is refused in one line; the line."""

    def calling(*arguments: object) -> str:
        code, out, err = call(*arguments)
        assert (code, out) == (2, ""), err
        lines = [line for line in err.splitlines() if not line.startswith("note: ")]
        assert len(lines) == 1, err
        return lines[0]

    return calling


@pytest.fixture
def folder(digits: Samples, tmp_path: Path) -> Path:
    """Twelve digits in two classes; the first has a copy."""
    for index, image in enumerate([*digits.values[:11], digits.values[0]]):
        label = tmp_path / "photos" / ("even" if index % 2 == 0 else "odd")
        label.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(label / f"{index:02}.png")
    return tmp_path / "photos"


def test_neighbours_are_printed_with_names_and_distances(call: Call, model: Path, folder: Path) -> None:
    code, out, err = call("find", folder / "even" / "02.png", folder, "-m", model, "-k", 3, "-o", folder / "../s.png")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "02.png: nearest of 12 samples; the first has the same code"
    assert lines[1].split() == ["0", "even/02.png,", "label", "even"]
    assert len(lines) == 4
    assert (folder.parent / "s.png").stat().st_size > 1000


def test_several_queries_are_answered_one_after_another(
    call: Call, model: Path, digits: Samples, tmp_path: Path
) -> None:
    np.save(tmp_path / "q.npy", digits.values[:3])
    values = json.loads(call("find", tmp_path / "q.npy", "digits", "-m", model, "-k", 2, "--json")[1])
    assert values["samples"] == 1437
    assert [query["name"] for query in values["queries"]] == ["sample 0", "sample 1", "sample 2"]
    first = values["queries"][0]["neighbours"]
    assert first[0] == {"index": 0, "name": "sample 0", "label": 0, "distance": 0.0}
    assert len(first) == 2


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet"])
def test_a_file_of_codes_is_searched(suffix: str, call: Call, model: Path, folder: Path, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    codes = tmp_path / f"c{suffix}"
    assert call("embed", folder, "-m", model, "-o", codes)[0] == 0
    query = folder / "even" / "02.png"
    kept = call("find", query, codes, "-m", model, "-k", 3, "-o", tmp_path / "s.png")
    assert kept == call("find", query, folder, "-m", model, "-k", 3)
    assert call("find", "--duplicates", codes)[1] == call("find", "--duplicates", folder, "-m", model)[1]


def test_duplicates_are_listed_below_a_histogram(call: Call, model: Path, folder: Path) -> None:
    code, out, err = call("find", "--duplicates", folder, "-m", model, "--below", 0.001)
    assert code == 0, err
    assert "distances to the nearest neighbour" in out
    assert "below 0.001: as asked for" in out
    assert "1 group, 2 of 12 samples" in out
    assert out.splitlines()[-2:] == ["           0  even/00.png, label even", "           0  odd/11.png, label odd"]
    values = json.loads(call("find", "--duplicates", folder, "-m", model, "--json")[1])
    assert values["samples"] == sum(values["histogram"]["counts"]) == 12
    assert values["how"]


def test_samples_that_are_all_the_same_are_one_group(call: Call, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((9, 8, 8), 7, np.uint8))
    code, out, err = call("find", "--duplicates", tmp_path / "x.npy", "-m", model, "-o", tmp_path / "s.png")
    assert code == 0, err
    assert "1 group, 9 of 9 samples" in out


def test_calls_of_find_that_cannot_work_say_why(refused, model: Path, folder: Path, tmp_path: Path) -> None:
    query = folder / "even" / "02.png"
    np.save(tmp_path / "one.npy", np.zeros((1, 8, 8), np.uint8))
    np.save(tmp_path / "wide.npy", np.zeros((2, 9, 9), np.uint8))
    np.save(tmp_path / "vectors.npy", np.zeros((2, 64), np.uint8))
    np.save(tmp_path / "nan.npy", np.full((2, 4), np.nan, np.float32))
    np.save(tmp_path / "narrow.npy", np.zeros((2, 3), np.float32))
    for name in ("nan", "narrow"):
        (tmp_path / f"{name}.names.txt").write_text("a\nb\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("a letter")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    calls: dict[tuple[object, ...], str] = {
        (query, folder, "-k", 13): "k 13 was given; allowed is a whole number from 1 to 12",
        (query, folder, "-k", 0): "allowed is a whole number from 1 to 12",
        (query,): "number of inputs 1 was given; give QUERY and DATA, or DATA alone with --duplicates",
        (query, folder, "--duplicates"): "give DATA with --duplicates",
        (query, folder, "--below", 1): "--below was given without --duplicates",
        (folder, "--duplicates", "-k", 3): "-k was given with --duplicates",
        (query, folder, "-o", tmp_path / "s.jpg"): "pictures are written as .png",
        (tmp_path / "wide.npy", folder): "do not fit this model",
        (tmp_path / "vectors.npy", folder): "do not fit this model",
        (tmp_path / "text.png", folder): "not an image",
        (query, tmp_path / "empty"): "no image in this folder",
        (query, tmp_path / "nothing"): "no such file or folder",
        (query, tmp_path / "nan.npy"): "NaN or infinity in the code of a",
        (query, tmp_path / "narrow.npy"): "codes of 3 numbers were given, and those of the query have 4",
        (query, tmp_path / "table.csv"): "no column code_0",
        ("--duplicates", tmp_path / "one.npy"): "one sample was given; at least two are needed",
        ("--duplicates", folder, "--below", -1): "below -1.0 was given",
    }
    for arguments, words in calls.items():
        assert words in refused("find", "-m", model, *arguments), arguments
    assert "no model was given; give -m" in refused("find", query, folder)
    assert "samples were given and no model" in refused("find", "--duplicates", folder)
    assert not (tmp_path / "s.jpg").exists()


def test_models_without_a_code_and_codes_of_another_model_are_refused(
    call: Call, refused, model: Path, digits: Samples, folder: Path, tmp_path: Path
) -> None:
    query = folder / "even" / "02.png"
    narrows.build(digits.description, purpose="exact").save(tmp_path / "exact")
    assert "has no code" in refused("find", query, folder, "-m", tmp_path / "exact")
    assert "has no code" in refused("find", query, folder, "-m", "photo-denoise")
    assert "has no code" in refused("embed", folder, "-m", tmp_path / "exact", "-o", tmp_path / "c.npy")
    narrows.build(digits.description, "lesson-linear", 4).save(tmp_path / "other")
    assert call("embed", folder, "-m", tmp_path / "other", "-o", tmp_path / "c.npy")[0] == 0
    for arguments in ((query, tmp_path / "c.npy"), ("--duplicates", tmp_path / "c.npy")):
        assert "are those of another model" in refused("find", "-m", model, *arguments)


def test_names_with_strange_bytes_are_printed_and_drawn(call: Call, model: Path, folder: Path) -> None:
    try:
        (folder / "even" / "02.png").rename(os.fsdecode(os.fsencode(folder) + b"/even/caf\xe9\n$x_1$.png"))
    except OSError:
        pytest.skip("no such names here")
    code, out, err = call("find", folder, folder, "-m", model, "-k", 2, "-o", folder.parent / "s.png")
    assert code == 0, err
    assert "even/caf\ufffd\ufffd$x_1$.png" in out
    assert call("show", folder, "-o", folder.parent / "t.png")[0] == 0
    for suffix in (".npy", ".csv"):
        assert call("embed", folder, "-m", model, "-o", folder.parent / f"c{suffix}")[0] == 0
        code, out, err = call("find", folder, folder.parent / f"c{suffix}", "-m", model, "-k", 2)
        assert code == 0, err
    json.loads(call("find", folder, folder, "-m", model, "-k", 2, "--json")[1])


def test_images_that_differ_in_size_are_compared(call: Call, pictures: Samples, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for index, image in enumerate(pictures.values):
        Image.fromarray(image).save(tmp_path / "photos" / f"{index}.png")
    assert call("train", tmp_path / "photos", "-o", tmp_path / "m", "--steps", 2, "--crop", 32, "--code", 6)[0] == 0
    Image.fromarray(pictures.values[0][:40, :40]).save(tmp_path / "q.png")
    code, out, err = call("find", tmp_path / "q.png", tmp_path / "photos", "-m", tmp_path / "m")
    assert code == 0, err
    assert len(out.splitlines()) == 11


def test_embed_writes_labels_components_and_a_scatter(call: Call, model: Path, folder: Path, tmp_path: Path) -> None:
    arguments = ("embed", folder, "-m", model, "--pca", 2)
    code, _, err = call(*arguments, "-o", tmp_path / "c.csv", "--scatter", tmp_path / "c.png")
    assert code == 0, err
    assert "principal components of 4 numbers, " in err
    assert (tmp_path / "c.csv").read_text().startswith("name,label,component_0,component_1\neven/00.png,even,")
    assert (tmp_path / "c.png").stat().st_size > 1000
    values = json.loads(call(*arguments, "-o", tmp_path / "c.npy", "--json")[1])
    assert (values["rows"], values["columns"]) == (12, 2)
    assert 0 < sum(values["explained_variance"]) <= 1.001
    assert (tmp_path / "c.labels.txt").read_text().split() == ["even"] * 6 + ["odd"] * 6


def test_calls_of_embed_that_cannot_work_say_why(refused, model: Path, folder: Path, tmp_path: Path) -> None:
    given = ("embed", folder, "-m", model)
    assert "pca 5 was given; allowed is a whole number from 1 to 4" in refused(
        *given, "-o", tmp_path / "c.npy", "--pca", 5
    )
    assert "from 1 to 4" in refused(*given, "-o", tmp_path / "c.npy", "--pca", 0)
    assert ".npy, .csv, .parquet" in refused(*given, "-o", tmp_path / "c.txt")
    assert "pictures are written as .png" in refused(
        *given, "-o", tmp_path / "c.npy", "--scatter", tmp_path / "c.pdf"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_show_tells_what_data_are(call: Call, folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("hello")
    code, out, err = call("show", folder, "-o", tmp_path / "s.png", "-n", 5)
    assert code == 0, err
    assert "12" in out
    assert "images 8x8, grey" in out
    assert "even (6), odd (6)" in out
    assert "left out" in err
    assert (tmp_path / "s.png").stat().st_size > 1000
    assert json.loads(call("show", folder, "--json")[1])["labels"] == {"even": 6, "odd": 6}


def test_show_tells_the_columns_of_a_table(call: Call, refused, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size,kind\n1,a\n2.5,b\n,a\n4,b\n")
    code, out, _ = call("show", tmp_path / "t.csv")
    assert code == 0
    assert "4 rows, 2 columns" in out
    assert "1 to 4" in out
    assert json.loads(call("show", tmp_path / "t.csv", "--json")[1])["columns"][0]["missing"] == 1
    assert "a table is shown as text; leave out -o" in refused("show", tmp_path / "t.csv", "-o", tmp_path / "s.png")


def test_calls_of_show_that_cannot_work_say_why(refused, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("a letter")
    assert "no image in this folder" in refused("show", tmp_path / "empty")
    assert "not an image" in refused("show", tmp_path / "text.png")
    for count in (0, 301):
        assert "allowed is a whole number from 1 to 300" in refused("show", "digits", "-n", count)
