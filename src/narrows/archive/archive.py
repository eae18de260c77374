"""Reading an archive by name, by number, or as a whole, and what is left of a damaged one.

Next door: `reader` fetches blocks; `writer` writes; `FORMAT.md` has every byte.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any, TypeVar, overload

import numpy as np

from narrows.archive.codec import FindModel, OpenCodec
from narrows.archive.entries import RECORDING, SAME, Entry, Kind, check_recording
from narrows.archive.layout import Run
from narrows.archive.parallel import HELD, in_order, usual_threads
from narrows.archive.reader import Given, Reader
from narrows.errors import ArchiveError, OutOfMemoryError
from narrows.io.arrays import Array

T = TypeVar("T")


class Archive(Mapping[str, Array]):
    """An archive, open for reading: a mapping from names to arrays. `narrows.open_archive` opens one.

    An image is `(H, W, C)`, a signal `(frames, C)`, an array `(count, *form)`. Reading a name reads only the blocks
    that hold it. `promise` holds for every sample; `sizes` are bytes by part, `raw_bytes` those of all samples. May
    be used by several threads and, opened by its path, pickled. An archive equals only itself, whatever is in it.

    `open_codec` is called with the promise and the compact model when the first block is decoded. The model comes
    from `models` if they have it, else from the file, else from those that are `known` everywhere. Blocks are decoded
    on `threads` threads, by default one per core.

    Raises `ArchiveError` for a file that is not an archive, damaged, or newer; a damaged block is noticed when it is
    read, and leaves the others readable. A block that does not fit into memory is an `OutOfMemoryError`.
    """

    def __repr__(self) -> str:
        return f"Archive({self._reader.name}: {len(self)} files, {self.sizes.total} bytes; {self.promise})"

    def __init__(
        self,
        file: Given,
        open_codec: OpenCodec | None = None,
        models: FindModel | None = None,
        threads: int | None = None,
        known: FindModel | None = None,
    ) -> None:
        if open_codec is None:
            raise ArchiveError("an archive was to be opened without what decodes it; use narrows.open_archive(file)")
        self._given = (file, open_codec, models, threads, known)
        self._threads = threads
        self._reader = Reader(file, open_codec, models, known)
        self.promise = self._reader.index.promise
        self.sizes = self._reader.sizes
        self.raw_bytes = self._reader.layout.raw_bytes

    @property
    def model_sha256(self) -> str | None:
        """The first 32 hexadecimal digits of the compact model's SHA-256; None without a model."""
        index = self._reader.index
        return None if index.model_length is None else index.model_hash.hex()

    def __len__(self) -> int:
        return len(self._reader.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.names)

    def __eq__(self, other: object) -> bool:  # not that of `Mapping`, which would decode both and compare arrays
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __contains__(self, name: object) -> bool:
        return name in self._reader.numbers

    def __getitem__(self, name: str) -> Array:
        """The samples of a name; raises KeyError if it is not there, `ArchiveError` if it is damaged."""
        name = self._source(name)
        entry = self.entry(name)
        form = entry.shape if entry.form is None else entry.form
        if entry.kind == "image":
            return self._reader.sample(self._reader.layout.entry(self._reader.numbers[name])[1], name).reshape(form)
        try:
            whole: Array = np.empty((entry.count, *entry.shape), entry.dtype)
        except MemoryError:
            raise OutOfMemoryError(
                f"{self._reader.name}: {name}: {entry.count} samples of {form} do not fit into memory; use parts()"
            ) from None
        for start, stop, part in self.parts(name):
            if isinstance(part, ArchiveError):
                raise part
            whole[start:stop] = part
        if entry.kind == "signal":
            return whole.reshape(-1, entry.shape[1])[: entry.frames]
        return whole.reshape(entry.count, *form)

    def file(self, name: str) -> bytes | None:
        """The file of this name where the archive keeps it to the byte; None where it keeps samples alone. Raises
        KeyError if it is not there, `ArchiveError` if it is damaged."""
        name = self._source(name)
        _, position, count = self._reader.layout.entry(self._reader.numbers[name])
        block = self._reader.layout.block(position) if count else 0
        alone = count == 1 and self._reader.layout.span(block) == (position, position + 1)
        return self._reader.file(block, name) if alone else None

    def entry(self, name: str) -> Entry:
        """The entry of a name; raises KeyError if it is not there, `ArchiveError` for damaged extras."""
        own, name = name, self._source(name)
        if own != name:
            return replace(self.entry(name), name=own)
        run, _, count = self._reader.layout.entry(self._reader.numbers[name])
        form, extras = self._reader.record(run, name)
        entry = Entry(name, _kind(run, extras), run.shape, run.dtype.name, count, form, extras)
        if entry.kind == "signal":
            check_recording(entry)
        return entry

    def _source(self, name: str) -> str:
        """The name under which the samples of a name are stored: another one, if their files were the same."""
        other = self._same(name)
        if other is None:
            return name
        if other not in self or self._same(other) is not None:
            raise ArchiveError(f"{self._reader.name}: {name}: it is said to be the same as a name that is not there")
        return other

    def _same(self, name: str) -> str | None:
        """The name that is stored in place of the samples of a name, if there is one."""
        run, _, count = self._reader.layout.entry(self._reader.numbers[name])
        if count or not run.array or not run.extras:
            return None
        same = self._reader.record(run, name)[1].get(SAME)
        return None if same is None else same.decode("utf-8", "replace")

    def entries(self) -> Iterator[Entry]:
        """All entries, in their order."""
        return map(self.entry, self)

    def parts(self, name: str) -> Iterator[tuple[int, int, Array | ArchiveError]]:
        """The samples of a name block by block: start, stop, and samples `(n, *shape)` as coded or the error.

        For arrays larger than the memory, and for what is left of damaged ones.
        """
        layout, name = self._reader.layout, self._source(name)
        _, position, count = layout.entry(self._reader.numbers[name])

        def part(done: int, stop: int, block: int, skipped: int) -> tuple[int, int, Array | ArchiveError]:
            try:
                return done, stop, np.stack(self._reader.block(block, name)[skipped : skipped + stop - done])
            except ArchiveError as error:
                return done, stop, error

        def calls() -> Iterator[Callable[[], tuple[int, int, Array | ArchiveError]]]:
            done = 0
            while done < count:
                block = layout.block(position + done)
                first, end = layout.span(block)
                stop = min(end - position, count)
                yield partial(part, done, stop, block, position + done - first)
                done = stop

        return in_order(calls(), self._threads)

    def payloads(self, name: str) -> Iterator[bytes]:
        """The blocks that hold the samples of a name, as stored; raises `ArchiveError` for a damaged one."""
        layout, name = self._reader.layout, self._source(name)
        _, position, count = layout.entry(self._reader.numbers[name])
        end = position + count
        while position < end:
            block = layout.block(position)
            yield self._reader.payload(block, name)
            _, position = layout.span(block)

    def each(self, work: Callable[[str], T], names: Iterable[str] | None = None) -> Iterator[T]:
        """What `work` gives for every name, or for those given, in order; what it raises comes in its turn, and ends
        it.

        Images are worked on side by side, a few ahead of the caller, since the samples of one are mostly decoded on
        one core; whatever else there is, and very large images, by the caller's own thread, one at a time.
        """
        reader, chosen = self._reader, list(self if names is None else names)

        def size(name: str) -> int:
            """Bytes of an image that may be read ahead, 0 for anything else."""
            run, _, count = reader.layout.entry(reader.numbers[name])
            found = math.prod(run.shape) * run.dtype.itemsize if count and _kind(run, {}) == "image" else 0
            return found if found <= HELD // 4 else 0

        def block(name: str) -> int:
            return reader.layout.block(reader.layout.entry(reader.numbers[name])[1])

        def all_of(some: list[str]) -> list[T]:
            return [work(name) for name in some]

        largest = max(map(size, chosen), default=0)
        threads = min(self._threads or usual_threads(), HELD // (2 * max(1, largest)))
        for ahead, some in groupby(chosen, lambda name: size(name) > 0):
            if ahead:  # a block that several share is decoded once
                calls = (partial(all_of, list(shared)) for _, shared in groupby(some, block))
                yield from (result for results in in_order(calls, threads) for result in results)
            else:
                yield from map(work, some)

    def read_each(self, names: Iterable[str] | None = None) -> Iterator[tuple[Entry, Array | ArchiveError]]:
        """Entries and their samples, all or those named; damaged ones come with the error instead.

        If the extras are damaged, the entry has none.
        """

        def read(name: str) -> tuple[Entry, Array | ArchiveError]:
            run, _, count = self._reader.layout.entry(self._reader.numbers[name])
            entry = Entry(name, _kind(run, {}), run.shape, run.dtype.name, count)
            try:
                entry = self.entry(name)
                return entry, self[name]
            except ArchiveError as error:
                return entry, error

        return self.each(read, names)

    def alike(self) -> Iterator[tuple[Entry, int]]:
        """One entry of each run of neighbours that share all but their names, and how many they are."""
        for numbers in self._reader.layout.entry_runs():
            yield self.entry(self._reader.names[numbers.start]), len(numbers)

    @property
    def samples(self) -> ArchiveSamples:
        """All samples by number, in the order of entries, as coded."""
        return ArchiveSamples(self)

    def verify(self, decode: bool = True) -> dict[str, str]:
        """Read everything, and return the names that cannot be read whole, in order, each with the reason.

        Without `decode`, only check the checksums, which takes no model and little time.
        """
        layout, names = self._reader.layout, self._reader.names
        whys: dict[str, int] = {"": 0}
        why = np.zeros(len(self), np.int32)  # numbers of `whys`, since one reason may hold for a million names
        read = self._reader.block if decode else self._reader.payload

        def reason(block: int) -> str:
            try:
                read(block, "a block")
            except ArchiveError as error:
                return str(error)
            return ""

        for span in layout.entry_runs(with_extras=True):
            try:
                self.entry(names[span.start])
            except ArchiveError as error:
                why[span.start : span.stop] = whys.setdefault(str(error), len(whys))
        calls = (partial(reason, block) for block in range(len(layout.blocks)))
        for block, said in enumerate(in_order(calls, self._threads)):
            for span in layout.entries_of(block) if said else ():
                why[span.start : span.stop] = whys.setdefault(said, len(whys))
        for number, name in enumerate(names):
            with suppress(ArchiveError):  # those have a reason already
                why[number] = why[number] or why[self._reader.numbers[self._source(name)]]
        said_of = list(whys)
        return {names[number]: said_of[why[number]] for number in np.flatnonzero(why)}

    def compact_model(self) -> bytes:
        """The compact model, empty without one; raises `ArchiveError` if it is missing or damaged."""
        return self._reader.compact_model()

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._reader.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Archive, self._given


def _kind(run: Run, extras: Mapping[str, bytes]) -> Kind:
    if len(run.shape) == 2 and (not run.array or RECORDING in extras):
        return "signal"
    return "array" if run.array else "image"


class ArchiveSamples(Sequence[Array]):
    """The samples of an archive by number; a data set for a torch `DataLoader`."""

    def __init__(self, archive: Archive) -> None:
        self._archive, self._reader = archive, archive._reader

    def __len__(self) -> int:
        return self._reader.layout.samples

    @overload
    def __getitem__(self, number: int) -> Array: ...
    @overload
    def __getitem__(self, number: slice) -> list[Array]: ...

    def __getitem__(self, number: int | slice) -> Array | list[Array]:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        number = range(len(self))[number]  # negative ones count from the end
        return self._reader.sample(self._reader.layout.sample(number), f"sample {number}")

    def __reduce__(self) -> tuple[Any, ...]:
        return ArchiveSamples, (self._archive,)
