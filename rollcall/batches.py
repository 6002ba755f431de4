"""Sessions are changed in small guarded transactions: what clean and undo have in common.

A batch is one transaction of two statements: the first locks the rows that nobody else holds, the
second judges them again, as they are now, and changes them. Nobody waits for a batch longer than
the lock time-out: one that would take longer is undone by the server, divided and tried again. A
row that somebody else holds, or that a ringing call protects, is tried again at the end; a row that
the database refuses stops nobody else. All are reported.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from rollcall.database import Connection, Row, fetch, reason_of, take_role, text_array
from rollcall.ledger import Run
from rollcall.workspace import Workspace

__all__ = ["BatchResult", "Batches", "Item", "Watcher"]

Item = dict[str, Any]

HOLD_POLL_SECONDS = 0.5
LOCK_SHARE = 0.5  # of the time that a statement may take: it would be cancelled as too slow otherwise
PLANS_SECONDS = 10  # a statement's plan is kept for so long: our own tables grow meanwhile
RECONNECTIONS = 5  # in a row; a batch whose connection is lost is undone by the server, and tried again

LOCKED = "locked by another transaction until the end"
RINGING = "a live call of its agent kept it open until the end"
TOO_SLOW = "judging it takes longer than anybody may wait for us (lock_timeout_ms); are the indexes there?"
GONE = "no longer in the table"

FATAL_CLASSES = ("08", "53", "57", "58", "F0", "XX")
"""Of SQLSTATE: connection, resources (disk full), shutdown, system, damage. No row fares better."""
READ_ONLY = "25006"


@dataclass
class BatchResult:
    """What a run did to the sessions it was to change.

    Attributes:
        skipped: ``session_id`` and ``reason`` of each that was left alone.
        paused_seconds: how long the run made room for others.
    """

    run_id: str
    planned: int = 0
    changed: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    paused_seconds: float = 0.0


class Watcher:
    """Is told how the work goes on. This one tells nobody."""

    def advanced(self, done: int, total: int) -> None:
        """A batch ended: so many of so many sessions are dealt with."""

    def held(self, reason: str | None) -> None:
        """The work waits, and why; none: it goes on."""


class Batches:
    """Works through sessions in batches, on a connection of its own.

    Args:
        result: filled in; what is planned is there already.
        judge_and_change: the second statement, for rows that are locked. Gives ``session_id`` and ``reason``
            (`RINGING`: try again) of each that was left alone; the others are changed.
        look_around: what is read before a batch begins, while it holds nothing.
        prepare: what its transaction begins with, before it locks.
    """

    def __init__(
        self,
        workspace: Workspace,
        run: Run,
        result: BatchResult,
        judge_and_change: Callable[[Connection, Sequence[Item]], list[Row]],
        look_around: Callable[[Connection], None] = lambda connection: None,
        prepare: Callable[[Connection], None] = lambda connection: None,
        watcher: Watcher | None = None,
    ) -> None:
        self._workspace = workspace
        self._run = run
        self._result = result
        self._judge_and_change = judge_and_change
        self._look_around = look_around
        self._prepare = prepare
        self._watcher = watcher or Watcher()
        self._vars = workspace.settings.variables
        # compiled beforehand: a transaction that stands still for long is ended by the server
        names = ("lock_sessions", "existing_sessions", "waiting_for_us", "holds")
        self._sql = {name: workspace.project.sql(name) for name in names}
        self._time_out = str(max(2, int(self._vars["lock_timeout_ms"])))
        self._lock_timeout = str(max(1, int(self._vars["lock_timeout_ms"] * LOCK_SHARE)))
        self._rows = int(self._vars["first_batch_rows"])
        self._later: list[tuple[Item, str]] = []
        self._connections_lost = 0
        self._refusals = 0
        self._looked_at = 0.0
        self._planned_at = 0.0

    def work(self, items: Iterable[Item]) -> None:
        """Change them all.

        Raises:
            Refused: the lease was lost.
            psycopg.Error: something that no other row would fare better with; what was committed stays.
        """
        self._connection = self._connect()
        try:
            self._pass(iter(items))
            for _ in self._passes_at_the_end():
                again, self._later = self._later, []
                self._pass(item for item, _ in again)
            self._report_later()
        finally:
            self._connection.close()

    def _connect(self) -> Connection:
        """A connection that does not plan each statement for every batch: no pooler is in between."""
        connection = self._workspace.database.connect()
        connection.prepare_threshold = 0
        self._planned_at = time.monotonic()
        return connection

    def _discard_old_plans(self) -> None:
        if time.monotonic() - self._planned_at > PLANS_SECONDS:
            self._connection.execute("discard plans")
            self._planned_at = time.monotonic()

    def _passes_at_the_end(self) -> Iterator[None]:
        """One for each time that what could not be had is tried again, after a pause."""
        passes, deadline = 0, time.monotonic() + self._vars["ringing_wait_seconds"]
        while self._later:
            ringing = sum(reason == RINGING for _, reason in self._later)
            if passes >= self._vars["locked_row_passes"] and not (ringing and time.monotonic() < deadline):
                break
            if ringing:
                self._watcher.held(f"a call rings for {ringing} of the sessions")
            self._pause(self._vars["locked_row_pause_seconds"])
            if ringing:
                self._watcher.held(None)
            yield
            passes += 1

    def _pass(self, items: Iterator[Item]) -> None:
        """Work through the items; what cannot be had now is kept for later."""
        stack: list[Sequence[Item]] = []
        while batch := stack.pop() if stack else list(itertools.islice(items, self._rows)):
            reason = self._wait_while_held() or self._too_many_refusals()
            if reason:
                rest = itertools.chain(batch, *stack, items, (item for item, _ in self._later))
                self._later = []
                for keys in _chunks(
                    (item["session_id"] for item in rest), int(self._vars["first_batch_rows"])
                ):
                    self._skip(dict.fromkeys(keys, reason))
                return
            stack += reversed(self._attempt(batch))
            self._watcher.advanced(self._result.changed + len(self._result.skipped), self._result.planned)

    def _attempt(self, batch: Sequence[Item]) -> list[Sequence[Item]]:
        """Try a batch; gives the parts to try instead, or none."""
        try:
            locked, reasons = self._transaction(batch)
        except psycopg.Error as error:
            return self._after(error, batch)
        self._connections_lost = 0
        own = f"already repaired by run {self._run.id}"  # a commit that we did not hear of
        kept = {key: reason for key, reason in reasons.items() if reason != own}
        self._result.changed += locked - len(kept)
        if locked > len(kept):
            self._refusals = 0
        self._later += [(item, RINGING) for item in batch if kept.get(item["session_id"]) == RINGING]
        self._skip({key: reason for key, reason in kept.items() if reason != RINGING})
        return []

    def _after(self, error: psycopg.Error, batch: Sequence[Item]) -> list[Sequence[Item]]:
        state = error.sqlstate or ""
        if self._connection.closed:
            self._reconnect(error)
            return [batch]
        if state == READ_ONLY or (state.startswith(FATAL_CLASSES) and state != "57014"):
            raise error
        halves = [batch[: len(batch) // 2], batch[len(batch) // 2 :]] if len(batch) > 1 else []
        if isinstance(error, psycopg.errors.QueryCanceled):
            self._rows = max(1, len(batch) // 2)
            if not halves:
                self._later.append((batch[0], TOO_SLOW))
            return halves
        if isinstance(
            error,
            psycopg.errors.LockNotAvailable
            | psycopg.errors.DeadlockDetected
            | psycopg.errors.SerializationFailure,
        ):
            self._later += [(item, LOCKED) for item in batch]
            return []
        if not halves:
            self._refusals += 1
            self._skip({batch[0]["session_id"]: f"refused by the database: {reason_of(error)}"})
        return halves

    def _transaction(self, batch: Sequence[Item]) -> tuple[int, dict[str, str]]:
        """How many sessions were locked, and why some of them were left alone."""
        connection = self._connection
        self._discard_old_plans()
        self._look_around(connection)
        with connection.transaction():
            connection.execute("set transaction isolation level read committed, read write")
            # of the statement, too: nobody waits for a batch that takes long
            fetch(
                connection,
                """
                select
                    set_config('lock_timeout', $1, true),
                    set_config('statement_timeout', $2, true),
                    set_config('idle_in_transaction_session_timeout', $2, true),
                    set_config('row_security', 'off', true),
                    set_config('jit', 'off', true),
                    set_config('plan_cache_mode', 'force_generic_plan', true)
                """,
                [self._lock_timeout, self._time_out],
            )
            self._run.check_lease(connection)
            take_role(connection, self._workspace.settings.clean_role)
            self._prepare(connection)
            started = time.monotonic()
            keys = text_array(item["session_id"] for item in batch)
            locked = set(fetch(connection, self._sql["lock_sessions"], [keys])[0]["locked"])
            ours = [item for item in batch if item["session_id"] in locked]
            left_alone = self._judge_and_change(connection, ours) if ours else []
            waiting = fetch(connection, self._sql["waiting_for_us"])[0]["waiting"]
        self._later += [(item, LOCKED) for item in batch if item["session_id"] not in locked]
        self._adapt(time.monotonic() - started, len(batch), waiting)
        return len(ours), {row["session_id"]: row["reason"] for row in left_alone}

    def _adapt(self, seconds: float, rows: int, waiting: int) -> None:
        """Aim at a batch that holds its rows for batch_goal_ms; make room for who waited for this one."""
        goal = self._vars["batch_goal_ms"] / 1000
        wanted = rows * goal / max(seconds, 0.001)
        grown = self._rows * self._vars["batch_growth"] + 1
        self._rows = int(max(1, min(wanted, grown, self._vars["largest_batch_rows"])))
        if waiting:
            self._rows = max(1, self._rows // 2)
            self._pause(self._vars["batch_pause_ms"] / 1000)

    def _pause(self, seconds: float) -> None:
        time.sleep(seconds)
        self._result.paused_seconds += seconds

    def _wait_while_held(self) -> str | None:
        """Wait while something says so; gives why nothing more is done, when it says so for too long."""
        if time.monotonic() - self._looked_at < HOLD_POLL_SECONDS:
            return None
        deadline = time.monotonic() + self._vars["hold_max_minutes"] * 60
        was_held = False
        while reasons := fetch(self._run.connection, self._sql["holds"]):
            text = "; ".join(row["reason"] for row in reasons)
            self._watcher.held(text)
            was_held = True
            if time.monotonic() > deadline:
                return f"held for {self._vars['hold_max_minutes']:g} minutes: {text}"
            self._pause(HOLD_POLL_SECONDS)
        if was_held:
            self._watcher.held(None)
        self._looked_at = time.monotonic()
        return None

    def _too_many_refusals(self) -> str | None:
        if self._refusals < self._vars["refusals_in_a_row_max"]:
            return None
        return f"not tried: the database refused {self._refusals} sessions in a row"

    def _reconnect(self, error: psycopg.Error) -> None:
        """Go on with another connection while the lease is ours; the batch was undone, or is committed."""
        self._connections_lost += 1
        if self._connections_lost > RECONNECTIONS:
            raise error
        self._run.check_lease(self._run.connection)
        self._connection = self._connect()
        self._rows = max(1, self._rows // 2)

    def _report_later(self) -> None:
        for pairs in _chunks(self._later, int(self._vars["first_batch_rows"])):
            keys = [item["session_id"] for item, _ in pairs]
            there = self._existing(keys)
            self._skip(
                {
                    item["session_id"]: reason if item["session_id"] in there else GONE
                    for item, reason in pairs
                }
            )

    def _existing(self, keys: list[str]) -> set[str]:
        """Which are still in the table; all, when the whole table is locked."""
        connection = self._run.connection
        try:
            with connection.transaction():
                fetch(connection, "select set_config('lock_timeout', $1, true)", [self._lock_timeout])
                rows = fetch(connection, self._sql["existing_sessions"], [keys])
        except psycopg.errors.LockNotAvailable:
            return set(keys)
        return {row["session_id"] for row in rows}

    def _skip(self, reasons: dict[str, str]) -> None:
        self._run.note_skips(reasons)
        self._result.skipped += [{"session_id": key, "reason": reason} for key, reason in reasons.items()]


def _chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(values)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
