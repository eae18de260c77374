"""Where large things are kept while a program runs, and how large is large.

Next door: `folders` puts decoded images there, `data.named` what was downloaded.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from narrows.errors import OutputError
from narrows.io.arrays import Array, Ragged

MEMORY_SHARE = 0.25  # of RAM: a larger set is memory-mapped from a cache file
HELD = 32  # parts of a memory map whose pages are held at a time
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def buffer(size: int, dtype: np.dtype[Any], memory: int | None) -> Array:
    """A flat array for the decoded set: in memory, or, if it is too large, a memory map of a file in the cache, which
    has no name once it is open, so that nothing is left behind."""
    size_bytes = size * dtype.itemsize
    if size_bytes <= (total_memory() * MEMORY_SHARE if memory is None else memory):
        return np.empty(size, dtype)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix="images-") as file:
            if hasattr(os, "posix_fallocate"):  # so that a full disk is an error now, not a crash later
                os.posix_fallocate(file.fileno(), 0, size_bytes)
            file.truncate(size_bytes)
            return np.memmap(file, dtype, "r+", shape=(size,))
    except OSError as error:
        raise OutputError(
            f"{folder}: {size_bytes / 1e9:.2g} GB of decoded images cannot be kept there ({error.strerror}); "
            "free some space or set NARROWS_CACHE to a folder on a larger disk"
        ) from None


def release(values: Array | Ragged) -> None:
    """Let go of the pages that were read of a `buffer` in a file: they come back when they are read again."""
    base: Any = values.flat if isinstance(values, Ragged) else values
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "r+":
            base._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
            return
        base = base.base


def copied(parts: Iterable[Array], values: Array | Ragged) -> list[Array]:
    """Copies of parts of values, while few pages of a `buffer` in a file are held: a system may map megabytes where
    kilobytes are read."""
    own = []
    for number, part in enumerate(parts):
        own.append(part.copy())
        if number % HELD == 0:
            release(values)
    return own


def cache_folder() -> Path:
    """`$NARROWS_CACHE`, or `narrows` in the user's cache folder. Raises `OutputError` if there is neither."""
    if given := os.environ.get("NARROWS_CACHE"):
        return Path(given)
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG specification ignores relative ones
        return xdg / "narrows"
    try:
        return Path.home() / ".cache" / "narrows"
    except RuntimeError:
        raise OutputError("no home folder is known for a cache; set NARROWS_CACHE to a folder") from None


def total_memory() -> int:
    """Bytes of RAM of this machine, or the limit of its container if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no such control group, or the word "max"
        return machine
