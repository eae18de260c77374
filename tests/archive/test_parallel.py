"""Calls on several threads: results in order, errors where they belong, nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch

from narrows.archive.parallel import in_order


@pytest.fixture(params=[1, 2, 5], autouse=True)
def _threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    assert torch.get_num_threads() == request.param
    torch.set_num_threads(before)


def late(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number


def test_results_come_in_the_order_of_the_calls() -> None:
    assert list(in_order(partial(late, i) for i in range(40))) == list(range(40))


def test_calls_run_only_a_little_ahead() -> None:
    begun = 0

    def calls() -> Iterator[Callable[[], int]]:
        nonlocal begun
        for number in range(1000):
            begun += 1
            yield partial(late, number)

    results = in_order(calls())
    assert next(results) == 0
    assert begun <= 2 * torch.get_num_threads() + 2
    results.close()


def test_an_error_comes_in_its_turn_and_ends_it() -> None:
    def call(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        return number

    seen = []
    results = in_order(partial(call, i) for i in range(20))
    for _ in range(5):
        seen.append(next(results))
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert seen == list(range(5))
    assert not [t for t in threading.enumerate() if t.name.startswith("narrows")]
