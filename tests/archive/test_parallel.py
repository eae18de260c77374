"""Calls on several threads: results in order, errors where they belong, nothing left behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

import narrows
from narrows.archive.parallel import HELD, Ahead, in_order, in_pool, usual_threads
from narrows.codecs import cores
from narrows.codecs.cores import MANY, all_cores, bounded, one_core, strips_on_all_cores
from narrows.codecs.opening import open_archive
from narrows.entropy import integer_networks, strips
from narrows.entropy.strips import run_all


@pytest.fixture(params=[1, 2, 5], autouse=True)
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("OMP_NUM_THREADS", str(request.param))
    assert usual_threads() == request.param
    return int(request.param)


def late(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number


def test_results_come_in_the_order_of_the_calls() -> None:
    assert list(in_order(partial(late, i) for i in range(40))) == list(range(40))


def test_calls_run_only_a_little_ahead(threads: int) -> None:
    begun = 0

    def calls() -> Iterator[Callable[[], int]]:
        nonlocal begun
        for number in range(1000):
            begun += 1
            yield partial(late, number)

    results = in_order(calls())
    assert next(results) == 0
    assert begun <= 2 * threads + 2
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


def test_without_a_wish_there_are_as_many_threads_as_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for wish in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", wish)
        assert usual_threads() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert usual_threads() == 3


def test_a_call_in_the_pool_takes_one_core_and_leaves_all_as_it_was(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:

        def call() -> tuple[bool, int]:
            with one_core():
                time.sleep(0.002)
                return in_pool(), torch.get_num_threads()

        found = list(in_order([call] * 30))
        assert found == [(threads > 1, 1 if threads > 1 else 3)] * 30
        later = threading.Thread(target=lambda: found.append((False, torch.get_num_threads())))
        later.start()
        later.join()
        assert (found[-1][1], torch.get_num_threads()) == (3, 3)
    finally:
        torch.set_num_threads(before)


def test_an_interrupt_does_not_wait_for_calls_that_have_begun(threads: int) -> None:
    if threads == 1:
        pytest.skip("the caller's own thread is the one that is interrupted")
    ends, waited = threading.Event(), []

    def call() -> None:
        waited.append(ends.wait(5))

    results = in_order([call] * threads)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts in the background ignores it
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            next(results)
        assert waited == []
    finally:
        signal.signal(signal.SIGINT, before)
        ends.set()


def test_large_steps_within_have_all_cores_again_but_not_in_the_pool(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:

        def call(values: int) -> list[int]:
            with one_core(always=True):
                with one_core(), all_cores(values):
                    inside = torch.get_num_threads()
                return [inside, torch.get_num_threads()]

        assert list(in_order([partial(call, MANY)] * 9)) == [[3 if threads == 1 else 1, 1]] * 9
        assert [call(MANY), call(MANY - 1)] == [[3, 1], [1, 1]]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_images_are_decoded_in_several_threads_in_order_and_a_shared_block_once(threads: int) -> None:
    images = [np.full((40, 40 + i % 3), i, np.uint8) for i in range(24)]
    with open_archive(narrows.Codec(max_error=0).compress(images, block_samples=3)) as archive:
        codec, where, decoded = archive._reader.codec(), set[threading.Thread](), []
        decode = codec.decode

        def spying(*arguments: Any) -> Any:
            decoded.append(arguments)
            return decode(*arguments)

        def work(name: str) -> Any:
            where.add(threading.current_thread())
            return archive[name]

        codec.decode = spying
        found = list(archive.each(work))
    assert all(np.array_equal(a, b) for a, b in zip(found, images, strict=True))
    assert len(where) <= threads
    assert (threading.main_thread() in where) == (threads == 1)
    assert len(decoded) == 8


def test_calls_that_take_no_time_start_no_threads(threads: int) -> None:
    ahead: Ahead[str] = Ahead()

    def where(name: str) -> str:
        return f"{name} {'pooled' if in_pool() else 'own'}"

    assert list(ahead.put(partial(where, "a"), 0)) == ["a own"]
    assert list(ahead.put(partial(where, "b"), 5)) == ([] if threads > 1 else ["b own"])
    later = list(ahead.put(partial(where, "c"), 0))
    assert [*later, *ahead.finish()][-1] == "c own"
    ended = [
        *ahead.put(partial(where, "d"), 5),
        *ahead.put(partial(where, "e"), 0),
        *ahead.put(partial(where, "f"), 5),
    ]
    kind = "own" if threads == 1 else "pooled"
    assert [*ended, *ahead.finish()] == [f"{name} {kind}" for name in "def"]


def test_calls_that_hold_much_wait_for_one_another(threads: int) -> None:
    ahead: Ahead[int] = Ahead()
    waiting = 0
    for number in range(20):
        waiting += 1 - len(list(ahead.put(partial(late, number), HELD // 2)))
        assert waiting <= min(threads, 2)
    assert len(list(ahead.finish())) == waiting


def test_no_more_large_calls_at_once_than_the_memory_bears(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "total_memory", lambda: int(2.5 * cores.SECTION_BYTES / cores.SHARE))
    sizes = (10 * cores.SECTION_VALUES, cores.SECTION_VALUES // 2, MANY - 1)
    running, most = 0, dict.fromkeys((*sizes, MANY), 0)
    lock = threading.Lock()

    def call(values: int) -> None:
        nonlocal running
        with bounded(values):
            with lock:
                running += 1
                most[values] = max(most[values], running)
            time.sleep(0.02)
            with lock:
                running -= 1

    for values in sizes:
        list(in_order([partial(call, values)] * 15))
    assert [most[values] for values in sizes] == [min(threads, 2), threads, threads]
    monkeypatch.setattr(cores, "total_memory", lambda: 1)
    list(in_order([partial(call, MANY)] * 4))  # whatever it takes
    assert most[MANY] == 1


@pytest.mark.parametrize("width", [16, 64])  # by planes and by rows
def test_strips_of_networks_are_computed_side_by_side_for_whoever_has_the_cores(threads: int, width: int) -> None:
    network = integer_networks.IntegerNetwork((integer_layer(5, 3, width), integer_layer(width, 1, 4)), 0, 0)
    x = torch.randint(0, 100, (2, 300, 200, 5))
    alone, seen = network(x), set()
    run, before = strips._run, torch.get_num_threads()
    torch.set_num_threads(threads)

    def noted(calls: Sequence[Callable[[], object]]) -> None:
        seen.add(threading.current_thread().name)
        run(calls)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "_run", noted)
        with one_core(always=True), strips_on_all_cores():
            assert torch.equal(network(x), alone)
            with pytest.raises(ZeroDivisionError):
                run_all([lambda: None, lambda: None, lambda: 1 // 0])
        assert torch.equal(network(x), alone)
    torch.set_num_threads(before)
    assert (len(seen) > 1) == (threads > 1)


def integer_layer(ins: int, side: int, outs: int) -> integer_networks.IntegerLayer:
    weight = np.random.default_rng(outs).integers(-9, 9, (outs, ins, side, side)).astype(np.int16)
    ends = [np.full(outs, end, np.int64) for end in (0, 4, 0, 100)]
    return integer_networks.IntegerLayer(weight, *ends, np.zeros(ins, np.int64), np.full(ins, 100))
