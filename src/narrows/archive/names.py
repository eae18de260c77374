"""Names in an archive: relative paths that are safe to write on every system.

Next door: `index` keeps them, one per line.
"""

from __future__ import annotations

import re

from narrows.errors import ArchiveError

NAME_BYTES, PART_BYTES = 1024, 255  # limits of file systems; the second is for each part of a path
_REASONS = {
    "it is an absolute path": r"^(?:/|[A-Za-z]:)",
    "it is empty or has an empty part": r"(?:^|/)(?=/|$)",
    "a part of it is only dots and spaces": r"(?:^|/)[. ]+(?=/|$)",
    "it has a backslash": r"\\",
    "it has a control character": r"[\x00-\x09\x0b-\x1f\x7f-\x9f]",
}
_BAD = re.compile("|".join(_REASONS.values()), re.MULTILINE)


def checked_name(name: str) -> str:
    """The name, if an archive may have it; raises `ArchiveError` otherwise."""
    if "\n" in name:
        raise _refused(name, "it has a control character")
    return checked_names(name)[0]


def checked_names(text: str) -> list[str]:
    """Names, one per line, as `checked_name` allows them; raises `ArchiveError` for the first that it does not."""
    names = text.split("\n")
    for name in names:
        if len(name) * 4 > PART_BYTES:  # only then can it be too long
            if len(name.encode(errors="replace")) > NAME_BYTES:
                raise _refused(name, f"it has more than {NAME_BYTES} bytes")
            if any(len(part.encode(errors="replace")) > PART_BYTES for part in name.split("/")):
                raise _refused(name, f"a part of it has more than {PART_BYTES} bytes")
    if _BAD.search(text):
        for name in names:
            for reason, pattern in _REASONS.items():
                if re.search(pattern, name):
                    raise _refused(name, reason)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refused(text, "it is not valid Unicode") from None
    return names


def check_tree(numbers: dict[str, int]) -> None:
    """Raise `ArchiveError` if one name is a folder of another; `numbers` has the names as keys."""
    folders: set[str] = set()
    for name in numbers:
        folder = name.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for folder in folders:
        if folder in numbers:
            raise _refused(folder, "it is a folder of another name")


def _refused(name: str, why: str) -> ArchiveError:
    shown = ascii(name if len(name) <= 80 else name[:77] + "...")
    return ArchiveError(f"the name {shown} was given, but {why}; allowed are relative paths such as 'a/b.png'")
