"""Arrays within an error, and folders that come back whole, as a person asks for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.errors import DataError, SettingsError
from narrows.tasks import kept
from narrows.tasks.compress import compress
from narrows.tasks.compressed import Wanted


def waves(shape: tuple[int, ...] = (20, 30, 40), dtype: str = "float32") -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.02, shape)
    return (np.sin(np.indices(shape).sum(axis=0) / 6) * 5 + noise).astype(dtype)


def there_and_back(call, path: Path, *options: object) -> tuple[np.ndarray, str]:
    archive, back = path.with_suffix(".narrows"), path.parent / "back"
    code, _, err = call("compress", path, "-o", archive, "--force", *options)
    assert code == 0, err
    assert call("decompress", archive, "-o", back, "--force")[0] == 0
    return np.load(back / path.name), err


@pytest.mark.parametrize(
    ("options", "most"),
    [
        (("--max-error", "0.25"), 0.25),
        (("--max-error", "1%"), 0.1),
        (("--max-error", "2"), 2),
        (("--max-error", 0), 0),
    ],
)
def test_floats_come_back_within_the_error_that_was_asked_for(call, tmp_path: Path, options, most: float) -> None:
    values = waves()
    np.save(tmp_path / "a.npy", values)
    back, _ = there_and_back(call, tmp_path / "a.npy", *options)
    assert (back.dtype, back.shape) == (values.dtype, values.shape)
    assert np.abs(back - values).max() <= most * (1.02 if options[1] == "1%" else 1)
    size = (tmp_path / "a.narrows").stat().st_size
    assert size < values.nbytes / (8 if most else 1)


def test_the_largest_error_stands_in_the_archive(call, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", waves())
    _, err = there_and_back(call, tmp_path / "a.npy", "--max-error", "1%")
    assert "every value within 1% of the range" in err
    assert "largest error of arrays: " in err
    _, out, _ = call("inspect", tmp_path / "a.narrows")
    assert "largest error      0.00" in out
    _, out, _ = call("inspect", tmp_path / "a.narrows", "--json", "--names")
    values = json.loads(out)
    assert 0.009 < values["largest_error"] <= 0.01
    assert values["largest_errors"] == {"a.npy": values["largest_error"]}
    assert call("verify", tmp_path / "a.narrows")[0] == 0


def test_missing_values_come_back_exactly_and_do_not_count(call, tmp_path: Path) -> None:
    values = waves()
    values[:, :9], values[3, 20, 5], values[4, 20, 5] = -1e34, np.nan, np.inf
    np.save(tmp_path / "a.npy", values)
    back, _ = there_and_back(call, tmp_path / "a.npy", "--max-error", "1%", "--missing-value", "-1e34")
    odd = ~np.isfinite(values) | (values < -100)
    assert back[odd].tobytes() == values[odd].tobytes()
    assert 0.05 < np.abs(back[~odd] - values[~odd]).max() <= 0.11


def test_a_relative_error_is_one_of_each_value(call, tmp_path: Path) -> None:
    values = np.exp(waves(dtype="float64") * 5) - 1
    values[2] = 0
    np.save(tmp_path / "a.npy", values)
    back, err = there_and_back(call, tmp_path / "a.npy", "--relative-error", "1%")
    assert (np.abs(back - values) <= 0.01 * np.abs(values)).all()
    assert "of a value" in err


def test_rows_have_an_error_of_each_column_and_one_axis_has_one(call, tmp_path: Path) -> None:
    rows = waves((300, 2), "float64") * [1, 1000]
    np.save(tmp_path / "a.npy", rows)
    back, _ = there_and_back(call, tmp_path / "a.npy", "--max-error", "1%")
    assert (np.abs(back - rows).max(axis=0) <= 0.01 * np.ptp(rows, axis=0)).all()
    np.save(tmp_path / "b.npy", rows[:, 0])
    back, _ = there_and_back(call, tmp_path / "b.npy", "--max-error", "1%")
    assert back.shape == (300,)
    assert np.abs(back - rows[:, 0]).max() <= 0.01 * np.ptp(rows[:, 0])


def test_a_long_array_and_signals_are_read_in_parts(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.io.npy.LONG", 1000)
    values = waves((5000,))
    np.save(tmp_path / "a.npy", values)
    for options in ((), ("--as", "signals")):
        back, _ = there_and_back(call, tmp_path / "a.npy", "--max-error", "0.5%", *options)
        assert back.shape == (5000,)
        assert np.abs(back - values).max() <= 0.0051 * np.ptp(values)


def test_integers_have_a_share_of_their_range_and_pictures_come_back_exactly(call, tmp_path: Path) -> None:
    values = (waves() * 1000).astype(np.int32)
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "a.npy", values)
    pixels = (waves((20, 30)) * 20 + 128).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "b.png")
    assert call("compress", folder, "-o", tmp_path / "a.narrows", "--max-error", "1%")[0] == 0
    assert call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0] == 0
    off = np.abs(np.load(tmp_path / "back" / "a.npy").astype(int) - values).max()
    assert 0 < off <= 0.01 * np.ptp(values)
    with Image.open(tmp_path / "back" / "b.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize("options", [("--max-error", 20), ("--quality", 50), ("--max-error", 20, "--strip")])
def test_a_transparent_grey_of_16_bits_stays_with_the_pixels_that_have_it(call, tmp_path: Path, options) -> None:
    greys = np.random.default_rng(0).integers(1000, 1100, (30, 40)).astype(np.uint16)
    Image.fromarray(greys).save(tmp_path / "a.png", transparency=1050)
    code, _, err = call("compress", tmp_path / "a.png", "-o", tmp_path / "a.narrows", *options)
    assert code == 0, err
    assert call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0] == 0
    with Image.open(tmp_path / "back" / "a.png") as image:
        assert image.info["transparency"] == 1050
        np.testing.assert_array_equal(np.asarray(image) == 1050, greys == 1050)


HARD = {
    "only missing": np.full((3, 4, 5), -1.0, np.float32),
    "only NaN": np.full((3, 4), np.nan),
    "no range": np.full((3, 4), 2.5, np.float16),
    "empty": np.empty((0, 4), np.float32),
    "one": np.array(1.5),
    "the whole range": (np.linspace(-1.7, 1.7, 60) * 1e308).reshape(3, 4, 5),
    "denormals": np.linspace(0, 1e-40, 60, dtype=np.float32).reshape(3, 20),
}


@pytest.mark.parametrize("name", HARD)
def test_arrays_without_a_usable_range_come_back_exactly_or_within_it(call, tmp_path: Path, name: str) -> None:
    values = HARD[name]
    np.save(tmp_path / "a.npy", values)
    for words in ("1%", "1e-200", "1e-30%"):
        back, _ = there_and_back(call, tmp_path / "a.npy", "--max-error", words, "--missing-value", "-1")
        assert (back.dtype, back.shape) == (values.dtype, values.shape)
        if name not in ("the whole range", "denormals") or words != "1%":
            assert back.tobytes() == values.tobytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max-error", "nan"), "max error nan was given; numbers from 0 are allowed"),
        (("--max-error", "-1"), "max error -1 was given"),
        (("--max-error", "a lot"), "percentages such as 1%"),
        (("--max-error", "100%"), "shares below 1 (100%) are allowed"),
        (("--relative-error", "-0.1"), "relative error -0.1 was given"),
        (("--relative-error", "2"), "shares below 1"),
        (("--max-error", "1", "--relative-error", "0.1"), "choose one"),
        (("--missing-value", "3"), "takes a max error or relative error"),
    ],
)
def test_a_bound_that_means_nothing_is_refused_in_one_line(call, tmp_path: Path, options, words: str) -> None:
    np.save(tmp_path / "a.npy", waves())
    code, _, err = call("compress", tmp_path / "a.npy", "-o", tmp_path / "a.narrows", *options)
    complaint = [line for line in err.splitlines() if line.startswith("narrows: ")]
    assert code == 2
    assert len(complaint) == 1
    assert words in complaint[0]
    assert not (tmp_path / "a.narrows").exists()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with a picture, an array, a text, an empty file and some that no method makes smaller."""
    folder = tmp_path / "mixed"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray((waves((20, 30)) * 20 + 128).astype(np.uint8)).save(folder / "a.png")
    np.save(folder / "b.npy", np.arange(12).reshape(3, 4))
    (folder / "notes.txt").write_text("what was seen\n" * 100)
    (folder / "deep" / "empty.dat").touch()
    (folder / "deep" / "noise.bin").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "deep" / "same.bin").write_bytes((folder / "deep" / "noise.bin").read_bytes())
    (folder / ".hidden").write_text("not this")
    (folder / "Thumbs.db").write_text("nor this")
    return folder


@pytest.mark.parametrize("options", [(), ("--max-error", "5"), ("--quality", "50")])
def test_files_of_other_kinds_come_back_to_the_byte(
    call, mixed: Path, tmp_path: Path, options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "PART_BYTES", 2000)
    code, _, err = call("compress", mixed, "-o", tmp_path / "a.narrows", *options)
    assert code == 0, err
    assert "files of no kind that is read, kept to the byte" in err
    assert call("verify", tmp_path / "a.narrows")[0] == 0
    assert call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0] == 0
    names = {path.relative_to(mixed) for path in mixed.rglob("*") if path.is_file()}
    back = {path.relative_to(tmp_path / "back") for path in (tmp_path / "back").rglob("*") if path.is_file()}
    assert names - back == {Path(".hidden"), Path("Thumbs.db")}
    for name in names:
        if name.suffix in (".txt", ".dat", ".bin"):
            assert (tmp_path / "back" / name).read_bytes() == (mixed / name).read_bytes()


@pytest.mark.parametrize("lossy", [(), ("--max-error", 5)])
def test_a_copy_in_a_folder_comes_back_to_the_byte_beside_a_picture_without_ending(
    call, tmp_path: Path, lossy: tuple[object, ...]
) -> None:
    (tmp_path / "in").mkdir()
    pixels = np.add.outer(np.arange(200), np.arange(200)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "pic", "PNG", compress_level=0)
    (tmp_path / "pic").write_bytes(content := (tmp_path / "in" / "pic").read_bytes())
    words = (tmp_path / "pic", tmp_path / "in", "-o", tmp_path / "a.narrows")
    assert call("compress", *words, *lossy)[0] == 0
    assert call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0] == 0
    assert (tmp_path / "back" / "in" / "pic").read_bytes() == content


def test_texts_deflate_and_noise_takes_no_more_than_itself(mixed: Path, tmp_path: Path) -> None:
    done = compress([mixed / "notes.txt"], tmp_path / "text.narrows")
    assert done.others == 1
    assert done.archive_bytes < 200
    done = compress([mixed / "deep" / "noise.bin"], tmp_path / "noise.narrows")
    assert done.archive_bytes < 5000 + 80


def test_only_one_kind_is_taken_if_asked_for_and_the_rest_is_told(call, mixed: Path, tmp_path: Path) -> None:
    code, _, err = call("compress", mixed, "-o", tmp_path / "a.narrows", "--only-kind", "images")
    assert code == 0
    assert "left out, since they are of another kind: 5 files" in err
    with narrows.open_archive(tmp_path / "a.narrows") as archive:
        assert list(archive) == ["a.png"]
    code, _, err = call("compress", mixed / "a.png", "-o", tmp_path / "b.narrows", "--only-kind", "arrays")
    assert code == 2
    assert "there are no arrays" in err
    with pytest.raises(SettingsError, match="only kind"):
        compress([mixed], tmp_path / "b.narrows", wanted=Wanted(only_kind=("tables",)))


def test_a_file_that_changes_while_it_is_read_is_told(mixed: Path) -> None:
    from narrows.tasks.inputs import Source

    source = Source(mixed / "notes.txt", "notes.txt", 10**6, "files")
    with pytest.raises(DataError, match="shorter"):
        list(kept.blocks_of(source))


def test_python_has_the_same_bounds() -> None:
    values = waves()
    for more, most in (({"max_error": 0.5}, 0.5), ({"max_error": "1%"}, 0.01 * np.ptp(values))):
        codec = narrows.Codec(**more)
        data = codec.compress(values)
        assert len(data) < values.nbytes / 6
        assert np.abs(codec.decompress(data) - values).max() <= most
    near = narrows.Codec(relative_error=0.01).compress([values[0], values[1, :9]])
    back = narrows.Codec().decompress(near)
    assert [each.shape for each in back] == [(30, 40), (9, 40)]
    assert (np.abs(back[0] - values[0]) <= 0.01 * np.abs(values[0])).all()
    for wrong in ({"max_error": "x"}, {"max_error": 1, "quality": 5}, {"missing_value": 1}):
        with pytest.raises(SettingsError):
            narrows.Codec(**wrong)


def test_a_fill_value_that_nobody_named_is_not_taken_for_the_range(call, tmp_path: Path) -> None:
    values = np.linspace(0, 30, 400, dtype=np.float32).reshape(20, 20)
    values[3:7, 3:9] = -1e34
    np.save(tmp_path / "sea.npy", values)
    code, _, err = call("compress", tmp_path / "sea.npy", "-o", tmp_path / "o.narrows", "--max-error", "1%")
    assert code == 2
    assert "add --missing-value -1e+34" in err
    assert not (tmp_path / "o.narrows").exists()
    for how in (("--max-error", "0.3"), ("--max-error", "1%", "--missing-value", "-1e34")):
        code, *_ = call("compress", tmp_path / "sea.npy", "-o", tmp_path / "o.narrows", "--force", *how)
        assert code == 0
