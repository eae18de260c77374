"""What the weights that come with narrows are trained on, and how: the queue, in order of value.

Every choice was made on a tenth of these images, which is held out; no test set was looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from narrows.degradations import Degradation, Jpeg, Missing, Noise, Smaller, combined
from narrows.models.base import Purpose
from narrows.training.settings import Settings

ENDLESS = 10_000_000  # steps; a training is stopped when its time is over


@dataclass(frozen=True)
class Part:
    """Every `every`th image of a folder, and the licence of its images; their sides divided by `smaller`, so that
    nothing is left of damage that they came with, every `halved`th once more by 2, and every `grey`th in grey."""

    folder: str
    licence: str
    every: int = 1
    smaller: int = 1
    halved: int | None = None
    grey: int | None = None


@dataclass(frozen=True)
class Recipe:
    """One of the weights: data, network and settings. `crop` is in pixels, `batch` counts crops; None leaves
    them to the network's own recipe. Large matrices are stored in so many `bits`: with 7, networks against noise, for
    single pixels or for x2 stay within 0.02 dB of their PSNR with 8, where that for holes of any kind loses 0.1."""

    name: str
    data: tuple[Part, ...]
    purpose: Purpose
    network: str | None = None
    degradation: Degradation | None = None
    crop: int | None = None
    batch: int | None = None
    seed: int = 0
    bits: int = 8

    def settings(self, device: str | None, threads: int) -> Settings:
        """The settings of its training."""
        return Settings(
            steps=ENDLESS,
            schedule="steady",
            validation=0.1,
            crop=self.crop,
            batch_size=self.batch,
            seed=self.seed,
            device=device,
            threads=threads,
        )


GENERAL, CLOTHES = ("photos/general", "CC BY-SA 4.0, CC0 and the like"), ("clothing/train", "CC0")

# The clothes are many and much alike; a sixth of them is a fair share. They have been JPEG files: what is to restore
# learns from them at half of their size.
PHOTOS = (Part(*GENERAL), Part(*CLOTHES, every=6))
PURE = (Part(*GENERAL), Part(*CLOTHES, every=6, smaller=2))
PARTLY_GREY = (Part(*GENERAL, grey=5), Part(*CLOTHES, every=6, smaller=2))
# Half of the photographs at half of their size, where there is more detail in a crop.
FINER = (Part(*GENERAL, halved=2), Part(*CLOTHES, every=6, smaller=2))
FINER_PARTLY_GREY = (Part(*GENERAL, halved=2, grey=5), Part(*CLOTHES, every=6, smaller=2))

# Half of the samples that are not both have noise, the others have been JPEG files.
NOISY = combined([Noise((0, 55 / 255), clip="some"), Jpeg((10, 95))], together=0.2)

QUEUE = (
    Recipe("photo-compress", PHOTOS, "compress", "pyramid"),
    Recipe("photo-exact", PARTLY_GREY, "exact", "residuals"),
    Recipe("photo-denoise", PARTLY_GREY, "denoise", degradation=NOISY, bits=7),
    Recipe(
        "photo-denoise-noise",
        FINER_PARTLY_GREY,
        "denoise",
        degradation=Noise((0, 55 / 255), clip="some"),
        bits=7,
    ),
    Recipe("photo-upscale-2", FINER, "upscale", degradation=Smaller(2), bits=7),
    Recipe("photo-inpaint", PURE, "inpaint", degradation=Missing((0.1, 0.9), "any")),
    Recipe("photo-inpaint-pixels", PURE, "inpaint", degradation=Missing((0.1, 0.9), "pixels"), bits=7),
    Recipe("photo-upscale-3", FINER, "upscale", degradation=Smaller(3)),
    Recipe("photo-upscale-4", FINER, "upscale", degradation=Smaller(4), bits=7),
)
