"""Data sets and loaders of PyTorch as arrays: every item is read once, into memory or, if it is large, a memory map.

Next door: `samples` describes the arrays; `io.cache` keeps those that are too large for memory.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from narrows.errors import DataError
from narrows.io.arrays import Array, Ragged, array_of, check_numeric
from narrows.io.cache import buffer

_MODES = ("1", "L", "LA", "RGB", "RGBA", "I;16")
_SAMPLERS = ("SequentialSampler", "RandomSampler")  # those of a loader that was asked for nothing, or to shuffle


def is_dataset(data: Any) -> bool:
    """Whether this is a `Dataset` or a `DataLoader` of PyTorch, which is not imported for the question."""
    utils = sys.modules.get("torch.utils.data")
    return utils is not None and isinstance(data, (utils.Dataset, utils.DataLoader))


def read_dataset(data: Any, source: str) -> tuple[Array | Ragged, Array | None]:
    """The samples of a data set, or of the one behind a loader, `(N, H, W, C)`, `(N, D)` or `Ragged`, and the labels.

    An item is a sample, or a tuple that begins with one; a whole number or a word after it is its label. Samples are
    tensors `(C, H, W)`, `(H, W)` or `(D,)`, arrays `(H, W, C)`, `(H, W)` or `(D,)`, or Pillow images, all of one
    dtype and number of channels. Items are read in order, one at a time, as many as `len` says. A set over a quarter
    of the memory goes to a file in the cache, so that the memory is bounded.

    Raises `DataError` for anything else, naming the item.
    """
    dataset = _behind(data, source)
    count = _count(dataset, source)
    flat, first, at = np.empty(0), np.empty(0), 0
    shapes: list[tuple[int, ...]] = []
    labels: list[Any] = []
    for number, item in zip(range(count), _items(dataset, count, source), strict=False):
        if isinstance(item, dict):
            keys = ", ".join(map(repr, list(item)[:5]))
            raise DataError(
                f"{source}: item {number}: a dict was given, with {keys}; give samples, or tuples of a sample and "
                "its label"
            )
        sample, label = _parts(item)
        if isinstance(sample, (list, tuple)):
            raise DataError(
                f"{source}: item {number}: a {type(sample).__name__} was given as a sample; give a tensor or an array"
            )
        array = _array(sample, f"{source}: item {number}")
        if not shapes:
            flat, first = buffer(count * array.size, array.dtype, None), array
        _check_alike(array, first, f"{source}: item {number}")
        if at + array.size > len(flat):
            flat = _grown(flat, at, at + array.size)
        flat[at : at + array.size] = array.reshape(-1)
        at += array.size
        shapes.append(array.shape)
        labels.append(label)
    if not shapes:
        raise DataError(f"{source}: a data set without items was given; at least one sample is needed")
    known = None if any(label is None for label in labels) else np.array(labels)
    if len(set(shapes)) == 1:
        return flat[:at].reshape(len(shapes), *shapes[0]), known
    return Ragged(flat[:at], np.array(shapes, np.int64)), known


def _behind(data: Any, source: str) -> Any:
    """The data set itself, where a loader was given. narrows draws its own batches."""
    utils = sys.modules["torch.utils.data"]
    if not isinstance(data, utils.DataLoader):
        return data
    dataset = data.dataset
    batches = data.batch_sampler
    whole = batches is None or type(batches) is utils.BatchSampler
    sampler = type((data.sampler if batches is None else batches.sampler) if whole else batches).__name__
    if data.collate_fn not in (utils.default_collate, utils.default_convert):
        raise DataError(
            f"{source}: a DataLoader with a collate_fn of its own was given, but batches are made anew from its data "
            "set; give the data set, and do in its __getitem__ what is needed"
        )
    if not isinstance(dataset, utils.IterableDataset) and sampler not in _SAMPLERS:
        raise DataError(
            f"{source}: a DataLoader with a {sampler} was given, but batches are drawn anew from its whole data set; "
            "give the data set, or a torch.utils.data.Subset of it"
        )
    return dataset


def _count(dataset: Any, source: str) -> int:
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        raise DataError(
            f"{source}: a {type(dataset).__name__} without a length was given, which may have no end; give it a "
            "__len__ that says how many items to read"
        ) from None


def _items(dataset: Any, count: int, source: str) -> Iterator[Any]:
    if isinstance(dataset, sys.modules["torch.utils.data"].IterableDataset):
        yield from islice(iter(dataset), count)
        return
    for i in range(count):
        try:
            item = dataset[i]
        except IndexError as error:
            raise DataError(f"{source}: item {i} of {count} cannot be read ({error}); mend it, or __len__") from None
        yield item


def _parts(item: Any) -> tuple[Any, Any]:
    """The sample and its label, None where it has none."""
    if not isinstance(item, (tuple, list)) or not item:
        return item, None
    label: Any = item[1] if len(item) > 1 else None
    label = label.item() if getattr(label, "ndim", 1) == 0 else label  # an array or a tensor of one number
    return item[0], label if isinstance(label, (int, str)) else None


def _array(sample: Any, source: str) -> Array:
    """One sample as an array `(H, W, C)` or `(D,)`; bool becomes 0 and 255."""
    if isinstance(sample, Image.Image) and sample.mode not in _MODES:
        sample = sample.convert("RGBA" if "transparency" in sample.info else "RGB")
    array = array_of(sample, source)
    check_numeric(array.dtype, source)
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.ndim not in (1, 2, 3) or not array.size:
        raise DataError(
            f"{source}: a sample of shape {array.shape} was given; allowed are tensors (C, H, W), (H, W) or (D,), "
            "arrays (H, W, C), and Pillow images"
        )
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3:
        # Tensors have their channels first and arrays last, unless that cannot be.
        first, last = (array.shape[axis] in range(1, 5) for axis in (0, -1))
        if first > last or (first == last and hasattr(sample, "detach")):
            return np.moveaxis(array, 0, -1)
    return array


def _check_alike(array: Array, first: Array, source: str) -> None:
    given, wanted = (f"{_kind(a)} and {a.dtype}" for a in (array, first))
    if given != wanted:
        raise DataError(f"{source}: {given} came after {wanted}; convert the items so that all are alike")


def _kind(array: Array) -> str:
    return f"a vector of {len(array)} values" if array.ndim == 1 else f"an image of {array.shape[2]} channels"


def _grown(flat: Array, used: int, needed: int) -> Array:
    """The same values with room for more, where samples are larger than the first."""
    more = buffer(max(needed, 2 * len(flat)), flat.dtype, None)
    more[:used] = flat[:used]
    return more
