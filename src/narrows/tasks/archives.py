"""Files and folders to an archive and back in one call: `narrows.compress` and `narrows.decompress`.

Next door: `compress` and `decompress` do the work; `codec` does the same with arrays in memory.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from narrows.codecs.opening import Model
from narrows.errors import SettingsError
from narrows.surroundings import own
from narrows.tasks.compress import compress as written
from narrows.tasks.compressed import Compressed, Wanted
from narrows.tasks.decompress import Decompressed
from narrows.tasks.decompress import decompress as read

PathLike = str | os.PathLike[str]


@own
def compress(
    inputs: PathLike | Sequence[PathLike], output: PathLike, model: Model | None = None, **wanted: Any
) -> Compressed:
    """Put files, and folders with their tree, into one archive, as the command of that name does.

    `model` is a model trained with `--for compress`, its path, or the name of weights that come with the package;
    without one, photographs have one. `wanted` are the fields of `tasks.compressed.Wanted`: at most one of `quality`
    (1 to 100), `max_error`, `relative_error`, `target_bpp`, `target_kbps` and `target_psnr`, and `missing_value`,
    `effort`, `block_samples`, `embed_model`, `verify`, `strip`, `only_kind`, `skip_bad`, `force`.

    Raises `DataError` for files that cannot be read, `SettingsError` for what excludes each other, `OutputError`
    where the archive cannot be written, or is there already.

        done = narrows.compress("photos/", "photos.narrows", quality=80)
        print(done.files, done.archive_bytes)
    """
    fields = Wanted.__dataclass_fields__
    if unknown := sorted(set(wanted) - set(fields)):
        raise SettingsError(f"{unknown[0]} was given; allowed are {', '.join(sorted(fields))}")
    several = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    return written([Path(given) for given in several], Path(output), model, Wanted(**wanted))


@own
def decompress(
    archive: PathLike,
    output: PathLike,
    model: Model | None = None,
    *,
    only: str | Sequence[str] = (),
    format: str | None = None,  # as the option is called
    force: bool = False,
    keep_going: bool = False,
) -> Decompressed:
    """Write the files of an archive, or those named in `only`, into a folder, as the command of that name does.

    With a `format`, "jpeg", "webp" or "png", pictures that are not kept to the byte are written so. Raises
    `ArchiveError` for damage, unless `keep_going`, `ModelError` where a model is missing, and `OutputError` where
    something is there already, unless `force`.
    """
    return read(Path(archive), Path(output), model, only=only, force=force, keep_going=keep_going, format=format)
