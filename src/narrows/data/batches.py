"""From a set of samples to batches of tensors, in an order that depends on a seed and the step alone.

The set stays one array in its own dtype, in RAM or memory-mapped; only batches become floats, on the device.
Next door: `samples` says what a sample is; `training.loop` asks for one batch a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from narrows.data.ranges import CHUNK_BYTES
from narrows.data.samples import Description, Samples
from narrows.errors import ModelError
from narrows.io.arrays import Array, Ragged
from narrows.io.cache import HELD, copied, release

Indices = npt.NDArray[np.int64]
RUN_VALUES = 1 << 23  # values of the samples that are read together
SCALED = 1 << 20  # values that are in double precision at a time


def to_tensor(array: Array, description: Description, device: torch.device | str = "cpu") -> torch.Tensor:
    """Arrays `(N, H, W, C)`, `(N, T, C)` or `(N, D)` as float32 tensors in 0..1, `(N, C, H, W)`, `(N, C, 1, T)` or
    `(N, D)`: a signal is to networks a picture of one row."""
    if description.low == 0 and not description.columns and array.dtype in _DIRECT:
        # Writable, or torch warns; a copy, so that the caller's array is never written to.
        given = torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device)
        tensor = given.to(torch.float32, copy=True).mul_(1.0 / (description.high - description.low))
    else:
        tensor = torch.from_numpy(_scaled(array, description)).to(device)
    tensor = tensor[:, None] if array.ndim == 3 else tensor
    return tensor.permute(0, 3, 1, 2).contiguous() if tensor.ndim == 4 else tensor


def _scaled(array: Array, description: Description) -> npt.NDArray[np.float32]:
    """Values in 0..1, by way of double precision, so that close large values stay distinct; on the CPU, as not all
    devices have it."""
    scaled = np.empty(array.shape, np.float32)
    rows = max(1, SCALED // max(1, array[:1].size))
    for at in range(0, len(array), rows):
        part = array[at : at + rows].astype(np.float64)
        scaled[at : at + rows] = (part - description.lows) / description.spans
    return scaled


_DIRECT = tuple(np.dtype(name) for name in ("uint8", "float16", "float32"))


def from_tensor(tensor: torch.Tensor, description: Description) -> Array:
    """The inverse of `to_tensor`, rounded and clipped to the dtype and range of the description. Raises `ModelError`
    for NaN, which a network makes of numbers that overflow."""
    tensor = tensor[:, :, 0].transpose(1, 2) if description.axes == 1 else tensor
    array = (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).detach().cpu().to(torch.float64, copy=True)
    dtype = np.dtype(description.dtype)
    most = _largest(dtype)
    if description.columns:
        lows, spans = (torch.as_tensor(ends) for ends in (description.lows, description.spans))
        array.mul_(spans).add_(lows).clamp_(lows, (lows + spans).clamp_max(most))
    else:  # with plain numbers it is faster
        low, high = description.low, description.high
        array.mul_(high - low).add_(low).clamp_(low, min(high, most))
    if array.isnan().any():
        raise ModelError(
            f"the model's numbers overflow: {int(array.isnan().sum())} of {array.numel()} values are NaN; "
            "use another model, or samples in its range"
        )
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
    """Random batches of the samples at `indices`, which depend on seed and step alone.

    `crop` is the side of random crops, or the length of those of signals, 0 for whole samples; their corners are
    multiples of `align`, since the blocks of JPEG can be seen in pictures that were JPEG files. `shift` moves each
    image by up to so many pixels either way, its border repeated. Each comes in one of so many `views`, at random: 2
    are mirrored left to right or not, 8 are turned by right angles as well, which takes square ones. Every sample
    comes once per epoch; a batch may straddle two epochs. With `beside`, each image has another of the set as further
    channels, `(N,)` indices, which is cropped, shifted and turned with it.

    Each of `world` processes draws its share of every batch, the one of its `rank`, 0 to `world` - 1; shares are
    equal if `size` is a multiple of `world`. For whole samples the shares together are the batch that one process
    draws.
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
    views: int = 1
    rank: int = 0
    world: int = 1
    _epoch: int = field(default=-1, init=False)
    _order: Indices = field(default_factory=lambda: np.empty(0, np.int64), init=False)

    def draw(self, step: int) -> torch.Tensor:
        """This process's share of batch number `step`: float32 in 0..1, as `to_tensor` gives them."""
        chosen = self._indices(step * self.size, (step + 1) * self.size)[self.rank :: self.world]
        rng = np.random.default_rng([self.seed, 2, step, *([self.rank] * (self.world > 1))])
        if self.crop:
            crops = (random_crop(self._values(i), self.crop, rng, self.align) for i in chosen)
            array = np.stack(copied(crops, self.samples.values))
        else:
            array = self._values(np.sort(chosen))  # sorted, so that a memory map is read forwards
        if self.shift:
            array = shifted(array, self.shift, rng)
        if self.views > 1 and array.ndim == 4:
            mirrored = rng.random(len(array)) < 0.5
            array[mirrored] = array[mirrored][:, :, ::-1]
        if self.views > 2 and array.ndim == 4:
            turns = rng.integers(4, size=len(array))
            array = np.stack([np.rot90(image, turn) for image, turn in zip(array, turns, strict=True)])
        return to_tensor(array, self.samples.description, self.device)

    def _values(self, chosen: Any) -> Array:
        """The image at an index, or the samples at several, with those beside them."""
        values = self.samples.values
        array = np.asarray(values[chosen])
        return array if self.beside is None else np.concatenate([array, values[self.beside[chosen]]], axis=-1)

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
    """A random piece `(side, side, C)` of an image `(H, W, C)`, or `(side, C)` of a signal `(T, C)`, its corner at
    multiples of `align`; the edge of smaller ones is repeated."""
    image = _filled(image, side)
    starts = (align * int(rng.integers((n - side) // align + 1)) for n in image.shape[:-1])
    return image[tuple(slice(start, start + side) for start in starts)]


def shifted(images: Array, most: int, rng: np.random.Generator) -> Array:
    """Each image of `(N, H, W, C)` moved at random by up to `most` pixels up or down and left or right."""
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
    """All samples in order as tensors of bounded size. Samples of differing sizes need a `crop`, the side of the
    centre crops that are returned; without it, ValueError is raised."""
    indices = np.arange(len(samples)) if indices is None else indices
    values = samples.values
    each = samples.description.values_in(crop)
    rows = max(1, CHUNK_BYTES // (4 * max(1, each)))
    for start in range(0, len(indices), rows):
        part = indices[start : start + rows]
        if crop:
            array = np.stack(copied((centre_crop(values[i], crop, align) for i in part), values))
        elif isinstance(values, Ragged):
            raise ValueError("samples of differing sizes need a crop")
        else:
            array = np.asarray(values[part])
        yield to_tensor(array, samples.description, device)


def centre_crop(image: Array, side: int, align: int = 1) -> Array:
    """The middle `(side, side, C)` of an image, otherwise as `random_crop`."""
    image = _filled(image, side)
    starts = ((n - side) // (2 * align) * align for n in image.shape[:-1])
    return image[tuple(slice(start, start + side) for start in starts)]


def _filled(image: Array, side: int) -> Array:
    lack = [max(0, side - n) for n in image.shape[:-1]]
    return np.pad(image, (*((0, n) for n in lack), (0, 0)), mode="edge") if any(lack) else image


def runs(samples: Samples) -> Iterator[Array]:
    """The samples in order, as arrays of bounded memory, each of samples of one size."""
    values = samples.values
    if isinstance(values, Ragged):
        for i in range(len(values)):
            yield values[i][None]
            if i % HELD == 0:
                release(values)
        return
    rows = max(1, RUN_VALUES // samples.description.values)
    for start in range(0, len(values), rows):
        yield np.asarray(values[start : start + rows])
