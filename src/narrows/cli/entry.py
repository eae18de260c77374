"""Where the program begins: signals are handled before anything slow is imported.

Next door: `main` has the commands.
"""

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

seen: list[int] = []  # the signal that the program ends by
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # numbers in malloc.h of the GNU C library
KEPT_BYTES = 1 << 30
SWITCH_SECONDS = 0.0005


def run() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it with one line at any time, a second one at once."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    _keep_memory()
    sys.setswitchinterval(SWITCH_SECONDS)  # a thread whose product is done waits less for one that runs Python
    try:
        from narrows.cli import main  # takes a tenth of a second, in which people do press Ctrl-C

        main.run()
    except SystemExit as end:
        if seen:  # not after the calls that still run in other threads, which write nothing
            with suppress(OSError, ValueError, AttributeError):
                sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise
    except KeyboardInterrupt as error:
        os.write(2, b"narrows: interrupted\n")
        sys.exit(128 + (error.args or (signal.SIGINT,))[0])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # it is ending already
            signal.signal(number, signal.SIG_IGN)


def _keep_memory() -> None:
    """Let the C library keep what is freed: layers of networks take and free many megabytes each, and the system
    would give each its pages anew, at half of the time that the layer computes. Threads share what is kept.

    Source: mallopt(3). Other C libraries, and users who set `MALLOC_` variables, are left as they are.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    with suppress(OSError, AttributeError):
        change = ctypes.CDLL(None).mallopt
        for what, number in ((MMAP_THRESHOLD, KEPT_BYTES), (TRIM_THRESHOLD, KEPT_BYTES), (ARENA_MAX, 1)):
            change(what, number)


def _stop(number: int, frame: FrameType | None) -> None:
    if seen:
        os.write(2, b"narrows: interrupted again, ended at once\n")
        os._exit(128 + number)
    if _drops_exceptions(frame):  # try again a little later
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        return
    seen.append(number)
    raise KeyboardInterrupt(number)


def _drops_exceptions(frame: FrameType | None) -> bool:
    """Whether what runs is a finaliser, where Python only prints an exception and goes on, or an import: extensions
    that are being loaded drop exceptions of what they call (NumPy's), or abort the process by them (PyTorch's)."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
