"""Clean: execute the clean-up plan in small batches, each judged again under its locks.

A batch is one transaction: the lease is checked, the planned rows that nobody else holds are
locked, judged again in a statement of its own, changed, and recorded with both images. Whoever came
back in between is left alone and reported.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from rollcall.database import Connection, fetch, reason_of, take_role
from rollcall.ledger import Run
from rollcall.plan import Plan
from rollcall.workspace import Workspace

__all__ = ["CleaningResult", "clean"]

Change = dict[str, Any]

FIRST_BATCH_ROWS = 500
LARGEST_BATCH_ROWS = 5_000
GOAL_SECONDS = 0.1
LARGEST_GROWTH = 1.2
STATEMENT_TIMEOUT = "5s"
LOCKED_PASSES = 3
LOCKED_PAUSE_SECONDS = 1.0
HELD_BY_OTHERS = "locked by another transaction until the end"


@dataclass
class CleaningResult:
    """What one clean-up did. skipped: ``session_id`` and ``reason`` of each planned row left alone."""

    run_id: str
    planned: int = 0
    changed: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "planned": self.planned,
            "changed": self.changed,
            "skipped": self.skipped,
        }


def clean(
    workspace: Workspace,
    run: Run,
    plan: Plan,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CleaningResult:
    """Execute the plan's changes.

    Args:
        plan: judged at its own instant; every row is judged again at that instant.
        progress: told how many of how many rows are done after each batch.

    Raises:
        Refused: the lease was lost.
        psycopg.OperationalError: the connection was lost; what was committed stays, with its images.
    """
    result = CleaningResult(run.id, planned=plan.change_count)
    run.note(planned=plan.change_count, judged_at=plan.judged_at.isoformat(), plan_hash=plan.hash)
    if plan.change_count:
        with contextlib.closing(workspace.database.connect()) as connection:
            _Cleaner(workspace, run, plan, connection, result, progress).work()
    run.note(changed=result.changed, skipped=len(result.skipped))
    return result


class _Cleaner:
    def __init__(
        self,
        workspace: Workspace,
        run: Run,
        plan: Plan,
        connection: Connection,
        result: CleaningResult,
        progress: Callable[[int, int], None],
    ) -> None:
        self._workspace = workspace
        self._run = run
        self._plan = plan
        self._connection = connection
        self._result = result
        self._progress = progress
        self._rows = FIRST_BATCH_ROWS
        self._lock_sql = workspace.project.sql("lock_sessions")
        self._change_sql = workspace.project.sql("change_sessions")

    def work(self) -> None:
        locked = list(self._pass(self._plan.changes()))
        for _ in range(LOCKED_PASSES):
            if not locked:
                return
            time.sleep(LOCKED_PAUSE_SECONDS)
            locked = list(self._pass(locked))
        self._skip({change["session_id"]: HELD_BY_OTHERS for change in locked})

    def _pass(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Work through the changes; gives those whose rows somebody else holds."""
        remaining = iter(changes)
        while batch := list(itertools.islice(remaining, self._rows)):
            yield from self._batch(batch)
            done = self._result.changed + len(self._result.skipped)
            self._progress(done, self._result.planned)

    def _batch(self, batch: Sequence[Change]) -> Sequence[Change]:
        started = time.monotonic()
        try:
            outcome = self._transaction(batch)
        except psycopg.OperationalError as error:
            if self._connection.broken or not _is_passing(error):
                raise
            self._rows = max(1, self._rows // 2)
            return batch
        except psycopg.Error as error:
            return self._divide(batch, error)
        self._adapt(time.monotonic() - started, len(batch))
        reasons = {row["session_id"]: row["reason"] for row in outcome if row["reason"]}
        self._result.changed += len(outcome) - len(reasons)
        self._skip(reasons)
        reached = {row["session_id"] for row in outcome}
        return [change for change in batch if change["session_id"] not in reached]

    def _divide(self, batch: Sequence[Change], error: psycopg.Error) -> Sequence[Change]:
        """One row that the database refuses must not stop the others: find it by halves."""
        if len(batch) == 1:
            self._skip({batch[0]["session_id"]: f"refused by the database: {reason_of(error)}"})
            return []
        middle = len(batch) // 2
        return [*self._batch(batch[:middle]), *self._batch(batch[middle:])]

    def _transaction(self, batch: Sequence[Change]) -> list[dict[str, Any]]:
        keys = [change["session_id"] for change in batch]
        with self._connection.transaction():
            self._connection.execute("set transaction isolation level read committed")
            self._set("statement_timeout", STATEMENT_TIMEOUT)
            self._set("rollcall.judged_at", self._plan.judged_at.isoformat())
            self._run.check_lease(self._connection)
            take_role(self._connection, self._workspace.settings.clean_role)
            locked = {row["session_id"] for row in fetch(self._connection, self._lock_sql, [keys])}
            ours = [change for change in batch if change["session_id"] in locked]
            if not ours:
                return []
            return fetch(
                self._connection,
                self._change_sql,
                [
                    self._run.id,
                    json.dumps(ours),
                    [change["session_id"] for change in ours],
                    sorted({change["agent_id"] for change in ours}),
                ],
            )

    def _set(self, name: str, value: str) -> None:
        fetch(self._connection, "select set_config($1, $2, true)", [name, value])

    def _adapt(self, seconds: float, rows: int) -> None:
        """Aim at a batch that holds its rows for GOAL_SECONDS."""
        wanted = rows * GOAL_SECONDS / max(seconds, 0.001)
        self._rows = int(max(1, min(wanted, self._rows * LARGEST_GROWTH, LARGEST_BATCH_ROWS)))

    def _skip(self, reasons: dict[str, str]) -> None:
        self._run.note_skips(reasons)
        self._result.skipped += [{"session_id": key, "reason": reason} for key, reason in reasons.items()]


def _is_passing(error: psycopg.Error) -> bool:
    """A time-out, a deadlock or a lock: worth another try later."""
    passing = (
        psycopg.errors.QueryCanceled,
        psycopg.errors.DeadlockDetected,
        psycopg.errors.LockNotAvailable,
    )
    return isinstance(error, passing)
