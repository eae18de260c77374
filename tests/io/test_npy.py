"""Arrays in .npy files: what counts as a sample, and that any of them comes back bit for bit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from narrows.errors import DataError
from narrows.io.npy import Layout, layout, open_npy, read_samples, write_npy

DTYPES = ["?", "u1", "i1", "<u2", ">u2", "<i4", ">i8", "<u8", "<f2", ">f4", "<f8"]


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((5, 28, 27), "u1", Layout(5, (28, 27, 1), (28, 27))),
        ((5, 28, 27, 3), "u2", Layout(5, (28, 27, 3))),
        ((5, 28, 27, 5), "u1", Layout(5, (28 * 27 * 5,), (28, 27, 5))),
        ((5, 28, 27), "f4", Layout(5, (28 * 27,), (28, 27))),
        ((5, 9), "u1", Layout(5, (9,))),
        ((9,), "u1", Layout(1, (9,), whole=True)),
        ((), "f8", Layout(1, (1,), (), whole=True)),
    ],
)
def test_an_array_is_taken_as_samples(shape: tuple[int, ...], dtype: str, expected: Layout) -> None:
    assert layout(np.zeros(shape, dtype)) == expected


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_array_of_numbers_comes_back_bit_for_bit(data: st.DataObject, tmp_path: Path) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=5, max_side=4)))
    if data.draw(st.booleans()):
        array = np.asfortranarray(array)
    np.save(tmp_path / "a.npy", array)
    found = open_npy(tmp_path / "a.npy")
    plan = layout(found)
    samples = list(read_samples(tmp_path / "a.npy", plan))
    assert [sample.shape for sample in samples] == [plan.shape] * plan.count
    buffer = io.BytesIO()
    write_npy(buffer, found.dtype.name, found.shape, samples)
    back = np.load(io.BytesIO(buffer.getvalue()))
    native = array.astype(dtype.newbyteorder("="))
    assert (back.dtype, back.shape) == (native.dtype, array.shape)
    assert back.tobytes() == native.tobytes()  # NaN and -0.0 included


def test_samples_are_read_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("narrows.io.npy.PART_BYTES", 100)
    array = np.arange(7 * 5 * 6, dtype=np.uint8).reshape(7, 5, 6)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(np.stack(list(read_samples(tmp_path / "a.npy", layout(array))))[..., 0], array)


def test_what_is_no_array_of_numbers_is_refused_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "object.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.zeros((2, 2), complex))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "none.npy", np.zeros((3, 0)))
    np.save(tmp_path / "whole.npy", np.zeros((4, 3)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-1])
    np.savez(tmp_path / "several.npy", a=np.zeros(3))
    (tmp_path / "several.npy.npz").rename(tmp_path / "several.npy")
    with (tmp_path / "two.npy").open("wb") as file:
        np.save(file, np.zeros(9))
        np.save(file, np.zeros((0, 4)))
    (tmp_path / "after.npy").write_bytes((tmp_path / "whole.npy").read_bytes() + b"\0")
    with (tmp_path / "none first.npy").open("wb") as file:
        np.save(file, np.zeros((0, 4)))
        np.save(file, np.zeros(9))
    (tmp_path / "other.npy").write_text("no array")
    words = {
        "object": "pickled",
        "complex": "complex128",
        "text": "<U1",
        "none": r"shape \(3, 0\)",
        "cut": "damaged",
        "several": "archive of arrays",
        "two": "followed by 128 bytes;",
        "after": "followed by 1 byte;",
        "none first": "followed by 200 bytes;",
        "other": "NumPy's format",
        "missing": "no such file",
    }
    for name, word in words.items():
        with pytest.raises(DataError, match=word) as caught:
            open_npy(tmp_path / f"{name}.npy")
        assert str(caught.value).startswith(str(tmp_path / f"{name}.npy"))
