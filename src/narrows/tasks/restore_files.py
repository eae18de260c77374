"""Damaged files to restored ones, by what the model is for.

Next door: `pictures`, `restore_sounds` and `restore_series` do it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from narrows.data.sources import listed_as_one
from narrows.errors import DataError, ModelError
from narrows.io.csv import is_table
from narrows.io.images import Report
from narrows.io.sound import is_sound
from narrows.models.base import Model
from narrows.tasks import pictures
from narrows.tasks.pictures import Done, Wanted
from narrows.tasks.restore_series import restore_series
from narrows.tasks.restore_sounds import restore_sounds


def restore_path(
    model: Model, data: str, output: Path, wanted: Wanted | None = None, report: Report | None = None
) -> Iterator[Done]:
    """Restore a picture, a sound, a folder of these, samples in an array or a named set, or a table whose rows follow
    in time, and write the results, each file whole or not at all; yields what became of each.

    Raises `ModelError`, `SettingsError`, `DataError` or `OutputError` for what does not fit or cannot be written;
    with `skip_bad`, files that do not fit are yielded with their error.
    """
    wanted = wanted or Wanted()
    if model.description.axes != 1:
        if _sounds(Path(data)):
            raise ModelError(
                f"{data}: sound was given to a model for {model.description.form}; train one on sounds, or give "
                "pictures"
            )
        yield from pictures.restore_path(model, data, output, wanted, report)
        return
    if not Path(data).exists():
        raise DataError(f"{data}: no such file or folder")
    if is_table(data):
        yield restore_series(model, Path(data), output, wanted)
        return
    yield from restore_sounds(wanted.check(model), data, output, wanted, report)


def sounds_need_a_model(data: str, task: str) -> None:
    """Raise `ModelError` for sounds, since no weights for these come with narrows."""
    if _sounds(Path(data)):
        raise ModelError(
            f"{data}: no weights for sound come with narrows; give a model with -m, trained on sounds with "
            f"'narrows train FOLDER --for {task} -o MODEL'"
        )


def _sounds(path: Path) -> bool:
    """Whether it is a sound, or a folder of them."""
    if path.is_dir():
        with suppress(DataError):
            return listed_as_one(path)[1]
        return False
    return is_sound(path)
