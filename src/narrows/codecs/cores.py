"""One core per call where several calls run side by side.

Next door: `archive.parallel` has the threads; `block` and `make` compute in them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from narrows.archive.parallel import in_pool


class _Alone:
    """How many threads compute on one core now, and how many cores PyTorch used before."""

    lock, inside, before = threading.Lock(), 0, 1


@contextmanager
def one_core(always: bool = False) -> Iterator[None]:
    """In a thread of a pool, or `always`, let PyTorch compute on one core; elsewhere, or without PyTorch, change
    nothing.

    PyTorch keeps the number for each thread, but new threads begin with the one set last, so it is restored.
    """
    torch = sys.modules.get("torch")
    if torch is None or not (always or in_pool()):
        yield
        return
    with _Alone.lock:
        usual = torch.get_num_threads()  # each time: a thread takes up the number when first asked
        if not _Alone.inside:
            _Alone.before = usual
        _Alone.inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _Alone.lock:
            _Alone.inside -= 1
            torch.set_num_threads(_Alone.before)
