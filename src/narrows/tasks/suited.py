"""Samples as a model needs them: what a folder holds beside such pictures is left out or named, and equal pictures
are told.

Next door: `tables` opens samples for a model; `models.base` checks that they fit.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from narrows.checks import legible
from narrows.data.samples import Samples, from_arrays
from narrows.errors import ModelError
from narrows.io.arrays import Ragged, pack
from narrows.models.base import Model


def suited(model: Model, samples: Samples, skip_bad: bool = False) -> Samples:
    """Samples for a model of pictures in one size, or of grey ones: colour pictures that are grey throughout become
    grey. With `skip_bad`, pictures that do not fit are left out, and how many is noted.

    Raises `ModelError` naming the first that does not fit where others do, unless `skip_bad`.
    """
    given, own = samples.description, model.description
    if (given.axes, own.axes) != (2, 2):
        return samples
    values = samples.values
    if isinstance(values, Ragged) and not own.varied and not model.grid.step:
        size = f"{own.shape[1]}x{own.shape[0]} pixels"
        samples = _those(samples, (values.shapes[:, :2] == own.shape[:2]).all(axis=1), size, skip_bad)
    if (given.channels, own.channels) != (3, 1):
        return samples
    samples = _those(samples, np.array([(v[..., :1] == v).all() for v in samples.values]), "grey", skip_bad)
    values = samples.values
    if not all((image[..., :1] == image).all() for image in values):
        return samples
    grey = pack([image[..., :1] for image in values]) if isinstance(values, Ragged) else values[..., :1]
    return replace(samples, values=grey, description=replace(samples.description, shape=(*given.shape[:2], 1)))


def _those(samples: Samples, fits: npt.NDArray[np.bool_], what: str, skip_bad: bool) -> Samples:
    """The samples that fit; all where none do, or all."""
    if fits.all() or not fits.any():
        return samples
    odd = np.flatnonzero(~fits)
    first = samples.names[odd[0]] if samples.names is not None else f"sample {odd[0]}"
    words = f"{len(odd)} of {len(samples)} pictures are not {what}, as this model needs; the first: {legible(first)}"
    if not skip_bad:
        raise ModelError(f"{samples.source}: {words} (leave out such pictures with --skip-bad)")
    kept = samples.take(np.flatnonzero(fits))
    if isinstance(kept.values, Ragged):
        same = from_arrays(pack(list(kept.values)), samples.source)
        kept = replace(same, names=kept.names, labels=kept.labels)
    return replace(kept, notes=(*samples.notes, f"left out: {words}"))


def copies(samples: Samples) -> str:
    """What should be said of pictures in a folder that equal others; empty where none do."""
    if samples.names is None or samples.description.axes != 2:
        return ""
    seen: dict[bytes, int] = {}
    again: list[tuple[int, int]] = []
    for number, image in enumerate(samples.values):
        digest = hashlib.blake2b(image.tobytes(), digest_size=16)
        digest.update(repr(image.shape).encode())
        first = seen.setdefault(digest.digest(), number)
        if first != number:
            again.append((number, first))
    if not again:
        return ""
    one, other = (legible(samples.names[number]) for number in again[0])
    return (
        f"{len(again)} of {len(samples)} pictures equal others, the first: {one} is {other}; copies count several "
        "times in training, and results on those held out look better than they are"
    )
