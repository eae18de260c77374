"""The file of an archive: its index, checked before anything else, and its blocks and extras by number.

Next door: `archive` finds them by name.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from narrows.archive import index
from narrows.archive.codec import CodesBlocks, FindModel, OpenCodec
from narrows.archive.digest import DIGEST_BYTES
from narrows.archive.entries import Shape, extras_from_bytes
from narrows.archive.index import CRC_BYTES, DAMAGED, HEAD, TAIL_BYTES, Sizes
from narrows.archive.layout import Layout, Run
from narrows.archive.names import check_tree, checked_names
from narrows.checks import brief
from narrows.errors import ArchiveError, OutOfMemoryError
from narrows.io.arrays import Array
from narrows.io.files import open_file

KEPT_BLOCKS = 16  # decoded, in each thread one per class, so that names read in order decode each block once
Given = str | os.PathLike[str] | IO[bytes]


class Reader:
    """An archive's file; `open_codec` and `models` are those of `Archive`.

    `index`, `layout`, `names` and `sizes` are checked. May be used by several threads, and a file on a disk by
    processes that are forked. Raises `ArchiveError` in one line that names the file.
    """

    def __init__(
        self, file: Given, open_codec: OpenCodec, models: FindModel | None, known: FindModel | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._open_codec, self._models, self._known = open_codec, models, known
        self._own = isinstance(file, (str, os.PathLike))
        if isinstance(file, io.TextIOBase) or not (self._own or hasattr(file, "seek")):
            raise ArchiveError(f"{brief(file)} was given as an archive; give a path, a binary file or its bytes")
        self.name = str(file) if self._own else str(getattr(file, "name", "archive"))
        try:
            self._file = open_file(file) if isinstance(file, (str, os.PathLike)) else file
            # Not whatever has a descriptor: that of a file of gzip leads to other bytes.
            self._on_disk = isinstance(getattr(self._file, "raw", self._file), io.FileIO)
            try:
                self._open()
            except BaseException:
                self.close()
                raise
        except ArchiveError as error:
            hint = "" if ";" in str(error) or "narrows" in str(error) else "; it cannot be trusted, get it again"
            raise ArchiveError(f"{self.name}: {error}{hint}") from None
        except OSError as error:
            why = error.strerror or error
            raise ArchiveError(f"{self.name}: the archive cannot be read: {why}; give the path of one") from None
        self._here = threading.local()  # `kept` in each thread: what it decoded last
        self._last_record = (0, b"")
        self._codec: CodesBlocks | None = None

    def _open(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        index.check_head(self._read(0, min(len(HEAD), size)))
        tail = min(TAIL_BYTES, max(size - len(HEAD), 0))
        length = index.stored_length(self._read(size - tail, tail), size)
        self.index = index.unseal(self._read(size - length, length))
        model = self.index.model_length or 0
        start = len(HEAD) + model
        if start > size - length:
            raise ArchiveError(f"a model of {model} bytes is claimed where {size - length - len(HEAD)} are left")
        self.layout = Layout(self.index, start, size - length)
        claimed = self.index.names.count(b"\n") + bool(self.index.names)
        if claimed != self.layout.entries:
            raise ArchiveError(f"{claimed} names are given for {self.layout.entries} entries")
        try:
            names = checked_names(self.index.names.decode()) if claimed else []
        except UnicodeDecodeError:
            raise ArchiveError("names that are not UTF-8 are claimed") from None
        self.names, self.numbers = names, {name: number for number, name in enumerate(names)}
        if len(self.numbers) != len(names):
            raise ArchiveError(f"{len(names)} entries have {len(self.numbers)} different names")
        check_tree(self.numbers)
        self.sizes = Sizes(len(HEAD), model, length, size - length - start)

    def sample(self, position: int, name: str) -> Array:
        """A copy of the sample at a position; errors name `name`."""
        block = self.layout.block(position)
        return self.block(block, name)[position - self.layout.span(block)[0]].copy()

    def block(self, block: int, name: str) -> list[Array]:
        """The samples of a block, which callers must not change."""
        which = self.layout.class_of(block)
        kept: dict[int, tuple[int, list[Array]]] = vars(self._here).setdefault("kept", {})
        last, samples = kept.get(which, (-1, []))
        if last == block:
            return samples
        dtype, shapes = self.layout.shapes(block)
        payload, codec = self.payload(block, name), self.codec()
        with self._naming(name):
            samples = codec.decode(payload, shapes, dtype, self._digest(block))
        if len(samples) > 1:
            if len(kept) >= KEPT_BLOCKS:
                kept.clear()
            kept[which] = (block, samples)
        return samples

    def file(self, block: int, name: str) -> bytes | None:
        """The file that a block keeps to the byte, None for any other block."""
        payload, codec = self.payload(block, name), self.codec()
        with self._naming(name):
            return codec.file(payload, self._digest(block))

    def codec(self) -> CodesBlocks:
        """The codec, opened when it is first needed."""
        if self._codec is None:
            self._codec = self._open_codec(self.index.promise, self.compact_model())
        return self._codec

    def _digest(self, block: int) -> bytes:
        return self.index.digests[block * DIGEST_BYTES : (block + 1) * DIGEST_BYTES]

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Errors of a block name the archive and what is lost, or cannot be read here; those say what to do."""
        try:
            yield
        except ArchiveError as error:
            said = f"cannot be read: {error}" if ";" in str(error) else f"is lost: {error}; get the archive again"
            raise ArchiveError(f"{self.name}: {name} {said}") from None
        except MemoryError:
            why = "does not fit into memory; use a machine with more"
            raise OutOfMemoryError(f"{self.name}: {name} {why}") from None

    def payload(self, block: int, name: str) -> bytes:
        """The encoded bytes of a block; raises `ArchiveError` if they do not match their checksum."""
        with self._naming(name):
            return self._piece(int(self.layout.blocks[block]))

    def record(self, run: Run, name: str) -> tuple[Shape | None, dict[str, bytes]]:
        """The form and extras of a run of entries."""
        if not run.extras:
            return None, {}
        last, content = self._last_record
        with self._naming(name):
            if last != run.extras:
                content = self._piece(int(self.layout.records[run.extras - 1]))
                self._last_record = run.extras, content
            return extras_from_bytes(content, run.shape)

    def compact_model(self) -> bytes:
        """The compact model that was found, else the one that the archive carries, else one that is known; empty
        without a model.

        Raises `ArchiveError` if it is left out, damaged, or not the one that the archive was made with.
        """
        wanted = self.index.model_hash
        if self.index.model_length is None:
            return b""
        found, why = None if self._models is None else self._models(wanted), "it was made with another model"
        if found is None and self.index.model_length:
            with self._naming("its model"):
                found, why = self._read(len(HEAD), self.index.model_length), "the model that it carries is damaged"
        if found is None and self._known is not None:
            found = self._known(wanted)
        if found is None and self._models is None:
            raise ArchiveError(f"{self.name}: it does not carry its model; give the model it was made with (-m)")
        if found is None or index.model_hash(found) != wanted:
            raise ArchiveError(f"{self.name}: {why}; give the one whose SHA-256 begins with {wanted.hex()} (-m)")
        return found

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._own:
            self._file.close()

    def _piece(self, piece: int) -> bytes:
        content = self._read(int(self.layout.offsets[piece]), int(self.layout.lengths[piece]))
        if index.crc(content) != self.index.crcs[piece * CRC_BYTES : (piece + 1) * CRC_BYTES]:
            raise ArchiveError("its bytes do not match their checksum")
        return content

    def _read(self, at: int, length: int) -> bytes:
        if self._on_disk and hasattr(os, "pread"):  # has no position that threads and forks share
            content = os.pread(self._file.fileno(), length, at)
        else:
            with self._lock:
                self._file.seek(at)
                content = self._file.read(length)
        if len(content) != length:
            raise ArchiveError(f"{len(content)} of {length} bytes could be read; {DAMAGED}")
        return content
