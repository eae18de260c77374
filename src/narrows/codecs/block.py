"""A block: some samples as bytes that decode alone, with what was promised about them kept.

Next door: `pixels` codes what a model fits, `plain` the rest; `archive` puts blocks into files.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from narrows.archive.codec import Block
from narrows.archive.digest import digest_of
from narrows.archive.promise import Promise
from narrows.codecs import fallback as plain
from narrows.codecs.fallback import Shape
from narrows.codecs.lossy import LossyCodec, open_codec
from narrows.codecs.pixels import PixelCodec, stepped
from narrows.codecs.transform import TransformCodec
from narrows.codecs.weights import parted
from narrows.codecs.widen import can_widen, narrowed, widened
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array

T = TypeVar("T")
PIXELS, LOSSY = 16, 17  # the ways of `pixels` and of `lossy`; those below are `plain`'s
WIDENED = 18  # `lossy` too, with the channels that `widen` adds
SURE = 0.7  # of what a quick general format takes: a model that needs less is not compared with the slow ones,
PLAIN, HEAD = 0.02, 200  # unless the quick one takes less than so much of the raw samples, and so many bytes
SMALL = 0.1  # of the raw samples: lossy codes that need less, and less than
NEWS = 0.5  # bytes a pixel that is unlike its neighbours, are not compared at all
_STEPPED = 0x40  # of a block's first byte: values are stored as multiples of 2 E + 1


class BlockCodec:
    """Samples of one dtype and number of channels to the bytes of a block and back.

    `packed` is the compact model that decoding needs, empty where none takes part; a codec made from the same
    promise and the same `packed` decodes what this one encodes, on every machine.
    """

    def __init__(self, promise: Promise, packed: bytes = b"") -> None:
        self.promise = promise
        self.packed, self._encoder = parted(packed)

    # Unpacked when first needed: blocks that need no model are read without it.
    @functools.cached_property
    def pixels(self) -> PixelCodec | None:
        """The model for promises of an error."""
        return _unpacked(PixelCodec.from_bytes, self.packed) if self.promise.quality is None else None

    @functools.cached_property
    def lossy(self) -> LossyCodec | TransformCodec | None:
        """The model for promises of a quality."""
        if self.promise.quality is None:
            return None
        return _unpacked(lambda packed: open_codec(packed, self._encoder), self.packed)

    def encode(self, samples: Sequence[Array], verify: bool = True) -> Block:
        """Samples `(H, W, C)` or `(D,)`, stored in the way that takes the fewest bytes of all that are tried: slow
        general ones are not where a quick look says that a model's needs far less.

        Unless told not to `verify`, decodes them again and checks the promise before it returns.
        """
        samples = [np.asarray(s).astype(s.dtype.newbyteorder("="), copy=False) for s in samples]
        error = self.promise.max_error or 0
        block = self._encode_lossy(samples, verify)
        if block is not None:
            return block
        payload = self._encode(samples, error)
        if not verify:
            return Block(payload, digest_of(self._coming_back(samples, payload)))
        digest, decoded = self._decode(payload, [s.shape for s in samples], samples[0].dtype)
        for sample, back in zip(samples, decoded, strict=True):
            if not _within(sample, back, error):
                raise ArchiveError("internal error: a block does not decode to what was promised; please report it")
        return Block(payload, digest)

    def _encode_lossy(self, samples: Sequence[Array], verify: bool) -> Block | None:
        """A block at the promised quality; None where no model fits, or exact storage takes no more bytes."""
        quality, way = self.promise.quality, LOSSY
        if self.lossy is None or quality is None:
            return None
        dtype, coded = samples[0].dtype, samples
        if self._widens([s.shape for s in samples], dtype):
            own = self.lossy.description
            way, coded = WIDENED, [widened(s, own.channels, own.high) for s in samples]
        shapes = [s.shape for s in coded]
        if not self.lossy.fits(shapes, dtype):
            return None
        data, digest = self.lossy.encode(coded, quality)
        few = len(data) <= SMALL * sum(s.nbytes for s in samples) and len(data) <= NEWS * plain.news(samples)
        if not few and not _far_less(len(data), samples) and len(data) >= len(plain.encode(samples)[1]):
            return None
        if verify and self.lossy.digest(data, shapes, quality) != digest:
            raise ArchiveError("internal error: a block does not decode to what was coded; please report it")
        return Block(bytes([way]) + data, digest)

    def _widens(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        """Whether samples are images that the lossy model knows with more channels."""
        if self.lossy is None or self.lossy.description.kind != "images":
            return False
        own = self.lossy.description
        return dtype == own.dtype and all(len(s) == 3 and can_widen(s[2], own.channels) for s in shapes)

    def _encode(self, samples: Sequence[Array], error: int) -> bytes:
        learned = None
        if self._fits([s.shape for s in samples], samples[0].dtype) and self.pixels is not None:
            learned = bytes([PIXELS]) + self.pixels.encode(samples, error)
        steps = _stepped(samples, error) if error else None
        rest = samples if steps is None else steps
        if learned is not None and _far_less(len(learned), rest):
            return learned
        way, data = plain.encode(rest)
        payload = bytes([way | (_STEPPED if steps is not None else 0)]) + data
        return learned if learned is not None and len(learned) < len(payload) else payload

    def _fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        """Whether the model is one of such samples."""
        if dtype != np.uint8 or any(len(shape) != 3 for shape in shapes) or self.pixels is None:
            return False
        return all(shape[2] == self.pixels.channels for shape in shapes)

    def _coming_back(self, samples: Sequence[Array], payload: bytes) -> list[Array]:
        """What a payload decodes to, known without decoding it."""
        error = self.promise.max_error or 0
        if payload[0] == PIXELS:
            return [stepped(s.astype(np.int64), error).astype(np.uint8) for s in samples]
        steps = _stepped(samples, error) if payload[0] & _STEPPED else None
        return list(samples) if steps is None else _unstepped(steps, error)

    def decode(
        self, payload: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic], digest: bytes
    ) -> list[Array]:
        """The samples of a block, of these shapes and this dtype. Raises `ArchiveError` where the bytes do not
        decode to what `digest` says."""
        found, samples = self._decode(payload, shapes, dtype.newbyteorder("="))
        if found != digest:
            raise ArchiveError("a damaged block: what it decodes to does not match its digest")
        return samples

    def _decode(
        self, payload: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]
    ) -> tuple[bytes, list[Array]]:
        if not payload:
            raise ArchiveError("a damaged block: it is empty")
        way, error = payload[0], self.promise.max_error or 0
        if way in (LOSSY, WIDENED):
            return self._decode_lossy(way, payload[1:], shapes, dtype)
        if way == PIXELS:
            if self.pixels is None or not self._fits(shapes, dtype):
                raise ArchiveError("a damaged block: it needs a model of other samples")
            samples: list[Array] = [s.astype(np.uint8) for s in self.pixels.decode(payload[1:], shapes, error)]
        else:
            if way & _STEPPED and not error:
                raise ArchiveError("a damaged block: it has steps where every bit was promised")
            samples = plain.decode(way & ~_STEPPED, payload[1:], shapes, dtype)
            if way & _STEPPED:
                samples = _unstepped(samples, error)
        return digest_of(samples), samples

    def _decode_lossy(
        self, way: int, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]
    ) -> tuple[bytes, list[Array]]:
        quality, coded = self.promise.quality, shapes
        wide = way == WIDENED
        if wide and self.lossy is not None and self._widens(shapes, dtype):
            coded = [(*shape[:2], self.lossy.description.channels) for shape in shapes]
        fits = self.lossy is not None and self.lossy.fits(coded, dtype) and wide == (coded is not shapes)
        if self.lossy is None or quality is None or not fits:
            raise ArchiveError("a damaged block: it needs a model of other samples")
        found, digest = self.lossy.decode(data, coded, quality)
        if wide:
            found = [narrowed(image, shape[2]) for image, shape in zip(found, shapes, strict=True)]
        return digest, found


def _far_less(size: int, samples: Sequence[Array]) -> bool:
    """Whether a quick general format takes so many more bytes that slow ones would too."""
    quick = plain.quick_size(samples)
    return size < SURE * quick and quick >= PLAIN * sum(s.nbytes for s in samples) + HEAD


def _unpacked(unpack: Callable[[bytes], T], packed: bytes) -> T | None:
    if not packed:
        return None
    try:
        return unpack(packed)
    except ModelError as error:
        raise ArchiveError(f"its model cannot be used: {error}") from None


def _stepped(samples: Sequence[Array], error: int) -> list[Array] | None:
    """Values as numbers of steps of 2 E + 1; None where the dtype has no room to count in (floats, 64 bits)."""
    dtype = samples[0].dtype
    if dtype.kind not in "ui" or dtype.itemsize > 4 or 2 * error + 1 > np.iinfo(dtype).max:
        return None
    return [((s.astype(np.int64) + error) // (2 * error + 1)).astype(dtype) for s in samples]


def _unstepped(samples: Sequence[Array], error: int) -> list[Array]:
    dtype = samples[0].dtype
    if dtype.kind not in "ui" or dtype.itemsize > 4:
        raise ArchiveError(f"a damaged block: steps of {dtype}")
    limits = np.iinfo(dtype)
    return [np.clip(s.astype(np.int64) * (2 * error + 1), limits.min, limits.max).astype(dtype) for s in samples]


def _within(sample: Array, back: Array, error: int) -> bool:
    if not error or sample.dtype.kind == "f":
        return sample.tobytes() == back.tobytes()  # bit for bit, NaN and -0.0 included
    wide = sample.astype(np.int64) - back.astype(np.int64)
    return bool((np.abs(wide) <= error).all())
