"""What tests of cleaning share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rollcall.steps.batches import ProgressCallback
from tests.support.floor import NOW, Floor
from tests.support.waiting import until

HEARTBEAT = f"""
    update agent_sessions
    set last_heartbeat = {NOW}, device_connected = true, last_activity = {NOW}
    where agent_id = %s and logout_at is null
"""


def reasons(result: Any) -> dict[str, str]:
    return {skip["session_id"]: skip["reason"] for skip in result.skipped}


# --- holds ----------------------------------------------------------------------------------------------


class Once(ProgressCallback):
    """Does something when the first batch is committed."""

    def __init__(self, what: Callable[[], None]) -> None:
        self._what = what
        self._is_done = False

    def advanced(self, done: int, total: int) -> None:
        if done > 0 and not self._is_done:
            self._is_done = True
            self._what()


class Listener(ProgressCallback):
    def __init__(self) -> None:
        self.reasons: list[str | None] = []
        self.went_on = threading.Event()
        self.waits = threading.Event()

    def held(self, reason: str | None) -> None:
        self.reasons.append(reason)
        (self.waits if reason else self.went_on).set()


def until_waiting(floor: Floor, count: int) -> None:
    """Wait until this many sessions wait for a lock."""
    query = "select count(*) >= %s from pg_locks where not granted"
    until(lambda: floor.rows(query, count)[0][0])
