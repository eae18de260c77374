"""Photographs in two resolutions: the same numbers everywhere, whatever their size and channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

import narrows
from narrows.archive.promise import Promise
from narrows.codecs.base import PYRAMID
from narrows.codecs.block import BlockCodec
from narrows.codecs.colours import AnyColours
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.codecs.pyramid import MOST_COARSE, IntegerPyramid, gathered, scattered
from narrows.codecs.transform import TransformWay, open_pyramid
from narrows.data.samples import Samples, from_arrays
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array
from narrows.models.catalogue import build
from narrows.models.lossy import Lossy
from narrows.networks.pyramid import PyramidPrior
from narrows.training.settings import Settings


@pytest.fixture(scope="module")
def trained(pictures: Samples) -> Lossy:
    model = build(pictures.description, "pyramid", width=16, purpose="compress")
    list(narrows.fit(model, pictures, Settings(steps=6, batch_size=4, crop=64)))
    assert isinstance(model, Lossy)
    return model


def opened(model: Lossy, quality: int = 60) -> TransformWay:
    way = open_pyramid(Promise(None, quality), CompactModel.from_bytes(model.packed["lossy"]))
    assert isinstance(way, AnyColours)
    assert isinstance(way.rgb, TransformWay)
    return way.rgb


def picture(*shape: int) -> Array:
    rng = np.random.default_rng(sum(shape))
    waves = np.sin(
        np.linspace(0, 4, shape[0])[:, None, None] + np.linspace(0, 5, shape[1])[:, None] + np.arange(shape[2])
    )
    return np.clip(128 + 90 * waves + rng.normal(0, 4, shape), 0, 255).astype(np.uint8)


def test_blocks_scatter_as_torch_shuffles() -> None:
    coarse = np.random.default_rng(0).integers(0, 99, (2, 3, 5, 8))
    torch_way = functional.pixel_shuffle(torch.from_numpy(coarse).permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert np.array_equal(scattered(coarse), torch_way.numpy())
    assert np.array_equal(gathered(scattered(coarse)), coarse)


def test_before_training_the_code_is_an_orthonormal_transform(pictures: Samples) -> None:
    from narrows.data.batches import chunks
    from narrows.models.base import Beginning

    model = build(pictures.description, "pyramid", width=16, purpose="compress")
    model.start(pictures, np.arange(len(pictures)), Beginning("pca", 64, 0, "cpu"))
    x = next(chunks(pictures, None, 64))
    code = model.encoder(x, torch.zeros(len(x)))
    assert torch.allclose(model.decoder(code, torch.zeros(len(x))), x, atol=1e-4)
    smooth, fine = code[:, :48], code[:, 48:]
    variances = smooth.square().mean(dim=(0, 2, 3))
    assert variances[0] > 5 * variances[20] > 0
    assert smooth.square().sum() > 4 * fine.square().sum()


@pytest.mark.parametrize("quality", [1, 60, 100])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (7, 5)])
def test_a_walk_reads_back_what_it_wrote(trained: Lossy, size: tuple[int, int], quality: int) -> None:
    density = opened(trained).density
    assert isinstance(density, IntegerPyramid)
    code = np.random.default_rng(3).laplace(0, 0.2, (2, *size, density.channels))
    coder = RangeEncoder()
    found = density.walk(coder, code, code.shape, quality)
    again = RangeDecoder(coder.finish())
    assert np.array_equal(density.walk(again, None, code.shape, quality), found)
    again.finish()
    step = density.coarse.steps[quality - 1] / 2**20
    assert np.abs(density.values(found) - code).max() <= 1.52 * step


def test_integers_say_what_floats_say(trained: Lossy) -> None:
    density, prior = opened(trained).density, trained.prior
    assert isinstance(density, IntegerPyramid)
    assert isinstance(prior, PyramidPrior)
    coarse = np.random.default_rng(1).normal(0, 1, (1, 4, 3, 48))
    whole = np.rint(coarse * 2**18).astype(np.int64)
    floats = torch.from_numpy(coarse).float().permute(0, 3, 1, 2) * prior.coarse.deviation.view(-1, 1, 1)
    said = prior.context(floats).permute(0, 2, 3, 1).numpy()
    assert np.abs(density.context(whole) / 128 - said.clip(-4, 4)).max() < 0.02
    # No sum leaves what float64 holds, whatever the numbers.
    assert 4 * 256 * MOST_COARSE * (1 << 20) < 2**55
    assert np.abs(density.context(whole * (1 << 40))).max() == 4 << 7


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (33, 17, 3), (50, 70, 1), (50, 70, 2), (50, 70, 4)])
def test_pictures_of_any_size_and_channels_come_back(trained: Lossy, shape: tuple[int, ...]) -> None:
    image = picture(*shape)
    codec = BlockCodec(Promise(None, 90), trained.packed["lossy"])
    block = codec.encode([image, image])
    back = codec.decode(block.payload, [shape, shape], image.dtype, block.digest)
    assert all(b.shape == shape and b.dtype == np.uint8 for b in back)
    if shape[2] in (2, 4):
        assert np.array_equal(back[0][..., -1], image[..., -1])
    colours = slice(0, shape[2] - (shape[2] in (2, 4)))
    assert np.abs(back[1][..., colours].astype(int) - image[..., colours]).mean() < 8


def test_what_nobody_sees_costs_little(trained: Lossy) -> None:
    seen = np.dstack([picture(64, 64, 3), np.full((64, 64), 255, np.uint8)])
    seen[:, 20:, :3] = np.random.default_rng(0).integers(0, 256, (64, 44, 3))
    hidden = seen.copy()
    hidden[:, 20:, 3] = 0
    codec = BlockCodec(Promise(None, 70), trained.packed["lossy"])
    assert 2 * len(codec.encode([hidden]).payload) < len(codec.encode([seen]).payload)


def test_alpha_that_ends_early_is_refused(trained: Lossy) -> None:
    image = picture(20, 20, 4)
    way = open_pyramid(Promise(None, 60), CompactModel.from_bytes(trained.packed["lossy"]))
    data = way.encode([image]).data
    for broken in (b"\xff\x7f" + data[1:], data[:2]):
        with pytest.raises(ArchiveError):
            way.decode(broken, [image.shape], image.dtype)


def test_a_damaged_model_is_refused(trained: Lossy) -> None:
    compact = CompactModel.from_bytes(trained.packed["lossy"])
    assert compact.way == PYRAMID
    arrays = unpack_arrays(compact.decoding)
    at = next(i for i, array in enumerate(arrays) if array.shape == (48, 48))
    for wrong in (arrays[at][:40], arrays[at] * (1 << 21), arrays[at].reshape(-1)):
        broken = replace(compact, decoding=pack_arrays([*arrays[:at], wrong, *arrays[at + 1 :]]))
        with pytest.raises(ModelError):
            open_pyramid(Promise(None, 60), broken)


def test_a_grey_model_takes_grey_pictures_only() -> None:
    grey = from_arrays([picture(40, 40, 1), picture(48, 40, 1)])
    model = build(grey.description, "pyramid", width=16, purpose="compress")
    list(narrows.fit(model, grey, Settings(steps=2, batch_size=2, crop=32)))
    assert isinstance(model, Lossy)
    codec = BlockCodec(Promise(None, 80), model.packed["lossy"])
    assert codec.takes((9, 9, 1), np.dtype(np.uint8))
    assert not codec.takes((9, 9, 3), np.dtype(np.uint8))
    assert not codec.takes((9, 9, 1), np.dtype(np.uint16))
