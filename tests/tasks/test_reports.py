"""Files as people have them, rebuilt from public reports about tools that search, judge and sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.errors import ModelError, OutputError, SettingsError
from narrows.models.base import Model
from narrows.models.mixture import Mixture
from narrows.tasks import new
from narrows.tasks.codes import read_codes, write_codes
from narrows.tasks.density import fitted, learn
from narrows.tasks.embed import Codes
from narrows.tasks.outliers import outliers
from narrows.tasks.pictures import Wanted, jobs
from narrows.tasks.suited import copies
from narrows.tasks.tables import open_for
from narrows.tasks.train import train

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (20, 8, 8), dtype=np.uint8)
QUICK = narrows.Settings(steps=3)


def trained(data: object, **settings: object) -> Model:
    samples = narrows.from_arrays(data)
    model = narrows.build(samples.description, width=16)
    for _ in narrows.fit(model, samples, QUICK):
        pass
    learn(model, samples)  # type: ignore[arg-type]
    return model


@pytest.fixture(scope="module")
def vectors() -> Model:
    return trained(RNG.normal(size=(60, 6)).astype(np.float32))


@pytest.fixture(scope="module")
def pictures() -> Model:
    return trained(GREY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number, pixels in enumerate(GREY[:4]):
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path / "pictures"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Model:
    table = tmp_path_factory.mktemp("table") / "table.csv"
    lines = [f"{18 + number},{('Rome', 'Oslo')[number % 2]}" for number in range(40)]
    table.write_text("\n".join(["age,city", *lines]) + "\n")
    for _ in train(table, table.with_suffix(".safetensors"), settings=QUICK):
        pass
    return narrows.load(table.with_suffix(".safetensors"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e20, 1e38, -3e38])
def test_values_that_overflow_are_the_oddest_of_all(vectors: Model, value: float) -> None:
    data = RNG.normal(size=(30, 6)).astype(np.float32)
    data[7, 0] = value
    found = outliers(vectors, narrows.from_arrays(data))
    assert found.order[0] == 7
    assert found.odd[7]
    assert np.isfinite(found.scores).all()


def test_samples_that_are_all_equal_are_not_odd_to_a_model_of_them() -> None:
    same = np.full((30, 6), 0.3, np.float32)
    assert not outliers(trained(same), narrows.from_arrays(same)).odd.any()


def test_no_held_out_score_is_rounded_below_itself() -> None:
    points = RNG.normal(size=(200, 3))
    mixture: Mixture = fitted(points[:150], points[150:])
    assert (np.sort(mixture.scores(points[150:])) <= mixture.held).all()


def test_a_picture_in_another_size_is_named_or_left_out(pictures: Model, folder: Path) -> None:
    Image.new("L", (9, 12)).save(folder / "other.png")
    with pytest.raises(ModelError, match=r"1 of 5 pictures are not 8x8 pixels.* other\.png \(leave out .*--skip-bad"):
        open_for(pictures, folder)
    samples = open_for(pictures, folder, skip_bad=True)
    assert samples.names == ("0.png", "1.png", "2.png", "3.png")
    assert "1 of 5 pictures are not 8x8 pixels" in samples.notes[-1]
    assert len(outliers(pictures, samples).scores) == 4


def test_grey_pictures_that_are_stored_in_colour_go_to_a_model_of_grey_ones(pictures: Model, folder: Path) -> None:
    Image.fromarray(GREY[4]).convert("RGB").save(folder / "4.png")
    samples = open_for(pictures, folder)
    assert np.array_equal(samples.values, GREY[:5, ..., None])
    colour = Image.fromarray(GREY[5]).convert("RGB")
    colour.putpixel((0, 0), (255, 0, 0))
    colour.save(folder / "5.png")
    with pytest.raises(ModelError, match=r"1 of 6 pictures are not grey.* 5\.png"):
        open_for(pictures, folder)
    assert len(open_for(pictures, folder, skip_bad=True)) == 5


def test_equal_pictures_in_a_folder_to_learn_from_are_told(folder: Path) -> None:
    assert copies(narrows.open_samples(folder)) == ""
    Image.fromarray(GREY[1]).save(folder / "again.bmp")
    assert copies(narrows.open_samples(folder)).startswith("1 of 5 pictures equal others, the first: again.bmp is 1.")


def test_the_file_near_which_samples_are_wanted_is_named_where_it_does_not_fit(
    pictures: Model, tmp_path: Path
) -> None:
    Image.new("L", (9, 12)).save(tmp_path / "other.png")
    with pytest.raises(ModelError, match=r"other\.png: the samples do not fit"):
        new.make(pictures, 2, near=tmp_path / "other.png")
    with pytest.raises(ModelError, match=r"other\.png: the samples do not fit"):
        new.between(pictures, tmp_path / "other.png", tmp_path / "other.png", 3)


def test_cells_that_a_model_of_rows_cannot_use_are_told(rows: Model, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_text("age,city\n20,Rome\n30,Paris\ninf,Oslo\n1e300,\n")
    notes = open_for(rows, table).notes
    assert notes[-1] == f"3 cells the model cannot use: {table}: row 2, column 'city': 'Paris'"
    table.write_text("age,city\n20,Rome\n,Oslo\n")
    assert open_for(rows, table).notes == ()


def test_codes_in_a_csv_are_read_as_a_spreadsheet_leaves_them(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    write_codes(path, Codes(RNG.normal(size=(3, 2)).astype(np.float32), names=("a", "b\nc,d", 'e"')))
    known = read_codes(path)
    path.write_text("\ufeff" + path.read_text() + "\n\n", "utf-8")
    read = read_codes(path)
    assert read.names == known.names == ("a", "b\nc,d", 'e"')
    assert np.array_equal(read.rows, known.rows)


def test_a_folder_that_was_restored_in_part_can_be_gone_on_with(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    Image.new("L", (8, 8)).save(results / "1.png")
    with pytest.raises(OutputError, match=r"1\.png: it is there already, one of 1 of 4 results.*--resume"):
        jobs(folder, results)
    found, notes = jobs(folder, results, resume=True)
    assert [job.source.name for job in found] == ["0.png", "2.png", "3.png"]
    assert notes[-1] == "1 of 4 results were there already and were left as they are"
    assert len(jobs(folder, results, force=True)[0]) == 4


def test_going_on_and_making_anew_exclude_each_other(pictures: Model) -> None:
    with pytest.raises(SettingsError, match="of resume and force, choose one"):
        Wanted(force=True, resume=True).check(pictures)


def test_objects_of_the_library_say_in_a_line_what_they_are(pictures: Model) -> None:
    assert repr(pictures).startswith("Autoencoder(dense, code 32, ")
    assert repr(pictures).endswith("for images 8x8, grey, uint8)")
    assert "Linear" in str(pictures)
    assert repr(narrows.Codec()).startswith("Codec(exact, bit for bit; ")
