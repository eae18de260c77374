"""The code as features."""

from __future__ import annotations

import numpy as np
import pytest

import narrows
from narrows.models.coded import Coded
from narrows.tasks import embed as task
from narrows.tasks.embed import features


def test_a_long_signal_has_the_same_row_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    signal = (3000 * np.sin(np.arange(40_000) / 9) + rng.normal(0, 99, 40_000)).astype(np.int16)
    samples = narrows.from_arrays(signal, kind="signals", rate=8000)
    model = narrows.build(samples.description, "conv")
    assert isinstance(model, Coded)
    for _ in narrows.fit(
        model, narrows.from_arrays(list(signal.reshape(8, 5000)), kind="signals"), narrows.Settings(steps=3)
    ):
        pass
    whole = features(model, samples)
    monkeypatch.setattr(task, "PIECE", 9_000)
    monkeypatch.setattr(task, "AROUND", 4096)
    np.testing.assert_allclose(features(model, samples), whole, rtol=2e-3, atol=2e-3)
