"""What several tests need: small sets of samples, and the real data where it is."""

from __future__ import annotations

import os
import struct
from pathlib import Path

# One thread for each process, here and in those that tests start: the networks are small, and threads that spin while
# they wait for one another would take most of the time. Both are read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where a test asks for more threads
if data := os.environ.get("NARROWS_DATA"):
    os.environ["NARROWS_DATA"] = str(Path(data).resolve())  # some tests change the working folder

import numpy as np
import pytest

from narrows.data.samples import Samples, from_arrays
from narrows.data.sources import open_samples

LONGEST = ("test_lesson.py", "test_docs.py")  # begin first, so that no process works alone in the end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def digits() -> Samples:
    """The embedded 8x8 digits, their training part."""
    return open_samples("digits")


@pytest.fixture(scope="session")
def pictures() -> Samples:
    """Smooth RGB images of differing sizes, with something to learn in them."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(12):
        height, width = rng.integers(70, 100, 2)
        y, x = np.mgrid[:height, :width]
        phase = rng.uniform(0, 6, (3, 3))
        waves = [np.sin(x / 9 * p[0] + y / 7 * p[1] + p[2]) for p in phase]
        images.append(np.clip(128 + 90 * np.stack(waves, -1), 0, 255).astype(np.uint8))
    return from_arrays(images)


@pytest.fixture(scope="session")
def mnist() -> Samples:
    """The real MNIST training part; the test is skipped where `NARROWS_DATA` does not have it."""
    folder = os.environ.get("NARROWS_DATA")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("NARROWS_DATA does not hold mnist")
    return open_samples("mnist")


@pytest.fixture(scope="session")
def natural() -> np.ndarray:
    """A small photograph, `(120, 160, 3)`, of which nothing is left of the JPEG file that it was."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    image = Image.fromarray(load_sample_image("china.jpg")).reduce(4)
    return np.ascontiguousarray(np.asarray(image)[-106:, :160])


def _chunk(kind: bytes, content: bytes, pad: bool = True) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2 and pad)


def _fmt(code: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, more: bytes = b"") -> bytes:
    align = channels * -(-bits // 8)
    return _chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * align, align, bits) + more)


def _riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


@pytest.fixture(scope="session")
def tone() -> np.ndarray:
    """A tone in a little noise, int16 `(3001, 1)`."""
    noise = np.random.default_rng(0).normal(0, 40, (3001, 1))
    return (6000 * np.sin(np.arange(3001)[:, None] / 9) + noise).astype(np.int16)


@pytest.fixture(scope="session")
def odd_sounds(tmp_path_factory: pytest.TempPathFactory, tone: np.ndarray) -> Path:
    """A folder of sounds as people have met them in bug reports: `good` ones of the tone, and `bad` ones."""
    folder, values = tmp_path_factory.mktemp("sounds"), tone.tobytes()
    data, plain = _chunk(b"data", values), _fmt()
    wide = (tone.astype("<i4") << 6).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    extensible = struct.pack("<HHIH", 22, 20, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
    info = _chunk(b"LIST", b"INFO" + _chunk(b"INAM", b"hello\0"))
    cue = _chunk(b"cue ", struct.pack("<7I", 1, 1, 0, 0x61746164, 0, 0, 100))
    big = struct.pack(">IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    good = {
        "20 valid bits in 24.wav": _riff(_fmt(0xFFFE, bits=24, more=extensible), _chunk(b"data", wide)),
        "an odd chunk, padded.wav": _riff(plain, _chunk(b"_PMX", b"abc"), data),
        "tags after the data.wav": _riff(plain, data, info),
        "a stream, length 0.wav": _riff(plain, b"data\0\0\0\0" + values, size=0),
        "a stream, length unknown.wav": _riff(plain, b"data" + b"\xff" * 4 + values, size=0xFFFFFFFF),
        "its length is a lie.wav": _riff(plain, b"data" + struct.pack("<I", 90000) + values),
        "ID3 inside.wav": _riff(plain, data, _chunk(b"id3 ", b"ID3\x03\0\0\0\0\0\x0aTIT2\0\0\0\0\0\0")),
        "ID3 before.wav": b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + _riff(plain, data),
        "12 bits.wav": _riff(_fmt(bits=12), data),
        "cue, loop, bext and iXML.wav": _riff(
            plain, _chunk(b"bext", b"\1" * 603), cue, data, _chunk(b"smpl", bytes(36)), _chunk(b"iXML", b"<x/>")
        ),
        "junk first.wav": _riff(_chunk(b"JUNK", bytes(28)), plain, data),
        "half a frame at the end.wav": _riff(plain, _chunk(b"data", values + b"\1")),
        "big endian.wav": b"RIFX"
        + struct.pack(">I", 36 + len(values))
        + b"WAVEfmt "
        + big
        + b"data"
        + struct.pack(">I", len(values))
        + tone.astype(">i2").tobytes(),
        "ä ö ü 音.flac": _riff(plain, data),
    }
    bad = {
        "text.wav": b"this is no sound\n" * 20,
        "empty.wav": b"",
        "a picture.wav": b"\x89PNG\r\n\x1a\n" + bytes(50),
        "cut in its head.wav": _riff(plain)[:30],
        "without data.wav": _riff(plain),
        "an odd chunk without its pad.wav": _riff(plain, _chunk(b"_PMX", b"abc", pad=False), data),
        "no channel.wav": _riff(_fmt(channels=0), data),
        "no rate.wav": _riff(_fmt(rate=0), data),
        "its data twice.wav": _riff(plain, data, data),
        "integers of 64 bits.wav": _riff(_fmt(bits=64), data),
        "200 channels.wav": _riff(_fmt(channels=200), _chunk(b"data", bytes(4000))),
    }
    for kind, files in {"good": good, "bad": bad}.items():
        (folder / kind).mkdir()
        for name, content in files.items():
            (folder / kind / name).write_bytes(content)
    return folder
