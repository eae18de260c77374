"""The weights that come with the package, by name and by what they are for.

An archive names the one that it was made with by its hash and does not carry it. So a weight that was ever in a
release stays in every later one: `KEPT` lists their hashes, and a test holds that each is found.
Next door: `loading` reads model files; `recipes/` has how each was trained.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from narrows.errors import ModelError

FOLDER = Path(__file__).parent.parent / "weights"
SUFFIX = ".safetensors"
USUAL = {"lossy": "photo-compress"}  # which of them serves where no model is named, by promise or purpose
KEPT: tuple[str, ...] = ()  # the first 32 digits of the SHA-256 of each compact model that a release had


def names() -> tuple[str, ...]:
    """The names of all weights that are there."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))


def usual(purpose: str) -> str | None:
    """The weights that serve a promise ("lossy", "exact") or a purpose where no model is named, if there are any."""
    name = USUAL.get(purpose)
    return name if name in names() else None


def path_of(name: str) -> Path:
    """The file of a name; raises `ModelError` for weights that are not there."""
    if name not in names():
        raise ModelError(f"{name}: no such weights come with narrows; there are {', '.join(names()) or 'none'}")
    return FOLDER / f"{name}{SUFFIX}"


def located(given: Any) -> Any:
    """A path or file as it was given, unless it is the name of weights that come with the package and no such file
    exists."""
    if isinstance(given, (str, os.PathLike)) and os.fspath(given) in names() and not Path(given).exists():
        return path_of(os.fspath(given))
    return given
