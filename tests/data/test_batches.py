"""Batches: which samples come when, how they are cut and moved, and how values become tensors and come back."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from narrows.data import batches as batches_module
from narrows.data.batches import Batches, centre_crop, chunks, from_tensor, random_crop, shifted, split, to_tensor
from narrows.data.samples import Samples, describe, from_arrays
from narrows.io.arrays import Ragged, pack


def numbered(count: int) -> Samples:
    """Vectors that hold their own number."""
    return from_arrays(np.repeat(np.arange(count, dtype=np.uint8)[:, None], 3, axis=1))


def numbers(batch: torch.Tensor) -> list[int]:
    return (batch[:, 0] * 255).round().int().tolist()


def ragged(*sizes: tuple[int, int]) -> Samples:
    """Images whose every pixel says which image, row and column it is."""
    return from_arrays([coordinates(index, h, w) for index, (h, w) in enumerate(sizes)])


def coordinates(index: int, height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([np.full_like(rows, index), rows, columns], axis=2).astype(np.uint8)


@pytest.mark.parametrize(("count", "size"), [(12, 4), (10, 4), (7, 7), (5, 12), (1, 3), (9, 1)])
def test_every_sample_comes_once_an_epoch_also_where_a_batch_straddles_two(count, size):
    batches = Batches(numbered(count), np.arange(count), size, seed=3)
    seen = np.zeros(count, int)
    for step in range(4 * count):
        batch = numbers(batches.draw(step))
        assert len(batch) == size
        np.add.at(seen, batch, 1)
        # So many epochs are over: each sample came so often, those of the epoch begun once more.
        over, begun = divmod((step + 1) * size, count)
        assert sorted(seen) == [over] * (count - begun) + [over + 1] * begun


def test_only_the_samples_at_the_indices_come():
    batches = Batches(numbered(20), np.array([3, 5, 7, 11]), 4, seed=0)
    for step in range(5):
        assert sorted(numbers(batches.draw(step))) == [3, 5, 7, 11]


@pytest.mark.parametrize("options", [{}, {"crop": 4}, {"shift": 2}, {"crop": 4, "shift": 1}, {"crop": 4, "views": 8}])
def test_a_batch_depends_on_seed_and_step_alone_in_whatever_order_it_is_drawn(options):
    samples = from_arrays(np.random.default_rng(0).integers(0, 256, (10, 7, 6, 2), np.uint8))

    def start(seed: int = 1) -> Batches:
        return Batches(samples, np.arange(10), 4, seed, **options)

    forwards = start()
    expected = [forwards.draw(step) for step in range(12)]
    backwards = start()
    for step in (*range(11, -1, -1), 2, 2, 9, 0):
        assert torch.equal(backwards.draw(step), expected[step])
    assert torch.equal(start().draw(7), expected[7])
    assert not torch.equal(start(seed=2).draw(7), expected[7])
    assert not torch.equal(expected[0], expected[5])  # the same place in two epochs


@pytest.mark.parametrize("views", [1, 2, 8])
def test_crops_come_in_so_many_views_and_no_other(views):
    image = np.random.default_rng(0).integers(0, 256, (5, 5, 3), np.uint8)
    batches = Batches(from_arrays(image[None]), np.zeros(1, np.int64), 4, seed=0, crop=5, views=views)
    turned = [np.rot90(flipped, turns) for turns in range(4) for flipped in (image, image[:, ::-1])]
    seen = {
        from_tensor(each[None], batches.samples.description)[0].tobytes()
        for s in range(40)
        for each in batches.draw(s)
    }
    assert seen == {np.ascontiguousarray(view).tobytes() for view in turned[:views]}


def test_drawing_touches_no_global_random_state():
    torch.manual_seed(0)
    before = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    Batches(ragged((5, 5), (6, 6)), np.arange(2), 2, seed=0, crop=3, shift=1).draw(0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert repr(np.random.get_state()) == before[1]  # noqa: NPY002


def test_crops_of_images_of_differing_sizes_are_pieces_of_them_from_everywhere():
    samples = ragged((9, 6), (5, 5), (20, 7))
    batches = Batches(samples, np.arange(3), 3, seed=0, crop=5)
    corners = set()
    for step in range(200):
        batch = from_tensor(batches.draw(step), samples.description)
        assert batch.shape == (3, 5, 5, 3)
        for image in batch:
            index, top, left = (int(n) for n in image[0, 0])
            np.testing.assert_array_equal(image, samples.values[index][top : top + 5, left : left + 5])
            corners.add((index, top, left))
    heights = {index: {top for i, top, _ in corners if i == index} for index in range(3)}
    lefts = {index: {left for i, _, left in corners if i == index} for index in range(3)}
    assert heights == {0: set(range(5)), 1: {0}, 2: set(range(16))}
    assert lefts == {0: {0, 1}, 1: {0}, 2: {0, 1, 2}}


@pytest.mark.parametrize("cut", [lambda image, side: random_crop(image, side, np.random.default_rng(0)), centre_crop])
def test_images_smaller_than_the_crop_are_filled_by_repeating_their_edge(cut):
    for height, width in ((1, 1), (2, 5), (5, 2), (4, 3)):
        image = coordinates(9, height, width)
        rows, columns = (np.minimum(np.arange(5), n - 1) for n in (height, width))
        np.testing.assert_array_equal(cut(image, 5), image[rows][:, columns])


@pytest.mark.parametrize(("height", "width", "top", "left"), [(5, 5, 0, 0), (9, 6, 2, 0), (8, 7, 1, 1)])
def test_the_centre_crop_is_the_middle(height, width, top, left):
    image = coordinates(0, height, width)
    np.testing.assert_array_equal(centre_crop(image, 5), image[top : top + 5, left : left + 5])


@pytest.mark.parametrize("most", [1, 2, 9])
@pytest.mark.parametrize("shape", [(6, 7, 5, 1), (4, 1, 1, 3), (3, 2, 8, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_shifting_is_the_same_as_moving_pixel_by_pixel(most, shape, dtype):
    count, height, width, _ = shape
    images = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    moved = shifted(images, most, np.random.default_rng(5))
    assert moved.dtype == images.dtype
    down, right = np.random.default_rng(5).integers(0, 2 * most + 1, (2, count)) - most
    naive = np.empty_like(images)
    for n in range(count):
        for row in range(height):
            for column in range(width):
                y = min(max(row + down[n], 0), height - 1)
                x = min(max(column + right[n], 0), width - 1)
                naive[n, row, column] = images[n, y, x]
    np.testing.assert_array_equal(moved, naive)


def test_shifts_reach_every_offset_and_no_further():
    images = np.repeat(coordinates(0, 9, 9)[None], 400, axis=0)
    middles = shifted(images, 2, np.random.default_rng(0))[:, 4, 4, 1:] - np.array([4, 4])
    assert {tuple(m) for m in middles.astype(np.int8).tolist()} == {
        (d, r) for d in range(-2, 3) for r in range(-2, 3)
    }


def test_chunks_hold_every_sample_in_order_in_bounded_memory(monkeypatch):
    monkeypatch.setattr(batches_module, "CHUNK_BYTES", 4 * 3 * 7)  # seven vectors
    for indices in (None, np.arange(50)[::-3], np.arange(0)):
        parts = list(chunks(numbered(50), indices))
        assert all(part.numel() * part.element_size() <= batches_module.CHUNK_BYTES for part in parts)
        expected = list(range(50)) if indices is None else indices.tolist()
        assert [number for part in parts for number in numbers(part)] == expected


def test_a_sample_larger_than_a_chunk_comes_alone(monkeypatch):
    monkeypatch.setattr(batches_module, "CHUNK_BYTES", 1)
    assert [numbers(part) for part in chunks(numbered(3))] == [[0], [1], [2]]


def test_chunks_of_images_of_differing_sizes_are_their_middles_and_need_a_crop(monkeypatch):
    samples = ragged((9, 6), (5, 5), (2, 7), (1, 1))
    monkeypatch.setattr(batches_module, "CHUNK_BYTES", 4 * 5 * 5 * 3 * 2)
    parts = list(chunks(samples, crop=5))
    assert [tuple(part.shape) for part in parts] == [(2, 3, 5, 5)] * 2
    together = from_tensor(torch.cat(parts), samples.description)
    np.testing.assert_array_equal(together, [centre_crop(image, 5) for image in samples.values])
    with pytest.raises(ValueError, match="need a crop"):
        next(chunks(samples))


def private_bytes() -> int:
    """Memory of this process that is not a page of some file."""
    return 1024 * int(re.search(r"RssAnon:\s*(\d+)", Path("/proc/self/status").read_text())[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the memory in use")
def test_a_memory_mapped_set_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(batches_module, "CHUNK_BYTES", 1 << 20)
    path = tmp_path / "set.npy"
    count, size = 1000, 1 << 17
    written = np.lib.format.open_memmap(path, "w+", np.uint8, (count, size))  # 131 MB, most of it a hole
    written[:, 0] = np.arange(count) % 251
    del written
    samples = from_arrays(np.load(path, mmap_mode="r"))
    batches = Batches(samples, np.arange(count), 8, seed=0)
    batches.draw(0)
    before = most = private_bytes()
    seen = 0
    for step, chunk in enumerate(chunks(samples)):
        seen += len(chunk)
        batches.draw(step)
        most = max(most, private_bytes())
    assert seen == count
    assert most - before < 40 << 20


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int16", "float16", ">u2", ">i2", "<i4"])
def test_every_value_of_a_small_range_survives_the_way_to_tensors_and_back_exactly(dtype):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values = np.linspace(0, 1, 1001).astype(dtype)
    else:
        info = np.iinfo(dtype) if kind.itemsize < 4 else np.iinfo(np.int16)
        values = np.arange(info.min, info.max + 1).astype(dtype)
    round_trip(values, 0)


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4), (1, 2, 3, 4), (2, 3, 2, 2), (24, 1, 1, 1)])
def test_shapes_survive_and_tensors_have_their_channels_first(shape):
    array = np.arange(24, dtype=np.uint8).reshape(shape)
    values = from_arrays(array).values
    tensor = round_trip(values, 0)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    expected = values if values.ndim == 2 else np.moveaxis(values, -1, 1)
    np.testing.assert_allclose(tensor.numpy(), expected / 255, rtol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        np.array([0, 1, 2**31, 2**32 - 1], np.uint32),
        np.array([-(2**31), 5, 2**31 - 1], np.int32),
        np.array([-(2**63), 0, 2**63 - 1], np.int64),
        np.array([0, 2**63, 2**64 - 1], np.uint64),
        np.array([-3.0, 0.1, 1e300]),
        np.array([-3e38, 0.1, 3e38], np.float32),
        np.array([-60000, 0.1, 60000], np.float16),
        np.array([-0.5, 0.25, 0.75], np.float32),
        np.array([1e-320, -1e-320, 0.0]),
    ],
    ids=lambda values: f"{values.dtype}-{values[-1]:g}",
)
def test_wide_values_survive_to_within_the_rounding_of_float32(values):
    span = float(values.max()) - float(values.min())
    round_trip(values, span * 2.0**-24)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(10**15, 10**15 + 1000),
        np.arange(2**52, 2**52 + 256).astype(np.uint64),
        np.arange(-(10**6), -(10**6) + 99, dtype=np.int32),
        1e6 + np.arange(100) / 64,
    ],
    ids=lambda values: f"{values.dtype}-{values[0]:g}",
)
def test_a_small_range_far_from_zero_survives_almost_exactly(values):
    round_trip(values, 0 if values.dtype.kind in "ui" else 1e-6)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int64", "uint64", "float16", "float32", "float64"])
@pytest.mark.parametrize("end", ["min", "max"])
def test_a_set_of_one_value_only_survives_at_the_ends_of_its_dtype_too(dtype, end):
    info = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    value = getattr(info, end)
    if dtype == "float64":
        value /= 4
    round_trip(np.full(3, value, dtype), 2047 if dtype in ("int64", "uint64") else 0)


def round_trip(values: np.ndarray, most: float) -> torch.Tensor:
    """Check that values come back to within `most`, and that tensors are in 0..1."""
    array = values[:, None] if values.ndim == 1 else values
    description = from_arrays(array).description
    before = array.copy()
    tensor = to_tensor(array, description)
    assert float(tensor.min()) >= 0
    assert float(tensor.max()) <= 1
    tensor_before = tensor.clone()
    back = from_tensor(tensor, description)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.shape == array.shape
    # As Python numbers, which neither round nor overflow.
    for one, other in zip(back.ravel().tolist(), array.ravel().tolist(), strict=True):
        assert abs(one - other) <= most
    assert torch.equal(tensor, tensor_before)
    np.testing.assert_array_equal(array, before)
    return tensor


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16", "float32", "float64"])
@pytest.mark.parametrize("high", [1, 9])
def test_the_callers_array_is_never_written_to_nor_shared(dtype, high):
    array = np.arange(10, dtype=dtype).reshape(5, 2) % (high + 1)
    description = describe(array, "given")
    before = array.copy()
    tensor = to_tensor(array, description)
    np.testing.assert_array_equal(array, before)
    tensor.fill_(7)
    np.testing.assert_array_equal(array, before)
    back = from_tensor(torch.zeros(2, 2), description)
    back[:] = 1


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_arrays_that_are_read_only_or_in_another_order_become_tensors_without_a_warning(dtype):
    array = (
        np.arange(24, dtype=dtype).reshape(1, 2, 3, 4) / 24 if dtype == "float32" else np.zeros((1, 2, 3, 4), dtype)
    )
    array = array.astype(dtype)
    description = describe(array, "given")
    expected = to_tensor(array, description)
    locked = array.copy()
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (locked, np.asfortranarray(array), array[:, ::-1].copy()[:, ::-1]):
            assert torch.equal(to_tensor(same, description), expected)


def test_values_outside_0_to_1_are_clipped_and_all_are_rounded():
    description = from_arrays(np.zeros((1, 4), np.uint8)).description
    tensor = torch.tensor([[-1.0, 0.4999 / 255, 254.5001 / 255, 9.0]], requires_grad=True)
    assert from_tensor(tensor, description).tolist() == [[0, 0, 255, 255]]
    assert from_tensor(torch.tensor([[0.0, 1.0, 0.5]]).bfloat16(), description).tolist() == [[0, 255, 128]]


@pytest.mark.parametrize(("count", "held"), [(10, 3), (10, 0), (1, 0), (1000, 100), (2, 1)])
def test_the_split_is_disjoint_complete_sorted_and_seeded(count, held):
    training, validation = split(count, held, seed=4)
    assert (len(training), len(validation)) == (count - held, held)
    assert sorted([*training, *validation]) == list(range(count))
    assert training.tolist() == sorted(training)
    assert validation.tolist() == sorted(validation)
    again = split(count, held, seed=4)
    np.testing.assert_array_equal(training, again[0])
    np.testing.assert_array_equal(validation, again[1])


def test_another_seed_holds_out_other_samples_from_everywhere():
    held = [split(1000, 100, seed)[1] for seed in range(3)]
    assert not np.array_equal(held[0], held[1])
    for part in held:
        assert np.bincount(part // 250, minlength=4).min() >= 10


def test_packed_images_of_one_size_are_one_array():
    assert isinstance(pack([np.zeros((2, 3, 1))] * 2), np.ndarray)
    assert isinstance(pack([np.zeros((2, 3, 1)), np.zeros((3, 2, 1))]), Ragged)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float16", "float32", "float64"])
def test_a_batch_on_the_device_has_the_same_bits(dtype):
    samples = from_arrays((np.arange(60).reshape(5, 12) % 50).astype(dtype))
    here, there = (Batches(samples, np.arange(5), 3, 0, device=device).draw(1) for device in ("cpu", "cuda"))
    assert torch.equal(here, there.cpu())


@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_shares_of_all_processes_together_are_the_batch_that_one_would_draw(world: int) -> None:
    samples = numbered(20)
    alone = Batches(samples, np.arange(20), 6, seed=3)
    shares = [Batches(samples, np.arange(20), 6, seed=3, rank=rank, world=world) for rank in range(world)]
    for step in range(5):
        drawn = [numbers(share.draw(step)) for share in shares]
        assert {len(part) for part in drawn} == {6 // world}
        assert sorted(number for part in drawn for number in part) == sorted(numbers(alone.draw(step)))


def test_processes_crop_and_shift_their_shares_differently() -> None:
    samples = from_arrays(np.random.default_rng(0).integers(0, 256, (1, 40, 40, 1), np.uint8))
    first, second = (Batches(samples, np.zeros(1, int), 2, 0, crop=8, shift=1, rank=r, world=2) for r in (0, 1))
    assert not torch.equal(first.draw(0), second.draw(0))
    assert torch.equal(first.draw(0), first.draw(0))


def test_signals_are_pictures_of_one_row_to_networks() -> None:
    signals = np.random.default_rng(0).integers(-3000, 3000, (6, 500, 2)).astype(np.int16)
    samples = from_arrays(signals, kind="signals")
    tensor = to_tensor(signals, samples.description)
    assert tensor.shape == (6, 2, 1, 500)
    np.testing.assert_array_equal(from_tensor(tensor, samples.description), signals)
    assert (to_tensor(np.zeros_like(signals), samples.description) == 0.5).all()


def test_random_pieces_of_signals_of_differing_lengths_are_drawn() -> None:
    signals = [np.arange(n, dtype=np.float32)[:, None] / 1000 for n in (40, 100, 900)]
    samples = from_arrays(signals, kind="signals")
    drawn = Batches(samples, np.arange(3), 3, seed=0, crop=64).draw(0)
    assert drawn.shape == (3, 1, 1, 64)
    steps = drawn.diff(dim=3) * 2000
    assert ((steps - 1).abs() < 0.01).logical_or(steps.abs() < 0.01).all()  # neighbours, or a repeated edge
