"""References: samples that a model was trained on, coded by the model itself, which help to code similar ones.

Next door: `latents` codes a sample conditioned on the code of a reference; `transform` chooses which.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from narrows.archive.entries import Shape
from narrows.codecs.latents import IntegerPrior, Shorts
from narrows.data.similarity import Floats, likenesses, nearest
from narrows.entropy.coder import Coder, RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import CumulativeTables, Doubles, Integers, from_weights
from narrows.entropy.passes import REFERENCE_QUALITY
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array

HELD_NUMBERS = 1 << 25  # of decoded codes, at most
ALIKE = 0.5  # likeness from which one sample helps to code another


class References:
    """`payloads` are the bytes of their codes, each of `shape` `(h, w, K)`; `thumbnails` `(M, D)`, by which the most
    similar one is found, are for encoding only."""

    def __init__(
        self, prior: IntegerPrior, shape: Shape, payloads: Sequence[bytes], thumbnails: Floats | None = None
    ) -> None:
        if thumbnails is not None and len(thumbnails) != len(payloads):
            raise ModelError("a model whose references do not fit together; make the model again")
        self.prior, self.shape, self.payloads, self.thumbnails = prior, shape, payloads, thumbnails
        # One symbol for each, one for no reference, and the escape, which never comes.
        self._which = CumulativeTables((from_weights(np.append(np.ones(len(payloads) + 1, np.int64), 0)),), (0,))
        held = max(1, HELD_NUMBERS // math.prod(shape))
        self._code: Callable[[int], Shorts] = functools.lru_cache(held)(self._decoded)

    def like(self, images: Array) -> Integers:
        """For each of images `(N, H, W, C)` the number of the reference most like it; M if none is similar."""
        none = len(self.payloads)
        if self.thumbnails is None or not none:
            return np.full(len(images), none)
        found, alike = nearest(likenesses(images), self.thumbnails)
        return np.where(alike >= ALIKE, found, none)

    def walk(self, coder: Coder, which: Integers | None, count: int) -> Shorts:
        """Code the number of each sample's reference, `which` (None unless encoding); returns their codes
        `(N, h, w, K)` as networks see them, 0 for no reference. Raises `ArchiveError` for an unknown number."""
        found = coder.by_table(which, np.zeros(count, np.int64), self._which)
        return np.stack([self.code(int(i)) for i in found])

    def code(self, number: int) -> Shorts:
        """The code `(h, w, K)` of a reference as networks see it."""
        if number == len(self.payloads):
            return np.zeros(self.shape, np.int16)
        if not 0 <= number < len(self.payloads):
            raise ArchiveError("a damaged block: it names a reference that the model does not have")
        return self._code(number)

    def _decoded(self, number: int) -> Shorts:
        coder = RangeDecoder(self.payloads[number])
        found = self.prior.walk(coder, None, (1, *self.shape), REFERENCE_QUALITY)
        coder.finish()
        code: Shorts = self.prior.seen(found)[0].astype(np.int16)
        return code


def payload_of(prior: IntegerPrior, code: Doubles) -> bytes:
    """The bytes by which a model keeps a sample of this code `(h, w, K)`."""
    coder = RangeEncoder()
    prior.walk(coder, code[None], (1, *code.shape), REFERENCE_QUALITY)
    return coder.finish()
