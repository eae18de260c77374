"""Damaged signals to restored ones: arrays in, arrays of the same dtype out, in pieces of bounded memory.

Next door: `restore` does the same for images and vectors; `restore_sounds` for files of sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from narrows.data.batches import from_tensor, to_tensor
from narrows.data.ranges import Ends, own_ranges
from narrows.data.samples import Description, Samples, from_arrays
from narrows.degradations import parts_of
from narrows.degradations.across import from_one_another
from narrows.degradations.base import Hints
from narrows.degradations.rates import SILENCE
from narrows.errors import DataError, ModelError, SettingsError
from narrows.io.arrays import Array, Ragged
from narrows.models.restorer import Restoring
from narrows.networks.spectral import window_of
from narrows.tasks.missing import Mask, masks_of

PIECE, OVERLAP = 192, 32  # windows of spectra that go through together, and that two pieces share: 6 and 1 seconds
STEP = 2.0**-24  # of single precision, in 0..1


@dataclass(frozen=True)
class Chunk:
    """Some steps of a signal, `(n, C)`, and which values are missing, `(n, C)`, or `(n, 1)` where channels do not
    differ in it, if a model has to know it."""

    values: Array
    missing: Mask | None = None


Report = Callable[[str, int, int | None], None]


def restore_signals(
    model: Restoring, samples: Any, mask: Any, effort: str, report: Report | None = None
) -> Array | list[Array]:
    """What `restore` does with a model for signals; raises as that does."""
    check_effort(effort)
    signals = samples if isinstance(samples, Samples) else from_arrays(samples, kind="signals")
    masks = None if mask is None else masks_of(mask, signals)
    outputs = list(_each(model, signals, masks, report))
    return outputs if isinstance(signals.values, Ragged) else np.stack(outputs)


def fill_signals(
    model: Restoring, array: Array, value: float, source: str, effort: str, report: Report | None = None
) -> Array:
    """What `fill` does with a model for signals; raises as that does."""
    check_effort(effort)
    signals, masks = marked_signals(array, value, source)
    return np.stack(list(_each(model, signals, masks, report))).reshape(array.shape)


def check_signals(model: Restoring, given: Description, source: str) -> None:
    """Raise `ModelError` for signals that do not fit the model: those of other channels, unless it knows single ones
    and takes each by itself, or of another rate, where both are known."""
    own, scale = model.description, model.degradation.scale
    if given.axes != 1 or given.channels != own.channels != 1:
        raise ModelError(
            f"{source}: {given.form} were given to a model for {own.form}; convert them or train a model on them"
        )
    rate = own.rate / scale
    raised = f", which it raises to {own.rate:g} Hz" if scale > 1 else ""
    if given.rate and rate and given.rate != rate:
        raise ModelError(
            f"{source}: a rate of {given.rate:g} Hz was given to a model for {rate:g} Hz{raised}; resample it to "
            f"{rate:g} Hz, or train a model on signals of its rate"
        )


def check_effort(effort: str) -> None:
    """Raise `SettingsError` for another effort than the usual one."""
    if effort != "usual":
        raise SettingsError(f"effort {effort} was given for signals; it is for pictures: leave it out")


def _each(
    model: Restoring,
    samples: Samples,
    masks: list[Mask] | None,
    report: Report | None,
) -> Iterator[Array]:
    """Each of the samples restored, `(T, C)`. Raises `ModelError` for samples that do not fit."""
    check_signals(model, samples.description, samples.source)
    chunks = [
        Chunk(np.asarray(value), None if masks is None else masks[number].reshape(len(value), -1))
        for number, value in enumerate(samples.values)
    ]
    least, most = zip(*(ends_of_known(chunk.values, chunk.missing) for chunk in chunks), strict=True)
    description = in_range(model, samples.description, np.min(least, axis=0), np.max(most, axis=0), samples.source)
    for number, chunk in enumerate(chunks):
        yield np.concatenate(list(stream(model, [chunk], description)))
        if report is not None:
            report("restoring", number + 1, len(samples))


def in_range(model: Restoring, given: Description, least: Ends, most: Ends, source: str) -> Description:
    """The description of signals with ranges as the model has them: of each channel, whose known values lie between
    `least` and `most`, or one of all, which has all values of 8 and 16 bits in it. Raises `DataError` where a channel
    varies by less than a step of single precision in that one range."""
    if model.description.columns:
        return replace(given, columns=own_ranges(least, most, np.dtype(given.dtype)))
    bits = {"int8": 7, "int16": 15}.get(given.dtype)
    low, high = (given.low, given.high) if bits is None else (-(2.0**bits), 2.0**bits)
    one = replace(given, low=low, high=high, columns=())
    lost = (most > least) & (most - least < (one.high - one.low) * STEP)
    if lost.any():
        number = int(np.argmax(lost))
        raise DataError(
            f"{source}: channel {number + 1}, from {least[number]:g} to {most[number]:g}, is lost in the range that "
            f"the model has for all, {one.low:g} to {one.high:g}; leave out the channel that is so large, such as a "
            "time, or train a new model on such signals"
        )
    return one


def ends_of_known(values: Array, missing: Mask | None) -> tuple[Ends, Ends]:
    """The smallest and the largest known value, `(C,)`, of each channel of a signal; infinity and its negative where
    none is known."""
    if missing is None:
        missing = np.zeros((1, 1), bool)
    limits = np.finfo(values.dtype) if values.dtype.kind == "f" else np.iinfo(values.dtype)
    known = np.broadcast_to(~missing, values.shape)
    least = values.min(axis=0, where=known, initial=limits.max).astype(np.float64)
    most = values.max(axis=0, where=known, initial=limits.min).astype(np.float64)
    some = known.any(axis=0)
    return np.where(some, least, np.inf), np.where(some, most, -np.inf)


def stream(model: Restoring, chunks: Iterable[Chunk], description: Description) -> Iterator[Array]:
    """The restored signal, `(n, C)` at a time, from its chunks in order. Pieces overlap, and one fades into the next
    in the middle of what they share. What is known is the same to the bit where a model only fills gaps."""
    scale, window = model.degradation.scale, window_of(model.description.rate)
    size, overlap = PIECE * window // scale, OVERLAP * window // scale
    fade = np.clip(np.linspace(-0.5, 1.5, overlap * scale), 0, 1)[:, None]
    keep = only_fills(model)
    tail: Array | None = None
    for piece, last in _pieces(chunks, size, overlap):
        y = _restored(model, piece, description)
        if tail is not None:
            y[: len(tail)] = fade * y[: len(tail)] + (1 - fade) * tail
        done = len(y) if last else len(y) - overlap * scale
        tail = y[done:]
        out = from_tensor(torch.from_numpy(y[:done].T[None, :, None]), description)[0]
        if keep and piece.missing is not None:
            np.copyto(out, piece.values[:done], where=~piece.missing[:done])
        yield out


def _pieces(chunks: Iterable[Chunk], size: int, overlap: int) -> Iterator[tuple[Chunk, bool]]:
    """Pieces of `size` steps, each with the last `overlap` steps of the one before it, and whether it is the last."""
    held: list[Chunk] = []
    count = 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk.values)
        if count <= size:
            continue
        whole, start = _joined(held), 0
        while count - start > size:
            yield _cut(whole, start, start + size), False
            start += size - overlap
        held, count = [_cut(whole, start, count)], count - start
    if held:
        yield _joined(held), True


def _joined(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    masks = [chunk.missing for chunk in chunks if chunk.missing is not None]
    return Chunk(np.concatenate([chunk.values for chunk in chunks]), np.concatenate(masks) if masks else None)


def _cut(chunk: Chunk, start: int, stop: int) -> Chunk:
    return Chunk(chunk.values[start:stop], None if chunk.missing is None else chunk.missing[start:stop])


@torch.no_grad()
def _restored(model: Restoring, piece: Chunk, description: Description) -> Array:
    """A piece restored, float `(T, C)` with the range of the description as 0..1."""
    x = to_tensor(piece.values[None], description, model.device)  # (1, C, 1, T)
    if model.description.channels == 1:
        x = x.transpose(0, 1)  # each channel by itself
    if piece.missing is None:
        y = model.restored(model.degradation.given(x, Hints()))
    elif model.description.channels == 1 or piece.missing.shape[1] == 1:
        y = _filled(model, x, piece.missing)
    else:
        y = _each_by_its_gaps(model, x, piece.missing)
    out: Array = (y[:, 0, 0] if model.description.channels == 1 else y[0, :, 0]).T.cpu().numpy()
    return out


def _filled(model: Restoring, x: torch.Tensor, missing: Mask) -> torch.Tensor:
    """Restored signals `(N, C, 1, T)`, where `missing` `(T, N or 1)` is the same in all channels of each."""
    if only_fills(model) and not missing.any():
        return x.clone()
    known = torch.from_numpy(~missing.T).to(x)[:, None, None]
    return model.restored(model.degradation.given(x, Hints(known=known)))


def _each_by_its_gaps(model: Restoring, x: torch.Tensor, missing: Mask) -> torch.Tensor:
    """A restored signal `(1, C, 1, T)` of which each channel misses what it does in `missing` `(T, C)`, the gaps of
    the others being filled in by a first guess.

    A model knows steps that are missing in all channels, so channels with the same gaps are restored together. Where
    it only fills gaps, channels that follow from the others are taken from these.
    """
    together: dict[bytes, list[int]] = {}
    for channel, column in enumerate(missing.T):
        together.setdefault(column.tobytes(), []).append(channel)
    if len(together) == 1:
        return _filled(model, x, missing[:, :1])
    signals, known = x[0, :, 0].double().cpu().numpy() - SILENCE, ~missing.T
    guess, follow = from_one_another(signals, known)
    seen, told = torch.from_numpy(guess + SILENCE).to(x)[None, :, None], follow & only_fills(model)
    y = seen.clone()
    for channels in together.values():
        if not told[channels].all():
            y[:, channels] = _filled(model, seen, missing[:, channels[:1]])[:, channels]
    y[:, told] = seen[:, told]
    return y


def only_fills(model: Restoring) -> bool:
    """Whether what is known of a signal is to stay as it is."""
    parts = parts_of(model.degradation)
    return len(parts) == 1 and parts[0].task == "inpaint"


def marked_signals(array: Array, value: float, source: str) -> tuple[Samples, list[Mask]]:
    """Signals in an array `(T,)`, `(T, C)` or `(N, T, C)` in which a value, such as NaN, stands for what is missing,
    and where that is, `(T, C)` each. Raises `DataError` where it is nowhere, or at every step of a channel."""
    here: Mask = np.asarray(np.isnan(array) if np.isnan(value) else array == value)
    samples = from_arrays(np.where(here, array.dtype.type(0), array), source, kind="signals")
    missing: list[Mask] = list(here.reshape(np.shape(samples.values)))
    if not here.any():
        raise DataError(f"{source}: the missing value is nowhere in it; nothing is to be filled in")
    if lost := [number for number, one in enumerate(missing) if one.all(axis=0).any()]:
        (channel, *_) = np.flatnonzero(missing[lost[0]].all(axis=0))
        what = f"sample {lost[0]}" if missing[lost[0]].all() else f"channel {channel + 1} of sample {lost[0]}"
        raise DataError(f"{source}: all of {what} is missing; something has to be known")
    return samples, missing
