"""Cleaning beside live traffic: real connections of the application in the middle of a batch."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from rollcall import flags
from rollcall.batches import ProgressCallback
from rollcall.batches.size import BatchSize
from rollcall.clean.cleaning import _Repair, clean
from rollcall.database.connections import fetch
from rollcall.errors import LeaseHeld, Refused
from rollcall.ledger.runs import open_run
from rollcall.plan.pending_work import make_plan
from rollcall.verify import verify
from tests.support.floor import NOW, Between, Floor, drop_trigger, make_trigger

HEARTBEAT = f"""
    update agent_sessions
    set last_heartbeat = {NOW}, device_connected = true, last_activity = {NOW}
    where agent_id = %s and logout_at is null
"""


def reasons(result: Any) -> dict[str, str]:
    return {skip["session_id"]: skip["reason"] for skip in result.skipped}


# --- who comes back ---------------------------------------------------------------------------------


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
    judge, while_it_rang = _Repair.judge_and_change, []

    def watched(repair: Any, connection: Any, items: Any) -> Any:
        rows = judge(repair, connection, items)
        while_it_rang.append([row["reason"] for row in rows if row["session_id"] == ghost])
        if len(while_it_rang) == 4:
            floor.rows(
                f"update call_sessions set status = 'missed_call', ended_at = {NOW} where id = %s", call
            )
        return rows

    monkeypatch.setattr(_Repair, "judge_and_change", watched)
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
    judge, calls = _Repair.judge_and_change, 0

    def watched(repair: Any, connection: Any, items: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            floor.rows(answered, call)
        return judge(repair, connection, items)

    monkeypatch.setattr(_Repair, "judge_and_change", watched)
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


def test_nobody_becomes_available_by_an_old_plan_who_is_no_longer_there(floor: Floor) -> None:
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


# --- locks ------------------------------------------------------------------------------------------


def test_a_row_that_is_locked_for_long_does_not_stop_the_others(floor: Floor) -> None:
    locked, *others = [floor.session() for _ in range(20)]
    with floor.connect(autocommit=False) as application:
        application.execute("select 1 from agent_sessions where id = %s for update", [locked])
        result = floor.clean()
        application.rollback()
    assert result.changed == len(others)
    assert reasons(result) == {locked: "locked by another transaction until the end"}
    assert floor.clean().changed == 1


def test_whoever_queues_for_a_locked_row_does_not_stop_the_others(floor: Floor) -> None:
    """The application's own heartbeats wait for that row, too: that is no reason to wait with the rest."""
    agent = floor.agent()
    locked, *others = [floor.session(agent), *(floor.session() for _ in range(5))]
    plan = floor.plan()

    def heartbeat() -> None:
        with floor.connect() as connection:
            connection.execute(HEARTBEAT, [agent])

    with floor.connect(autocommit=False) as application:
        application.execute("select 1 from agent_sessions where id = %s for update", [locked])
        waiting = [threading.Thread(target=heartbeat) for _ in range(3)]
        for thread in waiting:
            thread.start()
        while floor.rows("select count(*) from pg_locks where not granted")[0][0] < len(waiting):
            time.sleep(0.01)
        result = floor.clean(plan, floor.with_settings(hold_max_minutes=0.01))
        application.rollback()
    for thread in waiting:
        thread.join()
    assert result.changed == len(others)
    assert reasons(result) == {locked: "locked by another transaction until the end"}


def test_a_locked_table_is_not_waited_for_longer_than_the_lock_time_out(floor: Floor) -> None:
    session = floor.session()
    workspace = floor.with_settings(lock_timeout_ms=50)
    plan = floor.plan()
    with open_run(workspace, "clean") as run, floor.connect(autocommit=False) as application:
        application.execute("lock table agent_sessions in access exclusive mode")
        result = clean(workspace, run, plan)
        application.rollback()
    assert reasons(result) == {session: "locked by another transaction until the end"}


def test_a_table_that_is_locked_when_a_batch_locks_is_not_waited_for_either(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = floor.session()
    workspace, plan = floor.with_settings(lock_timeout_ms=50), floor.plan()
    with floor.connect(autocommit=False) as application:
        lock = "lock table agent_sessions in access exclusive mode"
        Between(monkeypatch, lambda: application.execute(lock), "settings_of_batch")  # type: ignore[arg-type]
        result = floor.clean(plan, workspace)
        application.rollback()
    assert reasons(result) == {session: "locked by another transaction until the end"}


def test_a_batch_that_takes_too_long_is_divided(floor: Floor) -> None:
    """The application has a slow trigger: together they would hold their rows for two seconds."""
    for _ in range(16):
        floor.session()
    make_trigger(floor, "perform pg_sleep(0.12); return new;")
    try:
        result = floor.clean(workspace=floor.with_settings(lock_timeout_ms=1_000))
    finally:
        drop_trigger(floor)
    assert (result.changed, result.skipped) == (16, [])
    assert sum(floor.batches()) == 16
    assert max(floor.batches()) <= 8, "nobody waits for more of them than the lock time-out lets pass"


def test_a_row_that_takes_too_long_by_itself_is_reported_and_stops_nobody_else(floor: Floor) -> None:
    slow, *others = [floor.session() for _ in range(5)]
    make_trigger(floor, f"if new.id = '{slow}' then perform pg_sleep(2); end if; return new;")
    try:
        result = floor.clean(workspace=floor.with_settings(lock_timeout_ms=300))
    finally:
        drop_trigger(floor)
    assert result.changed == len(others)
    assert reasons(result)[slow].startswith("judging it takes longer than lock_timeout_ms allows")
    assert floor.row(slow)["status"] == "available"


def test_the_application_waits_for_no_batch_longer_than_the_lock_time_out(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We stop in the middle of a batch, like a machine that is suspended: the server lets go of the rows."""
    agent = floor.agent()
    session = floor.session(agent)
    waited: list[float] = []

    def heartbeat() -> None:
        started = time.monotonic()
        with floor.connect() as connection:
            connection.execute(HEARTBEAT, [agent])
        waited.append(time.monotonic() - started)

    application = threading.Thread(target=heartbeat)

    def stand_still() -> None:
        application.start()
        time.sleep(3)

    Between(monkeypatch, stand_still)
    result = floor.clean(workspace=floor.with_settings(lock_timeout_ms=300))
    application.join()
    assert waited[0] < 2
    assert reasons(result)[session].startswith("came back")


def test_who_waits_for_a_batch_is_seen_and_gets_a_pause(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = floor.agent()
    floor.session(agent)
    for _ in range(19):
        floor.session()
    seen: list[int] = []
    adapt = BatchSize.adapt

    def noted(size: BatchSize, seconds: float, rows: int, waiting: int) -> None:
        seen.append(waiting)
        adapt(size, seconds, rows, waiting)

    monkeypatch.setattr(BatchSize, "adapt", noted)
    application: list[threading.Thread] = []

    def heartbeat() -> None:
        with floor.connect() as connection:
            connection.execute(HEARTBEAT, [agent])

    def somebody_waits() -> None:
        application.append(threading.Thread(target=heartbeat))
        application[0].start()
        query = "select 1 from pg_locks where not granted"
        while not floor.rows(query):
            time.sleep(0.01)

    Between(monkeypatch, somebody_waits)
    workspace = floor.with_settings(
        first_batch_rows=8, batch_growth=1, batch_goal_ms=1_000_000, batch_pause_ms=300
    )
    result = floor.clean(workspace=workspace)
    application[0].join()
    assert seen == [1, 0, 0, 0]
    assert floor.batches() == [8, 4, 5, 3], "half as many as would have been next"
    assert (result.changed, result.paused_seconds) == (20, pytest.approx(0.3, abs=0.1))


# --- how large a batch is -----------------------------------------------------------------------------


def test_a_batch_grows_step_by_step_and_no_further_than_it_may(floor: Floor) -> None:
    for _ in range(40):
        floor.session()
    workspace = floor.with_settings(
        first_batch_rows=2, batch_growth=1.5, largest_batch_rows=10, batch_goal_ms=1_000_000
    )
    assert floor.clean(workspace=workspace).changed == 40
    assert floor.batches() == [2, 4, 7, 10, 10, 7], "half as many more each time, and one"


def test_a_batch_is_no_larger_than_its_goal_allows(floor: Floor) -> None:
    """Each row takes 50 ms, so that four fill the goal: no second batch may have more."""
    for _ in range(12):
        floor.session()
    make_trigger(floor, "perform pg_sleep(0.05); return new;")
    workspace = floor.with_settings(first_batch_rows=1, batch_growth=100, batch_goal_ms=200)
    try:
        assert floor.clean(workspace=workspace).changed == 12
    finally:
        drop_trigger(floor)
    assert max(floor.batches()) <= 4


# --- what the application's schema does ---------------------------------------------------------------


def test_a_row_that_a_trigger_refuses_does_not_stop_the_others(floor: Floor) -> None:
    refused, *others = [floor.session() for _ in range(9)]
    make_trigger(floor, f"if new.id = '{refused}' then raise 'not this one'; end if; return new;")
    try:
        result = floor.clean()
    finally:
        drop_trigger(floor)
    assert result.changed == len(others)
    assert reasons(result) == {refused: "refused by the database: not this one"}
    assert len(floor.changes()) == len(others)


def test_a_row_that_a_trigger_keeps_is_reported_and_not_recorded(floor: Floor) -> None:
    kept, other = floor.session(), floor.session()
    make_trigger(floor, f"if new.id = '{kept}' then return null; end if; return new;")
    try:
        result = floor.clean()
    finally:
        drop_trigger(floor)
    assert reasons(result) == {kept: "a trigger of the application kept the row as it was"}
    assert [key for _, key in floor.changes()] == [other]


def test_when_the_database_refuses_every_row_we_give_up(floor: Floor) -> None:
    for _ in range(12):
        floor.session()
    make_trigger(floor, "raise 'never';")
    try:
        result = floor.clean(workspace=floor.with_settings(refusals_in_a_row_max=3))
    finally:
        drop_trigger(floor)
    assert (result.changed, len(result.skipped)) == (0, 12)
    assert sum(reason.startswith("not tried") for reason in reasons(result).values()) >= 8


def test_refusals_with_others_in_between_are_no_reason_to_give_up(floor: Floor) -> None:
    """They are counted in a row: a few broken rows among many sound ones stop nobody."""
    refused = [floor.session() for _ in range(12)][::2]
    make_trigger(floor, f"if new.id = any('{{{','.join(refused)}}}') then raise 'never'; end if; return new;")
    try:
        workspace = floor.with_settings(
            refusals_in_a_row_max=4, first_batch_rows=1, largest_batch_rows=1, batch_growth=1
        )
        result = floor.clean(workspace=workspace)
    finally:
        drop_trigger(floor)
    assert result.changed == 6
    assert reasons(result) == dict.fromkeys(refused, "refused by the database: never")


def test_an_updated_at_trigger_is_named_and_not_hidden(floor: Floor) -> None:
    floor.rows("alter table agent_sessions add column updated_at timestamp(3)")
    try:
        session = floor.session()
        make_trigger(floor, f"new.updated_at = {NOW}; return new;")
        result = floor.clean()
        proof = verify(floor.workspace, result.run_id).proof
        assert floor.row(session)["updated_at"] is not None
        assert proof is not None
        assert proof.holds
        assert proof.other_columns == {"updated_at": 1}
    finally:
        drop_trigger(floor)
        floor.rows("alter table agent_sessions drop column updated_at")


def test_row_level_security_is_refused_beforehand(floor: Floor) -> None:
    floor.session()
    before = floor.digest()
    floor.rows("create role cleaner")
    try:
        floor.rows("grant select, update on agent_sessions to cleaner")
        floor.rows("grant select on agents, call_sessions to cleaner")
        floor.rows("alter table agent_sessions enable row level security")
        with pytest.raises(Refused, match="row-level security hides rows"):
            floor.clean(floor.plan(), floor.with_settings(clean_role="cleaner"))
    finally:
        floor.rows("alter table agent_sessions disable row level security")
        floor.rows("drop owned by cleaner")
        floor.rows("drop role cleaner")
    assert floor.digest() == before


def test_calls_that_are_hidden_only_once_the_run_has_begun_are_not_taken_for_none(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cannot see the calls must not conclude that there are none."""
    agent = floor.agent()
    session = floor.session(agent)
    before = floor.images()
    plan = floor.plan()
    floor.rows("create role cleaner")

    def hide() -> None:
        floor.call(agent, started=0, status="connected")
        floor.rows("alter table call_sessions enable row level security")

    Between(monkeypatch, hide, "look_around")
    try:
        floor.rows("grant select, update on agent_sessions to cleaner")
        floor.rows("grant select on agents, call_sessions to cleaner")
        result = floor.clean(plan, floor.with_settings(clean_role="cleaner"))
    finally:
        floor.rows("alter table call_sessions disable row level security")
        floor.rows("drop owned by cleaner")
        floor.rows("drop role cleaner")
    assert "affected by row-level security" in reasons(result)[session]
    assert floor.images() == before


def test_a_table_without_primary_key_is_refused(floor: Floor) -> None:
    floor.session()
    before = floor.digest()
    floor.rows("alter table agent_sessions drop constraint agent_sessions_pkey")
    try:
        with pytest.raises(Refused, match="no primary key"):
            floor.clean()
    finally:
        floor.rows("alter table agent_sessions add primary key (id)")
    assert floor.digest() == before


@pytest.mark.parametrize("identity", ["nothing", "an index that is gone"])
def test_a_publication_that_makes_every_update_fail_is_refused(floor: Floor, identity: str) -> None:
    session = floor.session()
    if identity == "nothing":
        floor.rows("alter table agent_sessions replica identity nothing")
    else:
        floor.rows("create unique index identifying on agent_sessions (id)")
        floor.rows("alter table agent_sessions replica identity using index identifying")
        floor.rows("drop index identifying")
    floor.rows("create publication feed for table agent_sessions")
    try:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            floor.rows("update agent_sessions set status = 'offline'")
        with pytest.raises(Refused, match="publication feed publishes updates") as refusal:
            floor.clean()
        assert floor.row(session)["status"] == "available"
        advice = "alter table public.agent_sessions replica identity default"
        assert advice in str(refusal.value)
        floor.rows(advice)
        assert floor.clean().changed == 1
    finally:
        floor.rows("drop publication feed")
        floor.rows("alter table agent_sessions replica identity default")


def test_a_rule_that_rewrites_every_update_is_refused(floor: Floor) -> None:
    session = floor.session()
    floor.rows("create rule quiet as on update to agent_sessions where new.status = 'x' do instead nothing")
    try:
        with pytest.raises(Refused, match="rule quiet rewrites every update of public.agent_sessions"):
            floor.clean()
    finally:
        floor.rows("drop rule quiet on agent_sessions")
    assert floor.row(session)["status"] == "available"


# --- the role -----------------------------------------------------------------------------------------


def test_the_clean_up_role_needs_select_and_update_of_three_columns(floor: Floor) -> None:
    floor.session()
    floor.session(seen=30, status="on_call", call=floor.call(None, 90, ended=80))
    floor.rows("create role cleaner")
    try:
        floor.rows("grant select on agents, agent_sessions, call_sessions to cleaner")
        workspace = floor.with_settings(clean_role="cleaner")
        plan = floor.plan()
        with pytest.raises(Refused, match="cleaner may not update status of the sessions") as refusal:
            floor.clean(plan, workspace)
        assert "grant update (status) on" in str(refusal.value)
        floor.rows("grant update (status, logout_at, current_call_session_id) on agent_sessions to cleaner")
        make_trigger(floor, "if current_user <> 'cleaner' then raise '%', current_user; end if; return new;")
        assert floor.clean(plan, workspace).changed == 2
        for statement in (
            "delete from agent_sessions",
            "truncate agent_sessions",
            "update agent_sessions set last_activity = now()",
            "insert into agent_sessions (agent_id, login_at, last_activity) values (1, now(), now())",
            "update call_sessions set status = 'completed'",
            "delete from rollcall_ops.changes",
            "update rollcall_ops.changes set remedy = ''",
        ):
            with floor.connect(autocommit=False) as connection:
                connection.execute("set local role cleaner")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
    finally:
        drop_trigger(floor)
        floor.rows("drop owned by cleaner")
        floor.rows("drop role cleaner")


# --- killed, twice, without a lease --------------------------------------------------------------------


@pytest.mark.parametrize(
    "step", [pytest.param(17, id="some points"), pytest.param(1, id="every point", marks=pytest.mark.slow)]
)
def test_killed_at_any_point_each_row_is_changed_once_with_its_image(floor: Floor, step: int) -> None:
    """Each child process cleans, and is killed by itself before the next message to the server."""
    workspace = floor.with_settings(first_batch_rows=2, largest_batch_rows=2)
    sessions: list[str] = []
    for point in range(1, 1_000, step):
        open_ones = floor.rows("select count(*) from agent_sessions where logout_at is null")[0][0]
        sessions += [floor.session() for _ in range(6 - open_ones)]
        was_killed = killed_at(point, lambda: floor.clean(workspace=workspace))
        assert_each_change_is_recorded(floor)
        if not was_killed:
            break
    assert point > 40
    assert sorted(key for _, key in floor.changes()) == sorted(sessions)
    assert all(floor.row(session)["status"] == "offline" for session in sessions)
    run_ids = {run for run, _ in floor.changes()}
    proofs = [verify(floor.workspace, run_id).proof for run_id in sorted(run_ids)[-3:]]
    assert all(proof is not None and proof.holds for proof in proofs)


def killed_at(point: int, what: Callable[[], Any]) -> bool:
    """Do it in a process of its own, killed (SIGKILL) before its point-th message to the server."""
    child = os.fork()
    if child == 0:
        try:
            original, seen = psycopg.Connection.wait, 0

            def wait(*arguments: Any, **named: Any) -> Any:
                nonlocal seen
                seen += 1
                if seen == point:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **named)

            psycopg.Connection.wait = wait  # type: ignore[method-assign]
            what()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def assert_each_change_is_recorded(floor: Floor) -> None:
    rows = floor.rows(
        """
        select s.id, s.logout_at is not null, count(c.session_id),
            bool_and(c.after_image = to_jsonb(s)) from agent_sessions as s
        left join rollcall_ops.changes as c on c.session_id = s.id::text group by s.id
        """
    )
    for _, is_closed, images, same in rows:
        assert images == (1 if is_closed else 0)
        assert same is not False


def test_a_killed_plan_can_be_executed_again_and_says_what_was_done_already(floor: Floor) -> None:
    first, second = sorted([floor.session(), floor.session()])
    plan = floor.plan()
    halves = {first: None}

    class Half:
        """The plan, as far as the killed run came."""

        def __getattr__(self, name: str) -> Any:
            return getattr(plan, name)

        def items(self) -> Any:
            return (item for item in plan.items() if item["session_id"] in halves)

    with open_run(floor.workspace, "clean") as run:
        clean(floor.workspace, run, Half())  # type: ignore[arg-type]
    result = floor.clean(plan)
    assert result.changed == 1
    assert reasons(result) == {first: f"already repaired by run {run.id}"}
    assert floor.row(second)["status"] == "offline"


def test_two_runs_at_once_one_works_and_the_other_says_who(floor: Floor) -> None:
    session = floor.session()
    with open_run(floor.workspace, "clean"):
        with pytest.raises(LeaseHeld, match=r"server process \d+ \(rollcall"):
            floor.clean()
        assert floor.row(session)["status"] == "available"
    assert floor.clean().changed == 1


def test_a_run_that_lost_its_lease_changes_nothing_more(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection broke, another run began: the fencing token refuses the first one's next batch."""
    floor.session()
    before = floor.digest()
    plan = floor.plan()
    with open_run(floor.workspace, "clean") as run:
        floor.rows("update rollcall_ops.lease set token = token + 1")
        with pytest.raises(Refused, match="lost its lease"):
            clean(floor.workspace, run, plan)
    assert floor.digest() == before


@pytest.mark.parametrize("damage", ["lost", "in the middle of a statement"])
def test_a_failed_run_is_closed_although_its_connection_cannot_be_used(floor: Floor, damage: str) -> None:
    """An interruption may leave a statement half read; an administrator may end the connection."""
    started = []

    def fail() -> None:
        with open_run(floor.workspace, "clean") as run:
            started.append(run.id)
            if damage == "lost":
                floor.rows(f"select pg_terminate_backend({run.connection.info.backend_pid})")
            else:
                run.connection.pgconn.send_query(b"select 1")
            raise KeyboardInterrupt("a person")

    with pytest.raises(KeyboardInterrupt):
        fail()
    recorded = f"select finished_at is not null, failure from rollcall_ops.runs where run_id = '{started[0]}'"
    assert floor.rows(recorded) == [(True, "KeyboardInterrupt: a person")]
    with open_run(floor.workspace, "clean"):
        assert floor.rows("select 1") == [(1,)]


def test_the_lease_cannot_be_taken_while_a_batch_is_under_way(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.session()
    taken: list[str] = []

    def take() -> None:
        with floor.connect() as other:
            other.execute("set lock_timeout = '100ms'")
            try:
                other.execute("update rollcall_ops.lease set token = token + 1")
                taken.append("taken")
            except psycopg.errors.LockNotAvailable:
                taken.append("refused")

    Between(monkeypatch, take)
    assert floor.clean().changed == 1
    assert taken == ["refused"]


@pytest.mark.parametrize(
    ("state", "error"),
    [("53100", psycopg.errors.DiskFull), ("25006", psycopg.errors.ReadOnlySqlTransaction)],
    ids=["a full disk", "a server that only reads"],
)
def test_without_room_for_the_images_nothing_is_changed(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, state: str, error: type[psycopg.Error]
) -> None:
    """Simulated: the audit's insert fails, and with it the change. No other row would fare better."""
    for _ in range(5):
        floor.session()
    before = floor.digest()
    floor.rows(
        "create function full_disk() returns trigger language plpgsql as"
        f" $$ begin raise 'could not extend file: No space left' using errcode = '{state}'; end $$"
    )
    # while the run works: a ledger that has a trigger beforehand is refused
    Between(
        monkeypatch,
        lambda: floor.rows(
            "create trigger full_disk before insert on rollcall_ops.changes"
            " for each statement execute function full_disk()"
        ),
        "settings_of_batch",
    )
    try:
        with pytest.raises(error):
            floor.clean()
        assert floor.digest() == before
        assert floor.rows("select changed, failure from rollcall_ops.runs") == [
            (0, f"{error.__name__}: could not extend file: No space left")
        ]
    finally:
        floor.rows("drop function full_disk() cascade")
    assert floor.clean().changed == 5


def test_a_lost_connection_is_taken_up_again(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    floor.session()

    def lose() -> None:
        floor.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where state = 'idle in transaction' and application_name like 'rollcall%'"
        )

    Between(monkeypatch, lose)
    assert floor.clean().changed == 1
    assert len(floor.changes()) == 1


def test_a_connection_that_is_lost_again_and_again_ends_the_run(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.session()
    before = floor.digest()
    judge, lost = _Repair.judge_and_change, 0

    def lose(repair: Any, connection: Any, items: Any) -> Any:
        nonlocal lost
        lost += 1
        if lost <= 20:
            floor.rows("select pg_terminate_backend(%s)", connection.info.backend_pid)
        return judge(repair, connection, items)

    monkeypatch.setattr(_Repair, "judge_and_change", lose)
    with pytest.raises(psycopg.OperationalError):
        floor.clean()
    assert lost < 20
    assert floor.digest() == before
    assert floor.rows("select changed, failure is not null from rollcall_ops.runs") == [(0, True)]


# --- holds ----------------------------------------------------------------------------------------------


class Listener(ProgressCallback):
    def __init__(self) -> None:
        self.reasons: list[str | None] = []
        self.went_on = threading.Event()
        self.waits = threading.Event()

    def held(self, reason: str | None) -> None:
        self.reasons.append(reason)
        (self.waits if reason else self.went_on).set()


def test_a_pause_flag_holds_the_work_until_it_is_off_and_says_so(floor: Floor) -> None:
    session = floor.session()
    flags.switch(floor.workspace, "pause_cleaning", on=True)
    listener, plan = Listener(), floor.plan()
    results: list[Any] = []

    def work() -> None:
        with open_run(floor.workspace, "clean") as run:
            results.append(clean(floor.workspace, run, plan, listener))

    thread = threading.Thread(target=work)
    thread.start()
    assert listener.waits.wait(20)
    assert listener.reasons[0] == "paused: flag pause_cleaning is on, set by postgres"
    assert floor.row(session)["status"] == "available"
    flags.switch(floor.workspace, "pause_cleaning", on=False)
    thread.join()
    assert listener.went_on.is_set()
    assert results[0].changed == 1


def test_what_holds_for_too_long_ends_the_run_and_the_rest_is_reported(floor: Floor) -> None:
    keys = {floor.session() for _ in range(3)}
    floor.rows("insert into rollcall_ops.flags (name, is_on) values ('pause_cleaning', true)")
    result = floor.clean(workspace=floor.with_settings(hold_max_minutes=0.001))
    assert set(reasons(result)) == keys
    assert all(reason.startswith("held for 0.001 minutes: paused") for reason in reasons(result).values())


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("vacuum agent_sessions", "a vacuum or an index build waits for agent_sessions"),
        (
            "lock table agent_sessions in access exclusive mode",
            "a statement waits for a lock on agent_sessions",
        ),
        (
            "lock table sessions_of_today in access exclusive mode",
            "a statement waits for a lock on agent_sessions",
        ),
    ],
    ids=["vacuum", "table", "part of the table"],
)
def test_whoever_waits_for_the_table_goes_first(floor: Floor, statement: str, reason: str) -> None:
    floor.rows("create table sessions_of_today () inherits (agent_sessions)")
    with floor.connect(autocommit=False) as holder, floor.connect() as waiter:
        holder.execute("lock table agent_sessions in share update exclusive mode")
        text = f"begin; {statement}; commit" if statement.startswith("lock") else statement
        thread = threading.Thread(target=lambda: waiter.execute(text))  # type: ignore[arg-type]
        thread.start()
        query = floor.workspace.project.sql("holds")
        deadline = time.monotonic() + 10
        found: list[str] = []
        with floor.workspace.database.connect() as connection:
            while not found and time.monotonic() < deadline:
                found = [row["reason"] for row in fetch(connection, query)]
        holder.rollback()
        thread.join()
    floor.rows("drop table sessions_of_today")
    assert found == [reason]


@pytest.mark.parametrize("where", ["in our database", "in another database", "for a lock of their own"])
def test_a_floor_that_waits_for_locks_is_left_in_peace(floor: Floor, database: str, where: str) -> None:
    """Twenty of the application's sessions wait for each other, for whatever table of its database."""
    found: dict[int, list[str]] = {}
    query = floor.workspace.project.sql("holds")
    elsewhere = Floor(database, floor.workspace)
    elsewhere.rows("create table agents ()")
    theirs = elsewhere if where == "in another database" else floor
    lock, wait = "lock table agents in access exclusive mode", "select count(*) from agents"
    if where == "for a lock of their own":
        lock = wait = "select pg_advisory_xact_lock(1)"

    def wait_for_agents() -> None:
        with theirs.connect() as waiter:
            waiter.execute(wait)  # type: ignore[arg-type]

    with theirs.connect(autocommit=False) as holder, floor.workspace.database.connect() as connection:
        holder.execute(lock)  # type: ignore[arg-type]
        waiting: list[threading.Thread] = []
        for count in (19, 20):
            while len(waiting) < count:
                waiting.append(threading.Thread(target=wait_for_agents))
                waiting[-1].start()
            while floor.rows("select count(*) from pg_locks where not granted")[0][0] < count:
                time.sleep(0.01)
            found[count] = [row["reason"] for row in fetch(connection, query)]
        holder.rollback()
    for thread in waiting:
        thread.join()
    assert found == {19: [], 20: ["20 sessions wait for locks"] if where == "in our database" else []}


def test_plan_and_clean_agree_whatever_the_session_s_time_zone(floor: Floor) -> None:
    for zone in ("America/New_York", "Asia/Kolkata", "Pacific/Auckland"):
        floor.rows(f"alter role current_user set timezone = '{zone}'")
        try:
            floor.session(seen=121)
            floor.session(seen=119)
            plan = make_plan(floor.workspace)
            assert plan.change_count == 1
            assert floor.clean(plan).changed == 1
        finally:
            floor.rows("alter role current_user reset timezone")
        floor.rows("truncate agent_sessions")
