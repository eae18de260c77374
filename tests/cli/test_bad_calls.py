"""Calls that cannot work: one line that helps, exit code 2, and whatever was there before stays."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import narrows
from narrows.cli import entry
from narrows.data.samples import Samples

QUICK = ["--steps", "3", "--network", "lesson-linear", "--code", "4"]
PROGRAM = [sys.executable, "-c", "from narrows.cli.entry import run; run()"]


def refused(outcome: tuple[int, str, str]) -> str:
    """The one line of a refusal."""
    code, out, err = outcome
    assert (code, out) == (2, ""), err
    assert len(err.splitlines()) == 1, err
    return err


def test_no_input_is_written_over(call, model: Path, tmp_path: Path) -> None:
    data = tmp_path / "x.npy"
    np.save(data, np.zeros((20, 8, 8), np.uint8))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "link.npy").symlink_to(data)
    before = data.read_bytes(), model.read_bytes()
    for arguments in (
        ("train", data, "-o", data),
        ("train", tmp_path, "-o", tmp_path / "a.png"),
        ("embed", data, "-m", model, "-o", data),
        ("embed", data, "-m", model, "-o", tmp_path / "link.npy"),
        ("embed", tmp_path, "-m", model, "-o", tmp_path / "e.npy", "--scatter", tmp_path / "a.png"),
        ("find", tmp_path / "a.png", tmp_path, "-m", model, "-o", tmp_path / "a.png"),
        ("show", tmp_path, "-o", tmp_path / "a.png"),
        ("evaluate", model, tmp_path, "-o", tmp_path),
    ):
        assert "the output is also the input" in refused(call(*arguments))
    copy = tmp_path / "m.npy"
    shutil.copy(model, copy)
    assert "the output is also the input" in refused(call("embed", data, "-m", copy, "-o", copy))
    assert (data.read_bytes(), copy.read_bytes()) == before


def test_a_named_set_is_no_file_of_that_name(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for force in ([], ["--force"]):
        assert call("train", "digits", "-o", "digits", *QUICK, *force)[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", "9" * 23], "from 0 to 9223372036854775807"),
        (["--threads", "100000"], "allowed is a whole number from 1 to"),
        (["--checkpoint-every", "-1"], "checkpoint seconds -1.0 was given"),
        (["--checkpoint-every", "nan"], "checkpoint seconds nan was given"),
        (["--network", "lesson-linear", "--width", "12"], "lesson-linear has none"),
        (["--epochs", "inf"], "allowed is a finite number above 0"),
        (["--device", "gpu"], "device 'gpu' cannot be used; allowed here: cpu"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: list[str], words: str, call, tmp_path: Path) -> None:
    err = call("train", "digits", "-o", tmp_path / "m", *options)[2]
    assert words in err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_rate_without_signals_is_refused(call, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 20)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((20, 5)))
    for name in ("t.csv", "x.npy"):
        outcome = call("train", tmp_path / name, "-o", tmp_path / "m", "--rate", 3, "--steps", 1)
        assert "a rate was given for samples that are no signals" in refused(outcome)


def test_an_empty_output_is_refused(call) -> None:
    assert "cannot be written" in refused(call("train", "digits", "-o", ""))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--device", "gpu"], "device"),
        (["--network", "deep"], "there are"),
        (["--network", "dense", "--crop", "16"], "whole samples only"),
        (["--resume"], "no checkpoint"),
    ],
)
def test_what_needs_no_data_is_checked_before_they_are_read(
    options: list[str], words: str, call, tmp_path: Path
) -> None:
    assert words in refused(call("train", tmp_path / "no such data", "-o", tmp_path / "m", *options))


def test_a_command_that_fails_leaves_the_log_of_an_earlier_model(call, tmp_path: Path) -> None:
    log = tmp_path / "m.log.jsonl"
    log.write_text("earlier\n")
    for wrong in (["--device", "gpu"], ["--code", "65"]):
        assert call("train", "digits", "-o", tmp_path / "m", *wrong)[0] == 2
        assert log.read_text() == "earlier\n"


def test_a_log_that_cannot_be_written_costs_no_model(call, tmp_path: Path) -> None:
    (tmp_path / "m.log.jsonl").mkdir()
    code, _, err = call("train", "digits", "-o", tmp_path / "m", *QUICK)
    assert code == 0
    assert err.count("the log cannot be written") == 1
    narrows.load(tmp_path / "m")


def test_an_evaluation_that_fails_leaves_no_folder(call, model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 9, 9), np.uint8))
    assert "do not fit this model" in refused(call("evaluate", model, tmp_path / "x.npy", "-o", tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    below = tmp_path / "x.npy" / "out"
    assert "cannot be made a folder" in refused(call("evaluate", model, tmp_path / "nothing", "-o", below))


def test_a_misspelt_command_gets_a_suggestion_and_the_list(call) -> None:
    err = refused(call("trian", "digits"))
    assert "Did you mean train?" in err
    assert "inspect" in err


def test_the_program_alone_shows_its_help(call) -> None:
    code, out, err = call()
    assert (code, out) == (2, "")
    assert err == call("--help")[1]


def test_a_wrong_call_points_to_the_help_of_its_command(call) -> None:
    for arguments in (["train"], ["train", "digits", "-o"], ["train", "--fast"]):
        assert "See 'narrows train --help'." in refused(call(*arguments))
    assert "See 'narrows --help'." in refused(call("--fast"))


def test_training_and_inspect_tell_the_code_in_the_same_words(call, pictures: Samples, tmp_path: Path) -> None:
    for index, image in enumerate(pictures.values):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    err = call("train", tmp_path, "-o", tmp_path / "m", "--steps", 1, "--crop", 32, "--code", 6)[2]
    assert "code 6x?x?" in err
    assert "6x?x?" in call("inspect", tmp_path / "m")[1]


def test_without_held_out_samples_nothing_is_called_validation(call, tmp_path: Path) -> None:
    _, out, err = call("train", "digits", "-o", tmp_path / "m", *QUICK, "--validation", 0, "--json")
    assert '"validation_mse": null' in out
    assert "on training samples, none were held out" in err
    assert "validation 0" not in err


def test_a_code_as_long_as_the_sample_is_noted(call, tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.random.default_rng(0).random((50, 4)).astype(np.float32))
    err = call("train", tmp_path / "t.npy", "-o", tmp_path / "m", "--code", 4, "--steps", 2)[2]
    assert "nothing is made smaller" in err
    assert "warning" not in err


def test_the_table_names_its_psnr_and_fills_every_row(call, model: Path) -> None:
    lines = call("evaluate", model, "digits")[1].splitlines()
    (head,) = (line for line in lines if "PSNR" in line)
    assert "mean PSNR, dB" in head
    (pca,) = (line for line in lines if "PCA, 4 numbers" in line)
    assert pca.count("-") == 1  # of the similarity alone


Shell = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(model: Path, digits: Samples, tmp_path: Path) -> Shell:
    """Run a shell command in which narrows is $N, a model $M and data of its kind $D; the exit status is narrows'."""
    data = tmp_path / "d.npy"
    np.save(data, np.asarray(digits.values[:20]))
    program = f"{sys.executable} -m narrows"
    variables = {**os.environ, "N": program, "M": str(model), "D": str(data)}

    def running(line: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-o", "pipefail", "-c", line]
        return subprocess.run(command, capture_output=True, text=True, env=variables, check=False)

    return running


@pytest.mark.parametrize("command", ["inspect $M", "--help", "evaluate $M $D"])
def test_a_reader_that_goes_away_is_no_error(command: str, shell: Shell) -> None:
    done = shell(f"$N {command} | head -0")
    assert done.returncode == 0, done.stderr
    assert "narrows:" not in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("$N evaluate $M $D >&-", "standard output is closed"),
        ("$N inspect $M >&-", "standard output is closed"),
        ("$N evaluate $M $D >/dev/full", "No space left on device"),
        ("$N inspect $M >/dev/full", "No space left on device"),
        ("$N --help >/dev/full", "No space left on device"),
    ],
)
def test_results_that_cannot_be_printed_are_told_in_one_line(line: str, words: str, shell: Shell) -> None:
    done = shell(line)
    assert done.returncode == 2, done.stderr
    assert [words in each for each in done.stderr.splitlines() if each.startswith("narrows:")] == [True]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("delay", [0.2, 1.0])
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_signals_before_training_end_it_with_one_line(
    signals: list[signal.Signals], delay: float, tmp_path: Path
) -> None:
    data = tmp_path / "x.npy"
    np.save(data, np.zeros((3000, 64, 64), np.float32))
    arguments = ["train", str(data), "-o", str(tmp_path / "m"), "--steps", "100000"]
    process = subprocess.Popen([*PROGRAM, *arguments], stderr=subprocess.PIPE, text=True)
    time.sleep(delay)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.01)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signals[0], err
    assert "Traceback" not in err
    assert "interrupted" in err.splitlines()[-1]


def test_a_signal_that_meets_a_finaliser_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "seen", [])
    before = signal.signal(signal.SIGINT, entry._stop)

    class Finalised:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            list(range(10))  # here the handler runs

    def meet() -> None:
        Finalised()
        time.sleep(10)

    try:
        with pytest.raises(KeyboardInterrupt):
            meet()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_meets_an_import_is_not_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(entry, "seen", [])
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "swallows.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    list(range(10))\n"
        "except KeyboardInterrupt:\n    pass  # as extensions do\n"
    )

    def meet() -> None:
        importlib.import_module("swallows")
        time.sleep(10)

    before = signal.signal(signal.SIGINT, entry._stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            meet()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_that_an_extension_turns_into_an_error_is_an_interruption(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "seen", [])

    def load(*_: object, **__: object) -> None:
        try:
            entry._stop(signal.SIGTERM, None)
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    monkeypatch.setattr("narrows.tasks.decompress.opened", load)
    assert call("verify", tmp_path) == (128 + signal.SIGTERM, "", "narrows: interrupted\n")


def test_embedding_onto_a_full_disk_says_so(call, digits: Samples, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted")
    try:
        err = call("embed", "digits", "-m", model, "-o", folder / "f.npy")[2]
        assert "No space left on device" in err.splitlines()[-1]
        assert not list(folder.iterdir())
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_embed_writes_what_numpy_reads(call, digits: Samples, model: Path, tmp_path: Path) -> None:
    assert call("embed", "digits", "-m", model, "-o", tmp_path / "f.npy")[0] == 0
    loaded = np.load(tmp_path / "f.npy")
    assert (loaded.dtype, loaded.shape) == (np.float32, (1437, 4))
    np.testing.assert_array_equal(loaded[:50], narrows.load(model).encode(digits.values[:50]))


def test_memory_that_is_freed_is_kept_unless_the_user_has_settings_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_, library = [], SimpleNamespace(mallopt=lambda *number: set_.append(number))
    monkeypatch.setattr(entry.ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(entry.sys, "platform", "linux")
    entry._keep_memory()
    assert dict(set_) == {-3: 1 << 30, -1: 1 << 30, -8: 1}
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    entry._keep_memory()
    monkeypatch.delenv("MALLOC_ARENA_MAX")
    monkeypatch.setattr(entry.sys, "platform", "darwin")
    entry._keep_memory()
    monkeypatch.setattr(entry.sys, "platform", "linux")
    monkeypatch.setattr(entry.ctypes, "CDLL", lambda _: SimpleNamespace())  # a C library without it
    entry._keep_memory()
    assert len(set_) == 3
