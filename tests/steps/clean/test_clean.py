"""Cleaning beside live traffic: real connections of the application in the middle of a batch."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from rollcall.ledger.runs import open_run
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import SessionRepair, clean
from tests.support.cleaning import HEARTBEAT, Listener, reasons
from tests.support.floor import NOW, Between, Floor

# --- clocks that differ -----------------------------------------------------------------------------


@pytest.mark.parametrize("login", [300, -20])
def test_an_instant_in_the_future_holds_its_session(floor: Floor, login: float) -> None:
    """The application's clock, or its zone, is ahead of the server's."""
    held, gone = floor.session(seen=-30, login=login), floor.session()
    before = floor.row(held)
    assert [change["session_id"] for change in floor.plan().changes()] == [gone]
    floor.clean()
    assert floor.row(held) == before
    rules = {rule.name: rule for rule in assess(floor.workspace).rules}
    assert rules["activity_in_future"].sample_keys == (held,)


# --- agents that come back --------------------------------------------------------------------------


def test_a_heartbeat_that_is_uncommitted_while_the_batch_runs_saves_its_agent(floor: Floor) -> None:
    agent = floor.agent()
    session, other = floor.session(agent), floor.session()
    plan = floor.plan()
    with floor.connect(autocommit=False) as application:
        application.execute(HEARTBEAT, [agent])
        before = floor.row(other)
        committed = threading.Timer(0.3, application.commit)
        workspace = floor.with_settings(locked_row_pause_seconds=1)
        committed.start()
        result = floor.clean(plan, workspace)
        committed.join()
    assert result.changed == 1
    assert reasons(result)[session].startswith("came back")
    assert floor.row(session)["status"] == "available"
    assert floor.row(other) == {**before, "status": "offline", "logout_at": before["last_activity"]}


def test_a_call_committed_between_lock_and_judgement_saves_its_agent(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = floor.agent()
    session, other = floor.session(agent), floor.session()
    before = floor.row(session)
    plan = floor.plan()
    Between(monkeypatch, lambda: floor.call(agent, started=0, status="initiated"))
    result = floor.clean(plan)
    assert reasons(result) == {session: "came back: the session is no longer one to be repaired"}
    assert floor.row(session) == before
    assert floor.row(other)["status"] == "offline"


def test_a_call_that_rings_for_an_agent_saves_all_of_its_sessions(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = floor.agent()
    sessions = [floor.session(agent, seen=200), floor.session(agent, seen=300, status="on_call")]
    before = [floor.row(session) for session in sessions]
    plan = floor.plan()
    assert plan.change_count == 2
    Between(monkeypatch, lambda: floor.call(agent, started=0, status="ringing", direction="inbound"))
    assert floor.clean(plan).changed == 0
    assert [floor.row(session) for session in sessions] == before


@pytest.mark.parametrize(
    ("remedy", "kind"),
    [
        ("close", {"seen": 180}),
        ("reset_status", {"seen": 30, "status": "on_call"}),
        ("clear_reference", {"seen": 30, "status": "break"}),
    ],
)
def test_whatever_the_repair_a_call_that_appears_after_the_lock_saves_all_sessions_of_its_agent(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, remedy: str, kind: dict[str, Any]
) -> None:
    """It began a while ago, so that nothing but the call itself says that its agent is not to be touched."""
    agent, over = floor.agent(), floor.call(None, 90, ended=80) if remedy == "clear_reference" else None
    sessions = [floor.session(agent, login=login, call=over, **kind) for login in (300, 200)]
    before = [floor.row(session) for session in sessions]
    plan = floor.plan()
    assert plan.by_remedy == {remedy: 2}
    Between(monkeypatch, lambda: floor.call(agent, started=15, status="ringing", direction="inbound"))
    assert floor.clean(plan).changed == 0
    assert [floor.row(session) for session in sessions] == before


def test_a_ghost_that_is_rung_is_closed_when_the_call_is_over_and_not_before(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = floor.agent()
    ghost, other = floor.session(agent, seen=240), floor.session()
    plan = floor.plan()
    call = floor.call(agent, started=0, status="ringing", direction="inbound")
    judge, while_it_rang = SessionRepair.judge_and_change, []

    def watched(repair: Any, connection: Any, items: Any) -> Any:
        rows = judge(repair, connection, items)
        while_it_rang.append([row["reason"] for row in rows if row["session_id"] == ghost])
        if len(while_it_rang) == 4:
            floor.rows(
                f"update call_sessions set status = 'missed_call', ended_at = {NOW} where id = %s", call
            )
        return rows

    monkeypatch.setattr(SessionRepair, "judge_and_change", watched)
    result = floor.clean(plan, floor.with_settings(ringing_wait_seconds=60))
    assert while_it_rang == [["a live call of its agent kept it open until the end"]] * 4 + [[]]
    assert (result.changed, result.skipped) == (2, [])
    assert floor.row(ghost)["logout_at"] == floor.row(ghost)["last_activity"]
    assert floor.row(other)["status"] == "offline"


def test_a_ghost_that_rings_until_the_end_stays_open_and_is_reported(floor: Floor) -> None:
    agent = floor.agent()
    ghost = floor.session(agent, seen=240)
    plan = floor.plan()
    floor.call(agent, started=0, status="ringing", direction="inbound")
    before = floor.digest()
    listener = Listener()
    workspace = floor.with_settings(ringing_wait_seconds=0.3)
    with open_run(workspace, "clean") as run:
        result = clean(workspace, run, plan, listener)
    assert reasons(result) == {ghost: "a live call of its agent kept it open until the end"}
    assert floor.digest() == before
    assert "a call rings for 1 of the sessions" in listener.reasons
    assert floor.rows("select session_id from rollcall_ops.skips") == [(ghost,)]


def test_an_agent_who_answers_what_rang_is_no_ghost(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = floor.agent()
    session = floor.session(agent, seen=240)
    plan = floor.plan()
    call = floor.call(agent, started=0, status="ringing", direction="inbound")
    answered = f"update call_sessions set status = 'connected', connected_at = {NOW} where id = %s"
    judge, calls = SessionRepair.judge_and_change, 0

    def watched(repair: Any, connection: Any, items: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            floor.rows(answered, call)
        return judge(repair, connection, items)

    monkeypatch.setattr(SessionRepair, "judge_and_change", watched)
    result = floor.clean(plan, floor.with_settings(ringing_wait_seconds=60))
    assert calls == 2
    assert reasons(result) == {session: "came back: the session is no longer one to be repaired"}
    assert floor.row(session)["status"] == "available"


def test_a_ghost_with_missed_inbound_calls_is_closed(floor: Floor) -> None:
    agent = floor.agent()
    ghost = floor.session(agent, seen=240)
    for minutes in range(5, 200, 10):
        floor.call(agent, minutes, "missed_call", "inbound", ended=minutes - 1)
    assert floor.clean().changed == 1
    row = floor.row(ghost)
    assert (row["status"], row["logout_at"]) == ("offline", row["last_activity"])


def test_a_present_agent_who_heartbeats_and_is_stuck_on_call_is_mended(floor: Floor) -> None:
    agent = floor.agent()
    call = floor.call(agent, 50, connected=49, ended=30)
    session = floor.session(agent, seen=0.2, status="on_call", call=call, heartbeat=0.2, login=120)
    plan = floor.plan()
    with floor.connect() as application:
        application.execute(HEARTBEAT, [agent])
    assert floor.clean(plan).changed == 1
    row = floor.row(session)
    assert (row["status"], row["current_call_session_id"], row["logout_at"]) == ("available", None, None)


def test_an_old_plan_makes_no_absent_agent_available(floor: Floor) -> None:
    """Judged at the plan's instant the agent was present; when it is written a break is as safe."""
    agent = floor.agent()
    call = floor.call(agent, 50, connected=49, ended=30)
    session = floor.session(agent, seen=0.2, status="on_call", call=call, heartbeat=0.2, login=120)
    plan = floor.plan()
    floor.rows(
        "update agent_sessions set last_activity = last_activity - interval '4 minutes',"
        " last_heartbeat = last_heartbeat - interval '4 minutes'"
    )
    plan.made_at -= timedelta(minutes=2)
    result = floor.clean(plan)
    assert (result.changed, reasons(result)) == (1, {})
    assert floor.row(session)["status"] == "break"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (f"update agent_sessions set last_activity = {NOW}", "came back"),
        (f"update agent_sessions set logout_at = {NOW}, status = 'offline'", "came back"),
        ("update agent_sessions set status = 'break'", "changed since the plan was made"),
        ("delete from agent_sessions", "no longer in the table"),
        (
            "update agent_sessions set last_activity = last_activity + interval '10 minutes'",
            "needs another repair now",
        ),
    ],
)
def test_what_changed_between_plan_and_clean_is_skipped_and_reported(
    floor: Floor, event: str, reason: str
) -> None:
    session = floor.session()
    plan = floor.plan()
    floor.rows(event)
    after = floor.images()
    result = floor.clean(plan)
    assert result.changed == 0
    assert list(reasons(result)) == [session]
    assert reasons(result)[session].startswith(reason)
    assert floor.images() == after
    assert floor.rows("select session_id, reason from rollcall_ops.skips") == list(reasons(result).items())


def test_only_the_planned_columns_of_the_planned_rows_change(floor: Floor) -> None:
    agent = floor.agent()
    closed = floor.session(status="on_call", call=floor.call(None, 500, ended=400))
    reset = floor.session(agent, seen=30, status="on_call")
    cleared = floor.session(seen=30, status="break", call=floor.call(None, 90, ended=80))
    floor.session(seen=5)
    before, calls = floor.images(), floor.images("call_sessions")
    assert floor.clean().changed == 3
    after = floor.images()
    call, logout = "current_call_session_id", "logout_at"
    assert after[closed] == {
        **before[closed],
        "status": "offline",
        call: None,
        logout: before[closed]["last_activity"],
    }
    assert after[reset] == {**before[reset], "status": "break"}
    assert after[cleared] == {**before[cleared], call: None}
    assert {k: v for k, v in after.items() if k not in (closed, reset, cleared)} == {
        k: v for k, v in before.items() if k not in (closed, reset, cleared)
    }
    assert floor.images("call_sessions") == calls
    recorded = floor.rows("select session_id, before_image, after_image from rollcall_ops.changes")
    assert {key: (was, became) for key, was, became in recorded} == {
        key: (before[key], after[key]) for key in (closed, reset, cleared)
    }
