"""What was asked of an archive, and what became of it. Next door: `compress` writes the archive."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Literal

from narrows.archive.promise import Promise, bounded
from narrows.checks import brief, real
from narrows.codecs.block import Effort
from narrows.codecs.opening import Model
from narrows.errors import SettingsError

DEFAULT_QUALITY = 75


def check_missing(value: object, within: bool) -> None:
    """Raise `SettingsError` for a missing value that is no number, or where nothing comes back within an error."""
    if value is not None and not within:
        raise SettingsError(
            "a missing value was given, which takes a max error or relative error; without, all comes back exactly"
        )
    if value is not None and not isinstance(value, Real):
        raise SettingsError(f"missing value {brief(value)} was given; allowed is a number, also NaN")


@dataclass(frozen=True)
class Wanted:
    """What to promise and how to write: at most one of `quality` (1 to 100), `max_error` (a number, or such as "1%"
    of the range of an array, or of each column of one of vectors), `relative_error` (a share of each value),
    `target_bpp` (bits per pixel), `target_kbps` (kilobits per second of sound) and `target_psnr` (dB). With none, the
    quality is 75 if a model was given that can be lossy; else every bit is kept.

    Within an error, values that are not finite or equal `missing_value` come back exactly. Files of other kinds than
    `only_kind` ("images", "sounds", "arrays", "files"), if any is given, are left out. With the `effort` "fast",
    sounds and series that lose nothing, or stay within an error, are coded by FLAC, many times faster.
    """

    quality: int | None = None
    max_error: float | str | None = None
    relative_error: float | str | None = None
    missing_value: float | None = None
    target_bpp: float | None = None
    target_psnr: float | None = None
    target_kbps: float | None = None
    effort: Effort = "usual"
    block_samples: int | None = None
    embed_model: bool = True
    verify: bool = True
    strip: bool = False
    skip_bad: bool = False
    force: bool = False
    read_as: Literal["signals"] | None = None  # what arrays are, if not told by their shape
    only_kind: tuple[str, ...] = ()

    @property
    def qualities(self) -> tuple[float | None, ...]:
        """What says how good samples at a quality have to be."""
        return self.quality, self.target_bpp, self.target_psnr, self.target_kbps

    @property
    def has_target(self) -> bool:
        """Whether a quality is to be looked for."""
        return any(target is not None for target in (self.target_bpp, self.target_psnr, self.target_kbps))

    @property
    def may_lose(self) -> bool:
        """Whether samples at a quality were asked for."""
        return any(value is not None for value in self.qualities)

    def promise(self, model: Model | None, models: dict[str, bytes]) -> Promise:
        """The promise, before any target is met. Raises `SettingsError` for more than one, and for a quality or a
        target with a model that has no lossy part."""
        given = [self.max_error, self.relative_error, *self.qualities]
        if sum(value is not None for value in given) > 1:
            raise SettingsError("of quality, max error, relative error, target bpp, kbps and PSNR, choose one")
        within = self.max_error is not None or self.relative_error is not None
        check_missing(self.missing_value, within)
        if within:
            return bounded(self.max_error, self.relative_error)
        for name in ("target_bpp", "target_kbps", "target_psnr"):
            if getattr(self, name) is not None:
                real(name.replace("_", " "), getattr(self, name), 0, above=True)
        asked, lossy = self.may_lose, bool(models.get("lossy"))
        if asked and not lossy:
            raise SettingsError(
                f"a quality needs a model with a lossy part, and {_whose(model)}; train one with "
                "'narrows train --for compress', or use --max-error"
            )
        if not lossy or not (asked or model):
            return Promise(0)
        return Promise(None, DEFAULT_QUALITY if self.quality is None else self.quality)


@dataclass
class Compressed:
    """What was done, added up on the way.

    A model that was given is `unfit` where it was not trained for the promise; then it is not used.
    `input_bytes` are those of the files, `raw_bytes` those of the samples in them; `images` says whether they were
    nothing else. `shipped` names the weights that came with the package and were used. So many bytes are expected
    before work begins, where the archive may be larger than the files; `can_lose` says whether a quality could be
    asked for. So many bytes are of sounds that are to be coded slowly (`slow_bytes`). A model that is `unpaid` would
    have taken the first number of bytes and saved the second, and is not used. A target was `tried` on that many
    samples. `unknown` samples are not of a kind that the model knows, stored by general ways. So many files are the
    `same` as others and stored once, so many `kept` to the byte, of which some are JPEGs that cannot be read as
    pictures (`unread`). `others` are files of no kind that narrows reads, kept to the byte, too. Of sounds that are
    `short`, the header claims more than is there. Of arrays within an error, the `largest_error` is that in units of
    the promise. Files that are `bad` or `left_out` are not in the archive. What belongs to pictures and is `not_kept`
    is told in words, with the names of the files.
    """

    promise: Promise
    uses_model: bool
    shipped: str
    total_files: int
    total_bytes: int
    left_out: list[Path]
    tried: int = 0
    files: int = 0
    samples: int = 0
    input_bytes: int = 0
    raw_bytes: int = 0
    images: bool = True
    unknown: int = 0
    kept: int = 0
    same: int = 0
    unread: int = 0
    others: int = 0
    largest_error: float | None = None
    archive_bytes: int = 0
    model_bytes: int = 0
    expected_bytes: int = 0
    slow_bytes: int = 0
    can_lose: bool = True
    unpaid: tuple[int, int] | None = None
    unfit: bool = False
    bad: list[str] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    not_kept: dict[str, list[str]] = field(default_factory=dict)


Report = Callable[[Compressed, float, int], None]
"""Told of what is done so far, how many bytes of the files were read, and how many were written."""


def _whose(model: Model | None) -> str:
    if model is None:
        return "no model was given"
    return f"{os.fspath(model)} has none" if isinstance(model, (str, os.PathLike)) else "this one has none"
