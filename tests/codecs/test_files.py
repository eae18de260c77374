"""Files kept to the byte: JPEGs of every kind, and whatever is smaller as a file than as pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from narrows.archive.entries import Entry
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs.base import FILE, JPEG, PACKED
from narrows.codecs.block import BlockCodec
from narrows.codecs.files import file_in, is_jpeg, kept
from narrows.codecs.opening import open_archive
from narrows.errors import ArchiveError, DataError
from narrows.tasks.compress import compress
from narrows.tasks.compressed import Wanted
from narrows.tasks.decompress import decompress


def picture() -> Image.Image:
    y, x = np.mgrid[:150, :200]
    rng = np.random.default_rng(0)
    grey = 128 + 80 * np.sin(x / 17 + y / 23) + rng.normal(0, 6, x.shape)
    return Image.fromarray(np.clip(np.stack([grey, 255 - grey, grey / 2 + 60], -1), 0, 255).astype(np.uint8))


def jpeg(**options: object) -> bytes:
    file = io.BytesIO()
    picture().save(file, "JPEG", **{"quality": 85, **options})
    return file.getvalue()


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def arithmetic() -> bytes:
    """A JPEG whose frame says that it is coded arithmetically, which few programs read."""
    return jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1)


KINDS = {
    "baseline": jpeg(),
    "progressive": jpeg(progressive=True),
    "restart": jpeg(restart_marker_blocks=3),
    "exif": jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", comment=b"hello"),
    "trailing": jpeg() + b"what a camera left behind" * 9,
    "cut": jpeg()[: len(jpeg()) // 2],
    "headers only": jpeg()[:300],
    "arithmetic": arithmetic(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_comes_back_to_the_byte(kind: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "photo.jpg"
    path.write_bytes(KINDS[kind])
    archive = tmp_path / "a.narrows"
    result = compress([path.parent], archive, wanted=Wanted())
    assert result.kept == 1
    assert archive.stat().st_size < len(KINDS[kind]) + 100
    with open_archive(archive) as opened:
        assert list(opened.verify()) == []
        assert opened.file("photo.jpg") == KINDS[kind]
    assert decompress(archive, tmp_path / "out").samples == 1
    assert (tmp_path / "out" / "photo.jpg").read_bytes() == KINDS[kind]


def test_a_usual_jpeg_takes_a_tenth_less_and_has_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg())
    result = compress([path], tmp_path / "a.narrows", wanted=Wanted())
    assert result.archive_bytes < 0.9 * len(jpeg())
    with open_archive(tmp_path / "a.narrows") as archive:
        assert np.array_equal(archive["photo.jpg"], pixels_of(path))
        assert archive.raw_bytes == 150 * 200 * 3


def test_other_files_are_kept_where_their_pixels_take_more(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    picture().save(folder / "small.webp", lossless=True, method=6)
    picture().quantize(4).save(folder / "flat.gif")
    picture().save(folder / "large.png", compress_level=0)
    result = compress([folder], tmp_path / "a.narrows", wanted=Wanted())
    assert result.kept >= 1
    assert result.archive_bytes <= sum(path.stat().st_size for path in folder.iterdir()) + 300
    decompress(tmp_path / "a.narrows", tmp_path / "out")
    for path in folder.iterdir():
        assert np.array_equal(pixels_of(tmp_path / "out" / path.name), pixels_of(path))
    assert (tmp_path / "out" / "small.webp").read_bytes() == (folder / "small.webp").read_bytes()
    assert (tmp_path / "a.narrows").stat().st_size < (folder / "large.png").stat().st_size


def test_pixels_are_kept_where_metadata_are_to_go_or_something_may_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(KINDS["exif"])
    assert compress([path], tmp_path / "a.narrows", wanted=Wanted(strip=True)).kept == 0
    assert compress([path], tmp_path / "b.narrows", wanted=Wanted(quality=50)).kept == 0
    (tmp_path / "cut.jpg").write_bytes(KINDS["cut"])
    with pytest.raises(DataError, match="cannot be read"):
        compress([tmp_path / "cut.jpg"], tmp_path / "c.narrows", wanted=Wanted(quality=50))


def test_damaged_blocks_are_refused() -> None:
    block, codec = kept(jpeg()), BlockCodec(Promise(0))
    assert block.payload[0] == JPEG
    assert is_jpeg(jpeg())
    shape = (150, 200, 3)
    assert codec.decode(block.payload, [shape], np.dtype(np.uint8), block.digest)[0].shape == shape
    for payload in (block.payload[:500], bytes([JPEG]) + b"nonsense", bytes([FILE]) + jpeg()[:-1]):
        with pytest.raises(ArchiveError):
            codec.decode(payload, [shape], np.dtype(np.uint8), block.digest)
        with pytest.raises(ArchiveError):
            file_in(payload, block.digest)
    with pytest.raises(ArchiveError, match=r"an image \(150, 200, 3\) in place of"):
        codec.decode(block.payload, [(9, 9, 3)], np.dtype(np.uint8), block.digest)
    with pytest.raises(ArchiveError, match="does not store"):
        codec.decode(block.payload, [shape, shape], np.dtype(np.uint8), block.digest)
    text = kept(b"no image at all")
    with pytest.raises(ArchiveError, match="not an image"):
        codec.decode(text.payload, [shape], np.dtype(np.uint8), text.digest)


@pytest.mark.parametrize("raised", [RuntimeError, BaseException, KeyboardInterrupt])
def test_a_panic_of_lepton_is_damage_and_an_interruption_is_not(
    raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    import lepton_jpeg_python

    block = kept(jpeg())

    def panic(data: bytes) -> bytes:
        raise raised("index out of bounds")

    monkeypatch.setattr(lepton_jpeg_python, "decompress_bytes", panic)
    expected = KeyboardInterrupt if raised is KeyboardInterrupt else ArchiveError
    with pytest.raises(expected):
        file_in(block.payload, block.digest)
    if raised is not KeyboardInterrupt:
        assert kept(jpeg()).payload[0] in (FILE, PACKED)


def test_an_archive_of_samples_has_no_files() -> None:
    file = io.BytesIO()
    writer = Writer(file, BlockCodec(Promise(0)))
    writer.add(Entry("a", "array", (4, 4, 1), "uint8", 3), np.zeros((3, 4, 4, 1), np.uint8))
    writer.add(Entry("b", "image", (4, 4, 1), "uint8"), [np.zeros((4, 4, 1), np.uint8)])
    writer.add(Entry("c", "array", (4,), "uint8", 0), [])
    writer.close()
    archive = open_archive(file)
    assert [archive.file(name) for name in "abc"] == [None, None, None]
