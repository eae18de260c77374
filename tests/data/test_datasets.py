"""Data sets and loaders of PyTorch are samples: each item is read once, and memory is bounded."""

import tracemalloc
from itertools import count

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)

import narrows
from narrows.data.samples import from_arrays
from narrows.data.sources import open_samples
from narrows.errors import DataError
from narrows.io import cache
from narrows.io.arrays import Ragged

MANY = 20_000
MEGABYTE = 1 << 20


class Made(Dataset):
    """Items made when they are asked for; counts how often each was."""

    def __init__(self, make, length: int = 6) -> None:
        self.make, self.asked = make, np.zeros(length, int)

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, index: int):
        self.asked[index] += 1
        return self.make(index)


class Stream(IterableDataset):
    def __iter__(self):
        return (torch.full((1, 4, 5), i / 100) for i in count())


class Short(Stream):
    def __len__(self) -> int:
        return 7


def image(i: int) -> torch.Tensor:
    """A float image (1, 4, 5) in 0..1."""
    return torch.full((1, 4, 5), i / 100)


def refusal(data: object) -> str:
    with pytest.raises(DataError) as caught:
        from_arrays(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "shape", "dtype"),
    [
        (image, (4, 5, 1), "float32"),
        (lambda i: torch.zeros(3, 4, 5, dtype=torch.uint8), (4, 5, 3), "uint8"),
        (lambda i: torch.zeros(4, 5, dtype=torch.bool), (4, 5, 1), "uint8"),
        (lambda i: torch.zeros(8, 5, 3), (8, 5, 3), "float32"),
        (lambda i: np.zeros((4, 5, 3), np.uint8), (4, 5, 3), "uint8"),
        (lambda i: torch.arange(7.0) + i, (7,), "float32"),
        (lambda i: Image.new("L", (5, 4), i), (4, 5, 1), "uint8"),
        (lambda i: Image.new("RGB", (5, 4)).convert("P"), (4, 5, 3), "uint8"),
        (lambda i: Image.new("1", (5, 4)), (4, 5, 1), "uint8"),
    ],
    ids=["CHW", "RGB", "bool", "HWC tensor", "HWC array", "vector", "grey picture", "palette", "1 bit"],
)
def test_items_of_every_usual_kind_are_read(make, shape, dtype):
    samples = open_samples(Made(make))
    assert (samples.description.shape, samples.description.dtype, len(samples)) == (shape, dtype, 6)
    assert samples.source == "Made"


def test_the_values_and_labels_are_those_of_the_items():
    samples = from_arrays(Made(lambda i: (image(i), torch.tensor(i % 3))))
    assert np.array_equal(samples.values[:, 0, 0, 0], np.float32(np.arange(6) / 100))
    assert samples.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert (samples.description.low, samples.description.high) == (0, 1)
    assert from_arrays(Made(lambda i: (image(i), {"boxes": []}))).labels is None
    assert from_arrays(Made(lambda i: (image(i), f"class {i}"))).labels[5] == "class 5"
    assert from_arrays(TensorDataset(torch.rand(9, 12))).description.shape == (12,)


def test_a_loader_is_taken_by_its_data_set():
    data = Made(image)
    samples = from_arrays(DataLoader(data, batch_size=4, shuffle=True))
    assert np.array_equal(samples.values, from_arrays(data).values)
    assert len(from_arrays(DataLoader(Subset(data, [1, 4])))) == 2
    some = SubsetRandomSampler([1, 2])
    assert "SubsetRandomSampler" in refusal(DataLoader(data, sampler=some))
    assert "SubsetRandomSampler" in refusal(DataLoader(data, batch_sampler=BatchSampler(some, 2, False)))
    assert "a DataLoader with a list was given" in refusal(DataLoader(data, batch_sampler=[[1, 2]]))


def test_a_loader_that_changes_its_batches_is_refused_and_not_read_as_if_it_did_not():
    assert "collate_fn of its own" in refusal(
        DataLoader(Made(image), collate_fn=lambda batch: torch.stack(batch) * 2)
    )
    assert len(from_arrays(DataLoader(Made(image), batch_size=None))) == 6


def test_a_stream_is_read_as_far_as_its_length_says_and_refused_without_one():
    assert len(from_arrays(Short())) == len(from_arrays(DataLoader(Short(), batch_size=2))) == 7
    assert "Stream without a length" in refusal(Stream())
    assert "__len__" in refusal(DataLoader(Stream()))


def test_images_of_differing_sizes_stay_apart():
    samples = from_arrays(Made(lambda i: torch.full((3, 2 + i, 5), i, dtype=torch.uint8)))
    assert isinstance(samples.values, Ragged)
    assert [image.shape for image in samples.values] == [(2 + i, 5, 3) for i in range(6)]
    assert all((image == i).all() for i, image in enumerate(samples.values))


def test_what_is_no_sample_is_refused_by_the_number_of_its_item():
    longer = Made(image)
    longer.__class__ = type("Longer", (Made,), {"__len__": lambda self: 9})
    assert "Longer: item 6 of 9 cannot be read" in refusal(longer)
    assert "item 0: a dict was given, with 'image'" in refusal(Made(lambda i: {"image": image(i)}))
    assert "item 0: a tuple was given as a sample" in refusal(Made(lambda i: ((image(i), image(i)), 1)))
    assert "item 3: an image of 3 channels and float32 came after an image of 1 channels and float32" in refusal(
        Made(lambda i: torch.zeros(3 if i == 3 else 1, 6, 6))
    )
    assert "item 1: a vector of 4 values and float32 came after" in refusal(Made(lambda i: torch.zeros(3 + i)))
    assert "shape ()" in refusal(Made(float))
    assert "without items" in refusal(Made(image, 0))
    assert "in sample 2;" in refusal(Made(lambda i: image(i) + (torch.nan if i == 2 else 0)))
    assert "5 channels" in refusal(Made(lambda i: torch.zeros(5, 8, 8)))


def test_twenty_thousand_items_are_read_once_each_and_never_all_as_wider_numbers():
    random = np.random.default_rng(0).integers(0, 255, (100, 1, 28, 28), np.uint8)
    data = Made(lambda i: (torch.from_numpy(random[i % 100]), i % 10), MANY)
    size = MANY * 784
    tracemalloc.start()
    samples = from_arrays(data)
    model = narrows.build(samples.description, "lesson-linear")
    for _ in narrows.fit(model, DataLoader(data), narrows.Settings(steps=5, start="random")):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (data.asked == 2).all()  # once for the samples, once for the training
    assert peak < 2 * size + 64 * MEGABYTE
    assert model.provenance["metrics"]["train_mse"] < 0.2


def test_a_set_that_is_too_large_for_memory_is_trained_on_from_a_file(monkeypatch, tmp_path):
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "total_memory", lambda: 4 * MEGABYTE)
    data = Made(lambda i: torch.full((1, 40, 40), i / MANY), MANY)
    tracemalloc.start()
    samples = from_arrays(data)
    model = narrows.build(samples.description, "lesson-linear")
    for _ in narrows.fit(model, samples, narrows.Settings(steps=5, start="random", validation=0.01)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(samples.values, np.memmap)
    assert (data.asked == 1).all()
    assert samples.values[-1].max() == np.float32((MANY - 1) / MANY)
    assert peak < 80 * MEGABYTE  # the values are 122
    assert list(tmp_path.iterdir()) == []
