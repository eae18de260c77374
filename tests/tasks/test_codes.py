"""Codes come back from files as they were, with names, labels and the encoder that made them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.data.samples import Samples
from narrows.errors import DataError, OutputError, SettingsError
from narrows.tasks import codes as module
from narrows.tasks.codes import check_codes_path, is_codes, read_codes, source_of, write_codes
from narrows.tasks.embed import Codes, embed, encoder_of, reduced

SUFFIXES = [".npy", ".csv", ".parquet"]
STRANGE = ("plain.png", "with, comma.png", 'a "quote".png', "caf\udce9.png", "two\nlines.png", "a\u2028b.png", "")


@pytest.fixture
def codes() -> Codes:
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    return Codes(rows, STRANGE, np.array([3, 1, 4, 1, 5, 9, 2]), "digits:train", "ab" * 32)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_codes_come_back(suffix: str, codes: Codes, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"c{suffix}"
    write_codes(path, codes)
    assert is_codes(path)
    again = read_codes(path)
    np.testing.assert_array_equal(again.rows, codes.rows)
    np.testing.assert_array_equal(again.labels, codes.labels)
    assert again.labels.dtype.kind == "i"
    assert again.names is not None
    assert again.names[:3] == STRANGE[:3]
    assert again.names[5:] == STRANGE[5:]
    assert (again.encoder, again.components, source_of(path)) == ("ab" * 32, 0, "digits:train")
    if suffix == ".npy":
        assert again.names[3] == STRANGE[3]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_samples_without_names_have_none_afterwards(suffix: str, codes: Codes, tmp_path: Path) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    bare = Codes(codes.rows, labels=np.array(["cat", "d\udc80g", *"abcde"]))
    write_codes(tmp_path / f"c{suffix}", bare)
    again = read_codes(tmp_path / f"c{suffix}")
    assert again.names is None
    assert again.labels.tolist()[0] == "cat"
    assert again.called(4) == "sample 4"


def test_nothing_of_earlier_codes_stays_beside_new_ones(codes: Codes, tmp_path: Path) -> None:
    path = tmp_path / "c.npy"
    write_codes(path, codes)
    assert {each.name for each in tmp_path.iterdir()} == {"c.npy", "c.names.txt", "c.labels.txt", "c.npy.json"}
    write_codes(path, replace(codes, names=None, labels=None))
    assert {each.name for each in tmp_path.iterdir()} == {"c.npy", "c.npy.json"}


def test_what_stands_beside_codes_is_not_replaced(codes: Codes, tmp_path: Path) -> None:
    for beside in ("c.names.txt", "c.labels.txt", "c.npy.json"):
        (tmp_path / beside).write_text("mine")
        with pytest.raises(OutputError, match=beside):
            check_codes_path(tmp_path / "c.npy")
        (tmp_path / beside).unlink()
    with pytest.raises(SettingsError, match=r"\.npy, \.csv, \.parquet"):
        check_codes_path(tmp_path / "c.txt")


def test_nothing_is_left_where_a_part_cannot_be_written(
    codes: Codes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OutputError(f"{path}: cannot be written")

    monkeypatch.setattr(module, "write_file", full)
    with pytest.raises(OutputError):
        write_codes(tmp_path / "c.npy", codes)
    assert not list(tmp_path.iterdir())


def test_content_that_is_not_codes_is_refused(codes: Codes, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("name,code_0\na,1\nb\n")
    (tmp_path / "c.csv").write_text("name,code_0\na,one\n")
    (tmp_path / "d.csv").write_bytes(b"\xff\xfe")
    (tmp_path / "e.csv").write_text("name,code_0\na,1\nb,nan\n")
    np.save(tmp_path / "f.npy", np.zeros((3, 4, 4), np.uint8))
    np.save(tmp_path / "g.npy", codes.rows)
    np.save(tmp_path / "h.npy", codes.rows)
    (tmp_path / "f.names.txt").write_text("a\nb\nc\n")
    (tmp_path / "g.names.txt").write_text("a\nb\n")
    (tmp_path / "h.npy.json").write_text("[")
    words = {
        "a.csv": "no column code_0",
        "b.csv": "no codes can be read",
        "c.csv": "not all codes in it are numbers",
        "d.csv": "no codes can be read",
        "e.csv": "NaN or infinity in the code of b",
        "f.npy": "is not codes",
        "g.npy": "2 lines for 7 codes",
        "h.npy": "its record h.npy.json is damaged",
    }
    for name, said in words.items():
        assert is_codes(tmp_path / name)
        with pytest.raises(DataError, match=said):
            read_codes(tmp_path / name)


def test_an_array_alone_is_samples_and_not_codes(codes: Codes, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", codes.rows)
    assert not is_codes(tmp_path / "x.npy")
    assert not is_codes("digits")
    (tmp_path / "x.names.txt").write_text("\n".join("abcdefg") + "\n")
    assert read_codes(tmp_path / "x.npy").encoder == ""


def test_a_record_holds_where_samples_are_whatever_the_folder(digits: Samples, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", digits.values[:5])
    model = narrows.build(digits.description, "lesson-linear", 4)
    assert embed(model, narrows.open_samples("x.npy")).source == str(tmp_path / "x.npy")
    assert embed(model, digits).source == "digits:train"


def test_half_of_a_model_makes_codes_of_the_whole(digits: Samples, tmp_path: Path) -> None:
    model = narrows.build(digits.description, "lesson-linear", 4)
    model.save_half(tmp_path / "half", "encoder")
    assert encoder_of(narrows.load(tmp_path / "half")) == encoder_of(model)


def test_components_are_those_of_scikit_learn_and_say_what_they_explain(codes: Codes) -> None:
    from sklearn.decomposition import PCA

    fewer, shares = reduced(codes, 2)
    pca = PCA(2).fit(codes.rows)
    np.testing.assert_allclose(np.abs(fewer.rows), np.abs(pca.transform(codes.rows)), atol=1e-5)
    np.testing.assert_allclose(shares, pca.explained_variance_ratio_, rtol=1e-5)
    assert fewer.components == 2
    with pytest.raises(SettingsError, match="from 1 to 3"):
        reduced(codes, 4)
    constant, shares = reduced(replace(codes, rows=np.ones((7, 3), np.float32)), 2)
    assert shares == (0.0, 0.0)
    assert not constant.rows.any()


def test_the_record_of_csv_is_json(codes: Codes, tmp_path: Path) -> None:
    write_codes(tmp_path / "c.csv", codes)
    record = json.loads((tmp_path / "c.csv.json").read_text())
    assert record == {"encoder": "ab" * 32, "source": "digits:train", "components": 0}


def test_labels_of_very_many_digits_stay_words(tmp_path: Path) -> None:
    labels = np.array(["7", "1" * 5000])
    write_codes(tmp_path / "codes.csv", Codes(np.zeros((2, 3), np.float32), labels=labels))
    assert read_codes(tmp_path / "codes.csv").labels.tolist() == labels.tolist()
