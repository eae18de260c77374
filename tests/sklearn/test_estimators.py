"""The estimators in scikit-learn's hands: pipelines, searches, data frames, and what they do to data."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import narrows
from narrows.data.samples import Samples
from narrows.sklearn import Autoencoder, Denoiser, OutlierDetector


@pytest.fixture(scope="module")
def rows(digits: Samples) -> np.ndarray:
    return digits.values.reshape(len(digits), -1).astype(float)


@pytest.fixture(scope="module")
def words() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = rng.choice(["cat", "dog", "horse"], 300)
    weight = np.select([kind == "cat", kind == "dog"], [4.0, 30.0], 500.0) * rng.uniform(0.8, 1.2, 300)
    return pd.DataFrame({"kind": kind, "weight": weight, "legs": np.full(300, 4)})


def test_codes_of_rows_beat_pca(rows: np.ndarray) -> None:
    ours = Autoencoder(6, steps=300).fit(rows[:1200])
    assert ours.transform(rows[1200:]).shape == (len(rows) - 1200, 6)
    pca = PCA(6).fit(rows[:1200])
    errors = [
        np.square(each.inverse_transform(each.transform(rows[1200:])) - rows[1200:]).mean() for each in (ours, pca)
    ]
    assert errors[0] < 0.8 * errors[1]
    assert ours.score(rows[1200:]) == pytest.approx(-errors[0] / rows.max() ** 2, rel=0.5)


def test_an_autoencoder_is_a_step_of_a_pipeline_that_a_search_chooses(rows: np.ndarray, digits: Samples) -> None:
    pipeline = make_pipeline(Autoencoder(4, steps=30, width=32), LogisticRegression(max_iter=200))
    search = GridSearchCV(pipeline, {"autoencoder__code": [2, 8]}, cv=2, n_jobs=2)
    search.fit(rows[:400], digits.labels[:400])
    assert search.best_params_ == {"autoencoder__code": 8}
    assert search.score(rows[400:800], digits.labels[400:800]) > 0.6


def test_parts_of_the_data_are_learned_one_after_the_other(rows: np.ndarray) -> None:
    ours = Autoencoder(6, steps=60, width=64)
    for part in np.array_split(rows, 3):
        ours.partial_fit(part)
    once = Autoencoder(6, steps=60, width=64).fit(rows[:600])
    assert ours.score(rows) > once.score(rows)


def test_data_frames_with_words_come_back(words: pd.DataFrame) -> None:
    ours = Autoencoder(3, steps=300).fit(words)
    assert list(ours.feature_names_in_) == ["kind", "weight", "legs"]
    back = ours.inverse_transform(ours.transform(words))
    assert (back[:, 0] == words["kind"]).mean() > 0.97
    assert np.abs(back[:, 1].astype(float) - words["weight"]).mean() < 30
    codes = clone(ours).set_output(transform="pandas").fit_transform(words)
    assert list(codes.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    with pytest.raises(ValueError, match="has missing values"):
        ours.fit(words.assign(kind=[None, *words["kind"][1:]]))
    with pytest.raises(ValueError, match="feature names"):
        ours.transform(words.rename(columns={"kind": "animal"}))


def test_rows_of_another_kind_are_outliers(words: pd.DataFrame) -> None:
    ours = OutlierDetector(2, steps=300, false_alarms=0.05).fit(words)
    odd = pd.DataFrame({"kind": ["cat", "horse", "rat"], "weight": [600.0, 4.0, 0.2], "legs": [4, 4, 4]})
    assert (ours.predict(odd) == -1).all()
    assert (ours.predict(words) == 1).mean() > 0.8
    assert (ours.decision_function(odd) < 0).all()


def test_the_threshold_gives_as_many_false_alarms_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 8)) @ rng.normal(size=(8, 8))
    ours = OutlierDetector(4, steps=150, false_alarms=0.05).fit(x[:1500])
    assert 0.05 / 1.8 < (ours.predict(x[1500:]) == -1).mean() < 0.05 * 1.8
    assert (ours.predict(10 * x[:20] + 50) == -1).all()


def test_a_denoiser_takes_noise_out_of_rows(rows: np.ndarray) -> None:
    noisy = rows + np.random.default_rng(0).normal(0, 0.15 * 255, rows.shape)
    ours = Denoiser(0.15, steps=300).fit(rows[:1200])
    back = ours.transform(noisy[1200:])
    assert np.square(back - rows[1200:]).mean() < 0.6 * np.square(noisy[1200:] - rows[1200:]).mean()


@pytest.fixture(scope="module")
def measured() -> np.ndarray:
    """Two wide columns, and a narrow one."""
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(18, 80, 600), rng.uniform(50, 110, 600), rng.normal(0.6, 0.02, 600)])


def test_a_value_that_is_far_off_in_a_narrow_column_is_odd_beside_wide_ones(measured: np.ndarray) -> None:
    ours = OutlierDetector(steps=100, width=64).fit(measured)
    assert list(ours.predict([[50, 75, 0.6], [50, 75, 5.0]])) == [1, -1]


def test_columns_that_lie_far_apart_are_scaled_each_by_its_own_range() -> None:
    rows = np.random.default_rng(0).normal([0, 10_000], 1, (100, 2))
    assert len(set(Autoencoder(1, steps=1).fit(rows).rows_.columns)) == 2


def test_one_value_far_off_leaves_room_for_those_of_a_single_column() -> None:
    rows = np.random.default_rng(0).normal(size=(600, 1))
    rows[7] = 1e6
    ours = OutlierDetector(steps=100, width=64).fit(rows)
    assert list(ours.predict([[0], [1], [30]])) == [1, 1, -1]


def test_pixels_share_one_range_also_at_the_border_where_few_images_have_ink(rows: np.ndarray) -> None:
    assert (np.ptp(rows, axis=0) == 0).any()
    assert len(set(Autoencoder(2, steps=1).fit(rows).rows_.columns)) == 1
    faint = rows.copy()
    faint[:3, 0] = 1
    assert len(set(OutlierDetector(2, steps=1).fit(faint).rows_.columns)) == 1


def test_what_a_denoiser_answers_lies_within_the_range_of_each_column(measured: np.ndarray, rows: np.ndarray) -> None:
    for clean in (measured, measured[:, :2], rows):
        ours = Denoiser(0.1, steps=30).fit(clean)
        back = ours.transform(clean + np.random.default_rng(1).normal(0, 0.3, clean.shape) * np.ptp(clean, axis=0))
        slack = 1e-6 * (np.ptp(clean) + 1)
        assert (back >= clean.min(axis=0) - slack).all()
        assert (back <= clean.max(axis=0) + slack).all()


@pytest.mark.parametrize("estimator", [Autoencoder(2, steps=5), OutlierDetector(2, steps=5), Denoiser(steps=5)])
def test_estimators_pickle_and_refuse_what_they_do_not_take(estimator, rows: np.ndarray) -> None:
    fitted = estimator.fit(rows[:100])
    method = "score_samples" if isinstance(estimator, OutlierDetector) else "transform"
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(getattr(again, method)(rows[:9]), getattr(fitted, method)(rows[:9]))
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        clone(estimator).fit(sparse.csr_matrix(rows[:50]))
    with pytest.raises(ValueError, match="NaN"):
        clone(estimator).fit(np.full((20, 3), np.nan))
    with pytest.raises(ValueError, match="n_features"):
        clone(estimator).set_params(code=99).fit(rows[:50, :6])


def test_a_model_of_an_estimator_is_one_of_narrows(rows: np.ndarray, tmp_path) -> None:
    ours = Autoencoder(3, steps=5).fit(rows[:100])
    ours.model_.save(tmp_path / "m")
    assert narrows.load(tmp_path / "m").code_shape == (3,)
