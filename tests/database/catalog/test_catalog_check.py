"""Every problem of a configuration at once, each in a line with the var, before dbt is started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import ConfigurationProblems
from rollcall.sandbox.demo import Variant
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace
from tests.support.call_centre import call_centre, share_compilations
from tests.support.command import rollcall
from tests.support.domains import into_domains
from tests.support.floor import TABLES
from tests.support.postgres import fresh_database


@pytest.fixture(scope="module")
def application(server: PostgresServer) -> Iterator[str]:
    """The application's tables with a few columns that no var is meant for."""
    with fresh_database(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
            connection.execute(
                """
                alter table agents add is_enabled smallint, add code varchar(20), add settings json;
                alter table agent_sessions add ref text, add seconds bigint, add day date, add hour timetz;
                alter table call_sessions add state_code integer, add outcome boolean;
                create type colour as enum ('red', 'green');
                alter table call_sessions add colour colour;
                create view active_agents as select * from agents;
                create materialized view frozen_calls as select * from call_sessions;
                create schema crm;
                create table crm.operators (id int primary key);
                """
            )
        yield url


def problems(url: str, state: Path, **variables: Any) -> tuple[str, ...]:
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": str(state),
        "ROLLCALL_VARS": json.dumps(variables),
    }
    with pytest.raises(ConfigurationProblems) as refusal:
        _ = Workspace(load_settings(environment=environment)).database
    assert refusal.value.exit_code == 2
    return refusal.value.problems


def test_five_wrong_names_are_five_lines_of_one_try_and_dbt_is_not_started(
    application: str, tmp_path: Path
) -> None:
    variables = {
        "agents_is_active_column": "isActive",
        "sessions_call_id_column": "currentCallSession",
        "sessions_login_at_column": "logged_in_at",
        "calls_direction_column": "directions",
        "calls_table": "callSessions",
    }
    done = rollcall("assess", url=application, state=tmp_path, ROLLCALL_VARS=json.dumps(variables))
    assert done.returncode == 2
    assert done.stdout == ""
    first, *lines = done.stderr.strip().splitlines()
    assert first == "rollcall: 4 problems in the configuration:"
    assert [line.split(";")[0].strip() for line in lines] == [
        f"Table public.callSessions does not exist in database {application.rsplit('/', 1)[1].split('?')[0]}",
        "Column isActive does not exist in public.agents",
        "Column currentCallSession does not exist in public.agent_sessions",
        "Column logged_in_at does not exist in public.agent_sessions",
    ]
    for line, var, near in zip(
        lines,
        ["calls_table", *list(variables)[:3]],
        ["call_sessions", "is_active", "current_call_session_id", "login_at"],
        strict=True,
    ):
        assert var in line
        assert near in line.split("did you mean")[1].split("?")[0]
    assert not (tmp_path / "dbt").exists()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"sessions_table": "active_agents"},
            ("public.active_agents is a view, but a table is needed", "sessions_table"),
        ),
        (
            {"calls_table": "frozen_calls"},
            ("public.frozen_calls is a materialized view, but a table is needed", "calls_table"),
        ),
        ({"agents_table": "operators"}, ("table public.operators does not exist", "crm.operators?")),
        ({"agents_table": "Agent"}, ("table public.Agent does not exist", "public.agents")),
        (
            {"agents_is_active_column": "is_enabled"},
            ("public.agents.is_enabled cannot be yes or no: its type is smallint", "of type boolean"),
        ),
        (
            {"sessions_login_at_column": "seconds"},
            ("agent_sessions.seconds cannot be a time: its type is bigint", "timestamp with time zone"),
        ),
        ({"sessions_login_at_column": "day"}, ("cannot be a time: its type is date",)),
        ({"sessions_login_at_column": "hour"}, ("cannot be a time: its type is time with time zone",)),
        (
            {"calls_status_column": "state_code"},
            ("call_sessions.state_code cannot be a status: its type is integer", "or an enum"),
        ),
        ({"calls_status_column": "outcome"}, ("cannot be a status: its type is boolean",)),
        (
            {"calls_status_column": "colour"},
            ("the enum of public.call_sessions.colour has none of the statuses initiated", "red, green"),
        ),
        (
            {"sessions_call_id_column": "ref"},
            (
                "public.agent_sessions.ref (text) cannot be compared with public.call_sessions.id (uuid)",
                "sessions_call_id_column and calls_id_column",
            ),
        ),
        (
            {"agents_id_column": "settings"},
            ("public.agents.settings cannot be a key: its type is json",),
        ),
    ],
)
def test_what_can_never_work_is_named_with_what_would(
    application: str, tmp_path: Path, variables: dict[str, str], expected: tuple[str, ...]
) -> None:
    found = problems(application, tmp_path, **variables)
    line = next(line for line in found if expected[0] in line)
    assert all(part in line for part in expected)
    assert all(any(var in line for var in variables) for line in found)


def test_a_reference_of_another_type_is_one_line_for_each_reference(application: str, tmp_path: Path) -> None:
    found = problems(application, tmp_path, agents_id_column="code")
    assert [line.split(" cannot ")[0] for line in found] == [
        "column public.agent_sessions.agent_id (integer)",
        "column public.call_sessions.agent_id (integer)",
    ]


def test_a_database_without_the_application_is_a_line_for_each_table(database: str, tmp_path: Path) -> None:
    found = problems(database, tmp_path)
    assert [line.split(" does not exist")[0] for line in found] == [
        "table public.agents",
        "table public.agent_sessions",
        "table public.call_sessions",
    ]


@pytest.mark.medium
@pytest.mark.parametrize(
    ("variables", "variant"),
    [
        ({}, Variant(status="enum", keys="text", agent_keys="uuid")),
        pytest.param(
            {},
            Variant("timestamptz", keys="bigint", agent_keys="bigint", migrated=True),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_domains_are_checked_as_their_base_types(
    database: str, tmp_path: Path, variables: dict[str, str], variant: Variant
) -> None:
    centre = call_centre(database, tmp_path, variables, variant)
    into_domains(centre)
    assert centre.plan().change_count == centre.planted.pending_changes


@pytest.mark.medium
def test_statuses_may_be_numbers_where_all_of_them_are(application: str, tmp_path: Path) -> None:
    numbers = {
        "calls_status_column": "state_code",
        "live_call_statuses": ["1", "2"],
        "over_call_statuses": ["3"],
        "connected_call_status": "2",
    }
    environment = {
        "ROLLCALL_DATABASE_URL": application,
        "ROLLCALL_STATE_DIR": str(share_compilations(tmp_path)),
        "ROLLCALL_VARS": json.dumps(numbers),
    }
    workspace = Workspace(load_settings(environment=environment))
    with workspace.database.snapshot() as snapshot:
        assert snapshot.row(workspace.project.sql("readiness_counts"))["abandoned_session"] == 0


def test_every_var_that_cannot_work_is_a_line_of_its_own(tmp_path: Path) -> None:
    def lines(**variables: Any) -> tuple[str, ...]:
        environment = {
            "ROLLCALL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/never-reached",
            "ROLLCALL_VARS": json.dumps(variables),
        }
        with pytest.raises(ConfigurationProblems) as refusal:
            load_settings(environment=environment)
        return refusal.value.problems

    found = lines(app_schemas="crm", settle_minutes="soon", live_call_statuses="ringing")
    assert len(found) == 3
    for line, beginning in zip(
        found,
        (
            "unknown var app_schemas in ROLLCALL_VARS. did you mean app_schema?",
            "var settle_minutes must be a number above zero",
            "var live_call_statuses must be a list of texts",
        ),
        strict=True,
    ):
        assert line.startswith(beginning)
    assert [line.split(".")[0] for line in lines(closed_status="gone", app_time_zone="Mars/Olympus")] == [
        "var closed_status is gone, which not_working_statuses does not have",
        "var app_time_zone names no time zone: Mars/Olympus",
    ]
