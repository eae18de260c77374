"""Sounds as files again: what stood before and after the numbers of a file, and numbers written in chunks.

Where a file holds its numbers as they are (WAV, AIFF, AU, CAF, W64), the bytes before and after them make it whole
again, to the byte, whatever chunks they are. A FLAC gets the tags and pictures that it had.
Next door: `sound` reads sound files.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.flac_blocks import ended
from narrows.io.sound import CHANNELS, ENCODINGS, FRAMES, SoundHeader, read_chunks
from narrows.io.sound_output import sound_output

Order = Literal["<", ">"]
HEAD_BYTES, TAIL_BYTES = 1 << 21, 1 << 22  # before and after the numbers, at most: covers and maps are far smaller
VERBATIM = frozenset(name for name in ENCODINGS if not name.startswith("ALAC"))
SOUND = "sound"  # key of the extras that say what a sound file was
ENDINGS = {
    "WAV": (".wav", ".wave", ".bwf"),
    "FLAC": (".flac",),
    "AIFF": (".aif", ".aiff", ".aifc"),
    "AU": (".au", ".snd"),
    "OGG": (".ogg", ".oga", ".opus"),
    "MP3": (".mp3",),
    "CAF": (".caf",),
    "W64": (".w64",),
}
_TRIES = 16  # places at which the first numbers may seem to stand


@dataclass(frozen=True)
class Around:
    """The bytes before and after the numbers of a file, which are in the byte `order` "<" or ">". What stands at
    `sizes` (place, bytes, what) follows from how much the file holds, and is 0 in `head`."""

    head: bytes
    tail: bytes
    order: Order
    sizes: tuple[tuple[int, int, str], ...] = ()


def around(path: Path, header: SoundHeader) -> tuple[Around | None, int]:
    """What is around the numbers of a file, checked number by number, and how many frames can be read; None where
    they are not in the file as they are. Raises `DataError` for a damaged file."""
    chunks = read_chunks(path)
    first = next(chunks, None)
    size = path.stat().st_size
    if header.encoding in VERBATIM and header.container != "FLAC":
        with path.open("rb") as file:
            start = file.read(HEAD_BYTES if first is None else HEAD_BYTES + first.nbytes)
        if first is None:
            return (Around(start, b"", "<") if len(start) == size else None), 0
        orders: tuple[Order, ...] = ("<", ">")
        for order in orders:
            probe, at = to_bytes(first, header.encoding, order), -1
            for _ in range(_TRIES):
                at = start.find(probe, at + 1)
                if at < 0:
                    break
                frames, end = _same(path, header.encoding, order, at)
                if end and size - end <= TAIL_BYTES:
                    return _kept(path, start[:at], order, frames, end), frames
    return None, (0 if first is None else len(first)) + sum(map(len, chunks))


def _same(path: Path, encoding: str, order: Order, at: int) -> tuple[int, int]:
    """How many frames a file has if its numbers begin at a place, and where they end; 0 where they do not."""
    frames = 0
    with path.open("rb") as file:
        file.seek(at)
        for chunk in read_chunks(path):
            wanted = to_bytes(chunk, encoding, order)
            if file.read(len(wanted)) != wanted:
                return 0, 0
            frames += len(chunk)
        return frames, file.tell()


def _kept(path: Path, head: bytes, order: Order, frames: int, end: int) -> Around:
    with path.open("rb") as file:
        file.seek(end)
        tail = file.read()
    found, cleared = [], bytearray(head)
    values = _values(len(head), end - len(head), len(tail), frames)
    places = ((4, "form"), (len(head) - 4, "data"), (len(head) - 12, "more"), (head.find(b"COMM") + 10, "frames"))
    for place, what in places:
        for reverse in (False, True) if 0 < place <= len(head) - 4 else ():
            if head[place : place + 4] == values[what].to_bytes(8, "little")[:4][:: -1 if reverse else 1]:
                found.append((place, -4 if reverse else 4, what))
                cleared[place : place + 4] = bytes(4)
                break
    return Around(bytes(cleared), tail, order, tuple(found))


def _values(head: int, data: int, tail: int, frames: int) -> dict[str, int]:
    return {"form": head + data + tail - 8, "data": data, "more": data + 8, "frames": frames}


def to_bytes(chunk: Array, encoding: str, order: Order) -> bytes:
    """Numbers as a file holds them, in the byte order "<" or ">"."""
    data = np.ascontiguousarray(chunk, chunk.dtype.newbyteorder(order))
    if encoding != "PCM_24":
        return data.tobytes()
    return data.view(np.uint8).reshape(-1, 4)[:, slice(0, 3) if order == "<" else slice(1, 4)].tobytes()


def to_extras(header: SoundHeader, found: Around | None, blocks: bytes = b"") -> dict[str, bytes]:
    """What an archive keeps of a sound file beside its numbers, as bytes by name."""
    fields: dict[str, Any] = {name: getattr(header, name) for name in ("rate", "container", "encoding")}
    if found is None:
        if header.tags and not blocks:
            fields["tags"] = dict(header.tags)
        return {SOUND: _json(fields), **({"blocks": blocks} if blocks else {})}
    fields |= {"order": found.order, "sizes": found.sizes}
    return {SOUND: _json(fields), "head": found.head, **({"tail": found.tail} if found.tail else {})}


def file_extras(header: SoundHeader) -> dict[str, bytes]:
    """What an archive says of a sound file that it keeps to the byte."""
    fields = asdict(header)
    del fields["wrong"], fields["unread"]
    return {SOUND: _json({name: value for name, value in fields.items() if value != {}})}


def from_extras(extras: Mapping[str, bytes], frames: int = 0, channels: int = 1) -> SoundHeader:
    """The header that extras tell of; raises `DataError` for damaged ones."""
    fields = _fields(extras)
    try:
        header = SoundHeader(
            int(fields.get("frames", frames)),
            int(fields.get("channels", channels)),
            int(fields["rate"]),
            str(fields["container"]),
            str(fields["encoding"]),
            {str(name): str(value) for name, value in fields.get("tags", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError("damaged extras: they do not tell what a sound is") from None
    if not (0 <= header.frames < FRAMES and 1 <= header.channels <= CHANNELS and header.rate > 0):
        raise DataError("damaged extras: they do not tell what a sound is")
    return header


def write_sound(
    file: IO[bytes], extras: Mapping[str, bytes], dtype: str, channels: int, frames: int, chunks: Iterable[Array]
) -> str:
    """Write numbers `(n, C)`, chunk by chunk, as the file that extras tell of: to the byte where they have all that
    stood around them, else as FLAC, or as WAV if the numbers do not fit its kind. Returns the kind."""
    header = from_extras(extras, frames, channels)
    same = header.dtype == dtype
    if same and "head" in extras:
        _write_around(file, extras, header, chunks)
        return header.container
    if same and header.container == "FLAC":
        _write_flac(file, extras.get("blocks", b""), header, chunks)
        return "FLAC"
    _write_plain(file, "WAV", header, dtype, chunks)
    return "WAV"


def other_ending(name: str, container: str) -> bool:
    """Whether a file of this kind has a name with the ending of another."""
    suffix = Path(name).suffix.lower()
    return any(suffix in endings for kind, endings in ENDINGS.items() if kind != container)


def _write_around(file: IO[bytes], extras: Mapping[str, bytes], header: SoundHeader, chunks: Iterable[Array]) -> None:
    fields, head, tail = _fields(extras), bytearray(extras["head"]), extras.get("tail", b"")
    order: Order = ">" if fields.get("order") == ">" else "<"
    width = 3 if header.encoding == "PCM_24" else np.dtype(header.dtype).itemsize
    data = header.frames * header.channels * width
    values = _values(len(head), data, len(tail), header.frames)
    for place, count, what in fields.get("sizes", ()):
        if not (isinstance(place, int) and 0 <= place <= len(head) - 4 and what in values):
            raise DataError("damaged extras: a size that stands nowhere")
        head[place : place + 4] = values[what].to_bytes(8, "little")[:4][:: -1 if count < 0 else 1]
    file.write(head)
    for chunk in chunks:
        file.write(to_bytes(chunk, header.encoding, order))
    file.write(tail)


def _write_flac(file: IO[bytes], blocks: bytes, header: SoundHeader, chunks: Iterable[Array]) -> None:
    with tempfile.TemporaryFile() as plain:
        _write_plain(plain, "FLAC", header, header.dtype, chunks)
        plain.seek(0)
        own = plain.read(4 + 38)  # fLaC and STREAMINFO
        file.write(own[:4] + bytes([0 if blocks else 128]) + own[5:])
        file.write(ended(blocks))
        plain.seek(4)
        last = False
        while not last:
            head = plain.read(4)
            last = head[0] > 127
            plain.seek(int.from_bytes(head[1:], "big"), 1)
        shutil.copyfileobj(plain, file, 1 << 20)


def _write_plain(file: IO[bytes], kind: str, header: SoundHeader, dtype: str, chunks: Iterable[Array]) -> None:
    bits = header.bits if header.dtype == dtype else 0
    encoding = {
        **{"uint8": "PCM_U8", "int8": "PCM_S8", "int16": "PCM_16", "float32": "FLOAT", "float64": "DOUBLE"},
        "int32": "PCM_24" if 0 < bits <= 24 else "PCM_32",
    }.get(dtype)
    if encoding == "PCM_S8" and kind == "WAV":
        encoding = "PCM_16"
    if encoding is None:
        raise DataError(f"numbers of dtype {dtype} are not a sound that can be written; decompress them as .npy")
    channels = header.channels
    if kind == "WAV" and header.frames * channels * np.dtype(dtype).itemsize >= 1 << 32:
        kind = "RF64"
    tags = {} if kind == "FLAC" else header.tags
    with sound_output(file, header.rate, channels, encoding, kind) as sound:
        for name, value in tags.items():
            setattr(sound, name, value)
        for chunk in chunks:
            sound.write(_aligned(chunk, encoding))


def _aligned(chunk: Array, encoding: str) -> Array:
    """Numbers as libsndfile takes them, aligned to the left."""
    if chunk.dtype == np.uint8:
        return (chunk.astype(np.int16) - 128) << 8
    if chunk.dtype == np.int8:
        return chunk.astype(np.int16) << 8
    return np.left_shift(chunk, 8) if encoding == "PCM_24" else chunk


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _fields(extras: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        fields = json.loads(extras[SOUND])
    except (KeyError, ValueError):
        fields = None
    if not isinstance(fields, dict):
        raise DataError("damaged extras: they do not tell what a sound is")
    return fields
