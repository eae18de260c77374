"""Files of sounds become one set: the numbers of the files where they agree, else in one form that loses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from narrows.data.sources import open_samples
from narrows.errors import DataError
from narrows.io.arrays import Ragged
from narrows.io.soundsets import load_sounds


@pytest.fixture
def folder(tmp_path: Path, tone: np.ndarray) -> Path:
    """Four clips of two kinds."""
    for name, length in (("a/0.wav", 3000), ("a/1.flac", 2000), ("b/0.wav", 2500), ("b/1.wav", 10)):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "set" / name, tone[:length], 8000)
    return tmp_path / "set"


def test_a_folder_of_sounds_is_a_set_of_signals(folder: Path, tone: np.ndarray) -> None:
    samples = open_samples(folder)
    assert samples.description.form == "signals of differing lengths, 1 channel, 8000 Hz"
    assert samples.names == ("a/0.wav", "a/1.flac", "b/0.wav", "b/1.wav")
    assert samples.labels is not None
    assert samples.labels.tolist() == ["a", "a", "b", "b"]
    assert isinstance(samples.values, Ragged)
    assert (samples.values[1] == tone[:2000]).all()
    assert samples.values.dtype == np.int16


def test_one_recording_is_one_signal(folder: Path, tone: np.ndarray) -> None:
    samples = open_samples(folder / "a" / "0.wav")
    assert samples.description.shape == (3000, 1)
    assert samples.description.rate == 8000
    assert (samples.values[0] == tone[:3000]).all()


def test_a_large_set_lies_in_a_file(folder: Path) -> None:
    files = sorted(folder.rglob("*.*"))
    values = load_sounds(files, memory=100).values
    assert isinstance(values, Ragged)
    assert isinstance(values.flat.base if values.flat.base is not None else values.flat, np.memmap)


def test_a_sound_with_nan_is_named_and_may_be_left_out(folder: Path, tone: np.ndarray) -> None:
    values = tone[:500].astype(np.float32)
    values[99] = np.nan
    soundfile.write(folder / "b" / "2.wav", values, 8000, "FLOAT")
    with pytest.raises(DataError, match=r"2\.wav: NaN or infinity in it; .*--skip-bad"):
        open_samples(folder)
    samples = open_samples(folder, skip_bad=True)
    assert len(samples) == 4
    assert any("1 of 5 files were left out as unreadable, the first: " in note for note in samples.notes)


def test_several_rates_are_refused_or_resampled(folder: Path, tone: np.ndarray) -> None:
    soundfile.write(folder / "b" / "2.wav", tone, 16000)
    with pytest.raises(DataError, match=r"2\.wav: .*4 of 8000 Hz, 1 of 16000 Hz; .*--rate 8000") as caught:
        open_samples(folder)
    assert "\n" not in str(caught.value)
    samples = open_samples(folder, rate=8000)
    assert len(samples.values[4]) == 1501
    assert any("resampled to 8000 Hz: 1 of 5" in note for note in samples.notes)
    with pytest.raises(DataError, match="allowed are 1 to"):
        open_samples(folder, rate=0.5)


def test_resampling_keeps_a_tone_and_full_scale_does_not_wrap(tmp_path: Path) -> None:
    t = np.arange(200_000)[:, None]
    for dtype, peak, encoding in (
        ("int16", 32767, "PCM_16"),
        ("int32", 2**23 - 1, "PCM_24"),
        ("uint8", 127, "PCM_U8"),
    ):
        values = np.sign(np.sin(t / 48000 * 2 * np.pi * 100)) * 0.99999
        soundfile.write(tmp_path / "a.wav", values, 48000, encoding)
        found = load_sounds([tmp_path / "a.wav"], 16000)
        back = found.values[0].astype(float) - (128 if dtype == "uint8" else 0)
        assert found.values.dtype == dtype
        assert abs(len(back) - len(t) / 3) <= 1
        wanted = np.sign(np.sin(np.arange(len(back))[:, None] / 16000 * 2 * np.pi * 100))
        assert np.mean(back * wanted < 0) < 0.02
        assert 0.9 * peak < np.abs(back).mean() <= peak + 1


def test_the_deepest_numbers_and_the_most_channels_win(tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "0.wav", tone, 8000, "PCM_16")
    soundfile.write(tmp_path / "1.wav", np.repeat(tone, 2, 1), 8000, "PCM_24")
    soundfile.write(tmp_path / "2.wav", tone, 8000, "PCM_U8")
    found = load_sounds(sorted(tmp_path.iterdir()))
    assert found.values.shape == (3, 3001, 2)
    assert found.values.dtype == np.int32
    assert (found.values[0] == tone.astype(np.int32) << 8).all()
    assert np.abs(found.values[2] - (tone.astype(np.int32) << 8)).max() <= 1 << 16
    soundfile.write(tmp_path / "3.wav", tone / 32768, 8000, "FLOAT")
    found = load_sounds(sorted(tmp_path.iterdir()))
    assert found.values.dtype == np.float32
    assert np.allclose(found.values[0], found.values[3])
    assert any("depth" in note for note in found.notes)
    assert any("mono" in note for note in found.notes)


def test_channels_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for channels in (2, 3):
        soundfile.write(tmp_path / f"{channels}.wav", np.zeros((9, channels), np.int16), 8000)
    with pytest.raises(DataError, match="2, 3 channels"):
        open_samples(tmp_path)


def test_silence_and_clipping_are_sounds_and_nan_is_not(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "0.wav", np.zeros(500), 8000)
    soundfile.write(tmp_path / "1.wav", np.sign(np.sin(np.arange(500) / 5)), 8000)
    assert len(open_samples(tmp_path)) == 2
    soundfile.write(tmp_path / "2.wav", np.array([0, np.nan, 1]), 8000, "FLOAT")
    with pytest.raises(DataError, match=r"2\.wav: NaN or infinity"):
        open_samples(tmp_path)


def test_a_sound_of_no_length_is_refused_and_a_single_frame_is_not(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "1.wav", np.zeros(1), 8000)
    assert open_samples(tmp_path).description.shape == (1, 1)
    soundfile.write(tmp_path / "0.wav", np.zeros(0), 8000)
    with pytest.raises(DataError, match="no length"):
        open_samples(tmp_path)
    assert len(open_samples(tmp_path, skip_bad=True)) == 1


def test_bad_sounds_are_refused_or_left_out(odd_sounds: Path, tmp_path: Path, tone: np.ndarray) -> None:
    for path in (odd_sounds / "bad").iterdir():
        with pytest.raises(DataError) as caught:
            open_samples(path)
        assert "\n" not in str(caught.value)
    for path in [*(odd_sounds / "bad").iterdir(), odd_sounds / "good" / "its length is a lie.wav"]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    samples = open_samples(tmp_path, skip_bad=True)
    assert len(samples) == 1
    assert any("11 of 12 files were left out" in note for note in samples.notes)
    assert any("claims 90000 bytes" in note for note in samples.notes)


def test_a_cut_mp3_is_used_as_far_as_it_goes_and_that_is_said(tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.mp3", np.tile(tone, (20, 1)), 44100)
    content = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(content[: len(content) // 2])
    samples = open_samples(tmp_path)
    assert 10_000 < samples.description.shape[0] < 60_020
    assert any("frames can be read" in note for note in samples.notes)


def test_of_pictures_and_sounds_those_that_are_more_are_used(folder: Path) -> None:
    from PIL import Image

    for i in range(3):
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / f"{i}.png")
    samples = open_samples(folder)
    assert samples.description.axes == 1
    assert any("left out" in note and "3 files" in note for note in samples.notes)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "3.png")
    with pytest.raises(DataError, match="4 images and as many sounds"):
        open_samples(folder)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(folder / "4.png")
    assert open_samples(folder).description.axes == 2
