"""Sounds on a disk that is full: the reason is told, and nothing is printed beside it."""

from __future__ import annotations

import errno
import io

import numpy as np
import pytest

from narrows.io.sound_output import sound_output


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        if self.tell() > 2000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_a_full_disk_is_told_once_and_as_what_it_is(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(-9999, 9999, 90_000).astype(np.int16)

    def write() -> None:
        with sound_output(FullDisk(), 8000, 1, "PCM_16", kind) as sound:
            for part in np.split(noise, 3):
                sound.write(part)

    with pytest.raises(OSError, match="No space left"):
        write()
    assert capfd.readouterr() == ("", "")
