"""Compact models as bytes, their weights, and where an archive finds them."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import narrows
from narrows.archive.entries import Entry
from narrows.archive.promise import Promise
from narrows.archive.writer import Writer
from narrows.codecs import weights
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.opening import open_archive
from narrows.data.samples import Samples
from narrows.errors import ArchiveError, ModelError

PART = st.binary(max_size=300)
OWN = CompactModel(16, b"of the archive", encoding=b"not in it").to_bytes()


@given(st.integers(0, 63), st.lists(PART, min_size=4, max_size=4), st.sampled_from([b"", b"sixteen of a hash"[:16]]))
def test_a_compact_model_comes_back_and_no_part_of_it_does(way: int, parts: list[bytes], base: bytes) -> None:
    model = CompactModel(way, parts[0] or b"some", *parts[1:], base=base)
    content = model.to_bytes()
    assert CompactModel.from_bytes(content) == model
    if base:
        guessed = replace(model, guessed=True)
        assert CompactModel.from_bytes(guessed.to_bytes()) == guessed
    assert model.for_decoding() == CompactModel(way, parts[0] or b"some", parts[1], base=base)
    for wrong in (b"", content[:1], content[:-1], content + b"\0"):
        with pytest.raises(ModelError, match="damaged"):
            CompactModel.from_bytes(wrong)


def test_the_bytes_of_weights_do_not_depend_on_names() -> None:
    class Named(nn.Module):
        def __init__(self, first: str, second: str) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.add_module(first, nn.Linear(3, 2))
            self.add_module(second, nn.Linear(2, 3))

    one, other = Named("a", "b"), Named("z", "c")
    arrays = weights.to_arrays(one)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, weights.to_arrays(other), strict=True))
    with torch.device("meta"):
        empty = Named("q", "p")
    back = weights.from_arrays(empty, iter(arrays))
    for a, b in zip(one.state_dict().values(), back.state_dict().values(), strict=True):
        assert (a - b).abs().max() < 2**-14


@pytest.fixture(scope="module")
def archive() -> bytes:
    """One that leaves out its model, which no block needs."""
    file = io.BytesIO()
    writer = Writer(file, BlockCodec(Promise(0), OWN), embed_model=False)
    writer.add_encoded(
        [Entry("a", "array", (3,), "int16", 2)], [BlockCodec(Promise(0)).encode(np.zeros((2, 3), "i2"))]
    )
    writer.close()
    return file.getvalue()


def test_an_archive_finds_its_model_by_its_hash(archive: bytes, digits: Samples, tmp_path: Path) -> None:
    model = narrows.build(digits.description, purpose="compress")
    model.keep_packed("lossy", CompactModel(17, b"another").to_bytes())
    model.keep_packed("exact", OWN)
    model.save(tmp_path / "model.safetensors")
    bare = CompactModel.from_bytes(OWN).for_decoding().to_bytes()
    for given_ in (model, tmp_path / "model.safetensors", str(tmp_path / "model.safetensors"), OWN, bare):
        with open_archive(io.BytesIO(archive), given_) as opened:
            assert opened.compact_model() == bare
            assert opened["a"].shape == (2, 3)
    model.keep_packed("exact", CompactModel(16, b"third").to_bytes())
    for given_, words in (
        (None, "does not carry"),
        (model, "another"),
        (CompactModel(16, b"").to_bytes(), "another"),
    ):
        with (
            open_archive(io.BytesIO(archive), given_) as opened,
            pytest.raises(ArchiveError, match=f"{words}.*model"),
        ):
            opened["a"]


def test_an_open_archive_can_be_pickled_with_its_model(archive: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.narrows"
    path.write_bytes(archive)
    with open_archive(path, OWN, threads=2) as opened, pickle.loads(pickle.dumps(opened)) as again:
        assert again.compact_model() == opened.compact_model()
        assert np.array_equal(again["a"], opened["a"])


def test_a_codec_can_be_pickled_before_and_after_its_first_block(digits: Samples) -> None:
    codec = BlockCodec(Promise(2))
    samples = list(np.asarray(digits.values[:9]))
    block = pickle.loads(pickle.dumps(codec)).encode(samples)
    assert codec.encode(samples) == block == pickle.loads(pickle.dumps(codec.encode))(samples)
