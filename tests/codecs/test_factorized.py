"""Small images as vectors: the fast way, whose bytes are those of the general one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import narrows
from narrows.archive.promise import Promise
from narrows.codecs.base import FACTORIZED
from narrows.codecs.block import BlockCodec
from narrows.data.samples import Samples
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import Integers
from narrows.entropy.families import discretised
from narrows.errors import SettingsError
from narrows.models.base import Model
from narrows.models.catalogue import build
from narrows.tasks.codec import Codec
from narrows.training.settings import Settings


@pytest.fixture(scope="module")
def trained(digits: Samples) -> Model:
    model = build(digits.description, "flat", purpose="compress")
    list(narrows.fit(model, digits, Settings(steps=30)))
    return model


def test_images_come_back_better_the_more_bytes_they_have(trained: Model, digits: Samples) -> None:
    sizes, errors = [], []
    for quality in (1, 50, 100):
        codec = Codec(trained, quality=quality)
        data = codec.compress(digits.values, embed_model=False)
        back = codec.decompress(data)
        assert isinstance(back, np.ndarray)
        assert (back.shape, back.dtype) == (digits.values.shape, np.uint8)
        sizes.append(len(data))
        errors.append(np.square(back.astype(float) - digits.values).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_blocks_of_digits_are_learned_ones(trained: Model, digits: Samples) -> None:
    codec = BlockCodec(Promise(None, 60), trained.packed["lossy"])
    assert codec.encode(list(digits.values[:100])).payload[0] == FACTORIZED


@pytest.mark.parametrize("count", [1, 7, 200])
def test_rows_give_as_many_bytes_as_tables_say(count: int) -> None:
    rng = np.random.default_rng(count)
    tables = discretised([0.1, 1.0, 3.0])
    which: Integers = rng.integers(0, 3, 40)
    values: Integers = np.rint(rng.normal(0, 2, (40, count))).astype(np.int64)
    values[rng.random(values.shape) < 0.02] = 12345  # outside all tables
    by_row, by_table = RangeEncoder(), RangeEncoder()
    assert np.array_equal(by_row.by_row(values, which, tables, count), values)
    by_table.by_table(values.reshape(-1), np.repeat(which, count), tables)
    data = by_row.finish()
    assert data == by_table.finish()
    decoder = RangeDecoder(data)
    assert np.array_equal(decoder.by_row(None, which, tables, count), values)
    decoder.finish()


def test_no_rows_are_no_bytes() -> None:
    coder, none = RangeEncoder(), np.empty(0, np.int64)
    assert coder.by_row(np.empty((0, 5), np.int64), none, discretised([1.0]), 5).shape == (0, 5)
    assert coder.finish() == b""


def test_an_effort_decides_on_network_and_width(digits: Samples) -> None:
    def made(purpose: Any, effort: Any) -> tuple[str, int]:
        specification = build(digits.description, purpose=purpose, effort=effort).specification
        return specification.network, specification.width

    assert [made("exact", effort)[1] for effort in ("fast", "usual", "best")] == [16, 32, 64]
    assert [made("compress", effort) for effort in ("fast", "usual", "best")] == [
        ("flat", 64),
        ("levels", 48),
        ("levels", 96),
    ]


def test_it_needs_small_samples_of_one_size() -> None:
    varied = narrows.from_arrays([np.zeros((8, 8 + i, 3), np.uint8) for i in range(3)]).description
    large = narrows.from_arrays(np.zeros((3, 64, 64, 3), np.uint8)).description
    for description in (varied, large):
        with pytest.raises(SettingsError, match="choose another"):
            build(description, "flat", purpose="compress")
