"""Damaged files to restored ones: a picture, a folder of them, or samples in an array in, the same out.

ICC profile and EXIF are kept. Next door: `restore` restores arrays in memory; `tables` does the same for tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from narrows.checks import real
from narrows.data.sources import open_samples, refuse_overwriting
from narrows.errors import DataError, NarrowsError, OutputError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_writable, make_folder, write_file
from narrows.io.images import SUFFIXES, Report, list_images
from narrows.io.npy import open_npy, save_array
from narrows.io.pictures import encode_photo, read_mask, read_picture
from narrows.models.base import Model
from narrows.models.restorer import Restoring
from narrows.tasks.missing import Mask, checked_mask, marked
from narrows.tasks.restore import Effort, check, estimate, fill, fitting, restore, restored, restoring

WRITTEN = frozenset({".png", ".tif", ".tiff", ".bmp", ".webp", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class Job:
    """One picture to restore, and where to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Done:
    """What became of one: `level` is the noise that was estimated where none was given, `error` says why it was left
    out. `samples` were restored, `of` so many pictures in all."""

    job: Job
    pixels: int = 0
    samples: int = 1
    of: int = 1
    level: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Holes:
    """What tells which pixels are missing: a `mask` file, or a folder of such with the names of the pictures in
    `root`, or the `value` that missing pixels have, one number or one a channel."""

    mask: Path | None = None
    value: tuple[float, ...] | None = None
    root: Path | None = None

    def missing(self, source: Path, pixels: Array) -> Mask | None:
        """`(H, W)`, None where nothing was given. Raises `DataError` for masks that do not fit."""
        if self.mask is not None:
            path = self.mask
            if path.is_dir():
                path = path / (source.relative_to(self.root) if self.root else source.name)
            return checked_mask(read_mask(path), pixels.shape[:2], str(source))
        if self.value is None:
            return None
        return checked_mask(marked(pixels, self.value, True, str(source)), pixels.shape[:2], str(source))


def jobs(source: Path, target: Path, force: bool = False) -> list[Job]:
    """What there is to do. Raises `DataError` where nothing is, `OutputError` where a result would take the place of
    a picture that is already there (unless `force`, which spares the pictures to restore all the same)."""
    if source.is_dir():
        if target.is_file():
            raise OutputError(f"{target}: a file, but the input is a folder; give a folder for the results")
        found = [Job(path, target / _named(path.relative_to(source))) for path in list_images(source)]
        if target.exists() and target.samefile(source):
            raise OutputError(f"{target}: the output is also the input; choose another place for it")
    else:
        if target.is_dir():
            target = target / _named(Path(source.name))
        if target.suffix.lower() not in WRITTEN:
            raise SettingsError(
                f"{target}: pictures ending in {', '.join(sorted(WRITTEN))} can be written; choose one of them"
            )
        found = [Job(source, target)]
    sources = {job.source.resolve() for job in found}
    for job in found:
        if job.target.resolve() in sources:
            raise OutputError(f"{job.target}: the output is also the input; choose another place for it")
        if job.target.exists() and not force:
            raise OutputError(f"{job.target}: it is there already; choose another place, or --force to replace it")
    if twice := [target for target, count in Counter(job.target for job in found).items() if count > 1]:
        raise OutputError(f"{twice[0]}: two pictures would be written there; rename one of them")
    return found


def restore_files(
    model: Restoring,
    found: list[Job],
    strength: float | None = None,
    holes: Holes | None = None,
    skip_bad: bool = False,
    effort: Effort = "usual",
) -> Iterator[Done]:
    """Restore one picture after the other; each file is written whole or not at all.

    Raises `DataError` or `ModelError` naming the first picture that cannot be restored, unless `skip_bad`.
    """
    for job in found:
        try:
            yield replace(_restore(model, job, strength, holes or Holes(), effort), of=len(found))
        except OutputError:
            raise
        except NarrowsError as error:
            told = str(error) if str(job.source) in str(error) else f"{job.source}: {error}"
            if not skip_bad:
                raise type(error)(told) from None
            yield Done(job, error=told, of=len(found))


@dataclass(frozen=True)
class Wanted:
    """How damaged data are to be restored: what a person knows of the damage, `effort`, and what may happen to files.

    `strength` is the level of noise as a share of the value range, `mask` a file or a folder of masks,
    `missing_value` the number, or one a channel, that missing pixels have.
    """

    strength: float | None = None
    mask: Path | None = None
    missing_value: tuple[float, ...] | None = None
    effort: Effort = "usual"
    force: bool = False
    skip_bad: bool = False

    def check(self, model: Model, scale: int | None = None) -> Restoring:
        """The model, if it can do this; raises `ModelError` or `SettingsError`."""
        if self.strength is not None:
            real("strength", self.strength, 0, 1)
        if self.mask is not None and self.missing_value is not None:
            raise SettingsError("of mask and missing value, choose one")
        restoring_model = restoring(model)
        check(restoring_model, self.strength is not None, bool(self.mask or self.missing_value), scale)
        return restoring_model


def restore_path(
    model: Model, data: str, output: Path, wanted: Wanted | None = None, report: Report | None = None
) -> Iterator[Done]:
    """Restore what a person points at, a picture, a folder of them, or samples in an array or a named set, and write
    the results; what became of each is yielded.

    Raises `ModelError`, `SettingsError`, `DataError` or `OutputError` for what does not fit or cannot be written.
    """
    wanted = wanted or Wanted()
    restoring_model = wanted.check(model)
    path = Path(data)
    if path.is_dir() or path.suffix.lower() in SUFFIXES:
        holes = Holes(wanted.mask, wanted.missing_value, path if path.is_dir() else None)
        found = jobs(path, output, wanted.force)
        yield from restore_files(restoring_model, found, wanted.strength, holes, wanted.skip_bad, wanted.effort)
    else:
        yield _restore_array(restoring_model, data, output, wanted, report)


def _restore_array(model: Restoring, data: str, output: Path, wanted: Wanted, report: Report | None) -> Done:
    npy = Path(data).suffix.lower() == ".npy"
    if output.suffix.lower() != ".npy":
        raise SettingsError(f"{output}: arrays are written as .npy; give a name that ends so")
    refuse_overwriting(output, data)
    if output.exists() and not wanted.force:
        raise OutputError(f"{output}: it is there already; choose another place, or --force to replace it")
    check_writable(output)
    if wanted.missing_value is not None:
        if not npy:
            raise SettingsError(
                f"{data}: a missing value is looked for in pictures and .npy files; give one of these"
            )
        result = fill(model, open_npy(data), wanted.missing_value, data, wanted.effort, report)
    else:
        samples = open_samples(data, "test", report=report)
        mask = None if wanted.mask is None else read_mask(wanted.mask)
        found = restore(model, samples, strength=wanted.strength, mask=mask, effort=wanted.effort, report=report)
        result = np.asarray(found)
    pixels = int(np.prod(result.shape[:3]))
    if npy and open_npy(data).ndim == 3 and result.shape[-1] == 1:
        result = result[..., 0]  # as it was given
    save_array(output, result)
    return Done(Job(Path(data), output), pixels, samples=len(result))


def _restore(model: Restoring, job: Job, strength: float | None, holes: Holes, effort: Effort) -> Done:
    picture = read_picture(job.source)
    extras = dict(picture.extras)
    if (mode := extras.pop("mode", b"")) not in (b"", b"1"):
        raise DataError(f"{job.source}: a picture of {mode.decode('latin-1')}; save it as RGB first")
    pixels = picture.pixels
    del picture  # large ones are held once
    fitting(model, pixels[None])
    missing = holes.missing(job.source, pixels)
    level = None
    if strength is None and "level" in model.degradation.needs:
        level = strength = estimate(model, pixels)
    out = restored(model, pixels[None], strength, None if missing is None else missing[None], effort)[0]
    del pixels
    content, _ = encode_photo(job.target.name, out, extras)
    make_folder(job.target.parent)
    write_file(job.target, content)
    return Done(job, out.shape[0] * out.shape[1], level=level)


def _named(path: Path) -> Path:
    """The name of a result: that of the picture, but PNG for formats of a few colours."""
    return path if path.suffix.lower() in WRITTEN else path.with_suffix(".png")
