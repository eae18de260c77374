"""A model with a code over a set of samples, next to PCA with equally many numbers.

Next door: `metrics` measures, `pictures` shows, `restored` does the same for models that restore.
"""

from __future__ import annotations

import math

from narrows.data.batches import runs, to_tensor
from narrows.data.samples import Samples
from narrows.evaluation.metrics import Score
from narrows.io.arrays import Array
from narrows.io.images import Report
from narrows.models.coded import Coded


def evaluate(model: Coded, samples: Samples | Array | list[Array], report: Report | None = None) -> Score:
    """Encode and decode every sample and measure what came back, in bounded memory; `report` is called with progress.

    Raises `ModelError` if the samples do not fit the model.
    """
    checked = model.fitting(samples)
    # The value range comes from training: a test set's own smallest and largest value say nothing.
    score = Score(model.specification.network, model.description)
    for batch in runs(checked):
        score.add(batch, model.reconstruct(batch))
        if report is not None:
            report("evaluating", score.samples, len(checked))
    return score


def linear(model: Coded, samples: Samples | Array | list[Array]) -> tuple[Score, ...]:
    """The linear optimum of the training samples on these samples, as it is and clipped to the value range; empty if
    the model has none."""
    optimum, description = model.optimum, model.description
    if optimum is None:
        return ()
    plain, clipped = Score(pca_name(model), description), Score("the same, clipped", description)
    for batch in runs(model.fitting(samples)):
        x = to_tensor(batch, description)
        y = optimum.reconstruct(x)
        for score, output in ((plain, y), (clipped, y.clamp(0, 1))):
            score.add_errors((output - x).double().square().flatten(1).sum(dim=1).numpy(), batch[0].size)
    return plain, clipped


def pca_name(model: Coded) -> str:
    """What the model is compared with, in words."""
    block = model.grid.block
    if block:
        code = model.specification.code
        return f"block KLT, {code} of {block**model.grid.axes * model.description.channels} numbers a block"
    return f"PCA, {math.prod(model.code_shape)} numbers"
