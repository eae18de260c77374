"""Images as whole levels to bytes and back: the walk over `networks.levels` in exact integers.

Encoder and decoder take one walk. The encoder chooses each level as it comes to it, by its bits and its error; what
it chose is all that the decoder needs to know.
Next door: `lossy` makes samples of levels again; `exact` evaluates the networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from narrows.codecs.pixels import cells_of
from narrows.codecs.quantise import base_two, quantised
from narrows.entropy.coder import Decoder, Encoder
from narrows.entropy.cumulative import LOGIT_BITS, Doubles, Integers, from_logits
from narrows.entropy.integer_networks import Exact, from_arrays, to_arrays
from narrows.errors import ModelError
from narrows.networks.levels import CHOICE, MOST, Levels
from narrows.networks.pixels import LEVELS, Pass, passes

VALUE_BITS = 10  # a value of 1024 is 1.0 for the networks
QUALITIES = 100


def dials() -> torch.Tensor:
    """The dial of each quality, `(100,)`."""
    return torch.linspace(-1, 1, QUALITIES)


@dataclass(frozen=True)
class LevelsCodec:
    """The density of levels of images of `channels` channels in whole numbers.

    `counts` and `places` `(100,)` say for each quality how many levels there are and where its dial stands;
    `worth` `(100,)` what a squared error of 1 is worth there in 1/256 bits, which the encoder alone uses.
    `networks` come in the order of coding, the first of which knows the dial alone.
    """

    channels: int
    counts: Integers
    places: Integers
    worth: Integers
    networks: tuple[Exact, ...]

    def to_arrays(self) -> list[Integers]:
        """Everything that it is, as arrays of integers."""
        head = [np.array([self.channels]), self.counts, self.places, self.worth]
        return [*head, *(array for network in self.networks for array in to_arrays(network))]

    @classmethod
    def from_arrays(cls, arrays: Iterator[Integers]) -> LevelsCodec:
        """The inverse, taking its arrays from an iterator; raises `ModelError` where they are none."""
        try:
            (channels,) = next(arrays).tolist()
            counts, places, worth = [next(arrays) for _ in range(3)]
        except (StopIteration, TypeError, ValueError):
            raise ModelError("a compact model that is damaged; make the model again") from None
        if not 1 <= channels <= 4 or any(a.shape != (QUALITIES,) for a in (counts, places, worth)):
            raise ModelError("a compact model of a kind that this narrows does not know; update narrows")
        limits = (counts < 2).any() or (counts > MOST).any() or (places < 0).any() or (places >> VALUE_BITS + 1).any()
        steps = list(_walk(channels))
        networks = tuple([from_arrays(arrays) for _ in steps])
        for network, (_, p) in zip(networks, steps, strict=True):
            known, targets = (0, channels) if p is None else (len(p.known), len(p.targets))
            ends = network.layers[0].weight.shape[1], len(network.layers[-1].weight)
            limits |= ends != (1 + known, MOST * targets) or network.bits_in != VALUE_BITS
            limits |= network.bits_out != LOGIT_BITS
        if limits:
            raise ModelError("a compact model whose parts do not fit together; make the model again")
        return cls(channels, counts, places, worth, networks)

    def walk(
        self, coder: Encoder | Decoder, images: Doubles | None, shape: tuple[int, ...], quality: int
    ) -> Integers:
        """Code images `(N, H, W, C)` in 0..1 (None when decoding) at a quality; returns their levels."""
        count, place = int(self.counts[quality - 1]), int(self.places[quality - 1])
        values = (np.arange(count) * (1 << VALUE_BITS) + (count - 1) // 2) // (count - 1)
        levels = np.zeros(shape, np.int64)
        for network, (spacing, p) in zip(self.networks, _walk(self.channels), strict=True):
            plane = levels[:, ::spacing, ::spacing]
            given = None if images is None else images[:, ::spacing, ::spacing]
            targets: Doubles | None
            if p is None:
                known = values[plane[..., :0]]
                targets = given
                inside = np.ones((*plane.shape[1:3], self.channels), bool)
            else:
                known = values[cells_of(plane)[..., p.known]]
                targets = None if given is None else cells_of(given)[..., p.targets]  # type: ignore[arg-type, assignment]
                inside = cells_of(np.ones_like(plane[:1]))[0][..., p.targets] > 0
            if not inside.any():
                continue
            inputs = np.concatenate([np.full((*known.shape[:3], 1), place), known], axis=-1)
            logits = network(torch.from_numpy(inputs)).view(*known.shape[:3], -1, MOST).numpy()[:, inside]
            parts = from_logits(logits[..., :count].reshape(-1, count).astype(np.int64))
            chosen = None if targets is None else self._choice(targets[:, inside].reshape(-1), parts, quality)
            found = np.zeros((len(levels), *inside.shape), np.int64)
            found[:, inside] = coder.by_parts(chosen, parts).reshape(len(levels), -1)
            _put(plane, found, p)
        return levels

    def _choice(self, targets: Doubles, parts: Integers, quality: int) -> Integers:
        """The level of each target `(M,)` that costs least, bits and error together."""
        count = parts.shape[-1]
        wrong = (targets[:, None] - np.arange(count) / (count - 1)) ** 2
        cost = wrong * (int(self.worth[quality - 1]) / 256) - np.log2(parts)
        chosen: Integers = cost.argmin(axis=-1)
        return chosen


def _walk(channels: int) -> Iterator[tuple[int, Pass | None]]:
    """The spacing of the pixels of each step of the walk, and its pass; none for the first."""
    yield 1 << LEVELS, None
    for level in reversed(range(LEVELS)):
        for p in passes(channels):
            yield 1 << level, p


def _put(plane: Integers, found: Integers, p: Pass | None) -> None:
    """Write the levels of a pass, `(N, h, w, T)`, to their places in the image `(N, H, W, C)`."""
    if p is None:
        plane[:] = found
        return
    for number, target in enumerate(p.targets):
        channel, row, column = target // 4, target % 4 // 2, target % 2
        place = plane[:, row::2, column::2, channel]
        place[:] = found[:, : place.shape[1], : place.shape[2], number]


@torch.no_grad()
def levels_codec(prior: Levels, images: torch.Tensor) -> LevelsCodec:
    """Put a trained density into whole numbers; images `(N, C, H, W)` in 0..1 decide the ranges. Made once."""
    seen: dict[nn.Module, torch.Tensor] = {}

    def note(network: nn.Module, inputs: Any) -> None:
        seen[network] = inputs[0]

    steps = list(prior.walk())
    hooks = [network.register_forward_pre_hook(note) for network, _, _ in steps]
    try:
        prior(images, torch.linspace(-1, 1, len(images)))
    finally:
        for hook in hooks:
            hook.remove()
    networks = []
    for network, _, _ in steps:
        assert isinstance(network, nn.Sequential)
        x = seen[network]
        most = np.full(x.shape[1], 1 << VALUE_BITS)
        networks.append(quantised(base_two(network), x, VALUE_BITS, most, LOGIT_BITS))
    every = dials()
    worth = 256 / (CHOICE * prior.step(every).square())
    return LevelsCodec(
        prior.channels,
        prior.counts(every).long().numpy(),
        ((every + 1) / 2 * (1 << VALUE_BITS)).round().long().numpy(),
        worth.round().clamp_min(1).long().numpy(),
        tuple(networks),
    )
