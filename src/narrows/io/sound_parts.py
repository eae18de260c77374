"""What a sound file holds beside its numbers and tags: chunks of WAV and AIFF, blocks of FLAC, pictures.

Next door: `sound_results` writes sounds without them; `soundfiles` keeps the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from narrows.io.flac_blocks import blocks_of

# Chunks of the numbers and the tags, of room, and of what follows from the numbers.
_PLAIN = frozenset(
    "fmt |data|fact|LIST|PEAK|JUNK|junk|PAD |FLLR|ds64|COMM|SSND|FVER|NAME|AUTH|(c) |ANNO|ID3 |id3 ".split("|")
)
_FLAC = {2: "data of an application", 5: "a cue sheet", 6: "a picture"}  # kinds of blocks
_PICTURES = (b"APIC", b"METADATA_BLOCK_PICTURE")  # in ID3 and in Vorbis comments
_ORDERS: dict[bytes, Literal["little", "big"]] = {
    **dict.fromkeys((b"RIFF", b"RF64", b"BW64"), "little"),
    **dict.fromkeys((b"RIFX", b"FORM"), "big"),
}
_HEAD = 1 << 16  # bytes at the beginning that are searched for pictures


def beside(path: Path) -> list[str]:
    """What is in a sound file beside numbers and tags, in words."""
    with path.open("rb") as file:
        start = file.read(_HEAD)
        chunks = sorted({name for name in _chunks(file, start[:4]) if name not in _PLAIN})
    found = [f"chunk{'s' * (len(chunks) > 1)} {', '.join(name.strip() for name in chunks)}"] if chunks else []
    if start[:4] == b"fLaC":
        kinds = {kind for kind, _ in blocks_of(path.open("rb"))}
        return [*found, *(_FLAC[kind] for kind in sorted(kinds & _FLAC.keys()))]
    if start[:3] in (b"ID3", b"Ogg") and any(mark in start.upper() for mark in _PICTURES):
        found.append("a picture")
    return found


def _chunks(file: IO[bytes], kind: bytes) -> Iterator[str]:
    """The names of the chunks of a WAV or AIFF."""
    if kind not in _ORDERS:
        return
    file.seek(12)
    while len(head := file.read(8)) == 8:
        size = int.from_bytes(head[4:], _ORDERS[kind])
        if not head[:4].isascii() or size == 0xFFFFFFFF:
            return  # numbers of a length that stands elsewhere, or none
        yield head[:4].decode()
        file.seek(size + size % 2, 1)
