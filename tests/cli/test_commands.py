"""Every command as a person calls it: what it does, and what bad input gets told."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import narrows
from narrows.cli.main import run
from narrows.data.samples import Samples

QUICK = ["--steps", "8", "--network", "lesson-linear", "--code", "4"]


def test_train_writes_a_model_a_log_and_one_json_object(call, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    code, out, err = call("train", "digits", "-o", path, *QUICK, "--json")
    assert code == 0, err
    values = json.loads(out)
    assert {"model", "samples", "parameters", "steps", "seconds", "train_mse", "validation_mse"} <= values.keys()
    assert (values["steps"], values["samples"]) == (8, 1437)
    assert "1437 images 8x8, grey, uint8, 0 to 255" in err
    assert "for validation, by seed 0" in err
    lines = [json.loads(line) for line in (tmp_path / "m.safetensors.log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 8
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.safetensors", "m.safetensors.log.jsonl"]


def test_the_same_command_gives_the_same_weights(call, tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        assert call("train", "digits", "-o", tmp_path / name, *QUICK)[0] == 0
        digests.append(json.loads(call("inspect", tmp_path / name, "--json")[1])["weights_sha256"])
    assert digests[0] == digests[1]


def test_the_lessons_settings_can_be_followed_to_the_letter(call, tmp_path: Path) -> None:
    options = "--network lesson-linear --batch-size 20 --learning-rate 0.001 --start random --epochs 1".split()
    code, _, err = call("train", "digits", "-o", tmp_path / "m", *options)
    assert code == 0
    assert "of 20; Adam 0.001, constant; start random" in err


def test_a_folder_of_pictures_goes_the_whole_way(call, tmp_path: Path, pictures: Samples) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(len(pictures)):
        Image.fromarray(pictures.values[index]).save(folder / f"p{index}.png")
    path, out = tmp_path / "m.safetensors", tmp_path / "out"
    assert call("train", folder, "-o", path, "--steps", 3, "--crop", 32, "--code", 6)[0] == 0
    code, text, err = call("evaluate", path, folder, "-o", out, "--json")
    assert code == 0, err
    values = json.loads(text)
    assert values["samples"] == 12
    assert {"mse", "squared_error", "psnr_db", "ssim", "pca_mse"} <= values.keys()
    drawn = {"code-effects", "code-map", "loss", "odd", "reconstructions", "walk"}
    assert {p.name for p in out.iterdir()} == {"evaluation.json", *(f"{name}.png" for name in drawn)}
    code, text, _ = call("embed", folder, "-m", path, "-o", tmp_path / "f.npy", "--json")
    assert json.loads(text) == {"rows": 12, "columns": 6}
    assert (tmp_path / "f.names.txt").read_text().split() == sorted(f"p{i}.png" for i in range(12))


def test_evaluate_prints_a_table_beside_pca(call, model: Path) -> None:
    code, out, _ = call("evaluate", model, "digits")
    assert code == 0
    assert "PCA, 4 numbers" in out
    assert "360 samples of digits:test" in out
    assert "as the lesson prints it (MSE x 20)" in out


def test_evaluate_measures_what_numpy_measures(call, model: Path, tmp_path: Path) -> None:
    test = narrows.open_samples("digits", "test")
    loaded = narrows.load(model)
    error = np.square((loaded.decode(loaded.encode(test.values)).astype(float) - test.values) / 255)
    values = json.loads(call("evaluate", model, "digits", "--json")[1])
    assert values["mse"] == pytest.approx(error.mean())
    assert values["squared_error"] == pytest.approx(error.mean() * 64)
    assert values["lesson_loss"] == pytest.approx(error.mean() * 20)


def test_vectors_are_trained_evaluated_and_embedded(call, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "v.npy", (rng.standard_normal((300, 3)) @ rng.standard_normal((3, 12))).astype(np.float32))
    assert call("train", tmp_path / "v.npy", "-o", tmp_path / "m", "--code", 3, "--steps", 30)[0] == 0
    code, out, _ = call("evaluate", tmp_path / "m", tmp_path / "v.npy", "-o", tmp_path / "e", "--json")
    assert code == 0
    assert json.loads(out)["mse"] < 1e-4
    assert json.loads(out)["ssim"] is None
    assert (tmp_path / "e" / "walk.png").exists()


def test_inspect_tells_what_a_model_is(call, model: Path) -> None:
    code, out, _ = call("inspect", model)
    assert code == 0
    for words in ("lesson-linear", "1437 images 8x8", "digits:train"):
        assert words in out
    assert "train mse" in out
    out = call("inspect", "photo-exact")[1]  # which has no error
    assert "bits" in out
    assert "mse" not in out


def test_embed_writes_parquet_with_names(call, model: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert call("embed", "digits", "-m", model, "-o", tmp_path / "f.parquet")[0] == 0
    table = parquet.read_table(tmp_path / "f.parquet")
    assert table.column_names == ["name", "label", *(f"code_{i}" for i in range(4))]
    assert table.num_rows == 1437


def test_the_demo_tells_its_story(call, tmp_path: Path) -> None:
    code, out, err = call("demo", "-o", tmp_path / "demo", "--json")
    assert code == 0, err
    values = json.loads(out)
    for name, rival in (("compressed", "JPEG"), ("denoised", "noisy")):
        psnr = values["photographs"][name]["psnr_db"]
        assert psnr["narrows"] > psnr[rival] + 1
        assert (tmp_path / "demo" / f"{name}.png").stat().st_size > 5000
    random_start, from_pca, dense = (entry["mse"] for entry in values["runs"])
    assert dense < from_pca < values["runs"][0]["pca_mse"] < random_start
    assert all(Path(p).stat().st_size > 5000 for p in values["pictures"])


def _bad(tmp_path: Path) -> dict[str, tuple[list[object], str]]:
    """Bad input by name: the arguments of `train`, and words that must be in the answer."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.png").write_text("no picture")
    (tmp_path / "cut").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut" / "b.png").write_bytes((tmp_path / "whole.png").read_bytes()[:3000])
    arrays = {
        "five": np.zeros((3, 8, 8, 5), np.uint8),
        "nan": np.array([[1.0, np.nan]]),
        "inf": np.array([[1.0, np.inf]]),
        "none": np.zeros((0, 8, 8), np.uint8),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.save(tmp_path / "object.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    (tmp_path / "old.pt").write_bytes(b"x")
    out: list[object] = ["-o", tmp_path / "m"]
    return {
        "no such file": ([tmp_path / "nothing", *out], "no such file or folder"),
        "empty folder": ([tmp_path / "empty", *out], "no image in this folder"),
        "text named png": ([tmp_path / "text", *out], "a.png"),
        "truncated png": ([tmp_path / "cut", *out], "b.png"),
        "five channels": ([tmp_path / "five.npy", *out], "5 channels"),
        "nan": ([tmp_path / "nan.npy", *out], "NaN or infinity"),
        "inf": ([tmp_path / "inf.npy", *out], "NaN or infinity"),
        "zero length": ([tmp_path / "none.npy", *out], "at least one sample"),
        "object": ([tmp_path / "object.npy", *out], "pickled"),
        "pickle": ([tmp_path / "old.pt", *out], "pickle"),
        "code too large": (["digits", *out, "--code", 65], "from 1 to 64"),
        "no epochs": (["digits", *out, "--epochs", 0], "above 0"),
        "unwritable": (["digits", "-o", tmp_path / "no" / "m"], "cannot be written"),
        "a folder": (["digits", "-o", tmp_path], "cannot be written"),
        "network": (["digits", *out, "--network", "deep"], "there are lesson-linear"),
        "device": (["digits", *out, "--device", "warp"], "cannot be used"),
        "two budgets": (["digits", *out, "--epochs", 1, "--steps", 1], "choose one"),
        "no checkpoint": (["digits", *out, *QUICK, "--resume"], "no checkpoint"),
        "no output": (["digits"], "output"),
        "unknown option": (["digits", *out, "--fast"], "--fast"),
    }


BAD = (
    "no such file, empty folder, text named png, truncated png, five channels, nan, inf, zero length, object, "
    "pickle, code too large, no epochs, unwritable, a folder, network, device, two budgets, no checkpoint, "
    "no output, unknown option"
).split(", ")


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line_and_leaves_nothing(name: str, call, tmp_path: Path) -> None:
    arguments, words = _bad(tmp_path)[name]
    code, out, err = call("train", *arguments)
    complaint = [line for line in err.splitlines() if line.startswith("narrows: ")]
    assert code == 2, err
    assert len(complaint) == 1
    assert err.rstrip().endswith(complaint[0])
    assert words in complaint[0]
    assert out == ""
    assert not (tmp_path / "m").exists()


def test_a_diverging_run_is_said_and_leaves_the_best_weights(call, tmp_path: Path) -> None:
    options = ["--learning-rate", "1e30", "--network", "lesson-conv", "--steps", "50"]
    code, _, err = call("train", "digits", "-o", tmp_path / "m", *options)
    assert code == 2
    assert "no longer a number" in err.splitlines()[-1]
    assert np.isfinite(narrows.load(tmp_path / "m").encode(np.zeros((1, 8, 8, 1), np.uint8))).all()


def test_a_one_pixel_image_can_be_learned(call, tmp_path: Path) -> None:
    Image.fromarray(np.full((1, 1, 3), 7, np.uint8)).save(tmp_path / "one.png")
    code, _, err = call("train", tmp_path / "one.png", "-o", tmp_path / "m", "--steps", 2, "--code", 1)
    assert code == 0, err


def test_skip_bad_goes_on_and_says_how_many(call, tmp_path: Path) -> None:
    for index in range(3):
        Image.fromarray(np.full((16, 16), index * 50, np.uint8)).save(tmp_path / f"{index}.png")
    (tmp_path / "bad.png").write_text("no picture")
    code, _, err = call("train", tmp_path, "-o", tmp_path / "m", "--steps", 2, "--code", 2, "--skip-bad")
    assert code == 0, err
    assert "1 of 4 files were left out" in err


def test_a_model_cut_at_every_kilobyte_is_refused(call, model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    for length in range(0, len(content), 1024):
        (tmp_path / "cut").write_bytes(content[:length])
        code, _, err = call("evaluate", tmp_path / "cut", "digits")
        assert code == 2
        assert err.startswith("narrows: ")
        assert len(err.splitlines()) == 1


def test_samples_that_do_not_fit_the_model_are_refused(call, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 9, 9), np.uint8))
    code, _, err = call("evaluate", model, tmp_path / "x.npy")
    assert code == 2
    assert "do not fit this model" in err


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory, digits: Samples) -> list[str]:
    """Arguments of a training that goes on for a second or more; `-o` and its path are to follow."""
    data = tmp_path_factory.mktemp("training") / "digits.npy"
    np.save(data, np.asarray(digits.values))
    options = ["--network", "dense", "--code", "8", "--width", "32", "--steps", "400", "--seed", "3"]
    return ["train", str(data), *options, "--checkpoint-every", "0.05", "-o"]


def weights(path: Path) -> list[torch.Tensor]:
    return list(narrows.load(path).state_dict().values())


@pytest.fixture(scope="module")
def undisturbed(training: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[torch.Tensor]:
    """The weights of that training where nothing happens to it."""
    path = tmp_path_factory.mktemp("undisturbed") / "whole"
    with pytest.raises(SystemExit) as caught:
        run([*training, str(path)])
    assert not caught.value.code
    return weights(path)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_process_resumes_to_the_same_bits(
    number: signal.Signals, training: list[str], undisturbed: list[torch.Tensor], call, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "narrows", *training, str(killed)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    checkpoint = tmp_path / "killed.checkpoint"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.3))  # anywhere in the run: the result must not depend on it
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if process.returncode != 0:
        assert checkpoint.exists(), err
        if number != signal.SIGKILL:
            assert process.returncode == 128 + number
            assert b"holds the best weights so far" in err
            narrows.load(killed)
        code, _, err = call(*training, killed, "--resume")
        assert code == 0, err
    assert not checkpoint.exists()
    assert all(torch.equal(a, b) for a, b in zip(undisturbed, weights(killed), strict=True))
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part") and number != signal.SIGKILL]


def test_a_disk_that_fills_up_keeps_what_was_there(call, small_disk: Path) -> None:
    path = small_disk / "m"
    assert call("train", "digits", "-o", path, *QUICK, "--checkpoint-every", 1000)[0] == 0
    before = path.read_bytes()
    code, _, err = call("train", "digits", "-o", path, "--network", "dense", "--steps", 8, "--force")
    assert code == 2
    assert "the model will take about" in err.splitlines()[-1]
    assert path.read_bytes() == before
    assert not list(small_disk.glob("*.part")) + list(small_disk.glob(".*.part"))
