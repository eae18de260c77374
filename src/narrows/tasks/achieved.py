"""The largest error that an archive's arrays really have, as its blocks say.

Next door: `bounding` makes those blocks.
"""

from __future__ import annotations

import numpy as np

from narrows.archive.archive import Archive
from narrows.codecs.bounds import error_in, is_bounded


def largest_errors(archive: Archive) -> dict[str, float]:
    """By name, for arrays within an error of their own, in the units of the promise: values, shares of the range or
    of each value. Raises `ArchiveError` for a damaged block."""
    found: dict[str, float] = {}
    for name in archive if archive.promise.max_error else ():
        if is_bounded(archive.promise, np.dtype(archive.entry(name).dtype)):
            errors = [error_in(payload) for payload in archive.payloads(name)]
            if any(error is not None for error in errors):
                found[name] = max(error for error in errors if error is not None)
    return found
