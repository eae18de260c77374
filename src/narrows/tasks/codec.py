"""Samples to the bytes of an archive and back, in memory.

Next door: `codecs.block` has the codec; `inputs` and `outputs` do the same with files.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.entries import Entry, Kind, Shape
from narrows.archive.promise import Promise, bounded
from narrows.archive.reader import Given
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec, Effort
from narrows.codecs.opening import Model, compact_models, open_archive, shipped_name, usual_models
from narrows.data.samples import Samples
from narrows.errors import ArchiveError, DataError, ModelError, SettingsError
from narrows.io.arrays import Array, Ragged, array_of, check_numeric
from narrows.surroundings import own
from narrows.tasks.bounding import blocks_within
from narrows.tasks.compressed import check_missing

NAME = "samples"  # of the one array in an archive that was made of an array


class Codec:
    """Compress samples and get them back: every value within `max_error` (0, the default: exactly), or lossy at a
    `quality` from 1 to 100. The error is a number; or such as "1%" of the range of an array, of each column of one of
    vectors; or, with `relative_error`, a share of each value. Within an error, floats that are not finite or equal
    `missing_value` come back exactly. With the `effort` "fast", signals within an error, or exact, are coded by FLAC,
    many times faster, in a few more bytes.

    `model` is a model trained with `--for compress`, its path, its compact bytes, or the name of weights that come
    with the package; without one, those for photographs serve, where there are such for what is promised. A codec can
    be pickled and sent to another process; `Writer.add_encoded` takes the blocks that it encodes there.
    """

    @own
    def __init__(
        self,
        model: Model | None = None,
        *,
        max_error: float | str | None = None,
        quality: int | None = None,
        relative_error: float | str | None = None,
        missing_value: float | None = None,
        effort: Effort = "usual",
    ) -> None:
        if quality is not None and (max_error is not None or relative_error is not None):
            raise SettingsError("one of quality and max error must be given, and not both")
        promise = bounded(max_error, relative_error) if quality is None else Promise(None, quality)
        check_missing(missing_value, bool(promise.max_error))
        self._missing = missing_value
        compact = _compact(model, promise.part)
        self._blocks, self._shipped = (
            BlockCodec(promise, compact, effort),
            bool(compact) and shipped_name(compact) is not None,
        )

    def __repr__(self) -> str:
        size = len(self._blocks.compact_model)
        return f"Codec({self.promise}; {f'a model of {size} bytes' if size else 'without a model'})"

    @property
    def promise(self) -> Promise:
        """What is promised about the samples that come back."""
        return self._blocks.promise

    @property
    def compact_model(self) -> bytes:
        """The compact model that decoding needs; empty without a model."""
        return self._blocks.compact_model

    def encode(self, samples: Sequence[Array], verify: bool = True) -> Block:
        """One block of samples `(H, W, C)` or `(D,)` of one dtype and number of channels, for `Writer.add_encoded`.

        With `verify`, decodes them again and checks the promise.
        """
        return self._blocks.encode(samples, verify)

    def decode(
        self, payload: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic], digest: bytes
    ) -> list[Array]:
        """The samples of a block, of these shapes; raises `ArchiveError` if it is damaged."""
        return self._blocks.decode(payload, shapes, dtype, digest)

    def file(self, payload: bytes, digest: bytes) -> bytes | None:
        """The file that a block keeps to the byte, None for any other block; raises `ArchiveError` if it is
        damaged."""
        return self._blocks.file(payload, digest)

    @own
    def compress(self, samples: Any, *, embed_model: bool = True, block_samples: int | None = None) -> bytes:
        """An archive in memory of an array whose first axis counts samples, or of a list of samples.

        Samples `(T, C)` are signals if the model is one of signals, else images. Lists come back as lists. Raises
        `DataError` for anything else. `embed_model=False` leaves the model out; then reading takes a codec with the
        same model. One that comes with the package is always left out, and found. A block has `block_samples`, or
        about 64 KiB: larger blocks take fewer bytes, smaller ones give faster access to single samples.
        """
        signals = isinstance(samples, Samples) and samples.description.axes == 1
        if isinstance(samples, Samples):
            samples = samples.values
        file = io.BytesIO()
        embedded = None if self._shipped else embed_model
        writer = Writer(file, self._blocks, embed_model=embedded, block_samples=block_samples)
        if isinstance(samples, (list, tuple, Ragged)):
            for number, sample in enumerate(samples):
                array = _array(sample)
                entry = _entry(str(number), "image", array.shape, array.dtype.name)
                if signals or self._knows(array):
                    entry = Entry(str(number), "signal", array.shape, array.dtype.name)
                self._add(writer, entry, array.reshape(1, *entry.shape), block_samples)
        else:
            array = _array(samples)
            if array.ndim == 0:
                raise DataError("a single number was given; allowed are arrays whose first axis counts samples")
            entry = _entry(NAME, "array", array.shape[1:], array.dtype.name, len(array))
            if signals or (len(array) and self._knows(array[0])):
                entry = Entry(NAME, "array", array.shape[1:], array.dtype.name, len(array))
            self._add(writer, entry, array.reshape(len(array), *entry.shape), block_samples)
        writer.close()
        return file.getvalue()

    def _add(self, writer: Writer, entry: Entry, samples: Array, block_samples: int | None) -> None:
        blocks = blocks_within(
            self._blocks,
            entry,
            lambda each: (samples[start : start + each] for start in range(0, len(samples), each)),
            one_sample=entry.kind != "array",
            missing=self._missing,
            block_samples=block_samples,
        )
        if blocks is None:
            writer.add(entry, samples)
        else:
            writer.add_encoded([entry], blocks)

    def _knows(self, signal: Array) -> bool:
        """Whether the model is one of such signals `(T, C)`."""
        known = signal.ndim == 2 and bool(self._blocks.compact_model)
        return known and self._blocks.takes(signal.shape, signal.dtype)

    @own
    def decompress(self, data: Given | bytes) -> Array | list[Array]:
        """The samples of an archive, its bytes, path or binary file: the array it was made of, else a list of all its
        samples.

        Raises `ArchiveError` if anything in it is damaged.
        """
        with open_archive(data, None if self._shipped else self._blocks.compact_model or None) as archive:
            if list(archive) == [NAME]:
                return archive[NAME]
            found: list[Array] = []
            for entry, samples in archive.read_each():
                if isinstance(samples, ArchiveError):
                    raise samples
                found += list(samples) if entry.kind == "array" else [samples]
            return found


def _entry(name: str, kind: Kind, shape: Shape, dtype: str, count: int = 1) -> Entry:
    """The entry of an array: `(H, W, C)` with up to 4 channels and `(H, W)` are images, anything else is a vector."""
    coded: Shape = (math.prod(shape),)
    if len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4):
        coded = (*shape, 1)[:3]
    return Entry(name, kind, coded, dtype, count, None if coded == shape else shape)


def _array(data: Any) -> Array:
    array = array_of(data, "samples")
    check_numeric(array.dtype, "samples")
    return np.asarray(array).astype(array.dtype.newbyteorder("="), copy=False)


def _compact(model: Model | None, kept: str) -> bytes:
    """The compact model for a promise, "exact" or "lossy"."""
    found = usual_models().get(kept) if model is None else compact_models(model).get(kept)
    if model is None and kept == "exact" and found is None:
        return b""
    if found is None:
        raise ModelError(
            f"this model has no part for {'max_error' if kept == 'exact' else 'quality'}; train one with "
            "'narrows train --for compress'"
        )
    return found
