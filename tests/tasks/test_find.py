"""The samples found are those whose codes are nearest, whatever form queries and data are given in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import NearestNeighbors

import narrows
from narrows.data.samples import Samples
from narrows.errors import DataError, ModelError, SettingsError
from narrows.evaluation import sheets
from narrows.tasks.codes import write_codes
from narrows.tasks.embed import embed, reduced
from narrows.tasks.find import find


@pytest.fixture(scope="module")
def model(digits: Samples) -> narrows.Model:
    made = narrows.build(digits.description, "dense", 8)
    list(narrows.fit(made, digits, narrows.Settings(steps=20)))
    return made


@pytest.fixture(scope="module")
def conv(pictures: Samples) -> narrows.Model:
    made = narrows.build(pictures.description, "conv", 6)
    list(narrows.fit(made, pictures, narrows.Settings(steps=2, crop=32)))
    return made


@pytest.fixture
def folder(pictures: Samples, tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for index, image in enumerate(pictures.values):
        Image.fromarray(image).save(tmp_path / "photos" / f"p{index:02}.png")
    return tmp_path / "photos"


def test_neighbours_of_digits_are_those_of_scikit_learn(model: narrows.Model, digits: Samples) -> None:
    found = find(model, "digits", "digits", 5)
    codes, queries = (model.encode(narrows.open_samples("digits", part).values) for part in ("train", "test"))
    distances, indices = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(codes).kneighbors(queries)
    assert (found.neighbours.indices == indices).mean() > 0.999  # but for ties
    np.testing.assert_allclose(found.neighbours.distances, distances, rtol=1e-3)
    right = digits.labels[found.neighbours.indices[:, 0]] == narrows.open_samples("digits", "test").labels
    assert right.mean() > 0.9


def test_a_query_that_is_in_the_set_finds_itself_at_distance_0(conv: narrows.Model, folder: Path) -> None:
    found = find(conv, folder / "p03.png", folder)
    values = found.to_json()
    assert values["samples"] == 12
    assert len(values["queries"][0]["neighbours"]) == 10
    assert values["queries"][0]["neighbours"][0] == {"index": 3, "name": "p03.png", "distance": 0.0}


def test_without_k_all_samples_of_a_small_set_are_found(model: narrows.Model, digits: Samples) -> None:
    assert find(model, digits.values[:2], digits.values[:4]).neighbours.indices.shape == (2, 4)


def test_images_of_one_size_are_compared_with_others_by_the_means_of_channels(
    conv: narrows.Model, pictures: Samples
) -> None:
    one = np.stack([image[:64, :64] for image in pictures.values])
    other = np.stack([image[:48, :56] for image in pictures.values])
    found = find(conv, one[:3], other, 1)
    assert found.searched.codes.rows.shape == (12, 6)


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet"])
def test_a_file_of_codes_gives_the_same_neighbours_and_pictures(
    suffix: str, conv: narrows.Model, folder: Path, tmp_path: Path
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"codes{suffix}"
    write_codes(path, embed(conv, narrows.open_samples(folder)))
    kept, whole = find(conv, folder / "p03.png", path, 4), find(conv, folder / "p03.png", folder, 4)
    assert kept.to_json() == whole.to_json()
    assert kept.notes == ()
    assert [image.tolist() for image in kept.searched.values([3, 1])] == [
        np.asarray(Image.open(folder / name)).tolist() for name in ("p03.png", "p01.png")
    ]
    sheets.neighbours(kept)
    (folder / "p03.png").unlink()
    with pytest.raises(DataError, match="holds codes only, and no pictures can be drawn"):
        kept.searched.values([3])


def test_codes_of_arrays_find_their_samples_again(model: narrows.Model, digits: Samples, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", digits.values[:30])
    write_codes(tmp_path / "c.npy", embed(model, narrows.open_samples(tmp_path / "x.npy")))
    found = find(model, digits.values[:1], tmp_path / "c.npy", 1)
    np.testing.assert_array_equal(found.searched.values([7])[0], digits.values[7])
    np.save(tmp_path / "x.npy", digits.values[:20])
    with pytest.raises(DataError, match=r"codes of 30 samples, and .* has 20 now"):
        found.searched.values([7])


def test_codes_of_another_model_are_refused(model: narrows.Model, digits: Samples, tmp_path: Path) -> None:
    other = narrows.build(digits.description, "lesson-linear", 8)
    write_codes(tmp_path / "c.npy", embed(other, digits))
    with pytest.raises(ModelError, match="the codes are those of another model, encoder "):
        find(model, digits.values[:1], tmp_path / "c.npy")


def test_codes_that_do_not_say_their_model_are_used_with_a_note(
    model: narrows.Model, digits: Samples, tmp_path: Path
) -> None:
    np.save(tmp_path / "c.npy", model.encode(digits.values[:9]))
    (tmp_path / "c.names.txt").write_text("\n".join("abcdefghi") + "\n")
    found = find(model, digits.values[:1], tmp_path / "c.npy", 1)
    assert found.to_json()["queries"][0]["neighbours"][0]["name"] == "a"
    assert "does not say which model" in found.notes[0]
    np.save(tmp_path / "c.npy", np.zeros((9, 5), np.float32))
    with pytest.raises(ModelError, match="codes of 5 numbers were given, and those of the query have 8"):
        find(model, digits.values[:1], tmp_path / "c.npy")


def test_principal_components_are_refused(model: narrows.Model, digits: Samples, tmp_path: Path) -> None:
    write_codes(tmp_path / "c.npy", reduced(embed(model, digits), 2)[0])
    with pytest.raises(ModelError, match="embed without --pca"):
        find(model, digits.values[:1], tmp_path / "c.npy")


def test_what_does_not_fit_is_refused(model: narrows.Model, digits: Samples, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="do not fit this model"):
        find(model, np.zeros((1, 9, 9), np.uint8), "digits")
    with pytest.raises(ModelError, match="do not fit this model"):
        find(model, np.zeros((1, 64), np.uint8), "digits")
    for k in (0, 5):
        with pytest.raises(SettingsError, match=f"k {k} was given; allowed is a whole number from 1 to 4"):
            find(model, digits.values[:1], digits.values[:4], k)
    with pytest.raises(ModelError, match="has no code"):
        find(narrows.build(digits.description, purpose="exact"), digits.values[:1], "digits")
    (tmp_path / "text.png").write_text("a letter")
    with pytest.raises(DataError, match="not an image"):
        find(model, tmp_path / "text.png", "digits")


def test_constant_samples_are_all_alike(model: narrows.Model) -> None:
    found = find(model, np.zeros((1, 8, 8), np.uint8), np.zeros((20, 8, 8), np.uint8), 3)
    assert found.neighbours.indices.tolist() == [[0, 1, 2]]
    assert not found.neighbours.distances.any()
