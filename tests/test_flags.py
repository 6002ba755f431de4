"""The feature flag that routes by heartbeat: off until switched, read at query time."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcall import flags
from rollcall.assessment import assess
from rollcall.demo import Variant
from rollcall.errors import ConfigurationError
from rollcall.results import Severity, Verdict
from tests.call_centre import CallCentre, call_centre

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


def test_the_flag_changes_who_is_routable_at_once_and_back(ready: CallCentre) -> None:
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


def test_a_dead_heartbeat_feed_blocks_once_the_flag_is_on(ready: CallCentre) -> None:
    assert assess(ready.workspace).verdict is Verdict.READY
    ready.rows("update agent_sessions set last_heartbeat = null where logout_at is null")
    off = assess(ready.workspace)
    assert {rule.name: rule.severity for rule in off.rules}["heartbeat_feed"] is Severity.INFO
    flags.switch(ready.workspace, "route_by_heartbeat", on=True)
    on = assess(ready.workspace)
    assert on.verdict is Verdict.NOT_READY
    assert {rule.name: rule.severity for rule in on.rules}["heartbeat_feed"] is Severity.BLOCKING
