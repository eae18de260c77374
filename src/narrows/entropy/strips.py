"""Parts of one computation on several cores, where the caller has said so: each writes to a place of its own.

Threads that wait here sleep, unlike those of matrix products, so that another program may have a core.
Next door: `integer_networks` computes in strips; `codecs.cores` says when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager


class _Here(threading.local):
    """What this thread has open: the other threads that help it."""

    others: Executor | None = None
    count = 0


_here = _Here()


@contextmanager
def several_cores(count: int) -> Iterator[None]:
    """What this thread does meanwhile may run on so many."""
    with ThreadPoolExecutor(max(1, count - 1), "narrows-strips") as _here.others:
        _here.count = count - 1
        try:
            yield
        finally:
            _here.count = 0


def run_all(calls: Iterable[Callable[[], object]]) -> None:
    """Run calls in any order, or side by side; what one of them raises is raised."""
    waiting = list(calls)
    threads = min(_here.count + 1, len(waiting))
    parts = [waiting[len(waiting) * n // threads : len(waiting) * (n + 1) // threads] for n in range(threads)]
    futures = [_here.others.submit(_run, part) for part in parts[1:]] if _here.others else []
    for part in parts[:1]:
        _run(part)
    for future in futures:
        future.result()


def _run(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()
