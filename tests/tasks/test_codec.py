"""Codec: samples to bytes and back in memory, arrays as arrays and lists as lists."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import narrows
from narrows import Codec, open_archive
from narrows.codecs.base import PIXELS
from narrows.codecs.calibrate_images import integer_pixels
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.packed_arrays import pack_arrays
from narrows.errors import ArchiveError, DataError, ModelError, SettingsError
from narrows.networks.pixels import Pixels

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "samples",
    [
        RNG.integers(0, 256, (9, 8, 8), np.uint8),
        RNG.integers(0, 256, (9, 8, 8, 3), np.uint8),
        RNG.integers(0, 65536, (9, 8, 8, 1), np.uint16),
        RNG.normal(size=(20, 7)),
        RNG.normal(size=(20,)).astype(np.float16),
        RNG.integers(0, 2, (5, 3)).astype(bool),
        RNG.integers(-9, 9, (3, 2, 2, 2, 9)),
        np.zeros((0, 4), np.float32),
        np.array([[np.nan, -0.0, np.inf]]),
        RNG.integers(0, 256, (2, 300, 400, 3), np.uint8),
    ],
    ids=lambda samples: f"{samples.shape}-{samples.dtype}",
)
def test_arrays_come_back_as_they_were(samples: Any) -> None:
    codec = Codec()
    again = codec.decompress(codec.compress(samples))
    assert isinstance(again, np.ndarray)
    assert again.dtype == samples.dtype
    assert again.shape == samples.shape
    assert again.tobytes() == samples.tobytes()


def test_lists_come_back_as_lists_whatever_their_sizes() -> None:
    images = [RNG.integers(0, 256, shape, np.uint8) for shape in ((8, 9), (3, 4), (3, 4), (5, 5, 3))]
    codec = Codec()
    again = codec.decompress(codec.compress(images))
    assert isinstance(again, list)
    assert [image.shape for image in again] == [image.shape for image in images]
    assert all(np.array_equal(a, b) for a, b in zip(again, images, strict=True))


def test_big_endian_arrays_and_tensors_and_samples_are_taken(digits: narrows.Samples) -> None:
    codec = Codec()
    values = np.arange(6, dtype=">u2").reshape(2, 3)
    assert np.array_equal(codec.decompress(codec.compress(values)), values)
    assert np.array_equal(codec.decompress(codec.compress(torch.arange(6).reshape(2, 3))), np.arange(6).reshape(2, 3))
    assert np.array_equal(codec.decompress(codec.compress(digits)), np.asarray(digits.values))


def test_an_archive_in_a_file_is_decompressed_too(tmp_path: Path) -> None:
    values = np.arange(6).reshape(2, 3)
    (tmp_path / "a").write_bytes(Codec().compress(values))
    for given in (tmp_path / "a", str(tmp_path / "a")):
        assert np.array_equal(Codec().decompress(given), values)


def test_every_value_is_within_the_error_that_was_promised() -> None:
    samples = RNG.integers(0, 256, (50, 16, 16, 3), np.uint8)
    codec = Codec(max_error=3)
    data = codec.compress(samples)
    again = np.asarray(codec.decompress(data))
    assert np.abs(again.astype(int) - samples).max() == 3
    assert len(data) < samples.nbytes / 1.4


@functools.cache
def model_of_pixels(seed: int = 0) -> bytes:
    """The compact model of an untrained density of grey images."""
    torch.manual_seed(seed)
    images = torch.rand(2, 1, 8, 8)
    return CompactModel(PIXELS, pack_arrays(integer_pixels(Pixels(1, 16, 1), images).to_arrays())).to_bytes()


def test_a_model_left_out_is_the_codec_s_own(tmp_path: Path) -> None:
    samples = RNG.integers(0, 256, (5, 8, 8), np.uint16)
    codec, other = (Codec(model_of_pixels(seed)) for seed in (0, 1))
    short = codec.compress(samples, embed_model=False)
    assert len(codec.compress(samples)) == pytest.approx(len(short) + len(codec.compact_model), abs=3)
    assert np.array_equal(codec.decompress(short), samples)
    with pytest.raises(ArchiveError, match="another model"):
        other.decompress(short)
    with pytest.raises(ArchiveError, match="does not carry its model"):
        Codec().decompress(short)
    path = tmp_path / "a.narrows"
    path.write_bytes(codec.compress(samples))
    with open_archive(path) as archive:
        assert np.array_equal(archive["samples"], samples)


def test_what_cannot_be_compressed_is_refused(digits: narrows.Samples) -> None:
    with pytest.raises(DataError, match="single number"):
        Codec().compress(7)
    for text in (np.array(["a", "b"]), np.array(["a", 1], object), [np.array([None])]):
        with pytest.raises(DataError, match="values of dtype"):
            Codec().compress(text)
    with pytest.raises(DataError, match="no array of numbers"):
        Codec().compress([[[1, 2], [3]]])
    for words in ({}, {"max_error": 0.1}, {"max_error": "1%"}, {"relative_error": 0.1}):
        with pytest.raises(ArchiveError, match=r"a sample of shape \(0,\) was given"):
            Codec(**words).compress(np.zeros((5, 0)))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="not both"):
        Codec(max_error=1, quality=50)
    with pytest.raises(ModelError, match="for compress"):
        Codec(narrows.build(digits.description, "dense", code=4))


def test_numbers_and_names_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    images = np.zeros((2, 8, 8, 1), np.uint8)
    np.save(tmp_path / "a.npy", images)
    out = tmp_path / "a.narrows"
    for quality in (50.0, np.float64(50), True, "80", 0, 101):
        with pytest.raises(SettingsError, match=r"quality .* was given; allowed is a whole number from 1 to 100"):
            Codec(quality=quality)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match="quality"):
            narrows.compress(tmp_path / "a.npy", out, quality=quality)
    assert Codec(quality=np.int64(50)).compress(images)
    for error in (True, False, "", np.array([1, 2])):
        with pytest.raises(SettingsError, match=r"max error .* was given; numbers from 0 are allowed"):
            Codec(max_error=error)  # type: ignore[arg-type]
    for missing in ("a", [1], 1j):
        with pytest.raises(SettingsError, match=r"missing value .* was given; allowed is a number, also NaN"):
            Codec(max_error=1, missing_value=missing)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match="missing value"):
            narrows.compress(tmp_path / "a.npy", out, max_error=1, missing_value=missing)
    for samples in (2.5, "4", True, 0):
        with pytest.raises(SettingsError, match="samples in a block"):
            Codec().compress(images, block_samples=samples)  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match="samples in a block"):
            narrows.compress(tmp_path / "a.npy", out, block_samples=samples)
    for target in ("1", True, 0, float("nan")):
        with pytest.raises(SettingsError, match="target bpp"):
            narrows.compress(tmp_path / "a.npy", out, target_bpp=target)
    with pytest.raises(DataError, match="nothing was given to compress"):
        narrows.compress([], out)
    with pytest.raises(SettingsError, match="only kind 'pictures' was given"):
        narrows.compress(tmp_path / "a.npy", out, only_kind="pictures")
    assert not out.exists()
    assert narrows.compress(tmp_path / "a.npy", out, only_kind="arrays").files == 1
    with pytest.raises(SettingsError, match=r"nothing in it is called b\.npy"):
        narrows.decompress(out, tmp_path / "back", only="b.npy")
    assert narrows.decompress(out, tmp_path / "back", only="a.npy").samples == 2


def test_blocks_have_as_many_samples_as_were_asked_for() -> None:
    images = [np.full((150, 150, 3), i, np.uint8) for i in range(6)]
    for size, count in ((None, 6), (1, 6), (4, 2), (6, 1)):
        data = Codec().compress(images, block_samples=size)
        with open_archive(io.BytesIO(data)) as archive:
            assert len(archive._reader.layout.blocks) == count
