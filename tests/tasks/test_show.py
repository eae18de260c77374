"""Looking at data tells what they are, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narrows.errors import DataError
from narrows.tasks.show import Summary, TableSummary, show


def test_images_are_told_by_size_range_and_label() -> None:
    summary = show("digits")
    assert isinstance(summary, Summary)
    values = summary.to_json()
    assert (values["samples"], values["shape"], values["dtype"]) == (1437, [8, 8, 1], "uint8")
    assert (values["low"], values["high"]) == (0, 255)
    assert sum(values["labels"].values()) == 1437
    said = dict(summary.lines())
    assert said["each"] == "images 8x8, grey"
    assert said["10 labels"].startswith("0 (143), 1 (")


def test_folders_tell_sizes_classes_and_what_was_left_out(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.fromarray(np.full((5 + i, 9, 3), 10 * i, np.uint8)).save(tmp_path / label / f"{i}.png")
    (tmp_path / "notes.txt").write_text("hello")
    summary = show(tmp_path)
    assert isinstance(summary, Summary)
    said = dict(summary.lines())
    assert said["each"] == "images of differing sizes, RGB, 9x5 to 9x7"
    assert said["values"] == "uint8, 0 to 20"
    assert said["2 labels"] == "cat (3), dog (3)"
    assert any("left out" in note and "notes.txt" in note for note in summary.notes)
    assert summary.to_json()["shape"] == [None, None, 3]


def test_many_labels_are_counted_and_the_first_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", samples=np.zeros((60, 3)), labels=np.arange(60) % 30)
    summary = show(tmp_path / "x.npz")
    assert isinstance(summary, Summary)
    said = dict(summary.lines())
    assert said["each"] == "vectors of 3 values"
    assert said["30 labels"].endswith("and 10 more")
    assert any("all values are 0" in note for note in summary.notes)


def test_tables_tell_their_columns(tmp_path: Path) -> None:
    rows = [f"{i},{i / 4 if i % 3 else ''},{'even' if i % 2 == 0 else 'odd'},words {i}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["count,part,kind,text", *rows]) + "\n")
    summary = show(tmp_path / "t.csv")
    assert isinstance(summary, TableSummary)
    assert summary.rows_of_columns() == (
        ("count", "number", "0 to 29, whole", "0"),
        ("part", "number", "0.25 to 7.25", "10"),
        ("kind", "category", "2: even, odd", "0"),
        ("text", "text", "", "0"),
    )
    values = summary.to_json()
    assert (values["kind"], values["rows"]) == ("table", 30)
    assert values["columns"][2] == {
        "name": "kind",
        "kind": "category",
        "categories": ["even", "odd"],
        "missing": 0,
    }
    assert any("free text" in note for note in summary.notes)


def test_empty_folders_and_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image in this folder"):
        show(tmp_path)
    (tmp_path / "a.png").write_text("a letter")
    with pytest.raises(DataError, match="not an image"):
        show(tmp_path)
