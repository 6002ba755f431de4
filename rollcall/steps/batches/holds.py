"""Decide when the work waits and when it stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["HoldPolicy"]

POLL_SECONDS = 0.5


class HoldPolicy:
    """Wait while there is a reason to hold; stop after a long hold or many refusals.

    All workers share one policy; while one waits in it, the others wait for the result.

    Args:
        read_reasons: reads the present reasons to hold; empty: go on.
        pause: sleeps for so many seconds, or until the run ends.
        is_over: whether the run ends.
        notify: gets each reason, and none when a hold is over.
        settings: the vars ``hold_max_minutes`` and ``refusals_in_a_row_max``.
    """

    def __init__(
        self,
        read_reasons: Callable[[], Sequence[str]],
        pause: Callable[[float], None],
        is_over: Callable[[], bool],
        notify: Callable[[str | None], None],
        settings: Mapping[str, Any],
    ) -> None:
        self._read_reasons = read_reasons
        self._pause = pause
        self._is_over = is_over
        self._notify = notify
        self._settings = settings
        self._gate = threading.Lock()
        self._checked_at = 0.0
        self._refusals = 0
        self.stopped: str | None = None

    def reason_to_stop(self) -> str | None:
        """Wait while there is a reason to hold. Gives the reason to stop, or none."""
        with self._gate:
            self.stopped = self.stopped or self._wait() or self._too_many_refusals()
            return self.stopped

    def count_refusal(self) -> None:
        """The database refused one row."""
        self._refusals += 1

    def reset_refusals(self) -> None:
        """A row was changed, so refusals concern single rows."""
        self._refusals = 0

    def _wait(self) -> str | None:
        if time.monotonic() - self._checked_at < POLL_SECONDS:
            return None
        until = time.monotonic() + self._settings["hold_max_minutes"] * 60
        was_held = False
        while reasons := self._read_reasons():
            text = "; ".join(reasons)
            self._notify(text)
            was_held = True
            if self._is_over():
                return None
            if time.monotonic() > until:
                return f"held for {self._settings['hold_max_minutes']:g} minutes: {text}"
            self._pause(POLL_SECONDS)
        if was_held:
            self._notify(None)
        self._checked_at = time.monotonic()
        return None

    def _too_many_refusals(self) -> str | None:
        if self._refusals < self._settings["refusals_in_a_row_max"]:
            return None
        return f"not tried: the database refused {self._refusals} sessions in a row"
