"""Rows without their noise, as a transformer of scikit-learn.

Next door: `autoencoder` makes short codes of rows; `imputer` fills in what is missing.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from narrows.degradations import Noise
from narrows.models.restorer import RestoringAutoencoder
from narrows.sklearn.learned import VALIDATION, Learned
from narrows.surroundings import own


class Denoiser(OneToOneFeatureMixin, TransformerMixin, Learned):  # type: ignore[misc]
    """Learns from clean rows `(N, D)` of numbers what rows look like, and takes noise out of others.

    `noise` is the standard deviation of the noise that is expected, 0 to 1, as a share of each column's range in
    `fit`, or of one range where one serves all columns, as it does pixels; in training it is added to the clean rows,
    anew in each step. The other settings are those of `Autoencoder`. Results lie within the range that their column
    had in `fit`.

    `fit` raises `SettingsError` (a ValueError) for settings out of range.
    """

    def __init__(
        self,
        noise: float = 0.1,
        *,
        code: int | None = None,
        network: str | None = None,
        width: int | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        device: str | None = "cpu",
        threads: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.noise = noise
        self.code = code
        self.network = network
        self.width = width
        self.epochs = epochs
        self.steps = steps
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Denoiser:
        """Learn from clean rows `X` `(N, D)`."""
        vectors = np.asarray(self._learn(X, VALIDATION, Noise(self.noise)).values, np.float64)
        self._lowest, self._highest = vectors.min(axis=0), vectors.max(axis=0)
        return self

    @own
    @torch.no_grad()
    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Rows `(N, D)` without their noise."""
        vectors = self._vectors(X)
        model = copy.deepcopy(self.model_).double().eval()
        assert isinstance(model, RestoringAutoencoder)
        level = torch.full((len(vectors),), float(self.noise), dtype=torch.float64, device=model.device)
        clean = model(torch.from_numpy(vectors).to(model.device), level).double().cpu().numpy()
        return self.rows_.decode(np.clip(clean, self._lowest, self._highest))
