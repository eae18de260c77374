"""The code as features: one row of numbers a sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from narrows.data.samples import Samples
from narrows.evaluation.report import batches
from narrows.io.arrays import Ragged
from narrows.models.autoencoder import Autoencoder


def features(model: Autoencoder, samples: Samples) -> npt.NDArray[np.float32]:
    """Codes as rows `(N, columns)`: the whole code, or where images differ in size each channel's mean.

    Raises `ModelError` where the samples do not fit the model or it has no encoder.
    """
    checked = model.fitting(samples)
    differing = isinstance(checked.values, Ragged) or model.description.varied
    rows = []
    for batch in batches(checked):
        code = model.encode(batch)
        assert isinstance(code, np.ndarray)
        rows.append(code.mean(axis=(2, 3)) if differing and code.ndim == 4 else code.reshape(len(code), -1))
    return np.concatenate(rows)
