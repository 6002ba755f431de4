"""A damaged call centre in a fresh database, and how tests look at it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import DefectCounts, Planted, Scale, Variant, load_call_centre
from rollcall.settings.configuration import load_settings
from rollcall.steps.clean.cleaning import CleaningResult, clean
from rollcall.steps.migrate.migration import MigrationResult, migrate
from rollcall.steps.plan.pending_work import Plan, make_plan
from rollcall.steps.verify import Verification, verify
from rollcall.workspace import Workspace

_OWNER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
COMPILED = Path(tempfile.gettempdir()) / f"rollcall-test-{_OWNER}-compiled"
"""What dbt compiled, shared by the workers of a test run: it is the same for equal columns and vars."""

SMALL = Scale(agents=220, sessions=1_500, calls=4_000, days=20)
CAMEL_CASE = {
    "app_schema": "Call Centre",
    "agents_table": "callAgents",
    "sessions_table": "agentSessions",
    "calls_table": "callSessions",
    "agents_is_active_column": "isActive",
    "sessions_agent_id_column": "agentId",
    "sessions_call_id_column": "currentCallSessionId",
    "sessions_login_at_column": "loginAt",
    "sessions_logout_at_column": "logoutAt",
    "sessions_last_activity_column": "lastActivity",
    "sessions_last_heartbeat_column": "lastHeartbeat",
    "calls_agent_id_column": "agentId",
    "calls_started_at_column": "startedAt",
    "calls_connected_at_column": "connectedAt",
    "calls_ended_at_column": "endedAt",
}


@dataclass
class CallCentre:
    """A loaded call centre. `now` is the instant to judge at; none: the database's own."""

    url: str
    workspace: Workspace
    planted: Planted
    now: datetime | None

    @property
    def variables(self) -> dict[str, Any]:
        return self.workspace.settings.variables

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        with contextlib.closing(psycopg.connect(self.url, autocommit=True)) as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def table(self, var: str) -> str:
        """A table of the application, quoted."""
        name = sql.Identifier(self.variables["app_schema"], self.variables[var])
        return name.as_string(None)

    def column(self, var: str) -> str:
        """A column of the application, quoted."""
        return sql.Identifier(self.variables[var]).as_string(None)

    def images(self, var: str = "sessions_table", key: str = "sessions_id_column") -> dict[str, Any]:
        """Every row of a table as JSON, by key."""
        query = f"select t.{self.column(key)}::text, to_jsonb(t) from {self.table(var)} as t"
        return dict(self.rows(query))

    def truth(self) -> dict[str, tuple[str, str, datetime | None]]:
        """By session key: what to expect, the status and the instant of logout afterwards."""
        query = "select session_id, expected, expected_status, expected_logout_at from demo_truth.sessions"
        return {key: (expected, status, logout_at) for key, expected, status, logout_at in self.rows(query)}

    def plan(self) -> Plan:
        return make_plan(self.workspace, self.now)

    def run(self) -> tuple[Plan, MigrationResult, CleaningResult, Verification]:
        """The whole line, without Prefect and without a report."""
        plan = self.plan()
        with open_run(self.workspace, "run") as run:
            migration = migrate(self.workspace, run, plan.statements)
            cleaning = clean(self.workspace, run, plan)
            verification = verify(self.workspace, run.id, plan.judged_at, history=True)
        return plan, migration, cleaning, verification


def share_compilations(state: Path) -> Path:
    """Let a state folder use what other tests of this run compiled. Gives the folder."""
    if not (state / "compiled").exists():
        state.mkdir(parents=True, exist_ok=True)
        COMPILED.mkdir(mode=0o700, exist_ok=True)
        (state / "compiled").symlink_to(COMPILED)
    return state


def call_centre(
    url: str,
    state: Path,
    overrides: dict[str, Any] | None = None,
    variant: Variant | None = None,
    defects: DefectCounts | None = None,
    now: datetime | None = None,
    scale: Scale = SMALL,
) -> CallCentre:
    """Load a call centre into the database of `url`, and make a workspace on it."""
    share_compilations(state)
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_VARS": yaml.safe_dump(overrides or {}),
        "ROLLCALL_STATE_DIR": str(state),
    }
    settings = load_settings(environment=environment)
    with contextlib.closing(psycopg.connect(url)) as connection:
        planted = load_call_centre(connection, scale, settings.variables, variant, defects, now)
        connection.commit()
    return CallCentre(url, Workspace(settings), planted, now)


def workspace_of(url: str, state: Path) -> Workspace:
    """A workspace of another login, with a state folder of its own below `state`."""
    other = share_compilations(state / "other")
    environment = {"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(other)}
    return Workspace(load_settings(environment=environment))
