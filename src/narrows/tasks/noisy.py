"""Whether training samples are clean, and learning from those that are not.

Next door: `train` tells it to whoever trains; `degradations.noise` makes pairs of noisy samples.
"""

from __future__ import annotations

import numpy as np

from narrows.data.batches import to_tensor
from narrows.data.samples import Samples
from narrows.degradations import Cells, Noise
from narrows.degradations.base import Degradation
from narrows.degradations.level import deviation
from narrows.errors import SettingsError

LITTLE = 0.005  # a level of noise below which there is nothing to learn
NOISY = 0.025  # the level of noise from which samples are no clean ones; photographs have a fifth of that
LOOKED_AT, SIDE, LEAST_SIDE = 16, 256, 32  # samples, and pixels a side of each, in which noise is looked for


def noisy(samples: Samples, degradation: Degradation | None) -> list[str]:
    """A note where samples that a model is to learn to restore are noisy themselves."""
    if degradation is None or isinstance(degradation, Cells) or samples.description.axes == 1:
        return []
    if isinstance(degradation, Noise) and degradation.own:
        return [
            f"learns from noisy samples alone, whose noise has a level of about {degradation.own:.3f}; errors that "
            "are told while it trains count that noise too"
        ]
    levels = _levels(samples)
    level = float(np.median(levels)) if levels else 0.0
    if level < NOISY:
        return []
    return [
        f"the samples seem noisy themselves, at a level of about {level:.2f}: a model learns to give that noise "
        "back; train on clean ones where there are any, else with --for denoise --noisy-samples"
    ]


def own_noise(samples: Samples) -> Noise:
    """The degradation by which a model learns to denoise from noisy samples alone; their level is estimated.

    Raises `SettingsError` where the samples are no images of 32 pixels a side or more, or have no noise to speak of.
    """
    levels = _levels(samples)
    if not levels:
        raise SettingsError(
            f"noisy samples were said, but {samples.source} has {samples.description.form}; to find their noise, "
            f"images of {LEAST_SIDE} pixels a side or more are needed"
        )
    level = float(np.median(levels))
    if level < LITTLE:
        raise SettingsError(
            f"noisy samples were said, but {samples.source} has a level of noise of {level:.3f}, less than {LITTLE}; "
            "train without it"
        )
    return Noise(own=level)


def _levels(samples: Samples) -> list[float]:
    """The level of noise in some of the samples; none where they are no images, or too small."""
    levels: list[float] = []
    if samples.description.axes != 2:
        return levels
    for number in np.linspace(0, len(samples) - 1, min(LOOKED_AT, len(samples))).astype(int):
        image = np.asarray(samples.values[int(number)])[:SIDE, :SIDE]
        if min(image.shape[:2]) < LEAST_SIDE:  # there every detail is like noise
            return []
        x = to_tensor(image[None], samples.description)[0].double().numpy()
        levels.append(deviation(x[: len(x) - samples.description.alpha]))
    return levels
