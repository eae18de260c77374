"""Rate-distortion curves: what a codec's bytes buy at a ladder of qualities, and one curve against another.

Next door: `rivals` has the general formats, `against` compares a model with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from narrows.data.samples import Description
from narrows.evaluation.metrics import Floats, psnr_db, squared_errors, ssim
from narrows.evaluation.rivals import Coder
from narrows.io.arrays import Array

BATCH_VALUES = 1 << 22
SIMILARITY_PIXELS = 2_000_000  # SSIM takes far longer than the general codecs; this many pixels are enough
LEVELS = 3  # PSNRs at which rates are compared in a table
MS_SSIM_SIDE = 176  # an 11-pixel window at the fifth scale; fewer scales would be a different measure


@dataclass(frozen=True)
class Point:
    """One quality of one codec over a set; bytes and seconds are of the whole set, the rest means over images.

    `how` is the way in which the codec was used, such as "one file each". `ssim` and `ms_ssim` are None if an image
    is too small for them (5 and 176 pixels per side).
    """

    how: str
    quality: int
    data_bytes: int
    model_bytes: int
    bits_per_pixel: float
    bits_per_pixel_with_model: float
    psnr_db: float
    ssim: float | None
    ms_ssim: float | None
    encode_seconds: float
    decode_seconds: float

    def rate(self, with_model: bool) -> float:
        """Bits per pixel."""
        return self.bits_per_pixel_with_model if with_model else self.bits_per_pixel


@dataclass(frozen=True)
class Curve:
    """All points of a codec; `name` is short (`avif`), `title` is for people (`AVIF`)."""

    name: str
    title: str
    points: tuple[Point, ...]

    @property
    def exact(self) -> bool:
        """Whether there is one quality only, which loses nothing, as in PNG: a point instead of a curve."""
        return len({point.quality for point in self.points}) == 1

    def front(self) -> tuple[Point, ...]:
        """The codec at its best, from few bytes to many: the points that no other way of using it beats.

        A way beats a point where its own curve, between two of its qualities, has the same PSNR in fewer bytes.
        """
        ways = [_rising(p for p in self.points if p.how == how) for how in {p.how for p in self.points}]
        kept = [
            p for way in ways for p in way if all(_rate_between(other, p.psnr_db) >= p.rate(False) for other in ways)
        ]
        return tuple(_rising(kept))

    def used(self, way: str) -> Curve:
        """The curve of the points whose `how` begins with `way`."""
        return Curve(self.name, self.title, tuple(p for p in self.points if p.how.startswith(way)))


@dataclass(frozen=True)
class Difference:
    """BD-rate: how many per cent more (above 0) or fewer (below 0) bytes at equal PSNR, between two PSNRs.

    All three are None if the curves share no PSNR; `words` says so, or gives the result in one line.
    """

    percent: float | None
    low_db: float | None
    high_db: float | None
    words: str


@dataclass(frozen=True)
class Comparison:
    """Our curve and those of the rivals over the same images, `pixels` in all; `notes` are for the reader."""

    images: int
    pixels: int
    ours: Curve
    rivals: tuple[Curve, ...]
    notes: tuple[str, ...]

    def difference(self, rival: Curve, with_model: bool = False) -> Difference:
        """Our bytes against a rival's at equal PSNR."""
        return bd_rate(self.ours, rival, with_model)

    def levels(self) -> tuple[int, ...]:
        """Whole PSNRs in dB, evenly picked from those that we reach."""
        front = self.ours.front()
        levels = np.linspace(front[0].psnr_db, front[-1].psnr_db, LEVELS + 2)[1:-1]
        return tuple(sorted({round(level) for level in levels}))


def measure(
    coder: Coder, images: Sequence[Array], quality: int, how: str = "", reference: Sequence[Array] | None = None
) -> Point:
    """Code `images` and compare what comes back with `reference`, by default the images as they look on white.

    PSNR is that of each image's 8-bit values on white, averaged over images.
    """
    coded = coder(images, quality)
    reference = on_white(images) if reference is None else reference
    back = on_white(coded.images)
    description = Description((0, 0, reference[0].shape[2]), "uint8", 0.0, 255.0, len(reference))
    runs = zip(_runs(reference), _runs(back), strict=True)
    errors = [squared_errors(a, b, description) / a[0].size for a, b in runs]
    pixels = sum(image.shape[0] * image.shape[1] for image in reference)
    chosen = spread(reference, SIMILARITY_PIXELS)
    some = list(zip(*(_runs([images[i] for i in chosen]) for images in (reference, back)), strict=True))
    return Point(
        how=how,
        quality=quality,
        data_bytes=coded.data_bytes,
        model_bytes=coded.model_bytes,
        bits_per_pixel=8 * coded.data_bytes / pixels,
        bits_per_pixel_with_model=8 * (coded.data_bytes + coded.model_bytes) / pixels,
        psnr_db=float(psnr_db(np.concatenate(errors)).mean()),
        ssim=_mean([ssim(a, b, description) for a, b in some]),
        ms_ssim=_mean([_ms_ssim(a, b) for a, b in some]),
        encode_seconds=coded.encode_seconds,
        decode_seconds=coded.decode_seconds,
    )


def bd_rate(ours: Curve, theirs: Curve, with_model: bool = False) -> Difference:
    """Bytes of `ours` against `theirs` at equal PSNR, averaged over the PSNRs both reach.

    By the `bjontegaard` package with piecewise cubic Hermite interpolation of the logarithm of the rate.
    """
    from bjontegaard import bd_rate as bjontegaard  # here because it loads pyplot

    fronts = [curve.front() for curve in (theirs, ours)]
    for curve, front in zip((theirs, ours), fronts, strict=True):
        if len(front) < 2:
            return Difference(None, None, None, f"{curve.title} has {'a single point' if front else 'no point'}")
    low = max(front[0].psnr_db for front in fronts)
    high = min(front[-1].psnr_db for front in fronts)
    if low >= high:
        ranges = (f"{f[0].psnr_db:.1f} to {f[-1].psnr_db:.1f} dB" for f in fronts)
        return Difference(None, None, None, "no PSNR in common: {} against {}".format(*ranges))
    rates = [np.array([p.rate(with_model) for p in front]) for front in fronts]
    qualities = [np.array([p.psnr_db for p in front]) for front in fronts]
    pairs = (rates[0], qualities[0], rates[1], qualities[1])
    percent = float(bjontegaard(*pairs, method="pchip", require_matching_points=False, min_overlap=0))
    words = f"{percent:+.1f} % bytes at equal PSNR, {low:.1f} to {high:.1f} dB"
    return Difference(percent, low, high, words)


def rate_at(curve: Curve, psnr: float, with_model: bool = False) -> float | None:
    """Bits per pixel at this PSNR, interpolated as for the BD-rate; None outside the curve."""
    from scipy.interpolate import PchipInterpolator

    front = curve.front()
    if len(front) < 2 or not front[0].psnr_db <= psnr <= front[-1].psnr_db:
        return None
    logs = np.log([p.rate(with_model) for p in front])
    return float(np.exp(PchipInterpolator([p.psnr_db for p in front], logs)(psnr)))


def on_white(images: Sequence[Array]) -> list[Array]:
    """Images as they look on white paper: grey `(H, W, 1)` and RGB as they are, LA and RGBA without their alpha.

    So formats without alpha can be compared with those that have it.
    """
    flat = []
    for image in images:
        if image.shape[2] % 2 == 0:
            colour, alpha = image[..., :-1].astype(np.uint32), image[..., -1:].astype(np.uint32)
            image = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        flat.append(image)
    return flat


def spread(images: Sequence[Array], pixels: int) -> list[int]:
    """The numbers of evenly picked images that have about `pixels` pixels together, at least one."""
    total = sum(image.shape[0] * image.shape[1] for image in images)
    count = max(1, min(len(images), len(images) * pixels // max(1, total)))
    return [int(i) for i in np.linspace(0, len(images) - 1, count)]


def _rising(points: Iterable[Point]) -> list[Point]:
    """Points that no other one beats in both bytes and PSNR, by bytes."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.bits_per_pixel, -p.psnr_db)):
        if not best or point.psnr_db > best[-1].psnr_db:
            best.append(point)
    return best


def _rate_between(way: Sequence[Point], psnr: float) -> float:
    """Bits per pixel at a PSNR between two neighbours of one way; infinite outside, the point's own at a point."""
    for point in way:
        if point.psnr_db == psnr:
            return point.bits_per_pixel
    logs = [math.log(p.bits_per_pixel) for p in way]
    return math.exp(np.interp(psnr, [p.psnr_db for p in way], logs, left=math.inf, right=math.inf))


def _runs(images: Sequence[Array]) -> Iterator[Array]:
    """Images in order, those of one size together as `(n, H, W, C)`, of bounded memory."""
    start = 0
    for end in range(1, len(images) + 1):
        full = (end - start) * images[start].size >= BATCH_VALUES
        if end == len(images) or full or images[end].shape != images[start].shape:
            yield np.stack(images[start:end])
            start = end


def _ms_ssim(originals: Array, reconstructions: Array) -> Floats | None:
    """Multi-scale structural similarity of images `(n, H, W, C)` of at least 176 pixels a side, by torchmetrics."""
    if min(originals.shape[1:3]) < MS_SSIM_SIDE:
        return None
    x_hat, x = (torch.from_numpy(a).permute(0, 3, 1, 2).float() / 255 for a in (reconstructions, originals))
    value = multiscale_structural_similarity_index_measure(x_hat, x, data_range=1.0, reduction="none")
    assert isinstance(value, torch.Tensor)
    return value.reshape(-1).double().numpy()


def _mean(values: list[Floats | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.concatenate(known).mean()) if known and len(known) == len(values) else None
