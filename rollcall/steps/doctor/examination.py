"""Examine a database for obstacles to a run, without changing it.

Each query is a model of `models/doctor/`. It returns rows with a finding's name, a line and a statement as
the remedy. `rollcall.steps.doctor.kinds` explains the findings. All queries read one read-only snapshot;
data that the role cannot read is reported as such.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from rollcall.database.connections import Connection, Row, Snapshot, reason_of
from rollcall.database.session_settings import set_for_transaction
from rollcall.ledger.ownership import acting_roles
from rollcall.ledger.pooler import find_pooler
from rollcall.servers.prefect import answers_without_authentication
from rollcall.steps.doctor import kinds
from rollcall.steps.doctor.diagnosis import Diagnosis, Finding
from rollcall.steps.doctor.kinds import KINDS
from rollcall.workspace import Workspace

__all__ = ["examine"]


def examine(workspace: Workspace, clock: Callable[[], float] = time.time) -> Diagnosis:
    """Find everything that could obstruct a run.

    Args:
        clock: this machine's clock, seconds since 1970.

    Raises:
        ConfigurationError: a configured table or column does not exist.
    """
    examination = _Examination(workspace)
    variables = workspace.settings.variables
    lag_seconds = variables["replica_lag_max_seconds"]
    with workspace.database.snapshot() as snapshot:
        examination.snapshot = snapshot
        limits = {
            name: f"{max(1, round(1000 * variables[f'doctor_{name}_seconds']))}ms"
            for name in ("lock_timeout", "statement_timeout")
        }
        set_for_transaction(snapshot.connection, limits)
        roles = [workspace.settings.migrate_role, workspace.settings.clean_role]
        examination.ask(
            "doctor_server",
            kinds.NEWEST_TESTED_VERSION,
            lag_seconds,
            variables["doctor_shortest_timeout_seconds"],
            variables["doctor_old_transaction_id"],
        )
        examination.ask("doctor_roles", *roles)
        examination.ask("doctor_privileges", *roles)
        examination.ask("doctor_tables", *roles)
        examination.ask("update_obstacles")
        examination.ask("doctor_checks")
        examination.ask("doctor_triggers")
        examination.ask("doctor_views_and_rules")
        examination.ask("doctor_readers")
        examination.ask("doctor_migration_tools")
        examination.ask("ledger_writers", acting_roles(workspace.settings), workspace.settings.clean_role)
        examination.ask(
            "doctor_replication",
            lag_seconds,
            variables["doctor_lag_megabytes"] * 2**20,
            variables["doctor_old_snapshot_transactions"],
        )
        examination.ask("doctor_transactions", variables["doctor_long_transaction_seconds"])
        examination.ask("doctor_indexes")
        examination.ask(
            "doctor_application_clock",
            60 * variables["presence_minutes"],
            60 * variables["doctor_idle_minutes"],
        )
        _compare_clocks(examination, clock)
        _compare_disk(examination)
    pooler = find_pooler(workspace)
    if pooler is not None:
        examination.note("pooler" if pooler.is_per_transaction else "session_pooler", pooler.description)
    _try_prefect_api(examination)
    return Diagnosis(
        database=workspace.database.name,
        server_version=workspace.database.server_version,
        findings=examination.findings(),
    )


@dataclass
class _Examination:
    """The findings so far, by name."""

    workspace: Workspace
    snapshot: Snapshot = field(init=False)
    _found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _statements: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, model: str, *parameters: Any) -> None:
        """Add every row of a model as a finding."""
        for row in self.read(model, *parameters):
            self.note(row["finding"], row["found"], row["statement"])

    def read(self, model: str, *parameters: Any) -> list[Row]:
        """Read the rows of a model; if the role cannot read them, add a finding and return none."""
        try:
            with self.snapshot.connection.transaction():
                return self.snapshot.rows(self.workspace.project.sql(model), parameters)
        except psycopg.Error as error:
            if self.snapshot.connection.broken:
                raise
            self.note("not_seen", f"{model.removeprefix('doctor_')}: {reason_of(error)}")
            return []

    def note(self, finding: str, found: str, statement: str | None = None) -> None:
        self._found[finding].append(found)
        if statement is not None and statement not in self._statements[finding]:
            self._statements[finding].append(statement)

    def findings(self) -> tuple[Finding, ...]:
        names = sorted(self._found, key=lambda name: (KINDS[name].severity.rank, name))
        return tuple(Finding(name, tuple(self._found[name]), tuple(self._statements[name])) for name in names)


def _try_prefect_api(examination: _Examination) -> None:
    """Find a configured Prefect server that answers a request without credentials."""
    url = os.environ.get("PREFECT_API_URL")
    if url and answers_without_authentication(url):
        examination.note("open_prefect_api", "PREFECT_API_URL names a server that answers without a password")


def _compare_clocks(examination: _Examination, clock: Callable[[], float]) -> None:
    """Compare the clocks; the server read its own at an unknown instant between two readings."""
    asked = clock()
    rows = examination.read("doctor_clock")
    answered = clock()
    if not rows:
        return
    server = rows[0]["server_epoch"]
    difference = max(asked - server, server - answered, 0.0)
    if difference > examination.workspace.settings.variables["doctor_clock_difference_seconds"]:
        direction = "behind" if server < asked else "ahead of"
        examination.note(
            "clock_difference",
            f"the server's clock is {difference:,.1f} seconds {direction} this machine's",
        )


def _compare_disk(examination: _Examination) -> None:
    bytes_per_row = examination.workspace.settings.variables["doctor_index_bytes_per_row"]
    for row in examination.read("doctor_disk", bytes_per_row):
        if not row["indexes"]:
            return
        needed = (
            f"{row['indexes']} indexes are to be built; they need {_megabytes(row['needed_bytes'])} at most"
        )
        free = _free_bytes(examination.snapshot.connection, row["data_directory"])
        if free is None:
            examination.note(
                "index_disk_space", f"{needed}; what is free on the server cannot be seen from here"
            )
        elif free < row["needed_bytes"]:
            examination.note("low_disk_space", f"{needed}, and {_megabytes(free)} are free")
        else:
            examination.note("index_disk_space", f"{needed}, and {_megabytes(free)} are free")


def _free_bytes(connection: Connection, directory: str | None) -> int | None:
    """The free space of the data directory, if the server runs on this machine."""
    host = connection.info.host
    is_local = host.startswith("/") or host in ("", "localhost", "127.0.0.1", "::1")
    if directory is None or not is_local:
        return None
    try:
        if not Path(directory, "PG_VERSION").exists():
            return None
        return shutil.disk_usage(directory).free
    except OSError:
        return None


def _megabytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MB"
