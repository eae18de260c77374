"""What the commands for archives share: sizes in words, and whether a file is one."""

from __future__ import annotations

from pathlib import Path


def is_archive(path: Path) -> bool:
    """Whether the file begins as an archive does; False where it cannot be read."""
    from narrows.archive.index import HEAD

    try:
        with path.open("rb") as file:
            return file.read(4) == HEAD[:4]
    except OSError:
        return False


def size(count: float) -> str:
    """Bytes in words: 999 bytes, 12.3 kB, 4.56 MB."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5 or unit == "TB":
            break
    return f"{count:.3g} {unit}"


def files(count: int) -> str:
    """1 file, 2 files."""
    return f"{count} file{'s' * (count != 1)}"


def ratio(raw: int, small: int) -> str:
    """How many times smaller, as `4.12 : 1`."""
    return f"{raw / max(1, small):.3g} : 1"
