"""Blocks on all cores: calls run on several threads ahead of the caller, who gets their results in order.

Next door: `writer` encodes so, `archive` decodes so.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

HELD = 1 << 29  # bytes of samples that are worked on ahead of the caller, at most
MANY_EARLY = 64  # calls that wait for a second one that takes time

T = TypeVar("T")
_here = threading.local()


def in_pool() -> bool:
    """Whether this thread is one of several that compute side by side, so that it should use one core."""
    return getattr(_here, "pooled", False)


def usual_threads() -> int:
    """As many threads as this process has cores, unless `OMP_NUM_THREADS` says otherwise."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Ahead(Generic[T]):
    """A queue of calls on `threads` threads, by default one per core. Each should use one core (see `in_pool`)."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or usual_threads()
        self._waiting: deque[tuple[Future[T], int]] = deque()
        self._held = 0
        self._pool: ThreadPoolExecutor | None = None
        self._early: list[tuple[Callable[[], T], int]] = []  # threads start with the second call that takes time

    def put(self, call: Callable[[], T], size: int = 1) -> Iterator[T]:
        """Queue a call, which holds so many bytes, 0 if it takes no time; gives the oldest results if too many
        wait."""
        if self._threads == 1 or (not size and self._pool is None and not self._early):
            yield call()
            return
        self._early.append((call, size))
        if self._pool is None:
            if sum(held > 0 for _, held in self._early) < 2 and len(self._early) < MANY_EARLY:
                return
            self._pool = ThreadPoolExecutor(self._threads, "narrows", _begin)
        for each, held in self._early:
            self._waiting.append((self._pool.submit(each), held))
            self._held += held
        self._early.clear()
        try:
            while len(self._waiting) > 2 * self._threads or (self._held > HELD and len(self._waiting) > 1):
                yield self._oldest()
        except BaseException:
            self.stop()
            raise

    def finish(self) -> Iterator[T]:
        """The results of all calls that are left."""
        try:
            for call, _ in self._early:
                yield call()
            while self._waiting:
                yield self._oldest()
        finally:
            self.stop()

    def stop(self) -> None:
        """Forget the calls that have not begun, and wait for those that have, unless Ctrl-C was pressed."""
        self._early.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=not isinstance(sys.exc_info()[1], KeyboardInterrupt), cancel_futures=True)
            self._pool = None
            self._waiting.clear()
            self._held = 0

    def _oldest(self) -> T:
        future, size = self._waiting.popleft()
        self._held -= size
        return future.result()


def in_order(calls: Iterable[Callable[[], T]], threads: int | None = None) -> Iterator[T]:
    """The results of calls, in their order, computed a few ahead."""
    ahead: Ahead[T] = Ahead(threads)
    try:
        for call in calls:
            yield from ahead.put(call)
        yield from ahead.finish()
    finally:
        ahead.stop()


def _begin() -> None:
    _here.pooled = True
