"""Writing an archive, front to back, in bounded memory.

Next door: `archive` reads; `index` is what is written at the end.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import IO, Any

import numpy as np

from narrows.archive.blocks import checked
from narrows.archive.codec import Block, CodesBlocks
from narrows.archive.digest import DIGEST_BYTES
from narrows.archive.entries import DTYPES, Entry, check_entry, extras_to_bytes
from narrows.archive.index import (
    CRC_BYTES,
    ENTRIES,
    HEAD,
    INDEX_BYTES,
    MARK,
    MODEL_BYTES,
    PIECES,
    Index,
    Sizes,
    crc,
    model_hash,
    seal,
)
from narrows.archive.layout import BLOCK_BYTES, BLOCK_SAMPLES
from narrows.archive.names import check_tree
from narrows.archive.parallel import Ahead
from narrows.checks import whole
from narrows.errors import ArchiveError, DataError
from narrows.io.arrays import Array

USUAL_BYTES = 1 << 16  # of raw samples in a block
SIGNAL_BYTES = 1 << 21  # of signals: many are coded side by side in little more time than one
OPEN_BLOCKS = 16  # classes whose samples wait for more, at most
SO_FAR_BYTES, SO_FAR_TIMES = 1 << 24, 512  # raw bytes, at least, and times the index, between two that are kept
KNOWN_RECORDS = 1 << 16  # of extras, remembered so that each is stored once


@dataclass
class _Open:
    """A block that waits for more samples."""

    samples: list[Array] = field(default_factory=list)
    bytes: int = 0


@dataclass(frozen=True)
class _SoFar:
    """The index of all that was put before: the first `names`, which make these runs."""

    runs: array[int]
    names: int


@dataclass(frozen=True)
class _Piece:
    """A block, or a record of extras, which has no class and no digest."""

    content: bytes
    which: int
    samples: int
    digest: bytes = b""
    raw_bytes: int = 0
    learned: bool = False


class Writer:
    """An archive being written to a binary file, which need not be seekable.

    A block ends at `block_bytes` of raw samples or `block_samples`, by default at 64 KiB, of signals 2 MiB; a larger
    sample is a block of its own. The model is embedded, or only named, or, with `embed_model` None, named if some
    block takes it. With `verify`, every block is decoded and compared before it is written. Blocks are encoded on
    `threads` threads, by default one per core. `raw_bytes` and `data_bytes` tell the progress. After an error the
    file is not an archive: write inside `io.atomic.replacing`.
    """

    def __init__(
        self,
        file: IO[bytes],
        codec: CodesBlocks,
        *,
        embed_model: bool | None = True,
        block_bytes: int | None = None,
        block_samples: int | None = None,
        verify: bool = True,
        threads: int | None = None,
    ) -> None:
        if block_bytes is None:
            usual = block_samples is None
            block_bytes, signal_bytes = (USUAL_BYTES, SIGNAL_BYTES) if usual else (BLOCK_BYTES, BLOCK_BYTES)
        else:
            signal_bytes = block_bytes
        most = BLOCK_SAMPLES if block_samples is None else block_samples
        most = whole("number of samples in a block", most, 1, BLOCK_SAMPLES)
        whole("number of bytes in a block", block_bytes, 1, BLOCK_BYTES)
        model = codec.compact_model
        if len(model) > MODEL_BYTES:
            raise ArchiveError(f"a model of {len(model)} bytes was given; at most {MODEL_BYTES} are allowed")
        self._file, self._codec, self._verify = file, codec, verify
        self._block_bytes, self._signal_bytes, self._block_samples = block_bytes, signal_bytes, most
        self._model, self._embedded, self._hash = model, model if embed_model else b"", model_hash(model)
        self._needs_model = embed_model is not None
        self._runs, self._pieces = array("q"), array("q")  # 5 and 3 numbers each
        self._lengths, self._crcs, self._digests = array("q"), bytearray(), bytearray()
        self._names: dict[str, int] = {}
        self._classes: dict[tuple[str, tuple[int, ...]], int] = {}
        self._open: dict[int, _Open] = {}
        self._records: dict[bytes, int] = {}
        self._record_count = 0
        self._ahead: Ahead[_Piece | _SoFar] = Ahead(threads)
        self.raw_bytes = self.data_bytes = 0
        self._raw_since, self._index_bytes = 0, 0  # of what was put, not of what is written; the latter about
        file.write(HEAD + self._embedded)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # also where adding it ended early

    def add(self, entry: Entry, samples: Iterable[Array]) -> None:
        """Add one name and its samples. Raises `ArchiveError` for an entry that no archive can have, `DataError` for
        samples that do not match it; where the first cannot be had, nothing is added."""
        self._keep_so_far()
        samples = samples if isinstance(samples, np.ndarray) else _begun(samples)
        which = self._enter(entry)
        count, dtype = 0, np.dtype(entry.dtype)
        if isinstance(samples, np.ndarray) and samples.shape[1:] == entry.shape and samples.dtype == dtype:
            count = len(samples)
            self._put_all(which, samples)
            samples = ()
        for sample in samples:
            if sample.shape != entry.shape or sample.dtype.newbyteorder("=") != dtype:
                raise DataError(
                    f"{entry.name!a}: a sample {sample.shape} {sample.dtype} was given where the entry has "
                    f"{entry.shape} {entry.dtype}"
                )
            count += 1
            self._put(which, sample)
        if count != entry.count:
            raise DataError(f"{entry.name!a}: {count} samples were given where the entry has {entry.count}")

    def add_encoded(self, entries: Sequence[Entry], blocks: Iterable[Block]) -> None:
        """Add names whose samples were encoded elsewhere, with a codec of the same promise and the same model.

        The blocks hold the samples of these entries, in order, and no others. Entries given together have the same
        dtype and number of channels (vectors: length). What blocks decode to is checked where they are encoded, here
        what they say of themselves. Raises `DataError` if they are not those of the entries or of such a codec,
        `ArchiveError` for an entry that no archive can have; where the first cannot be had, nothing is added.
        """
        self._keep_so_far()
        blocks = _begun(blocks)
        classes = {self._enter(entry) for entry in entries}
        if len(classes) != 1:
            raise DataError(f"entries of {len(classes)} kinds were given with their blocks; add each kind on its own")
        which = classes.pop()
        if which in self._open:
            self._flush(which)
        for block, size in checked(blocks, entries, self._codec.promise, self._hash):
            self._raw_since += size
            learned = bool(block.model)
            self._queue(partial(_Piece, block.payload, which, block.samples, block.digest, size, learned))

    def close(self) -> Sizes:
        """Write waiting samples, the index and the tail; the file stays open."""
        while self._open:
            self._flush(next(iter(self._open)))
        for piece in self._ahead.finish():
            self._write(piece)
        check_tree(self._names)
        end = seal(self._index(self._runs, len(self._names)))
        self._file.write(end)
        return Sizes(len(HEAD), len(self._embedded), len(end), self.data_bytes)

    def _index(self, runs: array[int], count: int) -> bytes:
        """The index, not deflated, of all pieces that are written, which are those of the first names."""
        needed = self._model and self._needs_model
        length = len(self._embedded) if needed else None
        hashed = self._hash if needed else b""
        run_list, pieces, lengths = (np.array(numbers, np.int64) for numbers in (runs, self._pieces, self._lengths))
        columns = (run_list.reshape(-1, 5).T, pieces.reshape(-1, 3).T, lengths[:-1])
        names = "\n".join(islice(self._names, count)).encode()
        checks = (bytes(self._crcs), bytes(self._digests))
        body = Index(self._codec.promise, length, hashed, *columns, *checks, names).to_bytes()
        if len(body) > INDEX_BYTES:
            most = f"at most {INDEX_BYTES} are allowed; write several archives"
            raise ArchiveError(f"{count} names make an index of {len(body)} bytes; {most}")
        return body

    def _keep_so_far(self) -> None:
        """From time to time the index of all that is there, so that something is left of an archive that is cut
        short."""
        if self._raw_since < max(SO_FAR_BYTES, SO_FAR_TIMES * self._index_bytes):
            return
        while self._open:
            self._flush(next(iter(self._open)))
        self._raw_since = 0
        self._record_count += 1
        so_far = _SoFar(self._runs[:], len(self._names))
        self._queue(lambda: so_far)  # made when its turn comes: nothing waits for it

    def _enter(self, entry: Entry) -> int:
        """Add one name, and write its extras; returns the class of its samples."""
        check_entry(entry)
        if entry.name in self._names:
            raise ArchiveError(f"the name {entry.name!a} was given twice; names in an archive differ")
        if len(self._names) >= ENTRIES:
            raise ArchiveError(f"more than {ENTRIES} names were given; write several archives")
        self._names[entry.name] = len(self._names)
        self._index_bytes += len(entry.name) + 1
        channels = entry.shape[-1] if len(entry.shape) > 1 else 0
        alike = (entry.dtype, (0,) * (len(entry.shape) - 1) + entry.shape[-1:])
        which = self._classes.setdefault(alike, len(self._classes) + 1)
        is_array = entry.kind == "array" or entry.count != 1
        what = DTYPES.index(entry.dtype) + 16 * is_array + 32 * channels
        second = entry.shape[1] if len(entry.shape) == 3 else 0
        run = array("q", (what, entry.shape[0], second, entry.count, self._extras(extras_to_bytes(entry))))
        last = self._runs[-5:]
        if not is_array and run[:3] == last[:3] and run[4:] == last[4:]:
            self._runs[-2] += 1
        else:
            self._runs += run
        return which

    def _put_all(self, which: int, samples: Array) -> None:
        """Put many samples of one shape, a whole block at a time."""
        each = max(1, samples[0].nbytes) if len(samples) else 1
        most = max(1, min(self._block_samples, self._most_bytes(samples[0]) // each)) if len(samples) else 1
        start = 0
        while start < len(samples):
            waiting = self._open.get(which)
            if waiting is not None or len(samples) - start < most:
                self._put(which, samples[start])
                start += 1
                continue
            part = samples[start : start + most].copy()
            self._raw_since += part.nbytes
            self._open[which] = _Open(list(part), part.nbytes)
            self._flush(which)
            start += most

    def _put(self, which: int, sample: Array) -> None:
        block, most_bytes = self._open.get(which), self._most_bytes(sample)
        if block is not None and block.bytes + sample.nbytes > most_bytes:
            self._flush(which)
            block = None
        if block is None:
            if len(self._open) >= OPEN_BLOCKS:
                self._flush(next(iter(self._open)))
            block = self._open[which] = _Open()
        full = block.bytes + sample.nbytes >= most_bytes or len(block.samples) + 1 >= self._block_samples
        # Copied, since the caller may use the array again.
        block.samples.append(sample.copy())
        self._raw_since += sample.nbytes
        block.bytes += sample.nbytes
        if full:
            self._flush(which)

    def _most_bytes(self, sample: Array) -> int:
        """Bytes of raw samples like this one in a block."""
        return self._signal_bytes if sample.ndim == 2 else self._block_bytes

    def _flush(self, which: int) -> None:
        block = self._open.pop(which)

        def encoded() -> _Piece:
            coded = self._codec.encode(block.samples, self._verify)
            return _Piece(coded.payload, which, len(block.samples), coded.digest, block.bytes, bool(coded.model))

        self._queue(encoded, block.bytes)

    def _extras(self, record: bytes) -> int:
        """The number of a record, which is written if it is new."""
        if not record:
            return 0
        key = hashlib.sha256(record).digest()
        if key not in self._records:
            self._queue(lambda: _Piece(record, 0, 1))
            self._record_count += 1
            if len(self._records) >= KNOWN_RECORDS:
                self._records.clear()
            self._records[key] = self._record_count
        return self._records[key]

    def _queue(self, call: Callable[[], _Piece | _SoFar], size: int = 0) -> None:
        self._index_bytes += CRC_BYTES + DIGEST_BYTES
        for piece in self._ahead.put(call, size):
            self._write(piece)

    def _write(self, piece: _Piece | _SoFar) -> None:
        if isinstance(piece, _SoFar):
            piece = _Piece(seal(self._index(piece.runs, piece.names), MARK), 0, 1)
        if len(self._lengths) >= PIECES:
            raise ArchiveError(f"more than {PIECES} blocks and extras; write several archives, or larger blocks")
        if self._pieces[-2:].tolist() == [piece.which, piece.samples]:
            self._pieces[-3] += 1
        else:
            self._pieces.extend((1, piece.which, piece.samples))
        self._needs_model |= piece.learned
        self._lengths.append(len(piece.content))
        self._crcs += crc(piece.content)
        self._digests += piece.digest
        self.data_bytes += len(piece.content)
        self.raw_bytes += piece.raw_bytes
        self._file.write(piece.content)


def _begun(items: Iterable[Any]) -> Iterator[Any]:
    """The same items, of which the first is there already."""
    left = iter(items)
    return chain(list(islice(left, 1)), left)
