"""A model beside the general formats: curves, BD-rates, and the same images at equal bytes.

Next door: `curves` measures, `rivals` holds the formats, `_curves_chart` draws.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.samples import Samples
from narrows.errors import DataError, SettingsError
from narrows.evaluation.curves import Coded, Coder, Curve, Difference, bd_rate, measure, on_white, rate_at, spread
from narrows.evaluation.metrics import psnr_db
from narrows.evaluation.rivals import Rival, choose, ways
from narrows.io.arrays import Array, pack
from narrows.models.base import Model
from narrows.models.lossy import Compressing

OURS = "narrows"
QUALITIES = (1, 15, 30, 45, 60, 75, 90, 100)
MOST_PIXELS = 10_000_000  # all of the MNIST test images, or of Kodak; more take many minutes
SHOWN = 6
SHOWN_DB = 30.0  # where pictures still differ to the eye
LEVELS = 3

Progress = Callable[[str, int, int | None], None]


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
        ends = front[0].psnr_db, front[-1].psnr_db
        return tuple(sorted({round(v) for v in np.linspace(*ends, LEVELS + 2)[1:-1]}))

    def to_json(self) -> dict[str, Any]:
        """Every point and every BD-rate as JSON values."""
        curves = (self.ours, *self.rivals)
        return {
            "images": self.images,
            "pixels": self.pixels,
            "notes": list(self.notes),
            "curves": {curve.name: [asdict(point) for point in curve.points] for curve in curves},
            "bd_rate": {
                rival.name: {
                    "without_model": asdict(self.difference(rival)),
                    "with_model": asdict(self.difference(rival, with_model=True)),
                }
                for rival in self.rivals
            },
        }

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The columns' names, and a row for us, with the model's bytes and without, and for each rival."""
        levels = self.levels()
        columns = (
            "",
            *(f"bits a pixel at {level} dB" for level in levels),
            "narrows against it",
            "with its model",
            "encode s",
            "decode s",
        )
        rows = []
        for curve, name, with_model in (
            (self.ours, OURS, False),
            (self.ours, "narrows and its model", True),
            *((rival, rival.title + _exact(rival), False) for rival in self.rivals),
        ):
            rates = [_number(rate_at(curve, level, with_model)) for level in levels]
            middle = curve.front()[len(curve.front()) // 2]
            versus = ["", ""]
            if curve is not self.ours:
                versus = [_percent(self.difference(curve, m)) for m in (False, True)]
            seconds = [f"{middle.encode_seconds:.2f}", f"{middle.decode_seconds:.2f}"]
            rows.append((name, *rates, *versus, *seconds))
        return columns, rows


@dataclass(frozen=True)
class Shown:
    """One codec's row of a picture at equal bytes: bytes an image over the whole set, and what came back."""

    title: str
    bytes_each: float
    images: tuple[Array, ...]
    psnrs_db: tuple[float, ...]


@dataclass(frozen=True)
class Contest:
    """Who is compared on which images; `notes` are for the reader."""

    coder: Coder
    rivals: tuple[Rival, ...]
    images: tuple[Array, ...] = ()
    notes: tuple[str, ...] = ()

    def over(self, samples: Samples, most_pixels: int = MOST_PIXELS) -> Contest:
        """The same over these images, evenly picked where they have more than `most_pixels` pixels.

        Raises `DataError` for anything but 8-bit images.
        """
        description = samples.description
        if description.axes != 2 or description.dtype != "uint8":
            raise DataError(f"{samples.source}: {description}; --against compares 8-bit images only; leave it out")
        every = list(samples.values)
        chosen = spread(every, most_pixels)
        notes = []
        if len(chosen) < len(every):
            notes.append(f"compared on {len(chosen)} of {len(every)} images, evenly picked")
        if description.channels % 2 == 0:
            notes.append("compared as they look on white; others are given them so, narrows stores their alpha too")
        return replace(self, images=tuple(every[i] for i in chosen), notes=tuple(notes))

    def compare(self, report: Progress) -> Comparison:
        """Measure everyone on the same images; `report` is told what is measured, how much of how much."""
        flat = on_white(self.images)
        ours = our_curve(self.coder, self.images, flat, report)
        rivals = tuple(rival_curve(rival, flat, report) for rival in self.rivals)
        pixels = sum(image.shape[0] * image.shape[1] for image in flat)
        return Comparison(len(flat), pixels, ours, rivals, self.notes)

    def at_equal_bytes(self, comparison: Comparison, report: Progress) -> list[Shown]:
        """The same images by us, at our point nearest to 30 dB, and by each rival at no more bytes, or its fewest.

        The originals come first, with their raw bytes. Formats of a single quality, such as PNG, have no choice and
        are left out.
        """
        flat = on_white(self.images)
        chosen = [int(i) for i in np.linspace(0, len(flat) - 1, min(SHOWN, len(flat)))]
        ours = min(comparison.ours.front(), key=lambda p: abs(p.psnr_db - SHOWN_DB))
        raw = sum(image.nbytes for image in flat) / len(flat)
        rows = [Shown("original", raw, tuple(flat[i] for i in chosen), ())]
        rows.append(_shown(OURS, self.coder(self.images, ours.quality), flat, chosen))
        pairs = [(r, c) for r, c in zip(self.rivals, comparison.rivals, strict=True) if not c.exact]
        for done, (rival, curve) in enumerate(pairs):
            coded = _within(ways(rival, flat), curve, flat, ours.data_bytes)
            rows.append(_shown(curve.title, coded, flat, chosen))
            report("at equal bytes", done + 1, len(pairs))
        return rows

    def draw(self, comparison: Comparison, folder: Path, report: Progress) -> list[Path]:
        """Write the curves and the same images at equal bytes into `folder`; returns the paths."""
        from narrows.evaluation import _curves_chart, figures

        pictures = {
            "rate-distortion.png": _curves_chart.rate_distortion(comparison),
            "equal-bytes.png": _curves_chart.at_equal_bytes(self.at_equal_bytes(comparison, report)),
        }
        for name, figure in pictures.items():
            figures.save(figure, folder / name)
        return [folder / name for name in pictures]


def enter(model: Model, name: str, against: str) -> Contest:
    """A model and the rivals in a list such as "webp,avif", before there are images.

    Raises `SettingsError` for unknown rivals or a model that cannot compress, `MissingExtraError` for JPEG XL.
    """
    return Contest(narrows_coder(model, name), choose(against))


def narrows_coder(model: Model, name: str = "the model", block_samples: int | None = None) -> Coder:
    """A model's own archives as a coder, their blocks of the usual size if not told. Raises `SettingsError` for a
    model that was not trained to compress."""
    if not isinstance(model, Compressing) or "lossy" not in model.packed:
        raise SettingsError(
            f"{name}: this model was not trained to compress; train one with --for compress, or leave out --against"
        )
    from narrows.codecs.opening import open_archive
    from narrows.tasks.codec import Codec

    def code(images: Sequence[Array], quality: int) -> Coded:
        began = time.perf_counter()
        data = Codec(model, quality=quality).compress(pack(images), block_samples=block_samples)
        written = time.perf_counter()
        back = [np.asarray(image) for image in Codec(model, quality=quality).decompress(data)]
        read = time.perf_counter()
        with open_archive(io.BytesIO(data)) as archive:
            model_bytes = archive.sizes.model
        return Coded(len(data) - model_bytes, back, written - began, read - written, model_bytes)

    return code


def our_curve(coder: Coder, images: Sequence[Array], flat: Sequence[Array], report: Progress) -> Curve:
    """Our points; `images` are coded as they are, and compared with `flat`, which is how they look on white."""
    points = []
    for done, quality in enumerate(QUALITIES):
        points.append(measure(coder, images, quality, "one archive", flat))
        report(OURS, done + 1, len(QUALITIES))
    return Curve(OURS, OURS, tuple(points))


def rival_curve(rival: Rival, images: Sequence[Array], report: Progress) -> Curve:
    """A rival's points, in every way it can be used, for grey or RGB images."""
    coders = ways(rival, images)
    points = []
    for how, coder in coders.items():
        for quality in rival.qualities:
            points.append(measure(coder, images, quality, how, images))
            report(rival.title, len(points), len(coders) * len(rival.qualities))
    return Curve(rival.name, rival.title, tuple(points))


def _within(coders: Mapping[str, Coder], curve: Curve, images: Sequence[Array], budget: int) -> Coded:
    """The images at the best quality of a rival that keeps to `budget` bytes, else at its fewest bytes."""
    front = curve.front()
    fitting = [point for point in front if point.data_bytes <= budget]
    start = fitting[-1] if fitting else front[0]
    coder = coders[start.how]
    best = coder(images, start.quality)
    if not fitting:
        return best
    # Between this quality of the ladder and the next one, which is too large, by halving.
    low, high = (
        start.quality,
        min([p.quality for p in curve.used(start.how).points if p.quality > start.quality] or [0]),
    )
    while high - low > 1:
        middle = (low + high) // 2
        coded = coder(images, middle)
        if coded.data_bytes <= budget:
            low, best = middle, coded
        else:
            high = middle
    return best


def _shown(title: str, coded: Coded, flat: Sequence[Array], chosen: Sequence[int]) -> Shown:
    back = on_white([coded.images[i] for i in chosen])
    errors = [np.square((a.astype(float) - flat[i]) / 255).mean() for a, i in zip(back, chosen, strict=True)]
    return Shown(title, coded.data_bytes / len(flat), tuple(back), tuple(float(v) for v in psnr_db(errors)))


def _exact(curve: Curve) -> str:
    return f", exact: {curve.front()[0].bits_per_pixel:.3f}" if curve.exact else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(difference: Difference) -> str:
    return "-" if difference.percent is None else f"{difference.percent:+.1f} %"
