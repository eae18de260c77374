"""Damaged files to restored ones: a picture, a folder of them, or samples in an array in, the same out.

ICC profile and EXIF are kept. Next door: `restore` restores arrays in memory; `tables` does the same for tables.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from narrows.checks import real
from narrows.codecs.files import START_OF_JPEG
from narrows.data.named import NAMES
from narrows.data.sources import open_samples, refuse_overwriting, stands_for_a_picture
from narrows.errors import DataError, NarrowsError, OutputError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_new, make_folder, write_file
from narrows.io.folders import Listing, list_images
from narrows.io.images import Report, read_header
from narrows.io.masks import mask_file, read_mask
from narrows.io.metadata import without_profile
from narrows.io.npy import open_npy, save_array
from narrows.io.pictures import Picture, encode_photo, read_photo, rehearsed, without_alpha
from narrows.io.sizes import resized
from narrows.models.base import Model
from narrows.models.restorer import Restoring
from narrows.tasks.fitting import estimate, fitting
from narrows.tasks.missing import Mask, checked_mask, marked
from narrows.tasks.restore import (
    Effort,
    check,
    fill,
    refuse_one_image,
    restore,
    restored,
    restoring,
)

WRITTEN = frozenset({".png", ".tif", ".tiff", ".bmp", ".webp", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class Kind:
    """What a folder is searched for by its `listing`: the endings that can be written, and the `usual` one, which the
    results of others get."""

    name: str
    usual: str
    written: frozenset[str]
    listing: Callable[[Path], Listing]


PICTURES = Kind("pictures", ".png", WRITTEN, list_images)


@dataclass(frozen=True)
class Job:
    """One picture to restore, and where to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Done:
    """One result: the `level` of noise that was estimated where none was given; `error` says why a picture was left
    out, `note` of what no result was made, or only one of a part, `lost` in words what belongs to the picture and was
    not kept. `missing` is the share of it that was marked so, `of` how many pictures there are in all."""

    source: Path
    pixels: int = 0
    seconds: float = 0.0  # of sound
    samples: int = 1
    of: int = 1
    level: float | None = None
    error: str | None = None
    note: str | None = None
    lost: tuple[str, ...] = ()
    missing: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """How damaged data are to be restored: what is known of the damage, and what may happen to files.

    `strength` is the level of noise as a share of the value range. What is missing is marked by `mask`, a file, or a
    folder of files with the names of the pictures, with any ending, or by `missing_value`, one number or one per
    channel. In sounds, runs of zeros of at least `lost` milliseconds may be taken for packets that were lost. With
    `resume`, files in a folder whose results are there already are left as they are.
    """

    strength: float | None = None
    mask: Path | None = None
    missing_value: tuple[float, ...] | None = None
    effort: Effort = "usual"
    force: bool = False
    skip_bad: bool = False
    resume: bool = False
    lost: float | None = None

    def check(self, model: Model, scale: int | None = None) -> Restoring:
        """The model, if it can do this; raises `ModelError` or `SettingsError`."""
        if self.strength is not None:
            real("strength", self.strength, 0, 1)
        if self.resume and self.force:
            raise SettingsError("of resume and force, choose one: leave results as they are, or make them again")
        marks = [mark for mark in (self.mask, self.missing_value, self.lost) if mark is not None]
        if len(marks) > 1:
            raise SettingsError("of mask, missing value and lost packets, choose one")
        restorer = restoring(model)
        check(restorer, self.strength is not None, bool(marks), scale)
        if self.lost is not None:
            real("length of lost packets", self.lost, 0, above=True)
            if model.description.axes != 1:
                raise SettingsError(
                    "lost packets were said for images; they are looked for in sounds: leave them out"
                )
        return restorer

    def missing(self, source: Path, picture: Picture, folder: Path | None) -> Mask | None:
        """Which pixels of a picture in `folder` are missing, `(H, W)`; None where nothing tells. Raises `DataError`
        for masks that do not fit."""
        pixels = picture.pixels
        if self.mask is not None:
            found = read_mask(mask_file(self.mask, source, folder), pixels.shape[:2], picture.extras, picture.turned)
        elif self.missing_value is not None:
            found = marked(pixels, self.missing_value, True, str(source))
            if found.all():
                raise DataError(f"{source}: the missing value is everywhere in it; something has to be known")
            return found
        else:
            return None
        return checked_mask(found, pixels.shape[:2], str(source))


def restore_path(
    model: Model, data: str, output: Path, wanted: Wanted | None = None, report: Report | None = None
) -> Iterator[Done]:
    """Restore a picture, a folder of them, or samples in an array or a named set, and write the results, each file
    whole or not at all; yields what became of each.

    Raises `ModelError`, `SettingsError`, `DataError` or `OutputError` for what does not fit or cannot be written;
    with `skip_bad`, pictures that do not fit are yielded with their error.
    """
    wanted = wanted or Wanted()
    restorer, path = wanted.check(model), Path(data)
    if not path.exists() and data.partition(":")[0] not in NAMES:
        raise DataError(f"{data}: no such file or folder")
    if not stands_for_a_picture(data):
        yield _restore_array(restorer, data, output, wanted, report)
        return
    found, notes = jobs(path, output, wanted.force, wanted.resume)
    hint = " (or leave out such pictures with --skip-bad)" * (len(found) > 1)
    if not wanted.skip_bad:
        _check_headers(found, hint)
    for note in notes:
        yield Done(path, samples=0, of=len(found), note=note)
    for job in found:
        try:
            folder = path if path.is_dir() else None
            yield replace(_restore(restorer, job, wanted, folder, report), of=len(found))
        except OutputError:
            raise
        except NarrowsError as error:
            line = str(error) if str(job.source) in str(error) else f"{job.source}: {error}"
            if not wanted.skip_bad:
                raise type(error)(line + hint) from None
            yield Done(job.source, error=line, of=len(found))


def _check_headers(found: Sequence[Job], hint: str) -> None:
    """Raise `DataError` for a picture that cannot be opened, before anything is written."""
    for job in found:
        try:
            read_header(job.source)
        except DataError as error:
            raise DataError(f"{error}{hint}") from None


def jobs(
    source: Path, target: Path, force: bool = False, resume: bool = False, kind: Kind = PICTURES
) -> tuple[list[Job], tuple[str, ...]]:
    """What there is to do, and what else people should know. Raises `DataError` where nothing is, `OutputError` where
    a result would take the place of a picture that is already there, unless `force`, which spares the pictures to
    restore all the same, or `resume`, with which what has its result in the folder is left out."""
    if source.is_dir():
        if target.is_file():
            raise OutputError(f"{target}: a file, but the input is a folder; give a folder for the results")
        listing = kind.listing(source)
        notes = listing.notes
        results = _all_named([path.relative_to(source) for path in listing.found], kind)
        found = [Job(path, target / result) for path, result in zip(listing.found, results, strict=True)]
        if target.exists() and target.samefile(source):
            raise OutputError(f"{target}: the output is also the input; choose another place for it")
    else:
        if target.is_dir():
            target = target / _named(Path(source.name), kind)
        if target.suffix.lower() not in kind.written:
            endings = ", ".join(sorted(kind.written))
            raise SettingsError(f"{target}: {kind.name} ending in {endings} can be written; choose one of them")
        found, notes = [Job(source, target)], ()
    sources = {os.path.realpath(job.source) for job in found}  # which, unlike Path.resolve, ends in loops
    for job in found:
        if os.path.realpath(job.target) in sources:
            raise OutputError(f"{job.target}: the output is also the input; choose another place for it")
    ready = [job for job in found if job.target.is_file()]
    if source.is_dir() and ready and not force:
        if not resume:
            raise OutputError(
                f"{ready[0].target}: it is there already, one of {len(ready)} of {len(found)} results; choose "
                "another place, --resume to make the others, or --force to replace it"
            )
        notes += (f"{len(ready)} of {len(found)} results were there already and were left as they are",)
        found = [job for job in found if job not in ready]
    for job in found:
        if source.is_dir() and job.target.exists() and not job.target.is_file():
            raise OutputError(f"{job.target}: it is there already and is no file; choose another place")
        if job.target.exists():
            check_new(job.target, force)
    if twice := [target for target, count in Counter(job.target for job in found).items() if count > 1]:
        raise OutputError(f"{twice[0]}: two {kind.name} would be written there; rename one of them")
    return found, notes


def _restore_array(model: Restoring, data: str, output: Path, wanted: Wanted, report: Report | None) -> Done:
    npy = Path(data).suffix.lower() == ".npy"
    if output.suffix.lower() != ".npy":
        raise SettingsError(f"{output}: arrays are written as .npy; give a name that ends so")
    refuse_overwriting(output, data)
    check_new(output, wanted.force)
    if wanted.missing_value is not None:
        if not npy:
            raise SettingsError(
                f"{data}: a missing value is looked for in pictures and .npy files; give one of these"
            )
        result = fill(model, open_npy(data), wanted.missing_value, data, wanted.effort, report)
    else:
        if npy:
            refuse_one_image(open_npy(data).shape)
        samples = open_samples(data, "test", report=report)
        mask = None if wanted.mask is None else read_mask(wanted.mask, samples.description.shape[:2])
        found = restore(model, samples, strength=wanted.strength, mask=mask, effort=wanted.effort, report=report)
        result = np.asarray(found)
    pixels = int(np.prod(result.shape[:3]))
    if npy and open_npy(data).ndim == 3 and result.shape[-1] == 1:
        result = result[..., 0]  # as it was given
    save_array(output, result, wanted.force)
    return Done(Path(data), pixels, samples=len(result))


def _restore(model: Restoring, job: Job, wanted: Wanted, folder: Path | None, report: Report | None) -> Done:
    picture = read_photo(job.source)
    extras = {name: data for name, data in picture.extras.items() if name != "mode"}
    pixels, lost = picture.pixels, picture.lost
    fitting(model, pixels[None])
    missing = wanted.missing(job.source, picture, folder)
    del picture  # large ones are held once
    level, strength = None, wanted.strength
    if strength is None and "level" in model.degradation.needs:
        level = strength = estimate(model, pixels)
    masks = None if missing is None else missing[None]
    out = restored(model, pixels[None], strength, masks, wanted.effort, report)[0]
    if out.shape[:2] != pixels.shape[:2]:
        extras, unplaced = resized(extras, pixels.shape[:2], out.shape[:2])
        lost = (*lost, *unplaced)
    del pixels
    extras, unfit = without_profile(extras, out.shape[2])
    content, more = _encoded(job.target.name, out, extras)
    if missing is not None and content.startswith(START_OF_JPEG):
        more = [*more, "what is known to the bit, for which JPEG is too coarse"]
    make_folder(job.target.parent)
    write_file(job.target, content, wanted.force)
    share = 0.0 if missing is None else float(missing.mean())
    return Done(job.source, out.shape[0] * out.shape[1], level=level, lost=(*lost, *unfit, *more), missing=share)


def _encoded(name: str, out: Array, extras: Mapping[str, bytes]) -> tuple[bytes, list[str]]:
    """The file of a result, and what belongs to the picture and is not in it. Colour is written with 8 bits."""
    lost = []
    if out.dtype == np.uint16 and out.shape[2] == 2:
        out = without_alpha(out, extras["clear"])
    elif out.dtype == np.uint16 and out.shape[2] > 1:
        out = (out >> 8).astype(np.uint8)
        lost = ["16 bits, of which colour keeps 8"]
    try:
        content, more = encode_photo(name, out, extras)
    except DataError:  # something of it is damaged
        sound = rehearsed(name, Picture(out, extras))
        content, more = encode_photo(name, out, sound.extras)[0], list(sound.lost)
    return content, [*lost, *more]


def _named(path: Path, kind: Kind) -> Path:
    """The name of a result: that of the file, but with the usual ending for formats that are not written."""
    return path if path.suffix.lower() in kind.written else path.with_suffix(kind.usual)


def _all_named(paths: Sequence[Path], kind: Kind) -> list[Path]:
    """The names of the results of a folder; the usual ending comes after the old one where that of another has the
    name."""
    taken = {path for path in paths if _named(path, kind) == path}
    results = []
    for path in paths:
        result = _named(path, kind)
        if result != path and result in taken:
            result = path.with_name(path.name + kind.usual)
        taken.add(result)
        results.append(result)
    return results
