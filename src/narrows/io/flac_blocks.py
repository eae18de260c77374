"""The blocks that stand before the frames of a FLAC: what it is, its tags, pictures and cues.

Next door: `soundfiles` keeps them with the numbers; `sound_parts` tells of those that are not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from narrows.errors import DataError

MOST_BYTES = 1 << 22  # of blocks that are kept
FRAME_BYTES = 1 << 16  # at the end of a FLAC, in which its last frame begins
_OWN = (0, 1, 3)  # blocks that belong to the frames: STREAMINFO, padding, and places in the file


def flac_blocks(path: Path) -> tuple[bytes, bool]:
    """The blocks of a FLAC that say what it is, and not where its frames are: tags, pictures, cues; as they are. And
    whether they are all that it has beside its frames: some programs put tags before and after a FLAC."""
    blocks = b"".join(block for kind, block in blocks_of(path.open("rb")) if kind not in _OWN)
    with path.open("rb") as file:
        bare = file.read(4) == b"fLaC"
        file.seek(-min(path.stat().st_size, FRAME_BYTES), 2)
        bare = bare and _ends_a_frame(file.read())
    return (blocks, bare) if len(blocks) <= MOST_BYTES else (b"", False)


def _ends_a_frame(content: bytes) -> bool:
    """Whether the end of a FLAC is that of a frame: its checksum, taken over it and its own two bytes, is 0; not of
    zeros that follow, after which it is 0 still."""
    start = len(content)
    while (start := content.rfind(b"\xff", 0, start)) >= 0:
        frame = content[start:]
        if frame[1:2] in (b"\xf8", b"\xf9") and not _crc16(frame):
            return _crc16(frame[:-1]) != 0
    return False


def _crc16(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc = crc << 8 & 0xFFFF ^ _CRC16[crc >> 8 ^ byte]
    return crc


def _crc16_of(byte: int) -> int:
    crc = byte << 8
    for _ in range(8):
        crc = crc << 1 ^ (0x18005 if crc & 0x8000 else 0)
    return crc


_CRC16 = [_crc16_of(byte) for byte in range(256)]


def blocks_of(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The blocks of metadata before the frames of a FLAC, whole, with their kind; the file then stands at a frame."""
    with file:
        head = file.read(4)
        if head[:3] == b"ID3":  # some programs put it before
            sizes = (head + file.read(6))[6:10]
            file.seek(10 + sum(byte << shift for byte, shift in zip(sizes, (21, 14, 7, 0), strict=True)))
            head = file.read(4)
        last = head != b"fLaC"
        while not last:
            head = file.read(4)
            last = len(head) < 4 or head[0] > 127
            if len(head) == 4:
                yield head[0] & 127, bytes([head[0] & 127]) + head[1:] + file.read(int.from_bytes(head[1:], "big"))


def ended(blocks: bytes) -> bytes:
    """Blocks of a FLAC, the last of them marked as such. Raises `DataError` for damaged ones."""
    at, marked = 0, bytearray(blocks)
    while at < len(blocks):
        after = at + 4 + int.from_bytes(blocks[at + 1 : at + 4], "big")
        if after > len(blocks):
            raise DataError("damaged extras: a block of a FLAC that is cut short")
        marked[at] = blocks[at] & 127 | (128 if after == len(blocks) else 0)
        at = after
    return bytes(marked)
