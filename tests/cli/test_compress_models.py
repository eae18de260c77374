"""`compress` and `decompress` with a model: in the archive, beside it, missing, or another one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.data.samples import Samples


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, digits: Samples) -> list[Path]:
    """Two small models for lossy compression that differ."""
    folder = tmp_path_factory.mktemp("models")
    for steps in (1, 2):
        model = narrows.build(digits.description, width=16, purpose="compress")
        list(narrows.fit(model, digits, narrows.Settings(steps=steps, batch_size=64)))
        model.save(folder / f"{steps}.safetensors")
    return sorted(folder.iterdir())


@pytest.fixture
def array(digits: Samples, tmp_path: Path) -> Path:
    np.save(tmp_path / "digits.npy", np.asarray(digits.values)[:100, ..., 0])
    return tmp_path / "digits.npy"


def test_an_archive_carries_its_model_and_the_quality_is_said(
    call, models: list[Path], array: Path, tmp_path: Path
) -> None:
    path = tmp_path / "p.narrows"
    code, out, err = call("compress", array, "-m", models[0], "-o", path, "--json")
    assert code == 0, err
    values = json.loads(out)
    assert values["promise"] == "lossy, quality 75"
    assert 0 < values["model_bytes"] < values["archive_bytes"]
    assert json.loads(call("inspect", path, "--json")[1])["model_embedded"] is True
    assert call("decompress", path, "-o", tmp_path / "back")[0] == 0
    before, after = np.load(array), np.load(tmp_path / "back" / "digits.npy")
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert 0 < np.abs(before.astype(int) - after).mean() < 20


def test_a_model_that_cannot_keep_the_promise_is_said_not_to_be_used(
    call, models: list[Path], array: Path, tmp_path: Path
) -> None:
    _, _, err = call("compress", array, "-m", models[0], "-o", tmp_path / "p.narrows", "--max-error", 0)
    assert f"{models[0]} was not trained for this promise, and is not used" in err


def test_an_archive_without_its_model_is_read_with_the_same_one_and_no_other(
    call, models: list[Path], array: Path, tmp_path: Path
) -> None:
    path = tmp_path / "p.narrows"
    code, _, err = call("compress", array, "-m", models[0], "-o", path, "--no-model", "--quality", 40)
    assert code == 0
    assert "the model is not in the archive" in err
    for options, words in (([], "does not carry its model"), (["-m", models[1]], "made with another model")):
        for arguments in (["decompress", path, "-o", tmp_path / "back"], ["verify", path]):
            code, out, err = call(*arguments, *options)
            assert (code, out) == (2, "")
            assert words in err
            assert len(err.splitlines()) == 1
    assert not (tmp_path / "back").exists()
    assert json.loads(call("inspect", path, "--json")[1])["model_embedded"] is False
    assert call("verify", path, "-m", models[0])[0] == 0
    assert call("decompress", path, "-m", models[0], "-o", tmp_path / "back")[0] == 0
    assert np.load(tmp_path / "back" / "digits.npy").shape == (100, 8, 8)


def test_not_verifying_gives_the_same_bytes(call, models: list[Path], array: Path, tmp_path: Path) -> None:
    for name, options in (("a", []), ("b", ["--no-verify"])):
        assert call("compress", array, "-m", models[0], "-o", tmp_path / name, *options)[0] == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_training_leaves_the_checkpoints_of_other_models_alone(call, tmp_path: Path) -> None:
    other = tmp_path / "m2.checkpoint"
    other.write_bytes(b"of another run")
    assert call("train", "digits", "-o", tmp_path / "m", "--steps", 2, "--network", "lesson-linear")[0] == 0
    assert other.read_bytes() == b"of another run"
    assert not (tmp_path / "m.checkpoint").exists()
