"""Images under a learned model come back exactly or within an error, from the same bytes everywhere."""

from __future__ import annotations

import functools
import io
import multiprocessing
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.archive.digest import digest_of
from narrows.archive.entries import Entry
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs import grid
from narrows.codecs.base import PIXELS
from narrows.codecs.block import BlockCodec
from narrows.codecs.calibrate_images import integer_pixels
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.opening import open_archive
from narrows.codecs.packed_arrays import pack_arrays, unpack_arrays
from narrows.codecs.pixels import IntegerPixels, PixelsWay
from narrows.entropy.passes import grid_passes
from narrows.errors import ArchiveError, ModelError
from narrows.networks.pixels import Pixels
from narrows.tasks.codec import Codec

Array = np.ndarray[Any, np.dtype[Any]]


def drawings(count: int, height: int, width: int, channels: int, seed: int = 0) -> Array:
    """Images that a model can say something about: two values, parted by waves."""
    rng = np.random.default_rng(seed)
    rows, columns = np.arange(height)[:, None, None] / 6, np.arange(width)[:, None] / 6
    waves = [
        np.sin(rng.uniform(-1, 1) * rows + rng.uniform(-1, 1) * columns + rng.uniform(0, 6, channels))
        for _ in range(count)
    ]
    return np.where(np.stack(waves) > 0, 240, 10).astype(np.uint8)


@functools.cache
def trained(channels: int) -> tuple[Pixels, torch.Tensor]:
    torch.manual_seed(0)
    network = Pixels(channels, 16, 1)
    x = torch.from_numpy(drawings(64, 20, 20, channels)).permute(0, 3, 1, 2) / 255
    adam = torch.optim.Adam(network.parameters(), 1e-2)
    for step in range(40 if channels == 1 else 2):
        adam.zero_grad()
        network.bits(x[step % 8 :: 8]).backward()  # type: ignore[no-untyped-call]
        adam.step()
    return network.eval(), x


UINT8 = np.dtype(np.uint8)


@functools.cache
def integers(channels: int) -> IntegerPixels:
    return integer_pixels(*trained(channels))


def round_trip(pixels: IntegerPixels, images: list[Array], error: int = 0) -> bytes:
    way = PixelsWay(pixels, error)
    coded = way.encode(images)
    back = way.decode(coded.data, [image.shape for image in images], UINT8)
    assert digest_of(back) == digest_of(coded.numbers)
    for image, again in zip(images, back, strict=True):
        assert np.abs(image.astype(np.int64) - again).max() <= error
    return coded.data


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 21), st.integers(1, 21)), min_size=1, max_size=3),
    st.sampled_from([1, 3]),
    st.sampled_from([0, 0, 1, 7, 100, 255]),
    st.booleans(),
)
def test_images_of_any_size_come_back(sizes: list[tuple[int, int]], channels: int, error: int, noise: bool) -> None:
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (*size, channels)).astype(np.uint8) if noise else drawings(1, *size, channels)[0]
        for size in sizes
    ]
    round_trip(integers(channels), images, error)


def test_bytes_are_few_and_what_training_said_they_would_be() -> None:
    network, _ = trained(1)
    images = drawings(60, 20, 20, 1, seed=1)
    with torch.no_grad():
        estimate = float(network.bits(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)) * images.size
    bits = 8 * len(round_trip(integers(1), list(images)))
    outside = 60 * 8  # the first pixel of each image, which the estimate leaves out
    assert estimate <= bits <= 1.01 * estimate + outside + 64
    assert bits < 2 * images.size


def test_the_compact_model_decodes_what_its_source_encoded() -> None:
    images = list(drawings(3, 9, 14, 3))
    data = PixelsWay(integers(3), 0).encode(images).data
    again = PixelsWay(IntegerPixels.from_arrays(iter(unpack_arrays(pack_arrays(integers(3).to_arrays())))), 0)
    assert again.encode(images).data == data
    back = again.decode(data, [i.shape for i in images], UINT8)
    assert all((a == b).all() for a, b in zip(back, images, strict=True))


def test_threads_and_pieces_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    images = list(drawings(6, 17, 17, 1, seed=2))
    way = PixelsWay(integers(1), 0)
    data = way.encode(images).data
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for strip in (1 << 8, 1 << 20):
                monkeypatch.setattr("narrows.entropy.rows.STRIP", strip)
                assert way.encode(images).data == data
    finally:
        torch.set_num_threads(threads)


def test_large_images_are_coded_in_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "GRID_SECTION", 8)
    monkeypatch.setattr(grid, "TOGETHER_VALUES", 128)
    round_trip(integers(1), list(drawings(2, 11, 13, 1)))
    round_trip(integers(1), list(drawings(1, 11, 13, 1)), 3)


def test_a_block_takes_the_model_where_it_fits_and_another_way_where_it_does_not() -> None:
    packed = CompactModel(PIXELS, pack_arrays(integers(1).to_arrays())).to_bytes()
    for error in (0, 2):
        codec = BlockCodec(Promise(error), packed)
        for samples, learned in (
            (list(drawings(20, 20, 20, 1, seed=3)), True),
            ([np.random.default_rng(0).integers(0, 256, (50, 50, 1)).astype(np.uint8)], False),
            (list(drawings(2, 20, 20, 3)), False),
            (list(drawings(2, 20, 20, 1).astype(np.uint16)), False),
        ):
            for verify in (True, False):
                block = codec.encode(samples, verify)
                assert (block.payload[0] == PIXELS) == learned
                back = codec.decode(block.payload, [s.shape for s in samples], samples[0].dtype, block.digest)
                wide = [np.abs(s.astype(int) - b.astype(int)).max() for s, b in zip(samples, back, strict=True)]
                assert max(wide) <= error
        without = BlockCodec(Promise(error))
        block = codec.encode(list(drawings(20, 20, 20, 1, seed=3)))
        with pytest.raises(ArchiveError, match="model"):
            without.decode(block.payload, [(20, 20, 1)] * 20, np.dtype("uint8"), block.digest)


def test_passes_know_only_what_came_before() -> None:
    for channels in (1, 2, 3, 4):
        known = {4 * c for c in range(channels)}
        for p in grid_passes(channels):
            assert set(p.known) == known
            known |= set(p.targets)
        assert known == set(range(4 * channels))


def test_damaged_models_and_blocks_are_refused_or_decode_to_something() -> None:
    packed = pack_arrays(integers(1).to_arrays())
    for length in (0, 1, 10, len(packed) // 2, len(packed) - 1):
        with pytest.raises((ArchiveError, ModelError)):
            IntegerPixels.from_arrays(iter(unpack_arrays(packed[:length])))
    images, way = list(drawings(2, 9, 9, 1)), PixelsWay(integers(1), 0)
    data, shapes = way.encode(images).data, [i.shape for i in images]
    for at in range(0, len(data), 5):
        broken = bytearray(data)
        broken[at] ^= 255
        with suppress(ArchiveError):
            way.decode(bytes(broken), shapes, UINT8)
    with pytest.raises(ArchiveError):
        way.decode(data[:-1], shapes, UINT8)


def test_models_whose_numbers_make_no_sense_are_refused() -> None:
    base, *networks = integers(1).to_arrays()
    for wrong in (
        np.array(1),
        base[0],
        base[:, 1:],
        np.repeat(base, 5, axis=0),
        0 * base,
        -base - 1,
        base + (1 << 37),
    ):
        with pytest.raises(ModelError):
            IntegerPixels.from_arrays(iter([wrong, *networks]))
    for more in ([base], networks[:1]):
        with pytest.raises(ModelError):
            IntegerPixels.from_arrays(iter([base, *networks, *more]))


def test_blocks_encoded_in_two_processes_make_the_archive_that_one_process_makes() -> None:
    codec = Codec(CompactModel(PIXELS, pack_arrays(integers(1).to_arrays())).to_bytes())
    images = drawings(64, 20, 20, 1, seed=5)
    rough = np.random.default_rng(0).integers(0, 256, (7, 9, 9, 1)).astype(np.uint8)
    groups = [list(images[start : start + 16]) for start in range(0, 64, 16)]
    groups += [[rough[0], rough[1]], list(rough[2:])]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        blocks = pool.map(codec.encode, groups)
    assert [block.payload[0] == PIXELS for block in blocks] == [True] * 4 + [False] * 2
    array = Entry("drawings.npy", "array", (20, 20, 1), "uint8", 64, (20, 20))
    names = [Entry(f"{i}.png", "image", (9, 9, 1), "uint8", extras={"exif": b"x" * i}) for i in range(7)]
    file, alone = io.BytesIO(), io.BytesIO()
    writer = Writer(file, codec, block_samples=16)
    writer.add_encoded([array], blocks[:4])
    writer.add_encoded(names[:2], blocks[4:5])
    writer.add_encoded(names[2:], blocks[5:])
    writer.close()
    one = Writer(alone, codec, block_samples=16)
    one.add(array, images)
    one.close()
    with open_archive(file) as archive:
        assert list(archive.verify()) == []
        assert np.array_equal(archive["drawings.npy"], images[..., 0])
        assert [archive[entry.name].tobytes() for entry in names] == [image.tobytes() for image in rough]
        assert list(archive.entries()) == [array, *names]
    file = io.BytesIO()
    writer = Writer(file, codec, block_samples=16)
    writer.add_encoded([array], blocks[:4])
    writer.close()
    assert file.getvalue() == alone.getvalue()
