"""An encoder and a decoder trained so that the output equals the input.

Next door: `coded` has what it shares with other models that have a code.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from narrows.checks import brief
from narrows.data.batches import to_tensor
from narrows.data.samples import Samples
from narrows.errors import SettingsError
from narrows.models.base import Beginning, Measure, Part
from narrows.models.coded import Coded, LinearStart, pca_mse
from narrows.models.search import searched
from narrows.surroundings import own

SETTLED = 256  # samples that tell what the numbers of a code do
STEP = 0.3  # deviations of a number, by which it is moved for that
LEAST_EFFECT = 0.01  # of the largest; numbers that do less are scaled as if they did so much
MOST_SEARCHED = 256  # numbers of a code; every round solves for all of them
AT_A_TIME = 1024  # samples whose codes are searched for
DEAD_DEVIATION = 1e-6  # a code number that varies less than this over the samples says nothing


class Autoencoder(Coded):
    """The model of the lesson: it reconstructs what it is given, through a code."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Samples in 0..1 to their reconstructions; images of any size come back in their own size."""
        return self.through(x)

    @own
    @torch.no_grad()
    def encode(self, samples: Any, effort: Literal["usual", "best"] = "usual") -> Any:
        """Codes of samples, as `Coded.encode` gives them. With the `effort` "best" each is searched for, beginning
        there, so that it decodes to less error; this takes some hundred times as long. Raises `SettingsError` for
        another effort, and for "best" where codes have a plane or more than 256 numbers.
        """
        if effort not in ("usual", "best"):
            raise SettingsError(f"effort {brief(effort)} was given; allowed are usual and best")
        codes = super().encode(samples)
        if effort == "usual":
            return codes
        if self.grid.step or self.specification.code > MOST_SEARCHED:
            raise SettingsError(
                f"effort best was given; codes that are searched for have no plane and at most {MOST_SEARCHED} "
                f"numbers, and these are {self.code_shape}; leave it out"
            )
        decoder = self.part("decoder")
        if isinstance(samples, torch.Tensor):
            return searched(decoder, samples.to(self.device), codes)
        array = self.fitting(samples).values
        found = []
        for at in range(0, len(codes), AT_A_TIME):
            x = to_tensor(np.asarray(array[at : at + AT_A_TIME]), self.description, self.device)
            found.append(searched(decoder, x, torch.from_numpy(codes[at : at + AT_A_TIME]).to(self.device)))
        return np.concatenate([part.cpu().numpy() for part in found])

    def start(self, samples: Samples, training: Any, beginning: Beginning) -> None:
        self._start(self, samples, training, beginning)

    def trained(self, learning_rate: float, muon: float) -> tuple[Part, ...]:
        return (Part(self, learning_rate, muon),)

    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        """Mean squared error per value."""
        return functional.mse_loss(self(x).float(), x)

    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        mse = float((self(x).float().clamp(0, 1) - x).square().mean(dtype=torch.float64))
        return Measure(mse, mse)

    def baselines(self, x: torch.Tensor) -> dict[str, float | None]:
        return {"pca_mse": pca_mse(self, x)}

    @torch.no_grad()
    def examine(self, x: torch.Tensor, mse: float) -> list[str]:
        """Dead code units, or an error no better than that of the mean sample or of PCA."""
        notes: list[str] = []
        code = self.encoder(self.pad(x)).float()
        deviation = code.transpose(0, 1).flatten(1).std(dim=1) if code[:, 0].numel() > 1 else torch.ones(1)
        if dead := int((deviation < DEAD_DEVIATION).sum()):
            notes.append(
                f"{dead} of {len(deviation)} code units are dead: they never change; "
                "use --start pca, a lower learning rate or another seed"
            )
        flat = (x - x.mean(dim=0)).square().mean().item() if len(x) > 1 else float("inf")
        alone = self.specification.purpose == "reconstruct" and not self.holds_everything
        pca = pca_mse(self, x) if alone else None
        if mse >= 0.99 * flat:
            notes.append(
                f"no better than the mean sample (MSE {mse:.4g} against {flat:.4g}): the network learned nothing; "
                "train longer, with --start pca or a lower learning rate"
            )
        elif pca is not None and mse > 1.001 * pca:
            notes.append(
                f"no better than PCA with as many numbers (MSE {mse:.4g} against {pca:.4g}); "
                "train longer, or use a network that starts from PCA, with --start pca"
            )
        return notes

    @torch.no_grad()
    def settle(self, x: torch.Tensor) -> None:
        """Scale the numbers of the code, where the network can, so that each counts as much as it changes what is
        decoded: codes are then about as far apart as their samples."""
        if not isinstance(self._start, LinearStart) or self._start.rescale is None:
            return
        code = self.encoder(self.pad(x[:SETTLED])).float()
        steps = STEP * code.std(dim=0, correction=0)
        before = self.decoder(code).flatten(1)
        effects = []
        for number, step in enumerate(steps.tolist()):
            moved = code.clone()
            moved[:, number] += step
            change = (self.decoder(moved).flatten(1) - before).square().sum(dim=1).mean().sqrt()
            effects.append(float(change) / step if step > 0 else 0.0)
        factors = torch.tensor(effects, device=code.device)
        if factors.max() > 0:
            self._start.rescale(self.encoder, self.decoder, factors.clamp_min(LEAST_EFFECT * float(factors.max())))
