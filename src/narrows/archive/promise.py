"""What an archive promises about the samples that come back.

Next door: `index` stores it; the codecs keep it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from narrows.errors import ArchiveError, SettingsError


@dataclass(frozen=True)
class Promise:
    """Every value comes back within `max_error` (0: exactly), or samples are lossy at a `quality` of 1 to 100."""

    max_error: int | None = 0
    quality: int | None = None

    def __post_init__(self) -> None:
        if (self.max_error is None) == (self.quality is None):
            raise SettingsError("one of quality and max error must be given, and not both")
        if self.max_error is not None and not 0 <= self.max_error < 1 << 16:
            raise SettingsError(f"max error {self.max_error} was given; whole numbers from 0 to 65535 are allowed")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SettingsError(f"quality {self.quality} was given; 1 to 100 are allowed")

    def __str__(self) -> str:
        if self.quality is not None:
            return f"lossy, quality {self.quality}"
        return f"every value within {self.max_error}" if self.max_error else "exact, bit for bit"

    @property
    def part(self) -> Literal["exact", "lossy"]:
        """The one of a model's compact models that keeps this promise."""
        return "exact" if self.quality is None else "lossy"

    def to_bytes(self) -> bytes:
        """Two or three bytes: the kind of promise, then its number."""
        if self.quality is not None:
            return bytes([1, self.quality])
        assert self.max_error is not None
        return b"\0" + self.max_error.to_bytes(2, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> Promise:
        """The inverse; raises `ArchiveError`."""
        try:
            if data[0] == 1 and len(data) == 2:
                return cls(None, data[1])
            if data[0] == 0 and len(data) == 3:
                return cls(int.from_bytes(data[1:], "little"))
        except (IndexError, SettingsError):
            pass
        raise ArchiveError("the archive promises something that this narrows does not know; update narrows")
