"""Sound files as entries of an archive, and back: their numbers in windows, or the files themselves.

Next door: `inputs` reads all other files; `io.sound` and `io.soundfiles` read and write single sounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from narrows.archive.archive import Archive
from narrows.archive.entries import WINDOW, Entry, recording
from narrows.codecs.block import BlockCodec
from narrows.errors import ArchiveError, DataError
from narrows.io.arrays import Array
from narrows.io.flac_blocks import flac_blocks
from narrows.io.npy import Layout, open_npy, read_samples, write_npy
from narrows.io.sound import SoundHeader, count_frames, read_chunks, sound_header, unread_tags
from narrows.io.soundfiles import (
    SOUND,
    around,
    file_extras,
    from_extras,
    other_ending,
    to_extras,
    write_sound,
)

AXES = "axes"  # key of the extras of a signal from an .npy file: how many axes its array has, 1 or 2
BESIDE = "tags before or after a FLAC, or very large ones"
TRIED = 8  # windows of a recording, to tell whether its file is smaller than its numbers


@dataclass(frozen=True)
class Sound:
    """A sound file as an entry and its windows. `whole` says that no file is made of its numbers again which is the
    same, or has the same numbers, so that it is kept to the byte where nothing may be lost."""

    entry: Entry
    windows: Iterable[Array]
    header: SoundHeader
    whole: bool
    lost: tuple[str, ...] = ()


def open_sound(path: Path, name: str, strip: bool = False) -> Sound:
    """A sound file for an archive, read once to its end, unless it is `whole`; `strip` leaves out all that belongs to
    it beside numbers. Raises `DataError`."""
    header = sound_header(path)
    found, blocks, frames = None, b"", header.frames
    lost = tuple(unread_tags(header))
    whole = header.lossy or header.encoding.startswith("ALAC")
    if strip:
        frames, lost = count_frames(path), ()
    elif not whole:
        found, frames = around(path, header)
        whole = found is None
        lost = lost if whole else ()
        if header.container == "FLAC":
            blocks, bare = flac_blocks(path)
            whole, lost = not bare, () if bare else (BESIDE,)
    if strip:
        header = SoundHeader(frames, header.channels, header.rate, header.container, header.encoding)
    extras = to_extras(header, found, blocks)
    entry = recording(name, frames, header.channels, header.dtype, extras)
    return Sound(entry, windows(read_chunks(path), entry), header, whole, lost)


def windows(chunks: Iterable[Array], entry: Entry) -> Iterator[Array]:
    """Frames `(n, C)`, in chunks of any length, as the samples of an entry; the last frame is repeated where too few
    come."""
    length, waiting, have, made = entry.shape[0], [], 0, 0
    last: Array | None = None
    for chunk in chunks:
        while len(chunk):
            part, chunk = chunk[: length - have], chunk[length - have :]
            waiting.append(part)
            have += len(part)
            last = part[-1:]
            if have == length and made < entry.count:
                yield np.concatenate(waiting)
                waiting, have, made = [], 0, made + 1
            elif made >= entry.count:
                return
    for _ in range(made, entry.count):
        edge = np.zeros((1, entry.shape[1]), entry.dtype) if last is None else last
        yield np.concatenate([*waiting, np.repeat(edge, length - have, axis=0)])
        waiting, have = [], 0


def keeps_file(codec: BlockCodec, path: Path, sound: Sound) -> bool:
    """Whether the file itself is what an archive should have: nothing may be lost of a file that its numbers do not
    make again, or it is a FLAC and smaller than its numbers, coded."""
    entry, promise = sound.entry, codec.promise
    if promise.quality is not None:
        known = bool(codec.compact_model) and codec.takes(entry.shape, np.dtype(entry.dtype))
        return sound.whole and not known
    if sound.whole or not entry.count:
        return sound.whole
    if sound.header.container != "FLAC":
        return False
    chosen = set(np.linspace(0, entry.count - 1, min(TRIED, entry.count)).round().astype(int).tolist())
    tried = [
        len(codec.encode([window], verify=False).payload)
        for number, window in enumerate(windows(read_chunks(path), entry))
        if number in chosen
    ]
    apart = sum(len(data) for data in entry.extras.values())
    return path.stat().st_size <= sum(tried) / len(tried) * entry.count + apart


def kept_entry(name: str, size: int, header: SoundHeader) -> Entry:
    """The entry of a sound file that is kept to the byte: its bytes, and what it is."""
    return Entry(name, "array", (size,), "uint8", extras=file_extras(header))


def open_signals(path: Path, name: str) -> tuple[Entry, Iterator[Array]]:
    """The array of an .npy file as one signal, if it is `(T,)` or `(T, C)`, or as N of them, if it is `(N, T, C)`.
    Raises `DataError` for others."""
    array = open_npy(path)
    if array.ndim == 3:
        entry = Entry(name, "array", array.shape[1:], array.dtype.name, len(array))
        return entry, read_samples(path, Layout(len(array), array.shape[1:]))
    if array.ndim not in (1, 2):
        raise DataError(
            f"{path}: an array of shape {array.shape} was given as signals; allowed are (T,), (T, C) and (N, T, C)"
        )
    frames, channels = len(array), array.size // max(1, len(array)) or array.shape[-1]
    entry = recording(name, frames, channels, array.dtype.name, {AXES: bytes([array.ndim])})
    # Opened again for each part, since pages that were read count as memory of this process.
    parts = (np.array(open_npy(path)[at : at + WINDOW]) for at in range(0, frames, WINDOW))
    return entry, windows((part.reshape(-1, channels) for part in parts), entry)


def write_signal(archive: Archive, name: str, file: IO[bytes]) -> bool:
    """Write a signal as the file that it was, window by window; returns whether it is of another kind than its file
    was, and than its name says. Raises `ArchiveError` for damage."""
    entry = archive.entry(name)
    chunks = _frames_of(archive, name, entry)
    if SOUND not in entry.extras:
        shape = (entry.frames, entry.shape[1])[: int.from_bytes(entry.extras.get(AXES, b"\2"))]
        write_npy(file, entry.dtype, shape, chunks)
        return False
    try:
        kind = write_sound(file, entry.extras, entry.dtype, entry.shape[1], entry.frames, chunks)
    except DataError as error:
        raise ArchiveError(f"{name}: {error}") from None
    return kind != from_extras(entry.extras, entry.frames).container and other_ending(name, kind)


def _frames_of(archive: Archive, name: str, entry: Entry) -> Iterator[Array]:
    left = entry.frames
    for _, _, part in archive.parts(name):
        if isinstance(part, ArchiveError):
            raise part
        for window in part:
            yield window[: min(left, len(window))]
            left -= len(window)


def told(archive: Archive) -> dict[str, Any]:
    """How many sounds an archive has, and their rates, channels and length in all; nothing without sounds."""
    sounds, seconds = 0, 0.0
    rates: set[int] = set()
    channels: set[int] = set()
    for entry, count in archive.alike():
        if SOUND not in entry.extras:
            continue
        own = (entry.frames, entry.shape[1]) if entry.kind == "signal" else ()
        header = from_extras(entry.extras, *own)
        sounds, seconds = sounds + count, seconds + header.seconds * count
        rates.add(header.rate)
        channels.add(header.channels)
    if not sounds:
        return {}
    return {"sounds": sounds, "rates": sorted(rates), "channels": sorted(channels), "seconds": round(seconds, 3)}
