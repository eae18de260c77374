"""From trained densities of codes to integer ones: ranges, scales and tables are chosen once, here.

Next door: `quantise` does the networks; `latents`, `factorized` and `pyramid` code with the results;
`calibrate_images` does the same for densities of images, pixel by pixel.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from narrows.codecs.decoder import dials
from narrows.codecs.factorized import SILENT, Factorized
from narrows.codecs.latents import FRACTION, OUT_BITS, VALUE_BITS, IntegerPrior
from narrows.codecs.pyramid import BACK_BITS, MOST_BACK, IntegerPyramid
from narrows.codecs.quantise import quantised
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import TOTAL, CumulativeTables, Doubles, Integers
from narrows.entropy.families import discretised
from narrows.entropy.gaussians import GAUSSIANS, LEAST_SCALE, OCTAVE, SCALES, Gaussians
from narrows.entropy.passes import QUALITIES, REACH
from narrows.networks.layers import Added
from narrows.networks.prior import Predictor, Prior
from narrows.networks.pyramid import PyramidPrior

BELIEF = 256.0  # symbols that a Gaussian counts for, beside those that were counted
SHARE = 1 / 32  # of the root mean square of a network's weights that they are multiples of
FITTED = (10, 25, 40, 50, 60, 70, 80, 95)  # qualities at which symbols are counted


class Counter(Coder):
    """Counts how often each symbol comes under each of some tables."""

    def __init__(self, tables: Iterable[Integers]) -> None:
        self._by_table = {id(parts): np.zeros(len(parts), np.int64) for parts in tables}

    def of(self, parts: Integers) -> Integers:
        """How often each symbol of a table came."""
        return self._by_table[id(parts)]

    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        assert symbols is not None
        if id(parts) in self._by_table:
            self._by_table[id(parts)] += np.bincount(symbols, minlength=len(parts))
        return symbols

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        assert symbols is not None
        return symbols


@contextmanager
def inputs_of(networks: Sequence[nn.Module]) -> Iterator[dict[nn.Module, torch.Tensor]]:
    """The last input of each network, once the density has run."""
    seen: dict[nn.Module, torch.Tensor] = {}

    def note(network: nn.Module, inputs: Any) -> None:
        seen[network] = inputs[0]

    hooks = [network.register_forward_pre_hook(note) for network in networks]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def integer_prior(
    prior: Prior, analysed: Callable[[torch.Tensor], torch.Tensor], count: int, reference: torch.Tensor | None = None
) -> IntegerPrior:
    """Convert a trained density to integers; codes `(N, K)` or `(N, K, h, w)` of `count` samples, which `analysed`
    gives for their dials, decide the ranges and correct the tables. `reference` are the codes of their references."""
    with inputs_of(list(prior.networks)) as seen:
        spread = torch.linspace(-1, 1, count)
        prior(analysed(spread), spread, None, reference)
    made, at_hand, limit = _converted(prior, seen), None, REACH << VALUE_BITS
    if reference is not None:
        at_hand = (reference * (1 << VALUE_BITS)).round().clamp(-limit, limit).permute(0, 2, 3, 1).short().numpy()

    def walk(counter: Coder, codes: Doubles, quality: int) -> None:
        made.walk(counter, codes, codes.shape, quality, at_hand)

    (gaussians,) = fitted([made.gaussians], walk, analysed, count)
    return replace(made, gaussians=gaussians)


@torch.no_grad()
def integer_pyramid(
    prior: PyramidPrior, analysed: Callable[[torch.Tensor], torch.Tensor], count: int
) -> IntegerPyramid:
    """The same for a density of two resolutions, each with tables of its own."""
    with inputs_of([*prior.coarse.networks, *prior.fine.networks]) as seen:
        spread = torch.linspace(-1, 1, count)
        prior(analysed(spread), spread)
    back = prior.back.double() * prior.coarse.deviation.double() * 2.0**BACK_BITS
    whole = back.round().long().clamp(-MOST_BACK, MOST_BACK).numpy()
    made = IntegerPyramid(_converted(prior.coarse, seen), _converted(prior.fine, seen), whole)

    def walk(counter: Coder, codes: Doubles, quality: int) -> None:
        made.walk(counter, codes, codes.shape, quality)

    coarse, fine = fitted([made.coarse.gaussians, made.fine.gaussians], walk, analysed, count)
    return IntegerPyramid(replace(made.coarse, gaussians=coarse), replace(made.fine, gaussians=fine), whole)


def _converted(prior: Prior, seen: Mapping[nn.Module, torch.Tensor]) -> IntegerPrior:
    """The density in integers, with tables of Gaussians; `seen` are inputs of its networks, which decide ranges."""
    limit = REACH << VALUE_BITS
    networks = []
    for network in prior.networks:
        assert isinstance(network, Predictor)
        layers = convolutions(network.layers)
        inputs = next(layers.parameters()).shape[1]
        limits = np.full(inputs, limit)
        limits[: 1 + prior.spatial] = 1 << VALUE_BITS
        x = seen.get(network, torch.zeros(1, 1, 1, inputs)).permute(0, 3, 1, 2)
        networks.append(quantised(layers, x, VALUE_BITS, limits, OUT_BITS, -limits, SHARE))
    deviation = prior.deviation.double().numpy()
    steps, whole_steps, inverses = _scales(prior)
    return IntegerPrior(
        prior.spatial,
        np.array(prior.edges),
        (dials() * (1 << VALUE_BITS)).round().long().numpy(),
        whole_steps,
        np.rint(np.log2(steps) * (1 << OUT_BITS)).astype(np.int64),
        inverses,
        np.rint(np.log2(deviation) * (1 << OUT_BITS)).astype(np.int64),
        gaussian_tables(),
        tuple(networks),
        prior.references or prior.beside > 0,
        prior.beside,
    )


@torch.no_grad()
def factorized(prior: Prior, analysed: Callable[[torch.Tensor], torch.Tensor], count: int) -> Factorized:
    """The same for a density whose numbers do not depend on each other: each quality's tables are decided here."""
    (p,) = prior.passes
    deviation = prior.deviation.double()
    steps, whole_steps, inverses = _scales(prior)
    predicted = prior.predict(p, [torch.zeros(QUALITIES, 1, 1, len(deviation))], dials())[:, 0].double()
    mean, scale = predicted.chunk(2, dim=1)  # (100, K)
    index = (scale + torch.log2(deviation) - torch.from_numpy(np.log2(steps))[:, None] - LEAST_SCALE) * OCTAVE
    scales = index.round().clamp(0, SCALES - 1).long().numpy() + 1
    scales[scales <= SILENT] = 0
    means = (mean * 2.0 ** (OUT_BITS + FRACTION)).round().long().numpy()
    made = Factorized(whole_steps, inverses, scales, means, gaussian_tables())

    def walk(counter: Coder, codes: Doubles, quality: int) -> None:
        made.walk(counter, codes, codes.shape, quality)

    (gaussians,) = fitted([made.gaussians], walk, analysed, count)
    return replace(made, gaussians=gaussians)


def _scales(prior: Prior) -> tuple[Doubles, Integers, Integers]:
    """Steps of all qualities, in floats and in 2**-20; the inverses of the deviations in 2**-20."""
    steps: Doubles = prior.step(dials()).double().numpy()
    inverses = np.maximum(1, np.rint(2.0**20 / prior.deviation.double().numpy())).astype(np.int64)
    return steps, np.maximum(1, np.rint(steps * 2.0**20)).astype(np.int64), inverses


def gaussian_tables() -> Gaussians:
    """The right halves of Gaussians, from 0 up, the escape last."""
    scales = 2.0 ** (LEAST_SCALE + np.arange(GAUSSIANS) / OCTAVE)
    found = discretised(list(scales))
    # Left of 0 the tails keep their precision.
    return _family([_half(np.append(p[-low::-1], p[-1])) for p, low in zip(found.parts, found.lowest, strict=True)])


def _family(halves: list[Integers]) -> Gaussians:
    return Gaussians(np.array([len(h) for h in halves]), np.concatenate(halves))


def _half(weights: Doubles | Integers) -> Integers:
    """Half a table in proportion to weights, from 0 up, the escape last; the rest goes to 0."""
    share = weights / (weights[0] + 2 * weights[1:-1].sum() + weights[-1])
    half: Integers = np.maximum(1, np.floor(share * TOTAL)).astype(np.int64)
    half[0] = TOTAL - 2 * half[1:-1].sum() - half[-1]
    return half


def fitted(
    families: Sequence[Gaussians],
    walk: Callable[[Coder, Doubles, int], None],
    analysed: Callable[[torch.Tensor], torch.Tensor],
    count: int,
) -> list[Gaussians]:
    """The tables of a walk corrected by counts: numbers are not quite Gaussian, all the more as symbols are chosen
    for their bits. `walk` takes codes `(N, h, w, K)` and a quality."""
    counter = Counter(parts for family in families for parts in family.tables.parts[:GAUSSIANS])
    for quality in FITTED:
        code = analysed(dials()[quality - 1].expand(count))
        code = code if code.ndim == 4 else code[:, :, None, None]
        walk(counter, code.permute(0, 2, 3, 1).double().numpy(), quality)
    return [_family([_corrected(*each, counter) for each in _rows(family.tables)]) for family in families]


def _rows(tables: CumulativeTables) -> Iterator[tuple[Integers, int]]:
    return zip(tables.parts[:GAUSSIANS], tables.lowest[:GAUSSIANS], strict=True)


def _corrected(parts: Integers, lowest: int, counter: Counter) -> Integers:
    """Half a table, corrected by counts."""
    counts = counter.of(parts)
    weights: Doubles = np.asarray(parts[-lowest:] * (BELIEF / TOTAL), np.float64)
    sizes = counts[-lowest:-1] + np.append(0, counts[-lowest - 1 :: -1])  # symbols of either sign
    weights[:-1] += np.append(sizes[0], sizes[1:] / 2)
    return _half(weights)


def convolutions(layers: Sequence[nn.Module]) -> nn.Sequential:
    """The same layers with convolutions in place of linear ones."""

    def convolution(layer: nn.Module) -> nn.Module:
        if isinstance(layer, Added):
            return Added(*(convolution(inner) for inner in layer.branch))
        if not isinstance(layer, nn.Linear):
            return copy.deepcopy(layer)
        made = nn.Conv2d(layer.in_features, layer.out_features, 1)
        made.weight.copy_(layer.weight[:, :, None, None])
        assert made.bias is not None
        made.bias.copy_(layer.bias)
        return made

    return nn.Sequential(*(convolution(layer) for layer in layers))
