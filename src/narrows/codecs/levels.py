"""Images at a quality, each value rounded to one of a few levels: the walk over `networks.levels` in integers.

The encoder chooses each level during the walk, by its bits and its error.
Next door: `grid` has the walk, `calibrate` makes the density, `decoder` makes samples of levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs import decoder, grid
from narrows.codecs.base import LEVELS, LearnedWay
from narrows.codecs.compact_model import UNKNOWN, CompactModel
from narrows.codecs.decoder import SampleDecoder
from narrows.codecs.difference import arrays_of
from narrows.codecs.packed_arrays import take
from narrows.data.batches import to_tensor
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import LOGIT_BITS, Doubles, Integers, from_logits
from narrows.entropy.integer_networks import IntegerNetwork, from_arrays, to_arrays
from narrows.entropy.passes import MOST_LEVELS, QUALITIES, Mask
from narrows.errors import ModelError
from narrows.io.arrays import Array

VALUE_BITS = 10  # part of the format: a value of 1024 is 1.0 for the networks


@dataclass(frozen=True)
class IntegerLevels:
    """`networks.levels.Levels` in integers, for images of `channels` channels.

    For each quality, `(100,)`: `counts` of levels, `places` of the dial, and the `worth` of a squared error of 1 in
    1/256 bits, which only the encoder uses. `networks` come in the order of coding; the first sees the dial alone.
    """

    channels: int
    counts: Integers
    places: Integers
    worth: Integers
    networks: tuple[IntegerNetwork, ...]

    def to_arrays(self) -> list[Integers]:
        """All of it, as arrays of integers."""
        head = [np.array([self.channels]), self.counts, self.places, self.worth]
        return [*head, *(array for network in self.networks for array in to_arrays(network))]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers]) -> IntegerLevels:
        """The inverse, taking its arrays from an iterator; raises `ModelError` for other arrays."""
        head, *numbers = take(arrays, 4)
        if head.shape != (1,) or not 1 <= head[0] <= 4 or any(a.shape != (QUALITIES,) for a in numbers):
            raise ModelError(UNKNOWN)
        channels, (counts, places, worth) = int(head[0]), numbers
        wrong = (counts < 2).any() or (counts > MOST_LEVELS).any()
        wrong = wrong or (places < 0).any() or (places >> VALUE_BITS + 1).any()
        steps = grid.steps_of(channels)
        networks = tuple([from_arrays(arrays) for _ in steps])
        for network, (known, targets) in zip(networks, steps, strict=True):
            wrong |= network.ends != (1 + known, MOST_LEVELS * targets, VALUE_BITS, LOGIT_BITS)
        if wrong:
            raise ModelError("a compact model whose parts do not fit together; make the model again")
        return cls(channels, counts, places, worth, networks)

    def walk(self, coder: Coder, images: Doubles | None, shape: Shape, quality: int) -> Integers:
        """Code images `(N, H, W, C)` in 0..1 (None unless encoding) at a quality; returns their levels."""
        count, place = int(self.counts[quality - 1]), int(self.places[quality - 1])
        values = (np.arange(count) * (1 << VALUE_BITS) + (count - 1) // 2) // (count - 1)

        def code(number: int, known: Integers, targets: Array | None, inside: Mask) -> Integers:
            inputs = np.concatenate([np.full((shape[0], *inside.shape[:2], 1), place), values[known]], axis=-1)
            outputs = self.networks[number](torch.from_numpy(inputs)).view(shape[0], *inside.shape, MOST_LEVELS)
            logits = outputs[..., :count].numpy()[:, inside]
            parts = from_logits(logits.reshape(-1, count).astype(np.int64))
            chosen = None if targets is None else self._choice(targets.reshape(-1), parts, quality)
            return coder.by_parts(chosen, parts).reshape(shape[0], -1)

        return grid.walk(images, shape, code)

    def _choice(self, targets: Doubles, parts: Integers, quality: int) -> Integers:
        """For each target `(M,)` the level with the least cost in bits and error."""
        count = parts.shape[-1]
        wrong = (targets[:, None] - np.arange(count) / (count - 1)) ** 2
        cost = wrong * (int(self.worth[quality - 1]) / 256) - np.log2(parts)
        chosen: Integers = cost.argmin(axis=-1)
        return chosen


class LevelsWay(LearnedWay):
    """Images of the model's dtype and channels, of any size, at a quality."""

    def __init__(self, make: SampleDecoder, levels: IntegerLevels, quality: int) -> None:
        """Raises `ModelError` if the parts do not fit together."""
        if levels.channels != make.description.channels:
            raise ModelError("a compact model whose parts do not fit together; make the model again")
        self.make, self.levels, self.quality = make, levels, quality

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        own = self.make.description
        return dtype == np.dtype(own.dtype) and all(len(s) == 3 and s[2] == own.channels for s in shapes)

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        most = np.float32(self.levels.counts[self.quality - 1] - 1)
        samples: list[Array] = []
        for part in grid.coded_together(shapes):
            stack = np.stack([numbers[i] for i in part]).astype(np.float32) / most
            x = torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous()
            samples += list(self.make(x, stack.shape[1:], self.quality))
        return samples

    def walk(self, coder: Coder, samples: Sequence[Array] | None, shapes: Sequence[Shape]) -> Sequence[Array]:
        def code(stack: Array | None, shape: Shape) -> Integers:
            images = None
            if stack is not None:
                images = to_tensor(stack, self.make.description).permute(0, 2, 3, 1).double().numpy()
            return self.levels.walk(coder, images, shape, self.quality)

        return grid.code_images(samples, shapes, code)


def open_levels(promise: Promise, model: CompactModel | None) -> LevelsWay:
    """The way of a compact model of levels."""
    assert model is not None
    assert promise.quality is not None
    arrays = iter(arrays_of(model))
    _, make = decoder.from_arrays(LEVELS, arrays)
    way = LevelsWay(make, IntegerLevels.from_arrays(arrays), promise.quality)
    if next(arrays, None) is not None or model.references:
        raise ModelError("a compact model with more in it than it should have; make the model again")
    return way
