"""The table of ways: every row opens, and says truthfully what it needs."""

from __future__ import annotations

import numpy as np
import pytest

from narrows.archive.digest import digest_of
from narrows.archive.promise import Promise
from narrows.archive.varints import to_varints
from narrows.codecs import planes
from narrows.codecs.base import DIFFERENCES, PACKED, PLANES, WAYS, Way, row_of
from narrows.codecs.block import BlockCodec
from narrows.codecs.compact_model import CompactModel
from narrows.errors import ArchiveError, ModelError

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def test_numbers_are_bytes_that_no_two_ways_share() -> None:
    numbers = [row.number for row in WAYS]
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 256 and row_of(number) is row for number, row in zip(numbers, WAYS, strict=True))
    assert row_of(255) is None


@pytest.mark.parametrize(
    "row", [row for row in WAYS if not (row.learned or row.whole or row.bounded)], ids=lambda row: row.opener
)
@pytest.mark.parametrize("promise", [Promise(0), Promise(3), Promise(None, 50)], ids=str)
def test_a_way_without_a_model_gives_back_what_was_promised(row, promise: Promise) -> None:
    way = row.open(promise, None)
    assert isinstance(way, Way)
    given = next(each for each in (IMAGE, IMAGE[0]) if way.fits([each.shape], each.dtype))  # an image or a signal
    shapes = [given.shape, given.shape]
    assert way.fits(shapes, given.dtype)
    coded = way.encode([given, given[::-1]])
    numbers = way.decode(coded.data, shapes, given.dtype)
    assert digest_of(numbers) == digest_of(coded.numbers)
    back = way.samples(numbers, shapes)
    wrong = np.abs(np.stack(back).astype(int) - np.stack([given, given[::-1]])).max()
    assert wrong <= (promise.max_error or 0)


@pytest.mark.parametrize("row", [row for row in WAYS if row.learned], ids=lambda row: row.opener)
def test_a_learned_way_refuses_damaged_models_and_other_promises(row) -> None:
    right, other = (Promise(None, 50), Promise(0)) if row.lossy else (Promise(0), Promise(None, 50))
    model = CompactModel(row.number, b"damaged")
    with pytest.raises((ModelError, ArchiveError)):
        row.open(right, model)
    payload = bytes([row.number]) + bytes(4)
    for codec, words in (
        (BlockCodec(right, model.to_bytes()), "cannot be used"),
        (BlockCodec(right, CompactModel(99, b"").to_bytes()), "needs a model"),
        (BlockCodec(right), "needs a model"),
        (BlockCodec(other, model.to_bytes()), "what was promised"),
    ):
        with pytest.raises(ArchiveError, match=words):
            codec.decode(payload, [IMAGE.shape], IMAGE.dtype, bytes(8))
    for codec in (BlockCodec(other, model.to_bytes()), BlockCodec(right, CompactModel(99, b"").to_bytes())):
        with pytest.raises(ModelError):
            codec.encode([IMAGE])


@pytest.mark.parametrize("number", [PLANES, DIFFERENCES, PACKED])
def test_lzma_that_goes_on_or_has_no_end_is_refused(number: int) -> None:
    data = planes.encode([IMAGE], False)
    head = to_varints([IMAGE.nbytes]) if number == PACKED else b""
    way = row_of(number).open(Promise(0), None)
    shape = (IMAGE.nbytes,) if number == PACKED else IMAGE.shape
    way.decode(head + data, [shape], IMAGE.dtype)
    for wrong in (data + b"junk", data[:-1]):
        with pytest.raises(ArchiveError, match="does not end where it should"):
            way.decode(head + wrong, [shape], IMAGE.dtype)


def test_a_way_that_is_not_known_is_refused() -> None:
    with pytest.raises(ArchiveError, match="way 15"):
        BlockCodec(Promise(0)).decode(b"\x0frest", [IMAGE.shape], IMAGE.dtype, bytes(8))
    with pytest.raises(ArchiveError, match="empty"):
        BlockCodec(Promise(0)).decode(b"", [IMAGE.shape], IMAGE.dtype, bytes(8))
