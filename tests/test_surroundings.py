"""Whatever a program has set for itself, narrows works the same, and leaves it as it was."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import narrows
from narrows.errors import DataError

X = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)


def trained() -> narrows.Model:
    samples = narrows.from_arrays(X)
    model = narrows.build(samples.description, "dense", code=4)
    list(narrows.fit(model, samples, narrows.Settings(steps=3, threads=1, device="cpu")))
    return model


def double() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.callback(torch.set_default_dtype, torch.get_default_dtype())
    torch.set_default_dtype(torch.float64)
    return stack


def elsewhere() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.callback(torch.set_default_device, None)
    torch.set_default_device("meta")
    return stack


def flushing() -> AbstractContextManager[object]:
    stack = ExitStack()
    stack.callback(torch.set_flush_denormal, False)
    torch.set_flush_denormal(True)
    return stack


def flushes() -> bool:
    return sys.float_info.min / 2 == 0


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "double": double,
    "another device": elsewhere,
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "errors": lambda: np.errstate(all="raise"),
    "flushing": flushing,
}


@pytest.fixture(scope="module")
def usual() -> tuple[list[np.ndarray], np.ndarray, bytes]:
    return results()


def results() -> tuple[list[np.ndarray], np.ndarray, bytes]:
    """Weights, codes and an archive."""
    model = trained()
    archive = narrows.Codec(max_error=0).compress(X)
    assert np.array_equal(narrows.Codec().decompress(archive), X)
    codes = model.encode(X)  # type: ignore[operator]
    return [w.detach().numpy().copy() for w in model.parameters()], codes, archive


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_weights_codes_and_archives_are_the_same_in_any_surroundings(name: str, usual) -> None:
    with SURROUNDINGS[name]():
        weights, codes, archive = results()
        assert torch.get_default_dtype() == (torch.float64 if name == "double" else torch.float32)
        assert torch.is_grad_enabled() == (name not in ("no_grad", "inference"))
        assert flushes() == (name == "flushing")
        if name == "errors":
            assert np.geterr()["over"] == "raise"
    assert all(map(np.array_equal, weights, usual[0]))
    assert np.array_equal(codes, usual[1])
    assert archive == usual[2]


@pytest.mark.parametrize("name", ["errors", "flushing"])
@pytest.mark.parametrize("words", [{"max_error": 1e-43}, {"max_error": "1%"}, {"relative_error": 0.01}, {}])
def test_denormals_are_within_the_error_in_any_surroundings(name: str, words: dict[str, Any], tmp_path: Path) -> None:
    values = (np.random.default_rng(0).normal(size=(400, 30)) * 1e-41).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    with SURROUNDINGS[name]():
        archive = narrows.Codec(**words).compress(values, block_samples=40)
        back = [narrows.Codec().decompress(archive), narrows.open_archive(archive, threads=2)["samples"]]
        narrows.compress(tmp_path / "a.npy", tmp_path / "a.narrows", **words)
        narrows.decompress(tmp_path / "a.narrows", tmp_path / "back")
    back.append(np.load(tmp_path / "back" / "a.npy"))
    exact = values.astype(np.float64)
    allowed = {"max_error": 1e-43, "relative_error": np.abs(exact) * 0.01}.get(next(iter(words), ""), 0)
    if words.get("max_error") == "1%":
        allowed = np.ptp(exact, axis=0) * 0.01
    for found in back:
        assert (np.abs(np.asarray(found, np.float64) - exact) <= allowed).all()


def test_between_two_steps_a_program_has_its_own_settings() -> None:
    samples = narrows.from_arrays(X)
    model = narrows.build(samples.description, "dense", code=4)
    with double():
        steps = narrows.fit(model, samples, narrows.Settings(steps=4, threads=1))
        for _ in steps:
            assert torch.ones(1).dtype == torch.float64
            break
        steps.close()
        assert torch.get_default_dtype() == torch.float64


def test_the_default_dtype_comes_back_when_the_last_thread_is_done() -> None:
    with double():
        threads = [threading.Thread(target=lambda: narrows.Codec(max_error=0).compress(X)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert torch.get_default_dtype() == torch.float64


def test_a_forked_process_can_train_after_its_parent_did() -> None:
    code = (
        "import multiprocessing as mp, numpy, narrows\n"
        "def go():\n"
        "    s = narrows.from_arrays(numpy.arange(64 * 40, dtype=numpy.uint8).reshape(40, 64))\n"
        "    m = narrows.build(s.description, 'dense', code=4, width=512)\n"
        "    for p in narrows.fit(m, s, narrows.Settings(steps=3, threads=2, batch_size=32)): pass\n"
        "go()\n"
        "child = mp.get_context('fork').Process(target=go)\n"
        "child.start(); child.join(60)\n"
        "print(child.exitcode); child.kill()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done.stderr


def test_a_training_that_is_left_when_the_program_ends_says_nothing() -> None:
    code = (
        "import numpy, narrows\n"
        "samples = narrows.from_arrays(numpy.arange(64 * 40, dtype=numpy.uint8).reshape(40, 64))\n"
        "model = narrows.build(samples.description, 'dense', code=4)\n"
        "steps = narrows.fit(model, samples, narrows.Settings(steps=9, threads=1))\n"
        "next(steps)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


class Endless:
    """As a data set of torch is: items by number, and no end."""

    def __getitem__(self, index: int) -> np.ndarray:
        return X[0]


@pytest.mark.parametrize("data", [Endless(), (x for x in X), {"a": 1}, b"bytes", open, range(3), None])
def test_what_is_no_array_is_refused_by_its_name(data: object) -> None:
    for call in (narrows.from_arrays, narrows.open_samples, narrows.Codec(max_error=0).compress):
        with pytest.raises(DataError, match=type(data).__name__):
            call(data)


def test_masked_arrays_are_refused_by_codecs_too() -> None:
    masked = np.ma.masked_array(X, X > 100)  # type: ignore[no-untyped-call]
    with pytest.raises(DataError, match="masked"):
        narrows.Codec(max_error=0).compress(masked)
    with pytest.raises(DataError, match="masked"):
        narrows.Codec(max_error=0).compress([masked[0]])
