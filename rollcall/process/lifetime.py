"""Start and end of a command's process: quick imports, and signals as exceptions."""

from __future__ import annotations

import atexit
import contextlib
import gc
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

__all__ = ["Terminated", "ending_on_signals", "start_quickly"]

ENDING = ("SIGTERM", "SIGHUP")
YOUNG_OBJECTS = 100_000  # Python's own value is 700
REPEAT_SECONDS = 10.0  # a signal this soon after the first belongs to the same request


class Terminated(KeyboardInterrupt):
    """A signal ends the process; handlers of Ctrl-C handle it too."""


def start_quickly() -> None:
    """Settle what makes the imports and the end of this process slow; call it before the imports.

    Imports create a million objects that live as long as the process. The garbage collector would examine
    them again and again with Python's own threshold, and once more at the exit: together a third of the time
    of a short command.
    """
    gc.set_threshold(max(YOUNG_OBJECTS, gc.get_threshold()[0]), *gc.get_threshold()[1:])
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy holds a row of counts, and needs no threads


@contextlib.contextmanager
def ending_on_signals() -> Iterator[list[int]]:
    """Raise `Terminated` on SIGTERM and SIGHUP; an ignored SIGHUP stays ignored.

    By default a signal ends the process at once: the run would stay open in the ledger, and a statement
    would go on in the server. systemd and shells send SIGHUP right after SIGTERM or SIGHUP; the repeated
    one must not interrupt the recording. Gives the numbers of the received signals.
    """
    received: list[int] = []
    last = -math.inf
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def terminate(number: int, frame: FrameType | None) -> None:
        nonlocal last
        repeated = time.monotonic() - last < REPEAT_SECONDS
        received.append(number)
        if not repeated:
            last = time.monotonic()
            raise Terminated(signal.Signals(number).name)

    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, terminate)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
