"""Samples to bytes and back at a quality: whole numbers are coded exactly, and the decoder makes samples of them.

A compact model holds the density of the numbers in exact integers and the decoder's weights in at most 16 bits. The
decoder runs in float32, so that samples made on another machine may differ by 1 in a last place; the numbers, whose
digest a block has, never do.
Next door: `levels` has the walk; `blocks` stores the result.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from narrows.coding.coder import Decoder, Encoder
from narrows.coding.exact import plain_products
from narrows.coding.levels import LevelsCodec, dials, levels_codec
from narrows.coding.pack import pack_arrays, unpack_arrays
from narrows.coding.pixels import batches, tiles
from narrows.coding.tables import Integers
from narrows.data.batches import from_tensor, to_tensor
from narrows.data.samples import Array, Description, Samples
from narrows.errors import ModelError
from narrows.networks.autoencoder import Autoencoder, Config
from narrows.networks.build import build

VERSION = 1
DIGEST_BYTES = 8
CALIBRATION = 128  # samples that decide the ranges of the exact networks
LARGE = 4096  # weights of a tensor from which each is stored to a share of their deviation
SHARE = 1 / 128
Shape = tuple[int, ...]


def pack(model: Autoencoder, samples: Samples) -> bytes:
    """The compact model of a trained one; a few of the samples it was trained on decide ranges.

    Made once, when training has ended, and stored with the model: other machines might round otherwise. Raises
    `ModelError` for a model that does not compress in this way.
    """
    if model.prior is None:
        raise ModelError("this model has no lossy code; train one with --for compress")
    model.eval()
    chosen = np.linspace(0, len(samples) - 1, min(CALIBRATION, len(samples))).astype(np.int64)
    crops = [np.asarray(samples.values[int(i)]) for i in chosen]
    high, wide = (min(256, max(16, min(crop.shape[axis] for crop in crops))) for axis in (0, 1))
    fitting = [crop[:high, :wide] for crop in crops if crop.shape[0] >= high and crop.shape[1] >= wide]
    x = to_tensor(np.stack(fitting or [np.resize(crops[0], (high, wide, crops[0].shape[2]))]), model.description)
    codec = levels_codec(model.prior.cpu(), x)
    card = {"config": model.config.to_json(), "description": model.description.to_json()}
    text = json.dumps(card, separators=(",", ":"), sort_keys=True).encode()
    weights = [_whole(tensor) for _, tensor in sorted(model.part("decoder").state_dict().items())]
    scales = np.array([scale for _, scale in weights], np.int64)
    head = [np.array([VERSION, len(weights)]), np.frombuffer(text, np.uint8), scales]
    return pack_arrays([*head, *(array for array, _ in weights), *codec.to_arrays()])


def _whole(tensor: torch.Tensor) -> tuple[Integers, int]:
    """A tensor as whole numbers of at most 16 bits and the power of 2 that they count."""
    values = tensor.detach().cpu().double().numpy()
    largest = float(np.abs(values).max(initial=0))
    if not largest:
        return np.zeros(values.shape, np.int64), 0
    scale = math.ceil(math.log2(largest / (2**15 - 1)))
    if values.size >= LARGE:
        scale = max(scale, math.floor(math.log2(max(float(values.std()), 1e-30) * SHARE)))
    return np.rint(values * 2.0**-scale).astype(np.int64), scale


class LossyCodec:
    """What decodes at any quality, from the bytes of a compact model; and encodes, since nothing learned is needed
    for it beside the density of the levels."""

    def __init__(self, packed: bytes) -> None:
        """Raises `ModelError` or `ArchiveError` for other bytes."""
        arrays = iter(unpack_arrays(packed))
        try:
            version, count = next(arrays).tolist()
            if version != VERSION:
                raise ModelError(f"a compact model of version {version}; update narrows")
            card = json.loads(next(arrays).astype(np.uint8).tobytes())
            scales = next(arrays)
            weights = [next(arrays) for _ in range(count)]
            config, self.description = Config(**card["config"]), Description.from_json(card["description"])
            _check(config, self.description, scales)
            with torch.device("meta"):
                model = build(
                    self.description, config.network, config.code, config.width or None, purpose=config.purpose
                )
            names = sorted(model.part("decoder").state_dict())
            floats = {
                name: torch.from_numpy((array * 2.0 ** int(scale)).astype(np.float32))
                for name, array, scale in zip(names, weights, scales, strict=True)
            }
            self.decoder: nn.Module = model.part("decoder").eval()
            self.decoder.load_state_dict(floats, strict=True, assign=True)
        except ModelError:
            raise
        except (StopIteration, ValueError, TypeError, KeyError, RuntimeError, OverflowError):
            raise ModelError("a compact model that is damaged; make the model again") from None
        self.levels = LevelsCodec.from_arrays(arrays)
        if next(arrays, None) is not None:
            raise ModelError("a compact model with more in it than it should have; make the model again")

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


def _check(config: Config, description: Description, scales: Integers) -> None:
    """Raise ValueError or TypeError for what no model that codes levels has."""
    if config.purpose != "compress" or description.kind != "images" or np.abs(scales).max(initial=0) > 64:
        raise ValueError
    if np.dtype(description.dtype).kind not in "uif" or not float(description.low) < float(description.high):
        raise ValueError


def _digest(levels: Sequence[Integers]) -> bytes:
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for image in levels:
        state.update(np.ascontiguousarray(image, np.uint8).tobytes())
    return state.digest()
