"""A role that may create in `public` plants functions and operators; Rollcall calls none of them."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rollcall.servers.postgres import PostgresServer
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre
from tests.support.every_step import everything
from tests.support.planted_objects import Planted

OWN_QUERY = (
    "select 'agent_without_name' as rule, a.id::text as key from public.agents as a where a.id * 2 < 0"
)
OWN_SUITE = """{
  "name": "crm",
  "expectations": [{
    "type": "expect_column_max_to_be_between",
    "kwargs": {"column": "agent_without_name", "max_value": 0},
    "severity": "warning",
    "meta": {"rule": "agent_without_name", "check": "data_trustworthy", "severity": "warning",
             "unit": "agents", "reason": "It has no name.", "remedy": "Ask."}
  }],
  "meta": {"over": "agents"}
}"""


@pytest.fixture
def attacker(server: PostgresServer) -> Iterator[str]:
    role = f"attacker_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"create role {role}")
        yield role
        connection.execute(f"drop role {role}")


@pytest.fixture
def victim(server: PostgresServer) -> Iterator[str]:
    """A superuser of its own, so that only its connections have its search path."""
    role = f"victim_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(f"create role {role} login superuser")
        yield role
        connection.execute(f"drop role {role}")


@pytest.fixture
def centre(database: str, tmp_path: Path, victim: str, attacker: str) -> Iterator[CallCentre]:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "crm.sql").write_text(OWN_QUERY)
    (folder / "crm.json").write_text(OWN_SUITE)
    yield call_centre(database, tmp_path, {"own_rules_folder": str(folder)})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("set search_path = pg_catalog")
        connection.execute(f"reassign owned by {victim} to postgres")
        connection.execute(f"drop owned by {victim}, {attacker} cascade")


@pytest.mark.medium
@pytest.mark.parametrize("public_first", [False, True], ids=["usual_path", "public_before_pg_catalog"])
def test_no_planted_object_is_called_or_compiled_in(
    server: PostgresServer, centre: CallCentre, victim: str, attacker: str, public_first: bool
) -> None:
    project = centre.workspace.project
    statements = [*project.compilation.sql.values(), *(own.statement for own in project.rollcall_relations)]
    planted = Planted(centre.url, attacker, server.data_directory / "server.log")
    assert planted.plant([*statements, "set_config("], public_first=public_first) > 500
    if public_first:
        centre.rows(f"alter role {victim} set search_path = public, pg_catalog")
    settings = dataclasses.replace(centre.workspace.settings, conninfo=make_conninfo(centre.url, user=victim))
    _attacked(planted, Workspace(settings))


@pytest.mark.medium
def test_what_gives_the_right_answer_is_not_called_either(
    server: PostgresServer, centre: CallCentre, victim: str, attacker: str
) -> None:
    """Nothing fails by it, so nothing but the server's log tells."""
    planted = Planted(centre.url, attacker, server.data_directory / "server.log")
    planted.plant_some()
    settings = dataclasses.replace(centre.workspace.settings, conninfo=make_conninfo(centre.url, user=victim))
    _attacked(planted, Workspace(settings))


def _attacked(planted: Planted, workspace: Workspace) -> None:
    failure: Exception | None = None
    try:
        everything(workspace)
    except Exception as error:
        failure = error
    assert planted.calls() == set()
    assert planted.dependents() == []
    if failure is not None:
        raise failure
