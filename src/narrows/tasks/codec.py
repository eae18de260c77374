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
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs.block import BlockCodec
from narrows.codecs.opening import Model, compact_models, open_archive, shipped_name, usual_models
from narrows.data.samples import Samples
from narrows.errors import DataError, ModelError
from narrows.io.arrays import Array, Ragged, array_of
from narrows.surroundings import own

NAME = "samples"  # of the one array in an archive that was made of an array


class Codec:
    """Compress samples and get them back: every value within `max_error` (0, the default: exactly), or lossy at a
    `quality` from 1 to 100.

    `model` is a model trained with `--for compress`, its path, its compact bytes, or the name of weights that come
    with the package; without one, those for photographs serve, where there are such for what is promised. A codec can
    be pickled and sent to another process; `Writer.add_encoded` takes the blocks that it encodes there.
    """

    @own
    def __init__(
        self, model: Model | None = None, *, max_error: int | None = None, quality: int | None = None
    ) -> None:
        promise = Promise(0 if max_error is None and quality is None else max_error, quality)
        compact = _compact(model, promise.part)
        self._blocks, self._shipped = (
            BlockCodec(promise, compact),
            bool(compact) and shipped_name(compact) is not None,
        )

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

    def compress(self, samples: Any, *, embed_model: bool = True, block_samples: int | None = None) -> bytes:
        """An archive in memory of an array whose first axis counts samples, or of a list of images or vectors.

        Lists come back as lists. Raises `DataError` for anything else. `embed_model=False` leaves the model out; then
        reading takes a codec with the same model. One that comes with the package is always left out, and found. A
        block has `block_samples`, or about 64 KiB: larger blocks take fewer bytes, smaller ones give faster access to
        single samples.
        """
        if isinstance(samples, Samples):
            samples = samples.values
        file = io.BytesIO()
        embedded = None if self._shipped else embed_model
        writer = Writer(file, self._blocks, embed_model=embedded, block_samples=block_samples)
        if isinstance(samples, (list, tuple, Ragged)):
            for number, sample in enumerate(samples):
                array = _array(sample)
                entry = _entry(str(number), "image", array.shape, array.dtype.name)
                writer.add(entry, [array.reshape(entry.shape)])
        else:
            array = _array(samples)
            if array.ndim == 0:
                raise DataError("a single number was given; allowed are arrays whose first axis counts samples")
            entry = _entry(NAME, "array", array.shape[1:], array.dtype.name, len(array))
            writer.add(entry, array.reshape(len(array), *entry.shape))
        writer.close()
        return file.getvalue()

    def decompress(self, data: bytes) -> Array | list[Array]:
        """The samples of an archive in memory: the array it was made of, else a list of all its samples.

        Raises `ArchiveError` if anything in it is damaged.
        """
        with open_archive(io.BytesIO(data), None if self._shipped else self._blocks.compact_model or None) as archive:
            if list(archive) == [NAME]:
                return archive[NAME]
            values = ((entry, archive[entry.name]) for entry in archive.entries())
            return [sample for entry, array in values for sample in (array if entry.kind == "array" else [array])]


def _entry(name: str, kind: Kind, shape: Shape, dtype: str, count: int = 1) -> Entry:
    """The entry of an array: `(H, W, C)` with up to 4 channels and `(H, W)` are images, anything else is a vector."""
    coded: Shape = (math.prod(shape),)
    if len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4):
        coded = (*shape, 1)[:3]
    return Entry(name, kind, coded, dtype, count, None if coded == shape else shape)


def _array(data: Any) -> Array:
    array = array_of(data, "samples")
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
