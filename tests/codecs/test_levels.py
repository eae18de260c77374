"""Samples at a quality: the bytes are what the estimate said, the numbers come back, the dial goes one way."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import narrows
from narrows.archive.digest import digest_of
from narrows.archive.promise import Promise
from narrows.codecs.base import LEVELS
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.levels import IntegerLevels, LevelsWay, open_levels
from narrows.codecs.make import compact_lossy
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.data.batches import to_tensor
from narrows.data.samples import Samples
from narrows.entropy.coder import Coder, RangeDecoder, RangeEncoder, Sampler
from narrows.entropy.cumulative import PRECISION, Integers
from narrows.errors import ArchiveError, ModelError
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.models.loading import load
from narrows.training.settings import Settings

QUALITIES = (1, 25, 50, 60, 75, 90, 100)


class Counting(Coder):
    """An encoder that also adds up what the tables say."""

    def __init__(self) -> None:
        self.encoder, self.bits = RangeEncoder(), 0.0

    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        raise AssertionError("levels have tables of their own")

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        assert symbols is not None
        self.bits += float((PRECISION - np.log2(np.take_along_axis(parts, symbols[:, None], 1))).sum())
        return self.encoder.own_tables(symbols, parts)


@pytest.fixture(scope="module")
def trained(digits: Samples) -> Model:
    model = build(digits.description, width=16, purpose="compress")
    list(narrows.fit(model, digits, Settings(steps=40, batch_size=64)))
    return model


def opened(packed: bytes, quality: int = 50) -> LevelsWay:
    return open_levels(Promise(None, quality), CompactModel.from_bytes(packed))


@pytest.fixture(scope="module")
def codec(trained: Model) -> LevelsWay:
    return opened(trained.packed["lossy"])


def images(count: int, *shape: int) -> list[np.ndarray]:
    rng = np.random.default_rng(count)
    return [rng.integers(0, 17, (*shape, 1)).astype(np.uint8) for _ in range(count)]


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (8, 8), (33, 5), (40, 70)])
def test_bytes_are_what_the_tables_estimate(codec: LevelsWay, quality: int, shape: tuple[int, int]) -> None:
    coder, stack = Counting(), np.stack(images(3, *shape)) / 16
    levels = codec.levels.walk(coder, stack, stack.shape, quality)
    data = coder.encoder.finish()
    assert coder.bits - 1 <= 8 * len(data) <= 1.005 * coder.bits + 64
    again = RangeDecoder(data)
    assert np.array_equal(codec.levels.walk(again, None, stack.shape, quality), levels)
    again.finish()


@pytest.mark.parametrize("quality", QUALITIES)
def test_bytes_are_what_training_made_small(trained: Model, digits: Samples, quality: int) -> None:
    chosen = list(np.asarray(digits.values[:200]))
    x = to_tensor(np.stack(chosen), digits.description)
    with torch.no_grad():
        _, bits = trained.quantised(x, torch.full((len(x),), (quality - 1) / 99 * 2 - 1))
    found = opened(trained.packed["lossy"], quality).encode(chosen)
    assert 8 * len(found.data) == pytest.approx(float(bits.sum()), rel=0.01, abs=64)


def test_more_quality_is_more_bytes_and_less_error(trained: Model, digits: Samples) -> None:
    chosen = list(np.asarray(digits.values[:300]))
    sizes, errors = [], []
    for quality in (1, 20, 40, 60, 80, 100):
        way = opened(trained.packed["lossy"], quality)
        coded, shapes = way.encode(chosen), [s.shape for s in chosen]
        numbers = way.decode(coded.data, shapes, np.dtype(np.uint8))
        assert digest_of(numbers) == digest_of(coded.numbers)
        back = way.samples(numbers, shapes)
        sizes.append(len(coded.data))
        errors.append(float(np.square(np.stack(back).astype(float) - np.stack(chosen)).mean()))
    assert all(a <= b for a, b in itertools.pairwise(sizes))
    assert all(a >= b for a, b in itertools.pairwise(errors))
    assert sizes[0] < 0.7 * sizes[-1]


def test_samples_of_differing_sizes_share_a_block(trained: Model) -> None:
    samples = [*images(2, 9, 12), *images(1, 30, 4), *images(2, 9, 12)]
    codec = BlockCodec(Promise(None, 80), trained.packed["lossy"])
    block = codec.encode(samples)
    back = codec.decode(block.payload, [s.shape for s in samples], np.dtype(np.uint8), block.digest)
    assert [b.shape for b in back] == [s.shape for s in samples]


def test_a_block_at_a_quality_is_smaller_than_an_exact_one(trained: Model, digits: Samples) -> None:
    chosen = list(np.asarray(digits.values[:200]))
    codec = BlockCodec(Promise(None, 40), trained.packed["lossy"])
    block = codec.encode(chosen)
    assert block.payload[0] == LEVELS
    assert len(block.payload) < 0.5 * len(BlockCodec(Promise(0)).encode(chosen).payload)
    back = codec.decode(block.payload, [s.shape for s in chosen], np.dtype(np.uint8), block.digest)
    flat = np.stack(chosen).astype(float)
    assert np.square(np.stack(back) - flat).mean() < 0.5 * flat.var()


@pytest.mark.parametrize(("shape", "dtype"), [((8, 8, 3), "uint8"), ((8, 8, 1), "uint16"), ((12,), "float32")])
def test_samples_of_another_kind_are_stored_exactly(trained: Model, shape: tuple[int, ...], dtype: str) -> None:
    samples = [np.arange(np.prod(shape)).reshape(shape).astype(dtype)] * 3
    codec = BlockCodec(Promise(None, 50), trained.packed["lossy"])
    block = codec.encode(samples)
    assert block.payload[0] != LEVELS
    for sample, back in zip(
        samples, codec.decode(block.payload, [shape] * 3, samples[0].dtype, block.digest), strict=True
    ):
        assert np.array_equal(sample, back)


def test_a_flipped_bit_is_noticed(trained: Model, digits: Samples) -> None:
    chosen = list(np.asarray(digits.values[:5]))
    codec = BlockCodec(Promise(None, 50), trained.packed["lossy"])
    block = codec.encode(chosen)
    for bit in range(8, 8 * len(block.payload), 7):
        damaged = bytearray(block.payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArchiveError):
            codec.decode(bytes(damaged), [s.shape for s in chosen], np.dtype(np.uint8), block.digest)


def test_a_model_file_keeps_what_was_packed(trained: Model, tmp_path: object) -> None:
    path = f"{tmp_path}/m.safetensors"
    trained.save(path)
    loaded = load(path)
    assert loaded.packed == trained.packed
    assert loaded.specification == trained.specification
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(loaded(x), trained.eval()(x))


def of_arrays(arrays: list[Integers]) -> bytes:
    return CompactModel(LEVELS, pack_arrays(arrays)).to_bytes()


def test_a_damaged_compact_model_is_refused(trained: Model) -> None:
    packed = trained.packed["lossy"]
    model = CompactModel.from_bytes(packed)
    for cut in (0, 1, 10, len(packed) // 2, len(packed) - 1):
        with pytest.raises((ModelError, ArchiveError)):
            opened(packed[:cut])
    for cut in (0, 1, 10, len(model.decoding) // 2, len(model.decoding) - 1):
        with pytest.raises((ModelError, ArchiveError)):
            opened(replace(model, decoding=model.decoding[:cut]).to_bytes())
    with pytest.raises(ModelError, match="more in it"):
        opened(replace(model, references=b"more").to_bytes())
    arrays = unpack_arrays(model.decoding)
    for place, text in ((1, b"{}"), (1, b"[1]"), (1, b"\xff"), (2, None)):
        other = list(arrays)
        other[place] = other[place] + 200 if text is None else np.frombuffer(text, np.uint8).astype(np.int64)
        with pytest.raises(ModelError):
            opened(of_arrays(other))
    for count in (0, 1, 2, 3, 12, len(arrays) - 1):
        with pytest.raises(ModelError):
            opened(of_arrays(arrays[:count]))
    codec = opened(packed)
    for wrong in (replace(codec.levels, counts=codec.levels.counts + 20), replace(codec.levels, channels=2)):
        with pytest.raises(ModelError):
            IntegerLevels.from_arrays(iter(wrong.to_arrays()))


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("description", {"shape": []}),
        ("description", {"shape": [8]}),
        ("description", {"shape": [8, 8]}),
        ("description", {"shape": [1 << 30, 1 << 30, 1]}),
        ("description", {"low": "0"}),
        ("description", {"high": 10**400}),
        ("description", {"high": float("inf")}),
        ("description", {"kind": "images"}),
        ("description", {"shape": [64]}),
        ("specification", {"network": "flat"}),
        ("specification", {"network": []}),
        ("specification", {"code": 1.0}),
        ("specification", {"fold": None}),
        ("specification", {"purpose": "exact"}),
    ],
)
def test_a_compact_model_that_says_what_cannot_be_is_refused(
    trained: Model, part: str, wrong: dict[str, object]
) -> None:
    arrays = unpack_arrays(CompactModel.from_bytes(trained.packed["lossy"]).decoding)
    card = json.loads(arrays[1].astype(np.uint8).tobytes())
    card[part] |= wrong
    for shape in ([8, 8, 1], [64]):
        if wrong == {"network": "flat"}:
            card["description"]["shape"] = shape
        arrays[1] = np.frombuffer(json.dumps(card).encode(), np.uint8).astype(np.int64)
        with pytest.raises(ModelError, match="damaged"):
            opened(of_arrays(arrays))


def test_a_density_of_other_channels_than_the_samples_have_is_refused(trained: Model, codec: LevelsWay) -> None:
    colour = replace(codec.make, description=replace(codec.make.description, shape=(8, 8, 3)))
    with pytest.raises(ModelError, match="do not fit together"):
        LevelsWay(colour, codec.levels, 50)


def test_pictures_of_differing_sizes_are_learned_and_packed(pictures: Samples) -> None:
    model = build(pictures.description, width=16, purpose="compress")
    list(narrows.fit(model, pictures, Settings(steps=2, crop=32)))
    codec = BlockCodec(Promise(None, 60), compact_lossy(model, pictures).to_bytes())
    sample = np.asarray(pictures.values[0])[:40, :50]
    block = codec.encode([sample])
    (back,) = codec.decode(block.payload, [sample.shape], sample.dtype, block.digest)
    assert back.shape == sample.shape


@pytest.mark.parametrize("shape", [(8, 8), (33, 5)])
def test_the_walk_that_decodes_also_draws_new_images(codec: LevelsWay, shape: tuple[int, int]) -> None:
    drawn, again, other = (codec.levels.walk(Sampler(seed), None, (3, *shape, 1), 60) for seed in (1, 1, 2))
    assert np.array_equal(drawn, again)
    assert not np.array_equal(drawn, other)
    assert 0 <= drawn.min() <= drawn.max() < codec.levels.counts[59]
