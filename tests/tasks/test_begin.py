"""Trainings that begin at the weights of another model, or at those that come with narrows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows.data.samples import Samples
from narrows.degradations import Noise, Smaller
from narrows.errors import ModelError
from narrows.tasks.planner import NONE

ONE = narrows.Settings(steps=1, batch_size=4, crop=32, validation=0.5)


@pytest.fixture(scope="module")
def photos(natural: np.ndarray) -> Samples:
    """Parts of a photograph."""
    return narrows.from_arrays([np.roll(natural, 37 * i, axis=1)[: 80 + 8 * i, :96] for i in range(4)])


def test_photographs_begin_at_the_weights_that_come_with_narrows(photos: Samples, tmp_path: Path) -> None:
    training = narrows.train(photos, tmp_path / "m", purpose="denoise", settings=ONE)
    model = training.run()
    assert training.beginning is not None
    assert training.beginning.startswith("begins at the weights of photo-denoise, which validate better")
    assert model.provenance["from"]
    history = model.provenance["history"]
    usual = narrows.train(photos, tmp_path / "u", purpose="denoise", settings=ONE, begin=NONE)
    other = usual.run()
    assert usual.beginning is None
    assert "from" not in other.provenance
    assert history[0]["score"] < other.provenance["history"][0]["score"]


def test_a_codec_for_photographs_begins_there_too(photos: Samples, tmp_path: Path) -> None:
    training = narrows.train(photos, tmp_path / "m", purpose="compress", promise="quality", settings=ONE)
    model = training.run()
    assert training.beginning is not None
    assert "photo-compress" in training.beginning
    shipped = narrows.load("photo-compress")
    assert model.specification == shipped.specification
    assert model.provenance["history"][0]["score"] < 1.5 * shipped.provenance["held_out"]["score"]
    codec = narrows.Codec(model, quality=50)
    image = photos.values[0]
    assert np.abs(codec.decompress(codec.compress([image]))[0].astype(int) - image).mean() < 8


def test_what_photographs_are_not_begins_at_the_optimum(digits: Samples, tmp_path: Path) -> None:
    few = digits.take(np.arange(20))
    training = narrows.train(few, tmp_path / "m", purpose="denoise", network="unet", settings=ONE)
    training.run()
    assert training.beginning is None


def test_any_model_can_be_begun_from_where_it_fits(photos: Samples, tmp_path: Path) -> None:
    first = narrows.train(photos, tmp_path / "a", purpose="upscale", width=8, settings=ONE).run()
    again = narrows.train(photos, tmp_path / "b", purpose="upscale", begin=tmp_path / "a", settings=ONE)
    assert again.run().specification == first.specification
    assert again.beginning == f"begins at the weights of {tmp_path / 'a'}"
    other = narrows.train(
        photos, tmp_path / "c", purpose="upscale", degradation=Smaller(3), begin=first, settings=ONE
    )
    other.run()
    assert other.beginning == (
        "begins at the weights of the model given, all but 3 of its 13 tensors, whose shapes differ"
    )


def test_the_size_of_the_model_begun_from_is_kept(digits: Samples, tmp_path: Path) -> None:
    few, one = digits.take(np.arange(40)), narrows.Settings(steps=1, batch_size=8)
    for purpose, choices in (("reconstruct", {"network": "dense", "code": 5, "width": 24}), ("compress", {})):
        promise = {"promise": "quality"} if purpose == "compress" else {}
        of, same = {"purpose": purpose, "settings": one, "force": True}, tmp_path / "a"
        first = narrows.train(few, same, **of, **choices, **promise).run()
        again = narrows.train(few, tmp_path / "b", **of, begin=same, **promise)
        assert again.run().specification == first.specification
        assert again.beginning == f"begins at the weights of {tmp_path / 'a'}"


@pytest.mark.parametrize(
    ("purpose", "given", "words"),
    [
        ("denoise", "photo-compress", "photo-compress was given to begin from, a model to compress, not to denoise"),
        ("denoise", "photo-wash", "photo-wash: the model cannot be read"),
        ("inpaint", "photo-denoise", "a model to denoise, not to inpaint"),
    ],
)
def test_models_that_do_not_fit_are_refused(
    purpose: str, given: str, words: str, photos: Samples, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=words):
        narrows.train(photos, tmp_path / "m", purpose=purpose, begin=given, settings=ONE)
    assert not list(tmp_path.iterdir())


def test_what_has_nothing_in_common_is_refused(photos: Samples, digits: Samples, tmp_path: Path) -> None:
    model = narrows.build(digits.description, "dense", degradation=Noise(0.1))
    with pytest.raises(ModelError, match="nothing in common"):
        narrows.train(photos, tmp_path / "m", purpose="denoise", network="unet", begin=model, settings=ONE).run()
