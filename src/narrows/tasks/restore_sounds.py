"""Damaged sound files, and signals in arrays, to restored ones of the same kind, in pieces of bounded memory.

Container, depth, rate and tags are kept; a model that raises the rate multiplies it. Next door: `pictures` does the
same for pictures, `restore_series` for tables; `restore_signals` restores signals in memory.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from narrows.data.ranges import Ends, around_silence
from narrows.data.samples import Description
from narrows.data.sources import listed_as_one, refuse_overwriting
from narrows.errors import DataError, NarrowsError, OutputError, SettingsError
from narrows.io.arrays import Array
from narrows.io.atomic import check_new, make_folder, replacing
from narrows.io.images import Report
from narrows.io.masks import mask_file
from narrows.io.npy import open_npy, write_npy
from narrows.io.sound import CHUNK, SOUNDS, SoundHeader, is_sound, read_chunks, sound_header
from narrows.io.sound_parts import beside
from narrows.io.sound_results import WRITTEN, write_result
from narrows.io.spans import Mask, Spans, marked_between, read_spans, spans_of
from narrows.models.restorer import Restoring
from narrows.tasks.pictures import Done, Job, Kind, Wanted, jobs
from narrows.tasks.restore_signals import Chunk, check_effort, check_signals, ends_of_known, in_range, stream

RECORDINGS = Kind("sounds", ".wav", WRITTEN, lambda folder: listed_as_one(folder)[0])


def restore_sounds(
    model: Restoring, data: str, output: Path, wanted: Wanted, report: Report | None = None
) -> Iterator[Done]:
    """Restore a sound, a folder of them, or signals in an .npy file with a model for signals, and write the results,
    each file whole or not at all; yields what became of each. Raises as `pictures.restore_path` does."""
    path = Path(data)
    check_effort(wanted.effort)
    if path.suffix.lower() == ".npy":
        yield _restore_array(model, path, output, wanted)
        return
    if path.is_file() and not (is_sound(path) or path.suffix.lower() in SOUNDS):
        raise DataError(f"{path}: no sound; the model is for {model.description.form}: give sounds, or an .npy file")
    found, notes = jobs(path, output, wanted.force, wanted.resume, RECORDINGS)
    for note in notes:
        yield Done(path, samples=0, of=len(found), note=note)
    hint = " (or leave out such sounds with --skip-bad)" * (len(found) > 1)
    whole: list[Job] = []  # those of a folder that have no gap
    bad = 0
    for job in found:
        try:
            done = _restore(model, job, wanted, path if path.is_dir() else None)
            if done is None:
                whole.append(job)
            else:
                yield replace(done, of=len(found))
        except OutputError:
            raise
        except NarrowsError as error:
            if not wanted.skip_bad:
                raise type(error)(f"{error}{hint}") from None
            bad += 1
            yield Done(job.source, error=str(error), of=len(found))
    if whole:
        if len(whole) + bad == len(found) and not wanted.resume:
            raise DataError(f"{path}: nothing is marked as missing in any of its sounds; nothing is to be filled in")
        for job in whole:
            make_folder(job.target.parent)
            with replacing(job.target, wanted.force) as file, job.source.open("rb") as source:
                shutil.copyfileobj(source, file)
        note = f"copied as they are, since nothing in them is marked as missing: {len(whole)} of {len(found)} sounds"
        yield Done(path, samples=0, of=len(found), note=note)


def _restore(model: Restoring, job: Job, wanted: Wanted, folder: Path | None) -> Done | None:
    """What became of a sound; None, and nothing is written, for one of a folder that has no gap and can be copied."""
    header, scale = sound_header(job.source), model.degradation.scale
    form = Description((header.frames, header.channels), header.dtype, -1.0, 1.0, 1, rate=float(header.rate))
    check_signals(model, form, str(job.source))
    mask = None if wanted.mask is None else mask_file(wanted.mask, job.source, folder)
    frames, ends, spans = _looked_through(read_chunks(job.source), header, job.source, wanted)
    if mask is not None:
        spans = read_spans(mask, frames, header.rate)
    if "known" in model.degradation.needs and not spans and mask is None:
        if folder is None:
            _refuse_none(job.source)
        if job.target.suffix.lower() == job.source.suffix.lower():
            return None
    low, high = _range(header, _peak(ends))
    form = replace(form, low=low, high=high)
    if model.description.columns:
        form = in_range(model, form, *ends, str(job.source))
    made = stream(model, _chunks(read_chunks(job.source), spans, model, wanted), form)
    make_folder(job.target.parent)
    with replacing(job.target, wanted.force) as file:
        faster = replace(header, rate=header.rate * scale)
        lost = write_result(file, job.target, faster, frames * scale, _depth(made, header)) + beside(job.source)
    written = sound_header(job.target)
    if "known" in model.degradation.needs and (written.lossy or (written.bits and not header.bits)):
        lost.append(f"what is known to the bit, for which {written.container} ({written.encoding}) is too coarse")
    note = f"{job.source}: {header.wrong}; they were restored" if header.wrong else None
    share = sum(stop - start for start, stop in spans) / frames
    return Done(job.source, seconds=frames / header.rate, note=note, lost=tuple(lost), missing=share)


def _depth(made: Iterable[Array], header: SoundHeader) -> Iterator[Array]:
    """Numbers that fit the file: those of 24 bits in 32 end one below their bound."""
    for values in made:
        yield values.clip(None, (1 << header.bits - 1) - 1) if header.dtype == "int32" else values


def _looked_through(
    chunks: Iterable[Array], header: SoundHeader, source: Path, wanted: Wanted
) -> tuple[int, tuple[Ends, Ends], Spans]:
    """How many frames can be read, the smallest and the largest known value of each channel, and what is missing by
    the value that marks it. Raises `DataError` for damage, before anything is written, and for NaN that does not mark
    anything."""
    frames, least = 0, np.full(header.channels, np.inf)
    most = -least

    def marks() -> Iterator[Mask]:
        nonlocal frames, least, most
        for chunk in chunks:
            gone = _marked(chunk, wanted)
            if chunk.dtype.kind == "f" and (wrong := ~(np.isfinite(chunk) | gone)).any():
                step, channel = np.argwhere(wrong)[0].tolist()
                raise DataError(f"{source}: {_no_number(chunk[step, channel], frames + step, header)}")
            low, high = ends_of_known(chunk, gone)
            least, most = np.minimum(least, low), np.maximum(most, high)
            frames += len(chunk)
            yield np.asarray(gone.any(axis=1))

    shortest = 1 if wanted.lost is None else max(1, math.ceil(wanted.lost / 1000 * header.rate))
    spans = spans_of(marks(), shortest)
    if not frames:
        raise DataError(f"{source}: a sound of no length; remove it, or leave it out")
    unknown = np.isinf(least)
    if unknown.any():
        what = "it" if unknown.all() else f"channel {int(np.argmax(unknown)) + 1}"
        raise DataError(f"{source}: all of {what} is missing; something has to be known")
    return frames, (least, most), spans


def _no_number(value: float, step: int, header: SoundHeader) -> str:
    """What is wrong with a value that is no finite number, at a step of a file, and what to do."""
    after = f", after {step / header.rate:.7g} seconds" if header.container else ""
    if math.isnan(value):
        return f"NaN in step {step}{after}; to fill in what is NaN, use 'narrows inpaint' with --missing-value nan"
    return f"infinity in step {step}{after}, which does not count as missing; put a number there, or NaN for a gap"


def _marked(chunk: Array, wanted: Wanted) -> Mask:
    """Which values `(n, C)` are missing, by their own value, or by zeros in all channels."""
    if wanted.lost is not None:
        silent = (chunk == (128 if chunk.dtype == np.uint8 else 0)).all(axis=1, keepdims=True)
        return np.broadcast_to(silent, chunk.shape)
    if wanted.missing_value is None:
        return np.zeros(chunk.shape, bool)
    value = wanted.missing_value[0]
    return np.asarray(np.isnan(chunk) if math.isnan(value) else chunk == value)


def _chunks(chunks: Iterable[Array], spans: Spans, model: Restoring, wanted: Wanted) -> Iterator[Chunk]:
    """The frames with what is missing of them, which is silence: in the spans, all channels, or those values of them
    that are the missing value."""
    at, marks = 0, "known" in model.degradation.needs
    for values in chunks:
        missing = None
        if marks and wanted.missing_value is not None:
            missing = _marked(values, wanted)
        elif marks:
            missing = marked_between(spans, at, at + len(values))[:, None]
        at += len(values)
        if missing is not None and values.dtype.kind == "f" and missing.any():
            values = np.where(missing, values.dtype.type(0), values)
        yield Chunk(values, missing)


def _peak(ends: tuple[Ends, Ends]) -> float:
    """The largest size of a known value."""
    least, most = ends
    return max(0.0, -float(least.min()), float(most.max()))


def _range(header: SoundHeader, peak: float) -> tuple[float, float]:
    """What becomes 0 and 1."""
    if header.dtype == "uint8":
        return 0.0, 256.0
    bound = 2.0 ** (header.bits - 1) if header.bits else 2.0 ** math.ceil(math.log2(max(peak, 1e-6)))
    return -bound, bound


def _refuse_none(source: Path) -> None:
    raise DataError(f"{source}: nothing in it is marked as missing; nothing is to be filled in")


def _restore_array(model: Restoring, path: Path, output: Path, wanted: Wanted) -> Done:
    if output.suffix.lower() != ".npy":
        raise SettingsError(f"{output}: arrays are written as .npy; give a name that ends so")
    refuse_overwriting(output, os.fspath(path))
    check_new(output, wanted.force)
    array, scale = open_npy(path), model.degradation.scale
    made, seconds = restored_array(model, array, path, wanted)
    axis = 0 if array.ndim == 1 else array.ndim - 2
    shape = (*array.shape[:axis], array.shape[axis] * scale, *array.shape[axis + 1 :])
    with replacing(output, wanted.force) as file:
        write_npy(file, array.dtype.name, shape, made)
    return Done(path, samples=len(array) if array.ndim == 3 else 1, seconds=seconds)


def restored_array(model: Restoring, array: Array, path: Path, wanted: Wanted) -> tuple[Iterator[Array], float]:
    """The signals in an array `(T,)`, `(T, C)` or `(N, T, C)` that comes from a file, restored part by part, and the
    seconds that they last, 0 where the model has no rate. Raises before the first part is made."""
    if array.ndim not in (1, 2, 3):
        raise DataError(
            f"{path}: an array of shape {array.shape} was given to a model for signals; allowed are (T,), (T, C) and "
            "(N, T, C)"
        )
    signals = array[None, :, None] if array.ndim == 1 else array[None] if array.ndim == 2 else array
    count, length, channels = signals.shape
    rate = model.description.rate / model.degradation.scale
    header = SoundHeader(length, channels, max(1, round(rate)), "", "")
    low, high, each = 0.0, 1.0, []
    for sample in signals:
        _, ends, spans = _looked_through(_parts(sample), header, path, wanted)
        if wanted.mask is not None:
            spans = read_spans(wanted.mask, length, rate)
        each.append((spans, ends))
    if "known" in model.degradation.needs and not any(spans for spans, _ in each):
        _refuse_none(path)
    if array.dtype.kind == "f":
        high = 2.0 ** math.ceil(math.log2(max(1e-6, *(_peak(ends) for _, ends in each))))
        low = -high
    else:
        low, high, _ = around_silence(np.asarray(signals), str(path))
    form = Description((length, channels), array.dtype.name, low, high, count)
    check_signals(model, form, str(path))
    least, most = zip(*(ends for _, ends in each), strict=True)
    form = in_range(model, form, np.min(least, axis=0), np.max(most, axis=0), str(path))

    def made() -> Iterator[Array]:
        for sample, (spans, _) in zip(signals, each, strict=True):
            yield from stream(model, _chunks(_parts(sample), spans, model, wanted), form)

    return made(), count * length / rate if rate else 0.0


def _parts(sample: Any) -> Iterator[Array]:
    return (np.asarray(sample[at : at + CHUNK]) for at in range(0, len(sample), CHUNK))
