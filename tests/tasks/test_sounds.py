"""Sounds go into archives and come back: their numbers in windows, or their files, and nothing is lost silently."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import narrows
from narrows.archive.entries import WINDOW, Entry, recording
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs.base import RAW
from narrows.codecs.block import BlockCodec
from narrows.codecs.opening import open_archive
from narrows.errors import ArchiveError, DataError
from narrows.io.sound import read_sound, sound_header
from narrows.tasks import sounds as task
from narrows.tasks.sounds import told


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def there_and_back(source: Path, tmp_path: Path, **wanted: object) -> Path:
    narrows.compress(source, tmp_path / "a.narrows", force=True, **wanted)
    narrows.decompress(tmp_path / "a.narrows", tmp_path / "back", force=True)
    with open_archive(tmp_path / "a.narrows") as archive:
        assert list(archive.verify()) == []
    return tmp_path / "back"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks hold values as they are, which takes no time."""
    monkeypatch.setattr(BlockCodec, "_shortest", lambda self, samples, _: (RAW, self._opened(RAW).encode(samples)))


@pytest.fixture
def mixed(tmp_path: Path, tone: np.ndarray) -> Path:
    """A folder of sounds of every kind, a picture and an array."""
    folder = tmp_path / "mixed"
    (folder / "sub").mkdir(parents=True)
    scaled = tone[:200] / 32768
    for name, encoding, container in (
        *(("16.wav", "PCM_16", "WAV"), ("24.wav", "PCM_24", "WAV"), ("8.wav", "PCM_U8", "WAV")),
        *(("float.wav", "FLOAT", "WAV"), ("a.aiff", "PCM_16", "AIFF"), ("a.au", "PCM_24", "AU")),
        *(("a.caf", "PCM_16", "CAF"), ("a.w64", "PCM_16", "W64"), ("law.wav", "ULAW", "WAV")),
        *(("ima.wav", "IMA_ADPCM", "WAV"), ("a.ogg", "VORBIS", "OGG"), ("a.mp3", "MPEG_LAYER_III", "MP3")),
        *(("a.opus", "OPUS", "OGG"), ("sub/a.flac", "PCM_16", "FLAC"), ("sub/b.flac", "PCM_24", "FLAC")),
    ):
        soundfile.write(folder / name, scaled, 8000, encoding, format=container)
    for length in (0, 1, 100, 101):
        soundfile.write(folder / "sub" / f"{length}.wav", tone[:length], 8000)
    soundfile.write(folder / "silent.wav", np.zeros((99, 2), np.int16), 8000)
    Image.fromarray(np.eye(9, dtype=np.uint8) * 200).save(folder / "a.png")
    np.save(folder / "a.npy", np.arange(12.0))
    return folder


def test_a_folder_of_everything_comes_back_to_the_byte(mixed: Path, tmp_path: Path) -> None:
    assert files_of(there_and_back(mixed, tmp_path)) == files_of(mixed)


def test_sounds_from_bug_reports_come_back_to_the_byte(odd_sounds: Path, tmp_path: Path) -> None:
    good = odd_sounds / "good"
    assert files_of(there_and_back(good, tmp_path)) == files_of(good)


def test_an_archive_of_sounds_has_their_numbers_by_name(mixed: Path, tmp_path: Path, tone: np.ndarray) -> None:
    narrows.compress(mixed, tmp_path / "a.narrows")
    with open_archive(tmp_path / "a.narrows") as archive:
        assert (archive["16.wav"] == tone[:200]).all()
        assert archive.entry("16.wav").kind == "signal"
        assert archive["sub/0.wav"].shape == (0, 1)
        assert archive["sub/101.wav"].shape == (101, 1)
        said = told(archive)
    assert said["sounds"] == 20
    assert said["rates"] == [8000]
    assert said["channels"] == [1, 2]
    assert said["seconds"] == pytest.approx((15 * 200 + 1 + 100 + 101 + 99) / 8000, abs=0.1)  # ADPCM has whole blocks


@pytest.mark.usefixtures("quick")
def test_a_long_recording_is_stored_in_windows_and_has_its_true_length(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.integers(-20, 21, (2 * WINDOW + 5, 2)), 0).astype(np.int16)
    soundfile.write(tmp_path / "long.wav", values, 48000)
    back = there_and_back(tmp_path / "long.wav", tmp_path)
    assert (back / "long.wav").read_bytes() == (tmp_path / "long.wav").read_bytes()
    with open_archive(tmp_path / "a.narrows") as archive:
        entry = archive.entry("long.wav")
        assert (entry.count, entry.shape, entry.frames) == (3, (WINDOW, 2), len(values))
        assert (archive["long.wav"] == values).all()
        assert (archive.samples[2][5:] == values[-1]).all()
        assert told(archive)["seconds"] == round(len(values) / 48000, 3)


def test_short_clips_share_blocks(tmp_path: Path, tone: np.ndarray) -> None:
    (tmp_path / "clips").mkdir()
    for i in range(8):
        soundfile.write(tmp_path / "clips" / f"{i}.wav", tone[i : 1000 + 9 * i], 8000)
    narrows.compress(tmp_path / "clips", tmp_path / "a.narrows")
    with open_archive(tmp_path / "a.narrows") as archive:
        assert len(archive._reader.layout.blocks) == 1
        assert archive.sizes.index + archive.sizes.header < 600


def test_a_flac_that_is_larger_than_its_numbers_is_coded(
    tmp_path: Path, tone: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 8000, 1, "PCM_16") as file:
        file.title = "a tone"
        file.write(tone)
    monkeypatch.setattr(task, "keeps_file", lambda *_: False)
    monkeypatch.setattr("narrows.tasks.compress.keeps_file", lambda *_: False)
    back = there_and_back(tmp_path / "a.flac", tmp_path)
    assert (read_sound(back / "a.flac")[0] == tone).all()
    assert sound_header(back / "a.flac").tags == {"title": "a tone"}
    assert sound_header(back / "a.flac").container == "FLAC"


def test_a_flac_keeps_what_stands_before_and_after_it(tmp_path: Path, tone: np.ndarray) -> None:
    folder = tmp_path / "flacs"
    folder.mkdir()
    soundfile.write(folder / "bare.flac", tone, 8000)
    content = (folder / "bare.flac").read_bytes()
    (folder / "before.flac").write_bytes(b"ID3\x04\0\0\0\0\0\x0a" + b"TIT2 title" + content)
    (folder / "after.flac").write_bytes(content + b"TAG" + b"title".ljust(125, b"\0"))
    (folder / "zero.flac").write_bytes(content + b"\0")
    large = b"\x02" + (5 << 20).to_bytes(3, "big") + bytes(5 << 20)
    (folder / "large.flac").write_bytes(content[:4] + b"\0" + content[5:42] + large + content[42:])
    back = there_and_back(folder, tmp_path, effort="fast")
    files = files_of(back)
    assert (read_sound(back / "bare.flac")[0] == tone).all()
    assert files.pop("bare.flac")
    assert files.items() <= files_of(folder).items()
    assert len(files) == 4


def test_a_flac_under_another_ending_comes_back_as_the_flac_that_it_was(
    tmp_path: Path, tone: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("narrows.tasks.compress.keeps_file", lambda *_: False)
    with (tmp_path / "a.wav").open("wb") as file:
        soundfile.write(file, tone, 8000, format="FLAC")
    narrows.compress(tmp_path / "a.wav", tmp_path / "a.narrows", effort="fast")
    done = narrows.decompress(tmp_path / "a.narrows", tmp_path / "back")
    assert done.other_endings == 0
    assert sound_header(tmp_path / "back" / "a.wav").container == "FLAC"


def test_numbers_within_an_error_come_back_in_their_own_file(tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.wav", tone, 8000)
    back = there_and_back(tmp_path / "a.wav", tmp_path, max_error=9)
    values, rate = read_sound(back / "a.wav")
    assert rate == 8000
    assert 0 < np.abs(values.astype(int) - tone).max() <= 9


def test_stripped_sounds_have_numbers_and_rate_alone(tmp_path: Path, odd_sounds: Path, tone: np.ndarray) -> None:
    back = there_and_back(odd_sounds / "good" / "tags after the data.wav", tmp_path, strip=True)
    (path,) = back.iterdir()
    assert b"hello" not in path.read_bytes()
    assert (read_sound(path)[0] == tone).all()


@pytest.mark.parametrize("name", ["a.mp3", "a.caf", "a.w64"])
def test_sounds_without_their_tags_come_back_as_wav_and_that_is_said(
    tmp_path: Path, tone: np.ndarray, name: str
) -> None:
    soundfile.write(tmp_path / name, tone, 44100)
    narrows.compress(tmp_path / name, tmp_path / "a.narrows", strip=True)
    done = narrows.decompress(tmp_path / "a.narrows", tmp_path / "back")
    assert done.other_endings == 1
    assert (read_sound(tmp_path / "back" / name)[0] == read_sound(tmp_path / name)[0]).all()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("shape", [(9,), (9, 3), (70_000,), (5, 300, 2), (0,)])
def test_arrays_as_signals_come_back_as_they_were(tmp_path: Path, shape: tuple[int, ...]) -> None:
    if 0 in shape:
        np.save(tmp_path / "x.npy", np.zeros(shape, np.int16))
        with pytest.raises(DataError):
            narrows.compress(tmp_path / "x.npy", tmp_path / "a.narrows", read_as="signals")
        return
    values = np.arange(np.prod(shape)).astype(np.int32).reshape(shape)
    np.save(tmp_path / "x.npy", values)
    back = there_and_back(tmp_path / "x.npy", tmp_path, read_as="signals")
    assert (back / "x.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()
    with open_archive(tmp_path / "a.narrows") as archive:
        assert archive.entry("x.npy").shape[-1] == (shape[-1] if len(shape) > 1 else 1)


def test_images_are_no_signals(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 1), np.uint8))
    with pytest.raises(DataError, match=r"\(N, T, C\)"):
        narrows.compress(tmp_path / "x.npy", tmp_path / "a.narrows", read_as="signals")


@pytest.mark.usefixtures("quick")
def test_memory_does_not_grow_with_the_length_of_a_recording(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 48000, 2, "PCM_16") as file:
        for i in range(100):
            file.write(np.full((WINDOW, 2), i, np.int16))
    tracemalloc.start()
    back = there_and_back(tmp_path / "long.wav", tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (back / "long.wav").stat().st_size == 44 + 100 * WINDOW * 4
    assert peak < 14e6


def test_bad_sounds_are_refused_in_one_line_and_nothing_is_written(odd_sounds: Path, tmp_path: Path) -> None:
    for path in (odd_sounds / "bad").iterdir():
        with pytest.raises(DataError) as caught:
            narrows.compress(path, tmp_path / "a.narrows")
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []


def test_bad_sounds_can_be_left_out(odd_sounds: Path, tmp_path: Path, tone: np.ndarray) -> None:
    (tmp_path / "some").mkdir()
    for path in (odd_sounds / "bad").iterdir():
        (tmp_path / "some" / path.name).write_bytes(path.read_bytes())
    long = np.random.default_rng(0).integers(-9999, 9999, 200_000).astype(np.int16)
    soundfile.write(tmp_path / "some" / "cut.flac", long, 8000)
    content = (tmp_path / "some" / "cut.flac").read_bytes()
    (tmp_path / "some" / "cut.flac").write_bytes(content[: len(content) // 2])
    soundfile.write(tmp_path / "some" / "z good.wav", tone, 8000)
    done = narrows.compress(tmp_path / "some", tmp_path / "a.narrows", skip_bad=True)
    assert (done.files, len(done.bad)) == (1, 12)


def test_a_header_that_claims_too_much_is_told(odd_sounds: Path, tmp_path: Path) -> None:
    done = narrows.compress(odd_sounds / "good" / "its length is a lie.wav", tmp_path / "a.narrows")
    assert "claims 90000 bytes" in done.short[0]


def test_signals_that_contradict_themselves_are_refused() -> None:
    file = io.BytesIO()
    writer = Writer(file, BlockCodec(Promise(0)))
    good = recording("a", WINDOW + 1, 1, "int16", {})
    for entry in (
        Entry("a", "signal", (9, 9, 1), "int16"),
        Entry("a", "signal", (9, 1), "int16", 2),
        Entry("a", "signal", good.shape, "int16", 3, extras=good.extras),
        Entry("a", "signal", good.shape, "int16", 2, extras={**good.extras, "recording": b"\x01"}),
        Entry("a", "signal", good.shape, "int16", 2, extras={**good.extras, "recording": b"\x01\x01"}),
        Entry("a", "signal", (9, 1 << 17), "int16"),
    ):
        with pytest.raises(ArchiveError) as caught:
            writer.add(entry, [])
        assert "\n" not in str(caught.value)
