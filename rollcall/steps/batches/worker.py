"""One connection that runs one batch after the other."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import psycopg

from rollcall.database.connections import (
    CONNECT_SECONDS,
    Connection,
    deadline,
    fetch,
    reason_of,
    take_role,
    text_array,
)
from rollcall.database.session_settings import set_for_transaction
from rollcall.errors import ConnectionFailed
from rollcall.steps.batches.result import LOCKED, TOO_SLOW, Item
from rollcall.steps.batches.size import BatchSize

if TYPE_CHECKING:
    from rollcall.steps.batches.engine import Batches

__all__ = ["Worker"]

CANCEL_SECONDS = 5
PLANS_SECONDS = 10  # lifetime of a generic plan; Rollcall's own tables grow during a run
ROUND_TRIPS = 2  # of the statements that lock and change
RECONNECTIONS = 5  # in a row; the server rolls back a batch whose connection is lost, and it is tried again

FATAL_CLASSES = ("08", "53", "57", "58", "F0", "XX")
"""Classes of SQLSTATE that concern every row: connection, resources, shutdown, system, damage."""
READ_ONLY = "25006"


class Worker:
    """Runs batches on a connection of its own.

    Attributes:
        batches: the run of the worker.
        process_id: its backend process; none without a connection.
    """

    def __init__(self, batches: Batches) -> None:
        self.process_id: int | None = None
        self.batches = batches
        self._size = BatchSize(batches.settings)
        self._connections_lost = 0
        self._round_trip = math.inf
        self._working = threading.Lock()
        self._connection: Connection | None = None

    def connect(self) -> None:
        """Open the connection.

        Raises:
            ConnectionFailed: none is available, or it was lost at once.
        """
        workspace = self.batches.workspace
        connection = workspace.database.connect()
        connection.prepare_threshold = 0  # prepare at once, so that no batch plans a statement again
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.read_only = False
        self._planned_at = time.monotonic()
        try:
            with deadline(CONNECT_SECONDS, connection):  # a full pooler lets its clients wait
                self.process_id = workspace.process_id_of(connection)
        except psycopg.Error as error:
            connection.close()
            raise ConnectionFailed(
                f"the connection was lost right after it was opened: {reason_of(error)}",
                "make sure that the server or the pooler has a free connection, and run it again",
            ) from None
        self._connection = connection

    def work(self) -> None:
        """Process batches until the queue is empty or the run ends."""
        batches = self.batches
        pending: list[Sequence[Item]] = []
        with self._working:
            while batch := pending.pop() if pending else batches.queue.take(self._size.rows):
                if reason := batches.holds.reason_to_stop():
                    batches.give_up(itertools.chain(batch, *pending), reason)
                    return
                if batches.is_over:
                    return
                pending += reversed(self._attempt(batch))

    def cancel(self) -> None:
        """End the statement that runs on this connection; may be called by another thread."""
        if connection := self._connection:
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCEL_SECONDS)

    def close(self) -> None:
        """Close the connection, unless a thread still uses it."""
        if self._working.acquire(blocking=False):
            self._disconnect()

    def run_batch(self, connection: Connection, batch: Sequence[Item]) -> tuple[int, dict[str, str]]:
        """Lock, judge, change and commit one batch.

        Returns:
            the number of locked rows, and the reason for each of them that was skipped.
        """
        batches = self.batches
        self._discard_old_plans(connection)
        batches.look_around(connection)
        began = time.monotonic()
        with connection.transaction():
            self._round_trip = min(self._round_trip, time.monotonic() - began)
            set_for_transaction(connection, batches.limits | batches.settings_of_batch())
            batches.run.check_lease(connection)
            take_role(connection, batches.workspace.settings.clean_role)
            began = time.monotonic()
            keys = text_array(item["session_id"] for item in batch)
            locked = set(fetch(connection, batches.sql["lock_sessions"], [keys])[0]["locked"])
            ours = [item for item in batch if item["session_id"] in locked]
            left_alone = batches.judge_and_change(connection, ours) if ours else []
            # what follows takes as long for one row as for many, the commit on a slow disk above all
            seconds_for_rows = time.monotonic() - began - ROUND_TRIPS * self._round_trip
            waiting = fetch(connection, batches.sql["waiting_for_us"], [batches.process_ids()])[0]["waiting"]
        batches.queue.defer([item for item in batch if item["session_id"] not in locked], LOCKED)
        self._size.adapt(seconds_for_rows, len(batch), waiting)
        if waiting:
            batches.pause(batches.settings["batch_pause_ms"] / 1000)
        return len(ours), {row["session_id"]: row["reason"] for row in left_alone}

    def _disconnect(self) -> None:
        self.process_id = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _discard_old_plans(self, connection: Connection) -> None:
        if time.monotonic() - self._planned_at > PLANS_SECONDS:
            connection.execute("discard plans")
            self._planned_at = time.monotonic()

    def _attempt(self, batch: Sequence[Item]) -> list[Sequence[Item]]:
        """Try a batch. Gives the parts to try instead, or none."""
        connection = self._connection
        assert connection is not None
        try:
            locked, kept = self.run_batch(connection, batch)
        except psycopg.Error as error:
            parts = [batch] if self._is_reconnected(connection, error) else self._after(error, batch)
            self.batches.report_progress()
            return parts
        self._connections_lost = 0
        self.batches.committed(batch, locked, kept)
        return []

    def _after(self, error: psycopg.Error, batch: Sequence[Item]) -> list[Sequence[Item]]:
        """Give the parts to try instead of a failed batch.

        Raises:
            psycopg.Error: the fault concerns more than one row.
        """
        state = error.sqlstate or ""
        if state == READ_ONLY or (state.startswith(FATAL_CLASSES) and state != "57014"):
            raise error
        halves = [batch[: len(batch) // 2], batch[len(batch) // 2 :]] if len(batch) > 1 else []
        if isinstance(error, psycopg.errors.QueryCanceled):
            self._size.halve(len(batch))
            if not halves:
                self.batches.queue.defer(batch, TOO_SLOW)
            return halves
        if isinstance(
            error,
            psycopg.errors.LockNotAvailable
            | psycopg.errors.DeadlockDetected
            | psycopg.errors.SerializationFailure,
        ):
            self.batches.queue.defer(batch, LOCKED)
            return []
        if not halves:
            self.batches.refused(batch[0], error)
        return halves

    def _is_reconnected(self, lost: Connection, error: psycopg.Error) -> bool:
        """Replace a lost connection if the run still holds the lease."""
        if not lost.closed:
            return False
        self.batches.run.check_lease(self.batches.run.connection)
        self._disconnect()
        self._size.halve(self._size.rows)
        self._connections_lost += 1
        if self._connections_lost > RECONNECTIONS:
            raise error
        self.connect()
        return True
