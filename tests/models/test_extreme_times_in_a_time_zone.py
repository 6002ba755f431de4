"""Times that no instant can express in the application's zone fail nothing: no query, index or insert."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest

from rollcall.rules.results import Verdict
from rollcall.sandbox.demo import Scale
from rollcall.schema.declared import declared_changes
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from rollcall.steps.plan.script import script
from tests.support.call_centre import CallCentre, call_centre
from tests.support.programs import psql_of

SCALE = Scale(agents=30, sessions=200, calls=400, days=5)
# the last time that PostgreSQL can hold, west of Greenwich, and the first one east of it
EDGES = [("Asia/Kolkata", "4714-11-24 BC"), ("America/New_York", "294276-12-31 23:59:59.999")]
INDEX = "rollcall_calls_of_agent"


def insert_extreme_call(centre: CallCentre, moment: str) -> str:
    """A call that is over by its status and has no ordinary time; its key."""
    key = str(uuid.uuid4())
    centre.rows(
        "insert into call_sessions (id, agent_id, status, direction, started_at, ended_at)"
        " values (%s, (select min(id) from agents), 'failed', 'inbound', %s, %s)",
        *(key, moment, moment),
    )
    return key


def insert_extreme_session(centre: CallCentre, moment: str) -> str:
    key = str(uuid.uuid4())
    centre.rows(
        "insert into agent_sessions (id, agent_id, status, login_at, last_activity, logout_at)"
        " values (%s, (select min(id) from agents), 'offline', %s, %s, %s)",
        *(key, moment, moment, moment),
    )
    return key


@pytest.mark.medium
@pytest.mark.parametrize(("zone", "moment"), EDGES)
def test_every_step_works_on_the_last_and_the_first_time_of_postgresql(
    database: str, tmp_path: Path, zone: str, moment: str
) -> None:
    centre = call_centre(database, tmp_path, {"app_time_zone": zone}, scale=SCALE)
    call, session = insert_extreme_call(centre, moment), insert_extreme_session(centre, moment)
    before = assess(centre.workspace, history=True)
    named = {rule.name: rule.sample_keys for rule in before.rules}
    assert call in named["extreme_call_times"]
    assert session in named["extreme_session_times"]

    _, migration, cleaning, verification = centre.run()
    assert (migration.skipped, cleaning.skipped) == ([], [])
    assert verification.assessment.verdict is Verdict.READY
    for view in ("agent_sessions", "routable_agents"):
        assert centre.rows(f"select t::text from rollcall.{view} as t")
    assert insert_extreme_call(centre, moment), "the application's own insert fails in an index of ours"
    assert centre.plan().is_empty


@pytest.mark.medium
@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_the_index_of_an_earlier_version_is_kept(
    server: PostgresServer, database: str, tmp_path: Path, zone: str
) -> None:
    centre = call_centre(database, tmp_path, {"app_time_zone": zone}, scale=SCALE)
    centre.rows(
        f"create index {INDEX} on call_sessions (agent_id,"
        f" (greatest(started_at, connected_at, ended_at) at time zone '{zone}'))"
    )
    with centre.workspace.database.snapshot() as snapshot:
        states = {
            row["object_name"]: row["state"] for row in declared_changes(snapshot, centre.workspace.project)
        }
    assert states[f"public.{INDEX}"] == "present"
    definition = centre.rows("select pg_get_indexdef(%s::regclass)", INDEX)
    statements = centre.plan().statements
    _, migration, _, verification = centre.run()
    assert not migration.skipped
    assert verification.assessment.verdict is Verdict.READY
    assert centre.rows("select pg_get_indexdef(%s::regclass)", INDEX) == definition
    file = tmp_path / "migration.sql"
    file.write_text(script(centre.workspace, statements, "test"))
    psql = [str(psql_of(server)), "-X", "-q", "-f", str(file), centre.url]
    done = subprocess.run(psql, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    centre.rows(f"drop index {INDEX}")
    assert [statement.object_name for statement in centre.plan().statements] == [f"public.{INDEX}"]


@pytest.mark.medium
def test_an_index_of_another_expression_is_a_conflict(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, {"app_time_zone": "Europe/Berlin"}, scale=SCALE)
    centre.rows(
        f"create index {INDEX} on call_sessions (agent_id,"
        " (greatest(started_at, connected_at, ended_at) at time zone 'Europe/Paris'))"
    )
    rules = {rule.name: rule.violations for rule in assess(centre.workspace).rules}
    assert rules["conflicting_index"] == 1
