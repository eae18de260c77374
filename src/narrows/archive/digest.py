"""What a block's digest is: 64 bits of BLAKE2b over what it decodes to.

Next door: `codecs` take it and check it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from narrows.io.arrays import Array

DIGEST_BYTES = 8


def digest_of(arrays: Iterable[Array]) -> bytes:
    """The digest of arrays, their values little endian, in order."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for array in arrays:
        state.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return state.digest()
