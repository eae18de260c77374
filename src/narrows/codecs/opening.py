"""Opening archives with narrows' own codecs, and finding the models that they need.

Next door: `block` is the codec; `archive` knows neither codecs nor models.
"""

from __future__ import annotations

import io
import os
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Union

from narrows.archive.archive import Archive
from narrows.archive.index import model_hash
from narrows.archive.reader import Given
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.errors import ModelError

if TYPE_CHECKING:
    from narrows.models.base import Model as AnyModel

Model = Union["AnyModel", str, "os.PathLike[str]", bytes]
"""A trained model, the path of its file, or the bytes of a compact model."""


def compact_models(model: Model) -> dict[str, bytes]:
    """The compact models that a model has, by promise: "exact" or "lossy"; compact bytes may be for either.

    Raises `ModelError` for a file that is not a model.
    """
    if isinstance(model, bytes):
        return {"exact": model, "lossy": model}
    if isinstance(model, (str, os.PathLike)):
        from narrows.models import shipped
        from narrows.models.loading import packed_of  # loads PyTorch

        path = shipped.located(model)
        return packed_of(model) if path is model else dict(_of_shipped(os.fspath(model), path))
    from narrows.models.lossy import Compressing

    return dict(model.packed) if isinstance(model, Compressing) else {}


@cache
def _of_shipped(name: str, path: Path) -> dict[str, bytes]:
    """The compact models of weights that come with the package and lie at `path`, read once."""
    from narrows.models.loading import packed_of

    return packed_of(name)


def find_given(given: Model | tuple[bytes, ...], wanted: bytes) -> bytes | None:
    """Among the compact models given, or those of a model, the one with this hash."""
    models = given if isinstance(given, tuple) else compact_models(given).values()
    for_decoding = (CompactModel.from_bytes(model).for_decoding().to_bytes() for model in models)
    return next((model for model in for_decoding if model_hash(model) == wanted), None)


def find_shipped(wanted: bytes) -> bytes | None:
    """Among the weights that come with the package, or came with an earlier release, the compact model with this
    hash. Raises `ModelError` for weights that are damaged."""
    from narrows.models import shipped

    earlier = shipped.kept(wanted)
    if earlier is not None:
        if model_hash(earlier) != wanted:
            raise ModelError("weights that came with an earlier narrows are damaged; install narrows again")
        return earlier
    found = (find_given(name, wanted) for name in shipped.coding().values())
    return next((model for model in found if model is not None), None)


def usual_models() -> dict[str, bytes]:
    """The compact models by promise that serve where no model is named: those of the weights for photographs. Raises
    `ModelError` for weights that are damaged."""
    from narrows.models import shipped

    return {promise: compact_models(name)[promise] for promise, name in shipped.coding().items()}


def shipped_name(compact: bytes) -> str | None:
    """The name of the weights that come with the package and have this compact model, if it is one of theirs."""
    from narrows.models import shipped

    wanted = model_hash(CompactModel.from_bytes(compact).for_decoding().to_bytes())
    return next((name for name in shipped.coding().values() if find_given(name, wanted) is not None), None)


def open_archive(file: Given | bytes, model: Model | None = None, threads: int | None = None) -> Archive:
    """Open an archive, a path, a binary file or its bytes, for reading.

    `model` is for archives that do not carry theirs: a model, its path or its compact bytes; those that were made
    with weights that come with the package need none. Blocks are decoded on `threads` threads, by default one per
    core. PyTorch is loaded for the first block that needs a model. Forked processes may all read an archive that was
    opened by its path, its bytes or a file on a disk; other file objects have one position for all of them. Raises
    `ArchiveError` for files that are not archives, damaged or newer, and at the first block if its model is missing.
    """
    file = io.BytesIO(file) if isinstance(file, (bytes, bytearray, memoryview)) else file
    if model is None:
        return Archive(file, BlockCodec, None, threads, find_shipped)
    # A file is read only if the archive needs it.
    given = model if isinstance(model, (str, os.PathLike)) else tuple(compact_models(model).values())
    return Archive(file, BlockCodec, partial(find_given, given), threads, find_shipped)
