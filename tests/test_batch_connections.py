"""Several connections work for one clean-up or undo: each row once, one end and one hold for all."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from rollcall import flags
from rollcall.batches import Watcher, _Worker
from rollcall.cleaning import CleaningResult, _Repair, clean
from rollcall.database import fetch
from rollcall.errors import ConnectionFailed
from rollcall.ledger import open_run
from rollcall.undo import undo
from rollcall.verification import verify
from rollcall.workspace import Workspace
from tests.floor import Floor, drop_trigger, floor, make_trigger

__all__ = ["floor"]

TRANSACTION = _Worker._transaction


def several(floor: Floor, connections: int = 2, **variables: Any) -> Workspace:
    small = {"first_batch_rows": 2, "largest_batch_rows": 2} | variables
    return floor.with_settings(batch_connections=connections, **small)


@pytest.fixture(autouse=True)
def at_work(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The first batches of two connections wait for each other; the server's processes that work."""
    both, seen = threading.Barrier(2), set[int]()

    def transaction(worker: _Worker, connection: Any, batch: Any) -> Any:
        if len(worker._batches.process_ids()) > 1 and worker.process_id not in seen and len(seen) < 2:
            assert worker.process_id is not None
            seen.add(worker.process_id)
            both.wait(20)
        return TRANSACTION(worker, connection, batch)

    monkeypatch.setattr(_Worker, "_transaction", transaction)
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
    calls, judge_and_change = 0, _Repair.judge_and_change

    def judge(repair: Any, connection: Any, items: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            connection.execute("do $$ begin raise 'no space left' using errcode = '53100'; end $$")
        time.sleep(0.05)
        return judge_and_change(repair, connection, items)

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

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert listener.waits.wait(20)
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
        assert listener.waits.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr("rollcall.batches.as_completed", ended)
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


def test_who_of_us_waits_for_another_of_us_makes_no_batch_smaller(floor: Floor) -> None:
    """A trigger of the application's counts in one row: our connections wait for each other there."""
    for _ in range(24):
        floor.session()
    floor.rows("create table counted (sessions int)")
    floor.rows("insert into counted values (0)")
    make_trigger(floor, "perform pg_sleep(0.01); update counted set sessions = sessions + 1; return new;")
    try:
        result = floor.clean(workspace=several(floor, lock_timeout_ms=2_000, batch_goal_ms=1_000))
    finally:
        drop_trigger(floor)
        floor.rows("drop table counted")
    assert (result.changed, result.skipped, result.paused_seconds) == (24, [], 0)
    assert floor.batches() == [2] * 12


def only_one_connection(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Gives whether another one was asked for."""
    calls, connect, asked_for = 0, _Worker.connect, threading.Event()

    def once(worker: _Worker) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            asked_for.set()
            raise ConnectionFailed("too many connections for role", "ask for fewer")
        connect(worker)

    monkeypatch.setattr(_Worker, "connect", once)
    return asked_for


def test_a_connection_that_is_not_to_be_had_ends_the_run_before_it_began(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        floor.session()
    only_one_connection(monkeypatch)
    with pytest.raises(ConnectionFailed):
        floor.clean(workspace=several(floor))
    assert floor.changes() == []


def test_who_ends_the_run_waits_for_no_statement(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: what the connections are at is cancelled, and undone by the server."""
    for _ in range(8):
        floor.session()
    make_trigger(floor, "perform pg_sleep(20); return new;")

    def ended(futures: Any) -> Any:
        while len(floor.rows("select 1 from pg_stat_activity where wait_event = 'PgSleep'")) < 2:
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr("rollcall.batches.as_completed", ended)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            floor.clean(workspace=several(floor, lock_timeout_ms=60_000))
    finally:
        drop_trigger(floor)
    assert time.monotonic() - began < 15
    assert floor.changes() == []


def test_a_distant_server_makes_no_batch_smaller(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer takes 100 ms to reach us: that is no reason to change a row at a time."""
    for _ in range(40):
        floor.session()
    workspace = floor.with_settings(first_batch_rows=10, batch_growth=1, batch_goal_ms=300)
    plan, wait = floor.plan(), psycopg.Connection.wait

    def slow(connection: Any, *arguments: Any, **named: Any) -> Any:
        time.sleep(0.1)
        return wait(connection, *arguments, **named)

    monkeypatch.setattr(_Worker, "_transaction", TRANSACTION)
    monkeypatch.setattr(psycopg.Connection, "wait", slow)
    with open_run(workspace, "clean") as run:
        result = clean(workspace, run, plan)
    assert result.changed == 40
    assert floor.batches() == [10, 11, 12, 7]


def quietly(floor: Floor, **variables: Any) -> Workspace:
    """One connection always, and another one that helps."""
    return several(floor, 1, quiet_batch_connections=2, batch_goal_ms=60_000, **variables)


def test_another_connection_helps_while_nobody_else_uses_the_server(floor: Floor, at_work: set[int]) -> None:
    sessions = {floor.session() for _ in range(21)}
    with floor.connect() as application:
        application.execute("select 1")
        result = floor.clean(workspace=quietly(floor, quiet_seconds=0))
    assert (result.changed, result.skipped, len(at_work)) == (21, [], 2)
    assert floor.changes() == sorted((result.run_id, session) for session in sessions)


OURS = """
select 1 from pg_stat_activity where datname = current_database() and application_name like 'rollcall%'
"""


class Workers:
    """Who did each batch; something is done before one of them, on its connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ids: list[int] = []
        self.before: dict[int, Callable[[], object]] = {}
        self.before_help: Callable[[_Worker], object] = lambda worker: None
        self._lock = threading.Lock()
        monkeypatch.setattr("rollcall.batches.HOLD_POLL_SECONDS", 0)
        monkeypatch.setattr(_Worker, "_transaction", lambda *arguments: self.transaction(*arguments))

    def transaction(self, worker: _Worker, connection: Any, batch: Any) -> Any:
        with self._lock:
            assert worker.process_id is not None
            self.ids.append(worker.process_id)
            self.before.get(len(self.ids), lambda: None)()
        if worker.helps:
            self.before_help(worker)
        time.sleep(0.02)
        return TRANSACTION(worker, connection, batch)


def test_it_does_not_while_somebody_does_and_what_they_did_is_not_long_ago(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        floor.session()
    workers = Workers(monkeypatch)
    with floor.connect():
        result = floor.clean(workspace=quietly(floor, quiet_seconds=600))
    assert (result.changed, len(workers.ids), len(set(workers.ids))) == (20, 10, 1)


def test_it_ends_to_help_when_somebody_comes_and_for_a_while_after_they_are_gone(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(120):
        floor.session()
    workers, connected = Workers(monkeypatch), list[int]()
    with contextlib.ExitStack() as stack:
        workers.before = {
            14: lambda: connected.append(len(floor.rows(OURS))),
            15: lambda: stack.enter_context(floor.connect()),
            34: lambda: connected.append(len(floor.rows(OURS))),
            35: stack.close,
        }
        result = floor.clean(workspace=quietly(floor, quiet_seconds=600))
    first, busy, last = workers.ids[:14], workers.ids[18:34], workers.ids[38:]
    assert (result.changed, len(workers.ids)) == (120, 60)
    assert [len(set(ids)) for ids in (first, busy, last)] == [2, 1, 1]
    assert connected == [3, 2], "of the run, of who works always, and of who helps only while it does"


@pytest.mark.parametrize("somebody_comes", [False, True])
def test_batches_are_longer_only_while_it_is_quiet(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, somebody_comes: bool
) -> None:
    for _ in range(120):
        floor.session()
    workers = Workers(monkeypatch)
    workspace = several(
        floor,
        1,
        quiet_batch_connections=2,
        quiet_seconds=600 if somebody_comes else 0,
        batch_goal_ms=0.01,
        quiet_batch_goal_ms=10_000,
        batch_growth=2,
        largest_batch_rows=20,
    )
    with contextlib.ExitStack() as stack:
        if somebody_comes:
            workers.before = {4: lambda: stack.enter_context(floor.connect())}
        result = floor.clean(workspace=workspace)
    sizes = sorted(floor.batches())
    assert result.changed == 120
    assert (sizes[-1] >= 20) is not somebody_comes, "a few before somebody comes have up to 14 rows"
    assert (sizes[0] == 1) is somebody_comes


def test_nobody_helps_whom_the_server_does_not_tell_who_is_at_work(floor: Floor) -> None:
    query, name = floor.workspace.project.sql("quiet"), f"blind_{uuid.uuid4().hex[:8]}"
    with contextlib.closing(floor.workspace.database.connect()) as ours, floor.connect():
        own = ours.info.backend_pid

        def is_quiet(seconds: float) -> bool:
            return bool(fetch(ours, query, [[own], seconds])[0]["is_quiet"])

        assert not is_quiet(10), "the other one came a moment ago"
        assert is_quiet(0)
        ours.execute(f"create role {name}")
        try:
            ours.execute(f"set role {name}")
            assert not is_quiet(0)
        finally:
            ours.execute("reset role")
            ours.execute(f"drop role {name}")


def test_who_would_help_and_has_no_connection_is_not_needed(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(8):
        floor.session()
    asked_for = only_one_connection(monkeypatch)
    assert floor.clean(workspace=quietly(floor, quiet_seconds=0)).changed == 8
    assert asked_for.is_set()


def test_who_would_help_and_loses_the_connection_at_once_is_not_needed(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that has no process of the server to spare."""
    for _ in range(8):
        floor.session()
    connect, process_id_of, helping = _Worker.connect, Workspace.process_id_of, threading.Event()

    def connect_and_lose(worker: _Worker) -> None:
        if worker.helps:
            helping.set()
        connect(worker)

    def lost(workspace: Workspace, connection: Any) -> int:
        if helping.is_set() and connection not in known:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        known.append(connection)
        return process_id_of(workspace, connection)

    known: list[Any] = []
    monkeypatch.setattr(_Worker, "connect", connect_and_lose)
    monkeypatch.setattr(Workspace, "process_id_of", lost)
    assert floor.clean(workspace=quietly(floor, quiet_seconds=0)).changed == 8
    assert helping.is_set()


def test_what_a_lost_connection_was_at_is_done_by_the_one_that_works_always(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It helps again when it has another connection; what it was at is done once, whatever was committed."""
    sessions = [floor.session() for _ in range(40)]
    workers, ended = Workers(monkeypatch), list[int]()
    monkeypatch.setattr("rollcall.batches.RECONNECTIONS", 0)

    def end(worker: _Worker) -> None:
        if len(ended) < 2:
            assert worker.process_id is not None
            ended.append(worker.process_id)
            floor.rows("select pg_terminate_backend(%s)", worker.process_id)

    workers.before_help = end
    result = floor.clean(workspace=quietly(floor, quiet_seconds=0, locked_row_passes=1))
    assert len(set(ended)) == 2
    assert (result.changed, result.skipped) == (40, [])
    assert floor.changes() == sorted((result.run_id, session) for session in sessions)


def test_what_fails_while_another_connection_waits_for_quiet_ends_it_too(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        floor.session()
    workers = Workers(monkeypatch)

    def fail() -> None:
        raise psycopg.errors.DiskFull("no space left")

    workers.before = {3: fail}
    with floor.connect(), pytest.raises(psycopg.errors.DiskFull):
        floor.clean(workspace=quietly(floor, quiet_seconds=600))
    assert len(floor.changes()) == 4


def test_what_gives_up_while_another_connection_waits_for_quiet_ends_it_too(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    Workers(monkeypatch)
    for _ in range(20):
        floor.session()
    make_trigger(floor, "raise 'no';")
    try:
        with floor.connect():
            result = floor.clean(
                workspace=quietly(floor, quiet_seconds=600, refusals_in_a_row_max=5, first_batch_rows=1)
            )
    finally:
        drop_trigger(floor)
    assert (result.changed, len(result.skipped)) == (0, 20)
