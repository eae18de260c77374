"""Sound files restored: kinds, folders, masks, bad input, and memory."""

from __future__ import annotations

import io
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

import narrows
from narrows.cli.main import run
from narrows.degradations import Gaps, LowerRate, SignalNoise

RATE = 8000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained models, and sounds of many kinds."""
    folder = tmp_path_factory.mktemp("sounds")
    description = narrows.from_arrays(np.zeros((2, 900), np.int16)[..., None], kind="signals", rate=RATE).description
    for name, damage in {"noise": SignalNoise(), "gaps": Gaps(), "rate": LowerRate(2)}.items():
        narrows.build(description, degradation=damage, width=16).save(folder / f"{name}.safetensors")
    (folder / "in" / "deep").mkdir(parents=True)
    tone = np.sin(np.arange(4000) / 9) / 2 + np.random.default_rng(0).normal(0, 0.05, 4000)
    stereo = np.stack([tone, -tone / 2], axis=1)
    for name, values, encoding in (
        ("a.wav", tone, "PCM_16"),
        ("b.flac", stereo, "PCM_24"),
        ("deep/c.wav", stereo, "FLOAT"),
        ("deep/d.wav", tone, "PCM_U8"),
        ("e.aiff", tone, "PCM_16"),
        ("f.ogg", tone, "VORBIS"),
    ):
        soundfile.write(folder / "in" / name, values, RATE, encoding)
    with soundfile.SoundFile(folder / "tagged.flac", "w", RATE, 1, "PCM_16") as file:
        file.title = "a tone"
        file.write(tone)
    soundfile.write(folder / "fast.wav", tone, 44100)
    soundfile.write(folder / "slow.wav", tone, RATE // 2)
    soundfile.write(folder / "lost.wav", tone * (np.arange(4000) // 200 != 6), RATE)
    holed = tone.astype(np.float32)
    holed[1200:1400] = np.nan
    soundfile.write(folder / "nan.wav", holed, RATE, "FLOAT")
    soundfile.write(folder / "silence.wav", np.zeros(3000, np.int16), RATE)
    soundfile.write(folder / "one.wav", np.zeros(1, np.int16), RATE)
    soundfile.write(folder / "none.wav", np.zeros(0, np.int16), RATE)
    (folder / "text.wav").write_text("no sound\n" * 50)
    np.save(folder / "series.npy", tone)
    return folder


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        run(list(map(str, words)))
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


def test_a_folder_comes_back_with_its_tree_kinds_rates_and_depths(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(
        capsys, "denoise", folder / "in", "-m", folder / "noise.safetensors", "-o", tmp_path / "out", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["samples"] == 6
    assert json.loads(out)["sound_seconds"] == 3.0
    for path in (folder / "in").rglob("*.*"):
        before, after = soundfile.info(path), soundfile.info(tmp_path / "out" / path.relative_to(folder / "in"))
        for name in ("samplerate", "channels", "format", "subtype", "frames"):
            assert getattr(after, name) == getattr(before, name), path
    x, y = (soundfile.read(at / "deep" / "c.wav")[0] for at in (folder / "in", tmp_path / "out"))
    assert 0.5 < y.std() / x.std() < 1


def test_tags_are_kept_and_the_ending_chooses_the_kind(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending in (".flac", ".wav", ".ogg", ".mp3"):
        out = tmp_path / f"out{ending}"
        code, _, err = call(capsys, "denoise", folder / "tagged.flac", "-m", folder / "noise.safetensors", "-o", out)
        assert code == 0, err
        with soundfile.SoundFile(out) as file:
            assert (file.title, file.samplerate) == ("a tone", RATE)
    code, _, err = call(
        capsys, "denoise", folder / "tagged.flac", "-m", folder / "noise.safetensors", "-o", tmp_path / "out.png"
    )
    assert (code, len(err.splitlines())) == (2, 1)


def test_tags_that_are_not_utf_8_are_told_and_not_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "latin.wav"
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        file.title, file.artist = "a tone", "Zo\N{POUND SIGN}"
        file.write(np.sin(np.arange(4000) / 9) / 2)
    path.write_bytes(path.read_bytes().replace(b"Zo\xc2\xa3", b"Zo\xebs"))
    words = ["denoise", path, "-m", folder / "noise.safetensors", "-o", tmp_path / "out.wav"]
    code, _, err = call(capsys, *words)
    assert code == 0
    assert "not kept: artist, which is not UTF-8 (latin.wav)" in err
    with soundfile.SoundFile(tmp_path / "out.wav") as file:
        assert (file.title, file.artist) == ("a tone", "")


def test_a_sound_that_is_shorter_than_its_header_claims_is_told(
    folder: Path, odd_sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = odd_sounds / "good" / "its length is a lie.wav"
    code, _, err = call(capsys, "denoise", path, "-m", folder / "noise.safetensors", "-o", tmp_path / "out.wav")
    assert code == 0
    assert "its header claims 90000 bytes of sound, and" in err


def test_the_rate_of_a_file_is_doubled(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(
        capsys, "upscale", folder / "slow.wav", "-m", folder / "rate.safetensors", "-o", tmp_path / "out.wav"
    )
    assert code == 0, err
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.samplerate, info.frames) == (8000, 8000)


def test_gaps_may_be_zeros_text_a_sound_an_array_or_nan(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = np.arange(4000) // 200 == 6
    (tmp_path / "gaps.csv").write_text("start;end\n0.15;0.175\n")
    np.save(tmp_path / "gaps.npy", marks)
    soundfile.write(tmp_path / "gaps.wav", marks.astype(np.int16), RATE)
    x = soundfile.read(folder / "lost.wav", dtype="int16")[0]
    results = []
    for number, how in enumerate(
        (["--lost", "10"], *(["--mask", tmp_path / f"gaps.{e}"] for e in ("csv", "npy", "wav")))
    ):
        out = tmp_path / f"{number}.wav"
        code, _, err = call(
            capsys, "inpaint", folder / "lost.wav", *how, "-m", folder / "gaps.safetensors", "-o", out
        )
        assert code == 0, err
        results.append(soundfile.read(out, dtype="int16")[0])
        assert np.array_equal(results[-1][~marks], x[~marks])
        assert np.abs(results[-1][marks]).max() > 5000
    assert all(np.array_equal(result, results[0]) for result in results)
    out = tmp_path / "nan.wav"
    words = ["inpaint", folder / "nan.wav", "--missing-value", "nan", "-m", folder / "gaps.safetensors", "-o", out]
    assert call(capsys, *words)[0] == 0
    assert np.isfinite(soundfile.read(out)[0]).all()


@pytest.mark.parametrize("ending", ["wav", "npy"])
def test_where_one_channel_is_missing_the_others_stay_to_the_bit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    x = np.random.default_rng(0).normal(0, 0.1, (2000, 2)).cumsum(axis=0).astype(np.float32)
    x[500:600, 0] = x[1500:1510, 1] = np.nan
    source, out = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
    np.save(source, x) if ending == "npy" else soundfile.write(source, x, RATE, "FLOAT")
    words = ["inpaint", source, "--missing-value", "nan", "-m", folder / "gaps.safetensors", "-o", out]
    code, _, err = call(capsys, *words)
    assert code == 0, err
    y = np.load(out) if ending == "npy" else soundfile.read(out, dtype="float32")[0]
    assert np.array_equal(y[~np.isnan(x)], x[~np.isnan(x)])
    assert np.isfinite(y).all()


def test_decimal_commas_in_a_file_of_gaps_are_read_or_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gaps, out = tmp_path / "gaps.csv", tmp_path / "out.wav"
    words = ["inpaint", folder / "lost.wav", "--mask", gaps, "-m", folder / "gaps.safetensors", "-o", out, "--force"]
    x = soundfile.read(folder / "lost.wav", dtype="int16")[0]
    for text in (
        "0,15;0,175\n",
        "Start;Ende;Name\n0,15 ; 0,175;1\n",
        "0,15\t0,175\tclick, loud\n",
        "0.15, 0.175, 2nd click\n",
        "0.15 0.175 3\n",
    ):
        gaps.write_text(text)
        code, _, err = call(capsys, *words)
        assert code == 0, err
        y = soundfile.read(out, dtype="int16")[0]
        assert set(np.flatnonzero(x != y) // 200) == {6}, text
    for text in (
        "0,15,0,175\n",
        "0,15 0,175\n",
        "0,15 0,175\n0,2 0,21\n",
        "0.15,0.175,3\n",
        "1.234,5;2\n",
        "0.15;x\n",
    ):
        gaps.write_text(text)
        code, _, err = call(capsys, *words)
        assert (code, len(err.splitlines())) == (2, 1), text
        assert "is no start and end in seconds" in err


def test_a_sound_of_a_folder_without_gaps_is_copied(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, out = tmp_path / "calls", tmp_path / "out"
    (calls / "deep").mkdir(parents=True)
    shutil.copy(folder / "lost.wav", calls / "deep")
    words = ["inpaint", calls, "--lost", "10", "-m", folder / "gaps.safetensors", "-o", out]
    for name in ("b.flac", "f.ogg"):
        shutil.copy(folder / "in" / name, calls)
    code, _, err = call(capsys, *words)
    assert code == 0, err
    assert "copied as they are, since nothing in them is marked as missing: 2 of 3 sounds" in err
    assert "1 restored" in err
    for name in ("b.flac", "f.ogg"):
        assert (out / name).read_bytes() == (calls / name).read_bytes()
    assert (out / "deep" / "lost.wav").read_bytes() != (calls / "deep" / "lost.wav").read_bytes()
    shutil.rmtree(calls / "deep")
    code, _, err = call(capsys, *words[:-1], tmp_path / "none")
    assert (code, len(err.splitlines())) == (2, 2), err  # a note says that there are two kinds
    assert "nothing is marked as missing in any of its sounds" in err
    assert not (tmp_path / "none").exists()


def test_it_is_said_where_a_file_cannot_hold_what_is_known(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ending, words in (
        ("wav", ""),
        ("ogg", "what is known to the bit, for which OGG (VORBIS) is too coarse (lost"),
    ):
        code, _, err = call(
            capsys,
            "inpaint",
            folder / "lost.wav",
            "--lost",
            "10",
            "-m",
            folder / "gaps.safetensors",
            "-o",
            tmp_path / f"a.{ending}",
        )
        assert code == 0, err
        assert words in err
        assert ("not kept" in err) == bool(words)


def test_an_array_stays_an_array(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["denoise", folder / "series.npy", "-m", folder / "noise.safetensors", "-o"]
    assert call(capsys, *words, tmp_path / "out.npy")[0] == 0
    x, y = np.load(folder / "series.npy"), np.load(tmp_path / "out.npy")
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    model = narrows.load(folder / "noise.safetensors")
    assert np.allclose(narrows.restore(model, x)[0, :, 0], y, atol=1e-6)
    assert call(capsys, *words, tmp_path / "out.wav")[0] == 2


def test_silence_and_one_step_are_sounds(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("silence", "one"):
        out = tmp_path / f"{name}.wav"
        words = ["denoise", folder / f"{name}.wav", "-m", folder / "noise.safetensors", "-o", out]
        assert call(capsys, *words)[0] == 0
        assert not soundfile.read(out, dtype="int16")[0].any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["denoise", "in/a.wav", "-o", "x.wav"], "no weights for sound come with narrows"),
        (["denoise", "fast.wav", "-m", "noise.safetensors", "-o", "x.wav"], "44100 Hz was given to a model for 8000"),
        (["upscale", "in/a.wav", "-m", "rate.safetensors", "-o", "x.wav"], "4000 Hz, which it raises to 8000 Hz"),
        (["denoise", "text.wav", "-m", "noise.safetensors", "-o", "x.wav"], "not a sound"),
        (["denoise", "none.wav", "-m", "noise.safetensors", "-o", "x.wav"], "no length"),
        (
            ["denoise", "nan.wav", "-m", "noise.safetensors", "-o", "x.wav"],
            "NaN in step 1200, after 0.15 seconds; to fill",
        ),
        (["denoise", "in/a.wav", "-m", "noise.safetensors", "-o", "in/a.wav"], "output is also the input"),
        (["denoise", "in/a.wav", "-m", "gaps.safetensors", "-o", "x.wav"], "not to denoise"),
        (["inpaint", "in/a.wav", "-m", "gaps.safetensors", "-o", "x.wav"], "no mask"),
        (["inpaint", "in/a.wav", "-m", "gaps.safetensors", "--lost", "5", "-o", "x.wav"], "nothing is to be filled"),
        (["inpaint", "silence.wav", "-m", "gaps.safetensors", "--lost", "5", "-o", "x.wav"], "all of it is missing"),
        (["inpaint", "in/a.wav", "-m", "gaps.safetensors", "--mask", "series.npy", "-o", "x.wav"], "everything"),
        (["inpaint", "in/a.wav", "-m", "gaps.safetensors", "--mask", "one.wav", "-o", "x.wav"], "1 steps"),
        (["denoise", "in/a.wav", "-m", "noise.safetensors", "--strength", "1", "-o", "x.wav"], "no use"),
        (["denoise", "in/a.wav", "-m", "noise.safetensors", "--effort", "best", "-o", "x.wav"], "effort"),
        (["denoise", "nowhere.wav", "-m", "noise.safetensors", "-o", "x.wav"], "no such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(
    words: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    code, out, err = call(capsys, *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("ending", ["wav", "npy"])
def test_where_infinity_is_in_a_sound_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    x = np.zeros((70000, 2), np.float32)
    x[10:20], x[69000, 1] = np.nan, np.inf
    path = tmp_path / f"x.{ending}"
    np.save(path, x) if ending == "npy" else soundfile.write(path, x, RATE, "FLOAT")
    words = ["inpaint", path, "--missing-value", "nan", "-m", folder / "gaps.safetensors", "-o"]
    code, _, err = call(capsys, *words, tmp_path / f"out.{ending}")
    assert (code, len(err.splitlines())) == (2, 1)
    after = ", after 8.625 seconds" * (ending == "wav")
    assert f"infinity in step 69000{after}, which does not count as missing; put a number there" in err


def test_bad_sounds_in_a_folder_are_told_and_may_be_left_out(
    folder: Path, tmp_path: Path, odd_sounds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("good", "bad"):
        words = ["denoise", odd_sounds / kind, "-m", folder / "noise.safetensors", "-o", tmp_path / kind]
        code, _, err = call(capsys, *words, "--skip-bad")
        assert code == (0 if kind == "good" else 2), err
        assert "Traceback" not in err
    assert len(list((tmp_path / "good").iterdir())) == len(list((odd_sounds / "good").iterdir()))


def mp3_in_wav(values: np.ndarray) -> bytes:
    mp3 = io.BytesIO()
    soundfile.write(mp3, values, RATE, "MPEG_LAYER_III", format="MP3")
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, RATE, 2000, 1, 0, 12, 1, 2, 144, 1, 1393)
    fact = struct.pack("<I", len(values))
    chunks = [(b"fmt ", form), (b"fact", fact), (b"data", mp3.getvalue() + bytes(len(mp3.getvalue()) % 2))]
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(chunk)) + chunk for name, chunk in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_encodings_that_are_not_written_become_16_bits_and_that_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    tone = np.sin(np.arange(4082) / 9) / 2
    (tmp_path / "in" / "MPEG_LAYER_III.wav").write_bytes(mp3_in_wav(tone))
    for encoding in ("MS_ADPCM", "IMA_ADPCM"):
        soundfile.write(tmp_path / "in" / f"{encoding}.wav", tone, RATE, encoding)
    soundfile.write(tmp_path / "in" / "PCM_16.wav", tone, RATE)
    known = {path.stem: soundfile.info(path) for path in (tmp_path / "in").iterdir()}
    assert all(info.subtype == name for name, info in known.items())
    words = ["denoise", tmp_path / "in", "-m", folder / "noise.safetensors", "-o", tmp_path / "out"]
    code, _, err = call(capsys, *words)
    assert code == 0, err
    for name, info in known.items():
        made = soundfile.info(tmp_path / "out" / f"{name}.wav")
        assert (made.subtype, made.frames) == ("PCM_16", info.frames)
        assert (f"the encoding {name}, in place of which PCM_16 is written" in err) == (name != "PCM_16")


def test_a_sound_that_cannot_be_written_counts_as_bad_and_names_no_object(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("narrows.io.sound_results._UNWRITTEN", set())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(mp3_in_wav(np.sin(np.arange(4000) / 9) / 2))
    soundfile.write(tmp_path / "in" / "b.wav", np.sin(np.arange(4000) / 9) / 2, RATE)
    words = ["denoise", tmp_path / "in", "-m", folder / "noise.safetensors", "-o", tmp_path / "out"]
    code, _, err = call(capsys, *words)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "a.wav: a sound of 8000 Hz and 1 channels cannot be written as WAV (" in err
    assert "object" not in err
    call(capsys, *words, "--skip-bad")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.wav"]
