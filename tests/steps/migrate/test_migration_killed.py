"""Migrating that is killed or terminated: the next run goes on."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from typing import Any

import pytest

from rollcall.errors import Refused
from rollcall.ledger.runs import Run, open_run
from rollcall.schema.declared import pending_statements
from rollcall.steps.migrate.migration import migrate
from tests.support.declared import COLUMNS, INDEXES, rules
from tests.support.live_migration import Live, Victim
from tests.support.waiting import until

# --- killed ---------------------------------------------------------------------------------------


@pytest.mark.medium
def test_killed_before_each_statement_the_next_run_goes_on_at_once(live: Live) -> None:
    for _ in range(100):
        victim = Victim(live, stops_at=1)  # each gets one statement further
        if victim.wait() != -9:
            break
    live.assert_complete()
    assert {"started", "done"} >= {outcome for _, outcome in live.outcomes()}


@pytest.mark.slow
@pytest.mark.parametrize("delay", range(0, 60, 2))
def test_killed_at_any_instant_the_next_run_ends_valid_and_complete(live: Live, delay: int) -> None:
    victim = Victim(live)
    time.sleep(0.1 + delay / 50)
    victim.kill()
    assert live.migrate().skipped == []
    live.assert_complete()


@pytest.mark.medium
@pytest.mark.parametrize("name", [COLUMNS[0], INDEXES[0]])
def test_terminated_in_the_server_the_next_run_goes_on(live: Live, name: str) -> None:
    held = "agent_sessions" if name in COLUMNS else "call_sessions"
    sent = f"(alter table|create index).*{name.rpartition('.')[2]}"
    with live.reader(f"lock table {held} in {'access share' if name in COLUMNS else 'row exclusive'} mode"):
        victim = Victim(live.impatient(migrate_budget_seconds=5, index_lock_timeout_seconds=2))
        live.until(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where query ~ %s and pid <> pg_backend_pid() and state = 'active'",
            sent,
        )
        assert victim.wait() == 5
    assert live.migrate().skipped == []
    live.assert_complete()


@pytest.mark.medium
def test_the_connection_that_holds_the_lease_is_terminated(live: Live) -> None:
    with live.reader():
        victim = Victim(live)
        live.until("select 1 from pg_stat_activity where query ~ '^alter table' and state = 'active'")
        live.rows("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted")
        assert victim.wait() == 1
    assert live.migrate().skipped == []
    live.assert_complete()


@pytest.mark.medium
def test_a_run_whose_lease_another_took_sends_nothing_more(live: Live) -> None:
    """It hangs for a while, say, and its lock is gone when it wakes up; its fencing token tells."""
    with live.workspace.database.snapshot() as snapshot:
        statements = pending_statements(snapshot, live.workspace.project)

    def hang(one: Run, text: str) -> None:
        if text == COLUMNS[1]:
            # the lock alone goes, the connection stays: only the token is left to tell
            one.connection.execute("select pg_advisory_unlock_all()")
            with open_run(live.workspace, "another"):
                pass

    with (
        open_run(live.workspace, "one") as one,
        pytest.raises(Refused, match="lost its lease to another run"),
    ):
        migrate(live.workspace, one, statements, functools.partial(hang, one))
    states = live.states()
    assert (states[COLUMNS[0]], states[COLUMNS[1]]) == ("present", "missing")
    assert {states[name] for name in INDEXES} == {"missing"}
    assert live.migrate().skipped == []
    live.assert_complete()


@pytest.mark.medium
def test_a_build_that_goes_on_after_a_kill_is_waited_for(live: Live) -> None:
    with contextlib.closing(live.connect()) as writer:
        writer.execute("update call_sessions set duration_seconds = duration_seconds where false")
        victim = Victim(live.impatient(index_lock_timeout_seconds=60, index_client_check_seconds=600))
        live.until("select 1 from pg_stat_progress_create_index where phase like 'waiting for%%'")
        victim.kill()
        assert live.states()[INDEXES[0]] == "building"
        assert rules(live)["building_index"] == (1, (INDEXES[0],))
        shown: list[str] = []
        results: list[Any] = []
        run = threading.Thread(target=lambda: results.append(live.migrate(shown.append)))
        run.start()
        until(lambda: any(text.startswith(f"{INDEXES[0]}: waiting for") for text in shown))
        assert run.is_alive()
        writer.rollback()
        run.join()
    assert results[0].skipped == []
    assert INDEXES[0] not in results[0].executed or "drop" not in str(live.outcomes())
    live.assert_complete()


@pytest.mark.medium
def test_a_build_whose_client_was_killed_is_stopped_and_built_again(live: Live) -> None:
    with contextlib.closing(live.connect()) as writer:
        writer.execute("update call_sessions set duration_seconds = duration_seconds where false")
        victim = Victim(live.impatient(index_lock_timeout_seconds=60, index_client_check_seconds=0.2))
        live.until("select 1 from pg_stat_progress_create_index where phase like 'waiting for%%'")
        victim.kill()
        live.until("select 1 where not exists (select from pg_stat_progress_create_index)")
    assert live.states()[INDEXES[0]] == "invalid"
    assert rules(live)["invalid_index"] == (1, (INDEXES[0],))
    (statement,) = [item for item in live.plan().statements if item.object_name == INDEXES[0]]
    assert statement.sql.startswith("drop index concurrently public.rollcall_calls_of_agent; create index")
    assert live.migrate().skipped == []
    live.assert_complete()
