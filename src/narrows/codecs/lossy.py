"""Samples to bytes and back at a quality: whole numbers are coded exactly, and the decoder makes samples of them.

A compact model holds the density of the numbers in exact integers and the decoder's weights in at most 16 bits. The
decoder runs in float32, so that samples made on another machine may differ by 1 in a last place; the numbers, whose
digest a block has, never do.
Next door: `levels` has the walk; `blocks` stores the result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from narrows.archive.digest import digest_of
from narrows.archive.parallel import in_order
from narrows.codecs import weights
from narrows.codecs.calibrate import flat_codec, latents_codec
from narrows.codecs.compact_model import pack_arrays, unpack_arrays
from narrows.codecs.factorized import FlatCodec
from narrows.codecs.latents import LatentsCodec
from narrows.codecs.levels import LevelsCodec, dials, levels_codec
from narrows.codecs.pixels import batches, tiles
from narrows.codecs.references import Memory, remembered
from narrows.codecs.transform import TransformCodec
from narrows.data.batches import Indices, from_tensor, to_tensor
from narrows.data.samples import Description, Samples
from narrows.data.similarity import Floats, likenesses, spread, thumbnail_size
from narrows.entropy.coder import Decoder, Encoder
from narrows.entropy.cumulative import Integers
from narrows.entropy.integer_networks import plain_products
from narrows.errors import ModelError, SettingsError
from narrows.io.arrays import Array
from narrows.models.base import Specification
from narrows.models.catalogue import rebuild
from narrows.models.lossy import Lossy, companions
from narrows.networks.levels import Levels
from narrows.networks.prior import RECALL_DIAL

VERSION = 1
VECTORS = 2048  # that decide the ranges of the exact networks
MOST_VALUES = 1 << 40  # of a sample of one size
DAMAGE = (StopIteration, ValueError, TypeError, LookupError, RuntimeError, OverflowError, SettingsError)
Shape = tuple[int, ...]


def pack(model: Lossy, samples: Samples) -> bytes:
    """The compact model of a trained one; a few of the samples it was trained on decide ranges.

    Made once, when training has ended, and stored with the model: other machines might round otherwise.
    """
    model.eval()
    card = {"specification": model.specification.to_json(), "description": model.description.to_json()}
    text = json.dumps(card, separators=(",", ":"), sort_keys=True).encode()
    decoder = weights.to_arrays(model.decoder.cpu())
    head = [np.array([VERSION, len(decoder) - 1]), np.frombuffer(text, np.uint8), *decoder]
    if isinstance(model.prior, Levels):
        return pack_arrays([*head, *levels_codec(model.prior.cpu(), _few(model, samples, 128, 256)).to_arrays()])
    encoder, prior, x = model.encoder.cpu(), model.prior.cpu(), model.pad(_few(model, samples, 64, 128))
    encoding = pack_arrays(weights.to_arrays(encoder))
    if prior.flat:
        flat = flat_codec(prior, lambda dial: _coded(encoder, x, dial), len(x))
        return weights.joined(pack_arrays([*head, *flat.to_arrays()]), encoding)
    likes = companions(model, samples)
    beside = None
    if likes is not None:
        like = model.pad(_few(model, samples, 64, 128, likes))
        beside = prior.recalled(_coded(encoder, like, torch.full((len(like),), RECALL_DIAL)))
    latents = latents_codec(prior, lambda dial: _coded(encoder, x, dial), len(x), beside)
    arrays = [*head, *latents.to_arrays()]
    if likes is None:
        return weights.joined(pack_arrays(arrays), encoding)
    payloads, likeness = _remembered(model, samples, latents)
    decoding = pack_arrays([*arrays, np.array([len(p) for p in payloads])])
    decoding = weights.joined(decoding, b"".join(payloads), weights.RECALLED)
    return weights.joined(decoding, weights.joined(encoding, likeness.tobytes(), weights.RECALLED))


def _remembered(model: Lossy, samples: Samples, latents: LatentsCodec) -> tuple[list[bytes], npt.NDArray[np.int8]]:
    """The bytes of every sample that the model remembers, and thumbnails to find them by, `(M, D)`."""

    def one(i: int) -> tuple[bytes, Floats]:
        image = np.asarray(samples.values[i : i + 1])
        x = model.pad(to_tensor(image, model.description))
        code = _coded(model.encoder, x, torch.tensor([RECALL_DIAL]))
        return remembered(latents, code[0].permute(1, 2, 0).double().numpy()), likenesses(image)[0]

    chosen = spread(len(samples), model.specification.memory).tolist()
    payloads, thumbnails = zip(*in_order(partial(one, i) for i in chosen), strict=True)
    found = np.stack(thumbnails)
    return list(payloads), np.rint(found * (127 / np.abs(found).max(initial=1e-9))).astype(np.int8)


def _few(model: Lossy, samples: Samples, count: int, side: int, others: Indices | None = None) -> torch.Tensor:
    """Some of the samples in 0..1: vectors, or `count` images, or pieces of them of at most `side` pixels a side; or
    in the place of each image of the set the one that `others` names."""
    if not model.grid.step:
        chosen = np.linspace(0, len(samples) - 1, min(VECTORS, len(samples))).astype(np.int64)
        return to_tensor(np.asarray(samples.values[chosen]), model.description)
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64)
    chosen = chosen if others is None else others[chosen]
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
    packed, recalled = weights.parted(packed, weights.RECALLED)
    encoder, thumbnails = weights.parted(encoder, weights.RECALLED)
    model, arrays = _read(packed)
    count, density = model.specification.memory, _density(model, arrays)
    memory = None
    if isinstance(density, LatentsCodec) and count:
        memory = _memory(model, density, next(arrays, np.empty(0, np.int64)), recalled, thumbnails)
    if next(arrays, None) is not None or (recalled and memory is None):
        raise ModelError("a compact model with more in it than it should have; make the model again")
    if isinstance(density, LevelsCodec):
        return LossyCodec(model.description, model.decoder, density)
    half = None
    if encoder:
        try:
            rest = iter(unpack_arrays(encoder))
            half = weights.from_arrays(model.encoder, rest)
        except DAMAGE:
            raise ModelError("a model whose encoder is damaged; make the model again") from None
    return TransformCodec(model, density, half, memory)


def _density(model: Lossy, arrays: Iterator[Integers]) -> LevelsCodec | LatentsCodec | FlatCodec:
    if isinstance(model.prior, Levels):
        return LevelsCodec.from_arrays(arrays)
    if model.prior.flat:
        return FlatCodec.from_arrays(arrays)
    return LatentsCodec.from_arrays(arrays, model.specification.memory > 0)


def _memory(model: Lossy, latents: LatentsCodec, lengths: Integers, recalled: bytes, thumbnails: bytes) -> Memory:
    """What a model remembers; raises `ModelError` where it does not fit the model."""
    fits = len(lengths.shape) == 1 and 1 <= len(lengths) <= model.specification.memory and bool((lengths >= 0).all())
    fits = fits and lengths.max() <= len(recalled) and lengths.sum() == len(recalled)
    if not fits or len(thumbnails) not in (0, len(lengths) * thumbnail_size(model.description.shape)):
        raise ModelError("a compact model whose memory is damaged; make the model again")
    ends = np.cumsum(lengths).tolist()
    payloads = [recalled[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]
    high, wide = model.code_shape[1:]
    likeness = np.frombuffer(thumbnails, np.int8).reshape(len(payloads), -1).astype(np.float32)
    likeness /= np.maximum(np.linalg.norm(likeness, axis=1, keepdims=True), 1)
    return Memory(latents, (high, wide, latents.channels), payloads, likeness if thumbnails else None)


def _read(packed: bytes) -> tuple[Lossy, Iterator[Integers]]:
    """A model with its decoder's weights, and the arrays that follow them."""
    arrays = iter(unpack_arrays(packed))
    try:
        version, count = next(arrays).tolist()
        if version != VERSION:
            raise ModelError(f"a compact model of version {version}; update narrows")
        card = json.loads(next(arrays).astype(np.uint8).tobytes())
        specification, description = (
            Specification(**card["specification"]),
            Description.from_json(card["description"]),
        )
        _check(specification, description)
        with torch.device("meta"):
            model = rebuild(description, specification)
        if (
            not isinstance(model, Lossy)
            or len(model.decoder.state_dict()) != count
            or model.specification != specification
        ):
            raise ValueError
        weights.from_arrays(model.decoder, arrays)
        return model, arrays
    except ModelError:
        raise
    except DAMAGE:
        raise ModelError("a compact model that is damaged; make the model again") from None


class LossyCodec:
    """What decodes at any quality by levels; and encodes, since nothing learned is needed for it beside their
    density."""

    def __init__(self, description: Description, decoder: torch.nn.Module, levels: LevelsCodec) -> None:
        """Raises `ModelError` where the parts do not fit together."""
        if levels.channels != description.channels:
            raise ModelError("a compact model whose parts do not fit together; make the model again")
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
        levels = self._levels(data, shapes, quality)
        return self._samples(levels, quality), _digest(levels)

    def digest(self, data: bytes, shapes: Sequence[Shape], quality: int) -> bytes:
        """The digest of their levels alone, which is all that a check needs. Raises as `decode` does."""
        return _digest(self._levels(data, shapes, quality))

    def _levels(self, data: bytes, shapes: Sequence[Shape], quality: int) -> list[Integers]:
        coder = Decoder(data)
        levels = self._walk(coder, None, shapes, quality)
        coder.finish()
        return levels

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


def _check(wanted: Specification, description: Description) -> None:
    """Raise ValueError for what no model that codes at a quality has."""
    sizes = (wanted.code, wanted.width, wanted.memory, wanted.fold)
    if any(type(size) is not int for size in sizes):
        raise ValueError
    if wanted.purpose != "compress" or math.prod(description.shape) > MOST_VALUES:
        raise ValueError


def _digest(levels: Sequence[Integers]) -> bytes:
    return digest_of(image.astype(np.uint8) for image in levels)
