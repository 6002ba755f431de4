"""Send a statement that takes a strong lock, with a short lock timeout and retries.

After a lock timeout the statement is sent again, with jittered backoff, until the budget is spent. The
blocking sessions are read while the statement waits, and named in the refusal.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from rollcall.database.connections import Connection, Row, fetch, reason_of, take_role
from rollcall.database.retries import LockRetries
from rollcall.database.session_settings import set_for_transaction
from rollcall.schema.allow_list import created_objects
from rollcall.schema.declared import build_workers
from rollcall.schema.grammar import shown_query
from rollcall.workspace import Workspace

__all__ = ["RETRIED", "ShortLockExecutor", "WaitedTooLong", "run_monitored"]

RETRIED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
MONITOR_SECONDS = 0.05  # interval between two readings of the blocking sessions


@dataclass(frozen=True)
class Limits:
    """Timeouts and retries from the vars. Seconds, except for the names that end in ms."""

    lock_timeout_ms: int
    statement_timeout_ms: int
    attempts: int
    first_pause: float
    longest_pause: float
    budget: float
    build_lock_timeout_ms: int
    build_timeout_ms: int
    client_check_ms: int
    build_workers: int

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Limits:
        return cls(
            lock_timeout_ms=max(1, round(variables["migrate_lock_timeout_ms"])),
            statement_timeout_ms=max(1, round(variables["migrate_statement_timeout_ms"])),
            attempts=max(1, round(variables["migrate_attempts"])),
            first_pause=variables["migrate_first_pause_ms"] / 1000,
            longest_pause=variables["migrate_longest_pause_ms"] / 1000,
            budget=variables["migrate_budget_seconds"],
            build_lock_timeout_ms=max(1, round(variables["index_lock_timeout_seconds"] * 1000)),
            build_timeout_ms=max(1, round(variables["index_timeout_seconds"] * 1000)),
            client_check_ms=max(1, round(variables["index_client_check_seconds"] * 1000)),
            build_workers=build_workers(variables),
        )

    @property
    def of_strong_lock(self) -> dict[str, str]:
        return {
            "lock_timeout": f"{self.lock_timeout_ms}ms",
            "statement_timeout": f"{self.statement_timeout_ms}ms",
            # releases the lock if this process stops between the statement and the commit
            "idle_in_transaction_session_timeout": f"{self.statement_timeout_ms}ms",
        }

    @property
    def of_build(self) -> dict[str, str]:
        return {
            "lock_timeout": f"{self.build_lock_timeout_ms}ms",
            "statement_timeout": f"{self.build_timeout_ms}ms",
            "max_parallel_maintenance_workers": str(self.build_workers),
        }

    def retries(self) -> LockRetries:
        return LockRetries(
            (*RETRIED, WaitedTooLong),
            attempts=self.attempts,
            first_pause=self.first_pause,
            longest_pause=self.longest_pause,
            budget=self.budget,
        )


class WaitedTooLong(Exception):
    """One statement waited for several locks in turn, in total longer than the limit."""


class ShortLockExecutor:
    """Execute statements that take strong locks, with a short lock timeout and retries.

    All statements of one executor share one time budget.

    Args:
        guard: called with the connection in every transaction before the statements.
        seal: called after them with the connection and the created objects, in the same transaction.

    Attributes:
        attempts: number of attempts of the last call of `send`.
    """

    def __init__(
        self,
        workspace: Workspace,
        guard: Callable[[Connection], None],
        seal: Callable[[Connection, Sequence[str]], None] = lambda connection, created: None,
    ) -> None:
        self._workspace = workspace
        self._guard = guard
        self._seal = seal
        self._limits = Limits.of(workspace.settings.variables)
        self._retries = self._limits.retries()
        self._blockers: list[Row] = []
        self._monitor: Connection | None = None
        self.attempts = 0

    def send(self, parts: Sequence[str]) -> str | None:
        """Send checked statements in one transaction.

        Returns:
            None, or the reason if the locks could not be taken.

        Raises:
            psycopg.Error: the server refused a statement.
        """
        with contextlib.closing(self._workspace.database.connect()) as self._monitor:
            self._blockers = []  # of the last attempt with a reading in time
            try:
                for attempt in self._retries:
                    with attempt:
                        self.attempts = attempt.retry_state.attempt_number
                        self._retries.begin()
                        with contextlib.closing(self._workspace.database.connect()) as connection:
                            self._send_in_transaction(connection, parts)
            except (*RETRIED, WaitedTooLong) as error:
                return self._refusal(error, self.attempts)
        return None

    def _send_in_transaction(self, connection: Connection, parts: Sequence[str]) -> None:
        limit = self._limits.lock_timeout_ms / 1000
        process_id = self._workspace.process_id_of(connection)
        created = created_objects(parts)  # here, because the grammar is used by as few threads as possible
        waited = 0.0
        too_long = threading.Event()

        def look() -> None:
            nonlocal waited
            if self._look_for_blockers(process_id):
                waited += MONITOR_SECONDS
            # on a partitioned table one statement waits for many locks, each up to the lock timeout
            if waited > 2 * limit and not too_long.is_set():
                too_long.set()
                connection.cancel_safe()

        def work() -> None:
            with connection.transaction():
                set_for_transaction(connection, self._limits.of_strong_lock)
                self._guard(connection)
                take_role(connection, self._workspace.settings.migrate_role)
                for part in parts:
                    fetch(connection, part)
                self._seal(connection, created)

        try:
            run_monitored(connection, work, look)
        except psycopg.errors.QueryCanceled:
            if too_long.is_set():
                raise WaitedTooLong("canceled while it waited for several locks in turn") from None
            raise

    def _look_for_blockers(self, process_id: int) -> bool:
        assert self._monitor is not None
        sql = self._workspace.project.sql("blockers")
        blockers = fetch(self._monitor, sql, [process_id])
        if blockers:
            self._blockers = blockers
        return bool(blockers)

    def _refusal(self, error: Exception, attempts: int) -> str:
        reason = reason_of(error) if isinstance(error, psycopg.Error) else str(error)
        tried = f"{attempts} attempt{'s' if attempts > 1 else ''}"
        if not self._blockers:
            return f"{reason} ({tried})"
        return f"{reason} ({tried}); it waits for {'; '.join(map(_describe, self._blockers[:3]))}"


def run_monitored(connection: Connection, work: Callable[[], Any], look: Callable[[], None]) -> None:
    """Run the work in a thread and call `look` at intervals; an interruption cancels the query."""
    failure: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=guarded, name="rollcall statement", daemon=True)
    thread.start()
    try:
        while True:
            thread.join(MONITOR_SECONDS)
            if not thread.is_alive():
                break
            look()
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            connection.cancel_safe()
        thread.join()
        raise
    if failure:
        raise failure[0]


def _describe(blocker: Row) -> str:
    """Describe a blocking session; its query is shown without values."""
    if not blocker["pid"]:
        return "a prepared transaction (see pg_prepared_xacts)"
    seconds = blocker["transaction_seconds"]
    parts = [
        f"user {blocker['user_name']}" if blocker["user_name"] else "",
        blocker["application_name"] or "",
        blocker["backend_type"] or "",
        f"running {blocker['maintenance']}" if blocker["maintenance"] else "",
        blocker["state"] or "",
        f"in a transaction for {seconds:.0f} s" if seconds is not None else "",
    ]
    query = shown_query(blocker["query"] or "")
    others = ", ".join(map(str, blocker["waits_for"]))
    return (
        f"server process {blocker['pid']} ({', '.join(part for part in parts if part)})"
        f"{f', last query: {query}' if query else ''}"
        f"{f', which waits itself for server process {others}' if others else ''}"
    )
