"""What `train --for compress` decides by itself, and what may be said about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.tasks.planner import Choices, plan

QUICK = ("--for", "compress", "--promise", "quality", "--steps", 1, "--batch-size", 4)


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    """Blocks of colour, each picture twice, the second time darker: `(64, 48, 32, 3)`."""
    rng = np.random.default_rng(0)
    light = np.kron(rng.integers(0, 255, (32, 6, 4, 3)), np.ones((1, 8, 8, 1)))
    np.save(tmp_path / "drawings.npy", np.concatenate([light, light * 0.8]).astype(np.uint8))
    return tmp_path / "drawings.npy"


@pytest.mark.parametrize(("effort", "network"), [("fast", "flat"), ("usual", "levels"), ("best", "levels")])
def test_an_effort_is_a_network(call, tmp_path: Path, effort: str, network: str) -> None:
    path = tmp_path / "m.safetensors"
    code, _, err = call("train", "digits", "-o", path, *QUICK, "--effort", effort)
    assert code == 0, err
    model = narrows.load(path)
    assert model.specification.network == network
    usual = narrows.build(model.description, network, purpose="compress")
    assert (model.specification.width > usual.specification.width) == (effort == "best")


def test_drawings_that_are_alike_get_small_blocks_and_a_memory(call, tmp_path: Path, drawings: Path) -> None:
    path = tmp_path / "m.safetensors"
    code, _, err = call("train", drawings, "-o", path, *QUICK, "--width", 16)
    assert code == 0, err
    assert "remembers 64 of them" in err
    assert "4 pixels" in err
    model = narrows.load(path)
    assert (model.specification.memory, model.grid.step) == (64, 4)
    assert json.loads(call("inspect", path, "--json")[1])["memory"] == 64
    some, archive = tmp_path / "some.npy", tmp_path / "d.narrows"
    np.save(some, np.load(drawings)[:9])
    assert call("compress", some, "-m", path, "-o", archive)[0] == 0
    assert call("decompress", archive, "-o", tmp_path / "back")[0] == 0
    assert np.load(tmp_path / "back" / "some.npy").shape == (9, 48, 32, 3)


def test_a_memory_of_none_is_none(call, tmp_path: Path, drawings: Path) -> None:
    path = tmp_path / "m.safetensors"
    code, _, err = call("train", drawings, "-o", path, *QUICK, "--width", 16, "--memory", 0)
    assert code == 0, err
    assert "remembers" not in err
    assert narrows.load(path).specification.memory == 0


def test_drawings_keep_large_blocks_where_the_code_needs_them(call, tmp_path: Path, drawings: Path) -> None:
    path = tmp_path / "m.safetensors"
    code, _, err = call("train", drawings, "-o", path, *QUICK, "--width", 16, "--code", 49, "--memory", 0)
    assert code == 0, err
    assert "4 pixels" not in err
    assert (narrows.load(path).specification.code, narrows.load(path).grid.step) == (49, 8)


@pytest.mark.parametrize(("side", "memory"), [(2048, 80), (2056, None)])
def test_images_that_are_coded_in_pieces_get_no_memory(side: int, memory: int | None) -> None:
    images = np.zeros((80, 3, side, 1), np.uint8)
    images[::2, :, : side // 2] = 200
    samples = narrows.from_arrays(images)
    (job,) = plan(samples, "compress", Choices(promise="quality")).jobs
    assert job.get("memory") == memory


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--effort", "fast"], "for models that compress"),
        (["--memory", 5], "for models that compress"),
        (["--for", "compress", "--effort", "fast", "--width", 32], "choose one"),
        (["--for", "compress", "--effort", "fast", "--network", "levels"], "choose one"),
        (["--for", "compress", "--memory", 5], "has none"),
        (["--for", "compress", "--memory", -1], "memory -1"),
        (["--for", "compress", "--promise", "max-error", "--memory", 5], "has none"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(
    call, tmp_path: Path, options: list[object], words: str
) -> None:
    code, out, err = call("train", "digits", "-o", tmp_path / "m", "--steps", 1, *options)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert words in last
    assert not (tmp_path / "m").exists()
