"""Every command works with exactly what `doctor --grants` prints, and a reader changes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from rollcall import console
from rollcall.cli import app
from rollcall.sandbox.demo import Scale, Variant
from rollcall.servers.postgres import PostgresServer
from tests.support.call_centre import CallCentre, call_centre
from tests.support.paths import ROOT
from tests.support.postgres import running_server

SCALE = Scale(agents=40, sessions=200, calls=400, days=5)
READER, OPERATOR = "ops_reader", "ops_operator"
ROLES = {"ROLLCALL_MIGRATE_ROLE": "rollcall_migrate", "ROLLCALL_CLEAN_ROLE": "rollcall_clean"}
PAGE = ROOT / "docs" / "privileges.md"


@dataclass
class Desk:
    """The command line under two logins that hold what `doctor --grants` prints, and no more."""

    centre: CallCentre
    monkeypatch: pytest.MonkeyPatch
    ran: set[str] = field(default_factory=set)

    def environment(self, login: str) -> dict[str, str]:
        return {
            "ROLLCALL_DATABASE_URL": make_conninfo(self.centre.url, user=login),
            "ROLLCALL_STATE_DIR": str(self.centre.workspace.settings.state_directory),
            **(ROLES if login == OPERATOR else {}),
        }

    def run(self, login: str, *arguments: str, code: int = 0) -> Any:
        """What a command prints as JSON; its exit code has to be `code`."""
        for name in ROLES:
            self.monkeypatch.delenv(name, raising=False)
        for name, value in self.environment(login).items():
            self.monkeypatch.setenv(name, value)
        console.use_stdout()
        done = CliRunner().invoke(app, [*arguments, "--json"])
        exit_code = getattr(done.exception, "exit_code", done.exit_code)
        assert exit_code == code, f"{arguments}: {done.exception!r}\n{done.output}"
        self.ran.add(arguments[0])
        return json.loads(done.stdout) if code in (0, 10, 11, 12) else None

    def query(self, login: str, query: str) -> list[Any]:
        with psycopg.connect(self.environment(login)["ROLLCALL_DATABASE_URL"]) as connection:
            return connection.execute(query.encode()).fetchall()

    def run_process(self, login: str, *arguments: str) -> None:
        environment = {**os.environ, **self.environment(login)}
        command = [sys.executable, "-m", "rollcall", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        self.ran.add(arguments[0])


@pytest.fixture
def desk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    """A server of its own, because roles belong to a server; the application's tables belong to crm."""
    with running_server(request.config.getoption("--pg-bin")) as server:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute("create database desk")
        yield _desk(server, monkeypatch, tmp_path)


def _desk(server: PostgresServer, monkeypatch: pytest.MonkeyPatch, state: Path) -> Desk:
    centre = call_centre(server.conninfo("desk"), state, variant=Variant(), scale=SCALE)
    tables = [centre.table(f"{name}_table") for name in ("agents", "sessions", "calls")]
    centre.rows("create role crm nologin")
    for table in tables:
        centre.rows(f"alter table {table} owner to crm")
    centre.rows("revoke create on schema public from public")
    centre.rows(f"create role {READER} login")
    centre.rows(f"create role {OPERATOR} login")
    return Desk(centre, monkeypatch)


@pytest.mark.medium
def test_every_command_works_with_exactly_the_printed_grants(desk: Desk) -> None:
    for grant in desk.run(OPERATOR, "doctor", "--grants"):
        desk.centre.rows(grant["statement"])
    desk.centre.rows(f"grant rollcall_read to {READER}")

    # before the migration, and read-only
    assert not desk.run(READER, "doctor")["blocked"]
    assert desk.run(READER, "assess", "--history", code=11)["warnings"] == []
    assert desk.run(READER, "plan")["statements"]
    assert desk.run(READER, "history") == []
    assert not any(flag["is_on"] for flag in desk.run(READER, "flags"))
    desk.run(READER, "verify", code=11)

    assert not desk.run(OPERATOR, "doctor")["blocked"]
    assert desk.run(OPERATOR, "migrate")["skipped"] == []
    cleaned = desk.run(OPERATOR, "clean")
    assert cleaned["changed"] == cleaned["planned"] > 0
    run_id = cleaned["run_id"]
    desk.run(OPERATOR, "verify", "--run", run_id)
    assert desk.run(OPERATOR, "undo", run_id)["restored"] == cleaned["changed"]
    desk.run(OPERATOR, "plan", "--store")
    assert desk.run(OPERATOR, "build")["days"] > 0
    for state in ("on", "off"):
        desk.run(OPERATOR, "flags", "pause_cleaning", state)
    assert [run["command"] for run in desk.run(OPERATOR, "history")][:2] == ["flags", "flags"]
    desk.run_process(OPERATOR, "run", "--yes")

    # what migrate made is read by the reader, and by no grant that is not printed
    assert desk.run(READER, "assess", "--history")["verdict"] == "READY"
    assert desk.run(READER, "verify", "--run", run_id)["proof"]["holds"]
    assert len(desk.run(READER, "history")) >= 4
    desk.run(READER, "flags")

    before = desk.centre.images()
    for arguments in (("flags", "pause_cleaning", "on"), ("plan", "--store"), ("clean",), ("migrate",)):
        desk.run(READER, *arguments, code=1)
    assert desk.centre.images() == before

    desk.run(OPERATOR, "detach")
    desk.run_process(OPERATOR, "run", "--yes")
    assert desk.run(READER, "assess")["verdict"] == "READY"
    assert desk.ran == documented_commands()


@pytest.mark.medium
def test_a_reader_of_the_views_needs_the_printed_grants_where_policies_exist(desk: Desk) -> None:
    sessions = desk.centre.table("sessions_table")
    desk.centre.rows(f"alter table {sessions} enable row level security")
    desk.centre.rows(f"create policy own_team on {sessions} for select using (agent_id <= 3)")
    desk.centre.rows("create role viewer login")
    for _ in ("before the migration", "after it"):
        for grant in desk.run(OPERATOR, "doctor", "--grants"):
            desk.centre.rows(grant["statement"])
        desk.run(OPERATOR, "migrate")
    desk.centre.rows("grant rollcall_views to viewer")

    counted = "select count(*), count(*) filter (where agent_id > 3) from {}"
    [(visible, hidden)] = desk.query("viewer", counted.format("rollcall.agent_sessions"))
    assert visible > 0 == hidden
    assert desk.query("viewer", counted.format("rollcall.routable_agents"))[0][1] == 0
    desk.query("viewer", "select * from rollcall.readiness_history")
    desk.query("viewer", "select * from rollcall.calls")

    for refused in (
        "table rollcall_ops.changes",
        "table rollcall.session_changes",  # images of rows that the policies hide
        "table rollcall.time_to_repair",
        "table rollcall.presence_intervals",
        "table rollcall.agent_days",
        "table rollcall.queue_intervals",
        f"delete from {sessions}",
        "delete from rollcall_ops.flags",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.query("viewer", refused)
    for needed in ("rollcall_ops.flags", sessions):
        desk.centre.rows(f"revoke select on {needed} from rollcall_views")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.query("viewer", "table rollcall.routable_agents")
        desk.centre.rows(f"grant select on {needed} to rollcall_views")


SCHEMAS_OF_ROLLCALL = ("rollcall", "rollcall_ops")
RELATIONS = (
    "select format('%I.%I', n.nspname, c.relname), n.nspname::text from pg_class as c"
    " join pg_namespace as n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v')"
    " and n.nspname not like 'pg_%' and n.nspname <> 'information_schema'"
)
WRITING = ("insert", "update", "delete", "truncate", "references", "trigger")


def let_an_analyst_log_in(desk: Desk) -> list[str]:
    """Execute what `doctor --grants` prints, and migrate. Gives the names of the created roles."""
    printed = [grant["statement"] for grant in desk.run(OPERATOR, "doctor", "--grants")]
    for statement in printed:
        desk.centre.rows(statement)
    desk.run(OPERATOR, "migrate")
    desk.centre.rows("create role analyst login")
    desk.centre.rows("grant rollcall_analyst to analyst")
    return [statement.split()[2] for statement in printed if statement.startswith("create role ")]


@pytest.mark.medium
def test_an_analyst_reads_every_view_and_nothing_else(desk: Desk) -> None:
    roles = let_an_analyst_log_in(desk)
    assert roles == ["rollcall_read", "rollcall_migrate", "rollcall_clean", "rollcall_analyst"]
    for _ in ("as the first migration made them", "as the next one makes them again"):
        relations = desk.centre.rows(RELATIONS)
        views = {name for name, schema in relations if schema == "rollcall"}
        others = {name for name, schema in relations if schema != "rollcall"}
        assert {"rollcall.agent_sessions", "rollcall.calls", "rollcall.conservation"} <= views
        assert {desk.centre.table("sessions_table").replace('"', ""), "rollcall_ops.changes"} <= others
        for view in views:
            desk.query("analyst", f"select * from {view} limit 1")
        for table in others:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                desk.query("analyst", f"select * from {table} limit 1")
        held = "select has_table_privilege('analyst', %s, %s)"
        assert not any(
            desk.centre.rows(held, name, privilege)[0][0] for name in views | others for privilege in WRITING
        )
        for schema in (*SCHEMAS_OF_ROLLCALL, desk.centre.variables["app_schema"]):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                desk.query("analyst", f"create view {schema}.mine as select 1 as n")
        desk.centre.rows("drop view rollcall.conservation")
        desk.run(OPERATOR, "migrate")
    names = {
        name for row in desk.centre.rows("select email, first_name, last_name from agents") for name in row
    }
    for view in views:
        shown = "\n".join(text for (text,) in desk.query("analyst", f"select v::text from {view} as v"))
        assert [name for name in names if name and name in shown] == [], view
    assert "refused_reader" not in {finding["name"] for finding in desk.run(OPERATOR, "doctor")["findings"]}


@pytest.mark.medium
def test_a_column_is_withheld_from_an_analyst_by_the_documented_grants(desk: Desk) -> None:
    let_an_analyst_log_in(desk)
    desk.query("analyst", "select approved_by from rollcall.session_changes")
    section = PAGE.read_text(encoding="utf-8").split("## Analysts")[1].split("\n## ")[0]
    (statements,) = re.findall(r"^```sql\n(.+?)^```", section, re.MULTILINE | re.DOTALL)
    desk.centre.rows(statements)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        desk.query("analyst", "select approved_by from rollcall.session_changes")
    desk.query("analyst", "select session_id, rules, changed_at from rollcall.session_changes")
    desk.run(OPERATOR, "migrate")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        desk.query("analyst", "select approved_by from rollcall.session_changes")


@pytest.mark.medium
def test_views_that_apply_policies_refuse_an_analyst_and_doctor_says_so(desk: Desk) -> None:
    sessions = desk.centre.table("sessions_table")
    desk.centre.rows(f"alter table {sessions} enable row level security")
    assert {"rollcall_analyst", "rollcall_views"} <= set(let_an_analyst_log_in(desk))
    desk.query("analyst", "select * from rollcall.readiness_history")
    refusing = [
        name
        for (name,) in desk.centre.rows(
            "select relname::text from pg_class where reloptions is not null"
            " and relnamespace = 'rollcall'::regnamespace order by 1"
        )
    ]
    assert {"agent_sessions", "calls", "routable_agents"} <= set(refusing)
    for view in refusing:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.query("analyst", f"select * from rollcall.{view}")
    # the policies bind the clean-up role as well, which blocks
    diagnosis = desk.run(OPERATOR, "doctor", code=12)
    findings = {finding["name"]: finding["found"] for finding in diagnosis["findings"]}
    assert f"rollcall_analyst: {', '.join(refusing)}" in findings["refused_reader"]


def documented_commands() -> set[str]:
    """The commands in the table of docs/privileges.md that work on a database of the user's."""
    table = PAGE.read_text(encoding="utf-8").split("## Privileges of each command")[1].split("\n## ")[0]
    return set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE))))
