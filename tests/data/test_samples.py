"""What counts as samples, what is said of them, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from narrows.data import ranges as ranges_module
from narrows.data.batches import from_tensor, to_tensor
from narrows.data.samples import Description, Samples, from_arrays
from narrows.errors import DataError, SettingsError
from narrows.evaluation.metrics import squared_errors
from narrows.io.arrays import Ragged, pack


def refusal(data: object) -> str:
    with pytest.raises(DataError) as caught:
        from_arrays(data, "given")
    message = str(caught.value)
    assert message.startswith("given: ")
    assert "\n" not in message
    return message


def ragged(dtype: str = "uint8") -> tuple[Ragged, list[np.ndarray]]:
    random = np.random.default_rng(0)
    images = [random.integers(0, 200, (h, w, 3)).astype(dtype) for h, w in ((2, 3), (4, 1), (1, 1), (3, 5))]
    packed = pack(images)
    assert isinstance(packed, Ragged)
    return packed, images


@pytest.mark.parametrize(
    ("shape", "kind", "described"),
    [
        ((5, 7), "vectors", (7,)),
        ((5, 1), "vectors", (1,)),
        ((5, 4, 6), "images", (4, 6, 1)),
        ((5, 1, 1), "images", (1, 1, 1)),
        *(((5, 4, 6, c), "images", (4, 6, c)) for c in (1, 2, 3, 4)),
    ],
)
def test_the_shape_of_an_array_says_whether_it_holds_vectors_or_images(shape, kind, described):
    samples = from_arrays(np.zeros(shape, np.uint8))
    assert (samples.description.axes, samples.description.shape) == ({"images": 2, "vectors": 0}[kind], described)
    assert (len(samples), samples.description.count) == (5, 5)
    assert samples.description.values == np.prod(shape[1:])
    assert samples.description.channels == (1 if kind == "vectors" else described[2])
    assert not samples.description.varied


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4, 1, 1)])
def test_arrays_of_other_dimensions_are_refused_with_what_is_allowed(shape):
    message = refusal(np.zeros(shape, np.uint8))
    assert str(shape) in message
    assert "(N, H, W, C)" in message


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 2, 2), (3, 0, 2), (3, 2, 0, 1), (0, 2, 2, 1), (3, 2, 2, 0)])
def test_arrays_without_a_sample_or_a_value_are_refused(shape):
    assert "at least one sample with one value" in refusal(np.zeros(shape, np.float32))


def test_five_channels_are_refused_with_what_is_allowed():
    message = refusal(np.zeros((2, 9, 9, 5), np.uint8))
    assert "5 channels" in message
    assert "3 (RGB)" in message
    assert "moveaxis" not in message


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_with_their_channels_first_get_a_hint(channels):
    assert "numpy.moveaxis(data, 1, -1)" in refusal(np.zeros((2, channels, 8, 8), np.uint8))
    assert "moveaxis" in refusal([np.zeros((channels, 8, 8), np.uint8), np.zeros((channels, 9, 8), np.uint8)])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3), complex),
        np.zeros((2, 3), "datetime64[s]"),
        np.zeros((2, 3), "timedelta64[s]"),
        np.full((2, 3), "text"),
        np.full((2, 3), b"text"),
        np.zeros((2, 3), [("a", int), ("b", float)]),
        np.zeros((2, 3), object),
        np.zeros((2, 3), np.longdouble),
    ],
    ids=lambda array: str(array.dtype),
)
def test_dtypes_that_are_no_real_numbers_are_refused_by_name(array):
    if array.dtype == np.float64:
        pytest.skip("long doubles are doubles here")
    assert f"dtype {array.dtype} " in refusal(array)
    assert f"dtype {array.dtype} " in refusal(list(array))


@pytest.mark.parametrize("thing", [None, 5, "text", b"bytes", {"a": 1}, {1, 2}, object(), iter([])])
def test_things_that_are_no_arrays_are_refused(thing):
    refusal(thing)


def test_lists_that_are_no_arrays_are_refused():
    assert "empty list" in refusal([])
    refusal([[1, [2, 3]], [4, 5]])
    refusal([None])
    refusal([1, 2, 3])
    refusal([np.zeros((2, 2, 2, 1))])
    refusal([np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint16)])
    refusal([np.zeros((2, 2)), np.zeros((2, 2, 1))])
    assert "different lengths" in refusal([np.zeros(3), np.zeros(4)])
    assert "1, 3 channels" in refusal([np.zeros((2, 2, 3)), np.zeros((2, 2, 1))])
    assert "no pixels" in refusal([np.zeros((2, 2)), np.zeros((0, 2))])


def test_masked_arrays_are_refused_as_what_is_masked_is_not_known():
    assert "filled" in refusal(np.ma.masked_equal(np.arange(6).reshape(2, 3), 4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nan_and_infinities_are_refused_naming_the_sample(monkeypatch, value, dtype):
    monkeypatch.setattr(ranges_module, "CHUNK_BYTES", 40)  # several chunks
    array = np.zeros((9, 2, 3), dtype)
    array[7, 1, 2] = value
    assert "in sample 7;" in refusal(array)
    assert "in sample 7;" in refusal(array.reshape(9, 6))
    assert "in sample 7;" in refusal(list(array))


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_nan_among_images_of_differing_sizes_names_the_sample(monkeypatch, at):
    _, images = ragged("float32")
    for value in (images[at][0, 0], images[at][-1, -1]):
        before = value.copy()
        value[:] = np.nan
        for chunk_bytes in (8, ranges_module.CHUNK_BYTES):
            monkeypatch.setattr(ranges_module, "CHUNK_BYTES", chunk_bytes)
            assert f"in sample {at};" in refusal(images)
        value[:] = before


@pytest.mark.parametrize(
    ("array", "low", "high"),
    [
        (np.array([[3, 9]], np.uint8), 0, 255),
        (np.array([[3, 9]], np.uint16), 0, 65535),
        (np.array([[3, 9]], ">u2"), 0, 65535),
        (np.array([[3, 9]], np.int64), 3, 9),
        (np.array([[-3, 9]], np.int8), -3, 9),
        (np.array([[3, 2**32 - 1]], np.uint32), 3, 2**32 - 1),
        (np.array([[0.25, 0.5]]), 0, 1),
        (np.array([[0.25, 1.5]]), 0.25, 1.5),
        (np.array([[-0.25, 0.5]]), -0.25, 0.5),
        (np.array([[5, 5]], np.int32), 5, 10),
        (np.array([[-7.5, -7.5]]), -7.5, 0),
        (np.array([[0, 0]], np.int32), 0, 1),
    ],
)
def test_the_range_is_that_of_small_dtypes_of_unit_floats_or_of_the_values(array, low, high):
    description = from_arrays(array).description
    assert (description.low, description.high) == (low, high)


@pytest.mark.parametrize("value", [1e17, -1e17, 1e300, 2.0**62])
def test_equal_values_however_large_have_a_range_that_is_not_empty(value):
    description = from_arrays(np.full((2, 3), value)).description
    assert description.high > description.low


def test_the_range_is_over_all_chunks(monkeypatch):
    monkeypatch.setattr(ranges_module, "CHUNK_BYTES", 24)
    array = np.zeros((10, 3))
    array[2, 1], array[9, 2] = -4, 8
    description = from_arrays(array).description
    assert (description.low, description.high) == (-4, 8)


def test_values_further_apart_than_a_double_says_are_refused():
    assert "too far apart" in refusal(np.array([[-1e308, 1e308]]))


def test_bool_becomes_0_and_255_alone_and_in_lists():
    array = np.array([[True, False], [False, True]])
    for given in (array, list(array), torch.from_numpy(array)):
        samples = from_arrays(given)
        assert samples.description.dtype == "uint8"
        np.testing.assert_array_equal(samples.values, array * 255)


@pytest.mark.parametrize("dtype", [">u2", ">i4", ">f4", ">f8"])
def test_the_byte_order_is_not_part_of_the_description(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    samples = from_arrays(array)
    assert samples.description == from_arrays(array.astype(array.dtype.newbyteorder("="))).description
    assert samples.description.dtype == np.dtype(dtype).name


def test_the_order_in_memory_does_not_matter():
    array = np.arange(24.0).reshape(2, 3, 4)
    for same in (np.asfortranarray(array), array[:, ::-1][:, ::-1], np.repeat(array, 2, axis=0)[::2]):
        samples = from_arrays(same)
        assert samples.description == from_arrays(array).description
        np.testing.assert_array_equal(samples.values[..., 0], array)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.int64])
def test_tensors_count_as_arrays(dtype):
    tensor = torch.arange(24).reshape(2, 3, 4).to(dtype)
    for given in (tensor, list(tensor), tuple(tensor)):
        np.testing.assert_array_equal(from_arrays(given).values[..., 0], tensor.numpy())
    assert "moveaxis" in refusal(torch.zeros(2, 3, 8, 8))


def test_tensors_with_gradients_are_read_and_those_numpy_has_no_dtype_for_are_refused():
    assert from_arrays(torch.ones(2, 3, requires_grad=True)).description.shape == (3,)
    assert "BFloat16" in refusal(torch.zeros(2, 3, dtype=torch.bfloat16))
    assert "BFloat16" in refusal([torch.zeros(3, dtype=torch.bfloat16)])


def test_data_frames_of_numbers_are_vectors_whatever_the_types_of_their_columns():
    columns = {"a": pd.array([1, 2], dtype="Int64"), "b": pd.Series([3, 4.5], dtype=object)}
    assert from_arrays(pd.DataFrame(columns)).values.tolist() == [[1, 3], [2, 4.5]]
    assert from_arrays(pd.DataFrame({"a": columns["a"]})).values.dtype == np.int64
    with pytest.raises(DataError, match="NaN or infinity in sample 1"):
        from_arrays(pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}))


def test_a_column_of_words_in_a_data_frame_is_refused_by_name_with_what_to_do():
    with pytest.raises(
        DataError, match=r"^array: column 'w' .* no kind of number; leave it out, or save .* as \.csv"
    ):
        from_arrays(pd.DataFrame({"a": [1, 2], "w": ["x", "y"]}))


def test_nested_lists_of_numbers_are_vectors():
    samples = from_arrays([[0.0, 2.0], [1.0, 3.0]])
    assert str(samples.description) == "2 vectors of 2 values, float64, 0 to 3"


def test_an_array_is_not_copied_and_samples_are_returned_as_they_are():
    array = np.zeros((3, 4, 5), np.uint8)
    samples = from_arrays(array)
    assert np.shares_memory(samples.values, array)
    assert from_arrays(samples) is samples


def test_a_list_of_images_of_one_size_is_one_array_of_differing_sizes_ragged():
    equal = from_arrays([np.full((2, 3), i, np.uint8) for i in range(4)])
    assert equal.values.shape == (4, 2, 3, 1)
    assert not equal.description.varied
    packed, images = ragged()
    differing = from_arrays(images)
    assert differing.description.shape == (0, 0, 3)
    assert differing.description.varied
    assert differing.description.values == 0
    for one, image in zip(differing.values, images, strict=True):
        np.testing.assert_array_equal(one, image)
    assert from_arrays(packed).description == differing.description


def test_ragged_images_are_reached_like_the_items_of_a_list():
    packed, images = ragged()
    assert len(packed) == 4
    for index in (0, 3, -1, -4, np.int64(2), np.int64(-3)):
        np.testing.assert_array_equal(packed[index], images[index])
    for index in (4, -5, np.int64(4)):
        with pytest.raises(IndexError):
            packed[index]
    for wrong in (1.5, "1"):
        with pytest.raises(TypeError):
            packed[wrong]
    for part in (slice(1, 3), slice(None), slice(None, None, -2), slice(2, 2), slice(-2, None), slice(1, 99)):
        for one, image in zip(packed[part], images[part], strict=True):
            np.testing.assert_array_equal(one, image)
    assert [image.shape for image in reversed(packed)] == [image.shape for image in reversed(images)]


def test_ragged_images_are_views_of_one_array():
    packed, _ = ragged()
    assert all(np.shares_memory(image, packed.flat) for image in packed)


def test_the_description_reads_as_a_sentence_and_returns_from_json():
    texts = {
        "3 images 5x4, grey, uint8, 0 to 255": from_arrays(np.zeros((3, 4, 5), np.uint8)),
        "3 images 5x4, grey + alpha, uint8, 0 to 255": from_arrays(np.zeros((3, 4, 5, 2), np.uint8)),
        "3 images 5x4, RGB, float32, 0 to 1": from_arrays(np.zeros((3, 4, 5, 3), np.float32)),
        "3 images 5x4, RGBA, uint16, 0 to 65535": from_arrays(np.zeros((3, 4, 5, 4), np.uint16)),
        "4 images of differing sizes, RGB, uint8, 0 to 255": from_arrays(ragged()[0]),
        "3 vectors of 5 values, int32, -1 to 1": from_arrays(
            np.eye(3, 5, dtype=np.int32) - np.eye(3, 5, 1, np.int32)
        ),
    }
    for text, samples in texts.items():
        assert str(samples.description) == text
        assert Description.from_json(samples.description.to_json()) == samples.description


def test_taking_some_samples_takes_their_names_and_labels_and_counts_them():
    array = np.arange(40, dtype=np.uint8).reshape(10, 4)
    whole = from_arrays(array)
    whole = Samples(array, whole.description, "here", tuple("abcdefghij"), np.arange(10) * 2, ("note",))
    some = whole.take(np.array([7, 2, 2]))
    np.testing.assert_array_equal(some.values, array[[7, 2, 2]])
    assert not np.shares_memory(some.values, array)
    assert (some.names, some.labels.tolist()) == (("h", "c", "c"), [14, 4, 4])
    assert (some.source, some.notes, some.description.count) == ("here", ("note",), 3)


@pytest.mark.parametrize("indices", [[3, 0], [1, 1], [2], []])
def test_taking_some_images_of_differing_sizes_leaves_them_ragged(indices):
    packed, images = ragged("uint16")
    some = from_arrays(packed).take(np.array(indices, np.int64))
    assert isinstance(some.values, Ragged)
    assert some.values.dtype == np.uint16
    assert some.description.varied
    assert len(some) == some.description.count == len(indices)
    for one, index in zip(some.values, indices, strict=True):
        np.testing.assert_array_equal(one, images[index])


def test_bool_is_noted_for_it_becomes_something_else() -> None:
    (note,) = from_arrays(np.eye(3, dtype=bool)).notes
    assert "bool values were read as uint8" in note
    assert from_arrays(np.eye(3)).notes == ()


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"shape": shape}
            for shape in ([], [0], [8, 2000], [8, 0], [8, 8, 5], [8, 8, 0], [8, 0, 1], [-8, 8, 1], [8.0, 8, 1])
        ),
        *({"shape": shape} for shape in ([-8, 8, 1], [8.0, 8, 1], "881", 8, None, [10**30, 8, 1], [[8], 8, 1])),
        *({"dtype": dtype} for dtype in ("bool", "float8", "complex64", "O", ">f4", None, [])),
        *({"low": low} for low in ("0", 255, 256, 10**400, float("nan"), -float("inf"), None, False, -1.7e308)),
        *({"high": high} for high in ("255", 0, float("nan"), float("inf"), [255])),
        *({"count": count} for count in (-1, 1.5, None, 2**60)),
    ],
)
def test_a_description_of_nothing_that_can_be_is_refused(wrong):
    fields = from_arrays(np.zeros((2, 8, 8, 1), np.uint8)).description.to_json()
    if wrong.get("low") == -1.7e308:
        wrong = {**wrong, "high": 1.7e308}  # further apart than a double says
    with pytest.raises((KeyError, TypeError, ValueError)):
        Description.from_json({**fields, **wrong})
    with pytest.raises(TypeError):
        Description.from_json({**fields, "kind": "images"})  # told by the shape
    with pytest.raises(KeyError):
        Description.from_json({name: value for name, value in fields.items() if name not in wrong})


def test_columns_of_very_different_scales_are_scaled_each_by_its_own_range():
    rng = np.random.default_rng(0)
    x = rng.random((50, 4)) * (1, 0.001, 10000, 0) + (0, 5, -3, 7)
    description = from_arrays(x).description
    assert str(description).endswith("each column by its own range")
    tensor = to_tensor(x, description)
    assert tensor.amin(dim=0).tolist() == [0, 0, 0, 0]
    assert tensor.amax(dim=0).tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(from_tensor(tensor, description), x, rtol=1e-6, atol=1e-3)
    assert Description.from_json(json.loads(json.dumps(description.to_json()))) == description
    errors = squared_errors(x, x + np.array([0.1, 0.0001, 1000, 0]), description)
    np.testing.assert_allclose(errors, 0.03, rtol=0.1)


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(size=(50, 4)) * (1, 2, 5, 1),  # alike
        np.random.default_rng(0).random((50, 4)) * (1, 0.001, 1, 1),  # from 0 to 1, as given
        np.random.default_rng(0).integers(0, 256, (50, 4), np.uint8) // (1, 200, 1, 1),
        np.random.default_rng(0).normal(size=(50, 1)),
    ],
)
def test_columns_that_are_alike_or_of_a_known_range_share_one(x):
    x = x.astype(np.uint8) if x.dtype.kind in "ui" else x
    description = from_arrays(x).description
    assert description.columns == ()
    assert "columns" not in description.to_json()


@pytest.mark.parametrize(
    "columns", [[[0, 1]], [[0, 1], [1, 1]], [[0, 1], [0, float("nan")]], [[0, 1], [0, 1e309]], 3]
)
def test_columns_that_cannot_be_are_refused(columns):
    fields = from_arrays(np.random.default_rng(0).normal(size=(50, 2))).description.to_json()
    with pytest.raises((ValueError, TypeError)):
        Description.from_json({**fields, "columns": columns})
    images = from_arrays(np.zeros((2, 4, 4), np.uint8)).description.to_json()
    with pytest.raises((ValueError, TypeError)):
        Description.from_json({**images, "columns": [[0, 1]]})


SOUND = np.random.default_rng(0).integers(-3000, 3000, (6, 500, 2)).astype(np.int16)


@pytest.mark.parametrize(
    ("data", "shape", "count"),
    [
        (SOUND, (500, 2), 6),
        (SOUND[0], (500, 2), 1),
        (SOUND[0, :, 0], (500, 1), 1),
        ([SOUND[0], SOUND[1, :90]], (0, 2), 2),
        ([SOUND[0, :, 0], SOUND[1, :90, 0]], (0, 1), 2),
    ],
)
def test_signals_are_read_in_every_shape(data, shape, count) -> None:
    samples = from_arrays(data, kind="signals", rate=8000)
    description = samples.description
    assert (description.shape, description.count, description.rate) == (shape, count, 8000)
    assert (description.low, description.high, description.axes) == (-4096, 4096, 1)
    assert Description.from_json(description.to_json()) == description
    assert "8000 Hz" in str(samples)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((2, 3, 4, 5)), "4-D float64 were given as signals"),
        (np.zeros((0, 2)), "at least one sample with one value"),
        ([], "at least one sample"),
        ([SOUND[0], SOUND[0, :, :1]], "signals of 1, 2 channels"),
        ([SOUND[0], SOUND[0].astype(float)], "2-D float64 and 2-D int16"),
        (np.array([0.0, np.nan]), "NaN or infinity"),
        (np.zeros((9, 2000)), "2000 channels"),
    ],
)
def test_what_are_no_signals_is_refused(data, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_arrays(data, kind="signals")


def test_silence_is_the_middle_of_the_range_of_signals() -> None:
    floats = from_arrays(np.array([0.0, 0.3, -0.2]), kind="signals").description
    loud = from_arrays(np.array([0.0, 3.0, -0.2]), kind="signals").description
    unsigned = from_arrays(np.array([0, 200], np.uint8), kind="signals").description
    assert [(d.low, d.high) for d in (floats, loud, unsigned)] == [(-1, 1), (-4, 4), (0, 256)]


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint32"])
def test_channels_of_very_different_scales_are_scaled_each_by_its_own_range(dtype: str) -> None:
    t = np.arange(300)
    x = np.stack([1_711_800_000 + 60 * t, 25 + 5 * np.sin(t / 9), np.full(300, 7)], axis=1).astype(dtype)
    for data in (x, [x[:100], x[100:]]):
        samples = from_arrays(data, kind="series")
        description = Description.from_json(json.loads(json.dumps(samples.description.to_json())))
        assert description == samples.description
        assert "each channel by its own range" in str(description)
        scaled = to_tensor(x[None], description)
        assert 0 <= scaled.min() <= scaled.max() <= 1
        assert scaled[0, 1].max() - scaled[0, 1].min() > 0.25
        assert np.abs(from_tensor(scaled, description)[0].astype(float) - x).max() <= 0.01 * (dtype == "float64")


def test_channels_that_are_alike_share_one_range() -> None:
    for x in (np.array([[3, -40], [-5, 7]]), np.array([[0, 3], [0, 4]]), np.array([[1e9], [1e9 + 1]])):
        assert from_arrays(x, kind="series").description.columns == ()


def test_a_rate_that_cannot_be_is_refused() -> None:
    with pytest.raises(SettingsError, match="rate -1"):
        from_arrays(SOUND, kind="signals", rate=-1)
    with pytest.raises(SettingsError, match="kind"):
        from_arrays(SOUND, kind="sounds")  # type: ignore[arg-type]
