"""Sound files to arrays of the very numbers that they hold, in chunks of frames, whatever their length.

A file is told by its content, never by its ending. Next door: `soundfiles` writes sounds; `images` reads pictures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.files import open_file

if TYPE_CHECKING:
    import soundfile  # loaded when the first sound is read

CHUNK = 1 << 16  # frames read at a time
CHANNELS = 8  # at most
FRAMES = 1 << 42  # at most; libsndfile claims more where a file does not say its length
SOUNDS = frozenset(
    ".wav .wave .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .bwf .sph".split()
)
CONTAINERS = frozenset("WAV WAVEX RF64 W64 AIFF AU CAF FLAC OGG MP3 NIST".split())
# Of each encoding: the dtype in which its numbers are kept, and their bits; all others lose something on the way and
# are decoded to 16 bits.
ENCODINGS: Mapping[str, tuple[str, int]] = {
    **{"PCM_U8": ("uint8", 8), "PCM_S8": ("int8", 8), "PCM_16": ("int16", 16), "PCM_24": ("int32", 24)},
    **{"PCM_32": ("int32", 32), "FLOAT": ("float32", 0), "DOUBLE": ("float64", 0)},
    **{"ALAC_16": ("int16", 16), "ALAC_20": ("int32", 20), "ALAC_24": ("int32", 24), "ALAC_32": ("int32", 32)},
}
_DECODED = ("int16", 16)
_FLOATING = ("VORBIS", "OPUS", "MPEG")  # decoded to floats, whose loud ones wrap where libsndfile makes them integers
_MAGIC = re.compile(
    rb"RIF[FX].{4}WAVE|(?:RF64|BW64).{4}WAVE|riff\x2e\x91\xcf\x11|FORM.{4}AIF[FC]|\.snd|dns\.|caff\0|fLaC|OggS|"
    rb"ID3[\x02-\x04]|\xff[\xfa\xfb\xf2\xf3\xe2\xe3]|NIST_1A",
    re.DOTALL,
)
_EMPTY = re.compile(rb"data\0\0\0\0(?=.{4})(?![\w ]{4})", re.DOTALL)  # values follow, and no other chunk
_HEAD = 1 << 16  # bytes in which a header ends


@dataclass(frozen=True)
class SoundHeader:
    """What the header of a sound file says.

    `bits` are those of its integers, 0 for floats; an encoding that is `lossy` is decoded to 16 bits. `container` and
    `encoding` are libsndfile's names, `tags` such as title and artist; `unread` are the names of tags that are not
    UTF-8. `wrong` says, in words, where the file is shorter than its header claims.
    """

    frames: int
    channels: int
    rate: int
    container: str
    encoding: str
    tags: Mapping[str, str] = field(default_factory=dict)
    wrong: str = ""
    unread: tuple[str, ...] = ()

    @property
    def dtype(self) -> str:
        return ENCODINGS.get(self.encoding, _DECODED)[0]

    @property
    def bits(self) -> int:
        return ENCODINGS.get(self.encoding, _DECODED)[1]

    @property
    def lossy(self) -> bool:
        return self.encoding not in ENCODINGS

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def __str__(self) -> str:
        channels = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        return f"{self.container} ({self.encoding}), {self.rate} Hz, {channels}, {self.seconds:.2f} s"


def unread_tags(header: SoundHeader) -> list[str]:
    """The tags that only the file itself keeps, in words."""
    return [f"{name}, which is not UTF-8" for name in header.unread]


def is_sound(path: Path) -> bool:
    """Whether a file begins as a sound file does, whatever its name."""
    with suppress(OSError), open_file(path) as file:
        return _MAGIC.match(file.read(16)) is not None
    return False


def sound_header(path: Path) -> SoundHeader:
    """The header of a sound file; one that does not say its length is read to its end. Raises `DataError` naming the
    file."""
    with _opened(path) as file:
        header = _header(file, path)
    return header if header.frames < FRAMES else replace(header, frames=count_frames(path))


def read_chunks(path: Path, frames: int = CHUNK) -> Iterator[Array]:
    """The numbers of a sound file, `(frames, C)`, the last of what is left: uint8, int8, int16, int32 (24 bits from
    -2^23 to 2^23 - 1), float32 or float64 as they are in the file; 16 bits of encodings that lose something.

    Raises `DataError` naming the file, also at the end of one that is cut short.
    """
    with _opened(path) as file:
        header, done = _header(file, path), 0
        # Otherwise it seeks after every chunk, which is slow, fails where the length is unknown, and misses in Opus.
        vars(file)["seekable"] = lambda: False
        while done < header.frames:
            try:
                chunk = file.read(min(frames, header.frames - done), dtype=_read_as(header), always_2d=True)
            except Exception as error:  # libsndfile's decoders, on damaged files
                raise DataError(f"{path}: {_cut(done, header)} ({brief(error)}); replace or remove it") from None
            if not len(chunk):
                break
            done += len(chunk)
            yield _as_kept(chunk, header)
        if done < header.frames and not header.lossy and header.frames < FRAMES:
            raise DataError(f"{path}: {_cut(done, header)}; replace or remove it")


def read_sound(path: str | os.PathLike[str]) -> tuple[Array, int]:
    """All of a sound file, `(T, C)` as `read_chunks` reads it, and its rate in Hz."""
    path = Path(path)
    header = sound_header(path)
    chunks = list(read_chunks(path))
    return np.concatenate(chunks) if chunks else np.empty((0, header.channels), header.dtype), header.rate


def count_frames(path: Path) -> int:
    """How many frames can be read, by reading them: some headers do not know it. Raises as `read_chunks`."""
    return sum(map(len, read_chunks(path)))


def _header(file: soundfile.SoundFile, path: Path) -> SoundHeader:
    if file.format not in CONTAINERS:
        raise DataError(f"{path}: a sound of the kind {file.format}, which is not read; save it as WAV or FLAC")
    if file.channels > CHANNELS:
        raise DataError(
            f"{path}: a sound of {file.channels} channels; allowed are 1 to {CHANNELS}; split it, or save its "
            "numbers as .npy"
        )
    if file.samplerate < 1:
        raise DataError(f"{path}: a sound of {file.samplerate} Hz; a rate is at least 1; replace or remove it")
    claims = re.search(r"^(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    wrong = ""
    if claims and int(claims[1]) > int(claims[2]) and int(claims[1]) < 0xFFFFF000:  # that is how streams are marked
        wrong = f"its header claims {claims[1]} bytes of sound, and {claims[2]} are there"
    tags = file.copy_metadata()
    unread = tuple(tag for tag, words in tags.items() if "\N{REPLACEMENT CHARACTER}" in words)
    tags = {tag: words for tag, words in tags.items() if tag not in unread}
    return SoundHeader(file.frames, file.channels, file.samplerate, file.format, file.subtype, tags, wrong, unread)


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """A sound file that may be read; whatever is wrong with it is a `DataError`."""
    try:
        with open_file(path) as begun:
            head = begun.read(_HEAD)
        if not head:
            raise DataError(f"{path}: the file is empty; replace or remove it")
        if _MAGIC.match(head) is None:
            raise DataError(
                f"{path}: the content is not a sound of a kind that is read, or it is damaged; save it as WAV or "
                "FLAC, or leave it out"
            )
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from None
    import soundfile

    unknown = _EMPTY.search(head) if head[:4] == b"RIFF" else None
    try:
        # libsndfile takes a length of 0 at its word, which is how some programs begin a stream.
        whole = None if unknown is None else _Streamed(path, unknown.start() + 4)
        file = soundfile.SoundFile(os.fspath(path) if whole is None else cast(BinaryIO, whole))
    except Exception as error:  # the library raises every kind
        raise DataError(f"{path}: the sound cannot be read ({brief(error)}); replace or remove it") from None
    try:
        with file:
            yield file
    finally:
        if whole is not None:
            whole.close()


class _Streamed:
    """A RIFF file whose data, at `at`, are said to have a length of 0, as one of unknown length."""

    def __init__(self, path: Path, at: int) -> None:
        self._file, self._at = open_file(path), at
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        content = bytearray(self._file.read(size))
        for place in range(max(start, self._at), min(start + len(content), self._at + 4)):
            content[place - start] = 0xFF
        return bytes(content)

    def readinto(self, buffer: memoryview) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _read_as(header: SoundHeader) -> str:
    """The dtype in which libsndfile gives the numbers, aligned to the left."""
    if header.encoding.startswith(_FLOATING):
        return "float32"
    return "int32" if header.dtype == "int32" else header.dtype if header.dtype in ("float32", "float64") else "int16"


def _as_kept(chunk: Array, header: SoundHeader) -> Array:
    """The numbers as the file has them."""
    if header.encoding.startswith(_FLOATING):
        rounded: Array = np.clip(np.rint(chunk * 32768), -32768, 32767).astype(np.int16)
        return rounded
    if header.dtype == "uint8":
        return ((chunk >> 8) + 128).astype(np.uint8)
    if header.dtype == "int8":
        return (chunk >> 8).astype(np.int8)
    return chunk >> (32 - header.bits) if header.dtype == "int32" and header.bits < 32 else chunk


def _cut(done: int, header: SoundHeader) -> str:
    of = f" of {header.frames}" if header.frames < FRAMES else ""
    return f"damaged or cut short after {done}{of} frames"


def brief(error: BaseException) -> str:
    """What libsndfile says is wrong, without the file, which it may call by a Python object."""
    words = " ".join(str(error).split()).replace(
        "Internal error : SF_INFO struct incomplete", "its header is damaged"
    )
    return re.sub(r"^(?:Error opening .*?: )?(?:Error : )?", "", words)[:160].rstrip(".") or type(error).__name__
