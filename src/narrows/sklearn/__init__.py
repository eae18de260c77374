"""Models of narrows as estimators of scikit-learn: for arrays and data frames of rows."""

from narrows.sklearn.autoencoder import Autoencoder
from narrows.sklearn.denoiser import Denoiser
from narrows.sklearn.imputer import Imputer
from narrows.sklearn.outliers import OutlierDetector

__all__ = ["Autoencoder", "Denoiser", "Imputer", "OutlierDetector"]
