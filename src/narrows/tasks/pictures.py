"""Damaged pictures in files to restored ones: a file or a folder in, the same out, with ICC profile and EXIF kept.

Next door: `restore` does it to arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from narrows.errors import DataError, NarrowsError, OutputError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import make_folder, write_file
from narrows.io.images import list_images
from narrows.io.pictures import encode_photo, read_mask, read_picture
from narrows.models.restorer import Restoring
from narrows.tasks.missing import Mask, checked_mask, marked
from narrows.tasks.restore import Effort, estimate, fitting, restored

WRITTEN = frozenset({".png", ".tif", ".tiff", ".bmp", ".webp", ".jpg", ".jpeg"})


@dataclass(frozen=True)
class Job:
    """One picture to restore, and where to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Done:
    """What became of one: `level` is the noise that was estimated where none was given, `error` says why it was left
    out."""

    job: Job
    pixels: int = 0
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
            yield _restore(model, job, strength, holes or Holes(), effort)
        except OutputError:
            raise
        except NarrowsError as error:
            told = str(error) if str(job.source) in str(error) else f"{job.source}: {error}"
            if not skip_bad:
                raise type(error)(told) from None
            yield Done(job, error=told)


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
    return Done(job, out.shape[0] * out.shape[1], level)


def _named(path: Path) -> Path:
    """The name of a result: that of the picture, but PNG for formats of a few colours."""
    return path if path.suffix.lower() in WRITTEN else path.with_suffix(".png")
