"""What the estimators that learn an autoencoder of rows share.

Next door: `rows` makes vectors of rows; `autoencoder` and `outliers` are the estimators.
"""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, check_random_state

from narrows.data.samples import Samples, from_arrays
from narrows.degradations import Degradation
from narrows.errors import DataError, SettingsError
from narrows.models.catalogue import build
from narrows.models.coded import Coded
from narrows.models.loading import begin_from
from narrows.sklearn.given import checked
from narrows.sklearn.rows import Rows, rows_of
from narrows.surroundings import own
from narrows.tasks.train import fit
from narrows.training.settings import Settings

Doubles = npt.NDArray[np.float64]
VALIDATION = 0.05  # of the rows, which decide the weights that are kept
CODE_MOST = 32  # numbers of a code, where nobody says how many


class Learned(BaseEstimator):  # type: ignore[misc]
    """An estimator with an autoencoder of rows."""

    code: int | None
    network: str | None
    width: int | None
    epochs: float | None
    steps: int | None
    device: str | None
    threads: int | None
    random_state: Any

    _least = 1  # rows that are needed
    _bent = False  # whether numbers are scaled so that those far off leave room for the others

    def _learn(self, X: Any, validation: float, degradation: Degradation | None = None) -> Samples:
        """Fit an autoencoder to data, or a model that undoes a degradation of them; returns its samples."""
        data = checked(self, X, True, self._least)
        self.rows_: Rows = rows_of(data, self._bent)
        samples = self._samples(data)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        most = samples.description.values
        if self.code is not None and isinstance(self.code, Integral) and self.code > most:
            raise SettingsError(
                f"a code of {self.code} numbers was given for n_features = {self.n_features_in_}, which make {most} "
                "values; give at most as many"
            )
        code = max(1, min(CODE_MOST, most // 2)) if self.code is None else self.code
        model = build(samples.description, self.network, code, self.width, self.seed_, degradation=degradation)
        assert isinstance(model, Coded)  # all networks for vectors are
        self._train(model, samples, validation, self.epochs, self.steps)
        return samples

    def _samples(self, data: Any) -> Samples:
        """Checked data as samples."""
        vectors = self.rows_.encode(data)
        samples = from_arrays(np.concatenate([vectors, np.zeros_like(vectors[:1]), np.ones_like(vectors[:1])]))
        return samples.take(np.arange(len(vectors)))

    def _train(
        self, model: Coded, samples: Samples, validation: float, epochs: float | None, steps: int | None
    ) -> None:
        settings = Settings(
            epochs=epochs,
            steps=steps,
            seed=self.seed_,
            device=self.device,
            threads=self.threads,
            validation=validation if len(samples) * validation >= 1 else 0.0,
        )
        for _ in fit(model, samples, settings):
            pass
        self.model_: Coded = model

    def _go_on(self, X: Any) -> None:
        """Train on more data from where the weights are, in one epoch or `steps`."""
        samples = self._samples(checked(self, X, reset=False))
        model = build(self.model_.description, self.network, self.model_.specification.code, self.width, self.seed_)
        assert isinstance(model, Coded)
        begin_from(model, self.model_)
        model.attachments = dict(self.model_.attachments)
        self._train(model, samples, 0.0, None if self.steps else 1.0, self.steps)

    @own
    @torch.no_grad()
    def _coded(self, vectors: Doubles) -> Doubles:
        """Codes `(N, K)` of vectors `(N, W)`, in double precision, so that they do not depend on what is coded
        together."""
        encoder = copy.deepcopy(self.model_.part("encoder")).double().eval()
        found: Doubles = encoder(torch.from_numpy(vectors).to(self.model_.device)).cpu().numpy()
        return found

    @own
    @torch.no_grad()
    def _decoded(self, codes: Doubles) -> Doubles:
        """Vectors `(N, W)` of codes `(N, K)`."""
        decoder = copy.deepcopy(self.model_.part("decoder")).double().eval()
        found: Doubles = decoder(torch.from_numpy(codes).to(self.model_.device)).cpu().numpy()
        return found

    def _vectors(self, X: Any) -> Doubles:
        """Data to be coded, as vectors `(N, W)`."""
        check_is_fitted(self)
        return self.rows_.encode(checked(self, X, reset=False)).astype(np.float64)

    def _codes_given(self, codes: Any) -> Doubles:
        check_is_fitted(self)
        given, numbers = np.array(codes, np.float64), self.model_.specification.code
        if given.ndim != 2 or given.shape[1] != numbers:
            raise DataError(f"codes of shape {given.shape} were given; (N, {numbers}) is needed")
        if not np.isfinite(given).all():
            raise DataError("NaN or infinity in the codes; every number must be finite")
        return given
