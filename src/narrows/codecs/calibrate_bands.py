"""From a trained density of a signal's code to one in integers: ranges, scales and tables are chosen once, here.

Next door: `calibrate` does the same for codes of images and vectors; `bands` codes with the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.codecs.bands import BASE_LIMIT, INPUTS, OUT_BITS, SIDE, SIZE_LIMIT, STEP_BITS, VALUE_BITS, IntegerBands
from narrows.codecs.calibrate import SHARE, convolutions, fitted, gaussian_tables
from narrows.codecs.decoder import dials
from narrows.codecs.quantise import quantised
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Doubles
from narrows.entropy.rounds import ROUNDS
from narrows.networks.bands import Bands, known_before, sizes
from narrows.networks.prior import Predictor

ROWS = 1024  # blocks whose inputs decide ranges


@torch.no_grad()
def integer_bands(bands: Bands, analysed: Callable[[torch.Tensor], torch.Tensor], count: int) -> IntegerBands:
    """Convert a trained density to integers; codes `(N, K, 1, t)` of `count` signals, which `analysed` gives for
    their dials, decide the ranges and correct the tables."""
    spread = torch.linspace(-1, 1, count)
    symbols = (analysed(spread)[:, :, 0].transpose(1, 2) / bands.step(spread).view(-1, 1, 1)).round()
    planes, size = bands.planes(symbols, spread), sizes(symbols).flatten(0, 1)
    some = slice(None, None, max(1, len(size) // ROWS))
    high = np.array([BASE_LIMIT, 1 << VALUE_BITS, 1 << VALUE_BITS, *[SIZE_LIMIT] * (INPUTS - 3)] * SIDE)
    low = np.array([-BASE_LIMIT, 0, -1 << VALUE_BITS, *[0] * (INPUTS - 3)] * SIDE)
    networks = []
    for number, network in enumerate(bands.networks):
        assert isinstance(network, Predictor)
        x = torch.cat([planes[some], known_before(size[some], number)[:, None]], dim=1)
        near = functional.pad(x, (SIDE // 2, SIDE // 2)).unfold(2, SIDE, 1)[:, :, ROUNDS[number]]  # (B, I, M, SIDE)
        near = near.permute(0, 3, 1, 2).flatten(1, 2)[:, :, None]  # (B, SIDE I, 1, M)
        layers = convolutions(network.layers)
        first = layers[0]
        assert isinstance(first, nn.Conv2d)
        assert first.bias is not None
        flat = nn.Conv2d(SIDE * INPUTS, first.out_channels, 1)
        flat.weight.copy_(first.weight.permute(0, 3, 1, 2).reshape(flat.weight.shape))
        assert flat.bias is not None
        flat.bias.copy_(first.bias)
        layers[0] = flat
        networks.append(quantised(layers, near, VALUE_BITS, high, OUT_BITS, low, SHARE))
    steps: Doubles = bands.step(dials()).double().numpy()
    made = IntegerBands(
        (dials() * (1 << VALUE_BITS)).round().long().numpy(),
        np.maximum(1, np.rint(steps * 2.0**STEP_BITS)).astype(np.int64),
        np.rint(np.log2(steps) * (1 << OUT_BITS)).astype(np.int64),
        np.rint(np.log2(bands.deviation.double().numpy()) * (1 << OUT_BITS)).astype(np.int64),
        replace(gaussian_tables(), worth=bands.worth),
        tuple(networks),
    )

    def walk(counter: Coder, codes: Doubles, quality: int) -> None:
        made.walk(counter, list(codes[:, 0]), [codes.shape[2]] * len(codes), np.full(len(codes), quality))

    (tables,) = fitted([made.gaussians], walk, analysed, count)
    return replace(made, gaussians=replace(tables, worth=bands.worth))
