"""A database for the tests of the doctor."""

from __future__ import annotations

import dataclasses
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.doctor.diagnosis import Diagnosis, Finding
from rollcall.steps.doctor.examination import examine
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre
from tests.support.postgres import NOT_DURABLE
from tests.support.waiting import until

SCALE = Scale(agents=40, sessions=200, calls=400, days=5)


SETTINGS = {
    **NOT_DURABLE,
    "autovacuum": "off",
    "log_timezone": "UTC",
    "max_prepared_transactions": "2",
    "timezone": "UTC",
    "wal_level": "logical",
}


OPERATOR = "operator"


READ, MIGRATE, CLEAN = "rollcall_read", "rollcall_migrate", "rollcall_clean"


SESSIONS = "public.agent_sessions"


@dataclasses.dataclass
class Clinic:
    """A migrated, sound call centre whose application is owned by crm, and a login with our roles."""

    server: PostgresServer
    centre: CallCentre
    workspace: Workspace

    def do(self, *statements: str) -> None:
        """As superuser, each by itself."""
        for statement in statements:
            self.centre.rows(statement)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.centre.url)

    def workspace_of(
        self, login: str, migrate_role: str | None = None, clean_role: str | None = None
    ) -> Workspace:
        return workspace_on(self.centre, login, migrate_role, clean_role)

    def found(self, **options: Any) -> dict[str, Finding]:
        return by_name(examine(self.workspace, **options))


def workspace_on(
    centre: CallCentre, login: str, migrate_role: str | None = None, clean_role: str | None = None
) -> Workspace:
    """The same project, compiled once, under another login."""
    settings = dataclasses.replace(
        centre.workspace.settings,
        conninfo=make_conninfo(centre.url, user=login),
        migrate_role=migrate_role,
        clean_role=clean_role,
    )
    workspace = Workspace(settings)
    workspace.project = centre.workspace.project
    return workspace


def set_var(monkeypatch: pytest.MonkeyPatch, owner: Clinic | CallCentre, name: str, value: float) -> None:
    """Another threshold for the rest of the test."""
    monkeypatch.setitem(owner.workspace.settings.variables, name, value)


def by_name(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnosis.findings}


def eventually(clinic: Clinic, finding: str) -> dict[str, Finding]:
    return until(lambda: found if finding in (found := clinic.found()) else None)
