"""Pictures come back in the format that is asked for; -q is quiet; what is logged goes where a program says."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import narrows
from narrows.cli.main import COMMANDS, run

QUICK = ("--network", "lesson-linear", "--steps", 4, "--threads", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows, columns = np.mgrid[:60, :80]
    smooth = np.stack([rows * 3, columns * 2, rows + columns], axis=2).astype(np.uint8)
    (tmp_path / "in").mkdir()
    exif = Image.Exif()
    exif[0x10F] = "Maker"
    Image.fromarray(smooth).save(tmp_path / "in" / "photo.jpg", quality=99, exif=exif, dpi=(300, 300))
    Image.fromarray(smooth).save(tmp_path / "in" / "scan.png")
    Image.fromarray(np.dstack([smooth, smooth[..., 0]])).save(tmp_path / "in" / "clear.png")
    Image.fromarray(smooth[..., 0].astype(np.uint16) * 257).save(tmp_path / "in" / "wide.png")
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("jpeg", {"photo.jpg": "JPEG", "scan.jpg": "JPEG", "clear.png": "PNG", "wide.png": "PNG"}),
        ("webp", {"photo.webp": "WEBP", "scan.webp": "WEBP", "clear.webp": "WEBP", "wide.png": "PNG"}),
        ("png", {"photo.png": "PNG", "scan.png": "PNG", "clear.png": "PNG", "wide.png": "PNG"}),
    ],
)
def test_pictures_come_back_in_the_format_asked_for(
    wanted: str, names: dict[str, str], call, folder: Path, tmp_path: Path
) -> None:
    archive, back = tmp_path / "a.narrows", tmp_path / "back"
    assert call("compress", folder, "-o", archive, "--quality", 90)[0] == 0
    code, _, err = call("decompress", archive, "-o", back, "--format", wanted)
    assert code == 0, err
    assert {path.name for path in back.iterdir()} == set(names)
    for name, format_ in names.items():
        with Image.open(back / name) as image, Image.open(next(folder.glob(f"{Path(name).stem}.*"))) as first:
            assert image.format == format_
            assert np.abs(np.array(image).astype(int) - np.array(first)).mean() < (600 if "wide" in name else 6)
            if name.startswith("photo"):
                assert image.getexif()[0x10F] == "Maker"
    assert call("decompress", archive, "-o", back, "--format", wanted)[0] == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / next(iter(names))).write_text("mine")
    code, _, err = call("decompress", archive, "-o", tmp_path / "mine", "--format", wanted)
    assert code == 2
    assert (tmp_path / "mine" / next(iter(names))).read_text() == "mine"


def test_what_a_format_that_was_asked_for_does_not_hold_is_told(call, folder: Path, tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a title")
    for name, xmp in (("a.png", "short"), ("b.png", "long" * 20_000)):
        with Image.open(folder / "scan.png") as image:
            text.add_itxt("XML:com.adobe.xmp", xmp)
            image.save(tmp_path / name, pnginfo=text)
    archive, back = tmp_path / "a.narrows", tmp_path / "back"
    call("compress", tmp_path / "a.png", tmp_path / "b.png", "-o", archive, "--quality", 90)
    code, _, err = call("decompress", archive, "-o", back, "--format", "jpeg")
    assert code == 0
    assert (
        "not kept: gamma, text or time of a PNG (a.png and 1 more), XMP, which is too long for a JPEG (b.png)" in err
    )
    assert {path.name for path in back.iterdir()} == {"a.jpg", "b.jpg"}


def test_without_a_format_the_note_names_one(call, folder: Path, tmp_path: Path) -> None:
    call("compress", folder / "photo.jpg", "-o", tmp_path / "a.narrows", "--quality", 90)
    assert "--format jpeg makes smaller files" in call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "b")[2]
    with pytest.raises(narrows.NarrowsError, match="allowed are None, jpeg, webp, png"):
        narrows.decompress(tmp_path / "a.narrows", tmp_path / "c", format="gif")


def test_every_command_can_be_quiet_but_for_warnings_and_errors(call, tmp_path: Path) -> None:
    code, out, err = call("train", "digits", "-o", tmp_path / "m", *QUICK, "-q", "--json")
    assert code == 0
    assert all(line.startswith("warning: ") for line in err.splitlines())
    assert out.startswith("{")
    assert "network:" in call("train", "digits", "-o", tmp_path / "n", *QUICK)[2]  # the next one is not
    assert call("train", "digits", "-o", tmp_path, *QUICK, "-q")[2].startswith("narrows: ")
    for name in COMMANDS:
        assert "-q, --quiet" in call(name, "--help")[1]


def test_what_is_left_out_or_not_kept_is_said_where_all_is_quiet_and_in_json(call, tmp_path: Path) -> None:
    folder, archive = tmp_path / "in", tmp_path / "a.narrows"
    folder.mkdir()
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a title")
    Image.new("RGB", (9, 9)).save(folder / "a.png", pnginfo=text)
    for name in ("b.png", "c.png"):
        (folder / name).write_bytes(b"no picture")
    code, out, err = call("compress", folder, "-o", archive, "--skip-bad", "--quality", 90, "-q", "--json")
    assert code == 0, err
    left = json.loads(out)["left_out"]
    assert ["b.png" in left[0], "c.png" in left[1], len(left)] == [True, True, 2]
    assert err.splitlines() == [f"warning: left out: {line}" for line in left]
    code, out, err = call("decompress", archive, "-o", tmp_path / "out", "--format", "jpeg", "-q", "--json")
    assert code == 0, err
    assert list(json.loads(out)["not_kept"].values()) == [["a.png"]]
    assert err.startswith("warning: not kept: ")


def test_the_standard_log_has_what_a_training_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    x = np.arange(64 * 40, dtype=np.uint16).astype(np.uint8).reshape(40, 8, 8)
    with caplog.at_level(logging.INFO, "narrows"):
        narrows.train(x, tmp_path / "m", settings=narrows.Settings(steps=1, threads=1)).run()
    assert f"{tmp_path / 'm'} is saved" in caplog.messages


def test_shells_can_complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_NARROWS_COMPLETE", "bash_source")
    with pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 0
    assert "_narrows_completion" in capsys.readouterr().out
    monkeypatch.setenv("_NARROWS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "narrows in")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        run([])
    assert capsys.readouterr().out.split() == ["plain,inspect", "plain,inpaint"]


def test_no_number_is_cut_in_a_narrow_terminal(call, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = call("evaluate", model, "digits")[1]
    monkeypatch.setenv("COLUMNS", "30")
    narrow = call("evaluate", model, "digits")[1]
    assert "…" not in narrow
    assert narrow.split() == wide.split()


def test_inspect_lists_layers_when_asked(call, model: Path) -> None:
    assert "Linear(" not in call("inspect", model)[1]
    assert "Linear(in_features=64" in call("inspect", model, "--layers")[1]
    out = call("inspect", model)[1]
    assert "{" not in out
    assert "\n  seed             0\n" in out


def test_two_names_that_would_become_one_stay_two(call, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "a.png", "a.webp"):
        noise = rng.integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).resize((80, 80)).save(tmp_path / "in" / name)
    call("compress", tmp_path / "in", "-o", tmp_path / "a.narrows", "--quality", 80)
    for wanted, names in (
        ("jpeg", {"a.jpg", "a.png.jpg", "a.webp.jpg"}),
        ("png", {"a.png", "a.jpg.png", "a.webp.png"}),
    ):
        out = tmp_path / wanted
        for force in ((), ("--force",)):
            code, _, err = call("decompress", tmp_path / "a.narrows", "-o", out, "--format", wanted, *force)
            assert code == 0, err
            assert {path.name for path in out.iterdir()} == names


def test_a_png_under_the_name_of_a_jpeg_is_told(call, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (24, 24, 4), np.uint8)).save(tmp_path / "a.png")
    code, _, err = call("upscale", tmp_path / "a.png", "-o", tmp_path / "large.jpg")
    assert code == 0
    assert "not kept: the format of its name, which holds no such pixels: it is PNG data" in err


def test_one_image_that_would_be_many_is_refused_or_told(call, tmp_path: Path) -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    np.save(tmp_path / "x.npy", image)
    code, _, err = call("denoise", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    assert code == 2
    assert "30 grey images of 40x3 pixels; for one image in colour give array[None]" in err
    assert "read as 30 grey images of 40x3 pixels" in narrows.from_arrays(image).notes[0]
    assert narrows.from_arrays(image[None]).notes == ()


def test_nothing_is_written_where_a_new_name_is_there_already(call, folder: Path, tmp_path: Path) -> None:
    call("compress", folder, "-o", tmp_path / "a.narrows", "--quality", 90)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scan.jpg").write_text("mine")
    code, _, err = call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "out", "--format", "jpeg")
    assert code == 2
    assert "scan.jpg: it is there already" in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scan.jpg"]
