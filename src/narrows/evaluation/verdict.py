"""Whether a new codec is worth having: a few held-out images beside general formats, at equal error and without loss.

Next door: `against` draws whole curves; `lossless` estimates what exact formats need.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from narrows.data.samples import Samples
from narrows.evaluation.curves import on_white
from narrows.evaluation.metrics import psnr_db
from narrows.evaluation.rivals import RIVALS, SMALL_SIDE, Coded, Coder, Rival, encode, jxl_installed, tile, ways
from narrows.io.arrays import Array, pack
from narrows.models.lossy import Compressing
from narrows.tasks.codec import Codec

MOST_IMAGES, SIDE = 8, 256  # of larger images the middle; some seconds of WebP
SHEET = 512  # of small images, which go on one sheet
QUALITY = 75  # the usual one


@dataclass(frozen=True)
class Verdict:
    """Bytes of `images` without the model, ours and a rival's: at one `psnr_db`, or without loss if that is None."""

    images: int
    ours: int
    rival: str
    theirs: int
    psnr_db: float | None = None

    @property
    def loses(self) -> bool:
        """Whether the rival takes fewer bytes."""
        return self.ours > self.theirs

    def __str__(self) -> str:
        at = "without loss" if self.psnr_db is None else f"at {self.psnr_db:.1f} dB"
        change = 100 * (self.ours / self.theirs - 1)
        words = f"{abs(change):.0f} % {'more' if self.loses else 'less'} than {self.rival}"
        return f"{at}: {self.ours} bytes for {self.images} held-out images, {words} ({self.theirs})"


def verdicts(model: Compressing, samples: Samples) -> list[Verdict]:
    """A verdict for each promise that the model keeps, on these samples; none for what is no image of 8 bits."""
    description = samples.description
    if description.axes != 2 or description.dtype != "uint8":
        return []
    chosen = np.linspace(0, len(samples) - 1, min(MOST_IMAGES, len(samples))).astype(int)
    if max(description.shape[:2]) and max(description.shape[:2]) <= SMALL_SIDE:
        chosen = np.arange(min(len(samples), SHEET))
    images = [_middle(samples.values[int(i)]) for i in chosen]
    found = []
    if "lossy" in model.packed:
        found.append(_at_equal_error(model, images))
    if "exact" in model.packed:
        ours = len(Codec(model, max_error=0).compress(pack(images), embed_model=False))
        theirs = {rival.title: _lossless(rival, images) for rival in RIVALS.values() if _can_be_exact(rival)}
        best = min(theirs, key=lambda title: theirs[title])
        found.append(Verdict(len(images), ours, best, theirs[best]))
    return found


def _can_be_exact(rival: Rival) -> bool:
    return bool(rival.lossless) and (rival.name != "jxl" or jxl_installed())


def _lossless(rival: Rival, images: list[Array]) -> int:
    """The bytes that a format takes without loss, in one file each or, of small images of one size, on sheets."""
    together = len({image.shape for image in images}) == 1 and max(images[0].shape[:2]) <= SMALL_SIDE
    return min(
        sum(len(encode(rival, rival.lossless, image)) for image in group)
        for group in ([images, tile(images)] if together else [images])
    )


def _middle(image: Array) -> Array:
    top, left = (max(0, side - SIDE) // 2 for side in image.shape[:2])
    return np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])


def _at_equal_error(model: Compressing, images: list[Array]) -> Verdict:
    """Beside WebP in its best way, interpolated between the two qualities around our error."""
    codec, flat = Codec(model, quality=QUALITY), on_white(images)
    data = codec.compress(pack(images))
    ours = _psnr(on_white([np.asarray(image) for image in codec.decompress(data)]), flat)
    theirs = min(_bytes_at(coder, flat, ours) for coder in ways(RIVALS["webp"], flat).values())
    return Verdict(len(images), len(data) - len(codec.compact_model), "WebP", round(theirs), ours)


def _bytes_at(coder: Coder, images: list[Array], wanted: float) -> float:
    """The bytes that a format takes at this PSNR; at its best quality if it does not reach it."""
    tried: dict[int, tuple[float, Coded]] = {}

    def at(quality: int) -> tuple[float, Coded]:
        if quality not in tried:
            coded = coder(images, quality)
            tried[quality] = _psnr(coded.images, images), coded
        return tried[quality]

    low, high = 1, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle)[0] < wanted else (low, middle)
    (below, few), (above, many) = at(low), at(high)
    share = min(1.0, max(0.0, (wanted - below) / (above - below))) if above > below else 1.0
    return float(few.data_bytes ** (1 - share) * many.data_bytes**share)


def _psnr(images: list[Array], wanted: list[Array]) -> float:
    errors = [np.square((a.astype(float) - b) / 255).mean() for a, b in zip(images, wanted, strict=True)]
    return float(psnr_db(float(np.mean(errors))))
