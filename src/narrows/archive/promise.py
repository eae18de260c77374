"""What an archive promises about the samples that come back.

Next door: `index` stores it; the codecs keep it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Literal

from narrows.checks import whole
from narrows.errors import ArchiveError, SettingsError

Of = Literal["absolute", "range", "value"]
OFS: tuple[Of, ...] = ("absolute", "range", "value")  # part of the format: a file has the position in this list
MOST_WHOLE = (1 << 16) - 1  # of an error in two bytes


@dataclass(frozen=True)
class Promise:
    """Every value comes back within `max_error` (0: exactly), or samples are lossy at a `quality` of 1 to 100.

    The error is `absolute`, or a share `of` the `range` of the values or of each `value`; shares are below 1.
    """

    max_error: float | None = 0
    quality: int | None = None
    of: Of = "absolute"

    def __post_init__(self) -> None:
        if (self.max_error is None) == (self.quality is None):
            raise SettingsError("one of quality and max error must be given, and not both")
        if self.max_error is not None and not (math.isfinite(self.max_error) and self.max_error >= 0):
            raise SettingsError(f"max error {self.max_error} was given; finite numbers from 0 are allowed")
        if self.max_error is not None and self.of != "absolute" and self.max_error >= 1:
            raise SettingsError(
                f"an error of {self.max_error:.6g} times the {self.of} was given; shares below 1 (100%) are allowed"
            )
        if self.quality is not None:
            whole("quality", self.quality, 1, 100)

    def __str__(self) -> str:
        if self.quality is not None:
            return f"lossy, quality {self.quality}"
        if not self.max_error:
            return "exact, bit for bit"
        if self.of == "absolute":
            return f"every value within {self.max_error}"
        whose = "its own size" if self.of == "value" else "the range"
        return f"every value within {100 * self.max_error:.6g}% of {whose}"

    @property
    def part(self) -> Literal["exact", "lossy"]:
        """The one of a model's compact models that keeps this promise."""
        return "exact" if self.quality is None else "lossy"

    @property
    def steps(self) -> int:
        """The error of integers that are coded in the same steps everywhere: 0 where it is a share."""
        whole = self.max_error is not None and self.of == "absolute"
        return min(int(self.max_error or 0), MOST_WHOLE) if whole else 0

    def to_bytes(self) -> bytes:
        """Two, three or ten bytes: the kind of promise, then its number."""
        if self.quality is not None:
            return bytes([1, self.quality])
        assert self.max_error is not None
        if self.max_error == self.steps:
            return b"\0" + self.steps.to_bytes(2, "little")
        return bytes([2, OFS.index(self.of)]) + struct.pack("<d", self.max_error)

    @staticmethod
    def length(first: int) -> int:
        """How many bytes a promise has that begins with this one."""
        return {1: 2, 2: 10}.get(first, 3)

    @classmethod
    def from_bytes(cls, data: bytes) -> Promise:
        """The inverse; raises `ArchiveError`."""
        made = None
        try:
            if data[0] == 1 and len(data) == 2:
                made = cls(None, data[1])
            if data[0] == 0 and len(data) == 3:
                made = cls(int.from_bytes(data[1:], "little"))
            if data[0] == 2 and len(data) == 10:
                made = cls(struct.unpack("<d", data[2:])[0], None, OFS[data[1]])
        except (IndexError, SettingsError):
            pass
        if made is not None and made.to_bytes() == data:
            return made
        raise ArchiveError("the archive promises something that this narrows does not know; update narrows")


def bounded(max_error: float | str | None, relative_error: float | str | None = None) -> Promise:
    """The promise of an error as people write it: a number, or such as "1%" of the range; or `relative_error`, a
    share of each value. Raises `SettingsError` for anything else, and for both."""
    if relative_error is not None:
        if max_error is not None:
            raise SettingsError("of max error and relative error, choose one")
        return Promise(_number(relative_error, "relative error"), None, "value")
    share = isinstance(max_error, str) and max_error.strip().endswith("%")
    return Promise(
        _number(0 if max_error is None else max_error, "max error"), None, "range" if share else "absolute"
    )


def _number(given: float | str, name: str) -> float:
    words = str(given).strip()
    share = words.endswith("%")
    try:
        number = float(words.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise SettingsError(f"{name} {given} was given; numbers from 0 are allowed, and percentages such as 1%")
    number = number / 100 if share else number
    return int(number) if number == int(number) else number
