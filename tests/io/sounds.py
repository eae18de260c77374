"""Sounds to test with: waves, and WAV files built chunk by chunk as other programs build them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from narrows.io.arrays import Array


def wave(frames: int = 3000, channels: int = 1, seed: int = 0) -> Array:
    """A tone in a little noise, int16 `(frames, channels)`."""
    t = np.arange(frames)[:, None]
    noise = np.random.default_rng(seed).normal(0, 40, (frames, channels))
    return np.asarray((6000 * np.sin(t / (9 + seed % 5)) / (1 + np.arange(channels)) + noise).astype(np.int16))


def chunk(kind: bytes, content: bytes, pad: bool = True) -> bytes:
    """A chunk of a RIFF file."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2 and pad)


def fmt(code: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, more: bytes = b"") -> bytes:
    """The chunk that says how values are coded."""
    align = channels * -(-bits // 8)
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, rate, rate * align, align, bits) + more)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    """A WAV file of chunks, which may lie about its size."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def write(path: Path, *chunks: bytes, size: int | None = None) -> Path:
    """A WAV file of chunks on disk."""
    path.write_bytes(riff(*chunks, size=size))
    return path
