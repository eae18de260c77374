"""Where every sample of an archive is, worked out from its index; every claim is checked before anything is decoded.

The samples of one class (dtype and channels, of images or of signals, or a vector's length) are numbered one after
another, and the classes follow each other: a *position* belongs to one entry and to one block, and both are found by
bisection.
Next door: `index` reads the columns; `reader` reads the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from narrows.archive.entries import CHANNELS, DTYPES, NUMBER, SAMPLE_BYTES, VALUES, Shape
from narrows.archive.index import ENTRIES, Index
from narrows.archive.varints import Integers
from narrows.errors import ArchiveError

BLOCK_SAMPLES, BLOCK_BYTES = 1 << 16, 1 << 24  # of a block with more than one sample, at most
TOTAL_BYTES = 1 << 50  # of all samples, so that sums stay within 64 bits
_SIZES = np.array([np.dtype(name).itemsize for name in DTYPES], np.int64)


@dataclass(frozen=True)
class Run:
    """What neighbouring entries share: dtype, shape, whether they are an array, the number of their extras or 0."""

    dtype: np.dtype[np.generic]
    shape: Shape
    array: bool
    extras: int


class Layout:
    """Runs of entries `(R,)`, pieces (blocks and records of extras) `(P,)`, and the way from one to the other."""

    def __init__(self, index: Index, data_start: int, data_end: int) -> None:
        """Raises `ArchiveError` if the index contradicts itself, its limits, or the file."""
        self.what, self.first, self.second, self.number, self.extras = index.entries
        sizes = self._check_runs()
        self._place_pieces(index, data_start, data_end)
        images = self.what >> 4 & 1 == 0
        self._entry_starts = _starts(np.where(images, self.number, 1))
        self._sample_starts = _starts(self.number)
        self.entries, self.samples = int(self._entry_starts[-1]), int(self._sample_starts[-1])
        if self.entries > ENTRIES:
            raise ArchiveError(f"{self.entries} names are claimed where {ENTRIES} are allowed")
        self._check_blocks(sizes)
        if int(self.extras.max(initial=0)) > len(self.records):
            raise ArchiveError("an entry names extras that are not there")

    def _check_runs(self) -> Integers:
        """The bytes of one sample in each run `(R,)`."""
        dtype, channels = self.what & 15, self.what >> 5
        vector = channels == 0
        if self.what.size and (dtype.max() >= len(DTYPES) or channels.max() > CHANNELS):
            raise ArchiveError("entries of a dtype that this narrows does not know; update narrows")
        # Step by step, so that no product leaves 64 bits.
        if (self.first > VALUES).any() or (self.second > VALUES).any() or (self.number > NUMBER).any():
            raise ArchiveError("a sample or a number of samples over the limit is claimed")
        area = self.first * np.maximum(self.second, 1)  # vectors and signals have one side
        values = np.minimum(area, VALUES + 1) * np.where(vector, 1, channels)
        sizes = values * _SIZES[dtype]
        if (values < 1).any() or (values > VALUES).any() or (sizes > SAMPLE_BYTES).any():
            raise ArchiveError("a sample without values or over the limit is claimed")
        if (vector & (self.second > 0)).any() or ((self.what >> 4 & 1 == 0) & (self.number == 0)).any():
            raise ArchiveError("a vector with two sides or a run without entries is claimed")
        if float((self.number * sizes.astype(np.float64)).sum()) > TOTAL_BYTES:
            raise ArchiveError(f"samples of more than {TOTAL_BYTES} bytes are claimed")
        return np.asarray(sizes, np.int64)

    def _place_pieces(self, index: Index, start: int, end: int) -> None:
        pieces, classes, samples = index.pieces
        if (pieces < 1).any() or (samples < 1).any() or (samples > BLOCK_SAMPLES).any():
            raise ArchiveError("a block without samples or with too many is claimed")
        if (samples[classes == 0] > 1).any():
            raise ArchiveError("a record of extras with samples is claimed")
        inside = float(index.lengths.sum(dtype=np.float64)) <= end - start  # in integers it could leave 64 bits
        last = [end - start - int(index.lengths.sum())] if index.crcs else []
        lengths = np.concatenate([index.lengths, np.array(last, np.int64)])
        if not inside or (lengths < 1).any() or lengths.sum() != end - start:
            raise ArchiveError("blocks that overlap or lie outside the file are claimed")
        self.offsets, self.lengths = start + np.cumsum(lengths) - lengths, lengths
        classes = np.repeat(classes, pieces)
        self.records, self.blocks = np.flatnonzero(classes == 0), np.flatnonzero(classes)
        self._block_classes = classes[self.blocks]
        self._block_samples = np.repeat(samples, pieces)[self.blocks]

    def _check_blocks(self, sizes: Integers) -> None:
        """Give runs and blocks their positions, and check that they hold the same samples."""
        vectors = self.what >> 5 == 0
        keys = (self.what & ~16) << 30 | np.where(vectors, self.first, self.second == 0)  # signals have one side
        _, first, which = np.unique(keys, return_index=True, return_inverse=True)
        classes = np.empty(len(first), np.int64)
        classes[np.argsort(first)] = np.arange(len(first))
        run_classes = classes[which.reshape(-1)]  # from 0 on, in the order in which entries have them
        if len(self._block_classes) and int(self._block_classes.max()) > len(first):
            raise ArchiveError("blocks of samples that no entry has are claimed")
        self._runs = np.argsort(run_classes, kind="stable")
        self._run_starts = _starts(self.number[self._runs])
        self._run_positions = np.empty(len(self._runs), np.int64)
        self._run_positions[self._runs] = self._run_starts[:-1]
        self._blocks = np.argsort(self._block_classes, kind="stable")
        self._ranks = np.argsort(self._blocks)
        self._block_starts = _starts(self._block_samples[self._blocks])
        # Exact in float64: both are below TOTAL_BYTES.
        in_runs = np.bincount(run_classes, self.number, len(first))
        in_blocks = np.bincount(self._block_classes - 1, self._block_samples, len(first))
        if not np.array_equal(in_runs, in_blocks):
            raise ArchiveError("the blocks do not hold as many samples as the entries have")
        # Bytes before each position at which a block starts or ends.
        before = _starts(self.number[self._runs] * sizes[self._runs])
        run = np.maximum(np.searchsorted(self._run_starts[:-1], self._block_starts, "right") - 1, 0)
        if len(self._runs):
            edges = before[run] + (self._block_starts - self._run_starts[run]) * sizes[self._runs][run]
            large = (np.diff(edges) > BLOCK_BYTES) & (np.diff(self._block_starts) > 1)
            if large.any():
                raise ArchiveError(f"a block of several samples and more than {BLOCK_BYTES} bytes is claimed")
        self.raw_bytes = int(before[-1])

    def run(self, number: int) -> Run:
        """The run of this number."""
        what, first = int(self.what[number]), int(self.first[number])
        second = int(self.second[number])
        shape = (first, *((second,) if second else ()), *((what >> 5,) if what >> 5 else ()))
        return Run(np.dtype(DTYPES[what & 15]), shape, bool(what >> 4 & 1), int(self.extras[number]))

    def entry(self, number: int) -> tuple[Run, int, int]:
        """The run of an entry, the position of its first sample, and how many it has."""
        run = _find(self._entry_starts, number)
        found, position = self.run(run), int(self._run_positions[run])
        if found.array:
            return found, position, int(self.number[run])
        return found, position + number - int(self._entry_starts[run]), 1

    def sample(self, number: int) -> int:
        """The position of the sample of this number, in the order of entries."""
        run = _find(self._sample_starts, number)
        return int(self._run_positions[run]) + number - int(self._sample_starts[run])

    def block(self, position: int) -> int:
        """The block, from 0 on in the order of the file, that has the sample at a position."""
        return int(self._blocks[_find(self._block_starts, position)])

    def span(self, block: int) -> tuple[int, int]:
        """The positions of a block: the first, and the one after the last."""
        rank = int(self._ranks[block])
        return int(self._block_starts[rank]), int(self._block_starts[rank + 1])

    def shapes(self, block: int) -> tuple[np.dtype[np.generic], list[Shape]]:
        """Dtype of the samples of a block, and the shape of each."""
        shapes: list[Shape] = []
        for run, _, count in self._overlapping(block):
            found = self.run(run)
            shapes += [found.shape] * count
        return found.dtype, shapes

    def entries_of(self, block: int) -> Iterator[range]:
        """The numbers of the entries that have samples in a block."""
        for run, skipped, count in self._overlapping(block):
            first = int(self._entry_starts[run])
            array = bool(self.what[run] >> 4 & 1)
            yield range(first, first + 1) if array else range(first + skipped, first + skipped + count)

    def entry_runs(self, with_extras: bool = False) -> Iterator[range]:
        """The numbers of the entries of each run, or of those that share a record of extras."""
        for run in np.flatnonzero(self.extras) if with_extras else range(len(self.extras)):
            yield range(int(self._entry_starts[run]), int(self._entry_starts[run + 1]))

    def class_of(self, block: int) -> int:
        """The class of the samples of a block."""
        return int(self._block_classes[block])

    def _overlapping(self, block: int) -> Iterator[tuple[int, int, int]]:
        """Runs with samples in a block: the run, its samples before the block, and those in it."""
        start, end = self.span(block)
        at = _find(self._run_starts, start)
        while start < end:
            stop = min(end, int(self._run_starts[at + 1]))
            if stop > start:
                yield int(self._runs[at]), start - int(self._run_starts[at]), stop - start
                start = stop
            at += 1


def _starts(counts: Integers) -> Integers:
    """Where each begins if they follow each other, and where the last ends, `(N + 1,)`."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _find(starts: Integers, at: int) -> int:
    return int(np.searchsorted(starts, at, "right")) - 1
