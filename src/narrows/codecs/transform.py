"""Photos, drawings and vectors at a quality: their transform, in whole steps, coded exactly.

Images are coded in sections of at most 2048 pixels per side, to bound the memory. The transform runs in float32:
another machine may encode to other numbers, but bytes decode to the same numbers everywhere.
Next door: `latents` and `factorized` have the walk, `decoder` makes samples of codes, `make` makes the model.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from narrows.archive.entries import Shape
from narrows.archive.promise import Promise
from narrows.codecs import decoder, grid, weights
from narrows.codecs.bands import IntegerBands
from narrows.codecs.base import FACTORIZED, PYRAMID, TRANSFORM, WAVES, LearnedWay, Way
from narrows.codecs.colours import RGB, AnyColours
from narrows.codecs.compact_model import KEPT_MODELS, CompactModel
from narrows.codecs.cores import all_cores
from narrows.codecs.decoder import SampleDecoder, dial
from narrows.codecs.difference import arrays_of
from narrows.codecs.factorized import Factorized
from narrows.codecs.latents import IntegerPrior
from narrows.codecs.packed_arrays import unpack_arrays
from narrows.codecs.pyramid import IntegerPyramid
from narrows.codecs.references import References
from narrows.data.batches import to_tensor
from narrows.data.similarity import thumbnail_size
from narrows.entropy.coder import Coder
from narrows.entropy.cumulative import Doubles, Integers
from narrows.entropy.passes import CODE_SECTION
from narrows.entropy.products import plain_products
from narrows.errors import ModelError
from narrows.io.arrays import Array
from narrows.models.lossy import Lossy
from narrows.networks.bands import Bands
from narrows.networks.layers import Narrow
from narrows.surroundings import multiplies_bfloat16

Section = tuple[slice, ...]
Density = IntegerPrior | Factorized | IntegerPyramid
AnyDensity = Density | IntegerBands


class TransformWay(LearnedWay):
    """Samples of the model's dtype at a quality: images with its number of channels, or of exactly its shape, and
    vectors of its length. Without `encoder` it only decodes."""

    def __init__(
        self,
        make: SampleDecoder,
        density: Density,
        quality: int,
        encoder: nn.Module | None = None,
        references: References | None = None,
    ) -> None:
        """Raises `ModelError` if the parts do not fit together."""
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

    def walk(self, coder: Coder, samples: Sequence[Array] | None, shapes: Sequence[Shape]) -> list[Array]:
        found: list[Array] = []
        for part, size in _parts(shapes):
            codes = which = reference = None
            if samples is not None:
                images = np.stack([samples[i][section] for i, section in part])
                codes = self._analysed(images)
            if self.references is not None and size == self.make.description.shape:
                which = None if samples is None else self.references.like(images)
                reference = self.references.walk(coder, which, len(part))
            shape = (len(part), *self._code_shape(size))
            found.append(self.density.walk(coder, codes, shape, self.quality, reference))
        return found

    def samples(self, numbers: Sequence[Array], shapes: Sequence[Shape]) -> list[Array]:
        samples = [np.empty(shape, self.make.description.dtype) for shape in shapes]
        for (part, size), found in zip(_parts(shapes), numbers, strict=True):
            for (i, section), sample in zip(part, self._synthesised(found, size), strict=True):
                samples[i][section] = sample
        return samples

    def _code_shape(self, size: Shape) -> Shape:
        """Shape `(h, w, K)` of the code of a section."""
        own = self.make.grid
        sides = (own.padded(n) // own.step for n in size[:2]) if own.step else (1, 1)
        return (*sides, self.density.channels)

    @torch.no_grad()
    def _analysed(self, samples: Array) -> Doubles:
        """The codes `(N, h, w, K)` of samples `(N, H, W, C)` or `(N, D)`."""
        if self.encoder is None:
            raise ModelError("this model came with an archive and only decodes; give the model file with -m")
        x = to_tensor(samples, self.make.description)
        if self.make.grid.step:
            below, right = self.make.grid.lacks(x.shape[2:])
            x = functional.pad(x, (0, right, 0, below), mode="replicate")
        with all_cores(samples.size), plain_products(torch.device("cpu")):
            code = self.encoder(x, dial(self.quality, len(x)))
        code = code if code.ndim == 4 else code[:, :, None, None]
        return np.ascontiguousarray(code.permute(0, 2, 3, 1).double().numpy())

    def _synthesised(self, found: Integers, size: Shape) -> Array:
        """Samples `(N, *size)` of walked codes, in the dtype and range of the model's own."""
        x = torch.from_numpy(self.density.values(found).astype(np.float32)).permute(0, 3, 1, 2)
        with all_cores(len(x) * math.prod(size)):
            return self.make(x if self.make.grid.step else x[:, :, 0, 0], size, self.quality)


@functools.lru_cache(64)
def _sections(shape: Shape) -> list[tuple[Section, Shape]]:
    """The parts of a sample that are coded alone, and the shape of each."""
    sections = [(slice(None),)] if len(shape) == 1 else grid.sections(shape, CODE_SECTION)
    return [(section, np.broadcast_to(0, shape)[section].shape) for section in sections]


def _parts(shapes: Sequence[Shape]) -> Iterator[tuple[list[tuple[int, Section]], Shape]]:
    """Sections of samples that are coded together, neighbours of one shape; and that shape."""
    found = [(i, *part) for i, shape in enumerate(shapes) for part in _sections(shape)]
    for part in grid.coded_together([size for _, _, size in found]):
        yield [found[number][:2] for number in part], found[part[0]][2]


def open_transform(promise: Promise, compact: CompactModel | None, way: int = TRANSFORM) -> TransformWay:
    """The way of a compact model whose codes are predicted, or of one whose codes are not."""
    assert compact is not None
    assert promise.quality is not None
    make, density, encoder, references = opened(way, compact)
    assert not isinstance(density, IntegerBands)
    return TransformWay(make, density, promise.quality, encoder, references)


@functools.lru_cache(KEPT_MODELS)
def opened(way: int, compact: CompactModel) -> tuple[SampleDecoder, AnyDensity, nn.Module | None, References | None]:
    """The parts of a compact model, which all qualities share: archives of one model open it once."""
    arrays = iter(arrays_of(compact))
    model, make = decoder.from_arrays(way, arrays)
    density: AnyDensity
    references = None
    if way == FACTORIZED:
        density = Factorized.from_arrays(arrays)
    elif way == PYRAMID:
        density = IntegerPyramid.from_arrays(arrays)
    elif way == WAVES:
        assert isinstance(model.prior, Bands)
        density = IntegerBands.from_arrays(arrays, model.prior.worth)
    else:
        density = IntegerPrior.from_arrays(arrays, model.specification.memory > 0)
        if model.specification.memory:
            references = _references(model, density, next(arrays, np.empty(0, np.int64)), compact)
    if next(arrays, None) is not None or (compact.references and references is None):
        raise ModelError("a compact model with more in it than it should have; make the model again")
    encoder = _encoder(model, compact.encoding)
    for half in (make.network, encoder):
        if isinstance(half, Narrow):
            half.narrow = multiplies_bfloat16()
    return make, density, encoder, references


open_factorized = functools.partial(open_transform, way=FACTORIZED)


def open_pyramid(promise: Promise, compact: CompactModel | None) -> Way:
    """The way of a compact model of two resolutions; one for RGB takes grey pictures and alpha, too."""
    way = open_transform(promise, compact, PYRAMID)
    return AnyColours(way, lossy=True) if way.make.description.channels == RGB else way


def _encoder(model: Lossy, encoding: bytes) -> nn.Module | None:
    """The encoder of a model that has it."""
    if not encoding:
        return None
    try:
        return weights.from_arrays(model.encoder, iter(unpack_arrays(encoding)))
    except decoder.DAMAGE:
        raise ModelError("a model whose encoder is damaged; make the model again") from None


def _references(model: Lossy, prior: IntegerPrior, lengths: Integers, compact: CompactModel) -> References:
    """The references of a model; raises `ModelError` if they do not fit it."""
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
