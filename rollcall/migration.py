"""Migrate: execute the statements that are still missing, each by itself, none for long.

A strong lock is asked for with a short time-out and asked for again, so that the application never
queues behind us for longer than that; an index is built concurrently.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from rollcall.database import Connection, fetch, reason_of, take_role
from rollcall.errors import Refused
from rollcall.ledger import Run
from rollcall.schema import Statement, declared_changes, pending_statements
from rollcall.workspace import Workspace

__all__ = ["MigrationResult", "migrate"]

RETRIED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
STRONG_LOCK = {"lock_timeout": "200ms", "statement_timeout": "5s"}
CONCURRENT_BUILD = {"lock_timeout": "5min", "statement_timeout": "1h"}
ATTEMPTS = 30
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 60.0
BUDGET_SECONDS = 600.0


@dataclass
class MigrationResult:
    """What one migration did.

    Attributes:
        executed: object names, in order.
        skipped: object name and reason of each statement that was not executed.
    """

    run_id: str
    executed: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "executed": self.executed, "skipped": self.skipped}


def migrate(
    workspace: Workspace,
    run: Run,
    statements: Sequence[Statement],
    progress: Callable[[str], None] = lambda text: None,
) -> MigrationResult:
    """Execute the planned statements that the catalogue still misses.

    Args:
        statements: the plan's; one that is no longer missing is not sent.
        progress: told of each statement before it is sent.

    Raises:
        Refused: an existing object differs from its declaration; nothing was sent.
    """
    with workspace.database.snapshot() as snapshot:
        _refuse_conflicts(declared_changes(snapshot, workspace.project))
        missing = {statement.object_name for statement in pending_statements(snapshot, workspace.project)}
    result = MigrationResult(run.id, [statement.object_name for statement in run.made])
    for position, statement in enumerate(run.made, start=1):
        run.note_statement(position, statement, 1, "done")
    for position, statement in enumerate(statements, start=len(run.made) + 1):
        if statement.object_name not in missing:
            continue
        progress(statement.object_name)
        attempts, failure = _execute(workspace, run, statement)
        run.note_statement(position, statement, attempts, failure or "done")
        if failure is None:
            result.executed.append(statement.object_name)
        else:
            result.skipped.append({"object": statement.object_name, "reason": failure})
            if statement.kind != "index":
                break
    run.note(executed=len(result.executed))
    return result


def _refuse_conflicts(changes: Sequence[dict[str, Any]]) -> None:
    conflicts = [change["object_name"] for change in changes if change["state"] == "conflicting"]
    if conflicts:
        raise Refused(
            f"{', '.join(conflicts)} exists and differs from its declaration",
            "nothing was migrated; compare `rollcall plan` with the object, and rename or change it yourself",
        )


def _execute(workspace: Workspace, run: Run, statement: Statement) -> tuple[int, str | None]:
    """Send one statement, again while a lock is not to be had. Gives the attempts, and why it failed."""
    deadline = time.monotonic() + BUDGET_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with contextlib.closing(workspace.database.connect()) as connection:
                _send(workspace, run, connection, statement)
            return attempt, None
        except RETRIED as error:
            failure = reason_of(error)
            pause = random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt))
            if attempt == ATTEMPTS or time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        except psycopg.Error as error:
            return attempt, reason_of(error)
    return attempt, f"{failure} ({attempt} attempts)"


def _send(workspace: Workspace, run: Run, connection: Connection, statement: Statement) -> None:
    if statement.in_transaction:
        with connection.transaction():
            run.check_lease(connection)
            take_role(connection, workspace.settings.migrate_role)
            _set(connection, STRONG_LOCK, is_local=True)
            fetch(connection, statement.sql)
    else:
        # The connection is ours alone and closed afterwards, so what is set on it reaches nobody else.
        _set(connection, CONCURRENT_BUILD, is_local=False)
        if workspace.settings.migrate_role is not None:
            fetch(
                connection,
                "select set_config('role', $1, false)",
                [workspace.settings.migrate_role],
            )
        fetch(connection, statement.sql)


def _set(connection: Connection, settings: dict[str, str], *, is_local: bool) -> None:
    for name, value in settings.items():
        fetch(connection, "select set_config($1, $2, $3)", [name, value, is_local])
