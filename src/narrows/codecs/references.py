"""What a model remembers: samples it was trained on, each coded by the model itself, beside which others are coded.

Next door: `latents` codes a sample with another one's code at hand; `transforms` chooses which.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from narrows.codecs.latents import QUALITIES, LatentsCodec
from narrows.data.similarity import Floats, likenesses, nearest
from narrows.entropy.coder import Decoder, Encoder
from narrows.entropy.cumulative import Integers, Tables, from_weights
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array
from narrows.networks.prior import RECALL_QUALITY

HELD_NUMBERS = 1 << 25  # of codes kept at hand
ALIKE = 0.5  # how alike two samples must be for one to help the other
Shorts = npt.NDArray[np.int16]
assert RECALL_QUALITY <= QUALITIES


class Memory:
    """Remembered samples: `payloads` are their codes' bytes, `shape` `(h, w, K)` that of each code.

    `likeness` `(M, D)`, which only an encoder needs, finds the one that is most like another sample.
    """

    def __init__(
        self, latents: LatentsCodec, shape: tuple[int, ...], payloads: Sequence[bytes], likeness: Floats | None = None
    ) -> None:
        if likeness is not None and len(likeness) != len(payloads):
            raise ModelError("a model whose memory does not fit together; make the model again")
        self.latents, self.shape, self.payloads, self.likeness = latents, shape, payloads, likeness
        # One symbol for each, one for none; and the escape, which never comes.
        self._which = Tables((from_weights(np.append(np.ones(len(payloads) + 1, np.int64), 0)),), (0,))
        held = max(1, HELD_NUMBERS // math.prod(shape))
        self._recall: Callable[[int], Shorts] = functools.lru_cache(held)(self._decoded)

    def like(self, images: Array) -> Integers:
        """For each of images `(N, H, W, C)` the number of the sample most like it; as many as there are: none is."""
        none = len(self.payloads)
        if self.likeness is None or not none:
            return np.full(len(images), none)
        found, alike = nearest(likenesses(images), self.likeness)
        return np.where(alike >= ALIKE, found, none)

    def walk(self, coder: Encoder | Decoder, which: Integers | None, count: int) -> Shorts:
        """Code which sample each of `count` is coded beside (None when decoding); returns the codes of those,
        `(N, h, w, K)` as networks see them, 0 for none. Raises `ArchiveError` for numbers of no sample."""
        found = coder.by_table(which, np.zeros(count, np.int64), self._which)
        return np.stack([self.recall(int(i)) for i in found])

    def recall(self, number: int) -> Shorts:
        """A remembered code `(h, w, K)` as networks see it."""
        if number == len(self.payloads):
            return np.zeros(self.shape, np.int16)
        if not 0 <= number < len(self.payloads):
            raise ArchiveError("a damaged block: it names a sample that the model does not remember")
        return self._recall(number)

    def _decoded(self, number: int) -> Shorts:
        coder = Decoder(self.payloads[number])
        found = self.latents.walk(coder, None, (1, *self.shape), RECALL_QUALITY)
        coder.finish()
        code: Shorts = self.latents.seen(found)[0].astype(np.int16)
        return code


def remembered(latents: LatentsCodec, code: npt.NDArray[np.float64]) -> bytes:
    """The bytes by which a model remembers a sample of this code `(h, w, K)`."""
    coder = Encoder()
    latents.walk(coder, code[None], (1, *code.shape), RECALL_QUALITY)
    return coder.finish()
