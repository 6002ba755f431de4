"""Migrating beside readers, old snapshots, vacuums and another run."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from rollcall.errors import LeaseHeld
from rollcall.ledger.runs import open_run
from tests.support.declared import COLUMNS, INDEXES
from tests.support.live_migration import Live, Victim
from tests.support.waiting import until

# --- beside a live application --------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_while_a_reader_stays_no_other_session_waits_and_then_it_goes_on(live: Live, seconds: int) -> None:
    ended = threading.Event()

    def read() -> None:
        with live.reader():
            ended.wait(seconds)

    reader = threading.Thread(target=read)
    reader.start()
    live.until(
        "select 1 from pg_stat_activity where application_name = 'patient reader' and state ~ 'idle in'"
    )
    with live.probed() as probes:
        started = time.monotonic()
        result = live.migrate()
        took = time.monotonic() - started
    ended.set()
    reader.join()
    assert result.skipped == []
    assert took > seconds - 1
    live.assert_complete()
    assert probes.failures == []
    assert probes.count > 10 * seconds
    assert probes.longest < 1


@pytest.mark.medium
def test_a_reader_that_never_ends_is_named_and_nothing_is_changed(live: Live) -> None:
    live = live.impatient()
    with live.reader("select 'a secret' as s, count(*) from agent_sessions") as pid, live.probed() as probes:
        before = live.catalog()
        started = time.monotonic()
        result = live.migrate()
        took = time.monotonic() - started
        differences = live.differences(before)
    assert took < 10
    assert (differences.added, differences.unexpected) == ((), ())
    assert probes.longest < 1
    first, *others = result.skipped
    assert first["object"] == COLUMNS[0]
    backend = "(user postgres, patient reader, idle in transaction, in a transaction for "
    assert f"server process {pid} {backend}" in first["reason"]
    assert "SELECT $1 AS s, count(*) FROM agent_sessions" in first["reason"]
    assert "secret" not in first["reason"]
    assert {skip["reason"] for skip in others} == {"not attempted, because a statement before it failed"}
    assert ("failed: " + first["reason"]) == dict(live.outcomes())[COLUMNS[0]]
    assert live.migrate().skipped == []
    live.assert_complete()


@pytest.mark.medium
def test_an_old_snapshot_elsewhere_is_waited_for_or_named_and_leaves_no_invalid_index(
    live: Live,
) -> None:
    live.rows("create table elsewhere as select 1 as n")
    impatient = live.impatient()
    with contextlib.closing(live.connect("elsewhere")) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("select * from elsewhere")
        result = impatient.migrate()
        assert {skip["object"] for skip in result.skipped} == set(INDEXES)
        assert all(f"server process {other.info.backend_pid}" in skip["reason"] for skip in result.skipped)
        assert live.rows("select 1 from pg_index where not indisvalid") == []
        assert {live.states()[name] for name in INDEXES} == {"missing"}

        patient = live.impatient(index_lock_timeout_seconds=20)
        shown: list[str] = []

        def release() -> None:
            until(lambda: any("waiting for old snapshots" in text for text in shown))
            other.rollback()

        releasing = threading.Thread(target=release)
        releasing.start()
        assert patient.migrate(shown.append).skipped == []
        releasing.join()
    live.assert_complete()


@pytest.mark.medium
@pytest.mark.parametrize(("processes", "workers"), [(None, "0"), (3, "2")])
def test_an_index_is_built_by_as_many_processes_as_are_allowed(
    live: Live, processes: int | None, workers: str
) -> None:
    live.rows("create table told (workers text)")
    live.rows(
        """
        create function tell() returns event_trigger language plpgsql as $$
        begin
            insert into public.told select current_setting('max_parallel_maintenance_workers');
        end $$
        """
    )
    live.rows(
        "create event trigger tell on ddl_command_start when tag in ('CREATE INDEX') execute function tell()"
    )
    variables = {} if processes is None else {"index_build_processes": processes}
    assert live.impatient(**variables).migrate().skipped == []
    assert live.rows("select distinct workers from told") == [(workers,)]


NOT_HASTY = {"migrate_lock_timeout_ms": 200, "migrate_budget_seconds": 2}


SLOWLY = "set vacuum_cost_delay = 100; set vacuum_cost_limit = 1"


@contextlib.contextmanager
def vacuumed(live: Live, until: str, name: str = "maintenance") -> Iterator[int]:
    """A VACUUM of the sessions that takes much longer than a migration; gives its pid."""
    for _ in range(8):  # pages to sleep after
        live.rows("update agent_sessions set last_activity = last_activity")
    with contextlib.closing(live.connect(name)) as worker:
        worker.autocommit = True
        worker.execute(SLOWLY)
        pid = worker.info.backend_pid

        def work() -> None:
            with contextlib.suppress(psycopg.Error):
                worker.execute("vacuum (disable_page_skipping) agent_sessions")

        thread = threading.Thread(target=work)
        thread.start()
        try:
            live.until(until, pid)
            yield pid
        finally:
            worker.cancel_safe()
            thread.join()


@pytest.mark.medium
def test_a_vacuum_that_holds_it_up_is_named(live: Live) -> None:
    with vacuumed(live, "select 1 from pg_stat_progress_vacuum where pid = %s") as pid:
        result = live.impatient(**NOT_HASTY).migrate()
    assert result.skipped[0]["object"] == COLUMNS[0]
    reason = result.skipped[0]["reason"]
    assert f"server process {pid} (user postgres, maintenance, running VACUUM, active" in reason
    assert "VACUUM (DISABLE_PAGE_SKIPPING) agent_sessions" in reason
    assert live.migrate().skipped == []


@pytest.mark.medium
def test_a_vacuum_that_is_blocked_itself_is_named_with_its_blocker(live: Live) -> None:
    waits = "select 1 from pg_locks where pid = %s and not granted"
    with (
        live.reader("lock table agent_sessions in share update exclusive mode") as holder,
        vacuumed(live, waits) as pid,
    ):
        reason = live.impatient(**NOT_HASTY).migrate().skipped[0]["reason"]
    assert f"server process {holder} (user postgres, patient reader" in reason
    assert f"server process {pid} (user postgres, maintenance" in reason
    assert f"which waits itself for server process {holder}" in reason


@pytest.mark.medium
def test_an_autovacuum_that_holds_it_up_is_named(live: Live) -> None:
    live.rows(
        "alter table agent_sessions set (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,"
        " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
    live.rows("alter system set autovacuum_naptime = '1s'")
    try:
        live.rows("select pg_reload_conf()")
        for _ in range(3):
            live.rows("update agent_sessions set last_activity = last_activity")
        live.until(
            "select 1 from pg_stat_progress_vacuum where relid = 'agent_sessions'::regclass", seconds=60
        )
        reason = live.impatient(**NOT_HASTY).migrate().skipped[0]["reason"]
        assert "(autovacuum worker, running VACUUM, active, in a transaction for " in reason
        assert "autovacuum: VACUUM" in reason
    finally:
        live.rows("alter system reset autovacuum_naptime")
        live.rows("select pg_reload_conf()")


def test_two_runs_at_once_one_works_and_the_other_leaves(live: Live) -> None:
    with (
        open_run(live.workspace, "migrate") as run,
        pytest.raises(LeaseHeld, match=f"server process {run.connection.info.backend_pid} "),
    ):
        live.migrate()
    victims = [Victim(live), Victim(live)]
    assert sorted(victim.wait() for victim in victims) in ([0, 0], [0, 1])  # 0, 0: one after the other
    live.assert_complete()
