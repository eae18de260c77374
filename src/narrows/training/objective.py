"""What training makes small: the distortion between a reconstruction and its original, and the bits of the code.

An objective says which parts of a model are trained, what a batch costs, and how good the model is on samples it is
not trained on. Next door: `loop` does the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from narrows.degradations import Cells, Observed
from narrows.models import restoring as restore
from narrows.models.autoencoder import Autoencoder
from narrows.networks.layers import DIAL
from narrows.networks.levels import Levels
from narrows.networks.pixels import Pixels
from narrows.networks.prior import WEIGHT, Prior
from narrows.networks.transform import linear_paths
from narrows.training.settings import Plan

SLOW = 0.1  # the share of the learning rate with which a linear path leaves its optimum
LITTLE = 0.02  # bits a value
NOTHING = 1e-6  # squared error a value that is none
FORGET = 0.125  # the share of samples that train without another like them
WATCHED = (DIAL, -0.75, DIAL, 0.0)  # dials at which validation looks, sample by sample


@dataclass(frozen=True)
class Part:
    """Some of a model's parameters with the rates at which they are trained; see `Optimiser`."""

    module: nn.Module
    learning_rate: float
    muon: float


@dataclass(frozen=True)
class Measure:
    """What validation found: `score` decides which weights are kept, the least; `mse` per value, `bits` a sample."""

    score: float
    mse: float
    bits: float | None = None


class Objective(Protocol):
    """What the loop asks of an objective."""

    def parts(self, model: Autoencoder, plan: Plan) -> tuple[Part, ...]:
        """What is trained, each part with an optimiser of its own."""
        ...

    def loss(self, model: Autoencoder, x: torch.Tensor, step: int) -> torch.Tensor:
        """The loss of a batch in 0..1, decided by the batch, the weights and the step alone."""
        ...

    def measure(self, model: Autoencoder, x: torch.Tensor) -> Measure:
        """How good the model is on samples in 0..1, as many as fit in memory at once."""
        ...


@dataclass(frozen=True)
class Distortion:
    """Mean squared error per value."""

    def parts(self, model: Autoencoder, plan: Plan) -> tuple[Part, ...]:
        return (Part(model, plan.learning_rate, plan.muon),)

    def loss(self, model: Autoencoder, x: torch.Tensor, step: int) -> torch.Tensor:
        return distortion(model(x).float(), x)

    def measure(self, model: Autoencoder, x: torch.Tensor) -> Measure:
        mse = float((model(x).float().clamp(0, 1) - x).square().mean(dtype=torch.float64))
        return Measure(mse, mse)


@dataclass(frozen=True)
class RateDistortion:
    """Bits plus squared error over `WEIGHT` squared steps, per value, each sample at a random dial of its own.

    Measured so, in bits, all qualities count alike; of transforms, its logarithm is what counts. `seed` decides the
    dials and the noise.
    """

    seed: int

    def parts(self, model: Autoencoder, plan: Plan) -> tuple[Part, ...]:
        prior = _prior(model)
        halves = (model.part("encoder"), model.part("decoder"))
        if isinstance(prior, Prior):
            paths = [linear_paths(half) for half in halves]
            slow = tuple(Part(linear, SLOW * plan.learning_rate, 0.0) for linear, _ in paths)
            fast = (*(rest for _, rest in paths), prior)
            return (*slow, *(Part(module, plan.learning_rate, plan.muon) for module in fast))
        trained = (half for half in (*halves, prior) if any(True for _ in half.parameters()))
        return tuple(Part(half, plan.learning_rate, plan.muon) for half in trained)

    def loss(self, model: Autoencoder, x: torch.Tensor, step: int) -> torch.Tensor:
        words = np.random.SeedSequence([self.seed, 3, step]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(words[0] >> 1))
        prior = _prior(model)
        dial = (2 * torch.rand(len(x), generator=generator) - 1).to(x.device)
        x, like = _parted(model, x)
        known = None if like is None else (torch.rand(len(x), generator=generator) >= FORGET).to(x.device)
        x_hat, bits = model.quantised(x, dial, *(generator,) * isinstance(prior, Prior), like=like, known=known)
        return self._cost(prior, x_hat, x, bits, dial).mean()

    def measure(self, model: Autoencoder, x: torch.Tensor) -> Measure:
        # Every second sample at the dial whose error is told, the others at those beside it: one pass for all.
        dial = torch.tensor(WATCHED, device=x.device).repeat(-(-len(x) // len(WATCHED)))[: len(x)]
        x, like = _parted(model, x)
        x_hat, bits = model.quantised(x, dial, like=like)
        x_hat = x_hat.float().clamp(0, 1)
        score = self._cost(_prior(model), x_hat, x, bits, dial).mean(dtype=torch.float64)
        mse = (x_hat - x)[::2].square().mean(dtype=torch.float64)
        return Measure(float(score), float(mse), float(bits[::2].mean(dtype=torch.float64)))

    @staticmethod
    def _cost(
        prior: Levels | Prior, x_hat: torch.Tensor, x: torch.Tensor, bits: torch.Tensor, dial: torch.Tensor
    ) -> torch.Tensor:
        squares = (x_hat.float() - x).square().flatten(1)
        cost = (squares.sum(dim=1) / (WEIGHT * prior.step(dial).square()) + bits) / squares.shape[1]
        # A tenth less counts alike for all samples and qualities, unless there is next to nothing to save.
        return torch.log1p(cost / LITTLE) if isinstance(prior, Prior) else cost


@dataclass(frozen=True)
class Restoration:
    """Root of the mean squared error of each restored sample, damaged anew in each step, so that little and much
    damage count alike. `seed` decides the damage."""

    seed: int

    def parts(self, model: Autoencoder, plan: Plan) -> tuple[Part, ...]:
        return (Part(model, plan.learning_rate, plan.muon),)

    def loss(self, model: Autoencoder, x: torch.Tensor, step: int) -> torch.Tensor:
        words = np.random.SeedSequence([self.seed, 4, step]).generate_state(1, np.uint64)
        return self._roots(model.restored(*model.observe(x, _generator(x, int(words[0] >> 1)))), x).mean()

    def measure(self, model: Autoencoder, x: torch.Tensor) -> Measure:
        roots = self._roots(model(x).clamp(0, 1), x)
        return Measure(float(roots.mean(dtype=torch.float64)), float(roots.square().mean(dtype=torch.float64)))

    @staticmethod
    def _roots(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`(N,)`; the gradient of a root is endless at nothing, so that a little is added."""
        squares = (restore.cut(x_hat.float(), x) - x).square()
        return (squares.flatten(1).mean(dim=1) + NOTHING).sqrt()


@dataclass(frozen=True)
class Filling:
    """Mean squared error of the values that are hidden and yet known, divided by the deviation of their column.

    The mean squared error that is told is over all values, those that are kept having none. `seed` decides what is
    hidden.
    """

    seed: int

    def parts(self, model: Autoencoder, plan: Plan) -> tuple[Part, ...]:
        return (Part(model, plan.learning_rate, plan.muon),)

    def loss(self, model: Autoencoder, x: torch.Tensor, step: int) -> torch.Tensor:
        words = np.random.SeedSequence([self.seed, 4, step]).generate_state(1, np.uint64)
        return self._score(model, x, model.observe(x, _generator(x, int(words[0] >> 1)))[0])[0]

    def measure(self, model: Autoencoder, x: torch.Tensor) -> Measure:
        score, mse = self._score(model, x, model.observe(x, _generator(x, 0))[0])
        return Measure(float(score), float(mse))

    @staticmethod
    def _score(model: Autoencoder, x: torch.Tensor, observed: Observed) -> tuple[torch.Tensor, torch.Tensor]:
        values, known = x.chunk(2, dim=1)
        hidden = known - observed.condition
        y = model.restored(observed).chunk(2, dim=1)[0]
        squares = ((y if model.training else y.clamp(0, 1)) - values).square() * hidden
        deviation = model.part("encoder").deviation
        assert isinstance(deviation, torch.Tensor)
        weighted = squares / deviation
        return weighted.sum() / hidden.sum().clamp_min(1), squares.sum() / x.numel()


@dataclass(frozen=True)
class Likelihood:
    """Bits per value of images under their own density; nothing is lost, so the squared error is 0."""

    def parts(self, model: Autoencoder, plan: Plan) -> tuple[Part, ...]:
        return (Part(_pixels(model), plan.learning_rate, plan.muon),)

    def loss(self, model: Autoencoder, x: torch.Tensor, step: int) -> torch.Tensor:
        return _pixels(model).bits(x)

    def measure(self, model: Autoencoder, x: torch.Tensor) -> Measure:
        bits = float(_pixels(model).bits(x))
        return Measure(bits, 0.0, bits * x[0].numel())


def _parted(model: Autoencoder, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Samples, and those like them that stand behind them in a batch for a model with a memory."""
    own = model.description.channels
    return (x[:, :own], x[:, own:]) if model.config.memory else (x, None)


def objective(model: Autoencoder, plan: Plan) -> Objective:
    """The objective that fits a model's purpose."""
    if model.pixels is not None:
        return Likelihood()
    if isinstance(model.degradation, Cells):
        return Filling(plan.seed)
    if model.degradation is not None:
        return Restoration(plan.seed)
    return Distortion() if model.prior is None else RateDistortion(plan.seed)


@torch.no_grad()
def measured(model: Autoencoder, aim: Objective, x: torch.Tensor) -> Measure:
    """What an objective finds on samples `x` in 0..1, in pieces of bounded memory."""
    model.eval()
    rows = max(1, (1 << 24) // max(1, x[0].numel()))
    parts = [x[start : start + rows].to(model.device) for start in range(0, len(x), rows)]
    found = [aim.measure(model, part) for part in parts]
    shares = [len(part) / len(x) for part in parts]
    bits = [m.bits * share for m, share in zip(found, shares, strict=True) if m.bits is not None]
    score, mse = (
        sum(getattr(m, name) * share for m, share in zip(found, shares, strict=True)) for name in ("score", "mse")
    )
    return Measure(score, mse, sum(bits) if bits else None)


def distortion(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared error per value, both in 0..1 and of one shape."""
    return (x_hat - x).square().mean()


def _generator(x: torch.Tensor, seed: int) -> torch.Generator:
    return torch.Generator(x.device).manual_seed(seed)


def _pixels(model: Autoencoder) -> Pixels:
    assert model.pixels is not None
    return model.pixels


def _prior(model: Autoencoder) -> Levels | Prior:
    assert model.prior is not None
    return model.prior
