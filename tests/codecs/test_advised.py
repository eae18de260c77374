"""Signals with a model come back exactly or within an error, in fewer bytes than without, on every machine."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from narrows.archive.promise import Promise
from narrows.codecs.advised import IntegerAdvice, integer_advice, open_advised
from narrows.codecs.base import ADVISED
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.codecs.series import SeriesWay
from narrows.data.samples import from_arrays
from narrows.entropy.advice import FEATURES
from narrows.errors import ArchiveError, ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.catalogue import build
from narrows.models.density import Density
from narrows.tasks.train import fit
from narrows.training.settings import Settings


def beeps(count: int, frames: int = 100, seed: int = 0) -> Array:
    """Waves `(N, T, 1)` whose noise comes and goes."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames)[:, None]
    loud = 3 + 60 * (np.sin(times / 7) > 0.3)
    found = [500 * np.sin(times * rng.uniform(0.05, 0.3)) + loud * rng.normal(size=(frames, 1)) for _ in range(count)]
    return np.rint(found).astype(np.int16)


@functools.cache
def trained() -> Density:
    """A model of a short training."""
    torch.manual_seed(0)
    samples = from_arrays(beeps(60), kind="signals")
    model = build(samples.description, purpose="exact", width=16)
    for _ in fit(model, samples, Settings(steps=250, batch_size=16, threads=1)):
        pass
    assert isinstance(model, Density)
    return model


def test_a_model_makes_signals_like_its_own_smaller_and_they_come_back() -> None:
    signals = list(beeps(20, seed=1))
    without = len(SeriesWay(0).encode(signals).data)
    for error in (0, 4):
        codec = BlockCodec(Promise(error), trained().packed["exact"])
        block = codec.encode(signals)
        assert block.payload[0] == ADVISED
        assert len(block.payload) < 0.99 * without
        found = codec.decode(block.payload, [s.shape for s in signals], np.dtype(np.int16), block.digest)
        wide = np.array(found).astype(np.int64) - np.array(signals)
        assert np.abs(wide).max() <= error


def test_bits_in_training_are_those_on_disk() -> None:
    signals = beeps(20, seed=2)
    model = trained()
    x = torch.from_numpy(
        (signals.astype(np.float32) - model.description.low) / (model.description.high - model.description.low)
    ).transpose(1, 2)[:, :, None]
    with torch.no_grad():
        bits = float(model.pixels.bits(x))
    size = 8 * len(BlockCodec(Promise(0), model.packed["exact"]).encode(list(signals)).payload) / signals.size
    assert bits - 0.05 < size < bits + 0.2


def test_the_model_comes_back_from_its_arrays_and_others_are_refused() -> None:
    compact = CompactModel.from_bytes(trained().packed["exact"])
    arrays = unpack_arrays(compact.decoding)
    made = IntegerAdvice.from_arrays(iter(arrays))
    assert made.network.ends[0] == FEATURES
    assert all(np.array_equal(a, b) for a, b in zip(arrays, made.to_arrays(), strict=True))
    with pytest.raises(ModelError, match="left over"):
        open_advised(Promise(0), CompactModel(ADVISED, pack_arrays([*arrays, np.zeros(1, np.int64)])))
    arrays[0] = arrays[0].copy()
    arrays[0][1] += 1
    with pytest.raises(ModelError, match="does not fit"):
        IntegerAdvice.from_arrays(iter(arrays))


def test_a_block_of_a_model_needs_it() -> None:
    block = BlockCodec(Promise(0), trained().packed["exact"]).encode(list(beeps(20, seed=1)))
    with pytest.raises(ArchiveError, match="needs a model"):
        BlockCodec(Promise(0)).decode(block.payload, [(160, 1)] * 20, np.dtype(np.int16), block.digest)


def test_converting_twice_gives_the_same_integers() -> None:
    x = torch.rand(2, 1, 1, 50, generator=torch.Generator().manual_seed(0))
    first, second = (integer_advice(trained().pixels, x).to_arrays() for _ in range(2))  # type: ignore[arg-type]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_signals_of_floats_are_refused_in_training() -> None:
    samples = from_arrays(np.zeros((4, 30, 1), np.float32) + np.arange(30)[:, None], kind="signals")
    with pytest.raises(SettingsError, match="whole numbers"):
        build(samples.description, purpose="exact")
