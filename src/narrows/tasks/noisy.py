"""Whether training samples are clean. Next door: `train` tells it to whoever trains."""

from __future__ import annotations

import numpy as np

from narrows.data.batches import to_tensor
from narrows.data.samples import Samples
from narrows.degradations import Cells
from narrows.degradations.base import Degradation
from narrows.degradations.level import deviation

NOISY = 0.025  # the level of noise from which samples are no clean ones; photographs have a fifth of that
LOOKED_AT, SIDE, LEAST_SIDE = 16, 256, 32  # samples, and pixels a side of each, in which noise is looked for


def noisy(samples: Samples, degradation: Degradation | None) -> list[str]:
    """A note where samples that a model is to learn to restore are noisy themselves."""
    if degradation is None or samples.description.axes != 2 or isinstance(degradation, Cells):
        return []
    levels = []
    for number in np.linspace(0, len(samples) - 1, min(LOOKED_AT, len(samples))).astype(int):
        image = np.asarray(samples.values[int(number)])[:SIDE, :SIDE]
        if min(image.shape[:2]) < LEAST_SIDE:  # there every detail is like noise
            return []
        x = to_tensor(image[None], samples.description)[0].double().numpy()
        levels.append(deviation(x[: len(x) - samples.description.alpha]))
    level = float(np.median(levels))
    if level < NOISY:
        return []
    return [
        f"the samples seem noisy themselves, at a level of about {level:.2f}: a model learns to give that noise "
        "back; train on clean ones where there are any"
    ]
