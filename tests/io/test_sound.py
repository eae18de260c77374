"""Sound files are read with the very numbers that they hold, whatever their ending, or refused in one line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from narrows.errors import DataError
from narrows.io.flac_blocks import flac_blocks
from narrows.io.sound import is_sound, read_chunks, read_sound, sound_header
from narrows.io.soundfiles import around, to_extras, write_sound

FULL = {
    "PCM_U8": np.array([0, 1, 127, 128, 255], np.uint8),
    "PCM_16": np.array([-(2**15), -1, 0, 1, 2**15 - 1], np.int16),
    "PCM_24": np.array([-(2**23), -1, 0, 1, 2**23 - 1], np.int32),
    "PCM_32": np.array([-(2**31), -1, 0, 1, 2**31 - 1], np.int32),
    "FLOAT": np.array([-2.5, -0.0, np.nan, np.inf, 1e-30], np.float32),
    "DOUBLE": np.array([-2.5, -0.0, np.nan, np.inf, 1e-300], np.float64),
}


def write(path: Path, values: np.ndarray, encoding: str, rate: int = 8000, container: str | None = None) -> Path:
    if encoding == "PCM_U8":
        values = (values.astype(np.int16) - 128) << 8
    aligned = values << 8 if encoding == "PCM_24" else values
    soundfile.write(path, aligned, rate, encoding, format=container)
    return path


@pytest.mark.parametrize("encoding", FULL)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_numbers_are_those_of_the_file(tmp_path: Path, encoding: str, channels: int) -> None:
    values = np.stack([np.roll(FULL[encoding], shift) for shift in range(channels)], 1)
    back, rate = read_sound(write(tmp_path / "a.wav", values, encoding, 44100))
    assert (back.dtype, rate) == (values.dtype, 44100)
    assert back.tobytes() == values.tobytes()


def test_eight_bits_of_aiff_and_flac_are_signed_as_they_are_there(tmp_path: Path) -> None:
    values = np.array([[-128], [-1], [0], [127]], np.int16)
    for name in ("a.aiff", "a.flac"):
        soundfile.write(tmp_path / name, values << 8, 8000, "PCM_S8")
        back, _ = read_sound(tmp_path / name)
        assert back.dtype == np.int8
        assert (back == values).all()


def test_a_file_is_told_by_its_content(odd_sounds: Path, tone: np.ndarray, tmp_path: Path) -> None:
    path = odd_sounds / "good" / "ä ö ü 音.flac"
    assert sound_header(path).container == "WAV"
    assert (read_sound(path)[0] == tone).all()
    assert not is_sound(odd_sounds / "bad" / "text.wav")
    (tmp_path / "notes.txt").write_text("\ufeffID: 3", "utf-16")
    assert not is_sound(tmp_path / "notes.txt")


def test_a_sound_is_read_in_chunks(tmp_path: Path, tone: np.ndarray) -> None:
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        soundfile.write(tmp_path / name, tone, 48000)
        chunks = list(read_chunks(tmp_path / name, 1000))
        assert [len(chunk) for chunk in chunks] == [1000, 1000, 1000, 1]
        if name in ("a.wav", "a.flac"):
            assert (np.concatenate(chunks) == tone).all()


def test_lossy_sounds_are_decoded_to_16_bits_and_loud_ones_do_not_wrap(tmp_path: Path) -> None:
    square = np.where(np.arange(9600) // 60 % 2, 1.0, -1.0)[:, None]
    for name, encoding in (("a.ogg", "VORBIS"), ("a.opus", "OPUS"), ("a.mp3", "MPEG_LAYER_III"), ("a.wav", "ULAW")):
        container = "OGG" if name.endswith("opus") else None
        soundfile.write(tmp_path / name, square, 48000, encoding, format=container)
        back, _ = read_sound(tmp_path / name)
        assert back.dtype == np.int16
        assert sound_header(tmp_path / name).lossy
        middle = back[1000:9000].astype(float) * square[1000:9000]
        assert np.mean(middle < 0) < 0.05


def test_opus_of_a_lower_rate_keeps_it(tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.opus", tone, 16000, "OPUS", format="OGG")
    header = sound_header(tmp_path / "a.opus")
    assert (header.rate, header.frames) == (16000, 3001)


def test_tags_are_read(tmp_path: Path, tone: np.ndarray) -> None:
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 8000, 1, "PCM_16") as file:
        file.title, file.artist = "Tïtel", "me"
        file.write(tone)
    assert sound_header(tmp_path / "a.flac").tags == {"title": "Tïtel", "artist": "me"}


def test_sounds_from_bug_reports_are_read_right(odd_sounds: Path, tone: np.ndarray) -> None:
    for path in (odd_sounds / "good").iterdir():
        values = tone << 6 if "24" in path.name else tone
        back, rate = read_sound(path)
        assert rate == 8000
        assert back.dtype == (np.int32 if "24" in path.name else np.int16)
        assert np.array_equal(
            back, values.astype(back.dtype) if "24" not in path.name else tone.astype(np.int32) << 6
        )


def test_what_stands_around_the_numbers_makes_the_file_again(odd_sounds: Path) -> None:
    for path in (odd_sounds / "good").iterdir():
        header = sound_header(path)
        found, frames = around(path, header)
        out = io.BytesIO()
        extras = to_extras(header, found)
        write_sound(out, extras, header.dtype, header.channels, frames, read_chunks(path, 500))
        assert out.getvalue() == path.read_bytes(), path.name


def test_a_header_that_lies_is_told(odd_sounds: Path) -> None:
    assert "90000 bytes" in sound_header(odd_sounds / "good" / "its length is a lie.wav").wrong
    assert sound_header(odd_sounds / "good" / "a stream, length unknown.wav").wrong == ""


def test_heads_of_clips_are_the_same_whatever_their_length(tmp_path: Path, tone: np.ndarray) -> None:
    for name in ("wav", "aiff", "rf64", "au"):
        all_extras = set()
        for length in (1000, 2001):
            path = write(tmp_path / f"{length}.{name}", tone[:length], "PCM_16", container=name.upper())
            header = sound_header(path)
            extras = to_extras(header, around(path, header)[0])
            all_extras.add(tuple(sorted((key, data) for key, data in extras.items() if key != "tail")))
        assert (len(all_extras) == 1) == (name in ("wav", "aiff"))


def test_a_flac_gets_its_tags_and_pictures_back(tmp_path: Path, tone: np.ndarray) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone, 8000)
    content = path.read_bytes()
    picture = b"\x02" + (40).to_bytes(3, "big") + bytes(range(40))
    tagged = content[:4] + b"\x00" + content[5:42] + picture + content[42:]
    path.write_bytes(tagged)
    header = sound_header(path)
    extras = to_extras(header, None, flac_blocks(path)[0])
    with (tmp_path / "b.flac").open("wb") as file:
        assert write_sound(file, extras, "int16", 1, 3001, [tone[:2000], tone[2000:]]) == "FLAC"
    assert picture in (tmp_path / "b.flac").read_bytes()
    assert (read_sound(tmp_path / "b.flac")[0] == tone).all()


def test_numbers_that_a_container_cannot_hold_become_wav(tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.mp3", tone, 44100)
    header = sound_header(tmp_path / "a.mp3")
    with (tmp_path / "b.mp3").open("wb") as file:
        assert write_sound(file, to_extras(header, None), "int16", 1, 3001, [tone]) == "WAV"
    assert (read_sound(tmp_path / "b.mp3")[0] == tone).all()


def test_a_flac_of_unknown_length_is_read_to_its_end(tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.flac", tone, 8000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(content)
    assert sound_header(tmp_path / "a.flac").frames == 3001
    assert (read_sound(tmp_path / "a.flac")[0] == tone).all()


def test_an_mp3_with_a_cover_is_read(tmp_path: Path, tone: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.mp3", np.repeat(tone, 2, 1), 44100)
    frame = b"\0image/jpeg\0\3\0" + b"\xff\xd8\xff" * 1500
    body = b"APIC" + len(frame).to_bytes(4, "big") + b"\0\0" + frame
    size = bytes([0, 0, len(body) >> 7 & 127, len(body) & 127])
    (tmp_path / "b.mp3").write_bytes(b"ID3\x03\0\0" + size + body + (tmp_path / "a.mp3").read_bytes())
    assert (read_sound(tmp_path / "b.mp3")[0] == read_sound(tmp_path / "a.mp3")[0]).all()


def test_no_sound_and_a_single_frame_are_sounds(tmp_path: Path) -> None:
    for length in (0, 1):
        soundfile.write(tmp_path / "a.wav", np.ones((length, 2), np.int16), 8000)
        assert read_sound(tmp_path / "a.wav")[0].shape == (length, 2)
        assert read_sound(tmp_path / "a.wav")[0].dtype == np.int16


def test_what_is_no_sound_is_refused_in_one_line(odd_sounds: Path, tmp_path: Path) -> None:
    for path in [*(odd_sounds / "bad").iterdir(), tmp_path, tmp_path / "nothing.wav"]:
        with pytest.raises(DataError) as caught:
            read_sound(path)
        assert str(caught.value).startswith(str(path))
        assert "SF_INFO" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_cut_flac_is_refused_at_its_end(tmp_path: Path) -> None:
    soundfile.write(
        tmp_path / "a.flac", np.random.default_rng(0).integers(-9999, 9999, 200_000).astype(np.int16), 8000
    )
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cut short after 65536 of 200000 frames"):
        read_sound(tmp_path / "a.flac")


def test_damaged_extras_are_refused() -> None:
    good = b'{"rate":8000,"container":"WAV","encoding":"PCM_16"}'
    for damaged in (
        {},
        {"sound": b"no json"},
        {"sound": b"[1]"},
        {"sound": good.replace(b"8000", b"0")},
        {"sound": good.replace(b"rate", b"rat")},
        {"sound": good[:-1] + b',"tags":3}'},
        {"sound": good[:-1] + b',"sizes":[[99,4,"data"]]}', "head": bytes(44)},
    ):
        with pytest.raises(DataError):
            write_sound(io.BytesIO(), damaged, "int16", 1, 1, [np.zeros((1, 1), np.int16)])
