"""`rollcall init`: a configuration proposed from the catalog, and what assess says under it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rollcall.settings.configuration import load_settings
from tests.support.command import rollcall
from tests.support.floor import TABLES
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

ROWS = """
    insert into agents (email) select 'secret' || n || '@example.org' from generate_series(1, 40) as n;
    insert into agent_sessions (agent_id, status, login_at, last_activity)
    select n, (array['available', 'on_call', 'break', 'offline'])[1 + n % 4], now(), now()
    from generate_series(1, 40) as n;
    insert into call_sessions (agent_id, status, direction, started_at)
    select n, (array['connected', 'completed'])[1 + n % 2], 'inbound', now() from generate_series(1, 40) as n;
"""
ROW_PER_AGENT = """
    create type presence as enum ('OFFLINE', 'AVAILABLE', 'ON_CALL', 'AWAY', 'WRAP_UP', 'HOLIDAY');
    create table users (id uuid primary key, email text, "isActive" boolean not null);
    create table tickets (
        id serial primary key, "userId" uuid references users, status text, "updatedAt" timestamp
    );
    create table agent_extensions (
        id uuid primary key, "userId" uuid not null references users, status presence not null,
        "currentCallId" varchar, "updatedAt" timestamp not null
    );
    create table call_logs (
        id uuid primary key, "agentId" uuid references users, state text not null default 'ringing'
            check (state in ('ringing', 'answered', 'parked', 'ended')),
        "callType" text, "startTime" bigint, "answeredAt" timestamp, "endedAt" timestamp
    );
    insert into call_logs (id, "callType") select gen_random_uuid(), 'outgoing' from generate_series(1, 5);
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(url: str, *scripts: str) -> None:
    with psycopg.connect(url) as connection:
        for script in scripts:
            connection.execute(script)  # type: ignore[call-overload]


def written(here: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((here / "rollcall.yml").read_text("utf-8")))


@pytest.mark.medium
def test_the_default_application_gets_its_own_names_and_is_judged(database: str, here: Path) -> None:
    """Read-only, and with nothing of the rows in the file but the counts of statuses."""
    prepare(database, TABLES, ROWS)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "alter role postgres in database current set default_transaction_read_only = on".replace(
                "current", f'"{connection.info.dbname}"'
            )
        )  # type: ignore[arg-type]
    done = rollcall("init", "--yes", "--out", str(here / "rollcall.yml"), url=database, state=here)
    assert done.returncode == 0, done.stderr
    defaults = load_settings(conninfo="", environment={"ROLLCALL_CONFIG": str(ROOT / "presets")}).variables
    found = written(here)
    mapped = {name: value for name, value in found.items() if name.endswith(("_table", "_column"))}
    assert mapped == {name: defaults[name] for name in mapped}
    assert {name for name in defaults if name.endswith(("_table", "_column"))} == set(mapped)
    assert (found["available_status"], found["on_call_status"], found["closed_status"]) == (
        "available",
        "on_call",
        "offline",
    )
    assert set(found["live_call_statuses"]) == set(defaults["live_call_statuses"])
    assert "NEEDS DATABASE MIGRATION" in done.stdout or "READY" in done.stdout
    assert f"next: Set each line of {here}" in done.stdout
    assert "secret" not in (here / "rollcall.yml").read_text("utf-8")


@pytest.mark.medium
def test_a_row_per_agent_is_mapped_with_nulls_expressions_and_marks(database: str, here: Path) -> None:
    prepare(database, ROW_PER_AGENT)
    done = rollcall("init", "--yes", "--json", "--out", str(here / "rollcall.yml"), url=database, state=here)
    assert done.returncode == 0, done.stderr
    found = written(here)
    expected = {
        "agents_table": "users",
        "sessions_table": "agent_extensions",
        "calls_table": "call_logs",
        "agents_role_column": None,
        "agents_is_active_column": "isActive",
        "sessions_agent_id_column": "userId",
        "sessions_login_at_column": None,
        "sessions_logout_at_column": None,
        "sessions_last_activity_column": "updatedAt",
        "calls_agent_id_column": "agentId",
        "calls_status_column": "state",
        "calls_started_at_column": {"sql": 'to_timestamp(call."startTime")', "type": "timestamptz"},
        "available_status": "AVAILABLE",
        "not_working_statuses": ["OFFLINE"],
        "live_call_statuses": ["ringing", "answered", "initiated", "connecting", "connected", "queued"],
        "over_call_statuses": ["ended"],
        "connected_call_status": "answered",
        "outbound_directions": ["outgoing"],
    }
    assert {name: found[name] for name in expected} == expected
    reference = found["sessions_call_id_column"]
    assert (reference["column"], reference["type"]) == ("currentCallId", "uuid")
    text = (here / "rollcall.yml").read_text("utf-8")
    assert "# DECIDE: put these values of sessions_status_column into a list above: HOLIDAY (0 rows)" in text
    assert "# DECIDE: put these values of calls_status_column into a list above: parked (0 rows)" in text
    assert "agents_table: users" in text
    assert "# guessed" in text.split("agents_table: users")[1].splitlines()[0]
    assert json.loads(done.stdout)["to_decide"] >= 3


def test_a_known_application_gets_its_preset(database: str, here: Path) -> None:
    preset = yaml.safe_load((ROOT / "presets" / "prisma_camel_case.yml").read_text("utf-8"))
    with psycopg.connect(database) as connection:
        for table, columns in preset["recognised_by"].items():
            definition = ", ".join(f'"{column}" text' for column in columns)
            connection.execute(f'create table "{table}" ({definition})')  # type: ignore[arg-type]
    done = rollcall("init", "--yes", "--out", str(here / "rollcall.yml"), url=database, state=here)
    assert done.returncode == 0, done.stderr
    assert written(here) == {"preset": "prisma_camel_case"}
    assert "the database fits the preset prisma_camel_case" in done.stdout


def test_a_file_is_replaced_only_on_request(database: str, here: Path) -> None:
    prepare(database, TABLES)
    file = here / "rollcall.yml"
    file.write_text("app_schema: mine\n")
    done = rollcall("init", "--yes", "--out", str(file), url=database, state=here)
    assert done.returncode == 2
    assert "exists and was not changed" in done.stderr
    assert file.read_text() == "app_schema: mine\n"
    assert rollcall("init", "--yes", "--force", "--out", str(file), url=database, state=here).returncode == 0
    assert written(here)["app_schema"] == "public"


@pytest.mark.parametrize(
    ("script", "options", "problem"),
    [
        (
            "create table invoices (id int, status text)",
            ("--yes",),
            "No table looks like one of agents' sessions",
        ),
        ("select 1", (), "There is no terminal to ask in"),
    ],
)
def test_nothing_is_written_when_there_is_nothing_to_propose(
    database: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    options: tuple[str, ...],
    problem: str,
) -> None:
    prepare(database, script)
    monkeypatch.setattr(sys, "stdin", open(os.devnull, encoding="utf-8"))  # noqa: SIM115, PTH123
    done = rollcall("init", *options, "--out", str(here / "rollcall.yml"), url=database, state=here)
    assert done.returncode == 2
    assert problem in done.stderr
    assert not (here / "rollcall.yml").exists()


def test_a_column_with_many_values_shows_none_of_them(database: str, here: Path) -> None:
    prepare(
        database,
        TABLES,
        "alter table agents alter role type text",
        "insert into agents (email, role) select n::text, 'private' || n from generate_series(1, 40) as n",
    )
    done = rollcall("init", "--yes", "--out", str(here / "rollcall.yml"), url=database, state=here)
    assert done.returncode == 0, done.stderr
    assert "private" not in (here / "rollcall.yml").read_text("utf-8")


def test_a_terminal_is_asked_for_each_table(database: str, here: Path) -> None:
    """Answer 2 for the agents takes the second candidate; Enter takes the first."""
    prepare(
        database, TABLES, "create table agent_profiles (id serial primary key, is_active boolean, role text)"
    )
    leader, follower = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "ROLLCALL_"))}
    process = subprocess.Popen(
        [sys.executable, "-c", "from rollcall.cli import main; main()", "init"],
        env={**environment, "ROLLCALL_DATABASE_URL": database, "ROLLCALL_STATE_DIR": str(here)},
        cwd=here,
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(follower)
    with contextlib.closing(open(leader, "wb", buffering=0)) as terminal:  # noqa: PTH123
        terminal.write(b"\n2\n\n")
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out.decode()
    assert written(here)["agents_table"] == "agent_profiles"
    assert b"Table of the agents" in out
