"""Photographs as residuals come back exactly or within an error, whatever their size, and from any machine."""

from __future__ import annotations

import functools
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.archive.digest import digest_of
from narrows.archive.promise import Promise
from narrows.codecs import grid
from narrows.codecs.base import CORRECTED, RESIDUALS
from narrows.codecs.block import BlockCodec
from narrows.codecs.calibrate_images import integer_residuals
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.corrections import FEWEST
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.codecs.residuals import IntegerResiduals, ResidualsWay, open_residuals
from narrows.data.samples import from_arrays
from narrows.entropy.coder import Sampler
from narrows.entropy.passes import grid_passes
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array
from narrows.models.base import Beginning
from narrows.models.catalogue import build
from narrows.models.density import Density
from narrows.networks.residuals import Residuals, colours_of, filled_quads, relative
from narrows.training.loop import fit
from narrows.training.settings import Settings

UINT8 = np.dtype(np.uint8)


def pictures(count: int, height: int, width: int, channels: int, seed: int = 0) -> Array:
    """Waves with a little noise; the channels are alike."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(height)[:, None, None] / 5, np.arange(width)[:, None] / 5
    waves = [
        np.sin(rng.uniform(-1, 1) * rows + rng.uniform(-1, 1) * columns + 0.2 * np.arange(channels))
        for _ in range(count)
    ]
    noisy = 128 + 90 * np.stack(waves) + rng.normal(0, 2, (count, height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


@functools.cache
def trained(channels: int) -> Density:
    samples = from_arrays(pictures(24, 40, 40, channels))
    model = build(samples.description, "residuals", width=16, purpose="exact")
    list(fit(model, samples, Settings(steps=60, batch_size=8)))
    assert isinstance(model, Density)
    return model


@functools.cache
def integers(channels: int) -> IntegerResiduals:
    network = trained(channels).pixels
    assert isinstance(network, Residuals)
    x = torch.from_numpy(pictures(24, 40, 40, channels)).permute(0, 3, 1, 2) / 255
    return integer_residuals(network, x)


def packed(channels: int, way: int = CORRECTED) -> bytes:
    return CompactModel(way, pack_arrays(integers(channels).to_arrays())).to_bytes()


def round_trip(images: list[Array], error: int = 0, corrects: bool = True) -> bytes:
    way = ResidualsWay(integers(images[0].shape[2]), error, corrects)
    coded = way.encode(images)
    back = way.decode(coded.data, [image.shape for image in images], UINT8)
    assert digest_of(back) == digest_of(coded.numbers)
    for image, again in zip(images, back, strict=True):
        assert np.abs(image.astype(np.int64) - again).max() <= error
    return coded.data


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 21), st.integers(1, 21)), min_size=1, max_size=3),
    st.sampled_from([1, 3]),
    st.sampled_from([0, 0, 1, 2, 4, 100, 255, 1000]),
    st.sampled_from(["noise", "waves", "extremes"]),
    st.booleans(),
)
def test_images_of_any_size_come_back(
    sizes: list[tuple[int, int]], channels: int, error: int, kind: str, corrects: bool
) -> None:
    rng = np.random.default_rng(0)
    images = [
        pictures(1, *size, channels)[0]
        if kind == "waves"
        else rng.integers(0, 256, (*size, channels)).astype(np.uint8)
        if kind == "noise"
        else (255 * rng.integers(0, 2, (*size, channels))).astype(np.uint8)
        for size in sizes
    ]
    round_trip(images, error, corrects)


def test_bytes_are_few_and_what_training_said_they_would_be() -> None:
    model, images = trained(3), pictures(8, 64, 48, 3, seed=1)
    with torch.no_grad():
        x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        estimate = float(model.pixels.bits(x)) * images.size
    bits = 8 * len(round_trip(list(images)))
    assert bits < 1.05 * estimate + 8 * 8 * 12  # the tables know more, whole numbers less
    assert bits < 0.65 * 8 * images.size
    within = [8 * len(round_trip(list(images), error)) for error in (1, 2, 4)]
    assert bits > 1.3 * within[0] > 1.5 * within[1] > 1.7 * within[2]


def test_training_begins_at_the_best_linear_prediction_and_improves_on_it(natural: Array) -> None:
    samples = from_arrays(np.stack([natural[:96, left : left + 48] for left in range(0, 96, 8)])[:, ::2])
    model = build(samples.description, "residuals", width=16, purpose="exact")
    x = torch.from_numpy(np.ascontiguousarray(natural[None, :96:2, 96:144])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        nothing = float(model(x))
        model.start(samples, np.arange(len(samples)), Beginning("pca", 0, 0, "cpu"))
        linear = float(model(x))
    list(fit(model, samples, Settings(steps=60, batch_size=8)))
    with torch.no_grad():
        after = float(model(x))
    assert linear < nothing / 2
    assert after < linear - 0.05


def test_a_network_never_sees_what_comes_later() -> None:
    network = trained(3).pixels
    assert isinstance(network, Residuals)
    x = torch.randint(0, 256, (1, 3, 9, 7)).float()
    with torch.no_grad():
        for (halving, number, *_), (told, _, _) in zip(network.steps(x), network.told(x), strict=True):
            changed = x.clone()
            step = 1 << halving
            plane = changed[..., ::step, ::step]
            later = [t for q in grid_passes(3)[number:] for t in q.targets]
            for t in later:  # also what lies outside at odd sides, which is no plane of its own
                c, i, j = t // 4, t % 4 // 2, t % 2
                plane[:, c, i::2, j::2] = 255 - plane[:, c, i::2, j::2]
            again = list(network.told(changed))[len(grid_passes(3)) * halving + number][0]
            assert torch.equal(told.mean, again.mean)
            assert torch.equal(told.scale, again.scale)


def test_planes_have_the_colour_of_their_channel_and_are_seen_relative_to_it() -> None:
    assert colours_of(8, 3) == [0, 1, 2, 0, 1, 2, 0, 0]
    planes = filled_quads(torch.full((1, 3, 5, 5), 77.0))
    assert torch.equal(planes, torch.full((1, 12, 3, 3), 77.0))
    seen = relative(planes[:, [0, 4, 8, 3]], 3)
    assert seen.shape == (1, 39, 3, 3)
    assert not seen[:, :36].any()
    assert torch.equal(seen[:, 36:], torch.full((1, 3, 3, 3), (77 - 128) / 32))


def test_threads_and_pieces_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    images, way = list(pictures(3, 33, 21, 3, seed=2)), ResidualsWay(integers(3), 0)
    data = way.encode(images).data
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for strip in (1 << 8, 1 << 20):
                monkeypatch.setattr("narrows.entropy.planes.STRIP", strip)
                assert way.encode(images).data == data
    finally:
        torch.set_num_threads(threads)


def test_large_images_are_coded_in_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "GRID_SECTION", 8)
    monkeypatch.setattr(grid, "TOGETHER_VALUES", 128)
    round_trip(list(pictures(2, 11, 13, 1)))
    round_trip(list(pictures(1, 11, 13, 1)), 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("error", [0, 2])
def test_grey_and_alpha_go_through_a_model_of_rgb(channels: int, error: int) -> None:
    image = pictures(1, 40, 30, 4)[0][..., [0] if channels == 1 else [0, 3] if channels == 2 else range(channels)]
    if channels in (2, 4):
        image = image.copy()
        image[5:25, 3:20, -1] = 0  # and the colours below come back too
    assert BlockCodec(Promise(error), packed(3)).takes(image.shape, UINT8)
    way = open_residuals(Promise(error), CompactModel.from_bytes(packed(3)))
    coded = way.encode([image])
    (back,) = way.samples(way.decode(coded.data, [image.shape], UINT8), [image.shape])
    assert np.abs(back.astype(int) - image).max() <= error
    if channels in (2, 4):
        assert np.array_equal(back[..., -1], image[..., -1])


@pytest.mark.parametrize("way", [RESIDUALS, CORRECTED])
def test_a_block_takes_the_model_where_it_fits(way: int) -> None:
    images = list(pictures(4, 64, 64, 3, seed=3))
    for error in (0, 3):
        codec = BlockCodec(Promise(error), packed(3, way))
        block = codec.encode(images)
        assert block.payload[0] == way
        back = codec.decode(block.payload, [i.shape for i in images], UINT8, block.digest)
        assert max(np.abs(b.astype(int) - i).max() for b, i in zip(back, images, strict=True)) <= error
    assert not codec.takes((9, 9, 3), np.dtype(np.uint16))
    assert not codec.takes((9, 9, 5), UINT8)


def test_damaged_models_and_blocks_are_refused_or_decode_to_something() -> None:
    arrays = integers(1).to_arrays()
    whole = pack_arrays(arrays)
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises((ArchiveError, ModelError)):
            open_residuals(Promise(0), CompactModel(RESIDUALS, whole[:length]))
    base, lengths, lowest, logits, *networks = arrays
    for wrong in (
        [base[0], lengths, lowest, logits, *networks],
        [0 * base, lengths, lowest, logits, *networks],
        [base, lengths[1:], lowest, logits, *networks],
        [base, lengths * 0 + 1, lowest, logits, *networks],
        [base, lengths, lowest, logits[1:], *networks],
        [base, lengths, lowest, np.abs(logits), *networks],
        [base, lengths, lowest, logits << 20, *networks],
        [base, lengths, lowest + (1 << 20), logits, *networks],
        [*arrays, base],
        arrays[:9],
        [base, lengths, lowest, logits, *networks[8:], *networks[:8]],
    ):
        with pytest.raises(ModelError):
            open_residuals(Promise(0), CompactModel(RESIDUALS, pack_arrays(wrong)))
    images, way = list(pictures(2, 9, 9, 1)), ResidualsWay(integers(1), 0)
    data, shapes = way.encode(images).data, [i.shape for i in images]
    for at in range(0, len(data), 5):
        broken = bytearray(data)
        broken[at] ^= 255
        with suppress(ArchiveError):
            way.decode(bytes(broken), shapes, UINT8)
    with pytest.raises(ArchiveError):
        way.decode(data[:-1], shapes, UINT8)


def test_the_compact_model_decodes_what_its_source_encoded() -> None:
    images = list(pictures(2, 30, 14, 3))
    data = ResidualsWay(integers(3), 0).encode(images).data
    again = IntegerResiduals.from_arrays(iter(unpack_arrays(pack_arrays(integers(3).to_arrays()))))
    assert ResidualsWay(again, 0).encode(images).data == data


def strange(side: int = 200) -> Array:
    """A picture whose colours have to do with each other otherwise than those of training."""
    picture = pictures(1, side, side, 3, seed=5)[0].astype(int)
    picture[..., 1] = np.clip(picture[..., 0] // 2 + 60, 0, 255)
    picture[..., 2] = 255 - picture[..., 0]
    return picture.astype(np.uint8)


@pytest.mark.parametrize("error", [0, 2])
def test_other_colours_than_those_of_training_take_fewer_bytes(error: int) -> None:
    picture, sizes = strange(), {}
    for corrects in (False, True):
        way = ResidualsWay(integers(3), error, corrects)
        data = way.encode([picture]).data
        (back,) = way.decode(data, [picture.shape], UINT8)
        assert np.abs(back.astype(int) - picture).max() <= error
        sizes[corrects] = len(data)
    assert sizes[True] < 0.9 * sizes[False]


def test_a_picture_as_in_training_takes_no_more_bytes() -> None:
    (picture,) = pictures(1, 200, 200, 3, seed=5)
    usual, corrected = (len(ResidualsWay(integers(3), 0, c).encode([picture]).data) for c in (False, True))
    assert corrected <= usual + 8


def test_small_pictures_are_not_corrected() -> None:
    (picture,) = pictures(1, 20, 20, 3, seed=5)
    assert 4 * picture[..., 0].size < FEWEST
    usual, corrected = (len(ResidualsWay(integers(3), 0, c).encode([picture]).data) for c in (False, True))
    assert usual <= corrected <= usual + 8  # a bit for each pass


def test_what_is_drawn_has_no_corrections() -> None:
    shape = (1, 40, 40, 3)
    drawn, usual = (integers(3).walk(Sampler(3), None, shape, corrects=corrects) for corrects in (True, False))
    np.testing.assert_array_equal(drawn, usual)


def test_what_is_no_picture_is_corrected_all_the_same() -> None:
    """Values that nothing explains, and none that vary."""
    rng = np.random.default_rng(0)
    flat = np.full((128, 128, 3), 77)
    noise, steps = rng.integers(0, 256, (128, 128, 3)), 255 * (np.indices((128, 128, 3)).sum(axis=0) // 40 % 2)
    for values in (flat, noise, steps):
        picture, way = values.astype(np.uint8), ResidualsWay(integers(3), 0)
        (back,) = way.decode(way.encode([picture]).data, [picture.shape], UINT8)
        np.testing.assert_array_equal(back, picture)
