"""How a network is trained unless told otherwise. Next door: `build` and `compressors` have one for each network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a network is trained unless told otherwise; found by `benchmarks/`, see `results/`.

    Small sets get batches of a tenth of the set at most, and a least number of steps. `muon` is the rate of the
    orthogonalised steps that train hidden matrices, 0 to train all by Adam at `learning_rate`. `shift` moves
    small images by up to so many pixels; larger images are trained on by crops of `crop` pixels a side, `crops` of
    them a batch (0: as many as samples).
    """

    batch_size: int
    learning_rate: float
    epochs: float
    muon: float = 0.0
    shift: int = 0
    crop: int = 128
    crops: int = 0
