"""What does not pay is said: when training ends, before an archive is written, and by leaving the model out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import narrows
from narrows.archive.promise import Promise
from narrows.cli import terminal
from narrows.codecs.block import BlockCodec
from narrows.data.samples import Samples
from narrows.entropy.integer_networks import IntegerNetwork
from narrows.evaluation.verdict import Verdict, verdicts
from narrows.models.base import Model
from narrows.tasks.forecast import Forecast, forecast
from narrows.tasks.inputs import find

QUICK = ("--steps", 2, "--threads", 1)


@pytest.fixture(scope="module")
def codec(digits: Samples, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("codec") / "m"
    settings = narrows.Settings(steps=2, threads=1)
    return narrows.train(digits.take(np.arange(200)), path, purpose="compress", settings=settings).run()


def test_both_promises_are_judged_beside_general_formats(codec, digits: Samples) -> None:
    lossy, exact = verdicts(codec, digits.take(np.arange(300, 400)))
    assert lossy.psnr_db is not None
    assert (lossy.rival, exact.psnr_db, lossy.images) == ("WebP", None, 100)
    at_quality = narrows.Codec(codec, quality=75)
    assert lossy.ours == len(at_quality.compress(digits.values[300:400])) - len(at_quality.compact_model)
    assert "for 100 held-out images" in str(exact)
    assert verdicts(codec, narrows.from_arrays(np.random.default_rng(0).random((9, 5)))) == []
    assert str(Verdict(3, 120, "WebP", 100, 31.0)) == (
        "at 31.0 dB: 120 bytes for 3 held-out images, 20 % more than WebP (100)"
    )
    assert (Verdict(3, 120, "WebP", 100).loses, Verdict(3, 80, "WebP", 100).loses) == (True, False)


def test_a_codec_that_loses_says_so_when_training_ends(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []

    def losing(model: Model, samples: Samples) -> list[Verdict]:
        judged.append(len(samples))
        return [Verdict(3, 120, "WebP", 100, 31.0), Verdict(3, 80, "PNG", 100)]

    monkeypatch.setattr("narrows.evaluation.verdict.verdicts", losing)
    options = ("--for", "compress", "--promise", "max-error", "-o", tmp_path / "m", *QUICK)
    code, out, err = call("train", "digits", *options, "--json")
    assert code == 0, err
    assert judged == [72]  # the twentieth part that was held out
    assert "20 % more than WebP" in err
    assert "without loss: 80 bytes for 3 held-out images, 20 % less than PNG" in err
    warning = "WebP is smaller than this codec at equal error; train longer"
    assert sum(warning in line for line in err.splitlines()) == 1
    assert [warning in note for note in json.loads(out)["notes"]] == [True]


def test_a_model_that_saves_less_than_it_takes_is_left_out(
    call, codec, digits: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec.save(tmp_path / "m")
    np.save(tmp_path / "few.npy", digits.values[:8])
    options = ("-m", tmp_path / "m", "--max-error", 0, "--json")
    code, out, err = call("compress", tmp_path / "few.npy", "-o", tmp_path / "few.narrows", *options)
    assert code == 0, err
    assert "so it is left out; more files in one archive would share it" in err
    assert json.loads(out)["model_bytes"] == 0
    assert call("decompress", tmp_path / "few.narrows", "-o", tmp_path / "back")[0] == 0  # and needs no model
    assert np.array_equal(np.load(tmp_path / "back" / "few.npy"), digits.values[:8])
    sizes = [1e9, 0.0]  # without the model, and with it
    monkeypatch.setattr(Forecast, "size", lambda self, coder: sizes.pop(0))
    out = call("compress", tmp_path / "few.npy", "-o", tmp_path / "many.narrows", *options)[1]
    assert json.loads(out)["model_bytes"] > 0


def test_an_archive_that_will_be_larger_is_told_before_it_is_written(call, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for n in range(3):
        noise = rng.integers(0, 256, (150, 200, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "in" / f"{n}.jpg", quality=5)
    _, out, err = call("compress", tmp_path / "in", "-o", tmp_path / "a.narrows", "--max-error", 1, "--json")
    lines = err.splitlines()
    told = next(number for number, line in enumerate(lines) if "more than the files: keep them, or ask for a" in line)
    assert told < next(number for number, line in enumerate(lines) if "3 samples" in line)
    found = forecast(find([tmp_path / "in"]).sources).size(BlockCodec(Promise(1)))
    assert abs(found / json.loads(out)["archive_bytes"] - 1) < 0.5
    assert "more than the files" not in call("compress", tmp_path / "in", "-o", tmp_path / "b.narrows")[2]


@pytest.mark.parametrize("promise", [{"max_error": 0}, {"quality": 40}])
def test_networks_of_small_steps_use_one_core_in_every_thread(
    codec, digits: Samples, promise: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    before, multiply = torch.get_num_threads(), IntegerNetwork.__call__

    def spying(self: IntegerNetwork, *arguments: Any) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return multiply(self, *arguments)

    monkeypatch.setattr(IntegerNetwork, "__call__", spying)
    torch.set_num_threads(2)
    try:
        data = narrows.Codec(codec, **promise).compress(digits.values[:3])  # one block, in this thread
        narrows.Codec(codec, **promise).decompress(data)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen
    assert set(seen) == {1}


def test_the_time_left_is_that_of_what_is_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = [0.0], []
    monkeypatch.setattr(terminal.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(terminal, "say", said.append)
    with terminal.bar() as draw:
        clock[0] = 100.0  # spent on reading
        draw("reading", 5, 5)
        draw("comparing", 10, 40)
        clock[0] = 110.0
        draw("comparing", 20, 40)
    assert said[-1] == "comparing: 20 of 40, about 20 s left"
