"""Archives to read, to damage and to lie with."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from narrows.archive.entries import Entry
from narrows.archive.index import Index, seal, stored_length, unseal
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec
from narrows.codecs.opening import open_archive
from narrows.io.arrays import Array

Content = Iterable[tuple[Entry, list[Array]]]
Make = Callable[..., bytes]
Forge = Callable[..., bytes]


class MereBytes:
    """A codec whose model are any bytes, at which it never looks."""

    def __init__(self, promise: Promise, compact_model: bytes) -> None:
        self.promise, self.compact_model = promise, compact_model
        self.encode, self.decode = BlockCodec(promise).encode, BlockCodec(promise).decode


@pytest.fixture(scope="session")
def make() -> Make:
    """Archives in memory: `make(content, promise, model, **how)`."""

    def made(content: Content, promise: Promise | None = None, model: bytes = b"", **how: Any) -> bytes:
        file = io.BytesIO()
        writer = Writer(file, MereBytes(promise or Promise(), model), **how)
        for entry, samples in content:
            writer.add(entry, samples)
        sizes = writer.close()
        assert sizes.total == len(file.getvalue())
        return file.getvalue()

    return made


@pytest.fixture(scope="session")
def small(make: Make) -> bytes:
    """A few hundred bytes with everything in them: images of two classes, extras, an array with a form, a model."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 9, (3, 4, c), np.uint8) for c in (1, 3, 1)]
    rows = list(rng.integers(-99, 99, (5, 6)).astype(np.int16))
    content = [
        (Entry("a/one.png", "image", (3, 4, 1), "uint8", extras={"exif": b"upright"}), [images[0]]),
        (Entry("a/two.png", "image", (3, 4, 3), "uint8"), [images[1]]),
        (Entry("three.png", "image", (3, 4, 1), "uint8"), [images[2]]),
        (Entry("rows.npy", "array", (6,), "int16", 5, (2, 3)), rows),
    ]
    return make(content, model=b"a model", block_samples=2)


@pytest.fixture(scope="session")
def forge() -> Forge:
    """An archive whose index says something else, with checksums that are right: `forge(archive, field=value)`."""

    def forged(archive: bytes, **fields: Any) -> bytes:
        length = stored_length(archive[-9:], len(archive))
        index: Index = unseal(archive[-length:])
        return archive[:-length] + seal(dataclasses.replace(index, **fields).to_bytes())

    return forged


@pytest.fixture(scope="session")
def index_of() -> Callable[[bytes], Index]:
    """The index of an archive."""
    return lambda archive: unseal(archive[-stored_length(archive[-9:], len(archive)) :])


@pytest.fixture(scope="session")
def contents() -> Callable[[bytes], dict[str, Any]]:
    """All that can be read of an archive: names, what entries say, bytes; where something is lost, nothing of it."""

    def read(archive: bytes) -> dict[str, Any]:
        with open_archive(io.BytesIO(archive)) as opened:
            return {
                entry.name: (entry, found.tobytes())
                for entry, found in opened.read_each()
                if isinstance(found, np.ndarray)
            }

    return read
