"""Blocks on all cores: calls run on a few threads ahead of whoever takes their results, which come in order.

Next door: `writer` encodes so, `archive` decodes so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

T = TypeVar("T")


class Ahead(Generic[T]):
    """A queue of calls. Blocks are small, so each call computes on one thread and several run side by side; the
    results do not depend on it."""

    def __init__(self) -> None:
        self._threads = torch.get_num_threads()
        self._waiting: deque[Future[T]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._first: Callable[[], T] | None = None  # until there is a second, no threads are worth their start

    def put(self, call: Callable[[], T]) -> Iterator[T]:
        """Queue a call; gives the results of the oldest ones where too many wait."""
        if self._threads == 1:
            yield call()
            return
        if self._pool is None:
            if self._first is None:
                self._first = call
                return
            self._pool = ThreadPoolExecutor(self._threads, "narrows", _one_thread)
            self._waiting.append(self._pool.submit(self._first))
        self._waiting.append(self._pool.submit(call))
        try:
            while len(self._waiting) > 2 * self._threads:
                yield self._waiting.popleft().result()
        except BaseException:
            self.stop()
            raise

    def finish(self) -> Iterator[T]:
        """The results of all calls that are left."""
        try:
            if self._pool is None and self._first is not None:
                yield self._first()
            while self._waiting:
                yield self._waiting.popleft().result()
        finally:
            self.stop()

    def stop(self) -> None:
        """Forget the calls that have not begun."""
        self._first = None
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
            self._waiting.clear()
            torch.set_num_threads(self._threads)  # what threads that start later begin with


def in_order(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
    """The results of calls, in their order, computed a few ahead."""
    ahead: Ahead[T] = Ahead()
    try:
        for call in calls:
            yield from ahead.put(call)
        yield from ahead.finish()
    finally:
        ahead.stop()


def _one_thread() -> None:
    torch.set_num_threads(1)  # counts for the thread that says so
