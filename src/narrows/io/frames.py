"""Data frames of pandas whose columns of numbers hold NumPy's numbers, whatever types they are given in.

Next door: `arrays` takes frames of numbers as arrays; the estimators of `sklearn` take words beside them.
"""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from narrows.errors import DataError

NUMBERS = "buif"  # kinds of NumPy's types


def is_frame(data: Any) -> bool:
    """Whether data are a data frame."""
    return hasattr(data, "iloc") and hasattr(data, "columns")


def is_numeric(values: Any) -> bool:
    """Whether a column, or an array, holds numbers."""
    return getattr(values.dtype, "kind", "O") in NUMBERS


def with_numbers(frame: Any) -> Any:
    """A data frame with decimals, and numbers among objects, as doubles, NaN where they are missing; dictionaries of
    Arrow are categories. Raises `DataError` for whole numbers beyond doubles."""
    frame = frame.infer_objects()
    for n, name in enumerate(frame.columns):
        values = frame.iloc[:, n]
        kind = str(values.dtype)
        if kind.startswith("dictionary"):
            frame.isetitem(n, values.astype(object).astype("category"))
        elif kind.startswith("decimal") or (kind == "object" and _all_numbers(values)):
            try:
                frame.isetitem(n, values.to_numpy(np.float64, na_value=np.nan))
            except OverflowError:
                raise DataError(f"column {name!r} has numbers beyond doubles; scale them, or leave it out") from None
    return frame


def array_of_frame(frame: Any, source: str) -> Any:
    """The numbers of a data frame as one array `(N, D)`, NaN where they are missing. Raises `DataError` naming a
    column of another kind."""
    frame = with_numbers(frame)
    for n, name in enumerate(frame.columns):
        if not is_numeric(frame.iloc[:, n]):
            raise DataError(
                f"{source}: column {name!r} of a data frame holds {frame.dtypes.iloc[n]}, no kind of number; "
                "leave it out, or save the frame as .csv and give the path, as tables in files may have words"
            )
    types = [getattr(dtype, "numpy_dtype", dtype) for dtype in frame.dtypes]
    if types == list(frame.dtypes):
        return np.asanyarray(frame)
    if frame.isna().any(axis=None):
        return frame.to_numpy(np.float64, na_value=np.nan)
    return frame.to_numpy(np.result_type(*types))


def _all_numbers(values: Any) -> bool:
    return all(isinstance(value, (Real, Decimal)) for value in values.dropna())
