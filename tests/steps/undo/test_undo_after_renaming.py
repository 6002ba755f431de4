"""Undo after the application renamed columns: only what stands under its name can be restored."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rollcall.settings.configuration import load_settings
from rollcall.steps.undo import undo
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations
from tests.support.floor import QUICK, Floor


@contextlib.contextmanager
def renamed(floor: Floor, **columns: str) -> Iterator[None]:
    """Columns of the sessions with other names. columns: the new name of each."""
    for old, new in columns.items():
        floor.rows(f"alter table agent_sessions rename {old} to {new}")
    try:
        yield
    finally:
        for old, new in columns.items():
            floor.rows(f"alter table agent_sessions rename {new} to {old}")


@pytest.mark.medium
def test_a_row_is_a_conflict_where_a_changed_column_was_renamed(floor: Floor, tmp_path: Path) -> None:
    closed = floor.session()
    cleared = floor.session(seen=30, status="break", call=floor.call(None, 90, ended=80))
    before = floor.images()
    run_id = floor.clean().run_id
    with renamed(floor, status="state", logout_at="ended_on"):
        variables = {"sessions_status_column": "state", "sessions_logout_at_column": "ended_on"}
        environment = {
            "ROLLCALL_DATABASE_URL": floor.url,
            "ROLLCALL_STATE_DIR": str(share_compilations(tmp_path)),
            "ROLLCALL_VARS": yaml.safe_dump(variables),
        }
        settings = load_settings(environment=environment)
        settings.variables.update(QUICK)
        workspace = Workspace(settings)
        reason = "changed since: the table no longer has logout_at, status"
        for dry_run in (True, False):
            result = undo(workspace, run_id, dry_run=dry_run)
            assert result.changed == 1
            assert result.conflicts == [{"session_id": closed, "reason": reason}]
    after = floor.images()
    assert after[closed]["status"] == "offline"
    assert after[cleared] == before[cleared]


def test_a_renamed_column_that_the_run_did_not_change_does_not_matter(floor: Floor) -> None:
    session = floor.session()
    before = floor.row(session)
    run_id = floor.clean().run_id
    with renamed(floor, calls_completed_today="calls_today"):
        result = undo(floor.workspace, run_id)
    assert (result.changed, result.conflicts) == (1, [])
    assert floor.row(session) == before
