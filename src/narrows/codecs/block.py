"""A block: some samples as bytes that decode alone, with what was promised about them kept.

Next door: `base` has the ways that a block may be stored in; `archive` puts blocks into files.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.digest import digest_of
from narrows.archive.entries import Shape
from narrows.archive.index import model_hash
from narrows.archive.promise import Promise
from narrows.checks import brief
from narrows.codecs import fallback
from narrows.codecs.base import FLAC, RAW, SERIES, WAYS, Coded, Way, row_of
from narrows.codecs.compact_model import UNKNOWN, CompactModel
from narrows.codecs.cores import bounded, one_core, strips_on_all_cores
from narrows.codecs.files import file_in
from narrows.errors import ArchiveError, ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.surroundings import own

# A model's bytes are not compared with slow general formats if they are fewer than SURE times those of a quick one,
# which must be at least PLAIN of the raw samples and HEAD bytes; or, of lossy codes, at most SMALL of the raw samples
# and NEWS bytes per pixel that is unlike its neighbours.
SURE, PLAIN, HEAD, SMALL, NEWS = 0.7, 0.02, 200, 0.1, 0.5
Effort = Literal["fast", "usual"]


class BlockCodec:
    """Samples of one dtype and number of channels to the bytes of a block and back.

    A codec with the same promise and compact model decodes what this one encodes, on every machine. With the effort
    "fast", signals whose values FLAC can hold are stored so. May be used by several threads, and pickled. Raises
    `SettingsError` for another effort, and `ArchiveError` for a damaged model once it is needed.
    """

    def __init__(self, promise: Promise, model: bytes = b"", effort: Effort = "usual") -> None:
        if effort not in get_args(Effort):
            raise SettingsError(f"effort {brief(effort)} was given; allowed are {' and '.join(get_args(Effort))}")
        self.promise, self.effort = promise, effort
        self._given = model
        self._ways: dict[int, Way] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockCodec, (self.promise, self._given, self.effort)

    @cached_property
    def compact_model(self) -> bytes:
        """What decoding needs of the model; empty where none takes part."""
        return b"" if self._model is None else self._model.for_decoding().to_bytes()

    @cached_property
    def _hash(self) -> bytes:
        return model_hash(self.compact_model)

    @cached_property
    def _model(self) -> CompactModel | None:
        try:
            return CompactModel.from_bytes(self._given) if self._given else None
        except ModelError as error:
            raise ArchiveError(f"its model cannot be used: {error}") from None

    def takes(self, shape: Shape, dtype: np.dtype[np.generic]) -> bool:
        """Whether the model knows samples of this shape and dtype; without a model, whatever comes."""
        number = self._learned()
        return number is None or self._opened(number).fits([shape], dtype)

    @own
    def encode(self, samples: Sequence[Array], verify: bool = True) -> Block:
        """Store samples `(H, W, C)` or `(D,)` in the way that takes the fewest bytes. Slow general ways are skipped
        if a quick look says that the model's needs far fewer.

        With `verify`, decodes them again and checks the promise.
        """
        samples = [np.asarray(s).astype(s.dtype.newbyteorder("="), copy=False) for s in samples]
        learned = self._learned()
        with bounded(sum(s.size for s in samples)), one_core(always=True), strips_on_all_cores():
            number, coded = self._shortest(samples, learned)
            data, digest = coded.data, digest_of(coded.numbers)
            del coded  # its numbers take several times as much as the samples
            if verify:
                self._check(self._opened(number), data, digest, samples)
        shapes, model = tuple(s.shape for s in samples), self._hash if number == learned else b""
        return Block(bytes([number]) + data, digest, shapes, samples[0].dtype.name, self.promise, model)

    @own
    def decode(
        self, payload: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic], digest: bytes
    ) -> list[Array]:
        """The samples of a block, of these shapes and this dtype. Raises `ArchiveError` if they do not match
        `digest`."""
        if not payload:
            raise ArchiveError("a damaged block: it is empty")
        dtype, way = dtype.newbyteorder("="), self._opened(payload[0])
        if not way.fits(shapes, dtype):
            raise ArchiveError(f"a damaged block: way {payload[0]} does not store {dtype} of shape {shapes[0]}")
        with bounded(sum(map(math.prod, shapes))), one_core(always=True), strips_on_all_cores():
            numbers = way.decode(payload[1:], shapes, dtype)
            if digest_of(numbers) != digest:
                raise ArchiveError("a damaged block: what it decodes to does not match its digest")
            samples = way.samples(numbers, shapes)
        if any(s.shape != shape or s.dtype != dtype for s, shape in zip(samples, shapes, strict=True)):
            raise ArchiveError(f"a damaged block: it holds {samples[0].dtype} {samples[0].shape}")
        return samples

    def file(self, payload: bytes, digest: bytes) -> bytes | None:
        """The file that a block keeps to the byte, None for any other block; raises `ArchiveError` for a damaged
        one."""
        return file_in(payload, digest)

    def _shortest(self, samples: Sequence[Array], learned: int | None) -> tuple[int, Coded]:
        """The number of the best way, and what it gives; `learned` is that of the model's way."""
        shapes, dtype = [s.shape for s in samples], samples[0].dtype
        best: tuple[int, Coded] | None = None
        for number in self._tried(samples, learned):
            way = self._opened(number)
            if not way.fits(shapes, dtype) or not way.holds(samples):
                continue
            if number == SERIES and self._repeats(samples):
                continue
            coded = way.encode(samples)
            if best is None or len(coded.data) <= len(best[1].data):
                best = number, coded
            if number in (learned, SERIES) and self._is_sure(len(coded.data), samples):
                break
        assert best is not None  # raw bytes always fit
        return best

    def _tried(self, samples: Sequence[Array], learned: int | None) -> list[int]:
        """The ways to try: those that need no model, and before them that of the model. Quick ones stand last."""
        stream = self._opened(FLAC)
        quick = self.effort == "fast" and self.promise.quality is None
        if quick and stream.fits([s.shape for s in samples], samples[0].dtype) and stream.holds(samples):
            return [FLAC, RAW]
        free = [row.number for row in WAYS if not (row.learned or row.whole or row.bounded)]
        return [*([] if learned is None else [learned]), *free[::-1]]

    def _repeats(self, samples: Sequence[Array]) -> bool:
        """Whether samples are silence, or repeat themselves, which general ways see far more quickly."""
        raw = sum(s.nbytes for s in samples)
        return fallback.quick_size(fallback.to_steps(samples, self.promise.steps)) < PLAIN * raw

    def _is_sure(self, size: int, samples: Sequence[Array]) -> bool:
        """Whether a model's bytes are so few that the slow general ways need not be tried."""
        raw = sum(s.nbytes for s in samples)
        signals = samples[0].ndim == 2
        lossy = self.promise.quality is not None
        if lossy and size <= SMALL * raw and size <= NEWS * fallback.news(samples):
            return True
        quick = fallback.quick_size(fallback.to_steps(samples, self.promise.steps))
        return size < (1 if signals else SURE) * quick and quick >= PLAIN * raw + HEAD

    def _learned(self) -> int | None:
        """The number of the model's way, opened, if there is one; raises `ModelError` for a model of another
        promise."""
        if self._model is None:
            return None
        row = row_of(self._model.way)
        if row is None or not row.learned:
            raise ModelError(UNKNOWN)
        if row.lossy != (self.promise.quality is not None):
            kept = "a quality" if row.lossy else "a max error"
            raise ModelError(f"this model is for {kept}, which was not asked for; give the other model")
        self._opened(row.number)
        return row.number

    def _opened(self, number: int) -> Way:
        """A way, ready for use; raises `ArchiveError` for one that no block here can have."""
        with self._lock:
            if number not in self._ways:
                row = row_of(number)
                if row is None:
                    raise ArchiveError(
                        f"it is stored in way {number}, which this narrows does not know; update narrows"
                    )
                if row.learned and (self._model is None or self._model.way != number):
                    raise ArchiveError("a damaged block: it needs a model of other samples")
                if row.learned and row.lossy != (self.promise.quality is not None):
                    raise ArchiveError(f"a damaged block: way {number} does not keep what was promised")
                if row.bounded and not self.promise.max_error:
                    raise ArchiveError(f"a damaged block: way {number} does not keep what was promised")
                try:
                    self._ways[number] = row.open(self.promise, self._model if row.learned else None)
                except (ModelError, ArchiveError) as error:
                    raise ArchiveError(f"its model cannot be used: {error}") from None
            return self._ways[number]

    def _check(self, way: Way, data: bytes, digest: bytes, samples: Sequence[Array]) -> None:
        """Raise `ArchiveError` unless the bytes decode to what was coded, and that is what was promised."""
        shapes = [s.shape for s in samples]
        numbers = way.decode(data, shapes, samples[0].dtype)
        kept = digest_of(numbers) == digest
        if self.promise.max_error is not None and kept:
            back = way.samples(numbers, shapes)
            kept = all(_within(self.promise.steps, *pair) for pair in zip(samples, back, strict=True))
        if not kept:
            raise ArchiveError("internal error: a block does not decode to what was promised; please report it")


def _within(error: int, sample: Array, back: Array) -> bool:
    if not error or sample.dtype.kind == "f":
        return sample.tobytes() == back.tobytes()  # bit for bit, NaN and -0.0 included
    wide = sample.astype(np.int64) - back.astype(np.int64)
    return bool((np.abs(wide) <= error).all())
