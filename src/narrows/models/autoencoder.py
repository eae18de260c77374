"""An encoder and a decoder, and how samples pass through them; what all networks here share.

Next door: `build` puts the networks together, `store` keeps them in files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any, Literal, overload

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.data.batches import from_tensor, to_tensor
from narrows.data.samples import CHUNK_BYTES, Description, Samples, from_arrays
from narrows.degradations import Observed, from_json
from narrows.errors import ModelError
from narrows.io.arrays import Array, Ragged
from narrows.models import restoring as restore
from narrows.networks.klt import LinearOptimum
from narrows.networks.layers import DIAL
from narrows.networks.levels import Levels
from narrows.networks.pixels import Pixels
from narrows.networks.prior import RECALL_DIAL, Prior
from narrows.networks.tabular import TABLE
from narrows.networks.unet import UNET

Purpose = Literal["reconstruct", "compress", "exact", "denoise", "inpaint", "colourise", "upscale"]


@dataclass(frozen=True)
class Config:
    """What it takes to build a network again: its name, the code's size, its width, and the sizes it takes.

    `code` counts the numbers of a vector code, or the channels of a spatial one. Sides of images are padded to
    `step` n + `offset`; `step` is 0 for networks that take one size only. `block` is that of the linear optimum.
    For the `purpose` "compress" the halves have a dial and the code has a prior; for "exact" there is no code.
    `memory` counts the training samples that such a prior remembers. Purposes that restore have the `degradation`
    that they undo, as `degradations.to_json` writes it.
    """

    network: str
    code: int
    width: int
    step: int
    offset: int
    block: int
    purpose: Purpose = "reconstruct"
    memory: int = 0
    degradation: list[dict[str, Any]] | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; purpose, memory and degradation only where they are not the usual ones."""
        usual = {"purpose": "reconstruct", "memory": 0, "degradation": None}
        return {k: v for k, v in asdict(self).items() if k not in usual or v != usual[k]}

    def padded(self, side: int) -> int:
        """The smallest side that the network takes and that holds `side`."""
        if not self.step:
            return side
        return max(1, -(-(side - self.offset) // self.step)) * self.step + self.offset


class Autoencoder(nn.Module):
    """An encoder and a decoder trained so that the output equals the input; either half may be missing.

    Called, it takes float tensors in 0..1, images `(N, C, H, W)` or vectors `(N, D)`, and returns the same.
    `encode` and `decode` take and give NumPy arrays as people have them. `history` and `provenance` tell how
    it was trained; `optimum` is the PCA it is compared with. A model that compresses has the `prior` of its
    quantised code, and in `packed`, by the way of coding, what decoding needs; called, it rounds the code. A model
    for exact coding has `pixels`, their density, in place of both halves.
    """

    def __init__(
        self,
        encoder: nn.Module | None,
        decoder: nn.Module | None,
        config: Config,
        description: Description,
        prior: Levels | Prior | None = None,
        pixels: Pixels | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.pixels = pixels
        self.arrange()
        self.config = config
        self.description = description
        self.degradation = None if config.degradation is None else from_json(config.degradation)
        self.optimum: LinearOptimum | None = None
        self.provenance: dict[str, Any] = {}
        self.packed: dict[str, bytes] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Reconstruct `x`; images of any size come back in their own size. A model that restores damages them first,
        the same way each time."""
        if self.degradation is not None:
            return self.restored(*self.observe(x, torch.Generator(x.device).manual_seed(0)))
        if self.prior is not None:
            return self.quantised(x, torch.full((len(x),), DIAL, device=x.device))[0]
        y: torch.Tensor = self.part("decoder")(self.part("encoder")(self.pad(x)))
        return restore.cut(y, x)

    def observe(self, x: torch.Tensor, generator: torch.Generator) -> tuple[Observed, torch.Tensor | None]:
        """Clean samples as they are damaged for training, and their alpha channel, if they have one; `restored` takes
        both."""
        if self.degradation is None:
            raise ModelError(f"this model restores nothing, it is one to {self.config.purpose}; train one for it")
        return restore.observe(self.degradation, x, self.description.alpha, generator)

    def restored(self, observed: Observed, alpha: torch.Tensor | None = None) -> torch.Tensor:
        """Restored samples in 0..1, not clipped."""
        if self.degradation is None:
            raise ModelError(f"this model restores nothing, it is one to {self.config.purpose}; train one for it")
        encoder, decoder = self.part("encoder"), self.part("decoder")
        answers = self.config.network in (UNET, TABLE)
        return restore.restored(
            self.degradation, lambda x: decoder(encoder(x)), answers, self.config.padded, observed, alpha
        )

    def quantised(
        self,
        x: torch.Tensor,
        dial: torch.Tensor,
        *noise: torch.Generator,
        like: torch.Tensor | None = None,
        known: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstruct `x` from its rounded code, at dials `(N,)` in -1..1; also the bits of each sample `(N,)`, with
        `noise` those that training makes small (see `Prior`). `like` are samples like these, for a prior that
        remembers, and `known` `(N,)` says which of them count."""
        if self.prior is None:
            raise ModelError("this model does not compress; train one with --for compress")
        code = self.part("encoder")(self.pad(x), dial).float()
        if like is None:
            code, bits = self.prior(code, dial, *noise)
        else:
            assert isinstance(self.prior, Prior)
            with torch.no_grad():
                other = self.part("encoder")(self.pad(like), torch.full_like(dial, RECALL_DIAL)).float()
                other = self.prior.recalled(other)
                if known is not None:
                    other = other * known.view(-1, 1, 1, 1)
            code, bits = self.prior(code, dial, *(noise or (None,)), other)
        y: torch.Tensor = self.part("decoder")(code, dial)
        return restore.cut(y, x), bits

    def arrange(self) -> None:
        """Lay out the weights of convolutions channels last, in which processors compute them faster."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def part(self, name: str) -> nn.Module:
        """`encoder` or `decoder`; raises `ModelError` when the model was saved without it."""
        module = getattr(self, name)
        if self.pixels is not None:
            raise ModelError(f"this model holds no {name}, it is one for exact compression only; train another")
        if module is None:
            raise ModelError(f"this model holds no {name}; it was saved with the other half only")
        return module  # type: ignore[no-any-return]

    def pad(self, x: torch.Tensor) -> torch.Tensor:
        """Images grown to a size that the network takes by repeating their last row and column."""
        if x.ndim != 4 or not self.config.step:
            return x
        below, right = (self.config.padded(n) - n for n in x.shape[2:])
        return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of one sample's code: `(K,)` or `(K, h, w)`, 0 where sizes differ."""
        if not self.config.step:
            return (self.config.code,)
        config = self.config
        sides = (n and (config.padded(n) - config.offset) // config.step for n in self._sides)
        return (config.code, *sides)

    @property
    def holds_everything(self) -> bool:
        """Whether the code has as many numbers as the sample, so that nothing is made smaller."""
        block = self.config.step**2 * self.description.channels if self.config.step else self.description.values
        return self.pixels is None and self.config.purpose == "reconstruct" and self.config.code >= block

    @property
    def _sides(self) -> tuple[int, ...]:
        return self.description.shape[:2] if self.description.kind == "images" else ()

    @overload
    def encode(self, samples: torch.Tensor) -> torch.Tensor: ...
    @overload
    def encode(self, samples: Samples | Array | Sequence[Array]) -> Array | list[Array]: ...

    @torch.no_grad()
    def encode(self, samples: Any) -> Any:
        """Codes of samples, in batches of bounded memory.

        NumPy samples of the training dtype and shape give float32 codes `(N, K)` or `(N, K, h, w)`, a list of
        images of differing sizes a list of `(K, h, w)`; a tensor in 0..1 gives a tensor. Raises `ModelError`
        where the samples do not fit the model.
        """
        encoder = self.part("encoder").eval()
        if self.config.network == UNET:
            raise ModelError("this model restores and has no code; for codes train another network, such as conv")
        if isinstance(samples, torch.Tensor):
            return encoder(self.pad(samples.to(self.device)))
        checked = self.fitting(samples)
        if isinstance(checked.values, Ragged):
            return [self._encode_array(encoder, image[None])[0] for image in checked.values]
        return self._encode_array(encoder, checked.values)

    def _encode_array(self, encoder: nn.Module, array: Array) -> Array:
        parts = [
            encoder(self.pad(to_tensor(np.asarray(array[start:stop]), self.description, self.device)))
            for start, stop in _spans(len(array), 4 * int(np.prod(array.shape[1:])))
        ]
        return np.concatenate([part.float().cpu().numpy() for part in parts])

    @overload
    def decode(self, codes: torch.Tensor, size: tuple[int, int] | None = None) -> torch.Tensor: ...
    @overload
    def decode(self, codes: Array | Sequence[Array], size: tuple[int, int] | None = None) -> Array | list[Array]: ...

    @torch.no_grad()
    def decode(self, codes: Any, size: tuple[int, int] | None = None) -> Any:
        """Samples of codes: the inverse of `encode`, in the dtype and range that the model was trained on.

        `size` `(H, W)` cuts images to their own size; without it they have the training images' size where
        the code fits that, else the padded size of the code. Raises `ModelError` for codes of a wrong shape, and
        for arrays with NaN or infinity.
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
        values = int(np.prod(codes.shape[1:])) * max(1, self.config.step) ** 2 + self.description.values
        parts = [
            from_tensor(self._cut(decoder(_float(codes[start:stop], self.device)), size), self.description)
            for start, stop in _spans(len(codes), 4 * values)
        ]
        return np.concatenate(parts)

    def _check_code(self, shape: tuple[int, ...]) -> None:
        wanted = 4 if self.config.step else 2
        if len(shape) != wanted or shape[1] != self.config.code or 0 in shape:
            form = f"(N, {self.config.code}, h, w)" if self.config.step else f"(N, {self.config.code})"
            raise ModelError(f"codes of shape {shape} were given; this model decodes {form}")

    def _cut(self, x: torch.Tensor, size: tuple[int, int] | None) -> torch.Tensor:
        if x.ndim != 4:
            return x
        own = self._sides
        if size is None and tuple(self.config.padded(n) for n in own) == tuple(x.shape[2:]):
            size = (own[0], own[1])
        return x if size is None else x[..., : size[0], : size[1]]

    def fitting(self, samples: Any) -> Samples:
        """The samples, checked against what the model was trained on; raises `ModelError` where they differ.

        Sizes of images may differ for networks that take any size; dtype, channels and length may not.
        """
        checked: Samples = from_arrays(samples)
        given, own = checked.description, self.description
        same = given.shape == own.shape or (
            bool(self.config.step) and given.kind == own.kind and given.channels == own.channels
        )
        if not same or given.dtype != own.dtype:
            raise ModelError(
                f"{checked.source}: the samples do not fit this model: {given.form}, {given.dtype} were given, it is "
                f"made for {own.form}, {own.dtype}; convert the samples or train a model on them"
            )
        return checked

    def save(
        self, path: str | os.PathLike[str] | IO[bytes], half: Literal["encoder", "decoder"] | None = None
    ) -> None:
        """Write the model, or one half of it, to a path or a binary file; see `networks.store.save`."""
        from narrows.models import container as store  # which builds models of this class

        store.save(self, path, half)

    def extra_repr(self) -> str:
        return f"{self.config.network}, code {self.config.code}, {self.parameter_count} parameters"

    @property
    def parameter_count(self) -> int:
        """Trained numbers in both halves."""
        return sum(p.numel() for p in self.parameters())


def _spans(count: int, bytes_each: int) -> list[tuple[int, int]]:
    rows = max(1, CHUNK_BYTES // 4 // max(1, bytes_each))
    return [(start, min(start + rows, count)) for start in range(0, count, rows)]


def _float(array: Array, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(device)
