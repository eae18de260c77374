"""Data as people have them, rebuilt from public reports about scikit-learn, pyod and others: taken, or refused in one
clear line."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from narrows.errors import DataError, SettingsError
from narrows.sklearn import Autoencoder, Denoiser, Imputer, OutlierDetector

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 4))
KINDS = np.array(["x", "y", "z"])[RNG.integers(0, 3, 60)]
WHOLE = RNG.integers(0, 3, 60)
Estimator = Callable[..., Any]
LEARNED = [Autoencoder, OutlierDetector, Denoiser]
ALL = [*LEARNED, Imputer]


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=list("abcd")).assign(**columns)


def quick(estimator: Estimator, **settings: Any) -> Any:
    return estimator(steps=3, width=16, **settings)


@pytest.mark.parametrize("estimator", ALL)
def test_numbers_in_an_object_column_are_numbers_and_not_categories(estimator: Estimator) -> None:
    fitted = quick(estimator).fit(frame().astype(object))
    same = quick(estimator).fit(frame())
    apply = "predict" if estimator is OutlierDetector else "transform"
    assert np.array_equal(getattr(fitted, apply)(frame()), getattr(same, apply)(frame()))


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pd.date_range("2020", periods=60), "holds datetime64"),
        (pd.date_range("2020", periods=60, tz="UTC"), "UTC"),
        (pd.to_timedelta(np.arange(60), unit="h"), "holds timedelta64"),
        (pd.period_range("2020", periods=60), "holds period"),
        (pd.Series(list(pd.date_range("2020", periods=60)), dtype=object), "holds datetime64"),
        (ROWS[:, 0] + 1j, "holds complex128"),
        (pd.Series([[1, 2]] * 60), "neither a number nor a word"),
    ],
)
def test_columns_of_dates_and_the_like_are_refused_by_name(estimator: Estimator, column: Any, said: str) -> None:
    with pytest.raises(DataError, match=rf"column 'a' .*{said}"):
        quick(estimator).fit(frame(a=column))


@pytest.mark.parametrize("estimator", ALL)
def test_two_columns_of_one_name_are_refused_by_name(estimator: Estimator) -> None:
    with pytest.raises(DataError, match="column 'a' is there 2 times"):
        quick(estimator).fit(frame().set_axis(list("aabc"), axis=1))


@pytest.mark.parametrize("estimator", ALL)
def test_a_range_beyond_doubles_is_refused_without_a_warning(estimator: Estimator) -> None:
    far = ROWS.copy()
    far[:2, 0] = 1e308, -1e308
    with pytest.raises(DataError, match="too far apart for doubles"):
        quick(estimator).fit(far)


@pytest.mark.parametrize("estimator", LEARNED)
def test_infinity_beside_words_is_refused_by_column(estimator: Estimator) -> None:
    with pytest.raises(DataError, match="column 'b' has infinite values"):
        quick(estimator).fit(frame(a=KINDS, b=np.where(np.arange(60) == 3, np.inf, 1.0)))


@pytest.mark.parametrize("estimator", LEARNED)
def test_what_is_masked_counts_as_missing(estimator: Estimator) -> None:
    with pytest.raises(ValueError, match="contains NaN"):
        quick(estimator).fit(np.ma.masked_array(ROWS, mask=ROWS > 1.5))


def test_the_imputer_fills_in_what_is_masked_and_learns_nothing_from_it() -> None:
    hidden = ROWS > 1.5
    masked = np.ma.masked_array(np.where(hidden, -999.0, ROWS), mask=hidden)
    filled = quick(Imputer).fit_transform(masked)
    assert filled.min() > -10
    assert np.array_equal(filled[~hidden], ROWS[~hidden])
    whole = quick(Imputer).fit_transform(np.ma.masked_array(WHOLE.reshape(-1, 3), mask=WHOLE.reshape(-1, 3) == 0))
    assert whole.dtype == np.float64
    assert whole.min() >= 1


def test_the_imputer_refuses_words_by_column_and_takes_categories_that_are_numbers() -> None:
    with pytest.raises(DataError, match="column 'a' holds words"):
        quick(Imputer).fit(frame(a=KINDS))
    assert quick(Imputer).fit_transform(frame(a=pd.Categorical(WHOLE))).dtype == np.float64


def test_the_imputer_names_a_column_without_a_known_value() -> None:
    with pytest.raises(DataError, match="column b has no known value"):
        quick(Imputer).fit(frame(b=np.nan))


@pytest.mark.parametrize("members", [0, -1, 1.5, "x"])
def test_an_impossible_number_of_members_is_refused(members: Any) -> None:
    with pytest.raises(SettingsError, match="members"):
        quick(Imputer, members=members).fit(ROWS)


def test_an_outlier_detector_needs_two_rows_and_says_so_itself() -> None:
    for one in (ROWS[:1], frame(a=KINDS).iloc[:1]):
        with pytest.raises(ValueError, match="minimum of 2 is required by OutlierDetector"):
            quick(OutlierDetector).fit(one)


@pytest.mark.parametrize("factor", [1e39, 1e200, 1e300])
def test_values_beyond_float32_are_odd_and_their_codes_finite(factor: float) -> None:
    detector = quick(OutlierDetector).fit(ROWS)
    assert (detector.predict(ROWS * factor) == -1).all()
    assert np.isfinite(detector.score_samples(ROWS * factor)).all()
    assert np.isfinite(quick(Autoencoder).fit(ROWS).transform(ROWS * factor)).all()


def test_a_category_that_was_not_there_before_is_odd() -> None:
    detector = quick(OutlierDetector).fit(frame(a=KINDS))
    assert (detector.predict(frame(a="new")) == -1).all()


def test_whole_numbers_as_categories_stay_the_same_as_integers_and_as_floats() -> None:
    fitted = quick(Autoencoder).fit(frame(a=pd.Categorical(WHOLE)))
    codes = fitted.transform(frame(a=pd.Categorical(WHOLE)))
    assert np.array_equal(codes, fitted.transform(frame(a=WHOLE)))
    assert np.array_equal(codes, fitted.transform(frame(a=WHOLE.astype(float))))


def test_words_where_numbers_were_and_arrays_in_place_of_frames_are_refused() -> None:
    numeric, worded = quick(Autoencoder).fit(frame()), quick(Autoencoder).fit(frame(b=KINDS))
    for fitted in (numeric, worded):
        with pytest.raises(DataError, match=r"column 'a' holds words, where .* numbers"):
            fitted.transform(frame(a=KINDS, b=KINDS))
    with pytest.raises(DataError, match="fitted to a data frame with words"):
        worded.transform(ROWS)


def test_columns_in_another_order_or_lacking_are_told_as_such() -> None:
    fitted = quick(Autoencoder).fit(frame(d=KINDS))
    with pytest.raises(ValueError, match="same order"):
        fitted.transform(frame(d=KINDS)[["d", "a", "b", "c"]])
    with pytest.raises(ValueError, match="now missing:\n- a"):
        fitted.transform(frame(d=KINDS)[["b", "c", "d"]])


def test_too_many_words_are_refused_by_column() -> None:
    with pytest.raises(DataError, match="column 'name' has 65 different words"):
        quick(Autoencoder).fit(pd.DataFrame({"n": np.arange(65), "name": [f"x{n}" for n in range(65)]}))


def test_codes_to_be_decoded_are_checked() -> None:
    with pytest.raises(NotFittedError):
        Autoencoder().inverse_transform(ROWS)
    fitted = quick(Autoencoder, code=2).fit(ROWS)
    with pytest.raises(DataError, match="NaN or infinity in the codes"):
        fitted.inverse_transform([[np.nan, 0]])
    codes = pd.DataFrame(fitted.transform(ROWS))
    codes.values.setflags(write=False)
    assert fitted.inverse_transform(codes).shape == ROWS.shape


def test_nullable_arrow_and_extended_types_are_taken() -> None:
    for column in (
        pd.array(WHOLE, dtype="Int64"),
        pd.array(WHOLE > 0, dtype="boolean"),
        pd.array(KINDS, dtype="string"),
        pd.Categorical(KINDS, categories=["w", "x", "y", "z"]),
    ):
        assert np.isfinite(quick(Autoencoder).fit_transform(frame(a=column))).all()
    holes = pd.array(WHOLE, dtype="Int64")
    holes[3] = pd.NA
    filled = quick(Imputer).fit_transform(frame(a=holes))
    assert np.isfinite(filled).all()
    assert np.array_equal(np.delete(filled[:, 0], 3), np.delete(WHOLE, 3))


@pytest.mark.parametrize("estimator", ALL)
def test_decimals_are_numbers(estimator: Estimator) -> None:
    apply = "score_samples" if estimator is OutlierDetector else "transform"
    pa = pytest.importorskip("pyarrow")
    prices = pd.Series([Decimal(int(n)) / 4 for n in WHOLE])
    known = getattr(quick(estimator).fit(frame(a=WHOLE / 4)), apply)(frame(a=4.76))
    for column in (prices, prices.astype(pd.ArrowDtype(pa.decimal128(8, 2)))):
        assert np.array_equal(getattr(quick(estimator).fit(frame(a=column)), apply)(frame(a=4.76)), known)


def test_categories_of_arrow_are_those_of_pandas() -> None:
    pa = pytest.importorskip("pyarrow")
    arrow = pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(KINDS).dictionary_encode()])))
    codes = quick(Autoencoder).fit_transform(frame(a=arrow))
    assert np.array_equal(codes, quick(Autoencoder).fit_transform(frame(a=pd.Categorical(KINDS))))
    with pytest.raises(DataError, match="column 'a' has missing values"):
        quick(Autoencoder).fit(frame(a=arrow.where(WHOLE > 0)))


@pytest.mark.parametrize("missing", [None, pd.NA, np.nan])
def test_the_imputer_fills_in_what_is_missing_among_objects(missing: Any) -> None:
    holes = pd.Series([missing, *ROWS[1:, 0]], dtype=object)
    filled = quick(Imputer).fit_transform(frame(a=holes))
    assert np.isfinite(filled).all()
    assert np.array_equal(filled[1:], ROWS[1:])


def test_whole_numbers_beyond_doubles_are_refused_by_column() -> None:
    with pytest.raises(DataError, match="column 'a' has numbers beyond doubles"):
        quick(Autoencoder).fit(frame(a=pd.Series([10**400] * 60, dtype=object)))


@pytest.mark.parametrize("share", [0, 1, 5, np.nan, "few", True])
def test_an_impossible_share_of_false_alarms_is_refused_before_anything_is_learned(share: Any) -> None:
    detector = quick(OutlierDetector, false_alarms=share)
    with pytest.raises(SettingsError, match=r"false alarms .* above 0 and below 1"):
        detector.fit(ROWS)
    assert not hasattr(detector, "model_")


@pytest.mark.parametrize("estimator", ALL)
def test_the_layout_of_an_array_changes_nothing(estimator: Estimator, tmp_path: Path) -> None:
    apply = "predict" if estimator is OutlierDetector else "transform"
    np.save(tmp_path / "rows.npy", ROWS)
    frozen = np.load(tmp_path / "rows.npy", mmap_mode="r")
    known = getattr(quick(estimator).fit(ROWS), apply)(ROWS)
    for same in (frozen, np.asfortranarray(ROWS), ROWS.astype(">f8"), np.repeat(ROWS, 2, axis=0)[::2]):
        assert np.array_equal(getattr(quick(estimator).fit(same), apply)(same), known)
