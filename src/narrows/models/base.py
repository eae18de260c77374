"""What every model has: a small interface for the training loop, tasks and files.

Next door: `autoencoder`, `restorer`, `imputer`, `lossy` and `density` are the kinds of model; `catalogue` builds them
by the name of their network.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.data.channels import lifted
from narrows.data.samples import Description, Samples, from_arrays
from narrows.errors import ModelError
from narrows.io.arrays import Array
from narrows.models import container
from narrows.models.eight_bits import to_eight_bits
from narrows.networks.layers import LinearPaths

Purpose = Literal["reconstruct", "embed", "compress", "exact", "denoise", "inpaint", "colourise", "upscale"]
TABULAR: tuple[Purpose, ...] = ("reconstruct", "embed", "inpaint")  # what is learned from tables
TRAINED = "none, trained before"  # in place of a start
MEASURED_VALUES = {1: 1 << 19, 2: 1 << 24}  # of samples that are measured together, by their axes


@dataclass(frozen=True)
class Specification:
    """Everything that `build` needs, beside the description of the samples, to build a model again.

    `code` counts the numbers of a vector code, or the channels of a spatial one; `width` scales the hidden layers.
    `memory` counts the training samples that a lossy model keeps as references, `fold` is the side of its blocks in
    pixels where that can be chosen. `degradation` is what a restoring model undoes, as JSON; `columns` are likewise
    those of the table whose rows a model reconstructs. With `hearing`, errors of signals at a quality count as
    listeners have it.
    """

    network: str
    code: int
    width: int
    purpose: Purpose = "reconstruct"
    memory: int = 0
    fold: int = 0
    degradation: list[dict[str, Any]] | None = None
    columns: list[dict[str, Any]] | None = None
    hearing: bool = False

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, those left out that have their default."""
        usual = {
            "purpose": "reconstruct",
            "memory": 0,
            "fold": 0,
            "degradation": None,
            "columns": None,
            "hearing": False,
        }
        return {k: v for k, v in asdict(self).items() if k not in usual or v != usual[k]}


@dataclass(frozen=True)
class Grid:
    """How a network divides the plane of an image, or the time of a signal, which has 1 of the `axes` in place of 2.

    Sides are padded to `step` n + `offset`; `step` is 0 for networks that take samples of one size only. `block` is
    the side of the blocks whose KLT is the linear optimum, 0 for PCA of whole samples. Training crops begin at
    multiples of `align`.
    """

    step: int = 0
    offset: int = 0
    block: int = 0
    align: int = 1
    axes: int = 2

    def padded(self, side: int) -> int:
        """The smallest side that the network takes and that holds `side`."""
        if not self.step:
            return side
        return max(1, -(-(side - self.offset) // self.step)) * self.step + self.offset

    def lacks(self, size: Sequence[int]) -> tuple[int, int]:
        """How many rows and columns samples of this size `(H, W)` lack; the one row of a signal is enough."""
        below, right = (self.padded(n) - n for n in size)
        return (below if self.axes == 2 else 0), right


@dataclass(frozen=True)
class Recipe:
    """How a network is trained unless settings say otherwise; found by `benchmarks/`, see `results/`.

    Small sets get batches of a tenth of the set at most, and a minimum number of steps. `muon` is the learning rate
    of Muon for hidden matrices, 0 to train all by Adam at `learning_rate`. `shift` moves small images by up to that
    many pixels; larger images are trained on by crops of `crop` pixels a side, `crops` of them a batch (0: as many as
    samples), each in one of `views`: 2 are mirrored or not, 8 turned as well. `half` allows bfloat16. The lesson
    prints the MSE times `printed_batch` (0: not a network of the lesson).
    """

    batch_size: int
    learning_rate: float
    epochs: float
    muon: float = 0.0
    shift: int = 0
    crop: int = 128
    crops: int = 0
    views: int = 1
    half: bool = True
    printed_batch: int = 0


@dataclass(frozen=True)
class Beginning:
    """How a training begins: at the linear optimum ("pca"), at random weights, or at those that the model has
    (`TRAINED`), seen through crops of `crop` pixels (0: whole samples), with random numbers from `seed`, on
    `device`."""

    start: str
    crop: int
    seed: int
    device: str


@dataclass(frozen=True)
class Part:
    """Some of a model's parameters and the learning rates at which they are trained; see `training.optimiser`."""

    module: nn.Module
    learning_rate: float
    muon: float


@dataclass(frozen=True)
class Measure:
    """What validation found. The weights with the lowest `score` are kept; `mse` is per value, `bits` per sample."""

    score: float
    mse: float
    bits: float | None = None


class Model(nn.Module, ABC):
    """A network and what it is for.

    Called, it takes float tensors in 0..1, images `(N, C, H, W)`, signals `(N, C, 1, T)` or vectors `(N, D)`.
    `specification` and `description` are enough to build it again, `recipe` says how it is trained, `provenance` how
    it was. `attachments` are arrays that its file keeps, `shipped` names weights that come with the package.
    """

    def __init__(self, specification: Specification, description: Description, grid: Grid, recipe: Recipe) -> None:
        super().__init__()
        self.specification, self.description, self.grid, self.recipe = specification, description, grid, recipe
        self.provenance: dict[str, Any] = {}
        self.attachments: dict[str, Array] = {}
        self.shipped = ""

    @abstractmethod
    def start(self, samples: Samples, training: Any, beginning: Beginning) -> None:
        """Begin where the closed-form optimum of `samples` at the indices `training` is, as far as there is one."""

    @abstractmethod
    def trained(self, learning_rate: float, muon: float) -> tuple[Part, ...]:
        """What is trained, each part with an optimiser of its own."""

    @abstractmethod
    def loss(self, x: torch.Tensor, step: int, seed: int) -> torch.Tensor:
        """The loss of a batch in 0..1; batch, weights, step and seed alone decide it."""

    @abstractmethod
    def measure(self, x: torch.Tensor, seed: int) -> Measure:
        """How good the model is on samples in 0..1, as many as fit into memory together."""

    @abstractmethod
    def baselines(self, x: torch.Tensor) -> dict[str, float | None]:
        """Errors that the model has to beat on samples in 0..1, by the names that `provenance` keeps them under."""

    @abstractmethod
    def examine(self, x: torch.Tensor, mse: float) -> list[str]:
        """Warnings about the trained model, from samples in 0..1 and its error on them."""

    @abstractmethod
    def settle(self, x: torch.Tensor) -> None:
        """What is adjusted once training is over, from validation samples in 0..1."""

    def judge_as(self, other: Model) -> None:  # most models have nothing to agree on
        """Take over what scores depend on beside the weights, so that they can be compared with those of `other`."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def parameter_count(self) -> int:
        """Trained numbers."""
        return sum(p.numel() for p in self.parameters())

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one sample's code: `(K,)`, `(K, h, w)` or `(K, t)`, 0 where sizes differ; `()` where there is no
        code."""
        code, grid = self.specification.code, self.grid
        if not code or not grid.step:
            return (code,) if code else ()
        sides = self.description.sides
        return (code, *(n and (grid.padded(n) - grid.offset) // grid.step for n in sides))

    @property
    def holds_everything(self) -> bool:
        """Whether a code that is to make samples smaller has as many numbers as they have."""
        step, axes = self.grid.step, self.grid.axes
        numbers = step**axes * self.description.channels if step else self.description.values
        return self.specification.purpose == "reconstruct" and self.specification.code >= numbers

    def arrange(self) -> None:
        """Lay out the weights of convolutions channels last, which processors compute faster."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def pad(self, x: torch.Tensor) -> torch.Tensor:
        """Images and signals grown to a size that the network takes by repeating their last row and column."""
        if x.ndim != 4 or not self.grid.step:
            return x
        below, right = self.grid.lacks(x.shape[2:])
        return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    def fitting(self, samples: Any) -> Samples:
        """The samples, checked against those the model was made for; raises `ModelError` where they differ.

        Sizes may differ for networks that take any size; dtype, the length of vectors and the rate of signals may
        not. Grey images go to a model for RGB, and images without alpha to one for such, where nothing is lost by
        that. Arrays for a model of signals are read as such.
        """
        own = self.description
        checked: Samples = from_arrays(samples, kind="signals" if own.axes == 1 else None, rate=own.rate)
        checked = lifted(checked, own.channels)
        given = checked.description
        same = given.shape == own.shape or (
            self.grid.step > 0 and given.axes == own.axes and given.channels == own.channels
        )
        if not same or given.dtype != own.dtype:
            raise ModelError(
                f"{checked.source}: the samples do not fit this model: {given.form}, {given.dtype} were given, it is "
                f"made for {own.form}, {own.dtype}; convert the samples or train a model on them"
            )
        if given.rate and own.rate and given.rate != own.rate:
            raise ModelError(
                f"{checked.source}: {given.rate:g} Hz were given to a model for {own.rate:g} Hz; resample the "
                "samples or train a model on them"
            )
        return checked

    def save(self, path: str | os.PathLike[str] | IO[bytes], *, eight_bits: bool = False) -> None:
        """Write the model to a path (whole or not at all) or to a binary file object; with `eight_bits`, its large
        matrices beside linear paths are rounded to a quarter of their size.

        Raises `OutputError` where the path cannot be written.
        """
        weights = to_eight_bits(self.state_dict(), self._linear()) if eight_bits else self.state_dict()
        container.write(path, weights, self.attachments, self._card())

    def _linear(self) -> set[str]:
        """The names of all weights in linear paths."""
        halves = [half for half in self.modules() if isinstance(half, LinearPaths)]
        kept = {id(weight) for half in halves for path in half.parts()[0] for weight in path.parameters()}
        return {name for name, weight in self.named_parameters() if id(weight) in kept}

    def _card(self) -> dict[str, Any]:
        return {
            "specification": self.specification.to_json(),
            "description": self.description.to_json(),
            "provenance": self.provenance,
        }

    def trial(self, x: torch.Tensor) -> torch.Tensor:
        """What training asks of the model: clean samples to what it makes of them."""
        y: torch.Tensor = self(x)
        return y

    def __repr__(self) -> str:
        """The model in a line; `str` has its layers."""
        return f"{type(self).__name__}({self.extra_repr()}, for {self.description.form}, {self.description.dtype})"

    def __str__(self) -> str:
        return super().__repr__()

    def extra_repr(self) -> str:
        return f"{self.specification.network}, code {self.specification.code}, {self.parameter_count} parameters"


@torch.no_grad()
def measured(model: Model, x: torch.Tensor, seed: int) -> Measure:
    """What `model.measure` finds on samples `x` in 0..1, in pieces of bounded memory."""
    model.eval()
    rows = max(1, MEASURED_VALUES[model.grid.axes] // max(1, x[0].numel()))
    pieces = [x[start : start + rows] for start in range(0, len(x), rows)]
    found = [model.measure(piece.to(model.device), seed) for piece in pieces]
    shares = [len(piece) / len(x) for piece in pieces]

    def mean(values: Iterable[float]) -> float:
        return sum(value * share for value, share in zip(values, shares, strict=True))

    bits = [m.bits for m in found if m.bits is not None]
    return Measure(mean(m.score for m in found), mean(m.mse for m in found), mean(bits) if bits else None)


def cut(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """`y` in the size of `x`."""
    return y[..., : x.shape[2], : x.shape[3]] if x.ndim == 4 else y


def seeded(device: torch.device | str, *words: int) -> torch.Generator:
    """Random numbers on a device that these words decide."""
    state = np.random.SeedSequence(list(words)).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> 1))
