"""The index of an archive in bytes: columns of numbers, checksums and names, and the tail after it.

Next door: `layout` works out where each sample is; `FORMAT.md` has every field and the reason for every limit.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import google_crc32c
import numpy as np

from narrows.archive.digest import DIGEST_BYTES
from narrows.archive.promise import Promise
from narrows.archive.varints import Integers, deflated, from_varints, inflated, to_varints
from narrows.errors import ArchiveError

HEAD = b"\x89NWS\x01"
VERSION = HEAD[-1]
CRC_BYTES = 4
HASH_BYTES = 16  # of the model's SHA-256, its first half
TAIL_BYTES = 5 + CRC_BYTES  # at most
MODEL_BYTES, INDEX_BYTES = 1 << 28, 1 << 27  # at most; what a reader may be made to hold
ENTRIES, PIECES = 1 << 21, 1 << 22  # at most, for the same reason
MARK = b"\xa7NWS-so-far\n"  # ends a record that no entry uses: the index of all that is before it, sealed with it
DAMAGED = "damaged, truncated, or followed by other bytes; copy or download it again"


@dataclass(frozen=True)
class Index:
    """All fields of an index.

    `model_length` is None without a model, 0 if the model is left out; `model_hash` is the first half of its SHA-256.
    `entries` `(5, R)` has the rows what, first, second, number, extras; `pieces` `(3, B)` pieces, class, samples;
    `lengths` `(P - 1,)` are those of all pieces but the last.
    """

    promise: Promise
    model_length: int | None
    model_hash: bytes
    entries: Integers
    pieces: Integers
    lengths: Integers
    crcs: bytes
    digests: bytes
    names: bytes

    def to_bytes(self) -> bytes:
        """The index, not deflated."""
        model = to_varints([0 if self.model_length is None else self.model_length + 1])
        runs = np.array([self.entries.shape[1], self.pieces.shape[1]])
        columns = map(to_varints, (runs, self.entries.reshape(-1), self.pieces.reshape(-1), self.lengths))
        head = (self.promise.to_bytes(), model, self.model_hash)
        return b"".join([*head, *columns, self.crcs, self.digests, self.names])

    @classmethod
    def from_bytes(cls, body: bytes) -> Index:
        """The inverse; raises `ArchiveError` if the bytes do not hold what they claim."""
        at = Promise.length(body[0]) if body else 0
        promise = Promise.from_bytes(body[:at])
        (model,), at = from_varints(body, at, 1)
        if model > MODEL_BYTES + 1:
            raise ArchiveError(f"a model of {model - 1} bytes is claimed where {MODEL_BYTES} are allowed")
        model_hash, at = _take(body, at, HASH_BYTES if model else 0)
        (runs, piece_runs), at = from_varints(body, at, 2)
        if runs > ENTRIES or piece_runs > PIECES:
            raise ArchiveError(f"{runs} and {piece_runs} runs are claimed where {ENTRIES} and {PIECES} are allowed")
        entries, at = from_varints(body, at, 5 * int(runs))
        columns, at = from_varints(body, at, 3 * int(piece_runs))
        pieces = columns.reshape(3, -1)
        if (pieces[0] > PIECES).any() or pieces[0].sum() > PIECES:
            raise ArchiveError(f"more pieces are claimed than the {PIECES} that are allowed")
        total, blocks = (int(pieces[0, which].sum()) for which in (slice(None), pieces[1] > 0))
        if CRC_BYTES * total + DIGEST_BYTES * blocks > len(body) - at:
            raise ArchiveError(f"{total} pieces are claimed where {len(body) - at} bytes are left")
        lengths, at = from_varints(body, at, max(total - 1, 0))
        crcs, at = _take(body, at, CRC_BYTES * total)
        digests, at = _take(body, at, DIGEST_BYTES * blocks)
        length = int(model) - 1 if model else None
        return cls(promise, length, model_hash, entries.reshape(5, -1), pieces, lengths, crcs, digests, body[at:])


@dataclass(frozen=True)
class Sizes:
    """Bytes of an archive by part; `data` are the blocks and extras, `index` includes the tail."""

    header: int
    model: int
    index: int
    data: int

    @property
    def total(self) -> int:
        """Bytes of the whole file."""
        return self.header + self.model + self.index + self.data


def model_hash(compact_model: bytes) -> bytes:
    """The first half of a compact model's SHA-256, by which archives name it."""
    return hashlib.sha256(compact_model).digest()[:HASH_BYTES]


def crc(content: bytes) -> bytes:
    """CRC-32C, 4 bytes, little endian."""
    return int(google_crc32c.value(content)).to_bytes(CRC_BYTES, "little")


def seal(body: bytes, mark: bytes = b"") -> bytes:
    """Index and tail, the end of a file; or with the mark that follows, so that a file cut before it is none."""
    short = deflated(body)
    stored, form = (body, 0) if short is None else (short, 1)
    end = stored + to_varints([2 * len(stored) + form])[::-1]
    return end + crc(HEAD + end + mark) + mark


def check_head(head: bytes) -> None:
    """Raise `ArchiveError` unless a file that begins so is an archive of this version."""
    if head[:4] != HEAD[:4]:
        raise ArchiveError("not a narrows archive (a .narrows file written by 'narrows compress')")
    if head[4:] and head[4] != VERSION:
        raise ArchiveError(f"format version {head[4]}, this narrows reads version {VERSION}; update narrows")


def stored_length(tail: bytes, size: int) -> int:
    """Bytes of index and tail at the end of a file of `size` bytes, by its last bytes; raises `ArchiveError`."""
    number, used = _from_tail(tail)
    length = (number >> 1) + used + CRC_BYTES
    if length > size - len(HEAD) or number >> 1 > INDEX_BYTES:
        raise ArchiveError(DAMAGED)
    return length


def unseal(end: bytes, mark: bytes = b"") -> Index:
    """The inverse of `seal`, of what is before the mark; raises `ArchiveError`."""
    if crc(HEAD + end[:-CRC_BYTES] + mark) != end[-CRC_BYTES:]:
        raise ArchiveError(DAMAGED)
    number, used = _from_tail(end[-TAIL_BYTES:])
    stored = end[: -CRC_BYTES - used]
    return Index.from_bytes(inflated(stored, INDEX_BYTES) if number & 1 else stored)


def _from_tail(tail: bytes) -> tuple[int, int]:
    """The number before the CRC, and how many bytes it takes."""
    try:
        (number,), used = from_varints(tail[:-CRC_BYTES][::-1], 0, 1)
    except ArchiveError:
        raise ArchiveError(DAMAGED) from None
    return int(number), used


def _take(body: bytes, at: int, count: int) -> tuple[bytes, int]:
    if count > len(body) - at:
        raise ArchiveError(f"{count} bytes are claimed where {len(body) - at} are left")
    return body[at : at + count], at + count
