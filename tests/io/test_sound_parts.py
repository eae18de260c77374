"""What sound files hold beside numbers and tags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from narrows.io.sound_parts import beside

ZEROS = np.zeros(100, np.int16)


def with_chunk(path: Path, name: bytes, order: str, after: bytes = b"") -> Path:
    """The file with another chunk after its first three words."""
    content = path.read_bytes()
    chunk = name + (4).to_bytes(4, order) + b"abcd" + after  # type: ignore[arg-type]
    path.write_bytes(content[:12] + chunk + content[12:])
    return path


def test_chunks_of_wav_and_aiff_are_named(tmp_path: Path) -> None:
    for ending, order in (("wav", "little"), ("aiff", "big")):
        path = tmp_path / f"a.{ending}"
        soundfile.write(path, ZEROS, 8000)
        assert beside(path) == []
        assert beside(with_chunk(path, b"bext", order)) == ["chunk bext"]
        assert beside(with_chunk(path, b"cue ", order)) == ["chunks bext, cue"]


def test_pictures_of_flac_and_mp3_are_named(tmp_path: Path) -> None:
    flac, mp3 = tmp_path / "a.flac", tmp_path / "a.mp3"
    soundfile.write(flac, ZEROS, 8000)
    soundfile.write(mp3, np.zeros(4000, np.int16), 8000)
    assert beside(flac) == beside(mp3) == []
    content = flac.read_bytes()
    flac.write_bytes(content[:42] + b"\6\0\0\4abcd" + content[42:])  # after STREAMINFO
    mp3.write_bytes(b"ID3\3\0\0\0\0\0\x0eAPIC\0\0\0\4\0\0abcd" + mp3.read_bytes())
    assert beside(flac) == beside(mp3) == ["a picture"]


def test_other_sounds_and_cut_files_have_none(tmp_path: Path) -> None:
    (tmp_path / "cut.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt \x10\0")
    soundfile.write(tmp_path / "a.au", ZEROS, 8000)
    assert beside(tmp_path / "cut.wav") == beside(tmp_path / "a.au") == []
