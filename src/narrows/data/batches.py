"""The fast path from a set of samples to batches of tensors, in an order that a seed and a step decide.

The set stays one array in its own dtype, in RAM or memory-mapped; only a batch becomes floats, on the device.
Next door: `samples` says what a sample is; `training.loop` asks for one batch a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from narrows.data.samples import CHUNK_BYTES, Description, Samples
from narrows.io.arrays import Array, Ragged

Indices = npt.NDArray[np.int64]
RUN_VALUES = 1 << 23  # of samples that are read together


def to_tensor(array: Array, description: Description, device: torch.device | str = "cpu") -> torch.Tensor:
    """Samples as NumPy has them to float32 in 0..1: images `(N, C, H, W)`, vectors `(N, D)`."""
    span = description.high - description.low
    if description.low != 0 or array.dtype not in _DIRECT:
        # In doubles, which keep wide values apart in a small range; done here, as not all devices have them.
        array, span = ((array.astype(np.float64) - description.low) / span).astype(np.float32), 1.0
    # Writable, or torch warns; and a copy, so that the caller's own array is never written to.
    tensor = torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device)
    tensor = tensor.to(torch.float32, copy=True).mul_(1.0 / span)
    return tensor.permute(0, 3, 1, 2).contiguous() if tensor.ndim == 4 else tensor


_DIRECT = tuple(np.dtype(name) for name in ("uint8", "float16", "float32"))


def from_tensor(tensor: torch.Tensor, description: Description) -> Array:
    """The inverse of `to_tensor`, rounded and clipped to the dtype and range of the description."""
    array = (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).detach().cpu().to(torch.float64, copy=True)
    dtype = np.dtype(description.dtype)
    array.mul_(description.high - description.low).add_(description.low)
    array.clamp_(description.low, min(description.high, _largest(dtype)))
    return (array.round_() if dtype.kind in "ui" else array).numpy().astype(dtype, order="C")


def _largest(dtype: np.dtype[Any]) -> float:
    """The largest double that the dtype holds."""
    if dtype.kind == "f":
        return float(np.finfo(dtype).max)
    largest = int(np.iinfo(dtype).max)
    return float(largest) if float(largest) <= largest else float(np.nextafter(float(largest), 0))


def split(count: int, held: int, seed: int) -> tuple[Indices, Indices]:
    """Seeded indices of the training part and of the `held` samples for validation, each sorted."""
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


@dataclass
class Batches:
    """Random batches of the samples at `indices`, decided by seed and step alone.

    `crop` is the side of random crops, 0 for whole samples, and `align` what their corners are multiples of, since
    pictures that were JPEG files remember their blocks. `shift` moves each image by up to so many pixels either way,
    its border repeated. Every sample comes once an epoch; a batch may straddle two epochs. With `beside`, each image
    of the set has another of its size behind it, as more channels, which is cropped and moved with it.
    """

    samples: Samples
    indices: Indices
    size: int
    seed: int
    crop: int = 0
    shift: int = 0
    device: torch.device | str = "cpu"
    align: int = 1
    beside: Indices | None = None
    _epoch: int = field(default=-1, init=False)
    _order: Indices = field(default_factory=lambda: np.empty(0, np.int64), init=False)

    def draw(self, step: int) -> torch.Tensor:
        """Batch number `step`: float32 in 0..1, `(B, C, H, W)` or `(B, D)`."""
        chosen = self._indices(step * self.size, (step + 1) * self.size)
        rng = np.random.default_rng([self.seed, 2, step])
        values = self.samples.values
        if self.crop:
            array = np.stack([random_crop(self._image(i), self.crop, rng, self.align) for i in chosen])
        else:
            # Sorted, so that a memory map is read forwards; the order inside a batch means nothing.
            chosen = np.sort(chosen)
            array = np.asarray(values[chosen])
            if self.beside is not None:
                array = np.concatenate([array, values[self.beside[chosen]]], axis=-1)
        if self.shift:
            array = shifted(array, self.shift, rng)
        return to_tensor(array, self.samples.description, self.device)

    def _image(self, index: int) -> Array:
        values = self.samples.values
        if self.beside is None:
            image: Array = values[index]
            return image
        return np.concatenate([values[index], values[int(self.beside[index])]], axis=-1)

    def _indices(self, start: int, stop: int) -> Indices:
        parts = []
        while start < stop:
            epoch, offset = divmod(start, len(self.indices))
            if epoch != self._epoch:
                self._epoch = epoch
                self._order = np.random.default_rng([self.seed, 1, epoch]).permutation(self.indices)
            part = self._order[offset : offset + stop - start]
            parts.append(part)
            start += len(part)
        return np.concatenate(parts)


def random_crop(image: Array, side: int, rng: np.random.Generator, align: int = 1) -> Array:
    """A `(side, side, C)` piece of an image `(H, W, C)`, its corner at multiples of `align`.

    Smaller images are filled by repeating their edge.
    """
    lack = [max(0, side - n) for n in image.shape[:2]]
    if any(lack):
        image = np.pad(image, ((0, lack[0]), (0, lack[1]), (0, 0)), mode="edge")
    top = align * int(rng.integers((image.shape[0] - side) // align + 1))
    left = align * int(rng.integers((image.shape[1] - side) // align + 1))
    return image[top : top + side, left : left + side]


def shifted(images: Array, most: int, rng: np.random.Generator) -> Array:
    """Each image of `(N, H, W, C)` moved by up to `most` pixels down or up and right or left."""
    count, height, width, channels = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    offsets = rng.integers(0, 2 * most + 1, (2, count, 1, 1))
    rows = offsets[0] + np.arange(height)[:, None]
    columns = offsets[1] + np.arange(width)
    flat = padded.reshape(count, -1, channels)
    index = (rows * (width + 2 * most) + columns).reshape(count, -1, 1)
    return np.take_along_axis(flat, index, axis=1).reshape(images.shape)


def chunks(
    samples: Samples,
    indices: Indices | None = None,
    crop: int = 0,
    device: torch.device | str = "cpu",
    align: int = 1,
) -> Iterator[torch.Tensor]:
    """All samples in order as tensors of bounded size, for statistics and evaluation.

    Images of differing sizes come as their centre crops of side `crop`, so `crop` must be set for them.
    """
    indices = np.arange(len(samples)) if indices is None else indices
    values = samples.values
    each = crop * crop * samples.description.channels if crop else samples.description.values
    rows = max(1, CHUNK_BYTES // (4 * max(1, each)))
    for start in range(0, len(indices), rows):
        part = indices[start : start + rows]
        if crop:
            array = np.stack([centre_crop(values[i], crop, align) for i in part])
        elif isinstance(values, Ragged):
            raise ValueError("images of differing sizes need a crop")
        else:
            array = np.asarray(values[part])
        yield to_tensor(array, samples.description, device)


def centre_crop(image: Array, side: int, align: int = 1) -> Array:
    """The middle `(side, side, C)` of an image, its corner at multiples of `align`.

    Smaller images are filled by repeating their edge.
    """
    lack = [max(0, side - n) for n in image.shape[:2]]
    if any(lack):
        image = np.pad(image, ((0, lack[0]), (0, lack[1]), (0, 0)), mode="edge")
    top, left = ((n - side) // (2 * align) * align for n in image.shape[:2])
    return image[top : top + side, left : left + side]


def runs(samples: Samples) -> Iterator[Array]:
    """The samples in order, as arrays of one size each and of bounded memory."""
    values = samples.values
    if isinstance(values, Ragged):
        yield from (values[i][None] for i in range(len(values)))
        return
    rows = max(1, RUN_VALUES // samples.description.values)
    for start in range(0, len(values), rows):
        yield np.asarray(values[start : start + rows])
