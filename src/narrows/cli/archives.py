"""What the commands for archives share: models, promises and sizes in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from narrows.archive.archive import Archive
    from narrows.archive.promise import Promise

DEFAULT_QUALITY = 75


def compact_models(path: Path | None) -> dict[str, bytes]:
    """The compact models of a model file, under "exact" and "lossy" where it has them; none without a file."""
    from narrows.codecs.opening import compact_models as of

    return {} if path is None else of(path)


def choose_promise(
    quality: int | None, max_error: int | None, models: dict[str, bytes], model: Path | None
) -> Promise:
    """What is asked for, or, where nothing is, quality 75 if the model can be lossy and else every bit.

    Raises `SettingsError` for both at once, and for a quality without a model that has a lossy part.
    """
    from narrows.archive.promise import Promise
    from narrows.errors import SettingsError

    if quality is None and max_error is None:
        return Promise(None, DEFAULT_QUALITY) if models.get("lossy") else Promise(0)
    if quality is not None and max_error is not None:
        raise SettingsError("--quality and --max-error were given; choose one")
    promise = Promise(max_error, quality)
    if quality is not None and not models.get("lossy"):
        given = f"{model} has none" if model else "no model was given"
        raise SettingsError(
            f"--quality needs a model with a lossy part, and {given}; train one with 'narrows train --for compress', "
            "or use --max-error"
        )
    return promise


@contextmanager
def opened(path: Path, model: Path | None) -> Iterator[Archive]:
    """An archive with the model that it needs; `model` is for archives that do not carry theirs.

    Raises `ArchiveError` for a damaged archive, `ModelError` where the model is missing or another one.
    """
    from narrows.codecs.opening import open_archive
    from narrows.errors import ArchiveError, ModelError

    with open_archive(path, model) as archive:
        try:
            archive.compact_model()  # now, and not at the first block
        except ArchiveError as error:
            if model is None and archive.sizes.model:
                raise
            raise ModelError(str(error)) from None
        yield archive


def is_archive(path: Path) -> bool:
    """Whether the file begins as an archive does; False where it cannot be read."""
    from narrows.archive.index import HEAD

    try:
        with path.open("rb") as file:
            return file.read(4) == HEAD[:4]
    except OSError:
        return False


def part_of(promise: Promise) -> str:
    """Which of a model's compact models keeps this promise."""
    return "exact" if promise.quality is None else "lossy"


def words(promise: Promise) -> str:
    """A promise as a person would say it."""
    if promise.quality is not None:
        return f"lossy, quality {promise.quality}"
    return f"every value within {promise.max_error}" if promise.max_error else "exact, bit for bit"


def size(count: float) -> str:
    """Bytes in words: 999 bytes, 12.3 kB, 4.56 MB."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5 or unit == "TB":
            break
    return f"{count:.3g} {unit}"


def files(count: int) -> str:
    """1 file, 2 files."""
    return f"{count} file{'s' * (count != 1)}"


def ratio(raw: int, small: int) -> str:
    """How many times smaller, as `4.12 : 1`."""
    return f"{raw / max(1, small):.3g} : 1"
