"""Several connections work for one clean-up or undo: each row once, one end and one hold for all."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest

from rollcall.errors import ConnectionFailed
from rollcall.ledger.runs import open_run
from rollcall.steps import flags
from rollcall.steps.batches import ProgressCallback
from rollcall.steps.batches.worker import Worker
from rollcall.steps.clean.cleaning import CleaningResult, SessionRepair, clean
from rollcall.steps.undo import undo
from rollcall.steps.verify import verify
from rollcall.workspace import Workspace
from tests.support.floor import Floor, drop_trigger, make_trigger
from tests.support.waiting import PATIENCE, until

TRANSACTION = Worker.run_batch


def several(floor: Floor, connections: int = 2, **variables: Any) -> Workspace:
    small = {"first_batch_rows": 2, "largest_batch_rows": 2} | variables
    return floor.with_settings(batch_connections=connections, **small)


@pytest.fixture(autouse=True)
def at_work(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The first batches of two connections wait for each other; the server's processes that work."""
    both, seen = threading.Barrier(2), set[int]()

    def transaction(worker: Worker, connection: Any, batch: Any) -> Any:
        if len(worker.batches.process_ids()) > 1 and worker.process_id not in seen and len(seen) < 2:
            assert worker.process_id is not None
            seen.add(worker.process_id)
            both.wait(PATIENCE)
        return TRANSACTION(worker, connection, batch)

    monkeypatch.setattr(Worker, "run_batch", transaction)
    return seen


def test_two_connections_change_each_row_once_at_the_same_time(floor: Floor, at_work: set[int]) -> None:
    sessions = {floor.session() for _ in range(21)}
    result = floor.clean(workspace=several(floor))
    assert (result.changed, result.skipped, len(at_work)) == (21, [], 2)
    assert floor.changes() == sorted((result.run_id, session) for session in sessions)
    assert max(floor.batches()) == 2
    proof = verify(floor.workspace, result.run_id).proof
    assert proof is not None
    assert proof.holds


def test_what_one_connection_cannot_have_is_tried_again_at_the_end_and_reported(floor: Floor) -> None:
    locked, refused, *others = [floor.session() for _ in range(12)]
    make_trigger(floor, f"if new.id = '{refused}' then raise 'not this one'; end if; return new;")
    try:
        with floor.connect(autocommit=False) as application:
            application.execute("select 1 from agent_sessions where id = %s for update", [locked])
            result = floor.clean(workspace=several(floor, 3, locked_row_pause_seconds=0.1))
            application.rollback()
    finally:
        drop_trigger(floor)
    assert result.changed == len(others)
    assert {skip["session_id"]: skip["reason"] for skip in result.skipped} == {
        locked: "locked by another transaction until the end",
        refused: "refused by the database: not this one",
    }
    assert len(floor.rows("select 1 from rollcall_ops.skips")) == 2


def test_an_undo_on_two_connections_restores_every_row(floor: Floor, at_work: set[int]) -> None:
    for _ in range(15):
        floor.session()
    damaged = floor.digest()
    run_id = floor.clean().run_id
    result = undo(several(floor), run_id, approved_by="me")
    assert len(at_work) == 2
    assert (result.changed, result.conflicts, floor.digest()) == (15, [], damaged)


def test_what_fails_on_one_connection_ends_the_others_and_keeps_what_was_done(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(40):
        floor.session()
    calls, judge_and_change = 0, SessionRepair.judge_and_change

    def judge(repair: Any, connection: Any, items: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            connection.execute("do $$ begin raise 'no space left' using errcode = '53100'; end $$")
        time.sleep(0.05)
        return judge_and_change(repair, connection, items)

    monkeypatch.setattr(SessionRepair, "judge_and_change", judge)
    with pytest.raises(psycopg.errors.DiskFull):
        floor.clean(workspace=several(floor))
    closed = floor.rows("select id::text from agent_sessions where logout_at is not null order by 1")
    assert 0 < len(closed) <= 6, "each ended with the batch that it was at"
    assert [(session,) for _, session in floor.changes()] == closed
    assert floor.rows("select changed, failure is not null from rollcall_ops.runs") == [(len(closed), True)]


def test_when_one_connection_gives_up_all_that_is_left_is_reported(floor: Floor) -> None:
    for _ in range(20):
        floor.session()
    make_trigger(floor, "raise 'no';")
    try:
        result = floor.clean(workspace=several(floor, refusals_in_a_row_max=5))
    finally:
        drop_trigger(floor)
    assert result.changed == 0
    assert len({skip["session_id"] for skip in result.skipped}) == len(result.skipped) == 20
    given_up = [
        skip for skip in result.skipped if skip["reason"].startswith("not tried: the database refused")
    ]
    assert 20 - 5 - 4 <= len(given_up) <= 20 - 5


class Listener(ProgressCallback):
    def __init__(self) -> None:
        self.reasons: list[str | None] = []
        self.waits = threading.Event()

    def held(self, reason: str | None) -> None:
        self.reasons.append(reason)
        self.waits.set()


@pytest.mark.medium
def test_what_holds_the_work_holds_every_connection_and_is_said_once(floor: Floor) -> None:
    for _ in range(20):
        floor.session()
    flags.switch(floor.workspace, "pause_cleaning", on=True)
    workspace, plan, listener = several(floor), floor.plan(), Listener()
    results: list[CleaningResult] = []

    def work() -> None:
        with open_run(workspace, "clean") as run:
            results.append(clean(workspace, run, plan, listener))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert listener.waits.wait(PATIENCE)
    time.sleep(1.5)
    assert floor.changes() == []
    flags.switch(floor.workspace, "pause_cleaning", on=False)
    thread.join()
    assert results[0].changed == 20
    assert set(listener.reasons[:-1]) == {"paused: flag pause_cleaning is on, set by postgres"}
    assert listener.reasons[-1] is None


def test_what_ends_the_run_while_it_is_held_changes_nothing(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person ends it (Ctrl-C) while it waits: no connection goes on with the batch that it has taken."""
    for _ in range(8):
        floor.session()
    flags.switch(floor.workspace, "pause_cleaning", on=True)
    workspace, plan, listener = several(floor), floor.plan(), Listener()

    def ended(futures: Any) -> Any:
        assert listener.waits.wait(PATIENCE)
        raise KeyboardInterrupt

    monkeypatch.setattr("rollcall.steps.batches.engine.as_completed", ended)
    with pytest.raises(KeyboardInterrupt), open_run(workspace, "clean") as run:
        clean(workspace, run, plan, listener)
    assert floor.changes() == []
    assert floor.rows("select 1 from agent_sessions where logout_at is not null") == []
    assert floor.rows("select 1 from rollcall_ops.skips") == []


def test_an_agents_sessions_are_one_batch_however_many_connections(floor: Floor) -> None:
    """What an agent did counts for the newest one: closed first, an older one would take its place."""
    kept: list[list[str]] = []
    for _ in range(6):
        agent = floor.agent()
        floor.call(agent, 190, connected=189, ended=185)
        kept.append([floor.session(agent, seen=seen, login=seen + 30) for seen in (900, 600, 200)])
    workspace = several(floor, largest_batch_rows=10)
    result = floor.clean(workspace=workspace)
    assert (result.changed, result.skipped) == (18, [])
    query = "select array_agg(session_id order by session_id) from rollcall_ops.changes group by xmin::text"
    batches = [set(keys) for (keys,) in floor.rows(query)]
    for sessions in kept:
        assert sum(bool(batch & set(sessions)) for batch in batches) == 1


def test_a_connection_that_waits_for_another_one_of_the_run_makes_no_batch_smaller(floor: Floor) -> None:
    """A trigger of the application's counts in one row: our connections wait for each other there."""
    for _ in range(24):
        floor.session()
    floor.rows("create table counted (sessions int)")
    floor.rows("insert into counted values (0)")
    make_trigger(
        floor, "perform pg_sleep(0.01); update public.counted set sessions = sessions + 1; return new;"
    )
    try:
        result = floor.clean(workspace=several(floor, lock_timeout_ms=20_000, batch_goal_ms=10_000))
    finally:
        drop_trigger(floor)
        floor.rows("drop table counted")
    assert (result.changed, result.skipped, result.paused_seconds) == (24, [], 0)
    assert floor.batches() == [2] * 12


def only_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has no second connection to spare."""
    calls, connect = 0, Worker.connect

    def once(worker: Worker) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise ConnectionFailed("too many connections for role", "ask for fewer")
        connect(worker)

    monkeypatch.setattr(Worker, "connect", once)


def test_a_connection_that_is_not_to_be_had_ends_the_run_before_it_began(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        floor.session()
    only_one_connection(monkeypatch)
    with pytest.raises(ConnectionFailed):
        floor.clean(workspace=several(floor))
    assert floor.changes() == []


def test_the_end_of_a_run_waits_for_no_statement(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: what the connections are at is cancelled, and undone by the server."""
    for _ in range(8):
        floor.session()
    make_trigger(floor, "perform pg_sleep(120); return new;")

    def ended(futures: Any) -> Any:
        query = "select 1 from pg_stat_activity where wait_event = 'PgSleep'"
        until(lambda: len(floor.rows(query)) == 2)
        raise KeyboardInterrupt

    monkeypatch.setattr("rollcall.steps.batches.engine.as_completed", ended)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            floor.clean(workspace=several(floor, lock_timeout_ms=600_000))
    finally:
        drop_trigger(floor)
    assert time.monotonic() - began < 100
    assert floor.changes() == []


@pytest.mark.medium
def test_a_distant_server_makes_no_batch_smaller(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer takes 200 ms to reach us: that is no reason to change a row at a time."""
    for _ in range(40):
        floor.session()
    workspace = floor.with_settings(
        first_batch_rows=10, batch_growth=1, batch_goal_ms=600, lock_timeout_ms=60_000
    )
    plan, wait = floor.plan(), psycopg.Connection.wait

    def slow(connection: Any, *arguments: Any, **named: Any) -> Any:
        time.sleep(0.2)
        return wait(connection, *arguments, **named)

    def run_far_away(*arguments: Any) -> Any:
        with monkeypatch.context() as far:
            far.setattr(psycopg.Connection, "wait", slow)
            return TRANSACTION(*arguments)

    monkeypatch.setattr(Worker, "run_batch", run_far_away)
    with open_run(workspace, "clean") as run:
        result = clean(workspace, run, plan)
    assert result.changed == 40
    assert floor.batches() == [10, 11, 12, 7]
