"""The record of every run, and the lease that excludes concurrent runs.

A run that can change data holds a lease: an advisory lock on a separate connection, which the server
releases when the process dies, and a fencing token. Every batch checks the token in its transaction, so
that a run that has lost its connection cannot continue beside the next run.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import logging
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

from rollcall import __version__
from rollcall.database.connections import Connection, Snapshot, fetch, reason_of, take_role
from rollcall.database.retries import poll
from rollcall.dbt.project import Project
from rollcall.errors import ConfigurationError, EvaluationError, LeaseHeld, LedgerHidden, Refused
from rollcall.ledger.ownership import lock_ledger, refuse_foreign_ledger, seal
from rollcall.ledger.pooler import refuse_pooler
from rollcall.ledger.readings import record_reading
from rollcall.ledger.strong_locks import ShortLockExecutor
from rollcall.ledger.trend import rows_to_record
from rollcall.rules.results import Assessment
from rollcall.schema.allow_list import LEDGER_SCHEMA, check_migrating
from rollcall.schema.declared import (
    Statement,
    conflicts_of_rollcall_relations,
    ledger_tables,
    pending_statements,
)
from rollcall.workspace import Workspace

__all__ = [
    "Run",
    "has_ledger",
    "insert_run",
    "lease_holder",
    "ledger_needed",
    "open_run",
    "past_runs",
    "refuse_older_ledger",
    "run_id",
]

logger = logging.getLogger(__name__)

FAILURE_LENGTH = 1_000
FREE_SECONDS = 2.0  # the server releases the lock of a killed run with a delay
KEY_ATTEMPTS = 10  # to find one that is free
PAUSE_SECONDS = 0.1  # between two attempts to take it


@dataclass
class Run:
    """A run that holds the lease.

    Attributes:
        id: such as ``20261122T193000Z-1f2e``; sortable, and safe in a file name.
        made: the statements that created or completed the ledger for this run.
    """

    id: str
    workspace: Workspace = field(repr=False)
    connection: Connection = field(repr=False)
    made: list[Statement] = field(default_factory=list)
    token: int = 0
    _compiled: dict[str, str] = field(default_factory=dict, repr=False)

    def check_lease(self, connection: Connection) -> None:
        """Check in the caller's transaction that the lease is still held.

        Raises:
            Refused: another run holds the lease now.
        """
        rows = fetch(connection, self._sql("check_lease"), [self.token])
        if not rows or not rows[0]["is_ours"]:
            raise Refused(
                f"run {self.id} lost its lease to another run",
                "nothing more was changed; run it again",
            )

    def note(self, **values: Any) -> None:
        """Record values of the run; `analyses/ledger/update_run.sql` has their names."""
        fetch(self.connection, self._sql("update_run"), [self.id, json.dumps(values, default=str)])
        logger.info("The run has recorded: %s", ", ".join(values), extra=values)

    def note_if_possible(self, **values: Any) -> None:
        """Record values while another error is handled, which a failure must not hide."""
        with contextlib.suppress(psycopg.Error):
            self.note(**values)

    def note_rules(self, stage: str, assessment: Assessment) -> None:
        """Record the rule results and the history reading. stage: ``before`` or ``after``."""
        rules = json.dumps(rows_to_record(assessment))
        fetch(self.connection, self._sql("record_rule_results"), [self.id, stage, rules])
        record_reading(self.connection, self.workspace.project, self.id, stage, assessment)

    def note_statement(self, position: int, statement: Statement, attempts: int, outcome: str) -> None:
        fetch(
            self.connection,
            self._sql("record_statement"),
            [self.id, position, statement.object_name, statement.sql, attempts, outcome],
        )

    def note_skips(self, reasons: dict[str, str]) -> None:
        """Record the skipped sessions. reasons: key to reason."""
        if reasons:
            fetch(
                self.connection,
                self._sql("record_skips"),
                [self.id, list(reasons.keys()), list(reasons.values())],
            )

    def _sql(self, name: str) -> str:
        if name not in self._compiled:
            self._compiled[name] = self.workspace.project.sql(name)
        return self._compiled[name]


def run_id() -> str:
    """Make a new run key: sortable, and safe in a file name. Two of one second may be the same."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def insert_run(connection: Connection, query: str, values: Sequence[Any]) -> str:
    """Insert a run under a key that no other run has; gives the key.

    Args:
        query: its parameters are the key and these values; it gives no row where the key is taken.

    Raises:
        EvaluationError: no key was free.
    """
    for _ in range(KEY_ATTEMPTS):
        key = run_id()
        if fetch(connection, query, [key, *values]):
            return key
    raise EvaluationError(f"none of {KEY_ATTEMPTS} keys for the run was free", "report this as a fault")


@contextlib.contextmanager
def open_run(workspace: Workspace, command: str, approved_by: str | None = None) -> Iterator[Run]:
    """Take the lease, create the ledger if missing, and record the run from start to end.

    Raises:
        LeaseHeld: another run is at work; names its backend.
        Refused: a pooler in transaction mode would lose the lease.
    """
    refuse_pooler(workspace)
    with contextlib.closing(workspace.database.connect()) as connection:
        _take_lock(workspace, connection)
        run = Run("", workspace, connection)
        refuse_foreign_ledger(connection, workspace)
        run.made = _make_ledger(workspace)
        _grant_to_clean_role(workspace, connection)
        holder = f"{command} by {getpass.getuser()} on {socket.gethostname()}, pid {os.getpid()}"
        with connection.transaction():
            # checked again under the lock: another transaction may have committed a trigger
            lock_ledger(connection, workspace.project)
            refuse_foreign_ledger(connection, workspace)
            run.id = insert_run(connection, run._sql("open_run"), [command, __version__, approved_by])
            run.token = fetch(connection, run._sql("take_lease"), [run.id, holder])[0]["token"]
        logger.info("The run begins", extra={"run_id": run.id})
        try:
            for position, statement in enumerate(run.made, start=1):
                run.note_statement(position, statement, 1, "done")
            for name in ("check_lease", "close_run"):
                run._sql(name)  # compiled now: each batch and a failure need them without delay
            yield run
        except BaseException as error:
            with contextlib.suppress(Exception):
                _close_failed(run, _failure(error))
            logger.info("The run has failed")
            raise
        fetch(connection, run._sql("close_run"), [run.id, None])
        logger.info("The run has ended")


def _close_failed(run: Run, failure: str) -> None:
    """Record a failed run, on a new connection where its own is lost or busy."""
    query, parameters = run._sql("close_run"), [run.id, failure]
    try:
        fetch(run.connection, query, parameters)
    except psycopg.Error:
        with contextlib.closing(run.workspace.database.connect()) as connection:
            fetch(connection, query, parameters)


def past_runs(workspace: Workspace, limit: int = 20) -> list[dict[str, Any]]:
    """Read the past runs, newest first; empty where no run was recorded.

    Raises:
        EvaluationError: the ledger is of an earlier version.
    """
    with workspace.database.snapshot() as snapshot:
        refuse_older_ledger(snapshot, workspace.project)
        if not has_ledger(snapshot, workspace.project, "runs", "changes"):
            return []
        with ledger_needed():
            return snapshot.rows(workspace.project.sql("history"), [limit])


@contextlib.contextmanager
def ledger_needed() -> Iterator[None]:
    """Translate missing rights on the ledger into an error.

    A role that reads the application may lack these rights.

    Raises:
        LedgerHidden: the rights are missing.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerHidden(
            f"this role has no right to what Rollcall recorded: {reason_of(error)}",
            "use the role that runs Rollcall, or grant this one usage on schema rollcall_ops and select on "
            "all tables in it",
        ) from None


def has_ledger(snapshot: Snapshot, project: Project, *tables: str) -> bool:
    """Whether these tables of the ledger exist with all declared columns.

    The first run that can change data creates the ledger. A table of an earlier version that lacks a column
    cannot be read and does not count.
    """
    deployed = ledger_tables(snapshot, project)
    wanted = [f"{own.schema}.{own.name}" for own in project.rollcall_relations if own.name in tables]
    return all(deployed.get(name, False) for name in wanted)


def refuse_older_ledger(snapshot: Snapshot, project: Project) -> None:
    """Refuse a ledger of an earlier version, which would look like an empty one.

    Raises:
        EvaluationError: a table lacks columns; names it.
    """
    older = [name for name, is_complete in ledger_tables(snapshot, project).items() if not is_complete]
    if older:
        raise EvaluationError(
            f"the ledger is of an earlier version: {', '.join(older)} lack columns",
            "`rollcall migrate` adds them",
        )


def _failure(error: BaseException) -> str:
    """One line for an error; without the server's details, which may quote rows."""
    text = reason_of(error) if isinstance(error, psycopg.Error) else str(error)
    return f"{type(error).__name__}: {text}"[:FAILURE_LENGTH]


def _take_lock(workspace: Workspace, connection: Connection) -> None:
    """Try the lock repeatedly; waiting in the server would hold a snapshot."""
    query = workspace.project.sql("take_lock")
    if poll(lambda: fetch(connection, query)[0]["is_ours"], seconds=FREE_SECONDS, pause=PAUSE_SECONDS):
        return
    holders = fetch(connection, workspace.project.sql("lease_holder"))
    raise LeaseHeld(
        f"another run is at work: {_describe(holders)}",
        "wait for it, or stop it; this run changed nothing",
    )


def lease_holder(workspace: Workspace) -> str | None:
    """Describe the server process of the run that holds the lease; none where it is free."""
    with workspace.database.snapshot() as snapshot:
        holders = snapshot.rows(workspace.project.sql("lease_holder"))
    return _describe(holders) if holders else None


def _describe(holders: Sequence[dict[str, Any]]) -> str:
    if not holders:
        return "it ended just now"
    holder = holders[0]
    started = holder["backend_start"]  # null for a session of another role whose statistics are hidden
    since = f", since {started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if started else ""
    return f"server process {holder['pid']} ({holder['application_name']}, user {holder['user_name']}{since})"


def _make_ledger(workspace: Workspace) -> list[Statement]:
    with workspace.database.snapshot() as snapshot:
        foreign = [
            f"{conflict.object_name}: {conflict.reason}"
            for conflict in conflicts_of_rollcall_relations(snapshot, workspace.project)
            if conflict.object_name.split(".")[0] == LEDGER_SCHEMA
        ]
        if foreign:
            raise Refused(
                f"something else is in the place of our ledger: {'; '.join(foreign)}",
                "Nothing was changed. Let its owner move it",
            )
        is_new = not ledger_tables(snapshot, workspace.project)
        missing = [
            statement
            for statement in pending_statements(snapshot, workspace.project)
            if statement.is_of_ledger
        ]
    if not missing:
        return []
    # a new ledger is created in one transaction; an existing one, which may be in use, by single statements
    groups = [missing] if is_new else [[statement] for statement in missing]

    def seal_and_check(connection: Connection, created: Sequence[str]) -> None:
        seal(connection, workspace.project, created)
        refuse_foreign_ledger(connection, workspace)

    # no guard: the advisory lock is held, and there is no fencing token yet
    executor = ShortLockExecutor(workspace, lambda connection: None, seal_and_check)
    for group in groups:
        parts = [part for statement in group for part in check_migrating(statement.sql)]
        reason = executor.send(parts)
        if reason is not None:
            raise Refused(
                f"the ledger could not be made or completed ({group[0].object_name}): {reason}",
                "nothing else was changed; try again later",
            )
    return missing


def _grant_to_clean_role(workspace: Workspace, connection: Connection) -> None:
    """Grant the clean-up role the missing rights on the ledger that it needs."""
    role = workspace.settings.clean_role
    if role is None:
        return
    try:
        missing = fetch(connection, workspace.project.sql("grants_of_clean_role"), [role])
    except psycopg.errors.UndefinedObject:
        raise ConfigurationError(
            f"the role {role} does not exist", "correct ROLLCALL_CLEAN_ROLE, or create the role"
        ) from None
    with connection.transaction():
        take_role(connection, workspace.settings.migrate_role)
        for row in missing:
            fetch(connection, row["statement"])
