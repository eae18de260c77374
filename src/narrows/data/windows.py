"""Long signals as windows: few long recordings are many samples to train on and to judge, in bounded memory. Next
door: `batches` draws shorter crops of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from narrows.data.samples import Samples
from narrows.io.arrays import Ragged

WINDOW = 1 << 14  # steps


def windows(samples: Samples, length: int = WINDOW) -> Samples:
    """Signals, each cut into pieces of `length` steps or, at its end, of up to twice as many; the values are not
    copied where they lie in one piece. Other samples, and signals that are all shorter, come as they are."""
    values, description = samples.values, samples.description
    if description.axes != 1:
        return samples
    own = values.shapes[:, 0] if isinstance(values, Ragged) else np.full(len(values), description.shape[0])
    counts = np.maximum(own // length, 1)
    if (counts == 1).all():
        return samples
    flat = values.flat if isinstance(values, Ragged) else values.reshape(-1)
    source = np.repeat(np.arange(len(own)), counts)  # of each window
    number = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    lengths = np.where(number == counts[source] - 1, own[source] - number * length, length)
    shapes = np.stack([lengths, np.full(len(lengths), description.channels)], axis=1)
    called = samples.names or tuple(f"sample {i}" for i in range(len(own)))
    names = tuple(f"{called[i]}, from step {n * length}" for i, n in zip(source, number, strict=True))
    described = replace(description, shape=(0, description.channels), count=len(source))
    note = f"long signals were cut into windows of {length} steps: {len(source)} in place of {len(own)}"
    return replace(
        samples,
        values=Ragged(flat, shapes),
        description=described,
        names=names,
        labels=None if samples.labels is None else samples.labels[source],
        notes=(*samples.notes, note),
    )
