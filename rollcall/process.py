"""The process of a command: private files, signals, standard streams."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import io
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

__all__ = [
    "Terminated",
    "TolerantStream",
    "ending_on_signals",
    "make_private_directory",
    "private_files",
    "start_quickly",
    "tolerant_streams",
]

PRIVATE = 0o077  # umask: no access for the group and others
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
def private_files() -> Iterator[None]:
    """Create new files and folders for their owner only, whatever the umask."""
    before = os.umask(PRIVATE)
    try:
        yield
    finally:
        os.umask(before)


def make_private_directory(path: Path) -> None:
    """Make a folder for its owner only, or restrict an existing one of this account.

    Raises:
        OSError: it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid == os.geteuid():
        path.chmod(0o700)


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


class TolerantStream(io.TextIOBase):
    """A text stream that drops text that cannot be written, so that the work goes on.

    Attributes:
        lost: the reason for dropped text; none if all was written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: str | None = None

    def write(self, text: str) -> int:
        if self.lost is None:
            try:
                return self._write(text)
            except (OSError, ValueError) as error:
                self._lose(error)
        return len(text)

    def _write(self, text: str) -> int:
        """Write text; a character that the encoding lacks becomes an escape sequence."""
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            return self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        if self.lost is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def _lose(self, error: OSError | ValueError) -> None:
        number = getattr(error, "errno", None)
        self.lost = os.strerror(number) if number else "it is closed"
        if number == errno.EPIPE:
            self.lost = "its reader has gone"
        with contextlib.suppress(OSError, ValueError):  # the buffered text must not fail again at exit
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> Any:
        return self._stream.buffer

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


@contextlib.contextmanager
def tolerant_streams() -> Iterator[TolerantStream]:
    """Tolerate closed, full and broken standard streams. Gives standard output.

    A closed descriptor is opened on the null device; otherwise the next file or connection would get its
    number and receive the printed text.
    """
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    out, err = TolerantStream(_stream_of(sys.stdout)), TolerantStream(_stream_of(sys.stderr))
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _open_closed_descriptors() -> None:
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _stream_of(stream: TextIO | None) -> TextIO:
    """The stream of a descriptor; Python has none if it was closed at the start."""
    return stream if stream is not None else Path(os.devnull).open("w", encoding="utf-8")
