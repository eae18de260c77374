"""The estimators pass scikit-learn's own checks."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from narrows.sklearn import Autoencoder, Denoiser, Imputer, OutlierDetector

SMALL = {"steps": 4, "width": 8}


@parametrize_with_checks(
    [Autoencoder(1, **SMALL), OutlierDetector(1, **SMALL), Denoiser(code=1, **SMALL), Imputer(**SMALL)]
)
def test_scikit_learn_finds_nothing_wrong(estimator: Any, check: Any) -> None:
    check(estimator)
