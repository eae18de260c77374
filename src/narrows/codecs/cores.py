"""One core per call: where several calls run side by side, and for networks that work in small steps.

No more large calls run side by side than the memory bears.
Next door: `archive.parallel` has the threads; `block` and `make` compute in them.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from narrows.archive.parallel import in_pool
from narrows.entropy.strips import several_cores
from narrows.io.cache import total_memory

MANY = 1 << 21  # values of samples, from which the steps of networks over all of them are not small
SECTION_VALUES = 3 << 22  # of a photograph that is coded in one piece, at most
SECTION_BYTES = 5 << 29  # that coding it takes
SHARE = 1 / 3  # of the memory, for all that are coded side by side


class _Alone:
    """How many threads compute on one core now, and how many cores PyTorch used before."""

    lock, inside, before = threading.Lock(), 0, 1
    here = threading.local()  # `alone` is true in such a thread
    room, taken = threading.Condition(), 0.0  # bytes that those in `bounded` take


@contextmanager
def one_core(always: bool = False) -> Iterator[None]:
    """In a thread of a pool, or `always`, let PyTorch compute on one core; elsewhere, or without PyTorch, change
    nothing. A second thread waits for the first after each step: where steps are small it gains little, and beside
    any other load it takes many times as long.

    PyTorch keeps the number for each thread, but new threads begin with the one set last, so it is restored.
    """
    torch = sys.modules.get("torch")
    if torch is None or not (always or in_pool()) or _alone():
        yield
        return
    with _Alone.lock:
        usual = torch.get_num_threads()  # each time: a thread takes up the number when first asked
        if not _Alone.inside:
            _Alone.before = usual
        _Alone.inside += 1
        torch.set_num_threads(1)
    _Alone.here.alone = True
    try:
        yield
    finally:
        _Alone.here.alone = False
        with _Alone.lock:
            _Alone.inside -= 1
            torch.set_num_threads(_Alone.before)


@contextmanager
def all_cores(values: int) -> Iterator[None]:
    """Within `one_core`, outside a pool, let networks over so many values have all cores again, if these are many."""
    if values < MANY or in_pool() or not _alone():
        yield
        return
    torch = sys.modules["torch"]
    torch.set_num_threads(_Alone.before)
    try:
        yield
    finally:
        torch.set_num_threads(1)


@contextmanager
def strips_on_all_cores() -> Iterator[None]:
    """Within `one_core`, outside a pool, let networks of integers compute their strips side by side."""
    if in_pool() or not _alone() or _Alone.before == 1:
        yield
        return
    with several_cores(_Alone.before):
        yield


@contextmanager
def bounded(values: int) -> Iterator[None]:
    """In a thread of a pool, wait for the memory that coding so many values takes, if these are many."""
    if values < MANY or not in_pool():
        yield
        return
    needed, most = SECTION_BYTES * min(1.0, values / SECTION_VALUES), SHARE * total_memory()
    with _Alone.room:
        _Alone.room.wait_for(lambda: not _Alone.taken or _Alone.taken + needed <= most)
        _Alone.taken += needed
    try:
        yield
    finally:
        with _Alone.room:
            _Alone.taken -= needed
            _Alone.room.notify_all()


def _renew() -> None:
    """Locks that no thread has: in a forked process those that had them are gone."""
    _Alone.lock, _Alone.inside = threading.Lock(), 0
    _Alone.room, _Alone.taken = threading.Condition(), 0.0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def _alone() -> bool:
    return getattr(_Alone.here, "alone", False)
