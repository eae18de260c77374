"""Commands on sounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from narrows.evaluation.waveforms import spectrogram


def test_sounds_are_compressed_inspected_verified_and_brought_back(call, tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", tone, 8000)
    code, _, said = call("compress", tmp_path / "a.wav", "-o", tmp_path / "a.narrows")
    assert code == 0, said
    code, out, _ = call("inspect", tmp_path / "a.narrows", "--json")
    assert json.loads(out)["sound"] == {"sounds": 1, "rates": [8000], "channels": [1], "seconds": 0.375}
    code, out, _ = call("inspect", tmp_path / "a.narrows")
    assert "seconds" in out
    assert call("verify", tmp_path / "a.narrows")[0] == 0
    assert call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0] == 0
    assert (tmp_path / "back" / "a.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()


def test_an_effort_is_said_where_sounds_take_long(call, tmp_path: Path, tone: np.ndarray, monkeypatch) -> None:
    soundfile.write(tmp_path / "a.wav", tone, 8000, "PCM_24")
    monkeypatch.setattr("narrows.cli.compress.LONG", 100)
    sizes = {}
    for effort in ("usual", "fast"):
        code, _, said = call("compress", tmp_path / "a.wav", "-o", tmp_path / f"{effort}.narrows", "--effort", effort)
        assert code == 0, said
        assert ("--effort fast takes" in said) == (effort == "usual")
        assert call("decompress", tmp_path / f"{effort}.narrows", "-o", tmp_path / effort)[0] == 0
        assert (tmp_path / effort / "a.wav").read_bytes() == (tmp_path / "a.wav").read_bytes()
        sizes[effort] = (tmp_path / f"{effort}.narrows").stat().st_size
    assert sizes["usual"] < sizes["fast"] < (tmp_path / "a.wav").stat().st_size


def test_kept_files_and_lies_are_told(call, tmp_path: Path, tone: np.ndarray, odd_sounds: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", tone, 8000)
    lie = odd_sounds / "good" / "its length is a lie.wav"
    _, _, said = call("compress", tmp_path / "a.ogg", lie, "-o", tmp_path / "a.narrows")
    assert "1 file kept to the byte" in said
    assert "claims 90000 bytes of sound, and 6002 are there" in said


def test_sounds_are_not_taken_for_photos(call, tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "none.wav", tone[:0], 8000)
    soundfile.write(tmp_path / "gsm.wav", tone[:200], 8000, "GSM610")
    for name in ("none.wav", "gsm.wav"):
        _, _, said = call("compress", tmp_path / name, "-o", tmp_path / f"{name}.narrows", "--effort", "fast")
        assert "general methods gain nothing on them; keep the files" in said
        assert "JPEG" not in said


def test_bad_sounds_are_one_clear_line(call, tmp_path: Path, odd_sounds: Path) -> None:
    for path in sorted((odd_sounds / "bad").iterdir()):
        for arguments in (("compress", path, "-o", tmp_path / "a.narrows"), ("show", path)):
            code, out, said = call(*arguments)
            assert (code, out) == (2, "")
            assert said.splitlines()[-1].startswith(f"narrows: {path}: ")
            assert said.count("narrows: ") == 1, said
    assert list(tmp_path.iterdir()) == []


def test_what_no_sound_has_is_refused_before_work_begins(call, tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", tone, 8000)
    for options, words in (
        (("--quality", 60), "a quality was asked for without a model of sounds"),
        (("--target-kbps", 6), "kilobits a second were asked for without a model of sounds"),
        (("--as", "signals"), "there are none; leave that out"),
    ):
        code, out, said = call("compress", tmp_path / "a.wav", "-o", tmp_path / "a.narrows", *options)
        assert (code, out) == (2, "")
        assert words in said.splitlines()[-1]
    assert not (tmp_path / "a.narrows").exists()


def test_arrays_are_signals_where_that_is_said(call, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(600, dtype=np.int16).reshape(300, 2))
    call("compress", tmp_path / "x.npy", "-o", tmp_path / "a.narrows", "--as", "signals")
    _, out, _ = call("inspect", tmp_path / "a.narrows", "--json")
    assert json.loads(out)["samples"] == 1
    assert call("decompress", tmp_path / "a.narrows", "-o", tmp_path / "back")[0] == 0
    assert (tmp_path / "back" / "x.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()


def test_show_tells_rate_and_seconds_and_draws_waveforms(call, tmp_path: Path, tone: np.ndarray) -> None:
    (tmp_path / "set").mkdir()
    for i in range(6):
        soundfile.write(tmp_path / "set" / f"{i}.wav", tone[: 3001 if i else 1], 8000)
    code, out, said = call("show", tmp_path / "set", "-o", tmp_path / "a.png")
    assert code == 0, said
    assert "8000 Hz, 0.000125 s to 0.375 s" in out
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > 800
    code, out, _ = call("show", tmp_path / "set", "--rate", "4000", "--json")
    assert json.loads(out)["kind"] == "signals"
    assert json.loads(out)["rate"] == 4000


def test_a_spectrogram_has_a_tone_where_it_is() -> None:
    t = np.arange(20_000)[:, None]
    bands = spectrogram(np.sin(2 * np.pi * t / 8), (-1.0, 1.0))
    assert bands.shape[0] == 257
    assert (bands.argmax(axis=0) == 64).all()
    assert abs(bands.max()) < 0.1
