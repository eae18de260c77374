"""Images to integers' bytes and back exactly, each value under the distribution that a model in exact integers gives.

Encoder and decoder take one walk: from the coarsest pixels to the finest, pass by pass as `networks.pixels` has them.
Next door: `quantise` makes the model, `exact` evaluates it, `coder` spends the bits, `blocks` stores the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from narrows.codecs.compact_model import pack_arrays, unpack_arrays
from narrows.entropy.coder import Decoder, Encoder
from narrows.entropy.cumulative import LOGIT_BITS, PRECISION, Integers, Tables, from_logits, from_weights
from narrows.entropy.integer_networks import Exact, from_arrays, to_arrays
from narrows.errors import ArchiveError, ModelError
from narrows.io.arrays import Array
from narrows.networks.pixels import DIGITS, LEVELS, Pass, passes

VALUES = 256
VALUE_BITS = 8  # a value of 256 is 1.0 for the networks
VERSION = 1
BATCH_VALUES = 1 << 18  # of images that are coded together; part of the format, as is the next
TILE = 512  # pixels; larger images are coded in pieces, so that memory is bounded
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ExactStep:
    """The networks of one pass (see `networks.pixels.Step`) in whole numbers."""

    features: Exact
    high: Exact
    low: Exact


@dataclass(frozen=True)
class PixelCodec:
    """The model of images of `channels` channels in whole numbers. `base` has a table of values for each channel;
    `levels` the passes of every level, finest first."""

    channels: int
    base: Integers
    levels: tuple[tuple[ExactStep, ...], ...]

    def to_bytes(self) -> bytes:
        """The compact model."""
        arrays = [np.array([VERSION, self.channels, len(self.levels)]), self.base]
        for steps in self.levels:
            for step in steps:
                arrays += [*to_arrays(step.features), *to_arrays(step.high), *to_arrays(step.low)]
        return pack_arrays(arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> PixelCodec:
        """The inverse; raises `ModelError` or `ArchiveError` for other bytes."""
        arrays = iter(unpack_arrays(data))
        try:
            version, channels, count = next(arrays).tolist()
            base = next(arrays)
        except (StopIteration, TypeError, ValueError):
            raise ModelError("a compact model that is damaged; make the model again") from None
        if version != VERSION or not 1 <= channels <= 4 or count != LEVELS or base.shape != (channels, VALUES):
            raise ModelError("a compact model of a kind that this narrows does not know; update narrows")
        known = [len(p.known) for p in passes(channels)]
        levels = []
        for _ in range(count):
            steps = tuple(ExactStep(*(from_arrays(arrays) for _ in range(3))) for _ in known)
            levels.append(steps)
            for step, p in zip(steps, passes(channels), strict=True):
                _check(step, p)
        if next(arrays, None) is not None:
            raise ModelError("a compact model with more in it than it should have; make the model again")
        if (base < 0).any() or not 0 < base.sum(axis=1).min() <= base.sum(axis=1).max() < 1 << 38:
            raise ModelError("a compact model whose tables are none; make the model again")
        return cls(channels, base, tuple(levels))

    @property
    def tables(self) -> Tables:
        """The tables of the pixels outside all passes, a channel each."""
        return Tables(tuple(from_weights(np.append(row, 0)) for row in self.base), (0,) * self.channels)

    def encode(self, images: Sequence[Array], error: int = 0) -> bytes:
        """Images `(H, W, C)` of values 0..255, of any sizes; each value comes back within `error`."""
        coder = Encoder()
        pieces = [image[piece] for image in images for piece in tiles(image.shape)]
        for part in batches([piece.shape for piece in pieces]):
            stack = stepped(np.stack([pieces[i] for i in part]).astype(np.int64), error)
            self.walk(coder, stack, stack.shape, error)
        return coder.finish()

    def decode(self, data: bytes, shapes: Sequence[tuple[int, ...]], error: int = 0) -> list[Integers]:
        """The inverse of `encode`; raises `ArchiveError` where the bytes are seen to be no code."""
        coder = Decoder(data)
        images = [np.zeros(shape, np.int64) for shape in shapes]
        pieces = [image[piece] for image in images for piece in tiles(image.shape)]
        for part in batches([piece.shape for piece in pieces]):
            found = self.walk(coder, None, (len(part), *pieces[part[0]].shape), error)
            for i, piece in zip(part, found, strict=True):
                pieces[i][:] = piece  # a view of its image
        coder.finish()
        return images

    def walk(
        self, coder: Encoder | Decoder, images: Integers | None, shape: tuple[int, ...], error: int = 0
    ) -> Integers:
        """Code images `(N, H, W, C)` (None when decoding), coarse to fine; returns them. With an `error`, values
        are multiples of 2 E + 1, or 255."""
        count, height, width, channels = shape
        start = 1 << LEVELS
        corner = (count, -(-height // start), -(-width // start), channels)
        given = None if images is None else images[:, ::start, ::start].reshape(-1)
        which = np.broadcast_to(np.arange(channels), corner).reshape(-1)
        known = coder.by_table(given, which, self.tables).reshape(corner)
        if (known < 0).any() or (known >= VALUES).any():
            raise ArchiveError("a damaged block: a value outside 0..255")
        for level in reversed(range(LEVELS)):
            stride = 1 << level
            size = (-(-height // stride), -(-width // stride))
            true = None if images is None else images[:, ::stride, ::stride]
            known = self._level(coder, level, true, known, size, error)
        return known

    def _level(
        self,
        coder: Encoder | Decoder,
        level: int,
        true: Integers | None,
        known: Integers,
        size: tuple[int, int],
        error: int,
    ) -> Integers:
        """Code what lies between the known pixels `(N, h, w, C)`; returns the image `(N, *size, C)`."""
        count, high, wide, channels = known.shape
        planes = np.zeros((count, high, wide, 4 * channels), np.int64)
        planes[..., ::4] = known
        wanted = None if true is None else cells_of(true)
        inside = cells_of(np.ones((1, *size, 1), np.int64))[0] > 0  # (h, w, 4)
        for step, p in zip(self.levels[level], passes(channels), strict=True):
            targets = list(p.targets)
            within = inside[..., [t % 4 for t in targets]]  # (h, w, T)
            if within.any():
                values = None if wanted is None else wanted[..., targets][:, within]  # (N, M)
                code = _within_error if error else _values
                planes[..., targets] = code(coder, step, planes[..., p.known], values, within, error)
        image = planes.reshape(count, high, wide, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
        return image.reshape(count, 2 * high, 2 * wide, channels)[:, : size[0], : size[1]]


def _values(
    coder: Encoder | Decoder, step: ExactStep, known: Integers, values: Integers | None, within: Mask, error: int
) -> Integers:
    """Code the values `(N, M)` of one pass, both digits; returns its planes `(N, h, w, T)`, 0 outside the image."""
    features = step.features(torch.from_numpy(known))
    planes = np.zeros((len(known), *within.shape), np.int64)

    def digit(network: Exact, x: torch.Tensor, symbols: Integers | None) -> Integers:
        parts = _parts(network, x, within)
        return coder.by_parts(None if symbols is None else symbols.reshape(-1), parts).reshape(len(known), -1)

    first = digit(step.high, features, None if values is None else values // DIGITS)
    planes[:, within] = first
    given = _with_marks(step, features, torch.from_numpy(planes))
    planes[:, within] = first * DIGITS + digit(step.low, given, None if values is None else values % DIGITS)
    return planes


def _within_error(
    coder: Encoder | Decoder, step: ExactStep, known: Integers, values: Integers | None, within: Mask, error: int
) -> Integers:
    """The same for values that stand for all within `error` of them: their parts are summed. All first digits
    have to be tried; those of the other targets are not known then and are left unmarked."""
    features = step.features(torch.from_numpy(known))
    firsts = _parts(step.high, features, within)  # (N M, 16)
    joint = np.empty((len(firsts), DIGITS, DIGITS), np.int64)
    for first in range(DIGITS):
        for target in range(within.shape[2]):
            planes = torch.full((len(known), *within.shape), -1)
            planes[..., target] = first
            own = np.zeros_like(within)
            own[..., target] = within[..., target]
            seconds = _parts(step.low, _with_marks(step, features, planes), own)
            chosen = np.tile(own[within], len(known))
            # 2**24 squared, in a scale whose sum over 256 values stays below 2**38.
            joint[chosen, first] = seconds * firsts[chosen, first, None] >> PRECISION - 6
    edges = np.arange(0, VALUES + error, 2 * error + 1)  # the values that stay
    starts = np.maximum(edges - error, 0)
    sums = np.add.reduceat(joint.reshape(len(joint), VALUES), starts, axis=1)
    symbols = None if values is None else ((values + error) // (2 * error + 1)).reshape(-1)
    # With one value left there is nothing to say.
    found = coder.by_parts(symbols, from_weights(sums)) if len(edges) > 1 else np.zeros(len(sums), np.int64)
    planes_ = np.zeros((len(known), *within.shape), np.int64)
    planes_[:, within] = np.minimum(found * (2 * error + 1), VALUES - 1).reshape(len(known), -1)
    return planes_


def _parts(network: Exact, x: torch.Tensor, within: Mask) -> Integers:
    """The tables of the digits inside the image, `(N M, 16)`."""
    logits = network(x).view(len(x), *within.shape, DIGITS).numpy()[:, within]
    return from_logits(logits.reshape(-1, DIGITS))


def _with_marks(step: ExactStep, features: torch.Tensor, digits: torch.Tensor) -> torch.Tensor:
    """Features `(N, h, w, F)` and digits `(N, h, w, T)`, these one-hot: what `low` sees."""
    marks = (digits[..., None] == torch.arange(DIGITS)).flatten(3)
    return torch.cat([features, marks * float(1 << step.features.bits_out)], dim=3)


def stepped(values: Integers, error: int) -> Integers:
    """The multiples of 2 E + 1, or 255, that stand for values 0..255."""
    step = 2 * error + 1
    return np.minimum((values + error) // step * step, VALUES - 1) if error else values


def tiles(shape: tuple[int, ...], side: int | None = None) -> list[tuple[slice, slice]]:
    """The pieces of an image `(H, W, C)` that are coded one by one, of `side` (else `TILE`) pixels a side or less."""
    side = TILE if side is None else side
    return [
        (slice(top, top + side), slice(left, left + side))
        for top in range(0, shape[0], side)
        for left in range(0, shape[1], side)
    ]


def cells_of(images: Integers) -> Integers:
    """`networks.pixels.cells` for `(N, H, W, C)`: planes `(N, h, w, 4 C)` of 2x2 cells, 0 beyond the image."""
    count, height, width, channels = images.shape
    padded = np.pad(images, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    split = padded.reshape(count, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2, channels)
    return split.transpose(0, 1, 3, 5, 2, 4).reshape(count, *split.shape[1:4:2], 4 * channels)


def batches(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Runs of neighbours of one shape, as many as have at most `BATCH_VALUES` values together."""
    part: list[int] = []
    for index, shape in enumerate(shapes):
        if part and (shape != shapes[part[0]] or (len(part) + 1) * math.prod(shape) > BATCH_VALUES):
            yield part
            part = []
        part.append(index)
    if part:
        yield part


def _check(step: ExactStep, p: Pass) -> None:
    """Raise `ModelError` unless the networks fit together and to the pass."""
    out = DIGITS * len(p.targets)
    width = len(step.features.layers[-1].weight)
    ends = [(n.layers[0].weight.shape[1], len(n.layers[-1].weight)) for n in (step.features, step.high, step.low)]
    if ends != [(len(p.known), width), (width, out), (width + out, out)] or step.features.bits_in != VALUE_BITS:
        raise ModelError("a compact model whose networks do not fit together; make the model again")
    if any(n.bits_in != step.features.bits_out or n.bits_out != LOGIT_BITS for n in (step.high, step.low)):
        raise ModelError("a compact model whose networks differ in scale; make the model again")
