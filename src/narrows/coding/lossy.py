"""Samples to bytes and back at a quality: whole numbers are coded exactly, and the decoder makes samples of them.

A compact model holds the density of the numbers in exact integers and the decoder's weights in at most 16 bits. The
decoder runs in float32, so that samples made on another machine may differ by 1 in a last place; the numbers, whose
digest a block has, never do.
Next door: `levels` has the walk; `blocks` stores the result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from narrows.coding import weights
from narrows.coding.calibrate import latents_codec
from narrows.coding.coder import Decoder, Encoder
from narrows.coding.digest import digest_of
from narrows.coding.exact import plain_products
from narrows.coding.latents import LatentsCodec
from narrows.coding.levels import LevelsCodec, dials, levels_codec
from narrows.coding.pack import pack_arrays, unpack_arrays
from narrows.coding.pixels import batches, tiles
from narrows.coding.tables import Integers
from narrows.coding.transforms import TransformCodec
from narrows.data.batches import from_tensor, to_tensor
from narrows.data.samples import Array, Description, Samples
from narrows.errors import ModelError, SettingsError
from narrows.networks.autoencoder import Autoencoder, Config
from narrows.networks.build import LEVELS, build
from narrows.networks.levels import Levels

VERSION = 1
VECTORS = 2048  # that decide the ranges of the exact networks
MOST_VALUES = 1 << 40  # of a sample of one size
DAMAGE = (StopIteration, ValueError, TypeError, KeyError, RuntimeError, OverflowError, SettingsError)
Shape = tuple[int, ...]


def pack(model: Autoencoder, samples: Samples) -> bytes:
    """The compact model of a trained one; a few of the samples it was trained on decide ranges.

    Made once, when training has ended, and stored with the model: other machines might round otherwise. Raises
    `ModelError` for a model that does not compress in this way.
    """
    if model.prior is None:
        raise ModelError("this model has no lossy code; train one with --for compress")
    model.eval()
    card = {"config": model.config.to_json(), "description": model.description.to_json()}
    text = json.dumps(card, separators=(",", ":"), sort_keys=True).encode()
    decoder = weights.to_arrays(model.part("decoder").cpu())
    head = [np.array([VERSION, len(decoder) - 1]), np.frombuffer(text, np.uint8), *decoder]
    if isinstance(model.prior, Levels):
        return pack_arrays([*head, *levels_codec(model.prior.cpu(), _few(model, samples, 128, 256)).to_arrays()])
    encoder, x = model.part("encoder").cpu(), model.pad(_few(model, samples, 64, 128))
    latents = latents_codec(model.prior.cpu(), lambda dial: _coded(encoder, x, dial), len(x))
    decoding = pack_arrays([*head, *latents.to_arrays()])
    return weights.joined(decoding, pack_arrays(weights.to_arrays(encoder)))


def _few(model: Autoencoder, samples: Samples, count: int, side: int) -> torch.Tensor:
    """Some of the samples in 0..1: vectors, or `count` images, or pieces of them of at most `side` pixels a side."""
    if model.description.kind != "images":
        chosen = np.linspace(0, len(samples) - 1, min(VECTORS, len(samples))).astype(np.int64)
        return to_tensor(np.asarray(samples.values[chosen]), model.description)
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64)
    crops = [np.asarray(samples.values[int(i)]) for i in chosen]
    high, wide = (min(side, max(16, min(crop.shape[axis] for crop in crops))) for axis in (0, 1))
    fitting = [crop[:high, :wide] for crop in crops if crop.shape[0] >= high and crop.shape[1] >= wide]
    stack = np.stack(fitting or [np.resize(crops[0], (high, wide, crops[0].shape[2]))])
    return to_tensor(stack, model.description)


@torch.no_grad()
def _coded(encoder: torch.nn.Module, x: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
    parts = zip(torch.split(x, 16), torch.split(dial, 16), strict=True)  # in pieces of bounded memory
    return torch.cat([encoder(part, own) for part, own in parts])


def open_codec(packed: bytes, encoder: bytes = b"") -> LossyCodec | TransformCodec:
    """What codes with a compact model; by transforms, only with the `encoder` too. Raises `ModelError` or
    `ArchiveError` for other bytes."""
    model, arrays = _read(packed)
    by_levels = model.config.network == LEVELS
    density = LevelsCodec.from_arrays(arrays) if by_levels else LatentsCodec.from_arrays(arrays)
    if next(arrays, None) is not None:
        raise ModelError("a compact model with more in it than it should have; make the model again")
    if isinstance(density, LevelsCodec):
        return LossyCodec(model.description, model.part("decoder"), density)
    half = None
    if encoder:
        try:
            rest = iter(unpack_arrays(encoder))
            half = weights.from_arrays(model.part("encoder"), rest)
        except DAMAGE:
            raise ModelError("a model whose encoder is damaged; make the model again") from None
    return TransformCodec(model.config, model.description, model.part("decoder"), density, half)


def _read(packed: bytes) -> tuple[Autoencoder, Iterator[Integers]]:
    """A model with its decoder's weights, and the arrays that follow them."""
    arrays = iter(unpack_arrays(packed))
    try:
        version, count = next(arrays).tolist()
        if version != VERSION:
            raise ModelError(f"a compact model of version {version}; update narrows")
        card = json.loads(next(arrays).astype(np.uint8).tobytes())
        config, description = Config(**card["config"]), Description.from_json(card["description"])
        _check(config, description)
        with torch.device("meta"):
            model = build(description, config.network, config.code, config.width or None, purpose=config.purpose)
        if len(model.part("decoder").state_dict()) != count or model.config != config:
            raise ValueError
        weights.from_arrays(model.part("decoder"), arrays)
        return model, arrays
    except ModelError:
        raise
    except DAMAGE:
        raise ModelError("a compact model that is damaged; make the model again") from None


class LossyCodec:
    """What decodes at any quality by levels; and encodes, since nothing learned is needed for it beside their
    density."""

    def __init__(self, description: Description, decoder: torch.nn.Module, levels: LevelsCodec) -> None:
        self.description, self.decoder, self.levels = description, decoder, levels

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        """Whether the model is one of such samples."""
        own = self.description
        return dtype == np.dtype(own.dtype) and all(len(s) == 3 and s[2] == own.channels for s in shapes)

    def encode(self, samples: Sequence[Array], quality: int) -> tuple[bytes, bytes]:
        """Samples `(H, W, C)` as bytes, and the digest of their levels."""
        coder = Encoder()
        shapes = [s.shape for s in samples]
        plain = [to_tensor(s[None], self.description)[0].permute(1, 2, 0).double().numpy() for s in samples]
        levels = self._walk(coder, plain, shapes, quality)
        return coder.finish(), _digest(levels)

    def decode(self, data: bytes, shapes: Sequence[Shape], quality: int) -> tuple[list[Array], bytes]:
        """Samples of bytes, and the digest of their levels. Raises `ArchiveError` for bytes seen to be no code."""
        coder = Decoder(data)
        levels = self._walk(coder, None, shapes, quality)
        coder.finish()
        return self._samples(levels, quality), _digest(levels)

    def _walk(
        self, coder: Encoder | Decoder, images: Sequence[Array] | None, shapes: Sequence[Shape], quality: int
    ) -> list[Integers]:
        levels: list[Integers] = [np.zeros(shape, np.int64) for shape in shapes]
        places = [(i, piece) for i, shape in enumerate(shapes) for piece in tiles(shape)]
        for part in batches([levels[i][piece].shape for i, piece in places]):
            chosen = [places[number] for number in part]
            stack = None if images is None else np.stack([images[i][piece] for i, piece in chosen])
            shape = (len(part), *levels[chosen[0][0]][chosen[0][1]].shape)
            found = self.levels.walk(coder, stack, shape, quality)
            for (i, piece), values in zip(chosen, found, strict=True):
                levels[i][piece] = values
        return levels

    @torch.no_grad()
    def _samples(self, levels: Sequence[Integers], quality: int) -> list[Array]:
        """The decoder's samples, in the dtype and range of the model's own."""
        most = int(self.levels.counts[quality - 1]) - 1
        samples: list[Array] = []
        with plain_products(torch.device("cpu")):
            for part in batches([image.shape for image in levels]):
                stack = np.stack([levels[i] for i in part]).astype(np.float32) / np.float32(most)
                x = torch.from_numpy(stack).permute(0, 3, 1, 2).contiguous()
                y = self.decoder(x, dials()[quality - 1].expand(len(x)))
                samples += list(from_tensor(y, replace(self.description, shape=stack.shape[1:])))
        return samples


def _check(config: Config, description: Description) -> None:
    """Raise ValueError or TypeError for what no model that codes at a quality has."""
    if config.purpose != "compress" or description.values > MOST_VALUES:
        raise ValueError
    if np.dtype(description.dtype).kind not in "uif" or not float(description.low) < float(description.high):
        raise ValueError


def _digest(levels: Sequence[Integers]) -> bytes:
    return digest_of(image.astype(np.uint8) for image in levels)
