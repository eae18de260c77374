"""Models that compress at a quality: a transform, or the samples themselves, and the density of the rounded code.

Next door: `density` is the model for exact coding; `codecs` put both into whole numbers, which files are made with.
"""

from __future__ import annotations

import os
from abc import ABC
from collections.abc import Mapping
from types import MappingProxyType
from typing import IO

import numpy as np
import torch
from torch import nn

from narrows.data.batches import Indices
from narrows.data.samples import Description, Samples
from narrows.data.similarity import likenesses, nearest, spread
from narrows.errors import ModelError
from narrows.io.arrays import Ragged
from narrows.models import container
from narrows.models.base import TRAINED, Beginning, Grid, Measure, Model, Part, Recipe, Specification, cut, seeded
from narrows.models.coded import Coded, Start, pca_mse
from narrows.networks.bands import Bands
from narrows.networks.envelopes import unlike
from narrows.networks.lapped import Analysis
from narrows.networks.layers import DIAL, LinearPaths
from narrows.networks.levels import Levels
from narrows.networks.loudness import loudness
from narrows.networks.prior import REFERENCE_DIAL, WEIGHT, Prior
from narrows.networks.pyramid import PyramidPrior

SLOW = 0.1  # the share of the learning rate with which a linear path leaves its optimum
BRANCH = 0.25  # and a branch beside it its start
LITTLE = 0.02  # bits a value
HEARD = 5.0  # what the envelopes of a sound count for, with `hearing`
FORGET = 0.125  # the share of samples that are trained on without a reference
WATCHED = (DIAL, -0.75, DIAL, 0.0)  # dials at which validation looks, sample by sample


class Compressing(Model, ABC):
    """What can be put into whole numbers: `packed` holds the compact models that files are coded with, by promise:
    "lossy" and "exact". One file may hold both."""

    @property
    def packed(self) -> Mapping[str, bytes]:
        """The compact models by promise; empty before they are made."""
        packed = ((name.partition("."), array) for name, array in self.attachments.items())
        found = {promise: array.tobytes() for (kind, _, promise), array in packed if kind == "packed"}
        return MappingProxyType(found)

    def save_packed(self, path: str | os.PathLike[str] | IO[bytes]) -> None:
        """Write the compact models alone, which are enough for files, and take a quarter of the bytes of all."""
        packed = {name: array for name, array in self.attachments.items() if name.startswith("packed.")}
        container.write(path, {}, packed, self._card())

    def keep_packed(self, promise: str, compact: bytes) -> None:
        """Keep a compact model for a promise."""
        self.attachments[f"packed.{promise}"] = np.frombuffer(compact, np.uint8)


class Lossy(Coded, Compressing):
    """Halves with a dial, and the density (`prior`) of the code between them.

    Trained by bits plus squared error over `WEIGHT` squared steps, per value, each sample at a dial of its own: seen
    that way, in bits, all qualities count alike. Errors of a signal count by its level, so that quiet ones become as
    good as loud ones. Called, it reconstructs samples from their rounded code.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: Levels | Prior | PyramidPrior | Bands,
        specification: Specification,
        description: Description,
        grid: Grid,
        recipe: Recipe,
        start: Start,
    ) -> None:
        super().__init__(encoder, decoder, specification, description, grid, recipe, start)
        self.prior = prior
        self.arrange()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.quantised(x, torch.full((len(x),), DIAL, device=x.device))[0]

    def quantised(
        self,
        x: torch.Tensor,
        dial: torch.Tensor,
        noise: torch.Generator | None = None,
        like: torch.Tensor | None = None,
        known: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples from their rounded code at dials `(N,)` in -1..1, and the bits of each sample `(N,)`; with `noise`
        bits that have gradients (see `Prior`). `like` are samples like these, for a prior with references, of which
        those count for which `known` `(N,)` is 1."""
        reference = None if like is None else self._reference(like, known)
        loud = loudness(x) if self.grid.axes == 1 else None
        z = self.pad(x if loud is None else loud.normal(x))
        code, bits = self.prior(self.encoder(z, dial).float(), dial, noise, reference)
        y: torch.Tensor = self.decoder(code, dial)
        return cut(y if loud is None else loud.back(y.float()), x), bits

    @torch.no_grad()
    def _reference(self, like: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        assert isinstance(self.prior, Prior)
        dial = torch.full((len(like),), REFERENCE_DIAL, device=like.device)
        code: torch.Tensor = self.prior.as_reference(self.encoder(self.pad(like), dial).float())
        return code if known is None else code * known.view(-1, 1, 1, 1)

    def start(self, samples: Samples, training: Indices, beginning: Beginning) -> None:
        optimum = self._start(self, samples, training, beginning)
        if optimum is not None and beginning.start != TRAINED:
            assert isinstance(self.prior, (Prior, PyramidPrior))
            self.prior.start(optimum)

    def trained(self, learning_rate: float, muon: float) -> tuple[Part, ...]:
        """Linear paths, which begin at an optimum, are trained slowly; branches beside them less so, as at full rate
        what they add is mere noise at first, which drives their activations to where they have no gradient."""
        parts: list[Part] = []
        others: list[nn.Module] = [self.prior]
        for half in (self.encoder, self.decoder):
            if isinstance(half, LinearPaths):
                paths, branches, rest = half.parts()
                parts += [Part(path, SLOW * learning_rate, 0.0) for path in paths]
                parts += [Part(branch, BRANCH * learning_rate, muon) for branch in branches]
                others += rest
            else:
                others.append(half)
        parts += [Part(module, learning_rate, muon) for module in others]
        return tuple(part for part in parts if any(True for _ in part.module.parameters()))

    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        generator = seeded("cpu", seed, 3, step)
        dial = (2 * torch.rand(len(x), generator=generator) - 1).to(x.device)
        x, like = self._parted(x)
        known = None if like is None else (torch.rand(len(x), generator=generator) >= FORGET).to(x.device)
        x_hat, bits = self.quantised(x, dial, generator, like, known)
        return self._cost(x_hat, x, bits, dial).mean()

    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        # Every second sample at the dial whose error is reported, the others at those beside it: one pass for all.
        dial = torch.tensor(WATCHED, device=x.device).repeat(-(-len(x) // len(WATCHED)))[: len(x)]
        x, like = self._parted(x)
        x_hat, bits = self.quantised(x, dial, like=like)
        x_hat = x_hat.float().clamp(0, 1)
        score = self._cost(x_hat, x, bits, dial).mean(dtype=torch.float64)
        mse = (x_hat - x)[::2].square().mean(dtype=torch.float64)
        return Measure(float(score), float(mse), float(bits[::2].mean(dtype=torch.float64)))

    def _parted(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Samples, and those like them that stand behind them in batches for a model with references."""
        own = self.description.channels
        return (x[:, :own], x[:, own:]) if self.specification.memory else (x, None)

    def _cost(self, x_hat: torch.Tensor, x: torch.Tensor, bits: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
        error = x_hat.float() - x
        if self.grid.axes == 1:
            error = self.pad(error / loudness(x).gain(x.dtype))
            assert isinstance(self.encoder, Analysis)
            error = self.encoder.weighed(error)
        squares = error.square().flatten(1)
        cost = (squares.sum(dim=1) / (WEIGHT * self.prior.step(dial).square()) + bits) / squares.shape[1]
        # By its logarithm a tenth less counts alike for all samples and qualities, unless there is little to save.
        cost = torch.log1p(cost / LITTLE) if self.prior.logarithmic else cost
        return cost + HEARD * unlike(x, x_hat, self.description.rate) if self.specification.hearing else cost

    def judge_as(self, other: Model) -> None:
        """Take over its steps, which say how much an error counts."""
        own, given = self.state_dict(), other.state_dict()
        names = [name for name in own if name.endswith("steps") and name in given]
        self.load_state_dict({name: given[name] for name in names}, strict=False)

    def baselines(self, x: torch.Tensor) -> dict[str, float | None]:
        return {"pca_mse": None if self.holds_everything else pca_mse(self, x)}

    def examine(self, x: torch.Tensor, mse: float) -> list[str]:
        """Nothing: a code that is coded may well have numbers that say nothing."""
        return []

    def settle(self, x: torch.Tensor) -> None:
        """Nothing: the weights are all there is."""


def companions(model: Model, samples: Samples) -> Indices | None:
    """For a model with references: for each sample the one most like it, itself excepted, of those that the model
    will keep; None for a model without. Raises `ModelError` for samples of another size than the model's."""
    if not model.specification.memory:
        return None
    if samples.description.shape != model.description.shape or isinstance(samples.values, Ragged):
        raise ModelError(
            f"{samples.source}: {samples.description.form} were given to a model that remembers "
            f"{model.description.form}; give it samples of that size, or train one without a memory"
        )
    likeness, chosen = likenesses(samples.values), spread(len(samples), model.specification.memory)
    own = np.full(len(samples), -1)
    own[chosen] = np.arange(len(chosen))
    return chosen[nearest(likeness, likeness[chosen], own)[0]]
