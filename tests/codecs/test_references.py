"""A model with a memory codes a sample beside one like it, and needs nothing else to decode."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from narrows.training.objective import Objective

import narrows
from narrows.archive.archive import Archive
from narrows.codecs import weights
from narrows.codecs.block import LOSSY
from narrows.codecs.lossy import open_codec
from narrows.codecs.references import Memory
from narrows.codecs.transform import TransformCodec
from narrows.data.samples import from_arrays
from narrows.entropy.coder import Decoder, Encoder
from narrows.errors import ArchiveError, ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.autoencoder import Autoencoder
from narrows.models.catalogue import build
from narrows.models.loading import load
from narrows.tasks.codec import Codec, prepare
from narrows.training import loop
from narrows.training.checkpoint import State
from narrows.training.settings import Settings

COUNT = 12  # remembered


def variants(seed: int) -> Array:
    """Drawings in pairs that differ in colour, `(24, 40, 32, 3)`."""
    rng = np.random.default_rng(seed)
    light = np.kron(rng.integers(0, 255, (12, 10, 8, 1)), np.ones((1, 4, 4, 1)))
    return np.concatenate([light * tint for tint in rng.uniform(0.5, 1, (2, 1, 1, 1, 3))]).astype(np.uint8)


@pytest.fixture(scope="module")
def trained() -> Autoencoder:
    samples = from_arrays(variants(0))
    model = build(samples.description, "transform", width=16, purpose="compress", memory=COUNT)
    list(narrows.fit(model, samples, Settings(steps=15, batch_size=8)))
    prepare(model, samples)
    return model


@pytest.fixture(scope="module")
def codec(trained: Autoencoder) -> TransformCodec:
    codec = open_codec(*weights.parted(trained.packed["lossy"]))
    assert isinstance(codec, TransformCodec)
    return codec


def test_samples_come_back_and_the_archive_needs_nothing_else(trained: Autoencoder) -> None:
    images = variants(0)
    data = Codec(trained, quality=80).compress(images)
    with Archive(io.BytesIO(data)) as archive:
        assert archive._reader.payload(0, "a block")[0] == LOSSY
        back = archive["samples"]
    assert back.shape == images.shape
    assert np.square(back.astype(float) - images).mean() < 400


def test_the_one_most_alike_is_chosen_and_what_it_says_is_the_same_for_both_sides(codec: TransformCodec) -> None:
    memory = codec.memory
    assert memory is not None
    images = variants(0)
    known = np.linspace(0, len(images) - 1, COUNT).astype(int)
    assert memory.like(images[known]).tolist() == list(range(COUNT))
    coder = Encoder()
    told = memory.walk(coder, memory.like(images[:3]), 3)
    decoder = Decoder(coder.finish())
    assert np.array_equal(memory.walk(decoder, None, 3), told)
    assert told.shape == (3, *memory.shape)
    assert told.any()


def test_an_image_like_none_is_coded_without(codec: TransformCodec) -> None:
    memory = codec.memory
    assert memory is not None
    rows, columns = np.indices((40, 32))
    odd = (((rows + columns) % 2) * 255).astype(np.uint8)[None, ..., None].repeat(3, axis=3)
    assert memory.like(odd).tolist() == [COUNT]
    assert not memory.walk(Encoder(), memory.like(odd), 1).any()
    data, digest = codec.encode(list(odd), 50)
    assert codec.decode(data, [odd[0].shape], 50)[1] == digest


@pytest.mark.parametrize("shape", [(40, 31, 3), (16, 16, 3), (48, 64, 3)])
def test_images_of_another_size_are_coded_without(codec: TransformCodec, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    data, digest = codec.encode([image], 50)
    samples, found = codec.decode(data, [shape], 50)
    assert found == digest
    assert samples[0].shape == shape


def test_the_model_file_keeps_the_memory(trained: Autoencoder) -> None:
    file = io.BytesIO()
    trained.save(file)
    file.seek(0)
    again = load(file)
    assert again.specification.memory == COUNT
    assert again.packed == trained.packed
    images = variants(0)[:3]
    assert Codec(again, quality=50).compress(images) == Codec(trained, quality=50).compress(images)


def test_a_memory_that_is_damaged_is_refused(trained: Autoencoder) -> None:
    decoding, encoding = weights.parted(trained.packed["lossy"])
    arrays, recalled = weights.parted(decoding, weights.RECALLED)
    assert recalled
    wrong = [
        weights.joined(arrays, recalled[:-1], weights.RECALLED),
        weights.joined(arrays, b"", weights.RECALLED),
        weights.joined(arrays, recalled + b"\0", weights.RECALLED),
        arrays,
    ]
    for packed in wrong:
        with pytest.raises(ModelError, match="memory is damaged"):
            open_codec(packed)
    for cut in range(0, 30, 3):
        with pytest.raises((ModelError, ArchiveError)):
            open_codec(decoding[:cut])
    half, thumbnails = weights.parted(encoding, weights.RECALLED)
    with pytest.raises(ModelError, match="memory is damaged"):
        open_codec(decoding, weights.joined(half, thumbnails[:-1], weights.RECALLED))


def test_thumbnails_of_another_size_are_refused(trained: Autoencoder) -> None:
    decoding, encoding = weights.parted(trained.packed["lossy"])
    half, thumbnails = weights.parted(encoding, weights.RECALLED)
    for wrong in (thumbnails[:-COUNT], thumbnails + thumbnails):
        with pytest.raises(ModelError, match="memory is damaged"):
            open_codec(decoding, weights.joined(half, wrong, weights.RECALLED))


def test_each_remembered_sample_is_decoded_once_however_many_there_are(codec: TransformCodec) -> None:
    assert codec.memory is not None
    many = Memory(codec.memory.latents, codec.memory.shape, list(codec.memory.payloads) * 9)
    for number in [*range(9 * COUNT), *range(9 * COUNT)]:
        many.recall(number)
    assert many._recall.cache_info().misses == 9 * COUNT  # type: ignore[attr-defined]


@pytest.mark.parametrize("sides", [[(40, 32), (40, 31)], [(48, 64)], [(16, 16)]])
def test_samples_of_another_size_cannot_be_remembered(trained: Autoencoder, sides: list[tuple[int, int]]) -> None:
    samples = from_arrays([np.zeros((*sides[i % len(sides)], 3), np.uint8) for i in range(20)])
    with pytest.raises(ModelError, match="remembers images 32x40, RGB") as caught:
        list(narrows.fit(trained, samples, Settings(steps=1, batch_size=2)))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="remembers"):
        prepare(trained, samples)


def test_validation_of_images_beside_others_keeps_to_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = from_arrays(variants(0))
    model = build(samples.description, "transform", width=16, purpose="compress", memory=COUNT)
    monkeypatch.setattr(loop, "VALIDATION_BYTES", 4 * 4 * samples.description.values)  # four images, two pairs
    seen: list[int] = []
    validate = loop._validate

    def watched(model: Autoencoder, aim: Objective, x: torch.Tensor, state: State) -> None:
        seen.append(x.numel())
        validate(model, aim, x, state)

    monkeypatch.setattr(loop, "_validate", watched)
    list(narrows.fit(model, samples, Settings(steps=1, batch_size=2, validation=0.5)))
    assert set(seen) == {4 * samples.description.values}


def test_a_memory_is_refused_where_none_can_be() -> None:
    varied = from_arrays([np.zeros((80, 80 + i, 3), np.uint8) for i in range(3)]).description
    small = from_arrays(np.zeros((9, 8, 8, 1), np.uint8)).description
    vectors = from_arrays(np.zeros((9, 8), np.float32)).description
    large = from_arrays(np.zeros((2, 8, 2049, 1), np.uint8)).description  # coded in pieces, none of this size
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
