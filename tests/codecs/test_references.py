"""A model with references codes a sample with the help of one like it, and needs nothing else to decode."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

import narrows
from narrows.archive.digest import digest_of
from narrows.archive.promise import Promise
from narrows.codecs.base import TRANSFORM
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.make import make_compact
from narrows.codecs.opening import open_archive
from narrows.codecs.references import References
from narrows.codecs.transform import TransformWay, open_transform
from narrows.data.samples import from_arrays
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.errors import ArchiveError, ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.models.loading import load
from narrows.tasks.codec import Codec
from narrows.training import loop
from narrows.training.checkpoint import State
from narrows.training.settings import Settings

COUNT = 12  # references
UINT8 = np.dtype(np.uint8)


def variants(seed: int) -> Array:
    """Drawings in pairs that differ in colour, `(24, 40, 32, 3)`."""
    rng = np.random.default_rng(seed)
    light = np.kron(rng.integers(0, 255, (12, 10, 8, 1)), np.ones((1, 4, 4, 1)))
    return np.concatenate([light * tint for tint in rng.uniform(0.5, 1, (2, 1, 1, 1, 3))]).astype(np.uint8)


@pytest.fixture(scope="module")
def trained() -> Model:
    samples = from_arrays(variants(0))
    model = build(samples.description, "transform", width=16, purpose="compress", memory=COUNT)
    list(narrows.fit(model, samples, Settings(steps=15, batch_size=8)))
    return model


def opened(model: CompactModel, quality: int = 50) -> TransformWay:
    return open_transform(Promise(None, quality), model)


@pytest.fixture(scope="module")
def codec(trained: Model) -> TransformWay:
    return opened(CompactModel.from_bytes(trained.packed["lossy"]))


def test_samples_come_back_and_the_archive_needs_nothing_else(trained: Model) -> None:
    images = variants(0)
    data = Codec(trained, quality=80).compress(images)
    with open_archive(io.BytesIO(data)) as archive:
        assert archive._reader.payload(0, "a block")[0] == TRANSFORM
        back = archive["samples"]
    assert back.shape == images.shape
    assert np.square(back.astype(float) - images).mean() < 400


def test_the_one_most_alike_is_chosen_and_what_it_says_is_the_same_for_both_sides(codec: TransformWay) -> None:
    references = codec.references
    assert references is not None
    images = variants(0)
    known = np.linspace(0, len(images) - 1, COUNT).astype(int)
    assert references.like(images[known]).tolist() == list(range(COUNT))
    coder = RangeEncoder()
    found = references.walk(coder, references.like(images[:3]), 3)
    decoder = RangeDecoder(coder.finish())
    assert np.array_equal(references.walk(decoder, None, 3), found)
    assert found.shape == (3, *references.shape)
    assert found.any()


def test_an_image_like_none_is_coded_without(codec: TransformWay) -> None:
    references = codec.references
    assert references is not None
    rows, columns = np.indices((40, 32))
    odd = (((rows + columns) % 2) * 255).astype(np.uint8)[None, ..., None].repeat(3, axis=3)
    assert references.like(odd).tolist() == [COUNT]
    assert not references.walk(RangeEncoder(), references.like(odd), 1).any()
    coded = codec.encode(list(odd))
    assert digest_of(codec.decode(coded.data, [odd[0].shape], UINT8)) == digest_of(coded.numbers)


@pytest.mark.parametrize("shape", [(40, 31, 3), (16, 16, 3), (48, 64, 3)])
def test_images_of_another_size_are_coded_without(codec: TransformWay, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    coded = codec.encode([image])
    numbers = codec.decode(coded.data, [shape], UINT8)
    assert digest_of(numbers) == digest_of(coded.numbers)
    assert codec.samples(numbers, [shape])[0].shape == shape


def test_the_model_file_keeps_the_memory(trained: Model) -> None:
    file = io.BytesIO()
    trained.save(file)
    file.seek(0)
    again = load(file)
    assert again.specification.memory == COUNT
    assert again.packed == trained.packed
    images = variants(0)[:3]
    assert Codec(again, quality=50).compress(images) == Codec(trained, quality=50).compress(images)


def test_references_that_are_damaged_are_refused(trained: Model) -> None:
    model = CompactModel.from_bytes(trained.packed["lossy"])
    payloads, thumbnails = model.references, model.thumbnails
    assert payloads
    wrong = [{"references": payloads[:-1]}, {"references": b""}, {"references": payloads + b"\0"}]
    wrong += [{"thumbnails": t} for t in (thumbnails[:-1], thumbnails[:-COUNT], thumbnails + thumbnails)]
    for parts in wrong:
        with pytest.raises(ModelError, match="references are damaged"):
            opened(replace(model, **parts))
    packed = model.for_decoding().to_bytes()
    for cut in range(0, 30, 3):
        with pytest.raises((ModelError, ArchiveError)):
            opened(CompactModel.from_bytes(packed[:cut]))


def test_each_reference_is_decoded_once_however_many_there_are(codec: TransformWay) -> None:
    own = codec.references
    assert own is not None
    many = References(own.prior, own.shape, list(own.payloads) * 9)
    for number in [*range(9 * COUNT), *range(9 * COUNT)]:
        many.code(number)
    assert many._code.cache_info().misses == 9 * COUNT  # type: ignore[attr-defined]


@pytest.mark.parametrize("sides", [[(40, 32), (40, 31)], [(48, 64)], [(16, 16)]])
def test_samples_of_another_size_cannot_be_remembered(trained: Model, sides: list[tuple[int, int]]) -> None:
    samples = from_arrays([np.zeros((*sides[i % len(sides)], 3), np.uint8) for i in range(20)])
    with pytest.raises(ModelError, match="remembers images 32x40, RGB") as caught:
        list(narrows.fit(trained, samples, Settings(steps=1, batch_size=2)))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="remembers"):
        make_compact(trained, samples)


def test_validation_of_images_beside_others_keeps_to_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = from_arrays(variants(0))
    model = build(samples.description, "transform", width=16, purpose="compress", memory=COUNT)
    monkeypatch.setattr(loop, "VALIDATION_BYTES", 4 * 4 * samples.description.values)  # four images, two pairs
    seen: list[int] = []
    validate = loop._validate

    def watched(model: Model, x: torch.Tensor, seed: int, state: State) -> None:
        seen.append(x.numel())
        validate(model, x, seed, state)

    monkeypatch.setattr(loop, "_validate", watched)
    list(narrows.fit(model, samples, Settings(steps=1, batch_size=2, validation=0.5)))
    assert set(seen) == {4 * samples.description.values}


def test_a_memory_is_refused_where_none_can_be() -> None:
    varied = from_arrays([np.zeros((80, 80 + i, 3), np.uint8) for i in range(3)]).description
    small = from_arrays(np.zeros((9, 8, 8, 1), np.uint8)).description
    vectors = from_arrays(np.zeros((9, 8), np.float32)).description
    large = from_arrays(np.zeros((2, 8, 2049, 1), np.uint8)).description  # coded in sections, none of this size
    for description, network, purpose in (
        (large, None, "compress"),
        (varied, None, "compress"),
        (small, "levels", "compress"),
        (small, None, "exact"),
        (vectors, None, "compress"),
        (small, None, "reconstruct"),
    ):
        with pytest.raises(SettingsError, match="memory"):
            build(description, network, purpose=purpose, memory=2)  # type: ignore[arg-type]
