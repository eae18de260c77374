"""Linear predictions in whole numbers find what floats find."""

from __future__ import annotations

import numpy as np

from narrows.entropy.linear import Gradient, products, solve


def test_weights_are_those_of_least_squares_in_floats() -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal(0, 1000, (200, 6, 3))
    truth = rng.uniform(-2, 2, (6, 3))
    target = (seen * truth).sum(axis=1) + rng.normal(0, 10, (200, 3))
    rows = np.rint(np.concatenate([seen, target[:, None]], axis=1))
    found = solve(products(rows), 4) / 2**20
    for lane in range(3):
        best = np.linalg.lstsq(rows[:, :6, lane], rows[:, 6, lane], rcond=None)[0]
        np.testing.assert_allclose(found[:, lane], best, atol=1e-3)


def test_regressors_that_are_alike_do_no_harm() -> None:
    row = np.random.default_rng(1).integers(-(1 << 20), 1 << 20, (50, 1, 2)).astype(np.float64)
    weights = solve(products(np.repeat(row, 5, axis=1)), 4)
    assert np.abs(weights[:4].sum(axis=0) / 2**20 - 1).max() < 1e-2
    assert not solve(np.zeros((4, 4, 2), np.int64), 4).any()


def test_a_gradient_filter_learns_to_predict_a_wave() -> None:
    wave = np.rint(10000 * np.sin(np.arange(2000) / 3)).astype(np.int64)[:, None]
    gradient = Gradient(np.zeros((8, 1), np.int64))
    missed = []
    for now in range(8, len(wave)):
        seen = wave[now - 8 : now]
        error = wave[now] - gradient.predict(seen)
        gradient.learn(seen, error)
        missed.append(abs(int(error[0])))
    assert np.mean(missed[-100:]) < 0.05 * np.mean(missed[:20])
