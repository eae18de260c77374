"""Archives that lie with checksums that are right: each lie is refused in one line, before anything is allocated."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from narrows.archive.entries import extras_from_bytes
from narrows.archive.index import CRC_BYTES, HASH_BYTES, HEAD, Index, crc, seal, stored_length
from narrows.archive.names import checked_name
from narrows.archive.varints import Integers, to_varints
from narrows.codecs.opening import open_archive
from narrows.errors import ArchiveError

Forge = Callable[..., bytes]
IndexOf = Callable[[bytes], Index]
WHAT, FIRST, SECOND, NUMBER, EXTRAS = range(5)
PIECES, CLASS, SAMPLES = range(3)


def _refused(archive: bytes, words: str) -> None:
    """It is refused with these words when it is opened, in little memory."""
    tracemalloc.start()
    with pytest.raises(ArchiveError, match=words) as caught:
        open_archive(io.BytesIO(archive))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 1 << 22


def _changed(columns: Integers, field: int, run: int, value: int) -> Integers:
    columns = columns.copy()
    columns[field, run] = value
    return columns


def _with_end(archive: bytes, stored: bytes, form: int) -> bytes:
    """The archive with another index as stored, and a tail that is right."""
    end = stored + to_varints([2 * len(stored) + form])[::-1]
    return archive[: -stored_length(archive[-9:], len(archive))] + end + crc(HEAD + end)


def test_the_forger_changes_nothing_by_itself(small: bytes, forge: Forge) -> None:
    assert forge(small) == small


@pytest.mark.parametrize(("field", "value"), [(FIRST, 1 << 40), (SECOND, 1 << 40), (FIRST, 1 << 29), (FIRST, 0)])
def test_a_sample_of_2_to_the_40_pixels_is_refused(
    small: bytes, forge: Forge, index_of: IndexOf, field: int, value: int
) -> None:
    _refused(forge(small, entries=_changed(index_of(small).entries, field, 0, value)), "sample")


def test_a_sample_of_allowed_sides_and_too_many_values_is_refused(
    small: bytes, forge: Forge, index_of: IndexOf
) -> None:
    entries = _changed(index_of(small).entries, WHAT, 0, 0 + 32 * 65535)
    _refused(forge(small, entries=_changed(entries, FIRST, 0, 1 << 20)), "over the limit")


def test_an_array_of_2_to_the_40_samples_is_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    entries = index_of(small).entries
    _refused(forge(small, entries=_changed(entries, NUMBER, -1, 1 << 40)), "over the limit")
    _refused(forge(small, entries=_changed(entries, NUMBER, -1, 1 << 30)), "do not hold as many samples")
    huge = _changed(_changed(entries, NUMBER, -1, 1 << 36), FIRST, -1, 1 << 28)
    _refused(forge(small, entries=huge), "samples of more than")


def test_a_block_of_2_to_the_31_symbols_is_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    index = index_of(small)
    entries = _changed(index.entries, NUMBER, -1, 1 << 31)
    pieces = _changed(index.pieces, SAMPLES, -1, 1 << 31)
    _refused(forge(small, entries=entries, pieces=pieces), "with too many")


def test_a_block_of_several_samples_and_more_bytes_than_allowed_is_refused(
    small: bytes, forge: Forge, index_of: IndexOf
) -> None:
    index = index_of(small)
    vectors = index.pieces[CLASS] == 3
    assert vectors.any()
    entries = _changed(index.entries, FIRST, -1, 1 << 23)
    _refused(forge(small, entries=entries), "a block of several samples")


def test_more_pieces_than_the_index_has_bytes_for_are_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    for number in (100, 1 << 22, 1 << 40):
        pieces = _changed(index_of(small).pieces, PIECES, 0, number)
        _refused(forge(small, pieces=pieces), "pieces")


def test_more_runs_or_names_than_allowed_are_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    body = index_of(small).to_bytes()
    at = 3 + 1 + HASH_BYTES
    for runs in ([1 << 22, 1], [1, 1 << 23], [1 << 40, 1]):
        _refused(_with_end(small, body[:at] + to_varints(runs) + body[at + 2 :], 0), "runs are claimed")
    _refused(forge(small, entries=_changed(index_of(small).entries, NUMBER, 0, 1 << 22)), "names are claimed")


def test_blocks_that_overlap_or_lie_outside_the_file_are_refused(
    small: bytes, forge: Forge, index_of: IndexOf
) -> None:
    lengths = index_of(small).lengths
    for number, value in ((0, len(small)), (0, 1 << 48), (-1, int(lengths[-1]) + 60), (0, 0)):
        changed = lengths.copy()
        changed[number] = value
        _refused(forge(small, lengths=changed), "overlap or lie outside")


def test_a_model_longer_than_the_file_is_refused(small: bytes, forge: Forge) -> None:
    _refused(forge(small, model_length=len(small)), "a model of")
    _refused(forge(small, model_length=1 << 40), "a model of")


def test_a_model_that_takes_bytes_of_blocks_is_found(small: bytes, forge: Forge) -> None:
    with (
        open_archive(io.BytesIO(forge(small, model_length=10))) as archive,
        pytest.raises(ArchiveError, match="lost"),
    ):
        archive["three.png"]


def test_an_index_longer_than_the_file_is_refused(small: bytes) -> None:
    end = to_varints([2 * 10**6])[::-1]
    _refused(small[:-9] + end + crc(HEAD + end), "damaged, truncated")


def test_an_index_that_inflates_without_end_is_refused(small: bytes) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(bytes(1 << 24)) + packer.flush()
    for claimed, words in ((1 << 40, "are allowed"), (1000, "do not give the length"), (1 << 25, "do not give")):
        archive = _with_end(small, to_varints([claimed]) + bomb, 1)
        with pytest.raises(ArchiveError, match=words):
            open_archive(io.BytesIO(archive))


def test_an_index_that_ends_anywhere_is_refused(small: bytes, index_of: IndexOf) -> None:
    body = index_of(small).to_bytes()
    for length in range(body.rindex(b"\n")):
        with pytest.raises(ArchiveError):
            open_archive(io.BytesIO(_with_end(small, body[:length], 0)))


def test_numbers_that_are_longer_than_they_need_or_may_be_are_refused(small: bytes, index_of: IndexOf) -> None:
    body = index_of(small).to_bytes()
    at = 3  # of the model's length, one byte behind the promise
    for number, words in (([0], "more bytes than it needs"), ([128] * 6 + [1], "has no end")):
        forged = body[:at] + bytes([body[at] | 128, *number]) + body[at + 1 :]
        _refused(_with_end(small, forged, 0), words)


@pytest.mark.parametrize(
    "name",
    [
        "../up.png",
        "a/../../up.png",
        "..",
        ".",
        "a/./b",
        "/etc/passwd",
        "//host/share",
        "C:/windows",
        "c:x",
        "a//b",
        "a/",
        "",
        "nul\0.png",
        "line\x0bfeed",
        "tab\t",
        "escape\x1b[2J",
        "c1\x85",
        "back\\slash",
        ".. /dots",
        "a/. ./b",
        "x" * 10_000,
        "x" * 256,
        "/".join(["é" * 100] * 6),
        "new\nline",
    ],
)
def test_a_name_that_is_not_safe_everywhere_is_refused_in_reading_and_in_writing(
    small: bytes, forge: Forge, index_of: IndexOf, name: str
) -> None:
    with pytest.raises(ArchiveError, match=r"the name|different names") as caught:
        checked_name(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    names = index_of(small).names.split(b"\n")
    _refused(forge(small, names=b"\n".join([*names[:3], name.encode()])), r"the name|different names|names are given")


@pytest.mark.parametrize("name", ["a.png", "a b/c d.png", ".hidden", "..x", "é/ü.png", "a/12:30:00.png", "x" * 255])
def test_ordinary_names_are_allowed(name: str) -> None:
    assert checked_name(name) == name


def test_a_name_that_no_text_can_have_is_refused() -> None:
    with pytest.raises(ArchiveError, match="not valid Unicode"):
        checked_name("bad\udcff.png")


def test_names_that_are_not_utf8_are_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    names = index_of(small).names.split(b"\n")
    _refused(forge(small, names=b"\n".join([b"\xff\xfe", *names[1:]])), "not UTF-8")
    _refused(forge(small, names=b"\n".join([b"\xed\xa0\x80", *names[1:]])), "not UTF-8")
    _refused(forge(small, names=b"\n".join([b"a/\xc0\xae\xc0\xae/b", *names[1:]])), "not UTF-8")


def test_a_name_that_is_there_twice_is_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    names = index_of(small).names.split(b"\n")
    _refused(forge(small, names=b"\n".join([names[1], *names[1:]])), "3 different names")


def test_a_name_that_is_a_folder_of_another_is_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    names = index_of(small).names.split(b"\n")
    _refused(forge(small, names=b"\n".join([*names[:3], b"a"])), "a folder of another")


def test_too_few_or_too_many_names_are_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    names = index_of(small).names.split(b"\n")
    for wrong in (names[:-1], [*names, b"more"], []):
        _refused(forge(small, names=b"\n".join(wrong)), "names are given")


def test_an_unknown_dtype_or_promise_is_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    index = index_of(small)
    _refused(forge(small, entries=_changed(index.entries, WHAT, 0, 32 + 12)), "dtype")
    _refused(forge(small, entries=_changed(index.entries, WHAT, 0, 1 << 45)), "dtype")
    body = index.to_bytes()
    _refused(_with_end(small, b"\3" + body[1:], 0), "promises something")
    _refused(_with_end(small, b"\1\x65" + body[3:], 0), "promises something")


def test_another_dtype_or_shape_than_was_stored_is_found(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    entries = index_of(small).entries
    int8 = int(entries[WHAT, -1]) - 1
    for changed in (_changed(entries, WHAT, -1, int8), _changed(entries, FIRST, -1, 5)):
        with open_archive(io.BytesIO(forge(small, entries=changed))) as archive:
            assert list(archive.verify()) == ["rows.npy"]
            assert archive["three.png"].shape == (3, 4, 1)


def test_classes_and_extras_that_are_not_there_are_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    index = index_of(small)
    last = index.pieces.shape[1] - 1
    _refused(forge(small, pieces=_changed(index.pieces, CLASS, last, 9)), "no entry has")
    _refused(forge(small, entries=_changed(index.entries, EXTRAS, 0, 3)), "extras that are not there")
    first_record = int(np.flatnonzero(index.pieces[CLASS] == 0)[0])
    _refused(forge(small, pieces=_changed(index.pieces, SAMPLES, first_record, 2)), "extras with samples")


def test_a_run_without_entries_blocks_or_samples_is_refused(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    index = index_of(small)
    _refused(forge(small, entries=_changed(index.entries, NUMBER, 0, 0)), "a run without entries")
    _refused(forge(small, entries=_changed(index.entries, SECOND, -1, 2)), "two sides")
    for field in (PIECES, SAMPLES):
        with pytest.raises(ArchiveError):
            open_archive(io.BytesIO(forge(small, pieces=_changed(index.pieces, field, -1, 0))))


def test_blocks_with_fewer_or_more_samples_than_the_entries_are_refused(
    small: bytes, forge: Forge, index_of: IndexOf
) -> None:
    index = index_of(small)
    last = index.pieces.shape[1] - 1
    for number in (7, 60_000):
        _refused(forge(small, pieces=_changed(index.pieces, SAMPLES, last, number)), "do not hold as many")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (b"", "neither stored nor deflated"),
        (b"\x02", "neither stored nor deflated"),
        (b"\x00\x03key", "claimed"),
        (b"\x00\x05key", "beyond its end"),
        (b"\x00\x01k\x7fv", "beyond its end"),
        (b"\x00\x01k\x01v\x01k\x01v", "twice"),
        (b"\x00\x01\xff\x01v", "not ASCII"),
        (b"\x00\x04form\x01\x05", "a form that"),
        (b"\x00\x04form\x02\x00\x00", "a form that"),
        (b"\x00\x04form" + bytes([40, *[1] * 33, *[128] * 7]), "a form that"),
        (b"\x01" + to_varints([1 << 30]) + b"x", "are allowed"),
        (b"\x01" + to_varints([9]) + b"rubbish", "deflated"),
    ],
)
def test_extras_that_make_no_sense_are_refused(record: bytes, words: str) -> None:
    with pytest.raises(ArchiveError, match=words):
        extras_from_bytes(record, (2, 3, 1))


def test_a_record_of_extras_that_lies_loses_only_its_entries(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    index = index_of(small)
    start = len(HEAD) + (index.model_length or 0)
    length = int(index.lengths[0])
    assert index.pieces[CLASS, 0] == 0
    lie = b"\x07" + small[start + 1 : start + length]
    archive = small[:start] + lie + small[start + length :]
    with open_archive(io.BytesIO(forge(archive, crcs=crc(lie) + index.crcs[CRC_BYTES:]))) as opened:
        assert list(opened.verify()) == ["a/one.png"]
        assert opened["three.png"].shape == (3, 4, 1)
        with pytest.raises(ArchiveError, match="neither stored nor deflated"):
            opened["a/one.png"]


def test_payloads_that_lie_lose_only_their_blocks(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    index = index_of(small)
    length = stored_length(small[-9:], len(small))
    last = len(small) - length - len(HEAD) - (index.model_length or 0) - int(index.lengths.sum())
    right, seen = open_archive(io.BytesIO(small))["rows.npy"].tobytes(), set()
    for first in range(256):  # every way and flag there is or may be
        payload = bytes([first]) + small[-length - last + 1 : -length]
        archive = small[: -length - last] + payload + small[-length:]
        with open_archive(io.BytesIO(forge(archive, crcs=index.crcs[:-CRC_BYTES] + crc(payload)))) as opened:
            lost = list(opened.verify())
            assert lost == ["rows.npy"] or opened["rows.npy"].tobytes() == right
            seen.add(bool(lost))
    assert seen == {True, False}


def test_a_way_of_a_later_version_is_told_from_damage(small: bytes, forge: Forge, index_of: IndexOf) -> None:
    index = index_of(small)
    length = stored_length(small[-9:], len(small))
    last = len(small) - length - len(HEAD) - (index.model_length or 0) - int(index.lengths.sum())
    payload = b"\7" + small[-length - last + 1 : -length]
    archive = small[: -length - last] + payload + small[-length:]
    with open_archive(io.BytesIO(forge(archive, crcs=index.crcs[:-CRC_BYTES] + crc(payload)))) as opened:
        (why,) = opened.verify().values()
        assert why.endswith("it is stored in way 7, which this narrows does not know; update narrows")
        with pytest.raises(ArchiveError, match="npy cannot be read: it is stored in way 7") as caught:
            opened["rows.npy"]
        assert "lost" not in str(caught.value)
        assert "again" not in str(caught.value)


def test_sealing_is_what_the_writer_does(small: bytes, index_of: IndexOf) -> None:
    assert small.endswith(seal(index_of(small).to_bytes()))
