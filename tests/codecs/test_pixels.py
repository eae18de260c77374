"""Images under a learned model come back exactly or within an error, from the same bytes everywhere."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.archive.promise import Promise
from narrows.codecs import pixels
from narrows.codecs.block import PIXELS, BlockCodec
from narrows.codecs.compact_model import pack_arrays, unpack_arrays
from narrows.codecs.pixels import PixelCodec
from narrows.codecs.quantise import exact_codec
from narrows.errors import ArchiveError, ModelError
from narrows.networks.pixels import Pixels, passes

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


def trained(channels: int, steps: int = 40) -> tuple[Pixels, torch.Tensor]:
    torch.manual_seed(0)
    network = Pixels(channels, 16, 1)
    x = torch.from_numpy(drawings(64, 20, 20, channels)).permute(0, 3, 1, 2) / 255
    adam = torch.optim.Adam(network.parameters(), 1e-2)
    for step in range(steps):
        adam.zero_grad()
        network.bits(x[step % 8 :: 8]).backward()  # type: ignore[no-untyped-call]
        adam.step()
    return network.eval(), x


@pytest.fixture(scope="module")
def grey_network() -> tuple[Pixels, torch.Tensor]:
    return trained(1)


@pytest.fixture(scope="module")
def codecs(grey_network: tuple[Pixels, torch.Tensor]) -> dict[int, PixelCodec]:
    """A codec by the number of channels; the one of a single channel has learned something."""
    return {1: exact_codec(*grey_network), 3: exact_codec(*trained(3, 2))}


def round_trip(codec: PixelCodec, images: list[Array], error: int = 0) -> bytes:
    data = codec.encode(images, error)
    back = codec.decode(data, [image.shape for image in images], error)
    for image, again in zip(images, back, strict=True):
        assert np.abs(image.astype(np.int64) - again).max() <= error
    return data


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 21), st.integers(1, 21)), min_size=1, max_size=3),
    st.sampled_from([1, 3]),
    st.sampled_from([0, 0, 1, 7, 100, 255]),
    st.booleans(),
)
def test_images_of_any_size_come_back(
    codecs: dict[int, PixelCodec], sizes: list[tuple[int, int]], channels: int, error: int, noise: bool
) -> None:
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (*size, channels)).astype(np.uint8) if noise else drawings(1, *size, channels)[0]
        for size in sizes
    ]
    round_trip(codecs[channels], images, error)


def test_bytes_are_few_and_what_training_said_they_would_be(
    grey_network: tuple[Pixels, torch.Tensor], codecs: dict[int, PixelCodec]
) -> None:
    network, _ = grey_network
    images = drawings(60, 20, 20, 1, seed=1)
    with torch.no_grad():
        estimate = float(network.bits(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)) * images.size
    bits = 8 * len(round_trip(codecs[1], list(images)))
    outside = 60 * 8  # the first pixel of each image, which the estimate leaves out
    assert estimate <= bits <= 1.01 * estimate + outside + 64
    assert bits < 2 * images.size


def test_the_compact_model_decodes_what_its_source_encoded(codecs: dict[int, PixelCodec]) -> None:
    images = list(drawings(3, 9, 14, 3))
    data = codecs[3].encode(images)
    again = PixelCodec.from_bytes(codecs[3].to_bytes())
    assert again.encode(images) == data
    assert all((a == b).all() for a, b in zip(again.decode(data, [i.shape for i in images]), images, strict=True))


def test_threads_and_pieces_change_no_bit(codecs: dict[int, PixelCodec], monkeypatch: pytest.MonkeyPatch) -> None:
    images = list(drawings(6, 17, 17, 1, seed=2))
    data = codecs[1].encode(images)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for strip in (1 << 8, 1 << 20):
                monkeypatch.setattr("narrows.entropy.integer_networks.STRIP", strip)
                assert codecs[1].encode(images) == data
    finally:
        torch.set_num_threads(threads)


def test_large_images_are_coded_in_pieces(codecs: dict[int, PixelCodec], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "TILE", 8)
    monkeypatch.setattr(pixels, "BATCH_VALUES", 128)
    round_trip(codecs[1], list(drawings(2, 11, 13, 1)))
    round_trip(codecs[1], list(drawings(1, 11, 13, 1)), 3)


def test_a_block_takes_the_model_where_it_fits_and_another_way_where_it_does_not(
    codecs: dict[int, PixelCodec],
) -> None:
    packed = codecs[1].to_bytes()
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
        for p in passes(channels):
            assert set(p.known) == known
            known |= set(p.targets)
        assert known == set(range(4 * channels))


def test_damaged_models_and_blocks_are_refused_or_decode_to_something(codecs: dict[int, PixelCodec]) -> None:
    packed = codecs[1].to_bytes()
    for length in (0, 1, 10, len(packed) // 2, len(packed) - 1):
        with pytest.raises((ArchiveError, ModelError)):
            PixelCodec.from_bytes(packed[:length])
    images = list(drawings(2, 9, 9, 1))
    data = codecs[1].encode(images)
    for at in range(0, len(data), 5):
        broken = bytearray(data)
        broken[at] ^= 255
        with suppress(ArchiveError):
            codecs[1].decode(bytes(broken), [i.shape for i in images])
    with pytest.raises(ArchiveError):
        codecs[1].decode(data[:-1], [i.shape for i in images])


def test_models_whose_numbers_make_no_sense_are_refused(codecs: dict[int, PixelCodec]) -> None:
    arrays = unpack_arrays(codecs[1].to_bytes())
    for place, wrong in (
        (0, np.array(1)),  # without a side
        (1, 0 * arrays[1]),
        (1, -arrays[1] - 1),
        (1, arrays[1] + (1 << 37)),
    ):
        with pytest.raises(ModelError):
            PixelCodec.from_bytes(pack_arrays([*arrays[:place], wrong, *arrays[place + 1 :]]))
