"""Archives: what goes in comes out, by name and by number, in few bytes and little memory."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import narrows
from narrows.archive.archive import Archive
from narrows.archive.entries import DTYPES, Entry
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec
from narrows.codecs.files import kept
from narrows.codecs.opening import open_archive
from narrows.errors import ArchiveError, DataError, SettingsError
from narrows.io.arrays import Array

Make = Callable[..., bytes]
NAMES = st.lists(
    st.text(st.characters(exclude_categories=("C",), exclude_characters="\\/:"), min_size=1, max_size=6).filter(
        lambda part: part.strip(". ") != ""
    ),
    min_size=1,
    max_size=3,
).map("/".join)


@pytest.fixture(autouse=True)
def _side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are coded on two threads, as they would be outside of tests."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


@st.composite
def archives(draw: st.DrawFn) -> tuple[list[tuple[Entry, list[Array]]], Promise, dict[str, Any]]:
    """Random valid contents, with a promise and how they are written."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    content = []
    for number, name in enumerate(draw(st.lists(NAMES, max_size=6, unique=True))):
        shape = draw(
            st.one_of(
                st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)), st.tuples(st.integers(1, 30))
            )
        )
        dtype = draw(st.sampled_from(DTYPES))
        array = draw(st.booleans())
        count = draw(st.integers(0, 9)) if array else 1
        raw = rng.integers(0, 1 << draw(st.integers(1, 8)), (count, *shape, np.dtype(dtype).itemsize), np.uint8)
        samples = (raw[..., 0] & 1).astype(bool) if dtype == "bool" else raw.view(dtype)[..., 0]
        form = draw(st.sampled_from([None, (1, int(np.prod(shape)))]))
        extras = draw(st.dictionaries(st.sampled_from(["icc", "exif", "mode"]), st.binary(max_size=200), max_size=2))
        kind = "array" if array else "image"
        # Numbered, so that none is a folder of another.
        content.append((Entry(f"{number}{name}", kind, shape, dtype, count, form, extras), list(samples)))
    promise = draw(
        st.one_of(st.builds(Promise, st.sampled_from([0, 1, 7, 65535])), st.builds(Promise, st.none(), st.just(50)))
    )
    how = {
        "block_bytes": draw(st.sampled_from([1, 100, 1 << 16])),
        "block_samples": draw(st.sampled_from([None, 1, 3])),
    }
    return content, promise, how


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(archives())
def test_whatever_goes_in_comes_out_as_promised(make: Make, case: tuple[Any, Promise, Any]) -> None:
    content, promise, how = case
    archive = open_archive(io.BytesIO(make(content, promise, **how)))
    assert archive.promise == promise
    assert list(archive) == [entry.name for entry, _ in content]
    assert list(archive.entries()) == [entry for entry, _ in content]
    assert list(archive.verify()) == []
    assert archive.raw_bytes == sum(sample.nbytes for _, samples in content for sample in samples)
    error = promise.max_error or 0
    for entry, samples in content:
        found = archive[entry.name]
        wanted = np.array(samples, entry.dtype).reshape(-1)
        assert found.dtype == entry.dtype
        form = entry.form or entry.shape
        assert found.shape == (form if entry.kind == "image" else (entry.count, *form))
        if error and found.dtype.kind in "ui" and found.dtype.itemsize < 8:
            assert np.abs(found.reshape(-1).astype(np.int64) - wanted.astype(np.int64)).max(initial=0) <= error
        else:
            assert found.tobytes() == wanted.tobytes()
    everything = b"".join(sample.tobytes() for sample in archive.samples)
    assert everything == b"".join(archive[name].tobytes() for name in archive)


def test_one_photo_costs_at_most_64_bytes_with_its_name_and_without_its_model(make: Make) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (130, 140, 3), np.uint8)
    entry = Entry("photo.png", "image", photo.shape, "uint8")
    for promise in (Promise(0), Promise(2), Promise(None, 75)):
        payload = BlockCodec(promise).encode([photo]).payload
        assert len(make([(entry, [photo])], promise, b"m" * 5000, embed_model=False)) <= len(payload) + 64


def test_a_digit_in_a_block_of_64_costs_at_most_2_bytes_and_in_fact_less_than_a_third(make: Make) -> None:
    digits = np.random.default_rng(0).integers(0, 256, (640, 28, 28, 1), np.uint8)
    entry = Entry("digits.npy", "array", (28, 28, 1), "uint8", 640, (28, 28))
    archive = make([(entry, list(digits))], block_samples=64)
    assert len(archive) <= digits.nbytes + 640 / 3


def test_small_images_of_one_kind_share_blocks_and_large_ones_do_not(make: Make) -> None:
    rng = np.random.default_rng(0)
    content = []
    for number in range(60):  # grey, RGB and 16-bit images in turn, and now and then a large one
        side = 200 if number % 20 == 0 else 8
        kind = [("uint8", 1), ("uint8", 3), ("uint16", 1)][number % 3]
        image = rng.integers(0, 256, (side, side, kind[1])).astype(kind[0])
        content.append((Entry(f"{number}", "image", image.shape, kind[0]), [image]))
    archive = open_archive(io.BytesIO(make(content)))
    layout = archive._reader.layout
    assert 3 + 3 <= len(layout.blocks) <= 3 + 3 + 3
    for entry, samples in content:
        assert np.array_equal(archive[entry.name], samples[0])


def test_one_name_is_read_without_touching_other_blocks(make: Make) -> None:
    class Counting(io.BytesIO):
        total = 0

        def read(self, size: int | None = -1, /) -> bytes:
            content = super().read(size)
            self.total += len(content)
            return content

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 40, 40, 1), np.uint8)
    content = [(Entry(f"{i}", "image", (40, 40, 1), "uint8"), [image]) for i, image in enumerate(images)]
    file = Counting(make(content, block_bytes=1600))
    archive = open_archive(file)
    opened = file.total
    assert opened < archive.sizes.index + 20
    assert np.array_equal(archive["31"], images[31])
    assert file.total - opened < 1700


def test_an_archive_equals_only_itself(small: bytes) -> None:
    one, other = open_archive(small), open_archive(small)
    assert one == one
    assert one != other
    assert len({one, other}) == 2


@pytest.mark.parametrize("given", [None, 5, [], {}, io.StringIO("text")])
def test_what_no_archive_can_be_is_refused_in_one_line(given: Any) -> None:
    for read in (open_archive, narrows.Codec().decompress):
        with pytest.raises(ArchiveError, match="was given as an archive; give a path, a binary file or its bytes"):
            read(given)


def test_an_archive_says_of_what_it_consists(make: Make, small: bytes) -> None:
    archive = open_archive(io.BytesIO(small))
    assert archive.sizes.total == len(small)
    assert archive.sizes.model == len(b"a model")
    assert archive.compact_model() == b"a model"
    assert "a/one.png" in archive
    assert "one.png" not in archive
    with pytest.raises(KeyError):
        archive["one.png"]
    assert archive.model_sha256 is not None
    assert open_archive(io.BytesIO(make([]))).model_sha256 is None


def test_an_archive_without_its_model_needs_the_very_one_it_was_made_with(make: Make) -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    left_out = make([(Entry("a", "image", (2, 2, 1), "uint8"), [image])], model=b"mine", embed_model=False)
    asked = []

    def mine(wanted: bytes) -> bytes:
        asked.append(wanted)
        return b"mine"

    archive = Archive(io.BytesIO(left_out), BlockCodec, mine)
    assert np.array_equal(archive["a"], image)
    assert [wanted.hex() for wanted in asked] == [archive.model_sha256]
    for models, words in ((None, "does not carry"), (lambda _: b"yours", "another"), (lambda _: None, "another")):
        with pytest.raises(ArchiveError, match=f"{words}.* model"):
            Archive(io.BytesIO(left_out), BlockCodec, models)["a"]


def test_samples_are_a_data_set_for_torch_also_in_other_processes(make: Make, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    path = tmp_path / "rows.narrows"
    path.write_bytes(make([(Entry("rows", "array", (4,), "float32", 20), list(rows))], block_samples=3))
    with open_archive(path) as archive:
        assert np.array_equal(np.concatenate(list(DataLoader(archive.samples, batch_size=7))), rows)
        with pickle.loads(pickle.dumps(archive.samples))._archive as again:
            assert np.array_equal(again["rows"], rows)
        assert np.array_equal(archive.samples[-1], rows[-1])
        assert np.array_equal(archive.samples[18:], rows[18:])
        with pytest.raises(IndexError):
            archive.samples[20]


@pytest.mark.skipif(not hasattr(os, "pread"), reason="the system reads at a position only")
@pytest.mark.parametrize("mode", ["rb", "r+b"])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_files_are_read_without_the_position_that_forked_processes_share(
    make: Make, tmp_path: Path, mode: str, buffering: int
) -> None:
    rows = np.random.default_rng(0).normal(size=(90, 40)).astype(np.float32)
    content = make([(Entry("rows", "array", (40,), "float32", 90), list(rows))], block_samples=30)
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open(mode, buffering) as file:
        archive = open_archive(file)
        before = os.lseek(file.fileno(), 0, os.SEEK_CUR)
        assert np.array_equal(archive["rows"], rows)
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == before
    with gzip.open(tmp_path / "b", "wb") as packed:
        packed.write(content)
    with gzip.open(tmp_path / "b") as packed:  # has a descriptor, which leads to other bytes
        assert np.array_equal(open_archive(packed)["rows"], rows)


def test_parts_of_a_large_array_come_one_after_another(make: Make) -> None:
    rows = np.arange(40, dtype=np.int32).reshape(10, 4)
    content = [(Entry("rows", "array", (4,), "int32", 10), list(rows))]
    archive = open_archive(io.BytesIO(make(content, block_samples=4)))
    parts = list(archive.parts("rows"))
    assert [(start, stop) for start, stop, _ in parts] == [(0, 4), (4, 8), (8, 10)]
    assert np.array_equal(np.concatenate([part for *_, part in parts]), rows)


def test_an_array_may_be_used_again_as_soon_as_it_was_added(make: Make) -> None:
    buffer = np.zeros((5, 5, 1), np.uint8)
    file = io.BytesIO()
    writer = Writer(file, BlockCodec(Promise()))
    for number in range(3):
        buffer[:] = number
        writer.add(Entry(f"{number}", "image", buffer.shape, "uint8"), [buffer])
    writer.close()
    assert [int(image.max()) for image in open_archive(file).values()] == [0, 1, 2]


def test_encoded_blocks_are_the_bytes_that_adding_samples_gives(make: Make) -> None:
    codec, images = BlockCodec(Promise(2)), np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3), np.uint8)
    entries = [Entry(f"{i}", "image", (6, 6, 3), "uint8", extras={"exif": b"up"}) for i in range(10)]
    whole = make(zip(entries, images[:, None], strict=True), Promise(2), block_samples=4)
    file = io.BytesIO()
    writer = Writer(file, codec)
    for start in range(0, 10, 4):
        writer.add_encoded(entries[start : start + 4], [codec.encode(list(images[start : start + 4]))])
    assert writer.raw_bytes <= images.nbytes
    writer.close()
    assert writer.raw_bytes == images.nbytes
    assert file.getvalue() == whole


def test_encoded_blocks_stand_behind_the_samples_of_their_kind_that_came_before(make: Make) -> None:
    codec, rows = BlockCodec(Promise()), np.arange(24, dtype=np.int16).reshape(6, 4)
    file = io.BytesIO()
    writer = Writer(file, codec)
    writer.add(Entry("a", "array", (4,), "int16", 2), rows[:2])
    writer.add_encoded([Entry("b", "array", (4,), "int16", 3)], [codec.encode(rows[2:3]), codec.encode(rows[3:5])])
    writer.add_encoded([Entry("none", "array", (4,), "int16", 0)], [])
    writer.add(Entry("c", "array", (4,), "int16", 1), rows[5:])
    writer.close()
    archive = open_archive(file)
    assert list(archive.verify()) == []
    assert np.array_equal(np.concatenate([archive[name] for name in ("a", "b", "c")]), rows)


def test_encoded_blocks_that_are_not_those_of_their_entries_are_refused() -> None:
    codec, image = BlockCodec(Promise()), np.zeros((2, 2, 1), np.uint8)
    block, one = codec.encode([image]), Entry("a", "image", (2, 2, 1), "uint8")
    for entries, blocks, words in (
        ([one], [], "1 samples too few"),
        ([one], [block, block], "1 samples"),
        ([one], [codec.encode([image, image])], "too many"),
        ([one, Entry("b", "image", (2, 2, 3), "uint8")], [block, block], "entries of 2 kinds"),
        ([], [], "entries of 0 kinds"),
        ([one], [replace(block, shapes=())], "0 samples"),
        ([one], [replace(block, digest=b"short")], "an encoded block"),
        ([one], [replace(block, payload=b"")], "an encoded block"),
        (
            [Entry("a", "array", (1 << 23,), "uint8", 3)],
            [replace(block, shapes=((1 << 23,),) * 3)],
            "3 samples and 25165824 bytes",
        ),
    ):
        with pytest.raises(DataError, match=words) as caught:
            Writer(io.BytesIO(), codec).add_encoded(entries, blocks)
        assert "\n" not in str(caught.value)


def test_encoded_blocks_of_other_shapes_dtypes_promises_and_models_are_refused() -> None:
    exact, image = BlockCodec(Promise()), np.full((4, 4, 1), 200, np.uint8)
    block, signed = exact.encode([image]), np.full((16, 16, 1), 200, np.uint8)
    other = BlockCodec(Promise(None, 50)).encode([image])
    for entry, wrong, words in (
        (Entry("a", "image", (4, 4, 1), "int8"), block, r"a sample \(4, 4, 1\) uint8 .* has \(4, 4, 1\) int8"),
        (Entry("a", "array", (16, 16, 1), "int8"), exact.encode([signed]), "uint8"),
        (Entry("a", "image", (4, 4, 3), "uint8"), block, r"\(4, 4, 1\) uint8 .* has \(4, 4, 3\)"),
        (Entry("a", "array", (16,), "uint8"), block, r"has \(16,\)"),
        (Entry("a", "image", (4, 4, 1), "uint8"), other, "another promise .lossy, quality 50. .* exact"),
        (Entry("a", "image", (4, 4, 1), "uint8"), BlockCodec(Promise(2)).encode([image]), "every value within 2"),
        (Entry("a", "image", (4, 4, 1), "uint8"), replace(block, model=b"another"), "another model"),
        (Entry("a", "image", (4, 4, 1), "uint8"), kept(b"the bytes of a file"), r"\(19,\)"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            Writer(io.BytesIO(), exact).add_encoded([entry], [wrong])
        assert "\n" not in str(caught.value)


def test_samples_that_are_not_what_the_entry_says_are_refused(make: Make) -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    for entry, samples in (
        (Entry("a", "image", (2, 3, 1), "uint8"), [image]),
        (Entry("a", "image", (2, 2, 1), "uint16"), [image]),
        (Entry("a", "array", (2, 2, 1), "uint8", 3), [image] * 2),
    ):
        with pytest.raises(DataError):
            make([(entry, samples)])


def test_a_name_whose_samples_cannot_be_had_leaves_nothing_behind() -> None:
    def unreadable() -> Iterator[Any]:
        raise DataError("gone")
        yield

    file = io.BytesIO()
    writer = Writer(file, BlockCodec(Promise(0)))
    with pytest.raises(DataError, match="gone"):
        writer.add(Entry("a", "array", (3,), "uint8"), unreadable())
    with pytest.raises(DataError, match="gone"):
        writer.add_encoded([Entry("b", "array", (3,), "uint8")], unreadable())
    assert "a" not in writer
    assert "b" not in writer
    writer.close()
    assert not open_archive(file)


def test_entries_that_no_archive_can_have_are_refused(make: Make) -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    for entry in (
        Entry("a", "image", (2, 2), "uint8"),
        Entry("a", "image", (0, 2, 1), "uint8"),
        Entry("a", "image", (1 << 15, 1 << 15, 1), "uint8"),
        Entry("a", "array", (1 << 28,), "float64"),
        Entry("a", "image", (2, 2, 1), "complex64"),
        Entry("a", "image", (2, 2, 1), "uint8", 2),
        Entry("a", "image", (2, 2, 1), "uint8", 1, (3, 3)),
        Entry("a", "image", (2, 2, 1), "uint8", extras={"form": b"x"}),
        Entry("a", "image", (2, 2, 1), "uint8", extras={"exif": bytes(1 << 25)}),
    ):
        with pytest.raises(ArchiveError) as caught:
            make([(entry, [image])])
        assert "\n" not in str(caught.value)
    for how in ({"block_bytes": 0}, {"block_bytes": 1 << 25}, {"block_samples": 0}, {"block_samples": 1 << 17}):
        with pytest.raises(SettingsError):
            make([], **how)


def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, small: bytes) -> None:
    (tmp_path / "text.narrows").write_bytes(b"a text that is long enough for anything")
    (tmp_path / "empty.narrows").write_bytes(b"")
    (tmp_path / "newer.narrows").write_bytes(small[:4] + b"\x02" + small[5:])
    for name, words in (
        ("text.narrows", "not a narrows archive"),
        ("empty.narrows", "not a narrows archive"),
        ("newer.narrows", "format version 2"),
        ("missing.narrows", "No such file"),
        ("", "directory"),
    ):
        with pytest.raises(ArchiveError, match=words) as caught:
            open_archive(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_process_killed_while_writing_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    code = """
import sys, numpy as np
from narrows.archive.entries import Entry
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec, Promise
from narrows.io.atomic import replacing
with replacing(sys.argv[1]) as file:
    writer = Writer(file, BlockCodec(Promise()))
    for number in range(10**9):
        writer.add(Entry(f"{number}", "image", (64, 64, 1), "uint8"), [np.full((64, 64, 1), number % 251, np.uint8)])
        file.flush()
"""
    target = tmp_path / "out.narrows"
    with subprocess.Popen([sys.executable, "-c", code, str(target)]) as process:
        for _ in range(3000):
            if any(path.stat().st_size > 1000 for path in tmp_path.iterdir()):
                break
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1  # the part, under a name that says so


def test_extras_that_many_images_share_are_stored_once(make: Make) -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    profile = np.random.default_rng(0).bytes(3000)
    entries = [Entry(f"{i}", "image", (2, 2, 1), "uint8", extras={"icc": profile}) for i in range(50)]
    archive = make([(entry, [image]) for entry in entries])
    assert len(archive) < 3500
    assert list(open_archive(io.BytesIO(archive)).entries()) == entries


def test_more_names_or_blocks_than_a_reader_takes_are_not_written(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = [(Entry(f"{i}", "image", (2, 2, 1), "uint8"), [np.zeros((2, 2, 1), np.uint8)]) for i in range(4)]
    for limit in ("ENTRIES", "PIECES", "INDEX_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(f"narrows.archive.writer.{limit}", 3)
            with pytest.raises(ArchiveError, match="write several archives"):
                make(content, block_samples=1)


def test_names_that_cannot_stand_together_are_not_written(make: Make) -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    for names, words in ((["a", "a"], "twice"), (["a/b", "a"], "folder of another"), (["../a"], "dots")):
        with pytest.raises(ArchiveError, match=words):
            make([(Entry(name, "image", (2, 2, 1), "uint8"), [image]) for name in names])


def test_a_file_that_cannot_be_sought_is_refused_in_reading_and_written_all_the_same(small: bytes) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb") as target:
        out = Writer(target, BlockCodec(Promise()))
        out.add(Entry("a", "image", (1, 1, 1), "uint8"), [np.ones((1, 1, 1), np.uint8)])
        out.close()
        target.close()
        with pytest.raises(ArchiveError, match="cannot be read"):
            open_archive(source)
        assert open_archive(io.BytesIO(source.read()))["a"] == 1
