"""A server whose settings are healthy, and a database on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from rollcall.sandbox.demo import DefectCounts, Variant
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.doctor.grants import grants
from tests.support.call_centre import call_centre
from tests.support.clinic import CLEAN, MIGRATE, OPERATOR, SCALE, SESSIONS, SETTINGS, Clinic
from tests.support.postgres import running_server


@pytest.fixture(scope="module")
def server_of_doctor(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with running_server(request.config.getoption("--pg-bin"), SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def clinic(server_of_doctor: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """Made healthy by what doctor itself prints, and migrated by the login that got it."""
    with psycopg.connect(server_of_doctor.conninfo(), autocommit=True) as connection:
        connection.execute("create database clinic")
    centre = call_centre(
        server_of_doctor.conninfo("clinic"),
        tmp_path_factory.mktemp("clinic"),
        defects=DefectCounts.sound(SCALE, Variant()),
        scale=SCALE,
    )
    clinic = Clinic(server_of_doctor, centre, centre.workspace)
    clinic.do(
        "create role crm nologin",
        *(f"alter table {centre.table(var)} owner to crm" for var in ("agents_table", "calls_table")),
        f"alter table {SESSIONS} owner to crm",
        f"create role {OPERATOR} login",
        f"grant pg_read_all_stats to {OPERATOR}",
    )
    clinic.do(*(g.statement.replace('"YOUR LOGIN ROLE"', OPERATOR) for g in grants(centre.workspace)))
    clinic.workspace = clinic.workspace_of(OPERATOR, MIGRATE, CLEAN)
    centre.workspace, superuser = clinic.workspace, centre.workspace
    centre.run()
    centre.workspace = superuser
    clinic.do("analyze")
    return clinic


@pytest.fixture
def situation(clinic: Clinic) -> Iterator[Callable[..., None]]:
    """Create a situation; it is undone after the test, the last statement first."""
    undo: list[str] = []

    def create(statement: str, undone_by: str | None = None) -> None:
        clinic.do(statement)
        if undone_by is not None:
            undo.append(undone_by)

    yield create
    clinic.do(*reversed(undo))
