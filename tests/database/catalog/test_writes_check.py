"""What the sessions table cannot take is refused before dbt starts, with the rest, each in a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import ConfigurationProblems
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations
from tests.support.floor import TABLES
from tests.support.postgres import fresh_database

AWKWARD = """
    alter table agent_sessions
        add call_text varchar(50) not null default '',
        add ended timestamp(3) not null default now(),
        add state text check (state in ('available', 'on_call', 'busy', 'it''s over')),
        add derived text generated always as (upper(status)) stored,
        add changed_at timestamptz not null default now(),
        add mood text check (mood <> 'bad');
"""
CONSTRAINED = """
    create domain working as text check (value = 'available' or value = 'break');
    create domain narrow as working check (value ~ '^a');
    create function is_fine(text) returns boolean language plpgsql
        as $$ begin if $1 is not null then raise 'was run'; end if; return true; end $$;
    alter table agent_sessions
        add either text check (either = 'available' or either = 'break'),
        add pattern text check (pattern ~ '^(available|break)$'),
        add length text check (char_length(length) between 3 and 8),
        add unlike text check (unlike not like 'off%'),
        add of_domain working,
        add of_narrow narrow,
        add short varchar(6),
        add number smallint,
        add note text check (note in ('kept', 'left')),
        add closed_on date,
        add document json default '{}',
        add documents json[],
        add place point,
        add facts jsonb,
        add of_owner text check (is_fine(of_owner)),
        add together text check (together <> 'offline' or logout_at is not null);
"""
TEXT = {
    "column": "call_text",
    "sql": "case when session.call_text ~ '^[0-9a-f-]{36}$' then session.call_text::uuid end",
    "type": "uuid",
}


@pytest.fixture(scope="module")
def application(server: PostgresServer) -> Iterator[str]:
    with fresh_database(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
            connection.execute(AWKWARD)
            connection.execute(CONSTRAINED)
        yield url


def workspace_of(url: str, state: Path, **variables: Any) -> Workspace:
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": str(share_compilations(state)),
        "ROLLCALL_VARS": json.dumps(variables),
    }
    return Workspace(load_settings(environment=environment))


def problems(url: str, state: Path, **variables: Any) -> list[str]:
    with pytest.raises(ConfigurationProblems) as refusal:
        _ = workspace_of(url, state, **variables).database
    assert refusal.value.exit_code == 2
    return list(refusal.value.problems)


def assert_named(found: list[str], expected: list[tuple[str, ...]]) -> None:
    """Each expected problem has a line with all of its parts, and there is no other line."""
    assert len(found) == len(expected)
    for parts in expected:
        (line,) = (line for line in found if parts[0] in line)
        assert all(part in line for part in parts)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"sessions_call_id_column": TEXT},
            [("agent_sessions.call_text does not take null", "sessions_no_call", "such as ''", "read_only")],
        ),
        (
            {"sessions_logout_at_column": "ended"},
            [("agent_sessions.ended does not take null, so no session would be open", "or to {sql, type}")],
        ),
        (
            {"sessions_status_column": "state"},
            [
                ("state_check of public.agent_sessions.state refuses offline", "closed_status", "it's over"),
                ("state_check of public.agent_sessions.state refuses break", "var break_status to one of"),
            ],
        ),
        (
            {
                "sessions_status_column": {
                    "column": "state",
                    "values": {"busy": "available", "x": "break", "z": "offline"},
                }
            },
            [("refuses z, which", "closed_status"), ("refuses x, which", "break_status")],
        ),
        (
            {"sessions_status_column": "derived"},
            [("agent_sessions.derived is generated", "sessions_status_column")],
        ),
        (
            {"sessions_on_close": {"changed_at": None, "derived": "x", "gone": 1}},
            [
                ("column gone does not exist in public.agent_sessions", "sessions_on_close"),
                ("changed_at does not take null", "var sessions_on_close"),
                ("derived is generated", "sessions_on_close"),
            ],
        ),
    ],
)
def test_a_column_that_refuses_a_write_is_named_with_its_var(
    application: str, tmp_path: Path, variables: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    assert_named(problems(application, tmp_path, **variables), expected)


@pytest.mark.parametrize(
    ("column", "refused"),
    [
        ("either", {"offline": "either_check of public.agent_sessions.either"}),
        ("pattern", {"offline": "pattern_check of public.agent_sessions.pattern"}),
        ("unlike", {"offline": "unlike_check of public.agent_sessions.unlike"}),
        ("length", {"available": "length_check of public.agent_sessions.length"}),
        ("of_domain", {"offline": "working_check of the domain public.working"}),
        ("of_narrow", {"offline": "working_check of the domain public.narrow", "break": "narrow_check"}),
    ],
)
def test_each_form_of_a_check_is_judged_by_the_server(
    application: str, tmp_path: Path, column: str, refused: dict[str, str]
) -> None:
    found = problems(application, tmp_path, sessions_status_column=column)
    assert len(found) == len(refused)
    variables = {"offline": "closed_status", "break": "break_status", "available": "available_status"}
    for status, constraint in refused.items():
        (line,) = (line for line in found if f"refuses {status}, which" in line)
        assert constraint in line
        assert f"set the var {variables[status]} to a value that it takes" in line


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"sessions_status_column": "short"},
            [
                ("agent_sessions.short has no room for offline", "closed_status"),
                ("agent_sessions.short has no room for available", "available_status"),
            ],
        ),
        (
            {"sessions_on_close": {"number": 70000}},
            [("agent_sessions.number (smallint) does not take '70000'", "the var sessions_on_close")],
        ),
        (
            {"sessions_on_close": {"note": "closed"}},
            [("note_check of public.agent_sessions.note refuses closed", "the var sessions_on_close")],
        ),
        (
            {"sessions_on_close": {"number": {"instant": "now"}, "closed_on": {"epoch": "now"}}},
            [
                ("agent_sessions.number (smallint) does not take {instant: now}", "no timestamp"),
                ("agent_sessions.closed_on (date) does not take {epoch: now}", "no number"),
            ],
        ),
        (
            {
                "sessions_on_close": {"document": "{}", "documents": "{}"},
                "sessions_on_break": {"place": None},
            },
            [
                ("agent_sessions.document (json) cannot be compared", "jsonb", "the var sessions_on_close"),
                ("agent_sessions.documents (json[]) cannot be compared", "the var sessions_on_close"),
                ("agent_sessions.place (point) cannot be compared", "the var sessions_on_break"),
            ],
        ),
        (
            {"sessions_no_call": "none"},
            [("current_call_session_id (uuid) does not take 'none', which sessions_no_call", "the var")],
        ),
    ],
)
def test_a_value_that_the_column_does_not_take_is_named_with_its_var(
    application: str, tmp_path: Path, variables: dict[str, Any], expected: list[tuple[str, ...]]
) -> None:
    assert_named(problems(application, tmp_path, **variables), expected)


@pytest.mark.medium
@pytest.mark.parametrize(
    "variables",
    [
        # its function is not run, and the other column is not known yet: doctor names both
        {"sessions_status_column": "of_owner"},
        {"sessions_status_column": "together"},
        {"sessions_on_close": {"number": 7, "note": "left", "facts": "{}", "changed_at": {"instant": "now"}}},
        {"sessions_call_id_column": TEXT, "sessions_no_call": ""},
        pytest.param({"sessions_call_id_column": TEXT, "read_only": True}, marks=pytest.mark.slow),
        pytest.param({"sessions_status_column": "mood"}, marks=pytest.mark.slow),
    ],
)
def test_what_can_be_written_or_is_never_written_is_no_problem(
    application: str, tmp_path: Path, variables: dict[str, Any]
) -> None:
    assert workspace_of(application, tmp_path, **variables).database.name


def test_every_problem_is_reported_at_once_with_the_forms_that_a_var_takes(
    application: str, tmp_path: Path
) -> None:
    found = problems(
        application,
        tmp_path,
        agents_role_column="rol",
        agents_id_column="ident",
        sessions_call_id_column="call_text",
        sessions_status_column="derived",
    )
    lines = {line.split(";")[0]: line for line in found}
    assert (
        "var agents_role_column to a column, to {sql, type} or to null"
        in lines["column rol does not exist in public.agents"]
    )
    assert "to {sql, type}; did you mean" in lines["column ident does not exist in public.agents"].replace(
        "to {sql, type} (", "to {sql, type}; did you mean ("
    )
    (cast,) = (line for line in found if "cannot be compared" in line)
    assert 'sessions_call_id_column: {column: call_text, sql: "case when session.call_text ~ ' in cast
    assert "type: uuid}" in cast
    assert [line for line in found if "derived is generated" in line]
    assert len(found) == 5


@pytest.mark.medium
def test_the_offered_cast_works(application: str, tmp_path: Path) -> None:
    """The text of the message, pasted into the configuration, compares the reference with the key."""
    import yaml

    found = problems(application, tmp_path, sessions_call_id_column="call_text", sessions_no_call="")
    (cast,) = (line for line in found if "cannot be compared" in line)
    offered = cast.split("or cast it: sessions_call_id_column: ")[1].removesuffix(".")
    workspace = workspace_of(
        application, tmp_path, sessions_call_id_column=yaml.safe_load(offered), sessions_no_call=""
    )
    with psycopg.connect(application, autocommit=True) as connection:
        connection.execute(
            "insert into agents (email) values ('a'); insert into agent_sessions"
            " (agent_id, status, login_at, last_activity, call_text)"
            " values (1, 'available', now(), now(), 'none')"
        )
    with workspace.database.snapshot() as snapshot:
        assert snapshot.row(workspace.project.sql("readiness_counts"))["orphaned_call_reference"] == 0
