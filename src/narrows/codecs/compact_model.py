"""A compact model: the bytes that a codec needs to decode and, in a model file, those that it needs to encode.

An archive carries, and is named by, the part for decoding alone.
Next door: `base` says which way of coding a model belongs to; `packed_arrays` makes most of these bytes.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from narrows.archive.varints import from_varints, to_varints
from narrows.errors import ArchiveError, ModelError

BASED = 128  # added to the byte of the way where a model is stored as its difference from another
GUESSED = 64  # added as well where it is the difference from a guess
BASE_BYTES = 16  # of the hash of that one
KEPT_MODELS = 4  # of one kind that stay open, some megabytes each
DAMAGED = "a compact model that is damaged; make the model again"
UNKNOWN = "a compact model of a kind that this narrows does not know; update narrows"


@dataclass(frozen=True)
class CompactModel:
    """The way of coding that a model belongs to, and its parts.

    For decoding: `decoding`, packed arrays, and `references`, the codes of training samples, end to end. For encoding
    alone: `encoding`, packed arrays, and the `thumbnails` by which references are found. Parts may be empty. Where
    `base` is the hash of another compact model, the arrays for decoding are differences from its arrays or, if
    `guessed`, from what `difference` makes of them.
    """

    way: int
    decoding: bytes
    references: bytes = b""
    encoding: bytes = b""
    thumbnails: bytes = b""
    base: bytes = b""
    guessed: bool = False

    def to_bytes(self) -> bytes:
        """The byte of the way, the length of each part as a number, then the parts."""
        _, decoding, *parts, base, _ = astuple(self)
        parts = [base + decoding, *parts]
        way = self.way + BASED * bool(base) + GUESSED * self.guessed
        return bytes([way]) + to_varints([len(part) for part in parts]) + b"".join(parts)

    @classmethod
    def from_bytes(cls, content: bytes) -> CompactModel:
        """The inverse; raises `ModelError` for other bytes."""
        try:
            lengths, at = from_varints(content, 1, 4)
            if lengths.sum() != len(content) - at:
                raise ArchiveError
        except ArchiveError:
            raise ModelError(DAMAGED) from None
        parts = []
        for length in lengths.tolist():
            parts.append(content[at : at + length])
            at += length
        decoding, references, encoding, thumbnails = parts
        if not content[0] & BASED:
            return cls(content[0], decoding, references, encoding, thumbnails)
        if len(decoding) <= BASE_BYTES:
            raise ModelError(DAMAGED)
        way, base, decoding = content[0] - BASED, decoding[:BASE_BYTES], decoding[BASE_BYTES:]
        guessed = bool(way & GUESSED)
        return cls(way - GUESSED * guessed, decoding, references, encoding, thumbnails, base, guessed)

    def for_decoding(self) -> CompactModel:
        """Without what only encoding needs."""
        return replace(self, encoding=b"", thumbnails=b"")
