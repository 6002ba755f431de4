"""Several connections work for one clean-up or undo: each row once, one end and one hold for all."""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import pytest

from rollcall import flags
from rollcall.batches import Watcher
from rollcall.cleaning import CleaningResult, _Repair, clean
from rollcall.ledger import open_run
from rollcall.undo import undo
from rollcall.verification import verify
from rollcall.workspace import Workspace
from tests.floor import Floor, drop_trigger, floor, make_trigger

__all__ = ["floor"]

JUDGE = _Repair.judge_and_change


def several(floor: Floor, connections: int = 2, **variables: Any) -> Workspace:
    small = {"first_batch_rows": 2, "largest_batch_rows": 2} | variables
    return floor.with_settings(batch_connections=connections, **small)


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The first batches of two connections wait for each other; gives the server processes that worked."""
    both, backends = threading.Barrier(2), set[int]()

    def judge(repair: Any, connection: Any, items: Any) -> Any:
        if len(backends) < 2:
            backends.add(connection.info.backend_pid)
            both.wait(20)
        return JUDGE(repair, connection, items)

    monkeypatch.setattr(_Repair, "judge_and_change", judge)
    return backends


def test_two_connections_change_each_row_once_at_the_same_time(floor: Floor, together: set[int]) -> None:
    sessions = {floor.session() for _ in range(21)}
    result = floor.clean(workspace=several(floor))
    assert (result.changed, result.skipped, len(together)) == (21, [], 2)
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


def test_an_undo_on_two_connections_restores_every_row(floor: Floor) -> None:
    for _ in range(15):
        floor.session()
    damaged = floor.digest()
    run_id = floor.clean().run_id
    result = undo(several(floor), run_id, approved_by="me")
    assert (result.changed, result.conflicts, floor.digest()) == (15, [], damaged)


def test_what_fails_on_one_connection_ends_the_others_and_keeps_what_was_done(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(40):
        floor.session()
    calls = 0

    def judge(repair: Any, connection: Any, items: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            connection.execute("do $$ begin raise 'no space left' using errcode = '53100'; end $$")
        time.sleep(0.05)
        return JUDGE(repair, connection, items)

    monkeypatch.setattr(_Repair, "judge_and_change", judge)
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


class Listener(Watcher):
    def __init__(self) -> None:
        self.reasons: list[str | None] = []
        self.waits = threading.Event()

    def held(self, reason: str | None) -> None:
        self.reasons.append(reason)
        self.waits.set()


def test_what_holds_the_work_holds_every_connection_and_is_said_once(floor: Floor) -> None:
    for _ in range(20):
        floor.session()
    flags.switch(floor.workspace, "pause_cleaning", on=True)
    workspace, plan, listener = several(floor), floor.plan(), Listener()
    results: list[CleaningResult] = []

    def work() -> None:
        with open_run(workspace, "clean") as run:
            results.append(clean(workspace, run, plan, listener))

    thread = threading.Thread(target=work)
    thread.start()
    assert listener.waits.wait(20)
    time.sleep(1.5)
    assert floor.changes() == []
    flags.switch(floor.workspace, "pause_cleaning", on=False)
    thread.join()
    assert results[0].changed == 20
    said = list(dict.fromkeys(listener.reasons))
    assert said == ["paused: flag pause_cleaning is on, set by postgres", None]
    assert listener.reasons.count(None) == 1


def test_what_ends_the_run_while_it_is_held_changes_nothing(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person ends it (Ctrl-C) while it waits: no connection goes on with the batch that it has taken."""
    for _ in range(8):
        floor.session()
    flags.switch(floor.workspace, "pause_cleaning", on=True)
    workspace, plan, listener = several(floor), floor.plan(), Listener()

    def ended(futures: Any) -> Any:
        assert listener.waits.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr("rollcall.batches.as_completed", ended)
    with pytest.raises(KeyboardInterrupt), open_run(workspace, "clean") as run:
        clean(workspace, run, plan, listener)
    assert floor.changes() == []
    assert floor.rows("select 1 from agent_sessions where logout_at is not null") == []
    assert floor.rows("select 1 from rollcall_ops.skips") == []


def test_a_distant_server_makes_no_batch_smaller(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer takes 20 ms to reach us: that is no reason to change one row at a time."""
    for _ in range(30):
        floor.session()
    wait = psycopg.Connection.wait

    def slow(connection: Any, *arguments: Any, **named: Any) -> Any:
        time.sleep(0.02)
        return wait(connection, *arguments, **named)

    workspace, plan = floor.with_settings(first_batch_rows=10, batch_growth=1, batch_goal_ms=30), floor.plan()
    monkeypatch.setattr(psycopg.Connection, "wait", slow)
    with open_run(workspace, "clean") as run:
        result = clean(workspace, run, plan)
    assert result.changed == 30
    assert min(floor.batches()) >= 8
