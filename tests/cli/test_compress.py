"""`compress`, `decompress`, `verify` and `inspect` on archives, as a person calls them."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.codecs.opening import open_archive
from narrows.data.samples import Samples
from narrows.errors import DataError, NarrowsError
from narrows.io.pictures import read_picture
from narrows.tasks.compress import compress
from narrows.tasks.compressed import Wanted
from narrows.tasks.decompress import place


def waves(number: int, shape: tuple[int, ...] = (40, 50, 3)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    grey = 128 + 100 * np.sin(x / 9 + y / 7 + number)
    return (
        np.broadcast_to(grey.astype(np.uint8)[..., None], shape).copy() if len(shape) == 3 else grey.astype(np.uint8)
    )


@pytest.fixture(autouse=True)
def _side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are coded on two threads, as they would be outside of tests."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A tree of images of several modes and formats, and arrays."""
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(waves(number)).save(folder / "deep" / f"{number}.png")
    Image.fromarray(waves(3)).save(folder / "deep" / "er" / "größe 1.webp", lossless=True)
    Image.fromarray(waves(4, (30, 20))).save(folder / "grey.bmp")
    Image.fromarray(waves(5, (30, 20)).astype(np.uint16) * 250).save(folder / "wide.tif")
    Image.fromarray(waves(6)).save(folder / "photo.jpg", exif=_exif())
    np.save(folder / "digits.npy", np.random.default_rng(0).integers(0, 3, (300, 8, 8), np.uint8))
    np.save(folder / "deep" / "table.npy", np.array([[np.nan, -0.0], [np.inf, 1e-300]], ">f8"))
    return folder


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif.tobytes()


def tree(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same pixels or values, profile and EXIF."""
    if one.suffix == ".npy":
        a, b = np.load(one), np.load(other)
        native = a.astype(a.dtype.newbyteorder("="))
        return (b.dtype, b.shape, b.tobytes()) == (native.dtype, a.shape, native.tobytes())
    a, b = read_picture(one), read_picture(other)
    kept = [{key: value for key, value in x.extras.items() if key != "format"} for x in (a, b)]
    return kept[0] == kept[1] and a.pixels.dtype == b.pixels.dtype and np.array_equal(a.pixels, b.pixels)


def test_a_tree_goes_into_an_archive_and_comes_back(call, photos: Path, tmp_path: Path) -> None:
    path, back = tmp_path / "p.narrows", tmp_path / "back"
    code, out, err = call("compress", photos, "-o", path, "--json")
    assert code == 0, err
    values = json.loads(out)
    assert {"samples", "raw_bytes", "archive_bytes", "model_bytes", "seconds"} <= values.keys()
    assert values["samples"] == 7 + 300 + 2
    assert values["archive_bytes"] == path.stat().st_size
    assert values["raw_bytes"] == 5 * 6000 + 600 + 1200 + 300 * 64 + 32
    assert "exact, bit for bit" in err
    assert "no model was given" in err
    found = json.loads(call("verify", path, "--json")[1])
    assert found == {"ok": True, "samples": 309, "damaged": [], "reasons": {}}
    code, out, err = call("decompress", path, "-o", back, "--json")
    assert code == 0, err
    assert json.loads(out)["samples"] == 309
    assert "under another ending" not in err
    assert (back / "photo.jpg").read_bytes() == (photos / "photo.jpg").read_bytes()
    assert tree(back) == tree(photos)
    assert all(same(photos / name, back / name) for name in tree(photos))
    assert not list(tmp_path.glob(".*"))


def test_every_value_comes_back_within_the_error_asked_for(call, photos: Path, tmp_path: Path) -> None:
    assert call("compress", photos / "deep", "-o", tmp_path / "p.narrows", "--max-error", 3)[0] == 0
    assert call("decompress", tmp_path / "p.narrows", "-o", tmp_path / "back")[0] == 0
    for number in range(3):
        difference = np.array(Image.open(tmp_path / "back" / f"{number}.png")).astype(int) - waves(number)
        assert 0 < abs(difference).max() <= 3


def test_an_array_of_no_samples_comes_back(call, tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((0, 28, 28), np.uint8))
    assert call("compress", tmp_path / "none.npy", "-o", tmp_path / "p.narrows")[0] == 0
    assert call("verify", tmp_path / "p.narrows")[0] == 0
    assert call("decompress", tmp_path / "p.narrows", "-o", tmp_path / "back")[0] == 0
    assert same(tmp_path / "none.npy", tmp_path / "back" / "none.npy")


def test_several_inputs_keep_the_names_of_their_folders(call, photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.narrows"
    assert call("compress", photos / "deep" / "er", photos / "grey.bmp", "-o", path)[0] == 0
    with open_archive(path) as archive:
        assert list(archive) == ["er/größe 1.webp", "grey.bmp"]
    code, _, err = call("compress", photos / "grey.bmp", photos / ".." / "photos" / "grey.bmp", "-o", tmp_path / "q")
    assert code == 2
    assert "would both be grey.bmp" in err


def test_orders_and_headers_of_arrays_are_told_not_to_be_kept(call, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "big.npy", np.arange(6.0).astype(">f8"))
    np.save(folder / "fortran.npy", np.asfortranarray(np.arange(6).reshape(2, 3)))
    np.save(folder / "usual.npy", np.arange(6.0))
    with (folder / "version.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(6.0), version=(2, 0))
    code, out, _ = call("compress", folder, "-o", tmp_path / "a.narrows", "--max-error", 0, "--json")
    assert code == 0
    assert list(json.loads(out)["not_kept"].values()) == [["big.npy", "fortran.npy", "version.npy"]]
    call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "out")
    assert all(same(path, tmp_path / "out" / path.name) for path in folder.iterdir())
    assert (tmp_path / "out" / "usual.npy").read_bytes() == (folder / "usual.npy").read_bytes()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PNG", "stdin.png"),
        ("JPEG", "stdin.jpg"),
        ("TIFF", "stdin.tif"),
        ("WEBP", "stdin.webp"),
        ("PPM", "stdin.pnm"),
        ("npy", "stdin.npy"),
        ("text", "stdin"),
    ],
)
def test_one_sample_file_may_come_on_stdin(
    kind: str, name: str, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    if kind == "npy":
        np.save(buffer, waves(0))
    elif kind == "text":
        buffer.write(b"hello")
    else:
        Image.fromarray(waves(0)).save(buffer, kind)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(buffer.getvalue())))
    assert call("compress", "-", "-o", tmp_path / "p.narrows")[0] == 0
    assert call("decompress", tmp_path / "p.narrows", "-o", tmp_path / "back")[0] == 0
    (tmp_path / "given").write_bytes(buffer.getvalue())
    assert tree(tmp_path / "back") == {name}
    if kind == "text":
        assert (tmp_path / "back" / name).read_bytes() == b"hello"
    else:
        assert same((tmp_path / "given").rename(tmp_path / name), tmp_path / "back" / name)


class FullDisk(io.BytesIO):
    def read(self, size: int = -1) -> bytes:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (io.BytesIO(), "standard input: the file is empty"),
        (FullDisk(), "standard input: cannot be copied into"),
    ],
)
def test_what_is_wrong_with_standard_input_is_said_of_it(
    given: io.BytesIO, words: str, call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=given))
    code, _, err = call("compress", "-", "-o", tmp_path / "p.narrows")
    assert code == 2
    assert err.splitlines()[-1].startswith(f"narrows: {words}")


def test_a_single_file_is_not_advised_to_be_left_out(call, tmp_path: Path) -> None:
    Image.fromarray(waves(0)).save(tmp_path / "a\nb.png")
    _, _, err = call("compress", tmp_path / "a\nb.png", "-o", tmp_path / "p.narrows")
    assert err.endswith("; rename it\n")
    _, _, err = call("compress", tmp_path, "-o", tmp_path / "p.narrows")
    assert "--skip-bad" in err


def test_only_some_names_or_folders_come_back(call, photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.narrows"
    call("compress", photos, "-o", path)
    code, _, err = call("decompress", path, "-o", tmp_path / "a", "--only", "deep/1.png", "deep/er/", "grey.bmp")
    assert code == 0, err
    assert tree(tmp_path / "a") == {"deep/1.png", "deep/er/größe 1.webp", "grey.bmp"}
    code, _, err = call("decompress", path, "-o", tmp_path / "b", "--only", "deep/1.pn")
    assert code == 2
    assert "nothing in it is called deep/1.pn" in err
    assert not (tmp_path / "b").exists()


def test_reading_one_name_leaves_the_other_blocks_alone(call, photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.narrows"
    call("compress", photos / "deep", "-o", path, "--block-samples", 1)
    with open_archive(path) as archive:
        first, whole = archive.sizes.header + archive.sizes.model, path.read_bytes()
        data = archive.sizes.data
    path.write_bytes(whole[:first] + bytes(data // 3) + whole[first + data // 3 :])
    assert call("decompress", path, "-o", tmp_path / "a", "--only", "table.npy")[0] == 0
    assert call("decompress", path, "-o", tmp_path / "b", "--only", "0.png")[0] == 2
    assert same(photos / "deep" / "table.npy", tmp_path / "a" / "table.npy")


def test_nothing_is_overwritten_unless_forced(call, photos: Path, tmp_path: Path) -> None:
    path, back = tmp_path / "p.narrows", tmp_path / "back"
    path.write_text("mine")
    code, _, err = call("compress", photos, "-o", path)
    assert code == 2
    assert "--force" in err
    assert path.read_text() == "mine"
    assert call("compress", photos, "-o", path, "--force")[0] == 0
    (back / "deep").mkdir(parents=True)
    (back / "deep" / "1.png").write_text("mine")
    code, _, err = call("decompress", path, "-o", back)
    assert code == 2
    assert "it is there already" in err
    assert tree(back) == {"deep/1.png"}
    assert call("decompress", path, "-o", back, "--force")[0] == 0
    assert same(back / "deep" / "1.png", photos / "deep" / "1.png")


def test_damage_is_named_and_the_rest_is_kept(call, photos: Path, tmp_path: Path) -> None:
    path, back = tmp_path / "p.narrows", tmp_path / "back"
    call("compress", photos / "deep", "-o", path, "--block-samples", 1)
    content = bytearray(path.read_bytes())
    content[10] ^= 4
    path.write_bytes(content)
    code, out, err = call("verify", path)
    assert (code, out) == (1, "0.png\n")
    assert "cannot be read: 1 file" in err
    assert "do not match their checksum; get the archive again (1 file)" in err
    found = json.loads(call("verify", path, "--json")[1])
    assert (found["damaged"], list(found["reasons"])) == (["0.png"], ["0.png"])
    code, _, err = call("decompress", path, "-o", back)
    assert code == 2
    assert "--keep-going" in err
    code, out, err = call("decompress", path, "-o", back, "--keep-going", "--json", "--force")
    assert code == 1
    assert "0.png is lost: its bytes do not match their checksum" in err
    assert json.loads(out)["lost"] == ["0.png"]
    code, _, err = call("decompress", path, "-o", back, "--keep-going", "--force", "-q")
    why = "0.png is lost: its bytes do not match their checksum; get the archive again"
    assert (code, err) == (1, f"warning: {path}: {why}\n")
    assert tree(back) == tree(photos / "deep") - {"0.png"}
    assert all(same(photos / "deep" / name, back / name) for name in tree(back))


def test_too_little_memory_is_not_called_damage(
    call, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise MemoryError

    path = tmp_path / "p.narrows"
    call("compress", photos / "deep", "-o", path)
    monkeypatch.setattr("narrows.codecs.block.BlockCodec.decode", decode)
    for command in (("verify", path), ("decompress", path, "-o", tmp_path / "back", "--keep-going")):
        code, out, err = call(*command)
        assert (code, out) == (2, "")
        assert "does not fit into memory; use a machine with more" in err
        assert "damaged" not in err
        assert "lost" not in err


def test_verify_fails_on_what_is_cut_short(call, photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.narrows"
    call("compress", photos / "grey.bmp", "-o", path)
    content = path.read_bytes()
    for length in range(5, len(content), 7):
        path.write_bytes(content[:length])
        code, out, err = call("verify", path, "--json", "-q")
        assert code == 1
        assert json.loads(out) == {"ok": False, "samples": 0, "damaged": [], "reasons": {}}
        assert len(err.splitlines()) == 1


def test_strip_drops_profile_and_exif(call, photos: Path, tmp_path: Path) -> None:
    call("compress", photos / "photo.jpg", "-o", tmp_path / "p.narrows", "--strip")
    call("decompress", tmp_path / "p.narrows", "-o", tmp_path / "back")
    assert read_picture(photos / "photo.jpg").extras.keys() == {"exif"}
    assert read_picture(tmp_path / "back" / "photo.jpg").extras.keys() == {"format"}


def test_inspect_tells_where_the_bytes_of_an_archive_go(call, photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.narrows"
    call("compress", photos, "-o", path)
    code, out, _ = call("inspect", path, "--json")
    values = json.loads(out)
    assert code == 0
    parts = [values[f"{part}_bytes"] for part in ("header", "model", "index", "data")]
    assert sum(parts) == values["bytes"] == path.stat().st_size
    assert (values["files"], values["samples"], values["promise"]) == (9, 309, "exact, bit for bit")
    assert (values["model_sha256"], values["model_embedded"]) == (None, False)
    assert values["ratio"] == pytest.approx(values["raw_bytes"] / values["bytes"])
    assert "exact, bit for bit" in call("inspect", path)[1]
    assert set(call("inspect", path, "--names")[1].splitlines()) == tree(photos)


def test_jpegs_come_back_to_the_byte_or_it_is_said_that_they_do_not(call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    Image.fromarray(noise).resize((120, 120)).save(tmp_path / "in" / "photo.jpg", quality=50)
    Image.new("RGB", (600, 400), (250, 250, 250)).save(tmp_path / "in" / "blank.jpg", quality=90)
    code, out, err = call("compress", tmp_path / "in", "-o", tmp_path / "a.narrows", "--json")
    assert code == 0, err
    assert json.loads(out)["not_kept"] == {"the bytes of a JPEG, whose pixels take fewer": ["blank.jpg"]}
    call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")
    assert (tmp_path / "back" / "photo.jpg").read_bytes() == (tmp_path / "in" / "photo.jpg").read_bytes()
    assert same(tmp_path / "in" / "blank.jpg", tmp_path / "back" / "blank.jpg")


def test_a_person_is_told_when_something_else_is_smaller(call, tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    Image.fromarray(noisy).resize((120, 120)).save(tmp_path / "a.jpg", quality=50)
    assert "1 file kept to the byte" in call("compress", tmp_path / "a.jpg", "-o", tmp_path / "whole.narrows")[2]
    err = call("compress", tmp_path / "a.jpg", "-o", tmp_path / "a.narrows", "--strip")[2]
    assert "the files themselves are smaller" in err
    assert "would be smaller: about" in err
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(tmp_path / "b.bmp")
    err = call("compress", tmp_path / "b.bmp", "-o", tmp_path / "b.narrows")[2]
    assert "the files themselves are smaller" not in err


def test_a_model_that_cannot_compress_is_said(call, photos: Path, digits: Samples, tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    narrows.build(digits.description, "lesson-linear", 2).save(model)
    path = tmp_path / "p.narrows"
    for options in ((), ("--quality", 50), ("--max-error", 1)):
        code, _, err = call("compress", photos, "-m", model, "-o", path, *options)
        assert code == 2
        assert "not trained to compress; train one with --for compress, or leave it out" in err
    assert not path.exists()


def _bad(tmp_path: Path) -> dict[str, tuple[list[object], str]]:
    """Bad input by name: arguments, and words that must be in the answer."""
    for name in ("empty", "bad", "control"):
        (tmp_path / name).mkdir()
    (tmp_path / "bad" / "a.png").write_text("no picture")
    Image.fromarray(waves(0)).save(tmp_path / "bad" / "b.png")
    Image.fromarray(waves(0)).save(tmp_path / "control" / "a\nb.png")
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "no.narrows").write_text("no archive")
    good, out = tmp_path / "bad" / "b.png", ["-o", tmp_path / "out"]
    return {
        "no such input": (["compress", tmp_path / "nothing", *out], "no such file or folder"),
        "empty folder": (["compress", tmp_path / "empty", *out], "nothing to compress"),
        "text named png": (["compress", tmp_path / "bad", *out], "--skip-bad"),
        "control character": (["compress", tmp_path / "control", *out], "control character"),
        "object": (["compress", tmp_path / "object.npy", *out], "pickled"),
        "quality 0": (["compress", good, *out, "--quality", 0], "1<=x<=100"),
        "both promises": (["compress", good, *out, "--quality", 1, "--max-error", 1], "choose one"),
        "no such model": (["compress", good, *out, "-m", tmp_path / "m"], "No such file"),
        "unwritable": (["compress", good, "-o", tmp_path / "no" / "a.narrows"], "cannot be written"),
        "onto itself": (["compress", good, "-o", good, "--force"], "is one of the inputs"),
        "no input": (["compress", *out], "INPUT"),
        "no archive": (["decompress", tmp_path / "no.narrows", *out], "not a narrows archive"),
        "no archive to verify": (["verify", tmp_path / "no.narrows"], "not a narrows archive"),
        "no such archive": (["decompress", tmp_path / "nothing.narrows", *out], "cannot be read"),
        "two archives": (["decompress", *[tmp_path / "no.narrows"] * 2, *out], "one archive at a time"),
        "names of a model": (["inspect", tmp_path / "bad" / "a.png", "--names"], "is not an archive"),
    }


BAD = (
    "no such input, empty folder, text named png, control character, object, quality 0, "
    "both promises, no such model, unwritable, onto itself, no input, no archive, "
    "no archive to verify, no such archive, two archives, names of a model"
).split(", ")


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line_and_leaves_nothing(name: str, call, tmp_path: Path) -> None:
    arguments, words = _bad(tmp_path)[name]
    before = tree(tmp_path)
    code, out, err = call(*arguments)
    complaint = [line for line in err.splitlines() if line.startswith("narrows: ")]
    assert code == 2, err
    assert len(complaint) == 1
    assert err.rstrip().endswith(complaint[0])
    assert words in complaint[0]
    assert out == ""
    assert tree(tmp_path) == before


def test_skip_bad_goes_on_and_says_how_many(call, tmp_path: Path) -> None:
    _bad(tmp_path)
    code, _, err = call("compress", tmp_path / "bad", "-o", tmp_path / "p.narrows", "--skip-bad")
    assert code == 0, err
    assert "warning: left out: " in err
    assert call("inspect", tmp_path / "p.narrows", "--names")[1] == "b.png\n"


def test_files_that_vanish_and_closed_folders_are_named_and_may_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    (folder / "closed").mkdir(parents=True)
    (folder / "log.bin").write_bytes(b"bytes")
    np.save(folder / "z.npy", np.arange(9.0))
    listed = Path.iterdir

    def iterdir(self: Path) -> object:
        if self.name == "closed":
            raise PermissionError(13, "Permission denied", str(self))
        return listed(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", iterdir)
        with pytest.raises(NarrowsError, match="closed: the folder cannot be read"):
            narrows.compress(folder, tmp_path / "p.narrows")
        done = narrows.compress(folder, tmp_path / "p.narrows", skip_bad=True)
        assert (done.files, len(done.bad)) == (2, 1)
    for name in ("a.png", "a.jpg", "a.wav", "a.npy", "a.bin"):

        def gone(result: object, path: Path = folder / name) -> None:
            path.unlink()

        wanted = Wanted(force=True)
        (folder / name).write_bytes(b"other")
        with pytest.raises(DataError, match=rf"{name}: .*\(or leave out such files with --skip-bad\)$"):
            compress([folder], tmp_path / "p.narrows", wanted=wanted, begin=gone)
        (folder / name).write_bytes(b"other")
        done = compress([folder], tmp_path / "p.narrows", wanted=replace(wanted, skip_bad=True), begin=gone)
        assert (done.files, len(done.bad)) == (2, 1)
        with open_archive(tmp_path / "p.narrows") as archive:
            assert list(archive) == ["log.bin", "z.npy"]
            assert list(archive.verify()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_and_devices_in_a_folder_are_left_out_and_named(call, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "null").symlink_to("/dev/null")
    code, _, err = call("compress", folder, "-o", tmp_path / "p.narrows")
    assert (code, err) == (2, f"narrows: {folder / 'null'}: it is no file\n")
    Image.fromarray(waves(0)).save(folder / "b.png")
    code, _, err = call("compress", folder, "-o", tmp_path / "p.narrows")
    assert code == 0, err
    assert f"left out, since they are of another kind: 2 files, the first: {folder / 'null'}" in err


def test_folders_come_back_under_their_own_name_and_where_links_lead_to_them(call, tmp_path: Path) -> None:
    for name in ("2023/y.png", "best/x.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        Image.fromarray(waves(len(name))).save(tmp_path / "in" / name)
    (tmp_path / "in" / "2023" / "favourites").symlink_to("../best")
    (tmp_path / "in" / "best" / "round").symlink_to("..")
    code, out, err = call("compress", tmp_path / "in", "-o", tmp_path / "p.narrows", "--json")
    assert code == 0, err
    assert "since they are of another kind or links in circles: 2 files" in err
    assert len(json.loads(out)["left_out"]) == 2
    with open_archive(tmp_path / "p.narrows") as archive:
        assert list(archive) == ["2023/favourites/x.png", "2023/y.png", "best/x.png"]


def test_links_in_the_folder_are_not_followed_out_of_it(call, tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    Image.fromarray(waves(0)).save(tmp_path / "in" / "a" / "x.png")
    path, outside = tmp_path / "p.narrows", tmp_path / "outside"
    call("compress", tmp_path / "in", "-o", path)
    outside.mkdir()
    (outside / "x.png").write_text("mine")
    for back, link, target in (
        ("folder", "a", outside),
        ("file", "a/x.png", outside / "x.png"),
        ("new", "a/x.png", outside / "new"),
    ):
        (tmp_path / back / link).parent.mkdir(parents=True)
        (tmp_path / back / link).symlink_to(target)
        code, _, err = call("decompress", path, "-o", tmp_path / back, "--force")
        assert code == 2
        assert "leads out of" in err
    assert tree(outside) == {"x.png"}
    assert (outside / "x.png").read_text() == "mine"
    (tmp_path / "linked").symlink_to(tmp_path / "fine")  # the folder itself may be a link
    (tmp_path / "fine").mkdir()
    assert call("decompress", path, "-o", tmp_path / "linked")[0] == 0
    assert tree(tmp_path / "fine") == {"a/x.png"}


def _pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize(
    ("name", "make", "options"),
    [
        ("deep", Path.touch, ()),  # a folder of the archive
        ("deep", Path.touch, ("--force",)),
        ("grey.bmp", Path.mkdir, ("--force",)),
        ("grey.bmp", _pipe, ("--force",)),
        ("grey.jpg", _pipe, ("--force", "--format", "jpeg")),
    ],
)
def test_what_is_in_the_way_is_told_before_anything_is_written(
    call, photos: Path, tmp_path: Path, name: str, make, options: tuple[str, ...]
) -> None:
    path, back = tmp_path / "p.narrows", tmp_path / "back"
    call("compress", photos, "-o", path, "--max-error", 1)
    back.mkdir()
    make(back / name)
    code, _, err = call("decompress", path, "-o", back, *options)
    assert code == 2
    assert err.startswith(f"narrows: {back / name}: it is there already, and no f")
    assert [each.name for each in back.iterdir()] == [name]


def test_a_name_that_the_locale_cannot_write_is_told(photos: Path, tmp_path: Path) -> None:
    narrows.compress(photos / "deep", tmp_path / "p.narrows")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    arguments = command("decompress", tmp_path / "p.narrows", "-o", tmp_path / "back")
    done = subprocess.run(arguments, env=os.environ | ascii_only, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / "back").exists()) == (2, False)
    assert "'er/gr\\xf6\\xdfe 1.webp': this locale cannot write the name" in done.stderr


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/x.png", "/", ".", "", "a\0b", "a/.."])
def test_a_name_that_leads_outside_has_no_place_even_if_an_archive_had_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(NarrowsError, match="leads out"):
        place(tmp_path, name)
    assert place(tmp_path, "a/..b") == tmp_path / "a" / "..b"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "narrows", *map(str, arguments)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_process_leaves_nothing_under_the_name(number: signal.Signals, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.integers(0, 256, (4000, 64, 64), np.uint8))
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "a.narrows"
    process = subprocess.Popen(command("compress", tmp_path / "a.npy", "-o", path), stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.3))  # anywhere on its way
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number), err
    assert not path.exists()
    if number != signal.SIGKILL:
        assert list((tmp_path / "out").iterdir()) == []
        assert len([line for line in err.decode().splitlines() if line.startswith("narrows: ")]) == 1


def test_a_full_disk_leaves_nothing_half_written(call, small_disk: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (50, 64, 64), np.uint8))
    code, _, err = call("compress", tmp_path / "a.npy", "-o", small_disk / "a.narrows")
    assert code == 2
    assert "No space left on device" in err.splitlines()[-1]
    assert tree(small_disk) == set()
    assert call("compress", tmp_path / "a.npy", "-o", tmp_path / "a.narrows")[0] == 0
    assert call("decompress", tmp_path / "a.narrows", "-o", small_disk / "back")[0] == 2
    assert tree(small_disk) == set()


def test_a_limit_on_file_size_leaves_nothing_half_written(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (50, 64, 64), np.uint8))
    code = (
        "import resource, signal, sys; from narrows.cli.main import run\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
        "run(sys.argv[1:])"
    )
    arguments = ["compress", str(tmp_path / "a.npy"), "-o", str(tmp_path / "out.narrows")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr.splitlines()[-1]
    assert tree(tmp_path) == {"a.npy"}


@pytest.mark.parametrize("command", ["compress", "verify", "decompress", "inspect"])
def test_an_archive_without_a_model_loads_no_large_library(call, photos: Path, tmp_path: Path, command: str) -> None:
    path, back = tmp_path / "p.narrows", tmp_path / "back"
    assert call("compress", photos, "-o", path)[0] == 0
    arguments = {
        "compress": [photos, "-o", tmp_path / "again.narrows"],
        "verify": [path],
        "decompress": [path, "-o", back],
        "inspect": [path],
    }[command]
    code = (
        "import sys, narrows.cli.main as m\n"
        "try:\n    m.run(sys.argv[1:])\nexcept SystemExit as e:\n    assert not e.code\n"
        "print({'torch', 'scipy'} & set(sys.modules))"
    )
    called = [sys.executable, "-c", code, command, *map(str, arguments)]
    done = subprocess.run(called, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
