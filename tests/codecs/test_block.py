"""Blocks keep what was promised, and none costs more than the best general way."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from narrows.archive.promise import Promise
from narrows.codecs.block import BlockCodec
from narrows.errors import ArchiveError, SettingsError

DTYPES = ["uint8", "uint16", "int8", "int16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
SHAPES = st.one_of(
    st.tuples(st.integers(1, 40)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 4])),
)
Array = np.ndarray[Any, np.dtype[Any]]


@st.composite
def blocks(draw: st.DrawFn) -> list[Array]:
    dtype, shape, count = draw(st.sampled_from([*DTYPES, "bool"])), draw(SHAPES), draw(st.integers(1, 4))
    return [draw(hnp.arrays(dtype, shape)) for _ in range(count)]


@settings(max_examples=150, deadline=None)
@given(blocks(), st.sampled_from([0, 1, 5, 200]))
def test_what_comes_back_is_within_the_error(samples: list[Array], error: int) -> None:
    promise = Promise(error)
    block = BlockCodec(promise).encode(samples)
    back = BlockCodec(promise).decode(block.payload, [s.shape for s in samples], samples[0].dtype, block.digest)
    for sample, again in zip(samples, back, strict=True):
        assert again.dtype == sample.dtype
        if error and sample.dtype.kind in "ui" and sample.dtype.itemsize < 8:
            assert (np.abs(sample.astype(np.int64) - again.astype(np.int64)) <= error).all()
        else:
            assert sample.tobytes() == again.tobytes()
    raw = sum(s.nbytes for s in samples)
    assert len(block.payload) <= raw + 1
    assert BlockCodec(promise).encode(samples, verify=False) == block


@pytest.mark.parametrize("kind", ["noise", "flat", "ramp"])
@pytest.mark.parametrize(("dtype", "channels"), [("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1)])
def test_a_picture_costs_no_more_than_raw_or_png(kind: str, dtype: str, channels: int) -> None:
    most = np.iinfo(dtype).max
    shape = (60, 50, channels)
    images = {
        "noise": np.random.default_rng(0).integers(0, most, shape),
        "flat": np.full(shape, most // 3),
        "ramp": np.broadcast_to(np.arange(50)[:, None] * (most // 64), shape),
    }
    image = images[kind].astype(dtype)
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if channels == 1 else image).save(buffer, "PNG", optimize=True)
    size = len(BlockCodec(Promise(0)).encode([image]).payload)
    assert size <= 1 + min(image.nbytes, len(buffer.getvalue()))


def test_a_bit_that_flips_is_noticed() -> None:
    samples = [np.arange(60, dtype=np.uint8).reshape(4, 5, 3)]
    codec = BlockCodec(Promise(0))
    block = codec.encode(samples)
    for bit in range(8 * len(block.payload)):
        payload = bytearray(block.payload)
        payload[bit // 8] ^= 1 << bit % 8
        try:
            back = codec.decode(bytes(payload), [(4, 5, 3)], np.dtype("uint8"), block.digest)
        except ArchiveError:
            continue
        assert (back[0] == samples[0]).all()  # where a bit means nothing, as in a deflated stream's end


def test_promises_come_back_from_their_bytes() -> None:
    for promise in (
        Promise(0),
        Promise(65535),
        Promise(None, 1),
        Promise(None, 100),
        Promise(65536),
        Promise(0.1),
        Promise(0.01, None, "range"),
        Promise(0.5, None, "value"),
    ):
        assert Promise.from_bytes(promise.to_bytes()) == promise
    for wrong in (
        b"",
        b"\0",
        b"\1\0",
        b"\1e",
        b"\2aa",
        b"\0aaa",
        b"\2\3" + bytes(8),
        b"\2\1" + struct.pack("<d", 1.5),
        b"\2\0" + struct.pack("<d", 3.0),  # these are written in two bytes
        b"\2\0" + struct.pack("<d", -0.0),
    ):
        with pytest.raises(ArchiveError, match="promises"):
            Promise.from_bytes(wrong)


@pytest.mark.parametrize(
    ("error", "quality"), [(None, None), (0, 50), (-1, None), (float("nan"), None), (None, 0), (None, 101)]
)
def test_promises_that_nobody_can_keep_are_refused(error: float | None, quality: int | None) -> None:
    with pytest.raises(SettingsError, match=r"allowed|given"):
        Promise(error, quality)
