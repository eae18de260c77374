"""A block: some samples as bytes that decode alone, with what was promised about them kept.

Next door: `plain` stores what no model fits; `archive` puts blocks into files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from narrows.coding import plain
from narrows.coding.plain import Shape
from narrows.data.samples import Array
from narrows.errors import ArchiveError, SettingsError

DIGEST_BYTES = 8
_STEPPED = 0x40  # of a block's first byte: values are stored as multiples of 2 E + 1


@dataclass(frozen=True)
class Promise:
    """What comes back: within `max_error` of every value (0: exactly), or lossy at a `quality` of 1 to 100."""

    max_error: int | None = 0
    quality: int | None = None

    def __post_init__(self) -> None:
        if (self.max_error is None) == (self.quality is None):
            raise SettingsError("one of quality and max error must be given, and not both")
        if self.max_error is not None and not 0 <= self.max_error < 1 << 16:
            raise SettingsError(f"max error {self.max_error} was given; whole numbers from 0 to 65535 are allowed")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SettingsError(f"quality {self.quality} was given; 1 to 100 are allowed")

    def to_bytes(self) -> bytes:
        """Two or three bytes: which promise, then its number."""
        if self.quality is not None:
            return bytes([1, self.quality])
        assert self.max_error is not None
        return b"\0" + self.max_error.to_bytes(2, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Promise:
        """The inverse; raises `ArchiveError`."""
        try:
            if data[0] == 1 and len(data) == 2:
                return cls(None, data[1])
            if data[0] == 0 and len(data) == 3:
                return cls(int.from_bytes(data[1:], "little"))
        except (IndexError, SettingsError):
            pass
        raise ArchiveError("the archive promises something that this narrows does not know; update narrows")


@dataclass(frozen=True)
class Block:
    """The bytes of a block, and the digest of what they decode to."""

    payload: bytes
    digest: bytes


class BlockCodec:
    """Samples of one dtype and number of channels to the bytes of a block and back.

    `packed` is the compact model that decoding needs, empty where none takes part; a codec made from the same
    promise and the same `packed` decodes what this one encodes, on every machine.
    """

    def __init__(self, promise: Promise, packed: bytes = b"") -> None:
        self.promise = promise
        self.packed = packed

    def encode(self, samples: Sequence[Array]) -> Block:
        """Samples `(H, W, C)` or `(D,)`; decodes them again and checks the promise before it returns."""
        samples = [np.asarray(s).astype(s.dtype.newbyteorder("="), copy=False) for s in samples]
        error = self.promise.max_error or 0
        stepped = _stepped(samples, error) if error else None
        way, data = plain.encode(samples if stepped is None else stepped)
        payload = bytes([way | (_STEPPED if stepped is not None else 0)]) + data
        digest, decoded = self._decode(payload, [s.shape for s in samples], samples[0].dtype)
        for sample, back in zip(samples, decoded, strict=True):
            if not _within(sample, back, error):
                raise ArchiveError("internal error: a block does not decode to what was promised; please report it")
        return Block(payload, digest)

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
        way, stepped = payload[0] & ~_STEPPED, bool(payload[0] & _STEPPED)
        samples = plain.decode(way, payload[1:], shapes, dtype)
        if stepped:
            samples = _unstepped(samples, self.promise.max_error or 0)
        return digest_of(samples), samples


def digest_of(samples: Sequence[Array]) -> bytes:
    """64 bits of BLAKE2b over the values, little endian, in order."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for sample in samples:
        state.update(np.ascontiguousarray(sample, sample.dtype.newbyteorder("<")).tobytes())
    return state.digest()


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
