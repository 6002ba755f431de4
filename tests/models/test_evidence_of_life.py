"""Agents who are alive are not harmed, and what cannot be judged is never READY: the smallest inputs."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from rollcall.steps.assess.assessment import assess
from rollcall.steps.plan.pending_work import make_plan
from tests.support.floor import NOW, Floor
from tests.support.matrix import quick_first

NULLABLE = """
    alter table agent_sessions alter login_at drop not null, alter last_activity drop not null;
    alter table call_sessions alter started_at drop not null;
"""


def violations(floor: Floor) -> dict[str, int]:
    rules = assess(floor.workspace, floor.now).rules
    return {
        rule.name: rule.violations for rule in rules if rule.violations and rule.check.value != "schema_ready"
    }


def planned(floor: Floor) -> dict[str, tuple[str, Any]]:
    """Session to the remedy and the planned logout."""
    plan = make_plan(floor.workspace, floor.now)
    return {
        change["session_id"]: (change["remedy"], change["after"]["logout_at"]) for change in plan.changes()
    }


def let_pass(floor: Floor, minutes: float) -> None:
    """Make every time of the application this much older."""
    for table, columns in (
        ("agent_sessions", ("login_at", "last_activity", "last_heartbeat")),
        ("call_sessions", ("started_at", "connected_at", "ended_at")),
    ):
        changes = ", ".join(f"{column} = {column} - interval '{minutes} minutes'" for column in columns)
        floor.rows(f"update {table} set {changes}")


def as_text(floor: Floor, minutes: float) -> str:
    moment = floor.at(minutes)
    assert moment is not None
    (text,) = floor.rows("select to_jsonb(%s::timestamp(3)) #>> '{}'", moment)[0]
    return str(text)


def routable(floor: Floor, *, by_heartbeat: bool) -> dict[int, int]:
    """Agent to free slots, as the view `routable_agents` answers."""
    floor.rows("delete from rollcall_ops.flags")
    floor.rows("insert into rollcall_ops.flags (name, is_on) values ('route_by_heartbeat', %s)", by_heartbeat)
    with floor.workspace.database.snapshot() as snapshot:
        rows = snapshot.rows(floor.workspace.project.sql("routable_agents"))
    return {row["agent_id"]: row["free_call_slots"] for row in rows}


# --- a reference that is evidence -------------------------------------------------------------------


@pytest.mark.parametrize("status", quick_first(["available", "on_call", "break", "offline"]))
@pytest.mark.parametrize("owner", ["another agent", "no agent", "an older session"])
def test_a_reference_that_is_the_only_evidence_stays_until_the_window_has_passed(
    floor: Floor, owner: str, status: str
) -> None:
    agent = floor.agent()
    owners = {"another agent": floor.agent, "no agent": lambda: None, "an older session": lambda: agent}
    call = floor.call(owners[owner](), 40, "completed", "inbound", connected=39, ended=15)
    session = floor.session(agent, seen=150, status=status, call=call)
    if owner == "an older session":
        floor.session(agent, seen=11, login=100)
    assert planned(floor) == {}
    assert violations(floor).keys() <= {"open_but_offline", "duplicate_open_session", "heartbeat_feed"}
    assert floor.clean(floor.plan(floor.now)).changed == 0

    let_pass(floor, 104)
    assert session not in planned(floor), "the call ended 119 minutes ago"
    let_pass(floor, 2)
    assert planned(floor)[session] == ("close", as_text(floor, 121))


def test_a_reference_is_cleared_while_the_session_shows_life_otherwise(floor: Floor) -> None:
    call = floor.call(floor.agent(), 40, "completed", "inbound", connected=39, ended=15)
    session = floor.session(seen=119, call=call)
    heard = floor.session(seen=150, call=call, heartbeat=1)
    assert planned(floor) == {session: ("clear_reference", None), heard: ("clear_reference", None)}
    assert floor.clean(floor.plan(floor.now)).changed == 2
    assert planned(floor) == {}


def test_the_reference_stays_when_the_other_evidence_is_lost_after_planning(floor: Floor) -> None:
    """The judgement under the lock has the same rule as the plan."""
    call = floor.call(floor.agent(), 40, "completed", "inbound", connected=39, ended=15)
    session = floor.session(seen=119, call=call)
    plan = floor.plan(floor.now)
    floor.rows("update agent_sessions set last_activity = last_activity - interval '1 hour'")
    result = floor.clean(plan)
    assert [skipped["session_id"] for skipped in result.skipped] == [session]
    assert str(floor.row(session)["current_call_session_id"]) == call


# --- nulls ------------------------------------------------------------------------------------------


def test_a_call_without_a_status_is_not_ready_even_when_it_has_ended(floor: Floor) -> None:
    call = floor.call(None, 60, None, connected=59, ended=50)  # type: ignore[arg-type]
    session = floor.session(seen=40, status="on_call", call=call)
    assert violations(floor)["unknown_call_status"] == 1
    assert assess(floor.workspace, floor.now).verdict.value == "NOT_READY"
    assert planned(floor) == {}
    assert floor.row(session)["status"] == "on_call"


@pytest.mark.parametrize("refers", [True, False])
def test_a_live_status_that_the_configuration_lacks_holds_the_sessions_of_its_agent(
    floor: Floor, refers: bool
) -> None:
    """Such as one of busy hours, which no row had when `rollcall init` read them."""
    agent = floor.agent()
    call = floor.call(agent, 200, "parked", "inbound")
    floor.session(agent, seen=190, status="on_call", call=call if refers else None)
    floor.session(agent, seen=400)
    assert planned(floor) == {}
    assert assess(floor.workspace, floor.now).verdict.value == "NOT_READY"
    floor.rows("update call_sessions set status = 'failed', ended_at = started_at")
    assert {remedy for remedy, _ in planned(floor).values()} == {"close"}


def test_an_unanswered_call_of_an_unknown_direction_is_a_sign_of_life(floor: Floor) -> None:
    """The agent may have called; only a direction that is known as inbound says that the router rang."""
    agents = {direction: floor.agent() for direction in ("inbound", "outbound", "callback")}
    sessions = {direction: floor.session(agent, seen=180) for direction, agent in agents.items()}
    for direction, agent in agents.items():
        floor.call(agent, 20, "no_answer", direction, ended=19)
    assert set(planned(floor)) == {sessions["inbound"]}


@pytest.mark.parametrize("idle", quick_first([30, 150]))
@pytest.mark.parametrize("refers", [True, False])
def test_a_live_call_without_a_start_is_dated_by_its_connection(
    floor: Floor, idle: float, refers: bool
) -> None:
    floor.rows(NULLABLE)
    agent = floor.agent()
    call = floor.insert("call_sessions", agent_id=agent, status="connected", connected_at=floor.at(40))
    floor.session(agent, seen=idle, status="on_call", call=call if refers else None)
    assert planned(floor) == {}
    assert violations(floor).keys() <= {"heartbeat_feed"}
    let_pass(floor, 201)
    assert planned(floor) != {}, "over live_call_max_hours it is over"


@pytest.mark.parametrize("status", quick_first(["connected", "strange", None]))
@pytest.mark.parametrize("refers", [True, False])
def test_a_call_without_any_time_holds_the_sessions_of_its_agent(
    floor: Floor, status: str | None, refers: bool
) -> None:
    floor.rows(NULLABLE)
    agent = floor.agent()
    call = floor.insert("call_sessions", agent_id=agent, status=status)
    floor.session(agent, seen=150, status="on_call", call=call if refers else None)
    floor.session(agent, seen=400)
    assert planned(floor) == {}
    assert violations(floor)["unknown_call_status"] == 1
    floor.rows("update call_sessions set status = 'failed'")
    assert {remedy for remedy, _ in planned(floor).values()} == {"close"}
    assert "unknown_call_status" not in violations(floor)


def test_a_session_without_any_sign_of_life_is_named_and_held(floor: Floor) -> None:
    floor.rows(NULLABLE)
    session = floor.insert(
        "agent_sessions", agent_id=floor.agent(), status="on_call", login_at=None, last_activity=None
    )
    assert violations(floor)["no_sign_of_life"] == 1
    assert assess(floor.workspace, floor.now).verdict.value == "NOT_READY"
    assert planned(floor) == {}
    floor.rows(
        f"update agent_sessions set last_heartbeat = {NOW} - interval '3 hours' where id = %s", session
    )
    assert planned(floor)[session][0] == "close"


@pytest.mark.medium
@pytest.mark.parametrize("stuck", ["on_call", "a missing call", "a call that is over"])
@pytest.mark.parametrize("heartbeat", [0, None])
def test_a_stuck_session_without_an_activity_is_named_until_it_is_abandoned(
    floor: Floor, stuck: str, heartbeat: float | None
) -> None:
    """Whether it is quiet is unknown, so it is not repaired, and never READY."""
    floor.rows(NULLABLE)
    agent = floor.agent()
    calls = {"a missing call": str(uuid.uuid4()), "a call that is over": floor.call(agent, 30, ended=11)}
    session = floor.insert(
        "agent_sessions",
        agent_id=agent,
        status="on_call" if stuck == "on_call" else "break",
        current_call_session_id=calls.get(stuck),
        login_at=floor.at(60),
        last_activity=None,
        last_heartbeat=floor.at(heartbeat),
    )
    assessment = assess(floor.workspace, floor.now)
    rules = {rule.name: rule.sample_keys for rule in assessment.rules if rule.violations}
    assert rules["unknown_activity"] == (session,)
    assert assessment.verdict.value == "NOT_READY"
    assert "unknown_activity" in {row["session_id"]: row for row in cleaned(floor)}[session]["defects"]
    before = floor.images()
    assert floor.clean(floor.plan(floor.now)).changed == 0
    assert floor.images() == before

    floor.call(agent, 3, "connected", "inbound", connected=2)
    assert "unknown_activity" not in violations(floor), "the agent talks"
    floor.rows("update call_sessions set status = 'completed', ended_at = started_at")
    assert "unknown_activity" not in violations(floor), "a call ended just now"
    let_pass(floor, 200)
    assert planned(floor)[session][0] == "close"
    assert "unknown_activity" not in violations(floor)


def test_a_session_without_an_activity_and_without_a_call_is_sound(floor: Floor) -> None:
    floor.rows(NULLABLE)
    floor.insert(
        "agent_sessions",
        agent_id=floor.agent(),
        status="available",
        login_at=floor.at(60),
        last_activity=None,
    )
    assert violations(floor).keys() <= {"heartbeat_feed"}
    assert planned(floor) == {}


def test_a_session_without_a_login_is_not_the_newest(floor: Floor) -> None:
    floor.rows(NULLABLE)
    agent = floor.agent()
    floor.call(agent, 60, connected=59, ended=50)
    newest = floor.session(agent, seen=150)
    older = floor.insert(
        "agent_sessions", agent_id=agent, status="available", login_at=None, last_activity=floor.at(150)
    )
    assert set(planned(floor)) == {older}
    assert newest


# --- routing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", quick_first(["another agent", "no agent", "an older session"]))
def test_a_talking_agent_has_no_free_slot(floor: Floor, owner: str) -> None:
    agent, other = floor.agent(), floor.agent()
    call = floor.call(other if owner == "another agent" else None, 5, "connected", "inbound", connected=4)
    floor.session(agent, seen=0, login=60, heartbeat=0, call=None if owner == "an older session" else call)
    if owner == "an older session":
        floor.session(agent, seen=0, login=90, heartbeat=0, call=call)
    floor.session(floor.agent(), seen=0, login=60, heartbeat=0)
    floor.rows("update agent_sessions set device_connected = true")
    assert agent not in routable(floor, by_heartbeat=True)
    assert len(routable(floor, by_heartbeat=True)) == 1
    assert routable(floor, by_heartbeat=False)[agent] == 0
    floor.rows("update agent_sessions set max_concurrent_calls = 3")
    assert routable(floor, by_heartbeat=True)[agent] == 2


def test_each_live_call_uses_one_slot(floor: Floor) -> None:
    """The agent's own call, and one of a colleague to which two sessions refer."""
    agent, other = floor.agent(), floor.agent()
    shared = floor.call(other, 5, "connected", "inbound", connected=4)
    floor.call(agent, 3, "ringing", "inbound")
    for login in (60, 90):
        floor.session(agent, seen=0, login=login, heartbeat=0, call=shared)
    floor.rows("update agent_sessions set device_connected = true, max_concurrent_calls = 4")
    assert routable(floor, by_heartbeat=True) == {agent: 2}


@pytest.mark.parametrize(
    ("column", "is_routable"), [("is_active", False), ("is_ai_agent", True), ("role", False)]
)
def test_nulls_of_an_agent(floor: Floor, column: str, is_routable: bool) -> None:
    agent = floor.agent()
    floor.session(agent, seen=0, login=60)
    floor.rows(f"update agents set {column} = null")
    floor.rows("update agent_sessions set max_concurrent_calls = null")
    assert routable(floor, by_heartbeat=False) == ({agent: 1} if is_routable else {})


# --- presence that lapses ---------------------------------------------------------------------------


def test_a_presence_that_lapses_after_planning_makes_a_break(floor: Floor) -> None:
    """Judged at the plan's instant the agent was present; some minutes later a break is as safe."""
    agent = floor.agent()
    call = floor.call(agent, 50, connected=49, ended=30)
    session = floor.session(agent, seen=4, status="on_call", call=call, heartbeat=4, login=120)
    plan = floor.plan(floor.now)
    assert [change["after"]["status"] for change in plan.changes()] == ["available"]
    plan.made_at -= timedelta(minutes=2)
    result = floor.clean(plan)
    assert (result.changed, result.skipped) == (1, [])
    row = floor.row(session)
    assert (row["status"], row["current_call_session_id"], row["logout_at"]) == ("break", None, None)
    assert floor.rows("select as_planned, after_image ->> 'status' from rollcall_ops.changes") == [
        (True, "break")
    ]
    assert planned(floor) == {}


# --- extreme times ----------------------------------------------------------------------------------

EXTREMES = ["infinity", "-infinity", "294276-12-31", "4714-11-24 BC"]


@pytest.mark.parametrize("extreme", quick_first(EXTREMES))
@pytest.mark.parametrize("column", quick_first(["login_at", "logout_at", "last_activity", "last_heartbeat"]))
def test_a_closed_session_with_an_extreme_time_fails_no_view(floor: Floor, column: str, extreme: str) -> None:
    ghost = floor.session()
    closed = floor.session(logout=30, seen=30, status="offline")
    floor.rows(f"update agent_sessions set {column} = %s where id = %s", extreme, closed)
    assert found_in_history(floor)["extreme_session_times"] == 1
    rows = {row["session_id"]: row for row in cleaned(floor)}
    assert "extreme_session_times" in rows[closed]["defects"]
    assert not rows[closed]["is_open"]
    assert (rows[closed]["duration_seconds"] is None) == (column in ("login_at", "logout_at"))
    assert set(planned(floor)) == {ghost}


@pytest.mark.parametrize("extreme", quick_first(EXTREMES))
@pytest.mark.parametrize("column", quick_first(["login_at", "last_activity", "last_heartbeat"]))
def test_an_open_session_with_an_extreme_time_is_named_and_held(
    floor: Floor, column: str, extreme: str
) -> None:
    ghost, held = (
        floor.session(),
        floor.session(status="on_call", call=str(uuid.uuid4())),
    )
    floor.rows(f"update agent_sessions set {column} = %s where id = %s", extreme, held)
    assessment = assess(floor.workspace, floor.now)
    assert {rule.name: rule.sample_keys for rule in assessment.rules}["extreme_time"] == (held,)
    assert assessment.verdict.value == "NOT_READY"
    assert "extreme_time" in {row["session_id"]: row for row in cleaned(floor)}[held]["defects"]
    before = floor.images()[held]
    assert floor.clean(floor.plan(floor.now)).changed == 1
    assert floor.images()[held] == before
    assert floor.row(ghost)["status"] == "offline"


@pytest.mark.parametrize("extreme", quick_first(EXTREMES))
@pytest.mark.parametrize("column", quick_first(["started_at", "connected_at", "ended_at"]))
def test_a_call_with_an_extreme_time_is_named_and_holds_its_session(
    floor: Floor, column: str, extreme: str
) -> None:
    call = floor.call(floor.agent(), 300, connected=299, ended=290)
    held, ghost = floor.session(call=call), floor.session()
    floor.rows(f"update call_sessions set {column} = %s", extreme)
    assert violations(floor)["extreme_time"] == 1
    assert found_in_history(floor)["extreme_call_times"] == 1
    assert set(planned(floor)) == {ghost}
    assert len(cleaned(floor)) == 2
    assert held


@pytest.mark.medium
@pytest.mark.parametrize("extreme", quick_first(EXTREMES))
def test_an_extreme_start_does_not_end_a_live_call(floor: Floor, extreme: str) -> None:
    """No session refers to the call, so no rule holds the session: the call alone protects the agent."""
    agent = floor.agent()
    call = floor.call(agent, 151, "connected", "inbound", connected=150)
    sessions = [floor.session(agent, seen=seen, status="on_call") for seen in (180, 400)]
    floor.rows("update call_sessions set started_at = %s where id = %s", extreme, call)
    assert planned(floor) == {}
    before = floor.images()
    assert floor.clean(floor.plan(floor.now)).changed == 0
    assert floor.images() == before

    floor.rows("update call_sessions set connected_at = connected_at - interval '91 minutes'")
    assert set(planned(floor)) == set(sessions), "it was connected over live_call_max_hours ago"


@pytest.mark.medium
@pytest.mark.parametrize("extreme", quick_first(EXTREMES))
def test_a_live_call_with_extreme_times_alone_is_unknown(floor: Floor, extreme: str) -> None:
    agent = floor.agent()
    floor.insert("call_sessions", agent_id=agent, status="connected", direction="inbound", started_at=extreme)
    floor.session(agent, seen=180, status="on_call")
    assert planned(floor) == {}
    assert violations(floor)["unknown_call_status"] == 1
    assert assess(floor.workspace, floor.now).verdict.value == "NOT_READY"


@pytest.mark.medium
@pytest.mark.parametrize(
    ("status", "extreme"), list(zip(["connected", "ringing", "strange", None], EXTREMES, strict=True))
)
def test_an_extreme_end_does_not_end_a_live_call(floor: Floor, status: str | None, extreme: str) -> None:
    """No session refers to the call: every session of its agent is held, and the newest one is named."""
    agent = floor.agent()
    call = floor.call(agent, 160, status, "inbound", connected=151)  # type: ignore[arg-type]
    newest, older = (floor.session(agent, seen=seen, status="on_call") for seen in (180, 400))
    floor.rows("update call_sessions set ended_at = %s where id = %s", extreme, call)
    assert planned(floor) == {}
    assessment = assess(floor.workspace, floor.now)
    assert {rule.name: rule.sample_keys for rule in assessment.rules}["extreme_time"] == (newest,)
    assert assessment.verdict.value == "NOT_READY"
    before = floor.images()
    assert floor.clean(floor.plan(floor.now)).changed == 0
    assert floor.images() == before

    floor.rows("update call_sessions set started_at = started_at - interval '81 minutes'")
    if extreme.startswith(("-", "4714")):
        assert set(planned(floor)) == {newest, older}, "it started over live_call_max_hours ago"
    assert "extreme_time" not in violations(floor)


@pytest.mark.parametrize("extreme", ["-infinity", "infinity"])
def test_an_extreme_end_of_the_call_of_another_agent_protects_every_session(
    floor: Floor, extreme: str
) -> None:
    """A transfer: the older session refers to a colleague's call, and the newer one is not to be closed."""
    agent = floor.agent()
    call = floor.call(floor.agent(), 160, "connected", "inbound", connected=151)
    older = floor.session(agent, seen=400, status="on_call", call=call)
    floor.session(agent, seen=180)
    floor.rows("update call_sessions set ended_at = %s where id = %s", extreme, call)
    assert planned(floor) == {}
    rules = {rule.name: rule.sample_keys for rule in assess(floor.workspace, floor.now).rules}
    assert rules["extreme_time"] == (older,)


@pytest.mark.medium
@pytest.mark.parametrize("extreme", quick_first(EXTREMES))
def test_a_call_of_extreme_times_alone_is_not_over(floor: Floor, extreme: str) -> None:
    agent = floor.agent()
    floor.insert("call_sessions", agent_id=agent, status="connected", started_at=extreme, ended_at=extreme)
    floor.session(agent, seen=180, status="on_call")
    assert planned(floor) == {}
    assert {"extreme_time", "unknown_call_status"} <= violations(floor).keys()
    assert routable(floor, by_heartbeat=False) == {}
    floor.rows("update agent_sessions set status = 'available', last_activity = %s", floor.at(1))
    assert routable(floor, by_heartbeat=False) == {agent: 0}, "the call uses the agent's slot"


@pytest.mark.parametrize(
    ("column", "extreme"),
    [("started_at", "infinity"), ("ended_at", "infinity"), ("ended_at", "294276-12-31")],
)
def test_an_extreme_time_of_a_call_that_is_over_is_no_recent_change(
    floor: Floor, column: str, extreme: str
) -> None:
    """Or an agent who is stuck `on_call` would never be quiet."""
    agent = floor.agent()
    call = floor.call(agent, 300, "missed_call", "inbound", ended=299)
    session = floor.session(agent, seen=60, status="on_call")
    floor.rows(f"update call_sessions set {column} = %s where id = %s", extreme, call)
    assert planned(floor) == {session: ("reset_status", None)}
    floor.call(agent, 9, "missed_call", "inbound")
    floor.rows("update call_sessions set ended_at = %s where ended_at is null", extreme)
    assert planned(floor) == {}, "a call began 9 minutes ago"


@pytest.mark.parametrize("extreme", quick_first(EXTREMES))
@pytest.mark.parametrize("column", quick_first(["login_at", "last_activity", "last_heartbeat"]))
def test_an_extreme_time_of_an_available_agent_is_null_in_the_routing(
    floor: Floor, column: str, extreme: str
) -> None:
    sound, odd = floor.agent(), floor.agent()
    floor.session(sound, seen=0, login=60)
    session = floor.session(odd, seen=0, login=60)
    floor.rows(f"update agent_sessions set {column} = %s where id = %s", extreme, session)
    assert routable(floor, by_heartbeat=False) == {sound: 1, odd: 1}


def cleaned(floor: Floor) -> list[dict[str, Any]]:
    """The view `agent_sessions`, every column of every row."""
    with floor.workspace.database.snapshot() as snapshot:
        rows = snapshot.rows(floor.workspace.project.sql("agent_sessions"))
    return [{**row, "session_id": str(row["session_id"])} for row in rows]


def found_in_history(floor: Floor) -> dict[str, int]:
    with floor.workspace.database.snapshot() as snapshot:
        return dict(snapshot.row(floor.workspace.project.sql("history_counts")))
