"""What an archive knows about one name beside its samples.

Next door: `index` keeps entries in columns; `writer` and `archive` write and read them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from narrows.archive.names import checked_name
from narrows.archive.varints import deflated, from_varints, inflated, to_varints
from narrows.errors import ArchiveError

Shape = tuple[int, ...]
Kind = Literal["image", "array", "signal"]
# Part of the format: a file has the position in this list; new ones come at its end.
DTYPES = [*"uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bool".split()]
VALUES, SAMPLE_BYTES = 1 << 29, 1 << 30  # of one sample, at most: room for every image that narrows reads
CHANNELS = (1 << 16) - 1
NUMBER = 1 << 36  # of samples in an array, so that sums of many stay within 64 bits
EXTRAS_BYTES = 1 << 24  # of one entry: profiles and EXIF are far smaller
DIMENSIONS = 32
WINDOW = 1 << 16  # frames of a sample of a longer recording
RECORDING = "recording"  # key of the extras of a signal in several samples, or none: how many frames it has
SAME = "same"  # key of the extras of an array without samples, whose file was the same as that of the name in it


@dataclass(frozen=True)
class Entry:
    """One name in an archive.

    An `image` is one sample, an `array` is `count` of them. A `signal` is one recording: a sample, or `count` of
    `WINDOW` frames each, of which the last repeats the last frame up to its end; see `recording`. `shape` is that of
    one sample as coded, `(H, W, C)`, `(T, C)` or `(D,)`; `form` is that of one sample as it was given, if it differs:
    `(28, 28)`. `extras` are bytes that come back unchanged (`icc`, `exif`, ...).
    """

    name: str
    kind: Kind
    shape: Shape
    dtype: str
    count: int = 1
    form: Shape | None = None
    extras: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Frames of a signal; raises `ArchiveError` for damaged extras."""
        return self.shape[0] if RECORDING not in self.extras else _frames(self.extras[RECORDING])

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def check_entry(entry: Entry) -> None:
    """Raise `ArchiveError` for a name, shape, dtype, count or form that no archive can have."""
    checked_name(entry.name)
    where = ascii(entry.name)
    if entry.dtype not in DTYPES:
        raise ArchiveError(f"{where}: values of dtype {entry.dtype} were given; allowed are {', '.join(DTYPES)}")
    values = math.prod(entry.shape)
    axes = (1, 3) if entry.kind == "image" else (1, 2, 3)
    fits = len(entry.shape) in axes and min(entry.shape) > 0 and (entry.shape[1:] or (1,))[-1] <= CHANNELS
    if not fits or values > VALUES or values * np.dtype(entry.dtype).itemsize > SAMPLE_BYTES:
        raise ArchiveError(
            f"{where}: a sample of shape {entry.shape} was given; allowed are (H, W, C), (T, C) and (D,) of 1 to "
            f"{VALUES} values and at most {SAMPLE_BYTES} bytes; cut it into smaller ones"
        )
    if entry.kind == "signal":
        check_recording(entry)
    if not (entry.count == 1 if entry.kind == "image" else 0 <= entry.count <= NUMBER):
        raise ArchiveError(f"{where}: {entry.count} samples were given; an image has 1, an array at most {NUMBER}")
    if entry.form is not None and not _forms(entry.form, entry.shape):
        raise ArchiveError(f"{where}: the form {entry.form} was given; it must hold as many values as {entry.shape}")


def recording(name: str, frames: int, channels: int, dtype: str, extras: Mapping[str, bytes]) -> Entry:
    """The entry of a signal `(frames, channels)`, in as many samples as it takes."""
    if 0 < frames <= WINDOW:
        return Entry(name, "signal", (frames, channels), dtype, extras=extras)
    shape, count = (WINDOW if frames else 1, channels), -(-frames // WINDOW)
    return Entry(name, "signal", shape, dtype, count, extras={**extras, RECORDING: to_varints([frames])})


def check_recording(entry: Entry) -> None:
    """Raise `ArchiveError` unless the samples of a signal can be those of its number of frames."""
    known, frames = RECORDING in entry.extras, entry.frames
    whole = frames <= entry.count * entry.shape[0] < frames + entry.shape[0] and entry.count != 1
    if len(entry.shape) != 2 or not (whole if known else entry.count == 1):
        raise ArchiveError(
            f"{entry.name!a}: {entry.count} samples {entry.shape} were given for a signal of {frames} frames; "
            "allowed are as many as it takes, of shape (T, C)"
        )


def extras_to_bytes(entry: Entry) -> bytes:
    """The record of an entry's form and extras; empty if it has neither."""
    content = b"" if entry.form is None else _item("form", to_varints(entry.form))
    for key, value in entry.extras.items():
        if not (key.isascii() and len(key) <= 255) or key == "form":
            raise ArchiveError(f"{entry.name!a}: extras {key!r} were given; allowed are other ASCII keys")
        content += _item(key, value)
    if len(content) > EXTRAS_BYTES:
        raise ArchiveError(f"{entry.name!a}: extras of {len(content)} bytes; at most {EXTRAS_BYTES} are allowed")
    if not content:
        return b""
    short = deflated(content)
    return b"\0" + content if short is None else b"\1" + short


def extras_from_bytes(record: bytes, shape: Shape) -> tuple[Shape | None, dict[str, bytes]]:
    """Form and extras of an entry of this shape; raises `ArchiveError` for any other bytes."""
    if record[:1] not in (b"\0", b"\1"):
        raise ArchiveError("a damaged record of extras: neither stored nor deflated")
    content = inflated(record[1:], EXTRAS_BYTES) if record[0] else record[1:]
    extras: dict[str, bytes] = {}
    at = 0
    while at < len(content):
        raw, at = _bytes(content, at)
        value, at = _bytes(content, at)
        key = raw.decode("ascii", "replace")
        if len(raw) > 255 or not key.isascii() or key in extras:
            raise ArchiveError("a damaged record of extras: a key that is not ASCII, too long or there twice")
        extras[key] = value
    if "form" not in extras:
        return None, extras
    packed = extras.pop("form")
    count = sum(byte < 128 for byte in packed[: DIMENSIONS * 7])
    sides, end = from_varints(packed, 0, count)
    form = tuple(int(n) for n in sides)
    if end != len(packed) or not _forms(form, shape):
        raise ArchiveError("a damaged record of extras: a form that the samples do not have")
    return form, extras


def _forms(form: Shape, shape: Shape) -> bool:
    return len(form) <= DIMENSIONS and min(form, default=1) > 0 and math.prod(form) == math.prod(shape)


def _frames(packed: bytes) -> int:
    (frames,), end = from_varints(packed, 0, 1)
    if end != len(packed):
        raise ArchiveError("a damaged record of extras: a number of frames with something after it")
    return int(frames)


def _item(key: str, value: bytes) -> bytes:
    return to_varints([len(key)]) + key.encode() + to_varints([len(value)]) + value


def _bytes(content: bytes, at: int) -> tuple[bytes, int]:
    (length,), at = from_varints(content, at, 1)
    if length > len(content) - at:
        raise ArchiveError("a damaged record of extras: a length that reaches beyond its end")
    end = at + int(length)
    return content[at:end], end
