"""Codes that are searched for decode to less error, and codes of other forms are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import narrows
from narrows.data.samples import Samples
from narrows.errors import ModelError, SettingsError
from narrows.models.autoencoder import Autoencoder
from narrows.models.search import searched


def test_a_linear_decoder_is_inverted() -> None:
    generator = torch.Generator().manual_seed(0)
    decoder, wanted = nn.Linear(3, 20), torch.randn(50, 3, generator=generator)
    with torch.no_grad():
        found = searched(decoder, decoder(wanted), torch.zeros(50, 3))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)


def test_numbers_that_change_nothing_stay() -> None:
    decoder = nn.Linear(3, 20)
    with torch.no_grad():
        decoder.weight[:, 1] = 0
        found = searched(decoder, torch.rand(8, 20), torch.full((8, 3), 0.5))
    torch.testing.assert_close(found[:, 1], torch.full((8,), 0.5))


@pytest.fixture(scope="module")
def dense(digits: Samples) -> Autoencoder:
    model = narrows.build(digits.description, "dense", 6, width=32)
    list(narrows.fit(model, digits, narrows.Settings(steps=60, threads=1)))
    assert isinstance(model, Autoencoder)
    return model


def test_the_best_effort_decodes_to_less_error(dense: Autoencoder, digits: Samples) -> None:
    errors = {}
    for effort in ("usual", "best"):
        codes = dense.encode(digits, effort=effort)
        assert codes.dtype == np.float32
        again = np.asarray(dense.decode(codes)).astype(float)
        errors[effort] = np.square(again - np.asarray(digits.values)).reshape(len(digits), -1).sum(axis=1)
    assert errors["best"].mean() < 0.97 * errors["usual"].mean()
    x = torch.rand(5, 1, 8, 8)
    usual, best = ((dense.decode(dense.encode(x, effort=e)) - x).square().sum() for e in ("usual", "best"))
    assert best < usual


def test_what_cannot_be_searched_for_is_refused(dense: Autoencoder, digits: Samples, tmp_path) -> None:
    with pytest.raises(SettingsError, match="allowed are usual and best"):
        dense.encode(digits, effort="most")  # type: ignore[arg-type]
    plane = narrows.build(digits.description, "lesson-conv")
    assert isinstance(plane, Autoencoder)
    with pytest.raises(SettingsError, match="have no plane"):
        plane.encode(digits, effort="best")
    dense.save_half(tmp_path / "half.safetensors", "encoder")
    half = narrows.load(tmp_path / "half.safetensors")
    assert isinstance(half, Autoencoder)
    half.encode(digits)
    with pytest.raises(ModelError, match="no decoder"):
        half.encode(digits, effort="best")
