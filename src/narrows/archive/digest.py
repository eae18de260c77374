"""A block's digest: 64 bits of BLAKE2b over what it decodes to.

Next door: `codecs.block` computes and checks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from narrows.io.arrays import Array

DIGEST_BYTES = 8


def digest_of(arrays: Iterable[Array]) -> bytes:
    """The digest of the values of arrays, little endian, in order."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for array in arrays:
        state.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return state.digest()
