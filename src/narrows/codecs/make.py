"""From a trained model to its compact one: once, when training has ended, since other machines may round differently.

Next door: `calibrate` makes the densities, `weights` the networks; `tasks.train.fit` calls it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from narrows.archive.parallel import in_order
from narrows.codecs import decoder, weights
from narrows.codecs.advised import integer_advice
from narrows.codecs.base import ADVISED, CORRECTED, PIXELS
from narrows.codecs.calibrate import factorized, integer_prior, integer_pyramid
from narrows.codecs.calibrate_bands import integer_bands
from narrows.codecs.calibrate_images import integer_levels, integer_pixels, integer_residuals
from narrows.codecs.compact_model import CompactModel
from narrows.codecs.cores import one_core
from narrows.codecs.difference import smallest
from narrows.codecs.latents import IntegerPrior
from narrows.codecs.opening import usual_models
from narrows.codecs.packed_arrays import pack_arrays
from narrows.codecs.references import payload_of
from narrows.data.batches import Indices, chunks, to_tensor
from narrows.data.samples import Samples
from narrows.data.similarity import Floats, likenesses, spread
from narrows.models.density import Density
from narrows.models.lossy import Compressing, Lossy, companions
from narrows.networks.advice import Advice
from narrows.networks.bands import Bands
from narrows.networks.levels import Levels
from narrows.networks.loudness import loudness
from narrows.networks.prior import REFERENCE_DIAL
from narrows.networks.pyramid import PyramidPrior
from narrows.networks.residuals import Residuals

# Samples that decide the ranges of integer networks.
VECTORS, SIGNALS = 2048, 64
RANGE_SAMPLES, RANGE_CROP, RANGE_VALUES = 512, 128, 1 << 22  # images for exact pixels, their crops, values in all


def make_compact(model: Compressing, samples: Samples, alone: bool = False) -> None:
    """Make the compact model of a trained one, for encoding and decoding, and keep it in the model; some of the
    samples that it was trained on decide ranges. Unless it is to stand `alone`, it is stored as its difference from
    weights that come with narrows where that is smaller."""
    if isinstance(model, Density):
        promise, compact = "exact", compact_density(model, samples)
    else:
        assert isinstance(model, Lossy)
        promise, compact = "lossy", compact_lossy(model, samples)
    bases = [] if alone else [content for name, content in usual_models().items() if name == promise]
    model.keep_packed(promise, smallest(compact, bases).to_bytes())


def compact_density(model: Density, samples: Samples) -> CompactModel:
    """The compact model for exact coding."""
    network = model.pixels.cpu()
    if isinstance(network, Advice):
        few = np.linspace(0, len(samples) - 1, min(SIGNALS, len(samples))).astype(np.int64)
        signals = torch.cat(list(chunks(samples, few, model.recipe.crop)))
        return CompactModel(ADVISED, pack_arrays(integer_advice(network, signals).to_arrays()))
    images = _images(samples)
    if isinstance(network, Residuals):
        return CompactModel(CORRECTED, pack_arrays(integer_residuals(network, images).to_arrays()))
    return CompactModel(PIXELS, pack_arrays(integer_pixels(network, images).to_arrays()))


def compact_lossy(model: Lossy, samples: Samples) -> CompactModel:
    """The compact model for coding at a quality."""
    model.eval()
    way, head, prior = decoder.way_of(model), decoder.to_arrays(model), model.prior.cpu()
    if isinstance(prior, Levels):
        levels = integer_levels(prior, _few(model, samples, 128, 256))
        return CompactModel(way, pack_arrays([*head, *levels.to_arrays()]))
    signals = model.grid.axes == 1
    x = model.pad(_few_signals(model, samples) if signals else _few(model, samples, 64, 128))
    encoder = model.encoder.cpu()
    encoding, coded = pack_arrays(weights.to_arrays(encoder)), partial(_coded, encoder, x)
    if isinstance(prior, PyramidPrior):
        arrays = [*head, *integer_pyramid(prior, coded, len(x)).to_arrays()]
        return CompactModel(way, pack_arrays(arrays), encoding=encoding)
    if isinstance(prior, Bands):
        arrays = [*head, *integer_bands(prior, coded, len(x)).to_arrays()]
        return CompactModel(way, pack_arrays(arrays), encoding=encoding)
    if prior.flat:
        arrays = [*head, *factorized(prior, coded, len(x)).to_arrays()]
        return CompactModel(way, pack_arrays(arrays), encoding=encoding)
    likes, reference = companions(model, samples), None
    if likes is not None:
        like = model.pad(_few(model, samples, 64, 128, likes))
        reference = prior.as_reference(_coded(encoder, like, torch.full((len(like),), REFERENCE_DIAL)))
    integers = integer_prior(prior, coded, len(x), reference)
    arrays, references, thumbnails = [*head, *integers.to_arrays()], b"", b""
    if likes is not None:
        payloads, found = _references(model, samples, integers)
        arrays.append(np.array([len(p) for p in payloads]))
        references, thumbnails = b"".join(payloads), found.tobytes()
    return CompactModel(way, pack_arrays(arrays), references, encoding, thumbnails)


def _references(model: Lossy, samples: Samples, prior: IntegerPrior) -> tuple[list[bytes], npt.NDArray[np.int8]]:
    """The bytes of every sample that the model keeps, and their thumbnails `(M, D)`."""

    def one(i: int) -> tuple[bytes, Floats]:
        image = np.asarray(samples.values[i : i + 1])
        x = model.pad(to_tensor(image, model.description))
        with one_core():
            code = _coded(model.encoder, x, torch.tensor([REFERENCE_DIAL]))
            return payload_of(prior, code[0].permute(1, 2, 0).double().numpy()), likenesses(image)[0]

    chosen = spread(len(samples), model.specification.memory).tolist()
    payloads, thumbnails = zip(*in_order(partial(one, i) for i in chosen), strict=True)
    found = np.stack(thumbnails)
    return list(payloads), np.rint(found * (127 / np.abs(found).max(initial=1e-9))).astype(np.int8)


def _images(samples: Samples) -> torch.Tensor:
    """Some images in 0..1, or crops of larger ones."""
    few = np.linspace(0, len(samples) - 1, min(RANGE_SAMPLES, len(samples))).astype(np.int64)
    crop = RANGE_CROP if samples.description.varied or max(samples.description.shape[:2]) > RANGE_CROP else 0
    x = torch.cat(list(chunks(samples, few, crop)))
    return x[: max(1, RANGE_VALUES // x[0].numel())]


def _few(model: Lossy, samples: Samples, count: int, side: int, others: Indices | None = None) -> torch.Tensor:
    """Some of the samples in 0..1: vectors, or `count` images or sections of at most `side` pixels per side; with
    `others`, in place of each image the one that `others` names."""
    count = count if model.grid.step else VECTORS
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64)
    if not model.grid.step:
        return to_tensor(np.asarray(samples.values[chosen]), model.description)
    chosen = chosen if others is None else others[chosen]
    crops = [np.asarray(samples.values[int(i)]) for i in chosen]
    high, wide = (min(side, max(16, min(crop.shape[axis] for crop in crops))) for axis in (0, 1))
    fitting = [crop[:high, :wide] for crop in crops if crop.shape[0] >= high and crop.shape[1] >= wide]
    stack = np.stack(fitting or [np.resize(crops[0], (high, wide, crops[0].shape[2]))])
    return to_tensor(stack, model.description)


def _few_signals(model: Lossy, samples: Samples) -> torch.Tensor:
    """Crops of some signals at a level of 1, as long as those of training."""
    chosen = np.linspace(0, len(samples) - 1, min(SIGNALS, len(samples))).astype(np.int64)
    x = torch.cat(list(chunks(samples, chosen, model.grid.padded(model.recipe.crop))))
    return loudness(x).normal(x)


@torch.no_grad()
def _coded(encoder: nn.Module, x: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
    parts = zip(torch.split(x, 16), torch.split(dial, 16), strict=True)  # in pieces of bounded memory
    return torch.cat([encoder(part, own) for part, own in parts])
