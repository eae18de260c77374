"""What an archive asks of a codec: blocks of bytes, and the samples that they hold.

Next door: `writer` and `reader` call it; `narrows.codecs` has it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """The bytes of a block, and the digest of what they decode to."""

    payload: bytes
    digest: bytes
