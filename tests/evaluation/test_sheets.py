"""Sheets of samples and scatters show what they say, whatever the samples are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

import narrows
from narrows.data.samples import Samples, from_arrays
from narrows.evaluation import figures, sheets
from narrows.evaluation.scatter import scatter
from narrows.tasks.duplicates import duplicates
from narrows.tasks.embed import Codes, embed
from narrows.tasks.find import Searched, find
from narrows.tasks.show import Summary, show


def words(figure: Figure) -> list[str]:
    every = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return [" ".join(text.get_text().split()) for text in every]


def pictures_in(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.findobj(AxesImage)]


@pytest.fixture(scope="module")
def model(digits: Samples) -> narrows.Model:
    made = narrows.build(digits.description, "dense", 8)
    list(narrows.fit(made, digits, narrows.Settings(steps=5)))
    return made


def summary_of(data: object) -> Summary:
    summary = show(data)
    assert isinstance(summary, Summary)
    return summary


def test_a_sheet_of_data_has_names_sizes_and_labels(pictures: Samples) -> None:
    figure = sheets.samples(summary_of("digits"), 24)
    assert len(pictures_in(figure)) == 24
    assert {"sample 0", "sample 1436"} <= set(words(figure))
    assert sum(text.startswith("label ") for text in words(figure)) == 24
    figure = sheets.samples(summary_of(pictures), 100)
    assert len(pictures_in(figure)) == 12
    first = pictures.values[0]
    assert f"{first.shape[1]}x{first.shape[0]}" in words(figure)


@pytest.mark.parametrize("shape", [(3, 7), (3, 200), (2, 9, 9, 2), (2, 9, 9, 4), (1, 900, 1300, 3)])
def test_samples_of_every_kind_are_drawn(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    figure = sheets.samples(summary_of(values))
    assert all(max(picture.shape) <= 2 * sheets.SIDE for picture in pictures_in(figure))
    figures.save(figure, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_neighbours_stand_beside_their_query(model: narrows.Model, digits: Samples, tmp_path: Path) -> None:
    found = find(model, digits.take(np.arange(3)), "digits", 5)
    figure = sheets.neighbours(found)
    drawn = pictures_in(figure)
    assert len(drawn) == 3 * 6
    np.testing.assert_array_equal(drawn[0], drawn[1])  # a query in the set is its own nearest
    assert words(figure).count("query") == 3
    assert words(figure).count("sample 0") >= 2
    assert "0, label 0" in words(figure)


def test_of_very_many_queries_some_are_drawn_and_it_says_so(model: narrows.Model) -> None:
    figure = sheets.neighbours(find(model, "digits", "digits", 10))
    assert len(pictures_in(figure)) == sheets.MOST
    assert "to each of 30 of 360 queries" in " ".join(words(figure))


def test_duplicates_stand_below_a_histogram(model: narrows.Model, digits: Samples, tmp_path: Path) -> None:
    values = np.concatenate([digits.values[:40], digits.values[:2]])
    codes = embed(model, from_arrays(values))
    figure = sheets.alike(duplicates(codes), Searched(codes, from_arrays(values)))
    assert len(pictures_in(figure)) == 4
    assert "distance to the nearest neighbour" in words(figure)
    alone = sheets.alike(duplicates(codes, 1e9), Searched(codes, from_arrays(values)))
    assert len(pictures_in(alone)) == 42
    none = from_arrays(digits.values[:5])
    codes = embed(model, none)
    figures.save(sheets.alike(duplicates(codes), Searched(codes, none)), tmp_path / "none.png")
    equal = from_arrays(np.zeros((4, 8, 8), np.uint8))
    codes = embed(model, equal)
    figures.save(sheets.alike(duplicates(codes), Searched(codes, equal)), tmp_path / "equal.png")


def test_strange_names_are_drawn(tmp_path: Path, model: narrows.Model, digits: Samples) -> None:
    names = ("caf\udce9.png", "two\nlines.png", "$a_b$.png", "\u4e2d" * 80)
    few = Samples(digits.values[:4], digits.description, names=names)
    figures.save(sheets.samples(summary_of(few)), tmp_path / "a.png")
    figures.save(sheets.neighbours(find(model, few, few)), tmp_path / "b.png")


def test_a_scatter_shows_images_that_do_not_overlap(model: narrows.Model, digits: Samples) -> None:
    figure = scatter(embed(model, digits), digits)
    boxes = np.array([image.get_extent() for image in figure.findobj(AxesImage)])
    assert 50 < len(boxes) <= 600
    for left, right, bottom, top in boxes:
        inside = (boxes[:, 0] < right) & (boxes[:, 1] > left) & (boxes[:, 2] < top) & (boxes[:, 3] > bottom)
        assert inside.sum() == 1
    assert "of the variance" in figure.axes[0].get_xlabel()
    key = figure.axes[0].get_legend()
    assert [text.get_text() for text in key.get_texts()] == list(map(str, range(10)))


def test_other_samples_and_few_numbers_are_points(digits: Samples, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = Samples(digits.values[:50, :, 0, 0], from_arrays(digits.values[:50, :, 0, 0]).description)
    codes = Codes(rng.normal(size=(50, 3)).astype(np.float32), labels=digits.labels[:50])
    assert not pictures_in(scatter(codes, vectors))
    for rows in (np.zeros((50, 3)), rng.normal(size=(50, 1)), rng.normal(size=(50, 2))):
        some = Codes(rows.astype(np.float32))
        figures.save(scatter(some, digits.take(np.arange(50))), tmp_path / "a.png")
    figures.save(scatter(Codes(np.zeros((1, 3), np.float32)), digits.take(np.arange(1))), tmp_path / "b.png")
