"""Photos, drawings and vectors at a quality: their transform, in whole steps, coded exactly.

Images whose sides are longer than 2048 pixels are coded in sections of that size, each alone, so that memory is
bounded. Encoder and decoder of the transform run in float32: another machine may choose other numbers when it
encodes, but what was chosen is decoded to the same numbers everywhere.
Next door: `latents` and `factorized` have the walk, `decoder` makes samples of codes, `make` makes the model.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.archive.digest import digest_of
from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs import decoder, grid, weights
from narrows.codecs.base import FACTORIZED, TRANSFORM, Coded, Way
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.decoder import SampleDecoder, dial
from narrows.codecs.factorized import Factorized
from narrows.codecs.latents import IntegerPrior
from narrows.codecs.packed_arrays import unpack_arrays
from narrows.codecs.references import References
from narrows.data.batches import to_tensor
from narrows.data.similarity import thumbnail_size
from narrows.entropy.coder import RangeDecoder, RangeEncoder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.integer_networks import plain_products
from narrows.entropy.passes import CODE_SECTION
from narrows.errors import ModelError
from narrows.io.arrays import Array
from narrows.models.lossy import Lossy

Section = tuple[slice, ...]


class TransformWay(Way):
    """Samples of the model's dtype at a quality: images of its channels, or of exactly its shape, and vectors of its
    length. It encodes where the model has its `encoder`."""

    def __init__(
        self,
        make: SampleDecoder,
        density: IntegerPrior | Factorized,
        quality: int,
        encoder: nn.Module | None = None,
        references: References | None = None,
    ) -> None:
        """Raises `ModelError` where the parts do not fit together."""
        self.make, self.density, self.quality, self.encoder = make, density, quality, encoder
        self.references = references
        if density.channels != make.code or density.spatial != bool(make.grid.step):
            raise ModelError("a compact model whose parts do not fit together; make the model again")

    def fits(self, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bool:
        own = self.make.description
        if dtype != np.dtype(own.dtype):
            return False
        if not self.make.grid.step:
            return all(s == own.shape for s in shapes)
        return all(len(s) == 3 and s[2] == own.channels for s in shapes)

    def encode(self, samples: Sequence[Array]) -> Coded:
        if self.encoder is None:
            raise ModelError("this model came with an archive and only decodes; give the model file with -m")
        coder, found = RangeEncoder(), []
        for part in _parts([s.shape for s in samples]):
            images = np.stack([samples[i][section] for i, section in part])
            codes = self._analysed(self.encoder, to_tensor(images, self.make.description))
            references = self._references(images.shape[1:])
            reference = None
            if references is not None:
                reference = references.walk(coder, references.like(images), len(images))
            found.append(self.density.walk(coder, codes, codes.shape, self.quality, reference))
        return Coded(coder.finish(), digest_of(found))

    def decode(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> tuple[list[Array], bytes]:
        every, samples = [], [np.empty(shape, self.make.description.dtype) for shape in shapes]
        for part, size, found in self._codes(data, shapes):
            every.append(found)
            for (i, section), sample in zip(part, self._synthesised(found, size), strict=True):
                samples[i][section] = sample
        return samples, digest_of(every)

    def digest(self, data: bytes, shapes: Sequence[Shape], dtype: np.dtype[np.generic]) -> bytes:
        return digest_of(found for _, _, found in self._codes(data, shapes))

    def _codes(
        self, data: bytes, shapes: Sequence[Shape]
    ) -> Iterator[tuple[list[tuple[int, Section]], Shape, Integers]]:
        """The sections that were coded together, their size and their codes."""
        coder = RangeDecoder(data)
        for part in _parts(shapes):
            number, section = part[0]
            size = _size(section, shapes[number])
            references = self._references(size)
            reference = None if references is None else references.walk(coder, None, len(part))
            shape = (len(part), *self._code_shape(size))
            yield part, size, self.density.walk(coder, None, shape, self.quality, reference)
        coder.finish()

    def _references(self, size: Shape) -> References | None:
        """Those of samples of this shape."""
        return self.references if size == self.make.description.shape else None

    def _code_shape(self, size: Shape) -> Shape:
        """Shape `(h, w, K)` of the code of a section."""
        own = self.make.grid
        sides = (own.padded(n) // own.step for n in size[:2]) if own.step else (1, 1)
        return (*sides, self.density.channels)

    @torch.no_grad()
    def _analysed(self, encoder: nn.Module, x: torch.Tensor) -> Doubles:
        """The codes `(N, h, w, K)` of samples in 0..1."""
        if self.make.grid.step:
            below, right = (self.make.grid.padded(n) - n for n in x.shape[2:])
            x = functional.pad(x, (0, right, 0, below), mode="replicate")
        with plain_products(torch.device("cpu")):
            code = encoder(x, dial(self.quality, len(x)))
        code = code if code.ndim == 4 else code[:, :, None, None]
        return np.ascontiguousarray(code.permute(0, 2, 3, 1).double().numpy())

    def _synthesised(self, found: Integers, size: Shape) -> Array:
        """Samples `(N, *size)` of walked codes, in the dtype and range of the model's own."""
        x = torch.from_numpy(self.density.values(found).astype(np.float32)).permute(0, 3, 1, 2)
        return self.make(x if self.make.grid.step else x[:, :, 0, 0], size, self.quality)


@functools.lru_cache(64)
def _sections(shape: Shape) -> tuple[Section, ...]:
    """The parts of a sample that are coded alone."""
    return ((slice(None),),) if len(shape) == 1 else tuple(grid.sections(shape, CODE_SECTION))


@functools.lru_cache(64)
def _sizes(shape: Shape) -> tuple[Shape, ...]:
    """The shapes of these parts."""
    return tuple(_size(section, shape) for section in _sections(shape))


def _size(section: Section, shape: Shape) -> Shape:
    return (*(len(range(*s.indices(n))) for s, n in zip(section, shape, strict=False)), *shape[len(section) :])


def _parts(shapes: Sequence[Shape]) -> Iterator[list[tuple[int, Section]]]:
    """Sections of samples that are coded together: neighbours of one shape."""
    found = [(i, section) for i, shape in enumerate(shapes) for section in _sections(shape)]
    for part in grid.coded_together([size for shape in shapes for size in _sizes(shape)]):
        yield [found[number] for number in part]


def open_transform(promise: Promise, model: CompactModel | None) -> TransformWay:
    """The way of a compact model whose codes are predicted."""
    return _opened(TRANSFORM, promise, model)


def open_factorized(promise: Promise, model: CompactModel | None) -> TransformWay:
    """The way of a compact model whose codes are not predicted."""
    return _opened(FACTORIZED, promise, model)


def _opened(way: int, promise: Promise, compact: CompactModel | None) -> TransformWay:
    assert compact is not None
    assert promise.quality is not None
    arrays = iter(unpack_arrays(compact.decoding))
    model, make = decoder.from_arrays(way, arrays)
    density: IntegerPrior | Factorized
    references = None
    if way == FACTORIZED:
        density = Factorized.from_arrays(arrays)
    else:
        density = IntegerPrior.from_arrays(arrays, model.specification.memory > 0)
        if model.specification.memory:
            references = _references(model, density, next(arrays, np.empty(0, np.int64)), compact)
    if next(arrays, None) is not None or (compact.references and references is None):
        raise ModelError("a compact model with more in it than it should have; make the model again")
    return TransformWay(make, density, promise.quality, _encoder(model, compact.encoding), references)


def _encoder(model: Lossy, encoding: bytes) -> nn.Module | None:
    """The encoder of a model that has it."""
    if not encoding:
        return None
    try:
        return weights.from_arrays(model.encoder, iter(unpack_arrays(encoding)))
    except decoder.DAMAGE:
        raise ModelError("a model whose encoder is damaged; make the model again") from None


def _references(model: Lossy, prior: IntegerPrior, lengths: Integers, compact: CompactModel) -> References:
    """The references of a model; raises `ModelError` where they do not fit it."""
    payloads, thumbnails = compact.references, compact.thumbnails
    fits = len(lengths.shape) == 1 and 1 <= len(lengths) <= model.specification.memory and bool((lengths >= 0).all())
    fits = fits and lengths.max() <= len(payloads) and lengths.sum() == len(payloads)
    if not fits or len(thumbnails) not in (0, len(lengths) * thumbnail_size(model.description.shape)):
        raise ModelError("a compact model whose references are damaged; make the model again")
    ends = np.cumsum(lengths).tolist()
    parts = [payloads[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]
    rows = np.frombuffer(thumbnails, np.int8).reshape(len(parts), -1).astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
    high, wide = model.code_shape[1:]
    return References(prior, (high, wide, prior.channels), parts, rows if thumbnails else None)
