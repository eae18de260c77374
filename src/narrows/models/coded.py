"""Models with a code: samples to codes, and codes back to samples.

Next door: `autoencoder`, `lossy` and, for networks of that kind which restore, `restorer`.
"""

from __future__ import annotations

import math
import os
from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal, overload

import numpy as np
import torch
from torch import nn

from narrows.data.batches import Indices, chunks, from_tensor, to_tensor
from narrows.data.ranges import CHUNK_BYTES
from narrows.data.samples import Description, Samples
from narrows.errors import ModelError, SettingsError
from narrows.io.arrays import Array, Ragged
from narrows.models import container
from narrows.models.base import Beginning, Grid, Model, Recipe, Specification, cut
from narrows.networks.dense import Branch
from narrows.networks.klt import WORK_LIMIT, LinearOptimum, linear_optimum, thinned
from narrows.surroundings import multiplies_bfloat16, own

Half = Literal["encoder", "decoder"]
START_SAMPLES = 4096  # that decide shifts and scales at the start
ENCODED_MOST = 1024  # samples at a time: what layers give of more does not stay in a processor's cache
NARROW_FROM = 500_000  # weights of a dense branch from which bfloat16 is worth its conversions
_OPTIMUM = ("mean", "components", "variances")


Start = Callable[["Coded", Samples, Indices, Beginning], LinearOptimum | None]
"""Puts a model at its start; returns the linear optimum of the training samples where it was found."""


@dataclass(frozen=True)
class LinearStart:
    """Start at the linear optimum: `begin(encoder, decoder, optimum, x)` puts it into both halves, where `x` are
    training samples in 0..1; at most `work` multiplications are spent on finding it. Where a network can,
    `rescale(encoder, decoder, factors)` multiplies the numbers of its code by factors, and changes nothing else."""

    begin: Callable[[nn.Module, nn.Module, LinearOptimum, torch.Tensor], None]
    work: float = WORK_LIMIT
    rescale: Callable[[nn.Module, nn.Module, torch.Tensor], None] | None = None

    def __call__(
        self, model: Coded, samples: Samples, training: Indices, beginning: Beginning
    ) -> LinearOptimum | None:
        optimum = self._found(model, samples, training, beginning.crop)
        if optimum is not None and beginning.start == "pca":
            few = training[np.linspace(0, len(training) - 1, min(START_SAMPLES, len(training))).astype(np.int64)]
            x = next(chunks(samples, few, beginning.crop))
            self.begin(model.encoder.cpu(), model.decoder.cpu(), optimum, x)
            model.to(beginning.device)
        return optimum

    def _found(self, model: Coded, samples: Samples, training: Indices, crop: int) -> LinearOptimum | None:
        """The optimum, kept with the model; None where samples of differing sizes have none."""
        block, description = model.grid.block, model.description
        if not block and description.varied:
            return None
        values = description.values_in(crop)
        # Of a code whose blocks are coarser than those of the optimum, each has its share.
        axes = model.grid.axes
        share = model.specification.code * block**axes // max(1, model.grid.step) ** axes
        count = share if block else math.prod(model.code_shape)
        rows = max(1, values // (block**axes * description.channels)) if block else 1
        chosen = training[thinned(len(training), rows, values // rows, self.work)]
        parts = chunks(samples, chosen, crop, align=model.grid.align)
        model.keep_optimum(linear_optimum(parts, count, block, axes))
        return model.optimum


def start_as_built(model: Coded, samples: Samples, training: Indices, beginning: Beginning) -> None:
    """Start at the weights that `build` gave; there is no linear optimum for such networks."""


class Absent(nn.Module):
    """In place of the half that a file was saved without."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *_: Any) -> torch.Tensor:
        raise ModelError(f"this model holds no {self.name}; it was saved with the other half only")


class Coded(Model, ABC):
    """An encoder and a decoder. `optimum` is the linear optimum that training began at, which results are compared
    with; None before training and in files that hold one half only."""

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        specification: Specification,
        description: Description,
        grid: Grid,
        recipe: Recipe,
        start: Start,
    ) -> None:
        super().__init__(specification, description, grid, recipe)
        self.encoder, self.decoder, self._start = encoder, decoder, start
        self.arrange()

    @property
    def optimum(self) -> LinearOptimum | None:
        """The linear optimum of the training samples, where it is known."""
        arrays = [self.attachments.get(f"optimum.{name}") for name in _OPTIMUM]
        mean, components, variances = (None if a is None else np.ascontiguousarray(a, np.float32) for a in arrays)
        if mean is None or components is None or variances is None:
            return None
        return LinearOptimum(mean, components, variances, self.grid.block, self.grid.axes)

    def keep_optimum(self, optimum: LinearOptimum) -> None:
        """Keep the linear optimum with the model."""
        self.attachments |= {f"optimum.{name}": getattr(optimum, name) for name in _OPTIMUM}

    def part(self, name: Half) -> nn.Module:
        """`encoder` or `decoder`; raises `ModelError` where the model was saved without it."""
        module = getattr(self, name)
        if isinstance(module, Absent):
            module()
        assert isinstance(module, nn.Module)
        return module

    @overload
    def encode(self, samples: torch.Tensor) -> torch.Tensor: ...
    @overload
    def encode(self, samples: Samples | Array | Sequence[Array]) -> Array | list[Array]: ...

    @own
    @torch.no_grad()
    def encode(self, samples: Any) -> Any:
        """Codes of samples, in batches of bounded memory.

        NumPy samples of the training dtype and shape give float32 codes `(N, K)`, `(N, K, h, w)` or, of signals,
        `(N, K, t)`, a list of samples of differing sizes a list of `(K, h, w)` or `(K, t)`; a tensor in 0..1 gives
        a tensor, of signals `(N, K, 1, t)`. Large dense encoders compute hidden layers for arrays in bfloat16
        where the processor has it, twice as fast. Raises `ModelError` where the samples do not fit the model.
        """
        encoder = self.part("encoder").eval()
        if isinstance(samples, torch.Tensor):
            return encoder(self.pad(samples.to(self.device)))
        checked = self.fitting(samples)
        if isinstance(checked.values, Ragged):
            return [self._encode_array(encoder, image[None])[0] for image in checked.values]
        return self._encode_array(encoder, checked.values)

    def _encode_array(self, encoder: nn.Module, array: Array) -> Array:
        spans = _spans(len(array), 4 * int(np.prod(array.shape[1:])), ENCODED_MOST)
        with _narrow(encoder):
            parts = [
                encoder(self.pad(to_tensor(np.asarray(array[start:stop]), self.description, self.device)))
                for start, stop in spans
            ]
        codes = np.concatenate([part.float().cpu().numpy() for part in parts])
        return codes[:, :, 0] if codes.ndim == 4 and self.grid.axes == 1 else codes

    @overload
    def decode(self, codes: torch.Tensor, size: tuple[int, int] | None = None) -> torch.Tensor: ...
    @overload
    def decode(self, codes: Array | Sequence[Array], size: tuple[int, int] | None = None) -> Array | list[Array]: ...

    @own
    @torch.no_grad()
    def decode(self, codes: Any, size: tuple[int, int] | None = None) -> Any:
        """Samples of codes: the inverse of `encode`, in the dtype and range that the model was trained on.

        `size` `(H, W)`, or `(1, T)` for signals, cuts samples to their own size; without it they have the size of
        those of training where the code fits that, else the padded size of the code. Raises `ModelError` for codes of
        a wrong shape, and for arrays with NaN or infinity.
        """
        decoder = self.part("decoder").eval()
        if isinstance(codes, torch.Tensor):
            self._check_code(tuple(codes.shape))
            return self._cut(decoder(codes.to(self.device)), size)
        if isinstance(codes, (list, tuple)):
            return [self.decode(np.asarray(code)[None], size)[0] for code in codes]
        codes = np.asarray(codes)
        self._check_code(codes.shape)
        if codes.dtype.kind not in "buif" or not np.isfinite(codes).all():
            raise ModelError("a code that is NaN, infinite or no number was given; every value must be finite")
        values = int(np.prod(codes.shape[1:])) * max(1, self.grid.step) ** self.grid.axes + self.description.values
        codes = codes[:, :, None] if codes.ndim == 3 else codes
        parts = [
            from_tensor(self._cut(decoder(_float(codes[start:stop], self.device)), size), self.description)
            for start, stop in _spans(len(codes), 4 * values)
        ]
        return np.concatenate(parts)

    def _check_code(self, shape: tuple[int, ...]) -> None:
        code, spatial = self.specification.code, self.grid.step > 0
        form = (f"(N, {code}, h, w)" if self.grid.axes == 2 else f"(N, {code}, t)") if spatial else f"(N, {code})"
        axes = {len(form.split(","))} | ({4} if spatial else set())
        if len(shape) not in axes or shape[1] != code or 0 in shape:
            raise ModelError(f"codes of shape {shape} were given; this model decodes {form}")

    def _cut(self, x: torch.Tensor, size: tuple[int, int] | None) -> torch.Tensor:
        if x.ndim != 4:
            return x
        own = (1, *self.description.sides)[-2:]
        grown = tuple(n + lack for n, lack in zip(own, self.grid.lacks(own), strict=True))
        if size is None and grown == tuple(x.shape[2:]):
            size = (own[0], own[1])
        return x if size is None else x[..., : size[0], : size[1]]

    @own
    @torch.no_grad()
    def reconstruct(self, batch: Array) -> Array:
        """Samples `(N, ...)` of one size through the code and back, in their own size and dtype; those of a lossy
        model through its rounded code, at about quality 75."""
        self.eval()
        return from_tensor(self(to_tensor(batch, self.description, self.device)), self.description)

    def save_half(self, path: str | os.PathLike[str] | IO[bytes], half: Half) -> None:
        """Write only the encoder or only the decoder, without the optimum; else as `save`. Raises `SettingsError` for
        another name, `ModelError` where the half is not there."""
        if half not in ("encoder", "decoder"):
            raise SettingsError(f"half {half!r} was given; allowed are encoder and decoder")
        weights = {f"{half}.{name}": tensor for name, tensor in self.part(half).state_dict().items()}
        container.write(path, weights, {}, self._card())

    def through(self, x: torch.Tensor) -> torch.Tensor:
        """Samples in 0..1 through both halves, in their own size."""
        y: torch.Tensor = self.decoder(self.encoder(self.pad(x)))
        return cut(y, x)


def pooled(code: Array) -> Array:
    """Codes `(N, K, h, w)` or, of signals, `(N, K, t)` as one row a sample: the mean of each channel, `(N, K)`; of
    signals then its deviation over time as well, `(N, 2 K)`."""
    if code.ndim == 3:
        return np.concatenate([code.mean(axis=2), code.std(axis=2)], axis=1)
    means: Array = code.mean(axis=(2, 3))
    return means


@torch.no_grad()
def pca_mse(model: Coded, x: torch.Tensor) -> float | None:
    """The error of PCA with as many numbers, clipped to the range, on samples `x` in 0..1."""
    optimum = model.optimum
    return None if optimum is None else float((optimum.reconstruct(x).clamp(0, 1) - x).square().mean())


@contextmanager
def _narrow(encoder: nn.Module) -> Iterator[None]:
    """Large dense branches compute in bfloat16 where the processor gains by it."""
    found = [module for module in encoder.modules() if isinstance(module, Branch)]
    for branch in found:
        weights = list(branch.parameters())
        here = weights[0].device.type == "cpu" and multiplies_bfloat16()
        branch.narrow = here and sum(tensor.numel() for tensor in weights) >= NARROW_FROM
    try:
        yield
    finally:
        for branch in found:
            branch.narrow = False


def _spans(count: int, bytes_each: int, most: int = 1 << 30) -> list[tuple[int, int]]:
    rows = min(most, max(1, CHUNK_BYTES // 4 // max(1, bytes_each)))
    return [(start, min(start + rows, count)) for start in range(0, count, rows)]


def _float(array: Array, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(device)
