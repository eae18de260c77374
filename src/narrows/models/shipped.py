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
CODING = {"lossy": "photo-compress", "exact": "photo-exact"}  # which serve where no model is named, by promise
RESTORING = {"denoise": "photo-denoise"}  # likewise, by purpose
KEPT: tuple[str, ...] = ()  # the first 32 digits of the SHA-256 of each compact model that a release had


def names() -> tuple[str, ...]:
    """The names of all weights that are there."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))


def coding() -> dict[str, str]:
    """The weights that are there and serve where no model is named, by promise: "lossy", "exact"."""
    return {promise: name for promise, name in CODING.items() if name in names()}


def restoring(purpose: str) -> str:
    """The weights that serve a purpose such as "denoise" where no model is named. Raises `ModelError` where none
    do."""
    name = RESTORING.get(purpose)
    if name is None or name not in names():
        raise ModelError(f"no weights to {purpose} come with narrows; give a model, trained with 'narrows train'")
    return name


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
