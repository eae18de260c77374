"""From a trained density of codes to whole numbers: ranges, scales and tables are chosen here, once.

Next door: `latents` codes with the result; `quantise` does the networks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from narrows.codecs.factorized import SILENT, FlatCodec
from narrows.codecs.latents import FRACTION, OUT_BITS, QUALITIES, VALUE_BITS, LatentsCodec
from narrows.codecs.quantise import quantised
from narrows.entropy.coder import Encoder
from narrows.entropy.cumulative import TOTAL, Doubles, Integers, Tables, discretised
from narrows.entropy.gaussians import GAUSSIANS, LEAST_SCALE, OCTAVE, SCALES, Gaussians
from narrows.networks.layers import Added
from narrows.networks.prior import REACH, Prior

BELIEF = 256.0  # symbols for which a Gaussian stands, beside those that were counted
FITTED = (10, 25, 40, 50, 60, 70, 80, 95)  # qualities at which symbols are counted


class _Counter(Encoder):
    """Counts in place of bytes: how often each whole number came under each table."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self.counts = [np.zeros(1 - lowest, np.int64) for lowest in tables.lowest[:GAUSSIANS]]

    def by_table(self, values: Integers | None, which: Integers, tables: Tables) -> Integers:
        assert values is not None
        for table in np.unique(which[which < GAUSSIANS]):
            found = np.abs(values[which == table])
            found = found[found < len(self.counts[table])]
            self.counts[table] += np.bincount(found, minlength=len(self.counts[table]))
        return values

    def by_row(self, values: Integers | None, which: Integers, tables: Tables, count: int) -> Integers:
        assert values is not None
        self.by_table(values.reshape(-1), np.repeat(which, count), tables)
        return values


@torch.no_grad()
def latents_codec(
    prior: Prior,
    analysed: Callable[[torch.Tensor], torch.Tensor],
    count: int,
    beside: torch.Tensor | None = None,
) -> LatentsCodec:
    """Put a trained density into whole numbers; codes `(N, K)` or `(N, K, h, w)` of `count` samples, which `analysed`
    gives for their dials, decide the ranges and correct the tables. `beside` are codes remembered for them."""
    seen: dict[nn.Module, torch.Tensor] = {}

    def note(network: nn.Module, inputs: Any) -> None:
        seen[network] = inputs[0]

    hooks = [network.register_forward_pre_hook(note) for network in prior.networks]
    try:
        spread = torch.linspace(-1, 1, count)
        prior(analysed(spread), spread, None, beside)
    finally:
        for hook in hooks:
            hook.remove()
    networks = []
    for network in prior.networks:
        assert isinstance(network, nn.Sequential)
        x = seen[network] if network in seen else torch.zeros(1, _inputs(network), 1, 1)
        limits = np.full(_inputs(network), int(REACH) << VALUE_BITS)
        limits[: 1 + prior.spatial] = 1 << VALUE_BITS
        x = x[:, :, None, None] if x.ndim == 2 else x
        networks.append(quantised(_convolutions(network), x, VALUE_BITS, limits, OUT_BITS, -limits))
    dials, deviation = _dials(), prior.deviation.double().numpy()
    steps, whole_steps, inverses = _scales(prior)
    codec = LatentsCodec(
        prior.spatial,
        np.array(prior.edges),
        (dials * (1 << VALUE_BITS)).round().long().numpy(),
        whole_steps,
        np.rint(np.log2(steps) * (1 << OUT_BITS)).astype(np.int64),
        inverses,
        np.rint(np.log2(deviation) * (1 << OUT_BITS)).astype(np.int64),
        _gaussians(),
        tuple(networks),
        prior.remembers,
    )
    at_hand = None
    if beside is not None:
        limit = int(REACH) << VALUE_BITS
        at_hand = (beside * (1 << VALUE_BITS)).round().clamp(-limit, limit).permute(0, 2, 3, 1).short().numpy()
    return replace(codec, gaussians=_fitted(codec, analysed, count, at_hand))


@torch.no_grad()
def flat_codec(prior: Prior, analysed: Callable[[torch.Tensor], torch.Tensor], count: int) -> FlatCodec:
    """The same of a density whose numbers know nothing of each other: each quality's tables are decided here."""
    (p,) = prior.passes
    dials, deviation = _dials(), prior.deviation.double()
    steps, whole_steps, inverses = _scales(prior)
    told = prior.predict(p, torch.zeros(QUALITIES, len(deviation), 1, 1), dials)[:, :, 0, 0].double()
    mean, scale = told.chunk(2, dim=1)  # (100, K)
    index = (scale + torch.log2(deviation) - torch.from_numpy(np.log2(steps))[:, None] - LEAST_SCALE) * OCTAVE
    scales = index.round().clamp(0, SCALES - 1).long().numpy() + 1
    scales[scales <= SILENT] = 0
    means = (mean * 2.0 ** (OUT_BITS + FRACTION)).round().long().numpy()
    codec = FlatCodec(whole_steps, inverses, scales, means, _gaussians())
    return replace(codec, gaussians=_fitted(codec, analysed, count, None))


def _dials() -> torch.Tensor:
    return torch.linspace(-1, 1, QUALITIES)


def _scales(prior: Prior) -> tuple[Doubles, Integers, Integers]:
    """Steps of all qualities, in floats and in 2**-20; the inverses of the deviations in 2**-20."""
    steps: Doubles = prior.step(_dials()).double().numpy()
    inverses = np.maximum(1, np.rint(2.0**20 / prior.deviation.double().numpy())).astype(np.int64)
    return steps, np.maximum(1, np.rint(steps * 2.0**20)).astype(np.int64), inverses


def _gaussians() -> Gaussians:
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


def _fitted(
    codec: LatentsCodec | FlatCodec, analysed: Callable[[torch.Tensor], torch.Tensor], count: int, at_hand: Any
) -> Gaussians:
    """The tables corrected by how often each number really comes: what a network believes to be a Gaussian is not
    quite one, all the more as symbols are chosen for their bits."""
    tables = codec.gaussians.tables
    counter = _Counter(tables)
    for quality in FITTED:
        code = analysed(_dials()[quality - 1].expand(count))
        code = code if codec.spatial else code[:, :, None, None]
        codes = code.permute(0, 2, 3, 1).double().numpy()
        codec.walk(counter, codes, codes.shape, quality, at_hand)
    halves = []
    for parts, lowest, counts in zip(tables.parts, tables.lowest, counter.counts, strict=False):
        weights: Doubles = np.asarray(parts[-lowest:] * (BELIEF / TOTAL), np.float64)
        weights[:-1] += np.append(counts[0], counts[1:] / 2)
        halves.append(_half(weights))
    return _family(halves)


def _inputs(network: nn.Sequential) -> int:
    first = network[0]
    assert isinstance(first, (nn.Conv2d, nn.Linear))
    return first.weight.shape[1]


def _convolutions(network: nn.Sequential) -> nn.Sequential:
    """The same network with convolutions in place of linear layers."""

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

    return nn.Sequential(*(convolution(layer) for layer in network))
