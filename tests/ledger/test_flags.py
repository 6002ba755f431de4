"""The feature flag that routes by heartbeat: off until switched, read at query time."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

import pytest
from click.testing import Result
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from rollcall import console
from rollcall.cli import app
from rollcall.errors import ConfigurationError, LedgerHidden, Refused
from rollcall.ledger.runs import open_run, past_runs
from rollcall.rules.results import Severity, Verdict
from rollcall.sandbox.demo import Variant
from rollcall.steps import flags
from rollcall.steps.assess.assessment import assess
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre

ROUTABLE = "select agent_id, routed_by, free_call_slots from rollcall.routable_agents order by agent_id"


@pytest.fixture
def ready(database: str, tmp_path: Path) -> CallCentre:
    centre = call_centre(database, tmp_path, variant=Variant(migrated=True))
    centre.run()
    return centre


def test_before_anything_is_deployed_every_flag_is_off(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    assert [(flag.name, flag.is_on) for flag in flags.show(centre.workspace)] == [
        ("route_by_heartbeat", False),
        ("pause_cleaning", False),
    ]
    with pytest.raises(ConfigurationError, match="not deployed"):
        flags.switch(centre.workspace, "route_by_heartbeat", on=True)
    with pytest.raises(ConfigurationError, match="there is no flag warp_drive"):
        flags.switch(centre.workspace, "warp_drive", on=True)


@pytest.mark.medium
def test_the_flag_changes_at_once_which_agents_are_routable_and_back(ready: CallCentre) -> None:
    by_status = ready.rows(ROUTABLE)
    assert by_status
    assert {routed_by for _, routed_by, _ in by_status} == {"status"}
    # one session per agent, open and available, of an active agent
    assert len({agent for agent, _, _ in by_status}) == len(by_status)

    flags.switch(ready.workspace, "route_by_heartbeat", on=True)
    by_heartbeat = ready.rows(ROUTABLE)
    assert {routed_by for _, routed_by, _ in by_heartbeat} == {"heartbeat"}
    assert {agent for agent, _, _ in by_heartbeat} < {agent for agent, _, _ in by_status}
    assert all(slots > 0 for _, _, slots in by_heartbeat)
    lost = ready.rows(
        "select count(*) from rollcall.routable_agents r join agent_sessions s on s.id = r.session_id"
        " where not s.device_connected or s.last_heartbeat is null"
    )
    assert lost == [(0,)]

    flags.switch(ready.workspace, "route_by_heartbeat", on=False)
    assert ready.rows(ROUTABLE) == by_status


@pytest.mark.medium
def test_a_dead_heartbeat_feed_blocks_once_the_flag_is_on(ready: CallCentre) -> None:
    assert assess(ready.workspace).verdict is Verdict.READY
    ready.rows("update agent_sessions set last_heartbeat = null where logout_at is null")
    off = assess(ready.workspace)
    assert {rule.name: rule.severity for rule in off.rules}["heartbeat_feed"] is Severity.INFO
    flags.switch(ready.workspace, "route_by_heartbeat", on=True, force=True, reason="to see the verdict")
    on = assess(ready.workspace)
    assert on.verdict is Verdict.NOT_READY
    assert {rule.name: rule.severity for rule in on.rules}["heartbeat_feed"] is Severity.BLOCKING


def test_a_dead_heartbeat_feed_cannot_be_routed_by(
    ready: CallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused with 4 and nothing recorded; forced only with a reason; off works whatever the feed does."""
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", ready.url)
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(ready.workspace.settings.state_directory))
    ready.rows("update agent_sessions set last_heartbeat = null where logout_at is null")
    by_status = ready.rows(ROUTABLE)
    assert by_status

    def switch(*arguments: str) -> Result:
        console.use_stdout()
        return CliRunner().invoke(app, ["flags", "route_by_heartbeat", *arguments])

    refused = switch("on")
    assert isinstance(refused.exception, Refused)
    assert refused.exception.exit_code == 4
    assert "no fresh heartbeat" in str(refused.exception)
    assert ready.rows(ROUTABLE) == by_status
    assert switches(ready) == []

    unreasoned = switch("on", "--force")
    assert isinstance(unreasoned.exception, ConfigurationError)
    assert ready.rows(ROUTABLE) == by_status

    assert switch("on", "--force", "--reason", "drill in\nthe test centre").exit_code == 0
    assert ready.rows(ROUTABLE) == []
    assert switch("off").exit_code == 0
    assert ready.rows(ROUTABLE) == by_status
    off, on = switches(ready)
    assert on.endswith("route_by_heartbeat on, forced: drill in the test centre")
    assert off.endswith("route_by_heartbeat off")
    shown = CliRunner().invoke(app, ["history"]).stdout
    assert "route_by_heartbeat on, forced: drill in the test centre" in shown


def switches(centre: CallCentre) -> list[str]:
    """What the history says of each recorded switch, newest first."""
    runs = past_runs(centre.workspace)
    assert all(run["finished_at"] for run in runs if run["command"] == "flags")
    return [run["approved_by"] for run in runs if run["command"] == "flags"]


@pytest.mark.medium
def test_off_works_without_the_right_to_record_it(ready: CallCentre) -> None:
    flags.switch(ready.workspace, "pause_cleaning", on=True)
    role = f"flagger_{uuid.uuid4().hex[:8]}"
    ready.rows(f"create role {role} login")
    try:
        ready.rows(f"grant usage on schema rollcall_ops to {role}")
        ready.rows(f"grant select, insert, update on rollcall_ops.flags to {role}")
        workspace = Workspace(
            dataclasses.replace(ready.workspace.settings, conninfo=make_conninfo(ready.url, user=role))
        )
        workspace.project = ready.workspace.project
        assert flags.switch(workspace, "pause_cleaning", on=False) is False
        with pytest.raises(LedgerHidden):
            flags.switch(workspace, "pause_cleaning", on=True)
    finally:
        ready.rows(f"drop owned by {role}")
        ready.rows(f"drop role {role}")
    assert [flag.is_on for flag in flags.show(ready.workspace)] == [False, False]


@pytest.mark.medium
def test_a_switch_waits_for_no_run(ready: CallCentre) -> None:
    """`pause_cleaning` is switched while a run holds the lease, and is recorded all the same."""
    with open_run(ready.workspace, "clean"):
        assert flags.switch(ready.workspace, "pause_cleaning", on=True)
        assert flags.switch(ready.workspace, "pause_cleaning", on=False)
    assert len(switches(ready)) == 2
