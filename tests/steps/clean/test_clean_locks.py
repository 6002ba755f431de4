"""Cleaning beside locks: what a batch waits for, and how large it is."""

from __future__ import annotations

import threading
import time

import pytest

from rollcall.ledger.runs import open_run
from rollcall.steps.batches.size import BatchSize
from rollcall.steps.clean.cleaning import clean
from tests.support.cleaning import HEARTBEAT, reasons, until_waiting
from tests.support.floor import Between, Floor, drop_trigger, make_trigger
from tests.support.waiting import PATIENCE

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


def test_a_session_that_waits_for_a_locked_row_does_not_stop_the_others(floor: Floor) -> None:
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
        until_waiting(floor, len(waiting))
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


@pytest.mark.medium
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
    assert max(floor.batches()) <= 8, "no statement waits for more of them than the lock time-out lets pass"


@pytest.mark.medium
def test_a_row_that_takes_too_long_by_itself_is_reported_and_stops_no_other(floor: Floor) -> None:
    slow, *others = [floor.session() for _ in range(5)]
    make_trigger(floor, f"if new.id = '{slow}' then perform pg_sleep(60); end if; return new;")
    try:
        result = floor.clean(workspace=floor.with_settings(lock_timeout_ms=1_000))
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
        with floor.connect() as connection:
            started = time.monotonic()
            connection.execute(HEARTBEAT, [agent])
            waited.append(time.monotonic() - started)

    application = threading.Thread(target=heartbeat)

    def stand_still() -> None:
        application.start()
        application.join(PATIENCE)

    Between(monkeypatch, stand_still)
    result = floor.clean(workspace=floor.with_settings(lock_timeout_ms=300))
    assert waited, "the application went on while Rollcall stood still"
    assert waited[0] < 2
    assert reasons(result)[session].startswith("came back")


@pytest.mark.medium
def test_a_transaction_that_waits_for_a_batch_is_seen_and_gets_a_pause(
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
        until_waiting(floor, 1)

    Between(monkeypatch, somebody_waits)
    workspace = floor.with_settings(
        first_batch_rows=8, batch_growth=1, batch_goal_ms=1_000_000, batch_pause_ms=3_000
    )
    result = floor.clean(workspace=workspace)
    application[0].join()
    assert seen == [1, 0, 0, 0]
    assert floor.batches() == [8, 4, 5, 3], "half as many as would have been next"
    assert (result.changed, result.paused_seconds) == (20, pytest.approx(3, abs=1))


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


SLOW_COMMIT = """
create function sleeps_once() returns trigger language plpgsql as $$
begin
    if coalesce(current_setting('test.slept', true), '') = '' then
        perform set_config('test.slept', 'yes', true), pg_sleep(0.08);
    end if;
    return null;
end
$$;
create constraint trigger sleeps_once after update on agent_sessions deferrable initially deferred
for each row execute function sleeps_once()
"""


def test_a_slow_commit_makes_no_batch_smaller(floor: Floor) -> None:
    """As on a slow disk: each commit takes four times the goal, whatever the rows of its batch."""
    for _ in range(20):
        floor.session()
    floor.rows(SLOW_COMMIT)
    workspace = floor.with_settings(first_batch_rows=2, batch_growth=1.5, batch_goal_ms=20)
    try:
        assert floor.clean(workspace=workspace).changed == 20
    finally:
        floor.rows("drop function sleeps_once cascade")
    assert max(floor.batches()) >= 4, "the first batch plans its statements; the next ones grow"
