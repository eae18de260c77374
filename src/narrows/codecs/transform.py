"""Photos, drawings and vectors to bytes and back at a quality: their transform, in whole steps, coded exactly.

Images whose sides are longer than 2048 pixels are coded in pieces of that size, each alone, so that memory is
bounded. Both halves run in float32: another machine may choose other numbers when it encodes, but what was chosen is
decoded to the same numbers everywhere; samples made of them may differ by 1 in a last place.
Next door: `latents` has the walk, `lossy` the compact model.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.archive.digest import digest_of
from narrows.codecs.factorized import FlatCodec
from narrows.codecs.latents import QUALITIES, LatentsCodec
from narrows.codecs.pixels import batches, tiles
from narrows.codecs.references import Memory
from narrows.data.batches import from_tensor, to_tensor
from narrows.entropy.coder import Decoder, Encoder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.integer_networks import plain_products
from narrows.errors import ModelError
from narrows.io.arrays import Array
from narrows.models.lossy import Lossy
from narrows.networks.transform import PIECE

Shape = tuple[int, ...]
Piece = tuple[slice, ...]


class TransformCodec:
    """What decodes at any quality, and encodes where it has the `encoder`."""

    def __init__(
        self,
        model: Lossy,
        latents: LatentsCodec | FlatCodec,
        encoder: nn.Module | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Raises `ModelError` where the parts do not fit together."""
        self.grid, self.description, self.decoder = model.grid, model.description, model.decoder
        self.latents, self.encoder, self.memory = latents, encoder, memory
        if latents.channels != model.specification.code or latents.spatial != bool(model.grid.step):
            raise ModelError("a compact model whose parts do not fit together; make the model again")

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        """Whether the model is one of such samples."""
        own = self.description
        if not self.grid.step:
            return dtype == np.dtype(own.dtype) and all(s == own.shape for s in shapes)
        return dtype == np.dtype(own.dtype) and all(len(s) == 3 and s[2] == own.channels for s in shapes)

    def encode(self, samples: Sequence[Array], quality: int) -> tuple[bytes, bytes]:
        """Samples `(H, W, C)` or `(D,)` as bytes, and the digest of their codes. Raises `ModelError` for a model that
        only decodes."""
        if self.encoder is None:
            raise ModelError("this model came with an archive and only decodes; give the model file with -m")
        coder, found = Encoder(), []
        for part in _parts([s.shape for s in samples]):
            images = np.stack([samples[i][piece] for i, piece in part])
            codes = self._analysed(self.encoder, to_tensor(images, self.description), quality)
            memory = self._memory_of(images.shape[1:])
            beside = None if memory is None else memory.walk(coder, memory.like(images), len(images))
            found.append(self.latents.walk(coder, codes, codes.shape, quality, beside))
        return coder.finish(), digest_of(found)

    def decode(self, data: bytes, shapes: Sequence[Shape], quality: int) -> tuple[list[Array], bytes]:
        """Samples of bytes, and the digest of their codes. Raises `ArchiveError` for bytes seen to be no code."""
        every, samples = [], [np.empty(shape, self.description.dtype) for shape in shapes]
        for part, size, found in self._codes(data, shapes, quality):
            every.append(found)
            for (i, piece), sample in zip(part, self._made(found, size, quality), strict=True):
                samples[i][piece] = sample
        return samples, digest_of(every)

    def digest(self, data: bytes, shapes: Sequence[Shape], quality: int) -> bytes:
        """The digest of their codes alone, which is all that a check needs. Raises as `decode` does."""
        return digest_of(found for _, _, found in self._codes(data, shapes, quality))

    def _codes(
        self, data: bytes, shapes: Sequence[Shape], quality: int
    ) -> Iterator[tuple[list[tuple[int, Piece]], Shape, Integers]]:
        """The pieces that were coded together, their size and their codes."""
        coder = Decoder(data)
        for part in _parts(shapes):
            number, piece = part[0]
            size = _size(piece, shapes[number])
            memory = self._memory_of(size)
            beside = None if memory is None else memory.walk(coder, None, len(part))
            yield part, size, self.latents.walk(coder, None, (len(part), *self._code_shape(size)), quality, beside)
        coder.finish()

    def _memory_of(self, size: Shape) -> Memory | None:
        """What is remembered of samples of this shape."""
        return self.memory if size == self.description.shape else None

    def _code_shape(self, size: Shape) -> Shape:
        """Shape `(h, w, K)` of the code of a piece."""
        sides = (self.grid.padded(n) // self.grid.step for n in size[:2]) if self.grid.step else (1, 1)
        return (*sides, self.latents.channels)

    @torch.no_grad()
    def _analysed(self, encoder: nn.Module, x: torch.Tensor, quality: int) -> Doubles:
        """The codes `(N, h, w, K)` of samples in 0..1."""
        if self.grid.step:
            below, right = (self.grid.padded(n) - n for n in x.shape[2:])
            x = functional.pad(x, (0, right, 0, below), mode="replicate")
        with plain_products(torch.device("cpu")):
            code = encoder(x, _dial(quality).expand(len(x)))
        code = code if code.ndim == 4 else code[:, :, None, None]
        return np.ascontiguousarray(code.permute(0, 2, 3, 1).double().numpy())

    @torch.no_grad()
    def _made(self, found: Integers, size: Shape, quality: int) -> Array:
        """Samples `(N, *size)` of walked codes, in the dtype and range of the model's own."""
        values = self.latents.values(found).astype(np.float32)
        x = torch.from_numpy(values).permute(0, 3, 1, 2)
        with plain_products(torch.device("cpu")):
            y = self.decoder(x if self.grid.step else x[:, :, 0, 0], _dial(quality).expand(len(x)))
        y = y[..., : size[0], : size[1]] if self.grid.step else y
        return from_tensor(y, replace(self.description, shape=size))


def _dial(quality: int) -> torch.Tensor:
    return torch.linspace(-1, 1, QUALITIES)[quality - 1]


@functools.lru_cache(64)
def _pieces(shape: Shape) -> tuple[Piece, ...]:
    """The parts of a sample that are coded alone."""
    return ((slice(None),),) if len(shape) == 1 else tuple(tiles(shape, PIECE))


@functools.lru_cache(64)
def _sizes(shape: Shape) -> tuple[Shape, ...]:
    """The shapes of these parts."""
    return tuple(_size(piece, shape) for piece in _pieces(shape))


def _size(piece: Piece, shape: Shape) -> Shape:
    return (*(len(range(*s.indices(n))) for s, n in zip(piece, shape, strict=False)), *shape[len(piece) :])


def _parts(shapes: Sequence[Shape]) -> Iterator[list[tuple[int, Piece]]]:
    """Pieces of samples that are coded together: neighbours of one shape."""
    found = [(i, piece) for i, shape in enumerate(shapes) for piece in _pieces(shape)]
    for part in batches([size for shape in shapes for size in _sizes(shape)]):
        yield [found[number] for number in part]
