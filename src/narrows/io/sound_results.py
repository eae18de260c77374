"""Sounds that were made of others, such as restored ones, as files of the kind that their names say.

Next door: `soundfiles` makes the very file again that an archive was made of; `sound` reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from narrows.errors import DataError
from narrows.io.arrays import Array
from narrows.io.sound import SoundHeader, brief, unread_tags
from narrows.io.sound_output import sound_output
from narrows.io.soundfiles import ENDINGS

_KINDS = {"RF64": (".rf64",), **ENDINGS}
WRITTEN = frozenset(ending for endings in _KINDS.values() for ending in endings)
_ALIKE = {"WAVEX": "WAV", "RF64": "WAV"}  # containers with the endings of another
_PLAIN = {
    **{"uint8": ("PCM_U8", "PCM_S8"), "int8": ("PCM_S8", "PCM_U8"), "int16": ("PCM_16",)},
    **{"int32": ("PCM_32", "PCM_24"), "float32": ("FLOAT", "PCM_24"), "float64": ("DOUBLE", "FLOAT", "PCM_24")},
}
# What libsndfile says that it writes, and does not; and what it writes in blocks, the last filled up with silence.
_UNWRITTEN = {("WAV", "MPEG_LAYER_III"), ("MP3", "MPEG_LAYER_I"), ("MP3", "MPEG_LAYER_II"), ("AIFF", "DWVW_12")}
_IN_BLOCKS = ("MS_ADPCM", "IMA_ADPCM")
_WAV_BYTES = 1 << 32


def write_result(file: IO[bytes], path: Path, header: SoundHeader, frames: int, chunks: Iterable[Array]) -> list[str]:
    """Write numbers `(n, C)`, chunk by chunk, as a file of the kind that the ending of `path` says, in the encoding
    of the header if that kind has it, else in the nearest, with its tags. Returns in words what could not be kept.

    Raises `DataError` where libsndfile cannot write such a sound.
    """
    import soundfile

    kind = next(kind for kind, endings in _KINDS.items() if path.suffix.lower() in endings)
    same = kind == _ALIKE.get(header.container, header.container)
    kind = header.container if same else kind
    encoding = _encoding(kind, header, path)
    wide = frames * header.channels * np.dtype(header.dtype).itemsize >= _WAV_BYTES
    kind = "RF64" if kind in ("WAV", "WAVEX") and wide else kind
    lost = unread_tags(header)
    if same and header.container and encoding != header.encoding:
        lost.append(f"the encoding {header.encoding}, in place of which {encoding} is written")
    try:
        with sound_output(file, header.rate, header.channels, encoding, kind) as sound:
            for name, value in header.tags.items():
                try:
                    setattr(sound, name, value)
                except RuntimeError:
                    lost.append(name)
            for chunk in chunks:
                sound.write(_aligned(chunk, header.bits))
    except soundfile.SoundFileError as error:
        raise DataError(
            f"{path}: a sound of {header.rate} Hz and {header.channels} channels cannot be written as {kind} "
            f"({brief(error)}); choose another ending, such as .wav"
        ) from None
    return lost


def _encoding(kind: str, header: SoundHeader, path: Path) -> str:
    """The encoding of the header, or the nearest that the kind has."""
    import soundfile

    usual = soundfile.default_subtype(kind)
    lossy = {".opus": "OPUS"}.get(path.suffix.lower(), usual)
    options = [header.encoding, *(_PLAIN[header.dtype] if kind not in ("OGG", "MP3") else ()), lossy, usual]
    if header.bits == 24:
        options.insert(1, "PCM_24")
    written = (option for option in options if (kind, option) not in _UNWRITTEN and option not in _IN_BLOCKS)
    found: str = next(option for option in written if soundfile.check_format(kind, option))
    return found


def _aligned(chunk: Array, bits: int) -> Array:
    """Numbers as libsndfile takes them, aligned to the left."""
    if chunk.dtype == np.uint8:
        return (chunk.astype(np.int16) - 128) << 8
    if chunk.dtype == np.int8:
        return chunk.astype(np.int16) << 8
    return np.left_shift(chunk, 32 - bits) if chunk.dtype == np.int32 and bits < 32 else chunk
