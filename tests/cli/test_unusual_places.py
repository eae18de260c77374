"""Places that are no files: standard output, pipes, and names that almost exist; each is refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narrows.cli.main import COMMANDS
from narrows.models import shipped


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "a.png"),
        ("compress", "a.png"),
        ("decompress", "a.narrows"),
        ("denoise", "a.png"),
        ("sample", "m.safetensors"),
        ("walk", "a.png", "a.png", "-m", "m.safetensors"),
        ("embed", "a.png", "-m", "m.safetensors"),
        ("outliers", "a.png", "-m", "m.safetensors"),
        ("find", "a.png", "a.png", "-m", "m.safetensors"),
        ("show", "a.png"),
    ],
)
def test_standard_output_as_a_result_is_refused_and_no_file_is_called_so(
    call, picture: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(picture.parent)
    code, out, err = call(*arguments, "-o", "-")
    assert (code, out) == (2, "")
    assert err == ("narrows: -o - was given; results are not written to standard output: name a file or a folder\n")
    assert [path.name for path in Path().iterdir()] == ["a.png"]
    assert arguments[0] in COMMANDS


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "pipe.csv"),
        ("show", "pipe.png"),
        ("embed", "a.png", "-m", "pipe.safetensors", "-o", "x.npy"),
        ("denoise", "pipe.png", "-o", "x.png"),
        ("compress", "pipe.png", "-o", "x.narrows"),
        ("decompress", "pipe.narrows", "-o", "x"),
        ("verify", "pipe.narrows"),
        ("inspect", "pipe.narrows"),
    ],
)
def test_a_pipe_is_refused_and_nobody_waits_for_it(
    call, picture: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(picture.parent)
    pipe = next(word for word in arguments if word.startswith("pipe"))
    os.mkfifo(pipe)
    code, _, err = call(*arguments)
    assert code == 2
    last = err.splitlines()[-1]
    assert last.startswith(f"narrows: {pipe}: ")
    assert "a pipe or a device, where a file is needed" in last or "neither a file nor a folder" in last
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", pipe]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_the_place_of_a_result_is_refused(call, picture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / picture.name)
    code, _, err = call("denoise", picture.parent, "-o", out, "--force")
    assert code == 2
    assert "it is there already and is no file" in err


def test_a_misspelt_name_of_shipped_weights_is_answered_with_the_right_one(
    call, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "names", lambda: ("photo-compress", "photo-denoise"))
    code, _, err = call("compress", picture, "-m", "photo-compres", "-o", picture.with_suffix(".narrows"))
    assert code == 2
    assert "no such file, and no weights of that name; did you mean photo-compress?" in err
    code, _, err = call("compress", picture, "-m", "something", "-o", picture.with_suffix(".narrows"))
    assert "did you mean" not in err
