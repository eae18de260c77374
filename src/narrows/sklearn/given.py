"""What estimators are given, checked: arrays and data frames of numbers, or of numbers and words.

Next door: `rows` makes vectors of them.
"""

from __future__ import annotations

from collections import Counter
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_feature_names, _check_n_features, validate_data

from narrows.checks import brief
from narrows.errors import DataError
from narrows.io.frames import NUMBERS, is_frame, is_numeric, with_numbers


def checked(estimator: Any, X: Any, reset: bool, least: int = 1) -> Any:
    """`X` as scikit-learn checks it, of `least` rows or more: an array `(N, D)` of doubles, or where an estimator is
    or was fitted to words, a data frame. Raises ValueError as scikit-learn's estimators do, `DataError` for missing
    words and for columns that hold neither numbers nor words."""
    X = opened(X)
    fitted = None if reset else getattr(estimator, "rows_", None)
    if (fitted is None or fitted.numeric) and not _words(X):
        return validate_data(estimator, X, dtype=np.float64, reset=reset, ensure_min_samples=least)
    if not is_frame(X):
        raise DataError(
            "an array was given; this estimator was fitted to a data frame with words: give one like that"
        )
    _check_feature_names(estimator, X, reset=reset)
    _check_n_features(estimator, X, reset=reset)
    if fitted is not None:
        for name, held in zip(X.columns, fitted.numbers, strict=True):
            if held and not is_numeric(X[name]):
                raise DataError(f"column {name!r} holds words, where the estimator was fitted to numbers; give these")
    if len(X) < least:
        name = type(estimator).__name__
        raise DataError(f"Found array with {len(X)} sample(s) while a minimum of {least} is required by {name}.")
    for name in X.columns:
        if X[name].isna().any():
            raise DataError(f"column {name!r} has missing values; fill them in first, or leave out such rows")
        if is_numeric(X[name]) and not np.isfinite(np.asarray(X[name], np.float64)).all():
            raise DataError(f"column {name!r} has infinite values; every number must be finite")
    return X


def numbers(estimator: Any, X: Any, reset: bool, **checks: Any) -> Any:
    """`X` as an array `(N, D)` of doubles, NaN where a value is missing. Raises as `checked` does, and `DataError`
    for words."""
    X = opened(X)
    for name in _words(X):
        try:
            np.asarray(X[name], np.float64)  # as categories that are numbers can be
        except (TypeError, ValueError):
            raise DataError(
                f"column {name!r} holds words, and this estimator takes numbers; encode it first, or fill in the "
                "gaps of the table with 'narrows train --for inpaint'"
            ) from None
    return validate_data(estimator, X, dtype=np.float64, reset=reset, ensure_all_finite="allow-nan", **checks)


def opened(X: Any) -> Any:
    """`X` with what is masked as NaN, and data frames of pandas with numbers in columns for numbers. Raises
    `DataError` for columns of other kinds, and where two have one name."""
    if isinstance(X, np.ma.MaskedArray):
        return np.ma.filled(X.astype(np.float64), np.nan) if X.dtype.kind in NUMBERS else X.filled()
    if not hasattr(X, "iloc") and hasattr(X, "to_pandas"):  # polars, pyarrow
        try:
            X = X.to_pandas()
        except ImportError:  # of pyarrow; numbers go without
            return X
    if not is_frame(X):
        return X
    for name, count in Counter(X.columns).items():
        if count > 1:
            raise DataError(f"column {name!r} is there {count} times; give each column a name of its own")
    X = with_numbers(X)
    for name in X.columns:
        _check_kind(name, X[name])
    return X


def check_span(lows: Any, highs: Any) -> None:
    """Raise `DataError` where the range of a column, from its lowest to its highest, is beyond doubles."""
    with np.errstate(over="ignore"):
        if not np.isfinite(highs - lows).all():
            raise DataError("the values of a column lie too far apart for doubles; scale them")


def word(value: Any) -> str:
    """A category as text; the numbers 1 and 1.0 are one."""
    if isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        return str(int(float(value)) if not isinstance(value, int) else value)
    return str(value)


def _words(X: Any) -> list[Any]:
    """The names of the columns of a data frame that hold words."""
    if not is_frame(X) or not len(X):
        return []
    return [name for name in X.columns if not is_numeric(X[name])]


def _check_kind(name: Any, values: Any) -> None:
    kind = str(values.dtype)
    if not is_numeric(values) and not kind.startswith(("object", "category", "str", "large_string")):
        raise DataError(
            f"column {name!r} holds {kind}, neither numbers nor words; give numbers in its place, such as days since "
            "the first, or leave it out"
        )
    if kind == "object":
        for value in values:
            if np.ndim(value):
                raise DataError(f"column {name!r} holds {brief(value)}, neither a number nor a word; leave it out")
