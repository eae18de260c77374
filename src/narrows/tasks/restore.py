"""Damaged samples to restored ones: arrays in, arrays of the same dtype out.

Large images are restored in overlapping pieces. What is known, such as the pixels that are not missing, and their
alpha, comes back untouched. Next door: `missing` finds out which pixels are missing; `pictures` restores files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt

from narrows.data.batches import from_tensor, to_tensor
from narrows.data.samples import Samples, from_arrays
from narrows.data.tiles import tiles
from narrows.degradations import Grey, combined, parts_of
from narrows.degradations.base import Hints
from narrows.degradations.resample import larger
from narrows.errors import DataError, ModelError, SettingsError
from narrows.io.arrays import Array, Ragged
from narrows.models.base import Model
from narrows.models.loading import load
from narrows.models.restorer import Restoring
from narrows.surroundings import own
from narrows.tasks.adapting import adapted
from narrows.tasks.fitting import estimate, fitting, repeated
from narrows.tasks.missing import Mask, apart, masks_of
from narrows.tasks.restore_signals import fill_signals, restore_signals
from narrows.tasks.specialists import suited
from narrows.training.device import halved

TILE = 768  # pixels a side of a piece of the result
OVERLAP = 96  # pixels around what is kept of a piece: further than any network here sees noticeably
BATCH_PIXELS = 1 << 19  # of small images that go through together
VIEWS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
Effort = Literal["usual", "best"]


@own
def restore(
    model: Model | str | os.PathLike[str],
    samples: Any,
    *,
    strength: float | None = None,
    mask: Any = None,
    effort: Effort = "usual",
    report: Callable[[str, int, int | None], None] | None = None,
) -> Array | list[Array]:
    """Restore damaged samples with a model trained for it, its path, or the name of weights that come with the
    package ("photo-denoise", "photo-inpaint", "photo-upscale-2"): an array `(N, H, W, C)`, `(N, D)`, or of signals
    `(N, T, C)`, or a list of images or signals of differing sizes. They come back in the same dtype and range; from a
    model that upscales, larger. Grey images may go through a model for RGB, channels one by one through a model for
    signals of one.

    `strength` is the noise level as a share of the value range; if the model needs one and none is given, it is
    estimated for each sample. `mask`, for models that inpaint, is true where a pixel is missing: one `(H, W)` for all
    samples of one size, or one for each; of signals `(T,)`, or `(T, C)` where channels differ. "photo-inpaint" leaves
    samples of which single pixels are missing to "photo-inpaint-pixels", "photo-denoise" those that have not been
    JPEG files to "photo-denoise-noise". With `effort` "best" the result is the mean over eight turned and mirrored
    views (Timofte et al., CVPR 2016), in eight times the time; models that inpaint learn from what is known of each
    image first (see `tasks.adapting`), which takes half a minute more, of small ones less.

    Raises `ModelError` for samples that do not fit the model, `DataError` for a mask of another size, or one that
    marks all or nothing, `SettingsError` for a strength or mask that is needed, or of no use.
    """
    model = restoring(load(model) if isinstance(model, (str, os.PathLike)) else model)
    check(model, strength is not None, mask is not None)
    if effort not in get_args(Effort):
        raise SettingsError(f"effort {effort!r} was given; allowed are {' and '.join(get_args(Effort))}")
    if model.description.axes == 1:
        return restore_signals(model, samples, mask, effort, report)
    checked = from_arrays(samples)
    if not isinstance(samples, (Samples, list, tuple)):
        refuse_one_image(np.shape(samples))
    masks = None if mask is None else masks_of(mask, checked)
    outputs: list[Array] = []
    done = 0
    for batch, missing in _batches(checked, masks):
        outputs.append(restored(model, batch, strength, missing, effort, report))
        done += len(batch)
        if report is not None:
            report("restoring", done, len(checked))
    if isinstance(checked.values, Ragged):
        return [output[0] for output in outputs]
    return np.concatenate(outputs)


@own
def fill(
    model: Model,
    array: Array,
    value: Sequence[float],
    source: str = "array",
    effort: Effort = "usual",
    report: Callable[[str, int, int | None], None] | None = None,
) -> Array:
    """Fill in an array of samples in which `value`, one number such as NaN or one per channel, marks what is missing.
    Samples without it come back as they are. Raises as `restore` does, and `DataError` where the value is nowhere."""
    if model.description.axes == 1:
        return fill_signals(restoring(model), array, value[0], source, effort, report)
    samples, missing = apart(array, value, source)
    chosen = np.flatnonzero(missing.reshape(len(missing), -1).any(axis=1))
    found = restore(model, samples.take(chosen), mask=missing[chosen], effort=effort, report=report)
    result = np.array(samples.values)
    result[chosen] = found
    return result


def refuse_one_image(shape: Sequence[int]) -> None:
    """Raise `DataError` for the shape of one image in colour, which would be taken for many narrow grey ones."""
    if len(shape) == 3 and shape[2] in (3, 4):
        raise DataError(
            f"an array of shape {tuple(shape)} is {shape[0]} grey images of {shape[1]}x{shape[2]} pixels; for one "
            "image in colour give array[None]"
        )


def restoring(model: Model) -> Restoring:
    """The model, if it restores; raises `ModelError` for one that does not."""
    if not isinstance(model, Restoring):
        raise ModelError(f"this model restores nothing, it is one to {model.specification.purpose}; train one for it")
    return model


def set_vividness(model: Restoring, vividness: float) -> None:
    """Multiply the colour that a model adds, 0 to 4: 1 has the least error, more is more like true pictures. Raises
    `SettingsError` for models that add no colour, and for numbers out of range."""
    parts = parts_of(model.degradation)
    if not any(isinstance(part, Grey) for part in parts):
        raise SettingsError(f"a vividness was given, but a model to {model.specification.purpose} has no use for it")
    vivid = Grey(vividness)
    model.degradation = combined([vivid if isinstance(part, Grey) else part for part in parts])


def check(model: Restoring, strength: bool, mask: bool, scale: int | None = None) -> None:
    """Raise `ModelError` for another scale, `SettingsError` for a strength or mask that is needed, or of no use."""
    needs = model.degradation.needs
    task = model.specification.purpose
    if scale not in (None, model.degradation.scale):
        raise ModelError(
            f"a model that makes {model.degradation.scale} times larger, not {scale} times; give one that was "
            f"trained with --scale {scale}"
        )
    if mask and "known" not in needs:
        raise SettingsError(f"a mask was given, but a model to {task} has no use for it; leave it out")
    if strength and "level" not in needs:
        raise SettingsError(f"a strength was given, but a model to {task} has no use for it; leave it out")
    if "known" in needs and not mask:
        also = " or steps, or --lost MS for gaps of zeros" if model.description.axes == 1 else ""
        raise SettingsError(f"no mask was given; give a mask, or the value that stands for missing pixels{also}")


@own
def restored(
    model: Restoring,
    batch: Array,
    strength: float | None,
    missing: Mask | None,
    effort: Effort = "usual",
    report: Callable[[str, int, int | None], None] | None = None,
) -> Array:
    """Restore samples of one size, `(N, H, W, C)` or `(N, D)`; `missing` is `(N, H, W)` or `(N, D)`, and each sample
    goes through the model that is suited to it. Raises as `restore` does."""
    if batch.ndim == 2:
        return _restored(model, batch, strength, missing, effort)
    masks: list[Mask | None] = [None] * len(batch) if missing is None else list(missing)
    models = [suited(model, *each) for each in zip(batch, masks, strict=True)]
    if all(each is models[0] for each in models) and (missing is None or effort == "usual"):
        return _restored(models[0], batch, strength, missing, effort)
    found = []
    for each, x, gone in zip(models, batch, masks, strict=True):
        chosen = each if gone is None or effort == "usual" else adapted(each, x, gone, strength, report)
        found.append(_restored(chosen, x[None], strength, None if gone is None else gone[None], effort))
    return np.concatenate(found)


def _restored(model: Restoring, batch: Array, strength: float | None, missing: Mask | None, effort: Effort) -> Array:
    description = fitting(model, batch)
    bare = model.description.alpha and batch.shape[3] in (1, 3)
    if bare:  # a model for pictures with alpha sees others as opaque
        full = np.full((*batch.shape[:3], 1), description.high, batch.dtype)
        batch = np.concatenate([batch, full], axis=3)
    batch = _alpha_where_missing(batch, missing)
    given, batch = batch, _spread_below(batch, missing)
    level = None
    if "level" in model.degradation.needs:
        level = torch.tensor([strength if strength is not None else estimate(model, sample) for sample in batch])
    if batch.ndim == 2:
        known = None if missing is None else torch.from_numpy(~missing).float()
        vectors = from_tensor(
            _through(model, to_tensor(batch, description), Hints(level, known), effort), description
        )
        return _as_known(model, batch, missing, vectors)
    scale = model.degradation.scale
    height, width = batch.shape[1:3]
    grid = max(1, model.grid.step // scale)
    whole = not model.grid.step or max(height, width) <= TILE
    side = max(height, width) + -max(height, width) % grid if whole else TILE // scale // grid * grid
    overlap = 0 if whole else -(-OVERLAP // scale // grid) * grid
    out: Array | None = None
    for tile in tiles(height, width, side, overlap, grid):
        rows, columns = tile.reading
        x = to_tensor(np.ascontiguousarray(batch[:, rows, columns]), description, model.device)
        known = None if missing is None else torch.from_numpy(~missing[:, None, rows, columns]).float()
        y = from_tensor(_through(model, x, Hints(level, known), effort), description)
        if out is None:
            out = np.empty((len(batch), height * scale, width * scale, y.shape[3]), y.dtype)
        out[:, *tile.keeping(scale)] = y[:, *tile.inside(scale)]
    assert out is not None
    if scale == 1 and batch.shape[3] in (2, 4):
        out[..., -1] = given[..., -1]
        if out.shape == given.shape:
            np.copyto(out, given, where=given[..., -1:] == 0)  # what nobody sees stays as it was
    out = _as_known(model, given, None if missing is None else missing[..., None], out)
    return out[..., :-1] if bare else out


def _alpha_where_missing(batch: Array, missing: Mask | None) -> Array:
    """Images `(N, H, W, C)` whose missing pixels have the alpha of the nearest known one: those that were erased are
    transparent. Others, and vectors, as they are."""
    if missing is None or batch.ndim != 4 or batch.shape[3] not in (2, 4):
        return batch
    batch = batch.copy()
    for image, gone in zip(batch, missing, strict=True):
        image[..., -1] = image[*_nearest(~gone)][..., -1]
    return batch


def _spread_below(batch: Array, missing: Mask | None) -> Array:
    """Images `(N, H, W, C)` with colours under transparent pixels like those of the nearest that is not, and is not
    missing: whatever stands there, often black, would bleed into what is seen. Others, and vectors, as they are."""
    if batch.ndim != 4 or batch.shape[3] not in (2, 4) or not (batch[..., -1] == 0).any():
        return batch
    spread = batch.copy()
    for number, image in enumerate(spread):
        seen = image[..., -1] > 0
        if missing is not None:
            seen &= ~missing[number]
        if seen.any():
            image[..., :-1] = image[*_nearest(seen)][..., :-1]
    return spread


def _nearest(chosen: Mask) -> npt.NDArray[np.int32]:
    """The rows and columns `(2, H, W)` of the chosen pixels nearest to each."""
    found: npt.NDArray[np.int32] = distance_transform_edt(~chosen, return_distances=False, return_indices=True)
    return found


def _as_known(model: Restoring, batch: Array, missing: Mask | None, out: Array) -> Array:
    """`out` with what is known as it was, to the bit also in dtypes that hold more than the network does."""
    if missing is not None and len(parts_of(model.degradation)) == 1:
        np.copyto(out, batch, where=~missing)
    return out


@torch.no_grad()
def _through(model: Restoring, seen: torch.Tensor, hints: Hints, effort: Effort) -> torch.Tensor:
    """Damaged samples in 0..1 to restored ones, alpha last."""
    alpha = None
    if seen.ndim == 4 and seen.shape[1] in (2, 4):
        seen, alpha = seen[:, :-1], seen[:, -1:]
    grey = seen.ndim == 4 and repeated(model, seen.shape[1])
    if grey:
        seen = seen.expand(-1, 3, -1, -1)
    level, known = (None if hint is None else hint.to(seen.device) for hint in (hints.level, hints.known))
    views = VIEWS if effort == "best" and model.grid.step else VIEWS[:1]
    total: torch.Tensor | float = 0.0
    for turns, mirrored in views:
        x, other, mask = (None if t is None else _turned(t, turns, mirrored) for t in (seen, alpha, known))
        assert x is not None
        total = total + _turned_back(_once(model, x, Hints(level, mask), other), turns, mirrored)
    assert isinstance(total, torch.Tensor)
    total = total / len(views)
    return torch.cat([total[:, :3].mean(dim=1, keepdim=True), total[:, 3:]], dim=1) if grey else total


def _once(model: Restoring, seen: torch.Tensor, hints: Hints, alpha: torch.Tensor | None) -> torch.Tensor:
    observed = model.degradation.given(seen, hints)
    sees = alpha if model.description.alpha else None
    with halved(seen.device, model.grid.step > 0):
        y = model.restored(observed, sees)
    if alpha is not None and sees is None:
        y = torch.cat([y, larger(alpha, model.degradation.scale)], dim=1)
    return y


def _turned(x: torch.Tensor, turns: int, mirrored: bool) -> torch.Tensor:
    if not turns and not mirrored:
        return x
    x = torch.rot90(x, turns, (2, 3))
    return x.flip(3) if mirrored else x


def _turned_back(x: torch.Tensor, turns: int, mirrored: bool) -> torch.Tensor:
    if not turns and not mirrored:
        return x
    return torch.rot90(x.flip(3) if mirrored else x, -turns, (2, 3))


def _batches(samples: Samples, masks: list[Mask] | None) -> Iterator[tuple[Array, Mask | None]]:
    """Samples of one size at a time, with their masks."""
    values = samples.values
    size = 1 if isinstance(values, Ragged) else max(1, BATCH_PIXELS // int(np.prod(values.shape[1:3])))
    for start in range(0, len(values), size):
        part = values[start : start + size]
        chosen = None if masks is None else np.stack(masks[start : start + size])
        yield np.asarray(part) if not isinstance(values, Ragged) else part[0][None], chosen
