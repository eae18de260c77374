"""What the weights that come with narrows are trained on, and how: the queue, in order of value.

Every choice was made on a tenth of these images, which is held out; no test set was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from narrows.degradations.base import Degradation
from narrows.models.base import Purpose
from narrows.training.settings import Settings

ENDLESS = 10_000_000  # steps; a training is stopped when its time is over


@dataclass(frozen=True)
class Part:
    """Every `every`th image of a folder, and the licence of its images."""

    folder: str
    licence: str
    every: int = 1


@dataclass(frozen=True)
class Recipe:
    """One of the weights: data, network and settings. `crop` is in pixels, `batch` counts crops; None leaves
    them to the network's own recipe."""

    name: str
    data: tuple[Part, ...]
    purpose: Purpose
    network: str | None = None
    degradation: Degradation | None = None
    crop: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    seed: int = 0

    def settings(self, device: str | None, threads: int) -> Settings:
        """The settings of its training."""
        return Settings(
            steps=ENDLESS,
            schedule="steady",
            validation=0.1,
            crop=self.crop,
            batch_size=self.batch,
            learning_rate=self.learning_rate,
            seed=self.seed,
            device=device,
            threads=threads,
        )


# The clothes are many and much alike, and have been JPEG files; a sixth of them is a fair share.
PHOTOS = (
    Part("photos/general", "CC BY-SA 4.0, CC0 and the like"),
    Part("clothing/train", "CC0", 6),
)

# At the network's usual rate, 1.5e-3, the loss left its course for good after 7,000 steps of one hour.
QUEUE = (Recipe("photo-compress", PHOTOS, "compress", "pyramid", learning_rate=7e-4),)
