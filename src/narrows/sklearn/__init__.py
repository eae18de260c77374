"""Models of narrows as estimators of scikit-learn: for arrays and data frames of rows."""

from narrows.sklearn.imputer import Imputer

__all__ = ["Imputer"]
