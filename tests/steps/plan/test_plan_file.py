"""Plans that are kept: what is executed is what was approved, or nothing."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from rollcall.errors import ConfigurationError, Refused
from rollcall.ledger.runs import open_run, past_runs
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import Body, Plan, line_of, make_plan
from rollcall.steps.plan.stored import read_plan, store_plan, write_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import call_centre
from tests.support.floor import Floor


def written(floor: Floor, path: Path) -> Plan:
    plan = floor.plan()
    write_plan(plan, path)
    return plan


def test_a_plan_file_is_read_by_people_and_programs(floor: Floor, tmp_path: Path) -> None:
    agent = floor.agent()
    session = floor.session(agent, status="on_call", call=floor.call(agent, 300, connected=299, ended=200))
    plan = written(floor, tmp_path / "plan.jsonl")
    header, *lines = [json.loads(line) for line in (tmp_path / "plan.jsonl").read_text().splitlines()]
    assert header["line"] == "plan"
    assert header["hash"] == plan.hash == plan.to_json()["hash"]
    assert (header["database"], header["change_count"], header["remedies"]) == (
        floor.workspace.database.name,
        1,
        {"close": 1},
    )
    statements = [line for line in lines if line["line"] == "statement"]
    assert len(statements) == header["statement_count"] == len(plan.statements)
    assert all(statement["sql"] and statement["reason"] and statement["lock"] for statement in statements)
    (change,) = (line for line in lines if line["line"] == "change")
    assert change["session_id"] == session
    assert change["rules"] == ["abandoned_session", "orphaned_call_reference", "invalid_on_call"]
    assert change["before"]["status"] == "on_call"
    assert change["after"] == {
        "status": "offline",
        "current_call_id": None,
        "logout_at": change["evidence"]["last_seen_at"],
    }
    assert change["evidence"]["call_status"] == "completed"


def test_an_approved_plan_is_executed_and_names_its_approver(floor: Floor, tmp_path: Path) -> None:
    kept, back = floor.session(), floor.session()
    path = tmp_path / "plan.jsonl"
    plan = written(floor, path)
    late = floor.session()  # not in the plan
    floor.rows("update agent_sessions set last_activity = timezone('utc', now()) where id = %s", back)
    read = read_plan(floor.workspace, str(path))
    assert read.hash == plan.hash
    result = floor.clean(read)
    assert result.changed == 1
    assert [skip["session_id"] for skip in result.skipped] == [back]
    assert floor.row(kept)["status"] == "offline"
    assert floor.row(late)["status"] == "available"
    assert floor.rows("select plan_hash from rollcall_ops.runs") == [(plan.hash,)]


@pytest.mark.parametrize("where", ["first", "middle", "last", "cut", "longer", "reordered", "header"])
def test_a_changed_byte_is_refused(floor: Floor, tmp_path: Path, where: str) -> None:
    for _ in range(3):
        floor.session()
    path = tmp_path / "plan.jsonl"
    written(floor, path)
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    changed = {
        "first": b"[" + content[1:],
        "middle": content.replace(b'"remedy": "close"', b'"remedy": "klose"', 1),
        "last": content[:-2] + b" \n",
        "cut": b"".join(lines[:-1]),
        "longer": content + lines[-1],
        "reordered": b"".join([*lines[:-2], lines[-1], lines[-2]]),
        "header": content.replace(b'"line": "plan"', b'"line":  "plan"', 1),
    }[where]
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(Refused, match="is not as it was made|does not begin like a plan"):
        read_plan(floor.workspace, str(path))


def test_a_forged_plan_does_nothing_that_the_rules_do_not_say(floor: Floor, tmp_path: Path) -> None:
    """The hash is no signature: any author of a plan can hash it. So no plan is believed."""
    present = floor.session(seen=1)
    before = floor.digest()
    real = floor.plan()
    body = Body()
    for document in real.body.documents("statement"):
        body.add({"line": "statement", **document})
    body.add(
        {
            "line": "change",
            "session_id": present,
            "agent_id": "1",
            "rules": ["abandoned_session"],
            "remedy": "close",
            "before": {"status": "available", "current_call_id": None, "logout_at": None},
            "after": {"status": "offline", "current_call_id": None, "logout_at": None},
            "evidence": {},
        }
    )
    forged = Plan({**real.header, "change_count": 1, "remedies": {"close": 1}, "body": body.digest}, body, ())
    write_plan(forged, tmp_path / "forged.jsonl")
    result = floor.clean(read_plan(floor.workspace, str(tmp_path / "forged.jsonl")))
    assert result.changed == 0
    assert floor.digest() == before

    body = Body()
    body.add(
        {
            "line": "statement",
            "kind": "column",
            "object": "public.agents.email",
            "sql": "drop table agents",
            "reason": "",
            "lock": "",
        }
    )
    write_plan(Plan({**real.header, "body": body.digest}, body, ()), tmp_path / "forged.jsonl")
    try:
        statements = read_plan(floor.workspace, str(tmp_path / "forged.jsonl")).statements
    except Refused:
        statements = ()
    assert statements == ()


def test_a_line_that_names_two_sessions_changes_neither(floor: Floor, tmp_path: Path) -> None:
    """What reads the line first locks the one, what reads it last would change the other."""
    locked, other = floor.session(), floor.session()
    before = floor.digest()
    real = floor.plan()
    change = next(change for change in real.changes() if change["session_id"] == other)
    line = line_of({"line": "change", **change, "session_id": locked})
    line = line[:-2] + f', "session_id": "{other}"}}\n'.encode()
    body = Body()
    for document in real.body.documents("statement"):
        body.add({"line": "statement", **document})
    body.add_line(line, json.loads(line))
    write_plan(
        Plan({**real.header, "change_count": 1, "remedies": {"close": 1}, "body": body.digest}, body, ()),
        tmp_path / "forged.jsonl",
    )
    result = floor.clean(read_plan(floor.workspace, str(tmp_path / "forged.jsonl")))
    assert floor.digest() == before
    assert result.changed == 0


def test_a_plan_for_another_database_is_refused(floor: Floor, tmp_path: Path, server: PostgresServer) -> None:
    written(floor, tmp_path / "plan.jsonl")
    name = "another_floor"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
            [floor.workspace.database.name],
        )
        connection.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(floor.workspace.database.name)
            )
        )
    try:
        other = Workspace(settings_for(floor, server.conninfo(name)))
        other.project = floor.workspace.project
        with pytest.raises(Refused, match="the plan is for another database: database floor_"):
            read_plan(other, str(tmp_path / "plan.jsonl"))
    finally:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def settings_for(floor: Floor, url: str) -> Any:
    import dataclasses

    return dataclasses.replace(floor.workspace.settings, conninfo=url)


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("alter table agents add column note text", "alter table agents drop column note"),
        (
            "alter table agent_sessions alter column status set default 'available'",
            "alter table agent_sessions alter column status set default 'offline'",
        ),
        ("create index extra on call_sessions (status)", "drop index extra"),
        (
            "alter table agent_sessions add constraint known check (status <> 'x')",
            "alter table agent_sessions drop constraint known",
        ),
        (
            "create trigger extra before update on agent_sessions for each row"
            " execute function suppress_redundant_updates_trigger()",
            "drop trigger extra on agent_sessions",
        ),
        ("drop view rollcall.extra", "create view rollcall.extra as select 1"),
    ],
    ids=["column", "default", "index", "constraint", "trigger", "nothing of ours"],
)
def test_a_drifted_schema_is_refused(floor: Floor, tmp_path: Path, change: str, back: str) -> None:
    if "rollcall.extra" in change:
        floor.rows("create schema if not exists rollcall")
        floor.rows(back)
    path = tmp_path / "plan.jsonl"
    written(floor, path)
    floor.rows(change)
    try:
        if "rollcall.extra" in change:  # a view of another owner: not judged
            assert read_plan(floor.workspace, str(path)).change_count == 0
        else:
            with pytest.raises(Refused, match="the schema drifted since the plan was made"):
                read_plan(floor.workspace, str(path))
    finally:
        if "rollcall.extra" not in change:
            floor.rows(back)


def test_an_expired_plan_is_refused(floor: Floor, tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    write_plan(make_plan(floor.with_settings(plan_expires_hours=0.000001)), path)
    with pytest.raises(Refused, match="the plan expired at"):
        read_plan(floor.workspace, str(path))


def test_a_plan_that_another_configuration_made_is_refused(floor: Floor, tmp_path: Path) -> None:
    plan = floor.plan()
    moved = plan.judged_at - timedelta(hours=3)
    forged = Plan({**plan.header, "cutoff": moved.isoformat()}, plan.body, plan.statements)
    write_plan(forged, tmp_path / "plan.jsonl")
    with pytest.raises(Refused, match="the plan's cut-off is .*, and with this configuration it is"):
        read_plan(floor.workspace, str(tmp_path / "plan.jsonl"))


def test_a_file_that_is_not_there_or_no_plan_is_said_so(floor: Floor, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the plan"):
        read_plan(floor.workspace, str(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigurationError, match="no plan with the hash abcdefabcdef is stored"):
        read_plan(floor.workspace, "abcdefabcdef")
    (tmp_path / "other.jsonl").write_text("hello\n")
    with pytest.raises(Refused, match="does not begin like a plan"):
        read_plan(floor.workspace, str(tmp_path / "other.jsonl"))


def test_a_stored_plan_is_applied_by_its_hash(floor: Floor) -> None:
    for _ in range(5):
        floor.session()
    plan = floor.plan()
    with open_run(floor.workspace, "plan", approved_by="me") as run:
        store_plan(run, plan)
        store_plan(run, plan)
    read = read_plan(floor.workspace, plan.hash[:16])
    assert read.hash == plan.hash
    assert floor.clean(read).changed == 5
    assert [entry["command"] for entry in past_runs(floor.workspace)] == ["clean", "plan"]
    floor.rows("update rollcall_ops.plan_lines set line = replace(line, 'close', 'klose')")
    with pytest.raises(Refused, match="is not as it was made"):
        read_plan(floor.workspace, plan.hash)


@pytest.mark.medium
def test_a_plan_holds_before_and_after_its_own_migration(database: str, tmp_path: Path) -> None:
    """One approved file for `migrate --plan` and then `clean --plan`; anything else is drift."""
    centre = call_centre(database, tmp_path)
    path = tmp_path / "plan.jsonl"
    write_plan(centre.plan(), path)
    first = read_plan(centre.workspace, str(path))
    assert len(first.statements) > 5
    with open_run(centre.workspace, "migrate") as run:
        assert not migrate(centre.workspace, run, first.statements).skipped
    second = read_plan(centre.workspace, str(path))
    assert second.statements == ()
    assert second.change_count == centre.planted.pending_changes
    from rollcall.steps.clean.cleaning import clean

    with open_run(centre.workspace, "clean") as run:
        assert clean(centre.workspace, run, second).changed == centre.planted.pending_changes
    centre.rows("alter table agents add column note text")
    with pytest.raises(Refused, match="the schema drifted"):
        read_plan(centre.workspace, str(path))


@pytest.mark.medium
def test_the_number_of_rows_needs_no_memory(tmp_path: Path) -> None:
    def changes() -> Any:
        for number in range(30_000):
            yield {
                "line": "change",
                "session_id": str(number),
                "agent_id": "1",
                "rules": ["abandoned_session"],
                "remedy": "close",
                "before": {"status": "available"},
                "after": {"status": "offline"},
                "evidence": {"last_seen_at": "2026-03-04T12:00:00"},
            }

    tracemalloc.start()
    body = Body()
    for document in changes():
        body.add_line(line_of(document), document)
    _, peak = tracemalloc.get_traced_memory()
    assert sum(1 for _ in body.documents("change")) == 30_000
    tracemalloc.stop()
    assert peak < 1_000_000
