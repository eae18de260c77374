"""Rows to short codes and back, as a transformer of scikit-learn.

Next door: `outliers` tells odd rows by such codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from narrows.sklearn.learned import VALIDATION, Learned


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Learned):  # type: ignore[misc]
    """Learns a code of `code` numbers for rows `(N, D)`; None: half as many as columns, at most 32.

    `transform` gives codes `(N, code)`, `inverse_transform` rows again. It starts at PCA and only improves on it. The
    rows are numbers without gaps, or a pandas data frame whose words count as categories. `network` is the name of
    one for vectors (None: the usual one), `width` the size of its hidden layers, `epochs` or `steps` the budget
    (None: 20 epochs, at least 1000 steps). The same `random_state` gives the same codes on one machine. `model_` is
    the network, which `save` and `narrows.load` keep; `rows_` says how columns become values in 0..1.

    `fit` raises `SettingsError` (a ValueError) for settings out of range.
    """

    def __init__(
        self,
        code: int | None = None,
        *,
        network: str | None = None,
        width: int | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        device: str | None = "cpu",
        threads: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.code = code
        self.network = network
        self.width = width
        self.epochs = epochs
        self.steps = steps
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Autoencoder:
        """Learn from `X` `(N, D)`."""
        self._learn(X, VALIDATION)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Autoencoder:
        """Learn from one more part of the data: `steps` steps, or one pass over it. The first call decides what is
        between 0 and 1, so it should have rows of every kind; categories that it lacks are not learned."""
        if hasattr(self, "model_"):
            self._go_on(X)
        else:
            self.fit(X)
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Codes `(N, code)`."""
        return self._coded(self._vectors(X))

    def inverse_transform(self, X: Any) -> npt.NDArray[Any]:
        """Rows `(N, D)` of codes `(N, code)`; words where they were words."""
        vectors = self._decoded(self._codes_given(X))
        return self.rows_.decode(vectors)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean squared error of rows through the code and back, their columns scaled to 0..1; the higher
        the better."""
        vectors = self._vectors(X)
        return -float(np.square(self._decoded(self._coded(vectors)) - vectors).mean())

    @property
    def _n_features_out(self) -> int:
        check_is_fitted(self)
        return self.model_.specification.code
