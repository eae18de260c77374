"""A sound file that is written through libsndfile, with the errors of the system as they are.

Next door: `soundfiles` and `sound_results` choose what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import soundfile


@contextmanager
def sound_output(
    file: IO[bytes], rate: int, channels: int, encoding: str, kind: str
) -> Iterator[soundfile.SoundFile]:
    """A sound to write numbers into. Raises OSError where the file cannot be written."""
    import soundfile

    kept = _Kept(file)
    try:
        with soundfile.SoundFile(cast(IO[bytes], kept), "w", rate, channels, encoding, format=kind) as sound:
            yield sound
    finally:
        if kept.error is not None:
            raise kept.error


class _Kept:
    """A file of which the first error is kept: libsndfile calls it, would have it printed, and knows no reason."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        return self._tried(self._file.write, data)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def seek(self, place: int, whence: int) -> int:
        return self._tried(self._file.seek, place, whence)

    def tell(self) -> int:
        return self._tried(self._file.tell)

    def _tried(self, call: Callable[..., int], *given: Any) -> int:
        try:
            return call(*given)
        except OSError as error:
            self.error = self.error or error
            return 0
