"""Models of trainings that began at weights that come with narrows: stored as their difference from these."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import narrows
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


def test_differences_and_what_has_another_shape_come_back() -> None:
    one, two, other = np.arange(12).reshape(3, 4), np.arange(5) - 9, np.arange(40)
    base = CompactModel(20, pack_arrays([one, two]))
    made = smallest(CompactModel(20, pack_arrays([one + 1, other])), [base.to_bytes()])
    assert [a.shape for a in unpack_arrays(made.decoding)] == [(3, 4), (40,)]
    for model in (CompactModel(21, base.decoding), CompactModel(20, pack_arrays([one]))):
        assert smallest(model, [base.to_bytes()]) == model
    assert smallest(base, []) == base


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
