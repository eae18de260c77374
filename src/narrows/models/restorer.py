"""Models that restore what a degradation has damaged.

A `Restorer` sees the classical first guess and what is known beside it, and answers what makes the guess right; a
`RestoringAutoencoder` sees the guess alone and gives whole samples, through a code. An alpha channel is seen, and
kept as it is. Next door: `degradations` knows what the damage is; `imputer` does the same for tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from narrows.data.batches import Batches, Indices
from narrows.data.samples import Description, Samples
from narrows.degradations import to_json
from narrows.degradations.base import Degradation, Hints, Observed
from narrows.degradations.ratio import deviation
from narrows.degradations.resample import larger, mirrored, smaller
from narrows.models.base import (
    MEASURED_VALUES,
    Beginning,
    Grid,
    Measure,
    Model,
    Part,
    Recipe,
    Specification,
    cut,
    measured,
    seeded,
)
from narrows.models.coded import Coded, Start
from narrows.networks.layers import silence

# Samples, or crops, that decide the linear filter at the start: fewer of large ones, with so many values in all.
FILTER_SAMPLES, FILTER_LEAST, FILTER_VALUES = 128, 16, 1 << 21
SETTLED = 64  # samples that go through together when training is over
LITTLE = 1e-6  # added to squared errors, since the gradient of a root is unbounded at 0
MOST_SNR = 35.0  # decibels beyond which signals are as good as perfect
HUSHED = 1e-8  # of the range squared: the power of what is next to silence
Damage = tuple[Observed, torch.Tensor | None]  # what is left of samples, and their alpha channel if they have one


class Restoring(Model, ABC):
    """What undoes a `degradation`."""

    degradation: Degradation

    @abstractmethod
    def restored(self, observed: Observed, alpha: torch.Tensor | None = None) -> torch.Tensor:
        """Samples at their clean size, alpha last, not clipped: `(N, C, H, W)` or `(N, D)`."""

    def observe(self, x: torch.Tensor, generator: torch.Generator) -> Damage:
        """Clean samples in 0..1 damaged as in training; their alpha is made smaller with them."""
        if not self.description.alpha:
            return self.degradation.observe(x, generator), None
        return self.degradation.observe(x[:, :-1], generator), smaller(x[:, -1:], self.degradation.scale)

    def forward(
        self, x: torch.Tensor, level: torch.Tensor | None = None, known: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore damaged samples in 0..1, `(N, C, H, W)` with sides that the network takes or `(N, D)`, alpha last.

        Where the degradation needs them, `level` is the strength of the noise, `(N,)`, and `known` is 1 where a pixel
        is known and 0 where not, `(N, 1, H, W)` or `(N, D)`.
        """
        seen, alpha = (x[:, :-1], x[:, -1:]) if self.description.alpha else (x, None)
        return self.restored(self.degradation.given(seen, Hints(level, known)), alpha)

    def trial(self, x: torch.Tensor) -> torch.Tensor:
        """Damage clean samples, the same way each time, and restore them."""
        return self.restored(*self.observe(x, torch.Generator(x.device).manual_seed(0)))

    def trained(self, learning_rate: float, muon: float) -> tuple[Part, ...]:
        return (Part(self, learning_rate, muon),)

    def baselines(self, x: torch.Tensor) -> dict[str, float | None]:
        return {"pca_mse": None, "damaged_mse": damaged_mse(self, x)}

    def examine(self, x: torch.Tensor, mse: float) -> list[str]:
        return beside_damage(mse, damaged_mse(self, x))

    @torch.no_grad()
    def settle(self, x: torch.Tensor) -> None:
        """Adjust the degradation to what the network makes of it, as a colouriser's vividness is."""
        colours = x[:, : x.shape[1] - self.description.alpha]
        parts = torch.split(x, max(1, min(SETTLED, MEASURED_VALUES[self.grid.axes] // x[0].numel())))

        def restored() -> torch.Tensor:
            return cut(torch.cat([self.trial(part)[:, : colours.shape[1]].clamp(0, 1) for part in parts]), x)

        self.degradation = self.degradation.settled(restored, colours)
        self.specification = replace(self.specification, degradation=to_json(self.degradation))


class Restorer(Restoring):
    """A network with connections between its levels, which answers what the degradation asks for."""

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        specification: Specification,
        description: Description,
        grid: Grid,
        recipe: Recipe,
        degradation: Degradation,
        start: Callable[[Any, torch.Tensor, torch.Tensor], nn.Conv2d],
    ) -> None:
        """`start(decoder, seen, answers)` puts the best linear filter into the network and returns that layer."""
        super().__init__(specification, description, grid, recipe)
        self.encoder, self.decoder, self.degradation, self._start = encoder, decoder, degradation, start
        self.arrange()

    def restored(self, observed: Observed, alpha: torch.Tensor | None = None) -> torch.Tensor:
        guess = self.degradation.guess(observed)
        x = self._seen(observed, guess, alpha)
        y = self.decoder(self.encoder(_padded(x, self.grid)))
        return _with_alpha(self.degradation.restored(observed, guess, cut(y, guess).float()), alpha, self.degradation)

    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        return root_loss(self, x, step, seed)

    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        return root_measure(self, x)

    def _seen(self, observed: Observed, guess: torch.Tensor, alpha: torch.Tensor | None) -> torch.Tensor:
        """What the network sees, `(N, I, H, W)`: the guess, what is known beside it, and alpha."""
        scale = self.degradation.scale
        condition = observed.condition.repeat_interleave(scale, dim=3)
        if self.grid.axes == 2:
            condition = condition.repeat_interleave(scale, dim=2)
        return torch.cat([guess, condition, *(() if alpha is None else (larger(alpha, scale),))], dim=1)

    @torch.no_grad()
    def start(self, samples: Samples, training: Indices, beginning: Beginning) -> None:
        """The best linear filter for training samples damaged as in training, where it is better than none."""
        if beginning.start != "pca":
            return
        each = self.description.values_in(beginning.crop)
        count = min(FILTER_SAMPLES, max(FILTER_LEAST, FILTER_VALUES // each))
        some = training[np.linspace(0, len(training) - 1, min(count, len(training))).astype(np.int64)]
        batches = Batches(samples, some, len(some), beginning.seed + 2, beginning.crop, device=beginning.device)
        draws = -(-count // len(some))  # of few samples several crops each, or several damages
        x = torch.cat([batches.draw(step) for step in range(draws)])
        observed, alpha = self.observe(x, torch.Generator(x.device).manual_seed(beginning.seed))
        guess = self.degradation.guess(observed)
        target = _target(observed, alpha, x)
        wanted = self.degradation.answer(target[:, : x.shape[1] - self.description.alpha], cut(guess, x))
        seen = self._seen(observed, guess, alpha)
        layer = self._start(self.decoder, *(_padded(t, self.grid) for t in (seen, cut(wanted, x))))
        others = batches.draw(draws)
        found, kept = measured(self, others, beginning.seed).score, layer.weight.detach().clone()
        silence(layer)
        if measured(self, others, beginning.seed).score > found:
            layer.load_state_dict({"weight": kept})


class RestoringAutoencoder(Restoring, Coded):
    """A network with a code that is trained to give the clean sample, as the lesson's denoiser is."""

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        specification: Specification,
        description: Description,
        grid: Grid,
        recipe: Recipe,
        degradation: Degradation,
        start: Start,
    ) -> None:
        Coded.__init__(self, encoder, decoder, specification, description, grid, recipe, start)
        self.degradation = degradation

    def restored(self, observed: Observed, alpha: torch.Tensor | None = None) -> torch.Tensor:
        guess = self.degradation.guess(observed)
        x = guess if alpha is None else torch.cat([guess, larger(alpha, self.degradation.scale)], dim=1)
        y = self.decoder(self.encoder(_padded(x, self.grid)))
        answer = self.degradation.answer(cut(y, guess)[:, : guess.shape[1]], guess)
        return _with_alpha(self.degradation.restored(observed, guess, answer.float()), alpha, self.degradation)

    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        return root_loss(self, x, step, seed)

    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        return root_measure(self, x)

    def start(self, samples: Samples, training: Any, beginning: Beginning) -> None:
        self._start(self, samples, training, beginning)


def root_loss(model: Restoring, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
    """Mean of the root of each sample's mean squared error, of signals of its ratio to their power in decibels,
    damaged anew in each step: little and much damage count alike."""
    observed, alpha = model.observe(x, seeded(x.device, seed, 4, step))
    errors = _errors if model.description.axes == 1 else _roots
    return errors(model.restored(observed, alpha), _target(observed, alpha, x)).mean()


def root_measure(model: Restoring, x: torch.Tensor) -> Measure:
    """The same for samples that are damaged the same way each time."""
    observed, alpha = model.observe(x, torch.Generator(x.device).manual_seed(0))
    found, target = model.restored(observed, alpha).clamp(0, 1), _target(observed, alpha, x)
    roots = _roots(found, target)
    scores = _errors(found, target) if model.description.axes == 1 else roots
    return Measure(float(scores.mean(dtype=torch.float64)), float(roots.square().mean(dtype=torch.float64)))


@torch.no_grad()
def damaged_mse(model: Restoring, x: torch.Tensor) -> float:
    """The error of the first guess, clipped to the range, on samples `x` in 0..1."""
    total = 0.0
    for part in torch.split(x, max(1, MEASURED_VALUES[model.grid.axes] // x[0].numel())):
        observed, alpha = model.observe(part, torch.Generator(x.device).manual_seed(0))
        target = _target(observed, alpha, part)
        colours = target if alpha is None else target[:, :-1]
        missed = cut(model.degradation.guess(observed), part).clamp(0, 1) - colours
        total += float(missed.square().mean()) * len(part) / len(x)
    return total


def beside_damage(mse: float, damaged: float) -> list[str]:
    """A warning where restoring is no better than the damage, or than what is filled in to begin with."""
    if not damaged:
        return ["the first guess restores these samples already (MSE 0): nothing can be learned; train on others"]
    if mse < damaged:
        return []
    return [
        f"no better than the damaged samples (MSE {mse:.4g} against {damaged:.4g}); train longer, or on samples that "
        "are damaged as much as those to come"
    ]


def _target(observed: Observed, alpha: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """What training takes for clean samples: `x` itself, unless it is noisy."""
    if observed.target is None:
        return x
    return observed.target if alpha is None else torch.cat([observed.target, x[:, -1:]], dim=1)


def _roots(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The root of each sample's mean squared error, `(N,)`."""
    squares = (cut(x_hat.float(), x) - x).square()
    return (squares.flatten(1).mean(dim=1) + LITTLE).sqrt()


def _errors(x_hat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The error of each signal relative to its power about its mean, in decibels, `(N,)`; one without error has
    -`MOST_SNR`. Against silence, to which any error is large, errors count little."""
    errors = (cut(x_hat.float(), x) - x).square().mean(dim=(1, 2, 3))
    relative = (errors + HUSHED) / (deviation(x).square().flatten() + HUSHED)
    return 10 * torch.log10(relative + 10 ** (-MOST_SNR / 10))


def _padded(x: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Images mirrored at their right and lower edge up to a size that the network takes."""
    if x.ndim != 4:
        return x
    below, right = grid.lacks(x.shape[2:])
    return mirrored(x, (0, right, 0, below)) if below or right else x


def _with_alpha(colours: torch.Tensor, alpha: torch.Tensor | None, degradation: Degradation) -> torch.Tensor:
    return colours if alpha is None else torch.cat([colours, larger(alpha, degradation.scale)], dim=1)
