"""The code as features: one row of numbers a sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from narrows.data.batches import runs
from narrows.data.samples import Samples
from narrows.errors import ModelError
from narrows.io.arrays import Ragged
from narrows.models.base import Model
from narrows.models.coded import Coded


def coded(model: Model) -> Coded:
    """The model, if it has an encoder; raises `ModelError` for one that does not."""
    if not isinstance(model, Coded):
        raise ModelError(
            f"a model to {model.specification.purpose} with network {model.specification.network} has no code; give "
            "one that reconstructs"
        )
    model.half("encoder")
    return model


def features(model: Coded, samples: Samples) -> npt.NDArray[np.float32]:
    """Codes as rows `(N, columns)`: the whole code, or where images differ in size each channel's mean.

    Raises `ModelError` where the samples do not fit the model or it has no encoder.
    """
    checked = model.fitting(samples)
    differing = isinstance(checked.values, Ragged) or model.description.varied
    rows = []
    for batch in runs(checked):
        code = model.encode(batch)
        assert isinstance(code, np.ndarray)
        rows.append(code.mean(axis=(2, 3)) if differing and code.ndim == 4 else code.reshape(len(code), -1))
    return np.concatenate(rows)
