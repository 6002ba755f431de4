"""Backup and restore of a database with a ledger, by PostgreSQL's own programs."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from rollcall.servers.postgres import PostgresServer
from rollcall.steps.undo import undo
from rollcall.steps.verify import verify
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre, share_compilations
from tests.support.programs import psql_of

pytestmark = pytest.mark.medium


@pytest.fixture
def centre(databases: Callable[[], str], tmp_path: Path) -> CallCentre:
    return call_centre(databases(), tmp_path)


def test_a_restored_database_is_proven_and_undone_as_the_original(
    server: PostgresServer, databases: Callable[[], str], centre: CallCentre, tmp_path: Path
) -> None:
    run_id = centre.run()[2].run_id
    url = databases()
    settings = dataclasses.replace(centre.workspace.settings, conninfo=url)
    copy = dataclasses.replace(centre, url=url, workspace=Workspace(settings))
    _program(server, "pg_dump", "--format=custom", "--file", tmp_path / "backup", centre.url)
    _program(server, "pg_restore", "--exit-on-error", "--dbname", copy.url, tmp_path / "backup")

    proof = verify(copy.workspace, run_id).proof
    assert proof is not None
    assert proof.holds
    for each in (centre, copy):
        back = undo(each.workspace, run_id, approved_by="me")
        assert (back.changed, back.conflicts) == (centre.planted.pending_changes, [])
    assert copy.images() == centre.images()


def test_a_table_of_another_instant_than_the_ledger_is_left_alone(
    server: PostgresServer, centre: CallCentre, tmp_path: Path
) -> None:
    """The sessions alone are restored, from a backup before the clean-up."""
    plan = centre.plan()
    _program(server, "pg_dump", "--format=custom", "--file", tmp_path / "backup", centre.url)
    damaged = centre.images()
    run_id = centre.run()[2].run_id
    sessions = centre.variables["sessions_table"]
    with psycopg.connect(centre.url, autocommit=True) as administrator:
        administrator.execute("set session_replication_role = replica")  # no foreign keys
        administrator.execute(f"truncate {centre.table('sessions_table')} cascade")
    _program(
        server,
        *("pg_restore", "--exit-on-error", "--data-only", "--disable-triggers", "--table", sessions),
        *("--dbname", centre.url, tmp_path / "backup"),
    )
    restored = centre.images()
    assert {key: {**restored[key], **image} for key, image in damaged.items()} == restored

    proof = verify(centre.workspace, run_id).proof
    assert proof is not None
    assert proof.changed_since == centre.planted.pending_changes
    back = undo(centre.workspace, run_id, approved_by="me")
    assert back.changed == 0
    assert {conflict["session_id"] for conflict in back.conflicts} == {
        change["session_id"] for change in plan.changes()
    }
    assert centre.images() == restored


def test_another_state_folder_has_all_that_an_undo_needs(centre: CallCentre, tmp_path: Path) -> None:
    before = centre.images()
    run_id = centre.run()[2].run_id
    state = share_compilations(tmp_path / "another")
    settings = dataclasses.replace(centre.workspace.settings, state_directory=state)
    back = undo(Workspace(settings), run_id, approved_by="me")
    assert (back.changed, back.conflicts) == (centre.planted.pending_changes, [])
    restored = centre.images()
    assert {key: {**restored[key], **image} for key, image in before.items()} == restored


def _program(server: PostgresServer, name: str, *arguments: str | Path) -> None:
    program = psql_of(server).with_name(name)
    subprocess.run([program, *arguments], check=True, capture_output=True)
