"""Where a network begins: the linear optimum of its training samples, put into it before the first step.

Next door: `networks.start` finds the optimum, `loop` goes on from here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from narrows.data.batches import Batches, Indices, chunks
from narrows.data.samples import Samples
from narrows.data.similarity import likenesses, nearest, spread
from narrows.degradations import to_json
from narrows.errors import ModelError
from narrows.io.arrays import Ragged
from narrows.models import restoring as restore
from narrows.models.autoencoder import Autoencoder
from narrows.models.catalogue import start_of
from narrows.networks import tabular as table
from narrows.networks import unet
from narrows.networks.klt import linear_optimum, thinned
from narrows.networks.layers import silence
from narrows.networks.prior import Prior
from narrows.networks.tabular import TABLE
from narrows.networks.unet import UNET
from narrows.training.objective import measured, objective
from narrows.training.settings import Plan

FILTER_SAMPLES = 128  # or crops, for the linear filter of networks that restore
SETTLED = 64  # samples that go through together when training is over
START_SAMPLES = 4096  # that decide shifts and scales of the start


def start_network(model: Autoencoder, samples: Samples, training: Any, plan: Plan) -> None:
    """Find the linear optimum of the training samples, keep it with the model, and start the network there. A
    density of pixels or levels has no use for it."""
    if model.config.network == UNET:
        if plan.start == "pca":
            _start_filter(model, samples, training, plan)
        return
    if model.config.network == TABLE:
        x = torch.cat(list(chunks(samples, training)))
        table.start(model.part("encoder").cpu(), model.part("decoder").cpu(), *x.chunk(2, dim=1))
        model.to(plan.device)
        return
    begin, work = start_of(model.config)
    if begin is None:
        return
    block = model.config.block
    if block or not model.description.varied:
        values = values_each(model, plan.crop)
        count = model.config.code if block else int(np.prod(model.code_shape))
        rows = max(1, values // (block**2 * model.description.channels)) if block else 1
        chosen = training[thinned(len(training), rows, values // rows, work)]
        model.optimum = linear_optimum(chunks(samples, chosen, plan.crop, align=align_of(model)), count, block)
    if isinstance(model.prior, Prior) and model.optimum is not None:
        model.prior.start(model.optimum)
    if plan.start == "pca" and model.optimum is not None:
        few = training[np.linspace(0, len(training) - 1, min(START_SAMPLES, len(training))).astype(np.int64)]
        x = next(chunks(samples, few, plan.crop))
        begin(model.part("encoder").cpu(), model.part("decoder").cpu(), model.optimum, x)
        model.to(plan.device)


def _start_filter(model: Autoencoder, samples: Samples, training: Any, plan: Plan) -> None:
    """The best linear filter for training samples, damaged as in training, where it is better than no filter."""
    decoder = model.part("decoder")
    assert isinstance(decoder, unet.Decoder)
    assert model.degradation is not None
    some = training[np.linspace(0, len(training) - 1, min(FILTER_SAMPLES, len(training))).astype(np.int64)]
    batches = Batches(samples, some, len(some), plan.seed + 2, plan.crop, device=plan.device)
    draws = -(-FILTER_SAMPLES // len(some))  # of few samples several crops each, or several damages
    x = torch.cat([batches.draw(step) for step in range(draws)])
    observed, alpha = model.observe(x, torch.Generator(x.device).manual_seed(plan.seed))
    guess = model.degradation.guess(observed)
    wanted = model.degradation.answer(x[:, : x.shape[1] - model.description.alpha], restore.cut(guess, x))
    seen = restore.inputs(model.degradation, observed, guess, alpha)
    unet.start(decoder, *(restore.padded(t, model.config.padded) for t in (seen, restore.cut(wanted, x))))
    aim = objective(model, plan)
    others = batches.draw(draws)
    found = measured(model, aim, others).score
    kept = decoder.linear.weight.detach().clone()
    silence(decoder.linear)
    if measured(model, aim, others).score > found:
        decoder.linear.load_state_dict({"weight": kept})


@torch.no_grad()
def settle(model: Autoencoder, x: torch.Tensor) -> None:
    """Where training is over: what the degradation makes of the model's answers to samples `x` in 0..1."""
    if model.degradation is None:
        return
    colours = x[:, : x.shape[1] - model.description.alpha]
    y = torch.cat([model(part)[:, : colours.shape[1]].clamp(0, 1) for part in torch.split(x, SETTLED)])
    model.degradation = model.degradation.settled(restore.cut(y, x), colours)
    model.config = replace(model.config, degradation=to_json(model.degradation))


def beside_of(model: Autoencoder, samples: Samples) -> Indices | None:
    """For a model with a memory: for each sample the one most like it, itself excepted, of those that the model will
    remember. Raises `ModelError` for samples of another size than the model's, which it could not remember."""
    if not model.config.memory:
        return None
    if samples.description.shape != model.description.shape or isinstance(samples.values, Ragged):
        raise ModelError(
            f"{samples.source}: {samples.description.form} were given to a model that remembers "
            f"{model.description.form}; give it samples of that size, or train one without a memory"
        )
    likeness, chosen = likenesses(samples.values), spread(len(samples), model.config.memory)
    own = np.full(len(samples), -1)
    own[chosen] = np.arange(len(chosen))
    return chosen[nearest(likeness, likeness[chosen], own)[0]]


def align_of(model: Autoencoder) -> int:
    """What the corners of crops are multiples of: those who code by blocks never see others."""
    return max(1, model.config.block) if model.prior is not None else 1


def values_each(model: Autoencoder, crop: int) -> int:
    """Numbers in one sample, or in a crop of it."""
    return crop * crop * model.description.channels if crop else model.description.values
