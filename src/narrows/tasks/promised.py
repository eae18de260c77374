"""What an archive promises, and with which models: the choice that is made before anything is coded.

Next door: `compress` writes the archive; `codecs.target` finds a quality.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import islice

from narrows.archive.promise import Promise
from narrows.codecs.opening import Model, compact_models, usual_models
from narrows.codecs.target import quality_for
from narrows.errors import DataError, SettingsError
from narrows.io.arrays import Array
from narrows.tasks.compressed import Wanted
from narrows.tasks.inputs import Source, read

LEAST_PICTURE = 8192  # bytes of a file for which the weights for exact photographs are loaded
KEPT = (".jpg", ".jpeg")  # endings of files that are kept to the byte in most cases
MOST_TRIED = 64  # of the samples, for a target


def promised(
    wanted: Wanted, model: Model | None, sources: Sequence[Source]
) -> tuple[Promise, Mapping[str, bytes], int, bool]:
    """The promise, the compact models by what they keep, on how many samples a target was tried, and whether the
    model that was given cannot keep the promise.

    Raises `SettingsError` for what excludes each other, for a model that cannot compress, and for a target that
    cannot be met.
    """
    usual = usual_models() if model is None and (wanted.may_lose or any(map(_large_picture, sources))) else {}
    models = usual if model is None else compact_models(model)
    if model is not None and not models:
        named = os.fspath(model) if isinstance(model, (str, os.PathLike)) else "the model"
        raise SettingsError(f"{named}: not trained to compress; train one with --for compress, or leave it out")
    kinds = {source.kind for source in sources}
    if model is None and (wanted.target_kbps is not None or (wanted.may_lose and kinds <= {"sounds", "files"})):
        what = "a quality was" if wanted.target_kbps is None else "kilobits a second were"
        raise SettingsError(
            f"{what} asked for without a model of sounds; train one with 'narrows train FOLDER --for compress' and "
            "give it with -m, or leave that out, and they are kept exactly"
        )
    promise, tried = wanted.promise(model, models), 0
    unfit = model is not None and promise.part not in models
    if unfit:
        models = {**models, **{part: own for part, own in usual_models().items() if part == promise.part}}
    if wanted.has_target:
        samples, rate = _some(sources)
        tried, bits = len(samples), wanted.target_bpp
        if wanted.target_kbps is not None:
            if not rate:
                raise SettingsError("kilobits a second were asked for, and no sound has a rate; use --target-bpp")
            bits = 1000 * wanted.target_kbps / rate
        promise = Promise(None, quality_for(models["lossy"], samples, bits, wanted.target_psnr))
    return promise, models, tried, unfit


def _large_picture(source: Source) -> bool:
    """Whether weights for photographs may make a file smaller: not for arrays, small drawings and JPEG files, which
    need no PyTorch either."""
    return source.kind == "images" and source.size >= LEAST_PICTURE and source.path.suffix.lower() not in KEPT


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
