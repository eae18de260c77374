"""What a program has set in PyTorch and NumPy for itself, put aside while narrows works, and given back after.

Another default dtype or device, gradients that are off, automatic precision, errors of floating point that raise,
denormals that are flushed to zero: networks and coders would not be what they are.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def own(function: F) -> F:
    """A function, or a generator from one step to the next, in the usual surroundings."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stepping(*arguments: Any, **named: Any) -> Generator[Any, None, Any]:
            iteration = function(*arguments, **named)
            try:
                while True:
                    with _usual():
                        try:
                            value = next(iteration)
                        except StopIteration as end:
                            return end.value
                    yield value
            finally:
                if not sys.is_finalizing():  # then nothing can be imported, and what is left is closed without us
                    with _usual():
                        iteration.close()

        return stepping  # type: ignore[return-value]

    @functools.wraps(function)
    def calling(*arguments: Any, **named: Any) -> Any:
        with _usual():
            return function(*arguments, **named)

    return calling  # type: ignore[return-value]


def multiplies_bfloat16() -> bool:
    """Whether this processor does so in hardware."""
    import torch

    features = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # missing in some builds
    return any(getattr(torch.cpu, name, bool)() for name in features)


_lock = threading.Lock()
_forked = False


def forked() -> bool:
    """Whether this process was forked from one that had PyTorch loaded: whose threads are gone, and a second one here
    would wait for them for ever."""
    return _forked


def _after_fork() -> None:
    global _forked
    _forked = "torch" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
_inside: list[Any] = []  # for each call that runs now, in any thread, the default dtype to give back


@contextmanager
def _single_precision() -> Iterator[None]:
    """The default dtype, which all threads share, is float32 until the last of them is done."""
    import torch

    with _lock:
        _inside.append(_inside[-1] if _inside else torch.get_default_dtype())
        if _inside[-1] != torch.float32:
            torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with _lock:
            before = _inside.pop()
            if not _inside and before != torch.float32:
                torch.set_default_dtype(before)


@contextmanager
def _denormals() -> Iterator[None]:
    """Numbers next to zero are themselves in this thread, which takes them for zeros, and in those that it starts."""
    import torch

    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)


@contextmanager
def _usual() -> Iterator[None]:
    import numpy as np

    with ExitStack() as stack:
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        if sys.float_info.min / 2 == 0:
            stack.enter_context(_denormals())
        if "torch" in sys.modules:  # else nobody has set anything in it, and it may not be needed
            _of_torch(stack)
        yield


def _of_torch(stack: ExitStack) -> None:
    import torch

    if forked() and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    stack.enter_context(_single_precision())
    if torch.get_default_device().type != "cpu":  # only then, since each call would pay for it
        stack.enter_context(torch.device("cpu"))
    if torch.is_inference_mode_enabled():
        stack.enter_context(torch.inference_mode(False))
    for kind in ("cpu", "cuda"):
        if torch.is_autocast_enabled(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
    stack.enter_context(torch.enable_grad())
