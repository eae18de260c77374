"""Weights in eight bits: small, near to what they were, and refused where they do not fit together."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.degradations import Noise
from narrows.errors import ModelError
from narrows.models.base import Model
from narrows.models.container import unseal, write
from narrows.models.eight_bits import DEFLATED, SHAPE, STEPS, from_eight_bits, to_eight_bits
from narrows.models.loading import load


@pytest.fixture
def model() -> Model:
    images = np.zeros((4, 64, 64, 3), np.uint8)
    return narrows.build(narrows.from_arrays(images).description, width=32, degradation=Noise(0.1))


def test_large_matrices_are_near_and_all_else_is_the_same(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "whole")
    model.save(tmp_path / "small", eight_bits=True)
    assert (tmp_path / "small").stat().st_size < 0.3 * (tmp_path / "whole").stat().st_size
    small = load(tmp_path / "small").state_dict()
    rounded = 0
    for name, weight in model.state_dict().items():
        step = weight.flatten(1).abs().amax(dim=1) / 127
        assert bool(((small[name] - weight).flatten(1).abs() <= 0.501 * step[:, None]).all())
        rounded += not torch.equal(small[name], weight)
        assert weight.numel() >= 8192 or torch.equal(small[name], weight)
    assert rounded > 5


def test_linear_paths_are_spared_and_rounding_again_changes_nothing(tmp_path: Path) -> None:
    description = narrows.from_arrays(np.zeros((4, 64, 64, 3), np.uint8)).description
    model = narrows.build(description, "pyramid", purpose="compress")
    model.save(tmp_path / "once", eight_bits=True)
    once = load(tmp_path / "once")
    once.save(tmp_path / "twice", eight_bits=True)
    again, whole = load(tmp_path / "twice").state_dict(), model.state_dict()
    assert torch.equal(once.state_dict()["decoder.linear.weight"], whole["decoder.linear.weight"])
    assert not torch.equal(once.state_dict()["decoder.firsts.0.weight"], whole["decoder.firsts.0.weight"])
    assert all(torch.equal(weight, again[name]) for name, weight in once.state_dict().items())


def test_numbers_that_are_not_deflated_are_read_too(model: Model) -> None:
    tensors = to_eight_bits(model.state_dict())
    wanted = from_eight_bits(tensors)
    for name in [name.removesuffix(STEPS) for name in tensors if name.endswith(STEPS)]:
        shape = tensors.pop(name + SHAPE).tolist()
        numbers = zlib.decompress(tensors.pop(name + DEFLATED).numpy().tobytes())
        tensors[name] = torch.frombuffer(bytearray(numbers), dtype=torch.int8).view(shape)
    found = from_eight_bits(tensors)
    assert all(torch.equal(found[name], weight) for name, weight in wanted.items())


def test_steps_that_do_not_fit_are_refused_with_the_name_of_the_file(model: Model, tmp_path: Path) -> None:
    tensors = to_eight_bits(model.state_dict())
    name = next(name for name in tensors if name.endswith(STEPS))
    model.save(tmp_path / "whole")
    _, metadata = unseal((tmp_path / "whole").read_bytes(), "whole")
    card = {key: metadata[key] for key in ("specification", "description", "provenance")}
    own = name.removesuffix(STEPS)
    for wrong in (
        {name: tensors[name][1:]},
        {own + SHAPE: tensors[own + SHAPE] + 1},
        {own + SHAPE: -tensors[own + SHAPE]},
        {own + SHAPE: torch.zeros(2)},
        {own + DEFLATED: tensors[own + DEFLATED][:-9]},
        {own + DEFLATED: torch.zeros(9, dtype=torch.uint8)},
        {"no" + STEPS: torch.ones(2)},
    ):
        with pytest.raises(ValueError, match="without a weight"):
            from_eight_bits({**tensors, **wrong})
        write(tmp_path / "bad", {**tensors, **wrong}, {}, card)
        with pytest.raises(ModelError, match="bad: the model does not fit together"):
            load(tmp_path / "bad")
