"""A model compared with the general formats: curves, BD-rates, and the same images at equal bytes.

Next door: `curves` measures, `rivals` has the formats, `_curves_chart` draws.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from narrows.archive.parallel import usual_threads
from narrows.codecs.opening import open_archive
from narrows.data.samples import Samples
from narrows.errors import DataError, SettingsError
from narrows.evaluation import figures
from narrows.evaluation._curves_chart import Shown, at_equal_bytes, rate_distortion
from narrows.evaluation.curves import Comparison, Curve, Point, measure, on_white, spread
from narrows.evaluation.metrics import psnr_db
from narrows.evaluation.rivals import Coded, Coder, Rival, ways
from narrows.io.arrays import Array, pack
from narrows.io.images import Report as Progress
from narrows.models.base import Model
from narrows.models.lossy import Compressing
from narrows.tasks.codec import Codec

OURS = "narrows"
QUALITIES = (1, 15, 30, 45, 60, 75, 90, 100)
MOST_PIXELS = 1_500_000  # about a minute for two formats; more is for benchmarks
OUR_WORK = 5  # times that of a rival for a point, about, so that the time left is true
SHOWN = 6
SHOWN_DB = 30.0  # where pictures still look different


@dataclass(frozen=True)
class Contest:
    """Who is compared on which images; `notes` are for the reader."""

    coder: Coder
    rivals: tuple[Rival, ...]
    images: tuple[Array, ...]
    notes: tuple[str, ...]

    def compare(self, report: Progress) -> Comparison:
        """Measure everyone on the same images; `report` is called with what is measured, how much of how much."""
        flat = on_white(self.images)
        theirs = sum(len(ways(rival, flat)) * len(rival.qualities) for rival in self.rivals)
        done = 0

        def count(what: str, *_: Any) -> None:
            nonlocal done
            done += OUR_WORK if what == OURS else 1
            report("comparing", done, OUR_WORK * len(QUALITIES) + theirs)

        ours = our_curve(self.coder, self.images, flat, count)
        rivals = tuple(rival_curve(rival, flat, count, usual_threads()) for rival in self.rivals)
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
        paths = [folder / "rate-distortion.png", folder / "equal-bytes.png"]
        figures.save(rate_distortion(comparison), paths[0])
        figures.save(at_equal_bytes(self.at_equal_bytes(comparison, report)), paths[1])
        return paths


def contest(coder: Coder, rivals: tuple[Rival, ...], samples: Samples, most_pixels: int = MOST_PIXELS) -> Contest:
    """A coder and rivals on these images, evenly picked if they have more than `most_pixels` pixels.

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
        notes.append("compared as they look on white; the other formats get no alpha, narrows stores it too")
    return Contest(coder, rivals, tuple(every[i] for i in chosen), tuple(notes))


def narrows_coder(model: Model, name: str = "the model", block_samples: int | None = None) -> Coder:
    """A model's own archives as a coder, with blocks of the usual size by default. Raises `SettingsError` for a model
    that was not trained to compress."""
    if not isinstance(model, Compressing) or "lossy" not in model.packed:
        raise SettingsError(
            f"{name}: this model was not trained to compress; train one with --for compress, or leave out --against"
        )

    def code(images: Sequence[Array], quality: int) -> Coded:
        began = time.perf_counter()
        codec = Codec(model, quality=quality)
        data = codec.compress(pack(images), block_samples=block_samples)
        written = time.perf_counter()
        back = [np.asarray(image) for image in codec.decompress(data)]
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


def rival_curve(rival: Rival, images: Sequence[Array], report: Progress, threads: int = 1) -> Curve:
    """A rival's points, in every way it can be used, for grey or RGB images. On more than one of the `threads`, the
    seconds in them are those of a busy machine."""
    tasks = [(coder, how, quality) for how, coder in ways(rival, images).items() for quality in rival.qualities]

    def point(task: tuple[Coder, str, int]) -> Point:
        coder, how, quality = task
        return measure(coder, images, quality, how, images)

    points = []
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(point, tasks):
            points.append(found)
            report(rival.title, len(points), len(tasks))
    return Curve(rival.name, rival.title, tuple(points))


def _within(coders: Mapping[str, Coder], curve: Curve, images: Sequence[Array], budget: int) -> Coded:
    """The images at a rival's best quality within `budget` bytes, else at its fewest bytes."""
    front = curve.front()
    fitting = [point for point in front if point.data_bytes <= budget]
    start = fitting[-1] if fitting else front[0]
    coder = coders[start.how]
    best = coder(images, start.quality)
    if not fitting:
        return best
    # Between this quality of the ladder and the next one, which is too large, by halving.
    above = [p.quality for p in curve.used(start.how).points if p.quality > start.quality]
    low, high = start.quality, min(above, default=0)
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
