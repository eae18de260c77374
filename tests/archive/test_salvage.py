"""What is whole of an archive that was cut short comes back, and equal files are stored once."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.archive import writer as writing
from narrows.archive.archive import Archive
from narrows.archive.codec import Block
from narrows.archive.entries import SAME, Entry
from narrows.archive.index import CRC_BYTES, HEAD, MARK, crc, stored_length
from narrows.archive.promise import Promise
from narrows.archive.salvage import beginning
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec
from narrows.errors import ArchiveError
from narrows.io.arrays import Array

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 30, 20, 3), np.uint8)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index is kept after every ten images."""
    monkeypatch.setattr(writing, "SO_FAR_BYTES", 10 * IMAGES[0].nbytes)
    monkeypatch.setattr(writing, "SO_FAR_TIMES", 0)


def archive(threads: int | None = None) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, BlockCodec(Promise(0)), threads=threads)
    for number, image in enumerate(IMAGES):
        writer.add(Entry(f"{number:02d}.png", "image", image.shape, "uint8", extras={"n": bytes([number])}), [image])
    writer.close()
    return file.getvalue()


def test_an_archive_with_what_was_so_far_is_one_like_any_other(often: None) -> None:
    content = archive()
    assert content == archive(threads=1)
    opened = narrows.open_archive(content)
    assert len(opened) == 40
    assert list(opened.verify()) == []
    assert np.array_equal(opened["31.png"], IMAGES[31])
    assert opened.entry("31.png").extras == {"n": b"\x1f"}


def test_small_archives_have_none() -> None:
    assert b"NWS-so-far" not in archive()


def test_whatever_is_whole_before_the_cut_comes_back(often: None, tmp_path: Path) -> None:
    content, found = archive(), []
    marks = [place.start() for place in re.finditer(MARK, content)]
    beside = [mark + more for mark in marks for more in (0, 1, len(MARK) - 1, len(MARK))]
    for cut in sorted([*np.linspace(8, len(content) - 1, 40).astype(int), *beside]):
        (tmp_path / "cut").write_bytes(content[:cut])
        with pytest.raises(ArchiveError):
            narrows.open_archive(tmp_path / "cut")
        left = beginning(tmp_path / "cut")
        if left is None:
            found.append(0)
            continue
        with closing(left), Archive(left, BlockCodec) as opened:  # type: ignore[arg-type]
            found.append(len(opened))
            assert list(opened.verify()) == []
            last = f"{len(opened) - 1:02d}.png"
            assert np.array_equal(opened[last], IMAGES[len(opened) - 1])
    assert found == sorted(found)
    assert set(found) == {0, 10, 20, 30}


def test_what_0_1_0_kept_on_the_way_comes_back_too(often: None, tmp_path: Path) -> None:
    content = bytearray(archive())
    for place in re.finditer(MARK, bytes(content)):
        end = place.start()
        length = stored_length(bytes(content[end - 9 : end]), end)
        content[end - CRC_BYTES : end] = crc(HEAD + content[end - length : end - CRC_BYTES])
    (tmp_path / "cut").write_bytes(content[: len(content) * 3 // 4])
    left = beginning(tmp_path / "cut")
    assert left is not None
    with closing(left), Archive(left, BlockCodec) as opened:  # type: ignore[arg-type]
        assert len(opened) in (20, 30)
        assert not opened.verify()
    (tmp_path / "cut").write_bytes(content[: content.rindex(MARK) + 5])
    left = beginning(tmp_path / "cut")
    assert left is not None
    left.close()
    assert left.size < content.rindex(MARK)


@pytest.mark.parametrize("more", [b"x", b"\n", b"\r\n", bytes(5000), b"another line\n" + bytes(3 << 20), b"\x89NWS"])
def test_an_archive_that_other_bytes_follow_comes_back_whole(tmp_path: Path, more: bytes, capsys) -> None:
    from narrows.cli.main import run

    np.save(tmp_path / "a.npy", IMAGES)
    path, back = tmp_path / "a.narrows", tmp_path / "back"
    narrows.compress(tmp_path / "a.npy", path)
    path.write_bytes(path.read_bytes() + more)
    with pytest.raises(ArchiveError, match=f"{len(more)} other bytes follow the archive; decompress it with"):
        narrows.decompress(path, back)
    with pytest.raises(SystemExit) as ended:
        run(["decompress", str(path), "-o", str(back), "--keep-going"])
    assert ended.value.code == 0
    err = capsys.readouterr().err
    assert f"{len(more)} other bytes follow the archive; nothing is lost" in err
    assert "cut short" not in err
    assert (back / "a.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()


def test_decompress_gives_what_is_left_and_says_that_the_rest_is_lost(often: None, tmp_path: Path, capsys) -> None:
    from narrows.cli.main import run

    content = archive()
    (tmp_path / "a.narrows").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(ArchiveError):
        narrows.decompress(tmp_path / "a.narrows", tmp_path / "no")
    assert not (tmp_path / "no").exists()
    with pytest.raises(SystemExit) as ended:
        run(["decompress", str(tmp_path / "a.narrows"), "-o", str(tmp_path / "back"), "--keep-going"])
    assert ended.value.code == 1
    assert "cut short" in capsys.readouterr().err
    assert 20 <= len(list((tmp_path / "back").iterdir())) <= 30
    (tmp_path / "b.narrows").write_bytes(b"no archive at all")
    (tmp_path / "c.narrows").write_bytes(b"")
    for name in ("b.narrows", "c.narrows", "none"):
        with pytest.raises(ArchiveError):
            narrows.decompress(tmp_path / name, tmp_path / "no", keep_going=True)


def test_equal_files_are_stored_once_and_all_come_back(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "a.npy", IMAGES)
    for name in ("b.npy", "c.npy"):
        (tmp_path / "in" / name).write_bytes((tmp_path / "in" / "a.npy").read_bytes())
    np.save(tmp_path / "in" / "d.npy", IMAGES[:3])
    once = narrows.compress(tmp_path / "in" / "a.npy", tmp_path / "once.narrows")
    done = narrows.compress(tmp_path / "in", tmp_path / "all.narrows")
    assert (done.same, done.files) == (2, 4)
    assert done.archive_bytes < 1.3 * once.archive_bytes
    with narrows.open_archive(tmp_path / "all.narrows") as opened:
        assert list(opened) == ["a.npy", "b.npy", "c.npy", "d.npy"]
        assert np.array_equal(opened["c.npy"], IMAGES)
        assert [entry.name for entry in opened.entries()] == list(opened)
        assert opened.entry("b.npy").count == len(IMAGES)
        assert list(opened.verify()) == []
    narrows.decompress(tmp_path / "all.narrows", tmp_path / "back")
    for path in (tmp_path / "in").iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()
    narrows.decompress(tmp_path / "all.narrows", tmp_path / "one", only=["c.npy"])
    assert np.array_equal(np.load(tmp_path / "one" / "c.npy"), IMAGES)


def test_what_is_lost_of_one_is_lost_of_its_equals_and_lies_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = Writer(file, BlockCodec(Promise(0)))
    writer.add(Entry("a", "image", IMAGES[0].shape, "uint8"), [IMAGES[0]])
    writer.add(Entry("b", "array", (1,), "uint8", 0, extras={SAME: b"a"}), [])
    writer.add(Entry("c", "array", (1,), "uint8", 0, extras={SAME: b"b"}), [])
    writer.add(Entry("d", "array", (1,), "uint8", 0, extras={SAME: b"\xff"}), [])
    writer.add(Entry("e", "array", (1,), "uint8", 0), [])
    writer.close()
    content = bytearray(file.getvalue())
    opened = narrows.open_archive(bytes(content))
    assert np.array_equal(opened["b"], IMAGES[0])
    assert opened["e"].shape == (0, 1)
    for name in ("c", "d"):
        with pytest.raises(ArchiveError, match="the same as a name that is not there"):
            opened[name]
    content[200] ^= 1
    assert {"a", "b"} <= set(narrows.open_archive(bytes(content)).verify())


def test_one_call_takes_a_folder_there_and_back(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    np.save(tmp_path / "in" / "deep" / "x.npy", IMAGES)
    done = narrows.compress(str(tmp_path / "in"), tmp_path / "a.narrows", max_error=0)
    assert (done.files, done.archive_bytes) == (1, (tmp_path / "a.narrows").stat().st_size)
    assert narrows.decompress(tmp_path / "a.narrows", tmp_path / "back").samples == 40
    assert np.array_equal(np.load(tmp_path / "back" / "deep" / "x.npy"), IMAGES)
    with pytest.raises(narrows.NarrowsError, match="colour was given; allowed are block_samples"):
        narrows.compress(tmp_path / "in", tmp_path / "b.narrows", colour=3)
    with pytest.raises(narrows.NarrowsError, match=r"use narrows\.open_archive"):
        Archive(b"bytes")  # type: ignore[arg-type]


def test_equal_arrays_of_no_samples_come_back_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "abc":
        np.save(tmp_path / "in" / f"{name}.npy", np.zeros((0, 5), np.float32))
    assert narrows.compress(tmp_path / "in", tmp_path / "a.narrows").same == 2
    narrows.decompress(tmp_path / "a.narrows", tmp_path / "back")
    for name in "abc":
        assert np.load(tmp_path / "back" / f"{name}.npy").shape == (0, 5)


def test_the_index_on_the_way_waits_for_no_block(often: None, tmp_path: Path) -> None:
    """Large pictures come one after another, each with an index after it: they are still encoded side by side."""
    begun, together = threading.Barrier(2), []

    class Meeting(BlockCodec):
        def encode(self, samples: Sequence[Array], verify: bool = True) -> Block:
            with suppress(threading.BrokenBarrierError):
                begun.wait(10)
                together.append(len(samples))
            return super().encode(samples, verify)

    image = np.random.default_rng(1).integers(0, 256, (200, 150, 3), np.uint8)
    file = io.BytesIO()
    writer = Writer(file, Meeting(Promise(0)), threads=2)
    for number in range(4):
        writer.add(Entry(f"{number}.png", "image", image.shape, "uint8"), [image + np.uint8(number)])
    writer.close()
    assert together == [1] * 4
    content = file.getvalue()
    assert content.count(MARK) == 3
    with narrows.open_archive(content) as opened:
        assert [(opened[name] - image).max() for name in opened] == [0, 1, 2, 3]
    (tmp_path / "cut").write_bytes(content[: content.rindex(MARK) + len(MARK)])
    left = beginning(tmp_path / "cut")
    assert left is not None
    with closing(left), Archive(left, BlockCodec) as opened:  # type: ignore[arg-type]
        assert list(opened) == ["0.png", "1.png", "2.png"]
        assert not opened.verify()
