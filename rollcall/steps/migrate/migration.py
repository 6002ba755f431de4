"""Migrate: execute the missing statements one by one, each with short locks.

The catalog is read first: an existing object gets no statement, so a second run takes no strong lock. A
strong lock has a short timeout and retries, so that the application never queues behind it for longer; an
index is built concurrently, on a connection of its own.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from rollcall.database.connections import Connection, Snapshot, fetch, reason_of
from rollcall.database.retries import poll
from rollcall.database.session_settings import set_for_session
from rollcall.errors import Refused
from rollcall.ledger.ownership import faults_of_rollcall_objects, refuse_foreign_index, seal
from rollcall.ledger.runs import Run
from rollcall.ledger.strong_locks import RETRIED, ShortLockExecutor, WaitedTooLong, run_monitored
from rollcall.schema.allow_list import check_migrating
from rollcall.schema.declared import Statement, conflicts, declared_changes, pending_statements
from rollcall.steps.migrate.catalog_state import CatalogProof
from rollcall.steps.migrate.proof import record_catalog
from rollcall.workspace import Workspace

__all__ = ["MigrationResult", "migrate", "refuse_conflicts"]

POLL_SECONDS = 0.5  # between two looks at a build of another run
SHOW_SECONDS = 10.0  # between two reports of a build in the same phase
ATTACHED = " (attach)"  # suffix in declared_index for attaching a partition's index
NOT_ATTEMPTED = "not attempted, because a statement before it failed"
NOT_THE_OWNER = "connect as the table's owner, or name it in ROLLCALL_MIGRATE_ROLE"

Show = Callable[[str], None]


@dataclass
class MigrationResult:
    """The result of one migration.

    Attributes:
        executed: object names, in order.
        skipped: object name and reason of each statement that was not executed.
        proof: the difference of the catalog; only declared objects may be added.
    """

    run_id: str
    executed: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    proof: CatalogProof | None = None

    @property
    def skipped_names(self) -> set[str]:
        return {skip["object"] for skip in self.skipped}

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "executed": self.executed,
            "skipped": self.skipped,
            "proof": self.proof.to_json() if self.proof else None,
        }


def migrate(
    workspace: Workspace,
    run: Run,
    statements: Sequence[Statement],
    progress: Show = lambda text: None,
) -> MigrationResult:
    """Execute the planned statements whose objects are missing in the catalog.

    Args:
        statements: those of the plan; a statement whose object exists is not sent.
        progress: called with each object name before its statement, and with the progress of a build.

    Raises:
        Refused: an existing object differs from its declaration, or a statement is not additive, or
            another run took the lease; no further statement is sent.
    """
    with workspace.database.snapshot() as snapshot:
        _refuse_conflicts(snapshot, workspace)
        missing = {item.object_name for item in pending_statements(snapshot, workspace.project)}
    sends = any(statement.object_name in missing for statement in statements)
    before = record_catalog(run, "before", rows=sends)
    result = MigrationResult(run.id, [statement.object_name for statement in run.made])
    executor = _Executor(workspace, run, progress)
    failed = False
    for position, statement in enumerate(statements, start=len(run.made) + 1):
        if statement.object_name not in missing:
            continue
        # an index of a partition that was not built cannot be attached
        if failed or statement.object_name.removesuffix(ATTACHED) in result.skipped_names:
            result.skipped.append({"object": statement.object_name, "reason": NOT_ATTEMPTED})
            continue
        reason = executor.execute(position, statement)
        if reason is None:
            result.executed.append(statement.object_name)
        else:
            result.skipped.append({"object": statement.object_name, "reason": reason})
            # a failed index build stops only the statements that need the index
            failed = statement.in_transaction
    result.proof = before.compare(record_catalog(run, "after", before, rows=sends))
    run.note(executed=len(result.executed))
    return result


def refuse_conflicts(workspace: Workspace) -> None:
    """Refuse existing objects that differ from their declaration.

    Raises:
        Refused: names each such object and the difference.
    """
    with workspace.database.snapshot() as snapshot:
        _refuse_conflicts(snapshot, workspace)


def _refuse_conflicts(snapshot: Snapshot, workspace: Workspace) -> None:
    found = [
        *conflicts(snapshot, workspace.project),
        *faults_of_rollcall_objects(snapshot.connection, workspace.project, workspace.settings),
    ]
    if found:
        raise Refused(
            "; ".join(f"{conflict.object_name}: {conflict.reason}" for conflict in found),
            "nothing was migrated; compare the object with `rollcall plan`, and rename or change it",
        )


class _Executor(ShortLockExecutor):
    """Executes planned statements with timeouts and retries, and records them."""

    def __init__(self, workspace: Workspace, run: Run, show: Show) -> None:
        project = workspace.project
        super().__init__(
            workspace, run.check_lease, lambda connection, created: seal(connection, project, created)
        )
        self._monitor = run.connection
        self._run = run
        self._show = show
        self._shown: tuple[str, float] = ("", 0.0)

    def execute(self, position: int, planned: Statement) -> str | None:
        """Execute one statement if its object is missing. Gives the reason of a failure."""
        # another run may be building the index, or has left it unfinished
        statement = planned if planned.in_transaction else self._as_needed_now(planned)
        if statement is None:
            return None
        self._show(statement.object_name)
        self._run.note_statement(position, statement, 0, "started")
        attempts, reason = self._try(statement)
        outcome = "done"
        if reason is not None:
            outcome, reason = self._after_failure(statement, reason)
        self._run.note_statement(position, statement, attempts, outcome)
        if reason is None and statement.kind == "index":
            refuse_foreign_index(self._run.connection, self._workspace, statement.object_name)
        return reason

    def _try(self, statement: Statement) -> tuple[int, str | None]:
        """Send a statement with retries. Gives the attempts and the reason of a failure."""
        number = 0
        self._blockers = []
        try:
            for attempt in self._retries:
                with attempt:
                    if number and not statement.in_transaction:
                        needed = self._as_needed_now(statement)
                        if needed is None:
                            return number, None
                        statement = needed
                    number += 1
                    self._retries.begin()
                    self._send(statement)
        except (*RETRIED, WaitedTooLong) as error:
            return number, self._refusal(error, number)
        except psycopg.errors.InsufficientPrivilege as error:
            return number, f"{reason_of(error)}; {NOT_THE_OWNER}"
        except psycopg.Error as error:
            return number, reason_of(error)
        return number, None

    def _after_failure(self, statement: Statement, reason: str) -> tuple[str, str | None]:
        """Inspect the object of a failed statement. Gives the outcome and the reason."""
        left = self._as_needed_now(statement, wait=False)
        if left is None:
            return "done", None  # another transaction made it
        if self._is_unfinished(left) and not self._removed(left):
            return (
                f"unfinished: {reason}",
                f"{reason}; the unfinished index is left, and the next run builds it again",
            )
        return f"failed: {reason}", reason

    # --- one attempt ------------------------------------------------------------------------------

    def _send(self, statement: Statement) -> None:
        parts = check_migrating(
            statement.sql, [statement.object_name] if self._is_unfinished(statement) else []
        )
        with contextlib.closing(self._workspace.database.connect()) as connection:
            if statement.in_transaction:
                self._send_in_transaction(connection, parts)
            else:
                self._build(connection, statement, parts)

    def _build(self, connection: Connection, statement: Statement, parts: Sequence[str]) -> None:
        # The connection is closed after the build, so its settings reach no other client.
        with connection.transaction():
            self._run.check_lease(connection)
        set_for_session(connection, self._limits.of_build)
        with contextlib.suppress(psycopg.Error):  # not supported on every operating system
            interval = {"client_connection_check_interval": f"{self._limits.client_check_ms}ms"}
            set_for_session(connection, interval)
        role = self._workspace.settings.migrate_role
        if role is not None:
            set_for_session(connection, {"role": role})

        process_id = self._workspace.process_id_of(connection)

        def look() -> None:
            self._look_for_blockers(process_id)
            self._show_progress(statement.object_name, process_id)

        for part in parts:
            run_monitored(connection, functools.partial(fetch, connection, part), look)

    # --- the present state of the catalog ---------------------------------------------------------

    def _as_needed_now(self, planned: Statement, *, wait: bool = True) -> Statement | None:
        """The planned statement for the present catalog; none if its object exists.

        Waits for a build that continues in the server after its run was killed.
        """
        project = self._workspace.project

        def look() -> tuple[bool, Statement | None]:
            with self._workspace.database.snapshot() as snapshot:
                _refuse_conflicts(snapshot, self._workspace)
                states = {row["object_name"]: row["state"] for row in declared_changes(snapshot, project)}
                pending = {item.object_name: item for item in pending_statements(snapshot, project)}
            is_building = states.get(planned.object_name) == "building"
            if is_building and wait:
                self._show_progress(planned.object_name, None)
            return is_building, pending.get(planned.object_name)

        seconds = self._limits.build_timeout_ms / 1000 if wait else 0
        return poll(look, seconds=seconds, pause=POLL_SECONDS, is_done=lambda found: not found[0])[1]

    def _is_unfinished(self, statement: Statement) -> bool:
        """Whether the statement replaces an unfinished index of Rollcall."""
        return statement.sql.startswith("drop index concurrently ")

    def _removed(self, left: Statement) -> bool:
        """Drop the unfinished index of a failed build, with a short lock timeout."""
        drop = check_migrating(left.sql, [left.object_name])[0]
        try:
            with contextlib.closing(self._workspace.database.connect()) as connection:
                set_for_session(connection, self._limits.of_strong_lock)
                if self._workspace.settings.migrate_role is not None:
                    set_for_session(connection, {"role": self._workspace.settings.migrate_role})
                fetch(connection, drop)
        except psycopg.Error:
            return False
        return True

    def _show_progress(self, object_name: str, pid: int | None) -> None:
        """Show the progress of a build at each change of phase and every few seconds."""
        schema, _, name = object_name.partition(".")
        rows = fetch(self._run.connection, self._workspace.project.sql("build_progress"), [pid, schema, name])
        if not rows or rows[0]["phase"] is None:
            return
        row = rows[0]
        phase, now = f"{object_name}: {row['phase']}", time.monotonic()
        if phase == self._shown[0] and now < self._shown[1] + SHOW_SECONDS:
            return
        self._shown = (phase, now)
        percent = f", {row['percent_done']}%" if row["percent_done"] is not None else ""
        waited_for = (
            f", {row['lockers_done']} of {row['lockers_total']} transactions ended"
            if row["lockers_total"]
            else ""
        )
        self._show(f"{phase}{percent}{waited_for}")
