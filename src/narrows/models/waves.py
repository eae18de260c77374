"""How models of signals that compress at a quality are built, and where they start.

Next door: `makers` does the same for images and vectors; `catalogue` has a row for each network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from narrows.data.batches import Indices, chunks
from narrows.data.samples import Samples
from narrows.entropy.gaussians import CHOICE
from narrows.errors import SettingsError
from narrows.models.base import Beginning, Grid, Recipe
from narrows.models.coded import Coded
from narrows.models.lossy import Lossy
from narrows.models.makers import Request
from narrows.networks import lapped
from narrows.networks.bands import WIDTH, Bands
from narrows.networks.loudness import loudness

BLOCKS = 8, 4096  # the fewest and the most steps of a block
HEARING = 0.4  # the power of the usual level by which an error at a frequency counts less, with `hearing`
CROP = 24  # blocks of a training crop
STARTING_VALUES = 1 << 22  # of samples that decide scales


@dataclass(frozen=True)
class LappedStart:
    """Start at the MDCT, with scales as training samples have them."""

    prior: Bands

    def __call__(self, model: Coded, samples: Samples, training: Indices, beginning: Beginning) -> None:
        if beginning.start != "pca":
            return
        most = max(1, STARTING_VALUES // samples.description.values_in(beginning.crop))
        few = training[np.linspace(0, len(training) - 1, min(most, len(training))).astype(np.int64)]
        x = next(chunks(samples, few, beginning.crop))
        x = model.pad(loudness(x).normal(x))
        lapped.start(model.encoder, model.decoder, self.prior, x, HEARING * model.specification.hearing)


def waves(request: Request, recipe: Recipe) -> Lossy:
    """Lossy coding of signals by a transform of overlapping blocks."""
    description = request.description
    block = request.fold or usual_block(description.rate)
    if block % 2 or not BLOCKS[0] <= block <= BLOCKS[1]:
        raise SettingsError(f"blocks of {block} steps were asked for; allowed are even numbers from 8 to 4096")
    code = block * description.channels
    if request.code not in (None, code):
        raise SettingsError(
            f"a code of {request.code} was given; {request.network} has {code} channels here; leave it out"
        )
    width = request.chosen_width("width for lossy coding", lapped.WIDTH, 16, 512)
    with request.random_weights():
        encoder = lapped.Analysis(description.channels, block, width)
        decoder = lapped.Synthesis(description.channels, block, width)
        prior = Bands(code, int(WIDTH * request.stretch) // 4 * 4, 0.0 if request.hearing else CHOICE)
    grid, specification = Grid(block, 0, 0, 1, axes=1), request.specified(code, width, block)
    recipe = replace(recipe, crop=CROP * block)
    return Lossy(encoder, decoder, prior, specification, description, grid, recipe, LappedStart(prior))


def usual_block(rate: float) -> int:
    """The steps of a block that suit a rate: of sound those that last 24 ms, in multiples of 32."""
    return max(lapped.BLOCK, 32 * round(rate * lapped.BLOCK_SECONDS / 32))
