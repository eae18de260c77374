"""Nothing that is there is replaced without --force, and no work is lost without a word."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import narrows
from narrows.cli.main import COMMANDS
from narrows.errors import OutputError, SettingsError
from narrows.training import checkpoint

QUICK = ("--network", "lesson-linear", "--steps", 4, "--threads", 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.arange(40 * 64, dtype=np.uint16).astype(np.uint8).reshape(40, 8, 8))
    return tmp_path / "x.npy"


def state(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """When each file was written, and what is in it."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_every_command_that_writes_has_the_same_rule(call, data: Path, model: Path, tmp_path: Path) -> None:
    archive = tmp_path / "a.narrows"
    assert call("compress", data, "-o", archive)[0] == 0
    own, new = tmp_path / "own", tmp_path / "new"
    assert call("train", "digits", "-o", own, "--network", "lesson-linear", "--code", 4, "--steps", 5)[0] == 0
    calls = {
        "outliers": ("digits", "-m", own, "-o", tmp_path / "o.csv"),
        "sample": (own, "-n", 2, "-o", new),
        "walk": (new / "000.png", new / "001.png", "-m", own, "-o", tmp_path / "way"),
        "embed": ("digits", "-m", model, "-o", tmp_path / "e.npy", "--scatter", tmp_path / "e.png"),
        "find": ("--duplicates", data, "-m", model, "-o", tmp_path / "f.png"),
        "show": (data, "-o", tmp_path / "s.png"),
        "compress": (data, "-o", tmp_path / "b.narrows"),
        "decompress": (archive, "-o", tmp_path / "back"),
    }
    for name, arguments in calls.items():
        assert call(name, *arguments)[0] == 0
        before = {
            path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()
        }
        code, _, err = call(name, *arguments)
        assert code == 2
        assert "it is there already" in err
        assert "--force" in err
        assert state(tmp_path) == before
        assert call(name, *arguments, "--force")[0] == 0
    assert set(COMMANDS) - set(calls) == {
        *("train", "evaluate", "demo", "inspect", "models", "verify"),  # the first three have tests of their own
        *("denoise", "inpaint", "colourise", "upscale"),  # test_restoring has them
    }


def test_a_model_is_not_replaced_unless_it_took_seconds(call, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "m"
    assert call("train", data, "-o", path, *QUICK)[0] == 0
    code, _, err = call("train", data, "-o", path, *QUICK)
    assert code == 0
    assert f"{path} was there, a model of 0 seconds of training, and is replaced" in err
    model = narrows.load(path)
    model.provenance["seconds"] = 120.0
    model.save(path)
    (tmp_path / "picture").write_bytes(b"no model")
    (tmp_path / "cut").write_bytes(path.read_bytes()[:-100])
    for name in ("m", "picture", "cut", "x.npy.names.txt", "x.npy"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("a list")
        before = state(tmp_path)
        code, _, err = call("train", "digits", "-o", tmp_path / name, *QUICK)
        assert code == 2
        assert "it is there already" in err
        assert state(tmp_path) == before
    assert call("train", data, "-o", path, *QUICK, "--force")[0] == 0


def test_a_picture_of_ones_own_is_not_replaced_by_one_of_an_evaluation(call, model: Path, tmp_path: Path) -> None:
    assert call("evaluate", model, "digits", "-o", tmp_path / "one")[0] == 0
    code, _, err = call("evaluate", model, "digits", "-o", tmp_path / "one")
    assert code == 0
    assert "an evaluation that is there is replaced" in err
    name = next((tmp_path / "one").glob("*.png")).name
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / name).write_text("mine")
    code, _, err = call("evaluate", model, "digits", "-o", tmp_path / "two")
    assert code == 2
    assert name in err
    assert [path.name for path in (tmp_path / "two").iterdir()] == [name]
    assert (tmp_path / "two" / name).read_text() == "mine"
    (tmp_path / "two" / name).rename(tmp_path / "two" / "evaluation.json")
    assert call("evaluate", model, "digits", "-o", tmp_path / "two")[0] == 2
    assert (tmp_path / "two" / "evaluation.json").read_text() == "mine"


def test_a_demo_does_not_touch_what_is_in_its_folder(call, tmp_path: Path) -> None:
    (tmp_path / "compressed.png").write_text("mine")
    code, _, err = call("demo", "-o", tmp_path)
    assert code == 2
    assert "compressed.png: it is there already" in err


def test_an_interrupted_run_is_neither_lost_nor_gone_on_with_without_a_word(data: Path, tmp_path: Path) -> None:
    settings = narrows.Settings(steps=50, threads=1)
    training = narrows.train(data, tmp_path / "m", settings=settings, network="dense", checkpoint_seconds=0)
    iteration = iter(training)
    next(iteration)
    iteration.close()
    kept = (tmp_path / "m.checkpoint").read_bytes()
    with pytest.raises(OutputError, match=r"add --resume to go on with it, or --force to begin anew"):
        narrows.train(data, tmp_path / "m", settings=settings, network="dense")
    assert (tmp_path / "m.checkpoint").read_bytes() == kept
    with pytest.raises(SettingsError, match="choose one"):
        narrows.train(data, tmp_path / "m", settings=settings, network="dense", resume=True, force=True)
    narrows.train(data, tmp_path / "m", settings=settings, network="dense", resume=True).run()
    assert not (tmp_path / "m.checkpoint").exists()


def test_a_model_that_does_not_fit_the_disk_is_not_trained(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    training = narrows.train(data, tmp_path / "m", settings=narrows.Settings(steps=1), network="dense")
    with pytest.raises(OutputError, match=r"the model will take about .* free"):
        next(iter(training))
    assert not (tmp_path / "m").exists()


def test_a_checkpoint_that_cannot_be_written_is_told_at_once(
    call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str | os.PathLike[str], *_: object) -> None:
        raise OutputError(f"{path}: cannot be written: the disk is full")

    monkeypatch.setattr(checkpoint, "write", full)
    code, _, err = call("train", data, "-o", tmp_path / "m", *QUICK, "--checkpoint-every", 0)
    assert code == 0
    lines = err.splitlines()
    told = next(number for number, line in enumerate(lines) if "the disk is full" in line)
    assert told < next(
        number for number, line in enumerate(lines) if str(tmp_path / "m") in line and "full" not in line
    )
    assert "could not continue from here" in lines[told]


def test_the_minutes_are_shared_between_both_promises_and_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("narrows.tasks.train.time", SimpleNamespace(perf_counter=lambda: clock.now))
    settings = narrows.Settings(minutes=10, threads=1)
    training = narrows.train(data, tmp_path / "m", purpose="compress", settings=settings)
    assert any("about 6 minutes for the promise of a quality, then 4 for exactness" in n for n in training.notes)
    clock.now = 60.0  # a minute to read and to choose where to begin
    assert training._timed(0).minutes == pytest.approx(10 - 1 - 4 - 0.3)
    training._converting, clock.now = 30.0, 6.5 * 60
    assert training._timed(1).minutes == pytest.approx(10 - 6.5 - 0.5)
    clock.now = 11 * 60
    assert training._timed(1).minutes == pytest.approx(0.5)
