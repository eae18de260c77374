"""Photos and vectors at a quality: the bytes are what the tables said, and the numbers come back everywhere."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import narrows
from narrows.archive.digest import digest_of
from narrows.archive.promise import Promise
from narrows.codecs.base import TRANSFORM
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.latents import IntegerPrior
from narrows.codecs.make import make_compact
from narrows.codecs.opening import open_archive
from narrows.codecs.transform import TransformWay, open_transform
from narrows.data.batches import to_tensor
from narrows.data.samples import Samples, from_arrays
from narrows.entropy.coder import Coder, RangeDecoder, RangeEncoder, Sampler
from narrows.entropy.cumulative import PRECISION, Integers
from narrows.entropy.gaussians import GAUSSIANS, SCALES, Gaussians
from narrows.entropy.passes import code_passes, places
from narrows.errors import ArchiveError, ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.networks.prior import groups
from narrows.tasks.codec import Codec
from narrows.training.settings import Settings


class Counting(Coder):
    """An encoder that also adds up what the tables say."""

    def __init__(self) -> None:
        self.encoder, self.bits = RangeEncoder(), 0.0

    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        assert symbols is not None
        self.bits += float((PRECISION - np.log2(parts[symbols])).sum())
        return self.encoder.one_table(symbols, count, parts)

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        raise AssertionError("numbers of a code share their tables")


def pictures_of(count: int, *shape: int) -> list[Array]:
    """Smooth pictures with some noise, `shape` `(H, W, C)`."""
    rng = np.random.default_rng(count + sum(shape))
    rows, columns = np.linspace(0, 3, shape[0])[:, None, None], np.linspace(0, 3, shape[1])[:, None]
    waves = [np.sin(rows * rng.normal() + columns * rng.normal() + np.arange(shape[2])) for _ in range(count)]
    return [np.clip(128 + 90 * wave + rng.normal(0, 4, shape), 0, 255).astype(np.uint8) for wave in waves]


@pytest.fixture(scope="module")
def trained() -> Model:
    samples = from_arrays(np.stack(pictures_of(24, 72, 64, 3)))
    model = build(samples.description, width=16, purpose="compress")
    list(narrows.fit(model, samples, Settings(steps=12, batch_size=8)))
    return model


def opened(packed: bytes, quality: int = 70) -> TransformWay:
    return open_transform(Promise(None, quality), CompactModel.from_bytes(packed))


@pytest.fixture(scope="module")
def codec(trained: Model) -> TransformWay:
    return opened(trained.packed["lossy"])


def vectors(count: int) -> Array:
    rng = np.random.default_rng(7)
    mixing = rng.normal(size=(4, 20))
    return (rng.normal(size=(count, 4)) @ mixing + 0.05 * rng.normal(size=(count, 20))).astype(np.float32)


@pytest.fixture(scope="module")
def of_vectors() -> Model:
    samples = from_arrays(vectors(600))
    model = build(samples.description, width=16, purpose="compress")
    list(narrows.fit(model, samples, Settings(steps=20, batch_size=64)))
    return model


@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("code", [1, 2, 4, 64, 192, 256])
def test_every_number_of_a_code_has_one_pass(code: int, spatial: bool) -> None:
    high, wide = (19, 37) if spatial else (1, 1)
    seen = np.zeros((high, wide, code), int)
    for p in code_passes(groups(code, spatial), spatial):
        plane = seen[:: p.spacing, :: p.spacing, p.first : p.last]
        plane += places(p.where, *plane.shape[:2])[..., None]
    assert (seen == 1).all()


@pytest.mark.parametrize("spread", [0.02, 1.0, 300.0, 1e5])
@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (18, 2)])
def test_bytes_are_what_the_tables_estimate(codec: TransformWay, spread: float, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for quality in (1, 60, 100):
        steps = codec.density.steps[quality - 1] / 2**20
        code = rng.laplace(0, spread * steps, (2, *shape, 192))
        coder = Counting()
        found = codec.density.walk(coder, code, code.shape, quality)
        data = coder.encoder.finish()
        assert coder.bits - 1 <= 8 * len(data) <= 1.005 * coder.bits + 64
        again = RangeDecoder(data)
        assert np.array_equal(codec.density.walk(again, None, code.shape, quality), found)
        again.finish()
        assert np.abs(codec.density.values(found) - code).max() <= 1.52 * steps  # where half a step saves 20 bits


def test_more_quality_is_more_bytes_and_less_error(trained: Model) -> None:
    samples = pictures_of(3, 50, 90, 3)
    sizes, errors = [], []
    for quality in (1, 20, 40, 60, 80, 100):
        codec = BlockCodec(Promise(None, quality), trained.packed["lossy"])
        block = codec.encode(samples)
        assert block.payload[0] == TRANSFORM
        back = codec.decode(block.payload, [s.shape for s in samples], np.dtype(np.uint8), block.digest)
        sizes.append(len(block.payload))
        errors.append(np.square(np.stack(back).astype(float) - np.stack(samples)).mean())
    assert all(a <= b for a, b in itertools.pairwise(sizes))
    assert all(a >= b for a, b in itertools.pairwise(errors))
    assert sizes[0] < 0.3 * sizes[-1]


def test_pictures_of_differing_sizes_share_a_block(trained: Model) -> None:
    samples = [
        *pictures_of(2, 9, 12, 3),
        *pictures_of(1, 30, 4, 3),
        *pictures_of(2, 9, 12, 3),
        *pictures_of(1, 1, 1, 3),
    ]
    codec = BlockCodec(Promise(None, 80), trained.packed["lossy"])
    block = codec.encode(samples)
    back = codec.decode(block.payload, [s.shape for s in samples], np.dtype(np.uint8), block.digest)
    assert [b.shape for b in back] == [s.shape for s in samples]


def test_large_pictures_are_coded_in_sections(trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.codecs.transform.CODE_SECTION", 32)
    (sample,) = pictures_of(1, 70, 41, 3)
    codec = BlockCodec(Promise(None, 90), trained.packed["lossy"])
    block = codec.encode([sample])
    (back,) = codec.decode(block.payload, [sample.shape], sample.dtype, block.digest)
    assert np.square(back.astype(float) - sample).mean() < 30


def test_threads_and_company_do_not_change_the_numbers(codec: TransformWay) -> None:
    samples = pictures_of(4, 40, 48, 3)
    coded, shapes = codec.encode(samples), [s.shape for s in samples]
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            assert digest_of(codec.decode(coded.data, shapes, np.dtype(np.uint8))) == digest_of(coded.numbers)
    finally:
        torch.set_num_threads(before)


def test_vectors_come_back_as_well_as_was_asked(of_vectors: Model) -> None:
    given, errors, sizes = vectors(700)[600:], [], []
    for quality in (20, 60, 100):
        data = Codec(of_vectors, quality=quality).compress(given, embed_model=False)
        back = Codec(of_vectors, quality=quality).decompress(data)
        assert isinstance(back, np.ndarray)
        assert (back.shape, back.dtype) == (given.shape, given.dtype)
        errors.append(np.square(back - given).mean() / given.var())
        sizes.append(len(data))
    assert sizes[0] < sizes[1] < sizes[2] < given.nbytes / 2
    assert 0.2 > errors[0] > errors[1] > errors[2]
    assert errors[2] < 2e-3


def test_an_archive_opens_with_what_it_carries_and_with_the_model_file(trained: Model, tmp_path: Path) -> None:
    samples = pictures_of(2, 24, 16, 3)
    codec = Codec(trained, quality=50)
    carried, bare = codec.compress(samples), codec.compress(samples, embed_model=False)
    model = CompactModel.from_bytes(trained.packed["lossy"])
    decoding = model.for_decoding().to_bytes()
    assert model.encoding
    assert len(carried) - len(bare) == pytest.approx(len(decoding), abs=16)
    for data, packed in ((carried, None), (bare, trained.packed["lossy"]), (bare, decoding)):
        path = tmp_path / "archive.narrows"
        path.write_bytes(data)
        with open_archive(path, packed) as archive:
            assert np.array_equal(archive["1"], np.asarray(codec.decompress(data)[1]))


def test_a_model_from_an_archive_only_decodes(trained: Model) -> None:
    decoding = CompactModel.from_bytes(trained.packed["lossy"]).for_decoding().to_bytes()
    with pytest.raises((ModelError, ArchiveError), match="only decodes"):
        BlockCodec(Promise(None, 50), decoding).encode(pictures_of(1, 16, 16, 3))


def test_a_flipped_bit_is_noticed(trained: Model) -> None:
    samples = pictures_of(1, 16, 24, 3)
    codec = BlockCodec(Promise(None, 60), trained.packed["lossy"])
    block = codec.encode(samples)
    for bit in range(8, 8 * len(block.payload), 29):
        damaged = bytearray(block.payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArchiveError):
            codec.decode(bytes(damaged), [samples[0].shape], np.dtype(np.uint8), block.digest)


def test_a_damaged_compact_model_is_refused(trained: Model, codec: TransformWay) -> None:
    model = CompactModel.from_bytes(trained.packed["lossy"])
    for cut in (0, 1, 10, len(model.decoding) // 2, len(model.decoding) - 1):
        with pytest.raises((ModelError, ArchiveError)):
            opened(replace(model, decoding=model.decoding[:cut]).to_bytes())
    with pytest.raises((ModelError, ArchiveError)):
        opened(replace(model, encoding=model.encoding[:-1]).to_bytes())
    own = codec.density
    for wrong in (
        replace(own, steps=own.steps * 0),
        replace(own, edges=own.edges[::-1]),
        replace(own, inverses=own.inverses << 40),
        replace(own, widths=own.widths[:-1]),
        replace(own, dials=own.dials + 300),
        replace(own, networks=own.networks[::-1]),
    ):
        with pytest.raises(ModelError):
            IntegerPrior.from_arrays(iter(wrong.to_arrays()))
    lengths, halves = own.gaussians.to_arrays()
    for arrays in ((lengths + 1, halves), (lengths, halves + 1), (lengths[1:], halves), (lengths, halves * 0)):
        with pytest.raises(ModelError):
            Gaussians(*arrays)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pictures_of_any_channels_are_learned(channels: int) -> None:
    samples = pictures_of(17, 68, 70, channels)
    model = build(from_arrays(samples).description, width=16, purpose="compress")
    list(narrows.fit(model, samples, Settings(steps=1, batch_size=2, crop=16)))
    make_compact(model, from_arrays(samples))
    back = Codec(model, quality=90).decompress(Codec(model, quality=90).compress(samples[:2]))
    assert [b.shape for b in back] == [(68, 70, channels)] * 2


def test_small_images_have_levels_unless_told_otherwise(digits: Samples) -> None:
    assert build(digits.description, purpose="compress").specification.network == "levels"
    assert build(digits.description, "transform", purpose="compress").specification.network == "transform"
    with pytest.raises(SettingsError, match="there are flat, levels, pyramid, transform"):
        build(digits.description, "dense", purpose="compress")


def test_a_start_loses_nothing_but_by_rounding(trained: Model) -> None:
    samples = from_arrays(np.stack(pictures_of(24, 72, 64, 3)))
    model = build(samples.description, width=16, purpose="compress")
    list(narrows.fit(model, samples, Settings(steps=1, batch_size=1, learning_rate=1e-12)))
    x = to_tensor(np.asarray(samples.values), samples.description)
    with torch.no_grad():
        assert (model.decoder(model.encoder(x)) - x).abs().max() < 1e-3


def test_last_bits_that_are_more_than_bits_are_refused(codec: TransformWay) -> None:
    gaussians, index = codec.density.gaussians, np.array([SCALES - 1, SCALES - 1])
    right = np.array([5, -7])
    coder = RangeEncoder()
    gaussians.code(coder, right, index)
    assert np.array_equal(gaussians.code(RangeDecoder(coder.finish()), None, index), right)
    for wrong in (1 << 7, 1 << 20, -1):
        coder = RangeEncoder()
        coder.by_table(right >> 7, np.full(2, GAUSSIANS - 1), gaussians.tables)
        coder.by_table(np.array([0, wrong]), np.full(2, GAUSSIANS + 6), gaussians.tables)
        with pytest.raises(ArchiveError, match="last bits"):
            gaussians.code(RangeDecoder(coder.finish()), None, index)


@pytest.mark.parametrize("quality", [1, 50, 100])
@pytest.mark.parametrize("fields", [[[200]], [[10, 240], [200, 90]], [[0, 200, 0, 200]]])
def test_flat_drawings_take_no_more_bytes_than_exact_storage(
    trained: Model, fields: list[list[int]], quality: int
) -> None:
    image = np.kron(np.array(fields)[..., None], np.ones((64, 32, 3))).astype(np.uint8)
    payload = BlockCodec(Promise(None, quality), trained.packed["lossy"]).encode([image]).payload
    assert len(payload) <= len(BlockCodec(Promise(0)).encode([image]).payload)


def test_the_walk_that_decodes_also_draws_new_codes(codec: TransformWay) -> None:
    shape = (2, 5, 9, codec.density.channels)
    drawn, again = (codec.density.walk(Sampler(1), None, shape, 60) for _ in range(2))
    assert np.array_equal(drawn, again)
    assert len(np.unique(drawn)) > 100
