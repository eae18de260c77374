"""Files of sounds to one set of equal rate, channels and depth. Next door: `sound` reads one file; `folders` does the
same for images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from narrows.errors import DataError
from narrows.io.arrays import Array, Ragged
from narrows.io.cache import MEMORY_SHARE, buffer, release, total_memory
from narrows.io.images import Report
from narrows.io.sound import SoundHeader, read_chunks, sound_header

RATES = (1, 1 << 24)  # in Hz, that may be asked for
IN_MEMORY = 1 << 28  # bytes of a set, at most
RELEASED = 1 << 24  # values that are written to a file before their memory is given back
_SPARE = 64  # frames more than resampling may give


@dataclass(frozen=True)
class SoundSet:
    """Sounds `(N, T, C)`, or ragged where lengths differ, at one rate in Hz; the indices of the files that they came
    from, and notes for the user."""

    values: Array | Ragged
    rate: int
    kept: list[int]
    notes: list[str]


@dataclass(frozen=True)
class _Form:
    """What all sounds of a set become: `bits` of their integers, 0 for floats."""

    rate: int
    channels: int
    dtype: np.dtype[np.generic]
    bits: int


def load_sounds(
    paths: Sequence[Path],
    rate: float = 0,
    skip_bad: bool = False,
    report: Report | None = None,
    memory: int | None = None,
) -> SoundSet:
    """Read files into one set, with the numbers as they are where all files agree.

    Else the set has the depth of the deepest, floats if any has them, and mono becomes as many equal channels as the
    others have. With a `rate` in Hz, sounds of others are resampled; without, all must have the same. Sets over
    `memory` bytes (default: a quarter of RAM, and at most 256 MiB) go to a memory-mapped cache file.

    Raises `DataError` naming the first unreadable file, or, with `skip_bad`, if none can be read.
    """
    if rate and not (RATES[0] <= rate <= RATES[1] and rate == int(rate)):
        raise DataError(f"a rate of {rate:g} Hz was given for sounds; allowed are {RATES[0]} to {RATES[1]}, whole")
    bad: list[str] = []

    def skip(error: DataError) -> None:
        if not skip_bad:
            raise DataError(f"{error}{' (or leave out such files with --skip-bad)' * (len(paths) > 1)}") from None
        bad.append(str(error))

    headers: dict[int, SoundHeader] = {}
    for index, path in enumerate(paths):
        try:
            header = sound_header(path)
            if not header.frames:
                raise DataError(f"{path}: a sound of no length; remove it, or leave it out")
            headers[index] = header
        except DataError as error:
            skip(error)
    if not headers:
        raise DataError(bad[0] if len(paths) == 1 else f"none of {len(paths)} files could be read: {bad[0]}")
    form = _form(headers, paths, int(rate))
    most = min(int(total_memory() * MEMORY_SHARE), IN_MEMORY) if memory is None else memory
    flat = buffer(sum(_most(h, form.rate) for h in headers.values()) * form.channels, form.dtype, most)
    kept: list[int] = []
    lengths: list[int] = []
    at = 0
    for index, header in headers.items():
        start = at
        try:
            for chunk in _read(paths[index], header, form):
                if chunk.dtype.kind == "f" and not np.isfinite(chunk).all():
                    raise DataError(f"{paths[index]}: NaN or infinity in it; every value must be a finite number")
                flat[at : at + chunk.size] = chunk.reshape(-1)
                at += chunk.size
                if at // RELEASED > (at - chunk.size) // RELEASED:
                    release(flat)
            if at == start:
                raise DataError(f"{paths[index]}: damaged: nothing of it can be read; replace or remove it")
        except DataError as error:
            at = start
            skip(error)
            continue
        kept.append(index)
        lengths.append((at - start) // form.channels)
        if report is not None:
            report("reading sounds", len(kept), len(headers))
    if not kept:
        raise DataError(bad[0] if len(paths) == 1 else f"none of {len(paths)} files could be read: {bad[0]}")
    notes = _notes(paths, headers, kept, lengths, bad, form)
    if len(set(lengths)) == 1:
        return SoundSet(flat[:at].reshape(len(kept), lengths[0], form.channels), form.rate, kept, notes)
    shapes = np.array([(length, form.channels) for length in lengths], np.int64)
    return SoundSet(Ragged(flat[:at], shapes), form.rate, kept, notes)


def _form(headers: dict[int, SoundHeader], paths: Sequence[Path], rate: int) -> _Form:
    rates = Counter(header.rate for header in headers.values())
    usual = rates.most_common(1)[0][0]
    if len(rates) > 1 and not rate:
        other = next(index for index, header in headers.items() if header.rate != usual)
        listed = ", ".join(f"{count} of {each} Hz" for each, count in sorted(rates.items()))
        raise DataError(
            f"{paths[other]}: sounds of several rates: {listed}; resample them with --rate {usual}, or put each rate "
            "into a folder of its own"
        )
    channels = {header.channels for header in headers.values()}
    if len(channels - {1}) > 1:
        raise DataError(
            f"{paths[0].parent}: sounds of {', '.join(map(str, sorted(channels)))} channels; allowed are mono and "
            "one other number together; sort them into folders"
        )
    kinds = {(header.dtype, header.bits) for header in headers.values()}
    if len(kinds) == 1:
        dtype, bits = kinds.pop()
    elif floats := {dtype for dtype, bits in kinds if not bits}:
        dtype, bits = max(floats), 0
    else:
        bits = max(16, *(bits for _, bits in kinds))
        dtype = "int16" if bits == 16 else "int32"
    return _Form(rate or usual, max(channels), np.dtype(dtype), bits)


def _most(header: SoundHeader, rate: int) -> int:
    """Frames of a sound at a rate, at most."""
    return header.frames if rate == header.rate else -(-header.frames * rate // header.rate) + _SPARE


def _read(path: Path, header: SoundHeader, form: _Form) -> Iterator[Array]:
    chunks = (_in_form(chunk, header, form) for chunk in read_chunks(path))
    return chunks if header.rate == form.rate else _resampled(chunks, header, form)


def _in_form(chunk: Array, header: SoundHeader, form: _Form) -> Array:
    """Numbers in the depth and channels of a set; full scale stays full scale."""
    if (header.dtype, header.bits) != (form.dtype.name, form.bits):
        if header.dtype == "uint8":
            chunk = chunk.astype(np.int16) - 128
        if not form.bits:
            chunk = chunk.astype(form.dtype) / (1 << header.bits - 1 if header.bits else 1)
        else:
            chunk = np.left_shift(chunk.astype(form.dtype), form.bits - header.bits)
    return np.repeat(chunk, form.channels, axis=1) if chunk.shape[1] < form.channels else chunk


def _resampled(chunks: Iterator[Array], header: SoundHeader, form: _Form) -> Iterator[Array]:
    import soxr

    stream = soxr.ResampleStream(header.rate, form.rate, form.channels, dtype="float64")
    left = _most(header, form.rate)
    silence = np.zeros((0, form.channels))
    for chunk in _then_none(chunks):
        made = stream.resample_chunk(silence if chunk is None else chunk.astype(np.float64), last=chunk is None)
        made = made[:left]
        left -= len(made)
        if form.dtype.kind != "f":
            low, high = (0, 255) if form.dtype == np.uint8 else (-(1 << form.bits - 1), (1 << form.bits - 1) - 1)
            made = np.clip(np.rint(made), low, high)
        yield made.astype(form.dtype)


def _then_none(chunks: Iterator[Array]) -> Iterator[Array | None]:
    yield from chunks
    yield None


def _notes(
    paths: Sequence[Path],
    headers: dict[int, SoundHeader],
    kept: list[int],
    lengths: list[int],
    bad: list[str],
    form: _Form,
) -> list[str]:
    notes = [f"{len(bad)} of {len(paths)} files were left out as unreadable, the first: {bad[0]}"] if bad else []
    if other := [i for i in kept if headers[i].rate != form.rate]:
        first = f"{paths[other[0]]} from {headers[other[0]].rate} Hz"
        notes.append(f"resampled to {form.rate} Hz: {len(other)} of {len(kept)} sounds, the first: {first}")
    if other := [i for i in kept if headers[i].channels != form.channels]:
        notes.append(f"mono, repeated as {form.channels} channels: {len(other)} of {len(kept)} sounds")
    if len({(headers[i].dtype, headers[i].bits) for i in kept}) > 1:
        depth = f"{form.bits} bits" if form.bits else form.dtype.name
        notes.append(f"sounds of differing depth, all read as {depth}")
    if lossy := sum(headers[i].lossy for i in kept):
        notes.append(f"decoded to 16 bits: {lossy} of {len(kept)} sounds, whose files lost something already")
    wrong = [f"{paths[i]}: {headers[i].wrong}" for i in kept if headers[i].wrong]
    wrong += [
        f"{paths[i]}: {length} of {headers[i].frames} frames can be read"
        for i, length in zip(kept, lengths, strict=True)
        if headers[i].rate == form.rate and length < headers[i].frames
    ]
    if wrong:
        notes.append(f"shorter than they claim, and used as they are: {len(wrong)} sounds, the first: {wrong[0]}")
    return notes
