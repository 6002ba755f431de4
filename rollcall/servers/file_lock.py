"""An exclusive lock on a file, for processes that start one server at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from rollcall.database.retries import poll
from rollcall.errors import ServerError

LOCK_SECONDS = 150.0  # longer than one slow start by another process


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the operating system releases it when the process dies.

    Raises:
        ServerError: another process has held the lock for too long.
    """
    try:
        # first without O_CREAT, which is refused for a file of another user in /tmp
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)

    def is_taken() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        if not poll(is_taken, seconds=LOCK_SECONDS, pause=0.05):
            raise ServerError(
                f"another process has held {path} for {LOCK_SECONDS:.0f} s",
                "End that process, then try again",
            )
        yield
    finally:
        os.close(lock)
