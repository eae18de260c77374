"""The weights that come with the package, by name and by what they are for.

An archive names the one that it was made with by its hash and does not carry it. So what decoding needs of a weight
that was ever in a release stays in every later one, in `weights/kept/`: `KEPT` lists their hashes, and a test holds
that each is found.
Next door: `loading` reads model files; `recipes/` has how each was trained.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from narrows.errors import ModelError

FOLDER = Path(__file__).parent.parent / "weights"
SUFFIX = ".safetensors"
CODING = {"lossy": "photo-compress", "exact": "photo-exact"}  # which serve where no model is named, by promise
RESTORING = {  # likewise, by purpose and how many times larger the result is
    ("denoise", 1): "photo-denoise",
    ("inpaint", 1): "photo-inpaint",
    ("upscale", 2): "photo-upscale-2",
    ("upscale", 3): "photo-upscale-3",
    ("upscale", 4): "photo-upscale-4",
}
SPECIALISTS = {  # which serve better where there is one kind of damage
    "photo-denoise": "photo-denoise-noise",
    "photo-inpaint": "photo-inpaint-pixels",
}
# The first 32 digits of the SHA-256 of each compact model that a release had: photo-compress and photo-exact in 0.1.
KEPT = ("8d3e270b4a42d0cd336e9bcdda6ab6be", "8bd8c97b45ee3a164b739b8e0c6e09a0")


def names() -> tuple[str, ...]:
    """The names of all weights that are there."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))


def coding() -> dict[str, str]:
    """The weights that are there and serve where no model is named, by promise: "lossy", "exact"."""
    return {promise: name for promise, name in CODING.items() if name in names()}


def restoring(purpose: str, scale: int | None = None) -> str:
    """The weights that serve a purpose such as "upscale" where no model is named, for this `scale` if there is one,
    else for the smallest. Raises `ModelError` where none do."""
    there = {k: name for (task, k), name in RESTORING.items() if task == purpose and name in names()}
    if not there:
        raise ModelError(f"no weights to {purpose} come with narrows; give a model, trained with 'narrows train'")
    wanted = min(there) if scale is None else scale
    if wanted not in there:
        scales = ", ".join(map(str, there))
        raise ModelError(
            f"scale {wanted} was given; the weights that come with narrows have {scales}: choose one of these, or "
            f"give a model that was trained with --scale {wanted}"
        )
    return there[wanted]


def specialist(name: str) -> str | None:
    """The weights that are there and serve better than those of this name where there is one kind of damage: noise,
    or single pixels that are missing."""
    better = SPECIALISTS.get(name)
    return better if better in names() else None


def beginning(purpose: str, scale: int = 1) -> str | None:
    """The weights that are there and that a training for this purpose may begin at; None where there are none."""
    coded = {"compress": CODING["lossy"], "exact": CODING["exact"]}
    name = coded.get(purpose) or RESTORING.get((purpose, scale))
    return name if name in names() else None


def path_of(name: str) -> Path:
    """The file of a name; raises `ModelError` for weights that are not there."""
    if name not in names():
        raise ModelError(f"{name}: no such weights come with narrows; there are {', '.join(names()) or 'none'}")
    return FOLDER / f"{name}{SUFFIX}"


def kept(wanted: bytes) -> bytes | None:
    """The compact model with this hash of weights that were in an earlier release, and are others now."""
    path = FOLDER / "kept" / f"{wanted.hex()}.compact"
    return path.read_bytes() if path.exists() else None


def check_name(given: Any) -> None:
    """Raise `ModelError` for what is no file and almost the name of weights that come with the package."""
    if isinstance(given, (str, os.PathLike)) and not Path(given).exists():
        for name in difflib.get_close_matches(os.fspath(given), names(), 1, 0.8):
            raise ModelError(f"{os.fspath(given)}: no such file, and no weights of that name; did you mean {name}?")


def located(given: Any) -> Any:
    """A path or file as it was given, unless it is the name of weights that come with the package and no such file
    exists."""
    if isinstance(given, (str, os.PathLike)) and os.fspath(given) in names() and not Path(given).exists():
        return path_of(os.fspath(given))
    return given
