"""What several tests of tasks begin with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Degradation


@pytest.fixture(scope="session")
def made() -> Callable[..., narrows.Model]:
    """Trains a small network against a degradation, for a few steps."""

    def trained(samples: Samples, degradation: Degradation, steps: int = 30) -> narrows.Model:
        model = narrows.build(samples.description, width=8, degradation=degradation)
        list(narrows.fit(model, samples, narrows.Settings(steps=steps, crop=32, batch_size=8)))
        return model

    return trained
