"""Archives with bits flipped, ends cut off and blocks damaged: one of our errors or the right samples."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from narrows.archive.archive import Archive
from narrows.archive.entries import Entry
from narrows.archive.index import HEAD, Index
from narrows.codecs.block import BlockCodec
from narrows.codecs.opening import open_archive
from narrows.errors import ArchiveError, OutOfMemoryError

Make = Callable[..., bytes]
Contents = Callable[[bytes], dict[str, Any]]


def test_every_flipped_bit_is_an_error_or_changes_nothing_that_is_read(small: bytes, contents: Contents) -> None:
    right = contents(small)
    whole = 0
    for bit in range(8 * len(small)):
        flipped = bytearray(small)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            read = contents(bytes(flipped))
        except ArchiveError:
            continue
        assert read.items() <= right.items()
        whole += read == right
    assert not whole, "a bit that nothing depends on"


def test_every_truncation_is_refused(small: bytes) -> None:
    for length in range(len(small)):
        with pytest.raises(ArchiveError):
            open_archive(io.BytesIO(small[:length]))


def test_bytes_behind_the_end_are_refused(small: bytes) -> None:
    for more in (b"\0", b"\n", bytes(100)):
        with pytest.raises(ArchiveError):
            open_archive(io.BytesIO(small + more))


def test_a_damaged_block_loses_its_samples_and_no_others(make: Make, index_of: Callable[[bytes], Index]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 20, 20, 1), np.uint8)
    rows = images.reshape(12, 400)
    content = [(Entry(f"{i}.png", "image", (20, 20, 1), "uint8"), [image]) for i, image in enumerate(images)]
    content.append((Entry("rows.npy", "array", (400,), "uint8", 12), list(rows)))
    whole = make(content, block_samples=4)
    index = index_of(whole)
    starts = len(HEAD) + np.concatenate([[0], np.cumsum(index.lengths)])
    for block, lost in ((1, ["4.png", "5.png", "6.png", "7.png"]), (4, ["rows.npy"])):
        damaged = bytearray(whole)
        damaged[starts[block] + 9] ^= 4
        archive = open_archive(io.BytesIO(bytes(damaged)))
        assert list(archive.verify()) == lost
        results = {entry.name: found for entry, found in archive.read_each()}
        assert list(results) == list(archive)
        for name, found in results.items():
            if name in lost:
                assert isinstance(found, ArchiveError)
                assert name in str(found)
                with pytest.raises(ArchiveError):
                    archive[name]
            else:
                assert np.array_equal(found, rows if name == "rows.npy" else images[int(name[:-4])])
    parts = list(archive.parts("rows.npy"))
    assert [(start, stop, isinstance(part, ArchiveError)) for start, stop, part in parts] == [
        (0, 4, False),
        (4, 8, True),
        (8, 12, False),
    ]


def test_a_block_that_does_not_fit_into_memory_is_not_called_damaged(
    small: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(BlockCodec, "decode", decode)
    archive = Archive(io.BytesIO(small), BlockCodec, lambda _: b"a model")
    with pytest.raises(OutOfMemoryError, match="does not fit into memory; use a machine with more"):
        archive.verify()
    for name in ("three.png", "rows.npy"):
        with pytest.raises(OutOfMemoryError, match=f"{name} does not fit into memory"):
            archive[name]


def test_a_damaged_model_is_said_to_be_damaged_and_can_be_given(make: Make) -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    whole = make([(Entry("a", "image", (2, 2, 1), "uint8"), [image])], model=b"a model")
    damaged = whole.replace(b"a model", b"a mOdel")
    archive = open_archive(io.BytesIO(damaged))
    assert list(archive.verify()) == ["a"]
    with pytest.raises(ArchiveError, match="the model that it carries is damaged"):
        archive["a"]
    assert np.array_equal(Archive(io.BytesIO(damaged), BlockCodec, lambda _: b"a model")["a"], image)
