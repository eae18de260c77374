"""The quality that meets a target on files: so many bits a pixel, kilobits a second, or decibels.

Next door: `compress` asks for it; `codecs.target` finds it on samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from narrows.codecs.target import quality_for
from narrows.errors import DataError, SettingsError
from narrows.io.arrays import Array
from narrows.tasks.compressed import Wanted
from narrows.tasks.inputs import Source, read

MOST_TRIED = 64  # of the samples


def met(sources: Sequence[Source], model: bytes, wanted: Wanted) -> tuple[int, int]:
    """The quality that meets the target, and on how many samples it was tried. Raises `DataError` where there are no
    samples, `SettingsError` where no quality meets it."""
    samples, rate = _some(sources)
    bits = wanted.target_bpp
    if wanted.target_kbps is not None:
        if not rate:
            raise SettingsError(
                f"{wanted.target_kbps:g} kilobits a second were asked for, and there is no sound; use --target-bpp"
            )
        bits = 1000 * wanted.target_kbps / rate
    return quality_for(model, samples, bits, wanted.target_psnr), len(samples)


def _some(sources: Sequence[Source]) -> tuple[list[Array], float]:
    """Samples out of some of the files, evenly picked, on which a target is tried; and the mean rate of sounds among
    them, 0 without."""
    samples: list[Array] = []
    steps = seconds = 0.0
    sources = [source for source in sources if source.kind != "files"]
    if not sources:
        raise DataError("a target was given, and no image or array on which it could be tried; use --max-error 0")
    for source in sources[:: -(-len(sources) // MOST_TRIED)]:
        content = read(source)
        samples += islice(content.samples, 0, None, -(-content.entry.count // MOST_TRIED))
        if content.sound is not None:
            steps, seconds = steps + content.sound.header.frames, seconds + content.sound.header.seconds
    return samples, steps / seconds if seconds else 0.0
