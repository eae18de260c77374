"""Models of trainings that began at weights that come with narrows: stored as their difference from these."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.archive.index import model_hash
from narrows.codecs import opening
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.difference import arrays_of, smallest
from narrows.codecs.make import make_compact
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.errors import ArchiveError, ModelError
from narrows.models.lossy import Lossy


@pytest.fixture(scope="module")
def own(natural: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> narrows.Model:
    photos = narrows.from_arrays([np.roll(natural, 37 * i, axis=1)[: 80 + 8 * i, :96] for i in range(4)])
    place, one = tmp_path_factory.mktemp("own") / "m", narrows.Settings(steps=2, batch_size=4, crop=32)
    return narrows.train(
        photos, place, purpose="compress", promise="quality", begin="photo-compress", settings=one
    ).run()


def test_a_training_that_began_there_takes_far_fewer_bytes(own: narrows.Model, natural: np.ndarray) -> None:
    compact = CompactModel.from_bytes(own.packed["lossy"])
    shipped = CompactModel.from_bytes(opening.usual_models()["lossy"])
    assert compact.base
    assert len(compact.decoding) < 0.4 * len(shipped.decoding)
    codec = narrows.Codec(own, quality=60)
    data = codec.compress([natural])
    with narrows.open_archive(io.BytesIO(data)) as archive:
        assert archive.sizes.model < 0.4 * len(shipped.decoding)
        back = archive["0"]  # without the model at hand
    whole = CompactModel(compact.way, pack_arrays(arrays_of(compact)), encoding=compact.encoding)
    same = narrows.Codec(whole.to_bytes(), quality=60).compress([natural])
    assert np.array_equal(narrows.Codec(whole.to_bytes(), quality=60).decompress(same)[0], back)


def test_weights_that_training_left_as_they_were_take_almost_nothing(natural: np.ndarray) -> None:
    model = narrows.load("photo-compress")
    assert isinstance(model, Lossy)
    make_compact(model, narrows.from_arrays([natural]))
    assert len(CompactModel.from_bytes(model.packed["lossy"]).decoding) < 40_000


@pytest.fixture
def one_base(monkeypatch: pytest.MonkeyPatch) -> CompactModel:
    """The only weights that a narrows knows: a kernel and a few numbers."""
    kernel = np.random.default_rng(0).normal(0, 24, (64, 64, 1, 1)).round().astype(np.int64)
    base = CompactModel(20, pack_arrays([kernel, np.arange(12).reshape(3, 4), np.arange(5) - 9]))
    known = {model_hash(base.to_bytes()): base.to_bytes()}
    monkeypatch.setattr(opening, "find_shipped", known.get)
    return base


def test_differences_and_what_has_another_shape_come_back(one_base: CompactModel) -> None:
    kernel, few, _ = unpack_arrays(one_base.decoding)
    own = [kernel + np.random.default_rng(1).integers(-3, 4, kernel.shape), few - 1, np.arange(40)]
    made = smallest(CompactModel(20, pack_arrays(own)), [one_base.to_bytes()])
    assert CompactModel.from_bytes(made.to_bytes()) == made
    back = arrays_of(made)
    assert made.base
    assert np.abs(back[0] - own[0]).max() <= 1
    assert abs((back[0] - own[0]).mean()) < 0.1  # halves go both ways
    assert all(np.array_equal(a, b) for a, b in zip(back[1:], own[1:], strict=True))
    for model in (CompactModel(21, one_base.decoding), CompactModel(20, pack_arrays(own[:1]))):
        assert smallest(model, [one_base.to_bytes()]) == model
    assert smallest(one_base, []) == one_base


def test_weights_that_grew_or_shrank_together_take_few_bytes(one_base: CompactModel) -> None:
    kernel, *rest = unpack_arrays(one_base.decoding)
    own = CompactModel(20, pack_arrays([kernel * 5 // 8, *rest]))
    made = smallest(own, [one_base.to_bytes()])
    assert len(made.decoding) < 0.2 * len(own.decoding)
    assert np.abs(arrays_of(made)[0] - kernel * 5 // 8).max() <= 1


def test_precise_kernels_keep_every_bit(one_base: CompactModel) -> None:
    kernel, *rest = unpack_arrays(one_base.decoding)
    own = CompactModel(20, pack_arrays([kernel * 10 + 3, *rest]))
    assert np.array_equal(arrays_of(smallest(own, [one_base.to_bytes()]))[0], kernel * 10 + 3)


def test_plain_differences_are_read_as_well(one_base: CompactModel) -> None:
    kernel, few, _ = unpack_arrays(one_base.decoding)
    rest, name = [kernel - kernel, few, np.arange(3)], model_hash(one_base.to_bytes())
    back = arrays_of(CompactModel(20, pack_arrays(rest), base=name))
    assert [np.array_equal(a, b) for a, b in zip(back, [kernel, 2 * few, np.arange(3)], strict=True)] == [True] * 3


@pytest.mark.parametrize("guesses", [[[64, 0]] * 2, [[4097, 0]] * 3, [[64, 9]] * 3, [[64, -1]] * 3, [64] * 3])
def test_guesses_out_of_their_limits_are_damage(one_base: CompactModel, guesses: list[object]) -> None:
    arrays = [np.array(guesses), *unpack_arrays(one_base.decoding)]
    damaged = CompactModel(20, pack_arrays(arrays), base=model_hash(one_base.to_bytes()), guessed=True)
    with pytest.raises(ModelError, match="damaged"):
        arrays_of(damaged)


def test_a_base_that_is_not_there_is_said(
    own: narrows.Model, natural: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compact = CompactModel.from_bytes(own.packed["lossy"])
    with pytest.raises(ModelError, match="damaged"):
        arrays_of(replace(compact, decoding=pack_arrays([np.arange(3)])))
    monkeypatch.setattr(opening, "find_shipped", lambda wanted: None)
    with pytest.raises(ModelError, match="continues other weights, which this narrows does not know; update narrows"):
        arrays_of(compact)
    unknown = replace(compact, base=bytes(16)).to_bytes()
    with pytest.raises((ArchiveError, ModelError), match="update narrows"):
        narrows.Codec(unknown, quality=60).compress([natural[:32, :32]])
