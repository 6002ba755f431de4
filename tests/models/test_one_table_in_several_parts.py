"""One table may be configured for agents and for sessions: nothing is left out for either part."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.assessment import assess
from rollcall.steps.doctor.diagnosis import Finding
from rollcall.steps.doctor.examination import examine
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations

STAFF = """
    create type presence as enum ('available', 'on_call', 'break', 'gone');
    create table staff (
        id serial primary key, role text not null default 'agent', is_active boolean not null default true,
        is_ai_agent boolean not null default false, status presence, current_call_session_id int,
        login_at timestamp not null default timezone('utc', now()), logout_at timestamp,
        last_activity timestamp not null default timezone('utc', now())
    );
    create table call_sessions (
        id serial primary key, agent_id int references staff, status text, direction text,
        started_at timestamp, connected_at timestamp, ended_at timestamp
    );
    insert into staff (status) values ('available'), ('break');
"""
VARIABLES = {"agents_table": "staff", "sessions_table": "staff", "sessions_agent_id_column": "id"}


@pytest.fixture
def staff(database: str, tmp_path: Path) -> Workspace:
    with psycopg.connect(database) as connection:
        connection.execute(STAFF)
    environment = {
        "ROLLCALL_DATABASE_URL": database,
        "ROLLCALL_STATE_DIR": str(share_compilations(tmp_path)),
        "ROLLCALL_VARS": json.dumps(VARIABLES),
    }
    return Workspace(load_settings(environment=environment))


def execute(workspace: Workspace, *statements: str) -> None:
    with psycopg.connect(workspace.database.conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def findings(workspace: Workspace) -> dict[str, Finding]:
    found = {finding.name: finding for finding in examine(workspace).findings}
    for finding in found.values():
        assert len(set(finding.found)) == len(finding.found), finding
    return found


@pytest.mark.medium
def test_what_stops_a_repair_is_found_in_a_table_that_is_agents_and_sessions(staff: Workspace) -> None:
    execute(
        staff,
        "create publication everybody for table staff",
        "alter table staff replica identity nothing",
        "create rule quiet as on update to staff where new.status = 'gone' do instead nothing",
    )
    counts = {rule.name: rule.violations for rule in assess(staff).rules}
    assert counts["status_not_in_enum"] == 1
    assert counts["missing_replica_identity"] == 1
    assert counts["session_update_rule"] == 1


@pytest.mark.medium
def test_doctor_finds_what_concerns_either_part_once(staff: Workspace) -> None:
    execute(
        staff,
        "create function noop() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger touched before update on staff for each row execute function noop()",
        "create publication everybody for table staff",
        "create rule quiet as on update to staff where new.status = 'gone' do also select 1",
        "create rule added as on insert to staff do also select 1",
        "alter table staff alter login_at set default now()",
        f"alter database {staff.database.name} set timezone = 'Asia/Kolkata'",
        "alter table staff enable row level security",
        "insert into staff (status) select 'break' from generate_series(1, 100)",
    )
    found = findings(staff)
    assert {
        "session_update_trigger",
        "published_table",
        "subscriber_without_columns",
        "session_update_rule",
        "other_rule",
        "server_time_zone",
        "row_level_security",
        "status_not_in_enum",
    } <= found.keys()
    assert "other_trigger" not in found
    assert found["other_rule"].found == ("added on public.staff, on insert",)
    execute(staff, "alter table staff drop constraint staff_pkey cascade, add primary key (id, role)")
    assert {"agents_key_not_unique", "sessions_key_not_unique"} <= findings(staff).keys()
