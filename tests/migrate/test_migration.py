"""Migrating a live database that nobody may notice: real connections beside it, real kills."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.assess.assessment import assess
from rollcall.demo import Variant
from rollcall.errors import LeaseHeld, Refused
from rollcall.ledger.runs import Run, open_run
from rollcall.migrate.migration import migrate
from rollcall.migrate.table_contents import Contents, compare_contents
from rollcall.rules.results import Check, Verdict
from rollcall.schema.declared import Statement, pending_statements
from rollcall.servers.postgres import PostgresServer
from rollcall.verify import verify
from tests.support.live_migration import Live, Original, Victim
from tests.support.waiting import until

DECLARED = ("device_connected", "last_heartbeat", "max_concurrent_calls")
COLUMNS = [f"public.agent_sessions.{name}" for name in DECLARED]
INDEXES = [
    f"public.rollcall_{name}"
    for name in ("calls_of_agent", "open_sessions", "unfinished_calls", "closed_sessions")
]
TABLES = ("agents", "agent_sessions", "call_sessions")
OPEN = "on agent_sessions (agent_id, login_at, id) where logout_at is null"
OPEN_INDEX = f"create index {{}} rollcall_open_sessions {OPEN}"
MOVED_AT = "greatest(started_at, connected_at, ended_at)"


def rules(live: Live) -> dict[str, tuple[int, tuple[str, ...]]]:
    """The violated rules of the schema: the count and the keys."""
    assessment = assess(live.workspace)
    return {
        r.name: (r.violations, r.sample_keys)
        for r in assessment.rules
        if r.suite == "schema" and not r.passed
    }


# --- what it does ---------------------------------------------------------------------------------


def test_only_what_is_declared_is_added_and_all_else_is_as_before(live: Live) -> None:
    live.rows("create function noop() returns trigger language plpgsql as 'begin return new; end'")
    live.rows("create trigger touched before update on agent_sessions for each row execute function noop()")
    live.rows("comment on column agent_sessions.status is 'theirs'")
    live.rows("create view busy as select * from agent_sessions where status = 'on_call'")
    live.rows(
        "create materialized view per_agent as select agent_id, count(*) from agent_sessions group by 1"
    )
    rows = "select md5(string_agg(t::text, '' order by t::text)) from {} as t"
    before, views = live.catalogue(), [live.rows(rows.format(name)) for name in ("busy", "per_agent")]
    images = live.images()

    result = live.migrate()

    assert result.skipped == []
    live.assert_complete()
    proof = live.differences(before)
    assert proof.holds
    assert set(proof.added) == {
        *(f"column {name}" for name in COLUMNS),
        *(f"comment {name}" for name in COLUMNS),
        *(f"index {name}" for name in INDEXES),
    }
    assert result.proof is not None
    assert (result.proof.added, result.proof.unexpected) == (proof.added, ())
    assert result.proof.identical == proof.identical
    assert [live.rows(rows.format(name)) for name in ("busy", "per_agent")] == views
    live.rows("refresh materialized view per_agent")
    added = {"last_heartbeat": None, "device_connected": False, "max_concurrent_calls": 1}
    assert live.images() == {key: {**image, **added} for key, image in images.items()}
    assert {outcome for _, outcome in live.outcomes()} == {"done"}


def test_the_proof_names_what_somebody_else_changed_meanwhile(live: Live) -> None:
    def progress(text: str) -> None:
        if text == COLUMNS[0]:
            live.rows("alter table agents add column theirs int")
            live.rows("alter table call_sessions alter column duration_seconds set default 0")

    result = live.migrate(progress)
    assert result.proof is not None
    assert not result.proof.holds
    assert result.proof.unexpected == (
        "column public.agents.theirs added",
        "column public.call_sessions.duration_seconds changed",
    )


def test_verify_shows_the_proof_that_is_kept_with_the_run(live: Live) -> None:
    rows = {f"public.{name}": live.rows(f"select count(*) from {name}")[0][0] for name in TABLES}
    result = live.migrate()
    assert result.proof is not None
    live.rows("update agents set first_name = first_name || '!'")
    live.rows("comment on column agents.email is 'theirs'")

    for proven in (verify(live.workspace, result.run_id), verify(live.workspace)):
        proof = proven.migration
        assert proof is not None
        assert (proof.run_id, proof.is_complete, proof.holds) == (result.run_id, True, True)
        assert proof.catalogue == result.proof
        assert set(proof.executed) > {*COLUMNS, *INDEXES}
        assert proof.changed_since == ("comment public.agents.email added",)
        # nobody else wrote while it migrated
        assert [
            (t.table, t.rows_before, t.rows_after, t.written, t.is_same) for t in proof.catalogue.tables
        ] == [(table, count, count, 0, True) for table, count in sorted(rows.items())]
    document = proven.to_json()["migration"]
    assert (document["holds"], document["identical"]) == (True, result.proof.identical)
    with pytest.raises(psycopg.errors.UniqueViolation):
        live.rows(
            "insert into rollcall_ops.catalogue_snapshots select * from rollcall_ops.catalogue_snapshots"
        )


def test_verify_shows_what_somebody_else_changed_while_it_migrated(live: Live) -> None:
    def progress(text: str) -> None:
        if text == COLUMNS[0]:
            live.rows("alter table agents add column theirs int")
            live.rows("alter table call_sessions alter column duration_seconds set default 0")
            live.rows("create index theirs on call_sessions (user_id)")
            live.rows("update agents set first_name = 'Somebody' where id = (select min(id) from agents)")
            live.rows(
                "delete from agent_sessions where id = (select min(id::text)::uuid from agent_sessions)"
            )

    result = live.migrate(progress)

    verification = verify(live.workspace, result.run_id)
    proof = verification.migration
    assert proof is not None
    assert not proof.holds
    assert not verification.holds
    assert proof.catalogue.unexpected == (
        "column public.agents.theirs added",
        "column public.call_sessions.duration_seconds changed",
        "index public.theirs added",
    )
    assert proof.changed_since == ()
    sessions, agents, calls = proof.catalogue.tables
    assert sessions.table == "public.agent_sessions"
    assert (agents.is_same, agents.written, agents.rows_before == agents.rows_after) == (False, 1, True)
    assert (calls.is_same, calls.written) == (True, 0)
    assert (sessions.is_same, sessions.written, sessions.rows_after) == (
        False,
        0,
        (sessions.rows_before or 0) - 1,
    )
    assert all(table.holds for table in proof.catalogue.tables)  # each difference is explained


def test_of_a_run_that_was_cut_off_verify_compares_with_what_is_now(live: Live) -> None:
    assert Victim(live, stops_at=2).wait() == -9
    ((run_id,),) = live.rows("select run_id from rollcall_ops.runs")
    proof = verify(live.workspace, run_id).migration
    assert proof is not None
    assert (proof.is_complete, proof.holds) == (False, True)
    assert set(proof.catalogue.added) == {f"column {name}" for name in COLUMNS[:1]}
    live.rows("drop index agent_sessions_agent_id_idx")
    proof = verify(live.workspace, run_id).migration
    assert proof is not None
    assert proof.catalogue.unexpected == ("index public.agent_sessions_agent_id_idx removed",)


def test_a_row_that_differs_though_nobody_wrote_it_breaks_the_proof() -> None:
    before = {"agents": Contents(rows=3, digest="1", written=None, as_of="7")}
    for rows, digest, written, holds in (
        (3, "2", 0, False),
        (3, "2", 1, True),
        (2, "2", 0, True),
        (3, "1", 0, True),
    ):
        (table,) = compare_contents(before, {"agents": Contents(rows, digest, written, "8")})
        assert table.holds is holds


def test_a_large_table_is_counted_or_left_and_never_digested(live: Live) -> None:
    live.rows("analyze")
    live = live.with_settings(
        variables={**live.variables, "proof_count_max_rows": 900, "proof_digest_max_rows": 100}
    )
    result = live.migrate()
    assert result.proof is not None
    tables = {table.table.removeprefix("public."): table for table in result.proof.tables}
    assert tables["agents"].is_same is None
    assert tables["agents"].rows_before == live.rows("select count(*) from agents")[0][0]
    assert tables["agent_sessions"].rows_before is None
    assert result.proof.holds


def test_a_second_run_takes_no_strong_lock_and_waits_for_nobody(live: Live) -> None:
    live.migrate()
    with live.reader(), live.probed() as probes:
        started = time.monotonic()
        result = live.migrate()
        assert time.monotonic() - started < 5
    assert result.executed == []
    assert probes.locks == set()


def test_a_prepared_select_star_fails_until_it_is_prepared_again_and_the_plan_says_so(live: Live) -> None:
    warnings = {statement.warning for statement in live.plan().statements if statement.kind == "column"}
    assert len(warnings) == 1
    assert "prepared `select *` on public.agent_sessions" in str(warnings)
    with contextlib.closing(live.connect()) as client:
        client.autocommit = True
        client.execute("prepare everything as select * from agent_sessions limit 1")
        client.execute("execute everything")
        live.migrate()
        for _ in range(2):
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="must not change result type"):
                client.execute("execute everything")
        client.execute("deallocate everything")
        client.execute("prepare everything as select * from agent_sessions limit 1")
        client.execute("execute everything")


# --- beside a live application --------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_while_a_reader_stays_nobody_else_waits_and_then_it_goes_on(live: Live, seconds: int) -> None:
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


def test_a_reader_that_never_ends_is_named_and_nothing_is_changed(live: Live) -> None:
    live = live.impatient()
    with live.reader("select 'a secret' as s, count(*) from agent_sessions") as pid, live.probed() as probes:
        before = live.catalogue()
        started = time.monotonic()
        result = live.migrate()
        took = time.monotonic() - started
        differences = live.differences(before)
    assert took < 10
    assert (differences.added, differences.unexpected) == ((), ())
    assert probes.longest < 1
    first, *others = result.skipped
    assert first["object"] == COLUMNS[0]
    who = "(user postgres, patient reader, idle in transaction, in a transaction for "
    assert f"server process {pid} {who}" in first["reason"]
    assert "SELECT $1 AS s, count(*) FROM agent_sessions" in first["reason"]
    assert "secret" not in first["reason"]
    assert {skip["reason"] for skip in others} == {"not attempted, because a statement before it failed"}
    assert ("failed: " + first["reason"]) == dict(live.outcomes())[COLUMNS[0]]
    assert live.migrate().skipped == []
    live.assert_complete()


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


def test_a_vacuum_that_holds_it_up_is_named(live: Live) -> None:
    with vacuumed(live, "select 1 from pg_stat_progress_vacuum where pid = %s") as pid:
        result = live.impatient(**NOT_HASTY).migrate()
    assert result.skipped[0]["object"] == COLUMNS[0]
    reason = result.skipped[0]["reason"]
    assert f"server process {pid} (user postgres, maintenance, running VACUUM, active" in reason
    assert "VACUUM (DISABLE_PAGE_SKIPPING) agent_sessions" in reason
    assert live.migrate().skipped == []


def test_a_vacuum_that_waits_itself_is_named_with_whom_it_waits_for(live: Live) -> None:
    waits = "select 1 from pg_locks where pid = %s and not granted"
    with (
        live.reader("lock table agent_sessions in share update exclusive mode") as holder,
        vacuumed(live, waits) as pid,
    ):
        reason = live.impatient(**NOT_HASTY).migrate().skipped[0]["reason"]
    assert f"server process {holder} (user postgres, patient reader" in reason
    assert f"server process {pid} (user postgres, maintenance" in reason
    assert f"which waits itself for server process {holder}" in reason


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


# --- killed ---------------------------------------------------------------------------------------


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


def test_the_connection_that_holds_the_lease_is_terminated(live: Live) -> None:
    with live.reader():
        victim = Victim(live)
        live.until("select 1 from pg_stat_activity where query ~ '^alter table' and state = 'active'")
        live.rows("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted")
        assert victim.wait() == 1
    assert live.migrate().skipped == []
    live.assert_complete()


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


# --- what it finds --------------------------------------------------------------------------------


def test_half_applied_only_the_rest_is_missing(live: Live) -> None:
    live.rows("alter table agent_sessions add column last_heartbeat timestamp")
    live.rows("alter table agent_sessions add column max_concurrent_calls int default 1")
    live.rows("comment on column agent_sessions.last_heartbeat is 'by their ORM'")
    live.rows(OPEN_INDEX.format(""))
    present = {name for name, state in live.states().items() if state == "present"}
    assert present == {COLUMNS[1], COLUMNS[2], f"{COLUMNS[1]} (comment)", INDEXES[1]}
    live.migrate()
    live.assert_complete()
    comment = """
        select col_description(attrelid, attnum) from pg_attribute
        where attrelid = 'agent_sessions'::regclass and attname = 'last_heartbeat'
    """
    assert ("by their ORM",) in live.rows(comment)


@pytest.mark.parametrize(
    "definition",
    [
        "create index rollcall_unfinished_calls on call_sessions (agent_id) where (ended_at is null) or"
        " (status = any ('{initiated,connecting,ringing,connected,queued}'::text[]))",
        "create index rollcall_calls_of_agent on call_sessions using btree (agent_id asc,"
        f" (({MOVED_AT}) at time zone ('UTC'::varchar)::text) nulls last)",
        "create index rollcall_closed_sessions on agent_sessions"
        " ((logout_at at time zone ('UTC'::varchar)::text) asc) where not logout_at is null",
    ],
)
def test_an_index_that_is_the_same_in_other_words_is_present(live: Live, definition: str) -> None:
    live.rows(definition)
    assert live.states()[f"public.{definition.split()[2]}"] == "present"


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("device_connected text default 'false'", COLUMNS[0]),
        ("device_connected boolean", COLUMNS[0]),
        ("device_connected boolean default true", COLUMNS[0]),
        ("device_connected boolean not null default false", COLUMNS[0]),
        ("last_heartbeat timestamptz", COLUMNS[1]),
        ("last_heartbeat timestamp default now()", COLUMNS[1]),
        ("max_concurrent_calls bigint default 1", COLUMNS[2]),
        ("max_concurrent_calls int generated by default as identity", COLUMNS[2]),
        ("max_concurrent_calls int generated always as (1) stored", COLUMNS[2]),
    ],
)
def test_a_column_that_differs_is_a_conflict(live: Live, column: str, name: str) -> None:
    live.rows(f"alter table agent_sessions add column {column}")
    assert_refused_for(live, name)


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        ("on agent_sessions (agent_id, id) where logout_at is null", INDEXES[1]),
        ("on agent_sessions (login_at, agent_id, id) where logout_at is null", INDEXES[1]),
        ("on agent_sessions (agent_id, login_at desc, id) where logout_at is null", INDEXES[1]),
        ("on agent_sessions (agent_id, login_at, id)", INDEXES[1]),
        ("on agent_sessions (agent_id, login_at, id) where logout_at is not null", INDEXES[1]),
        ("on agent_sessions (agent_id, login_at) include (id) where logout_at is null", INDEXES[1]),
        ("on agents (id)", INDEXES[1]),
        ("on agent_sessions (logout_at) where logout_at is not null", INDEXES[3]),
        ("on agent_sessions ((logout_at at time zone 'UTC'))", INDEXES[3]),
        ("on call_sessions using hash (agent_id)", INDEXES[0]),
        (f"on call_sessions (agent_id, ({MOVED_AT} at time zone 'Asia/Kolkata'))", INDEXES[0]),
        ("on call_sessions (agent_id) where ended_at is null or status in ('ringing')", INDEXES[2]),
    ],
)
def test_an_index_that_differs_is_a_conflict(live: Live, definition: str, name: str) -> None:
    live.rows(f"create index {name.removeprefix('public.')} {definition}")
    assert_refused_for(live, name)


def test_an_index_that_is_unique_or_is_none_at_all_is_a_conflict(live: Live) -> None:
    live.rows(OPEN_INDEX.format("").replace("create index", "create unique index"))
    live.rows("create table rollcall_unfinished_calls ()")
    assert live.states()[INDEXES[1]] == "conflicting"
    assert_refused_for(live, INDEXES[2])


def assert_refused_for(live: Live, name: str) -> None:
    before = live.catalogue()
    assert live.states()[name] == "conflicting"
    with pytest.raises(Refused, match=f"{name}: it exists and differs from its declaration"):
        live.migrate()
    assert live.differences(before).added == ()
    assert live.differences(before).holds


def test_a_conflict_is_found_by_assess(live: Live) -> None:
    live.rows("alter table agent_sessions add column device_connected text")
    live.rows("create index rollcall_open_sessions on agent_sessions (agent_id)")
    found = rules(live)
    assert found["conflicting_column"] == (1, (COLUMNS[0],))
    assert found["conflicting_index"] == (1, (INDEXES[1],))
    assert assess(live.workspace).verdict is Verdict.NOT_READY


def test_an_invalid_index_that_is_not_ours_is_reported_and_left(live: Live) -> None:
    live.migrate()
    live.rows("drop index rollcall_open_sessions")
    live.rows("delete from rollcall_ops.statements")
    live.rows(OPEN_INDEX.format(""))
    live.rows("update pg_index set indisvalid = false where indexrelid = 'rollcall_open_sessions'::regclass")
    assert rules(live)["conflicting_index"] == (1, (INDEXES[1],))
    before = live.catalogue()
    with pytest.raises(Refused, match=INDEXES[1]):
        live.migrate()
    assert live.differences(before).holds


FOREIGN = {
    "create table rollcall.routable_agents (id int)": "and is no view",
    "create materialized view rollcall.routable_agents as select 1 as one": "and is no view",
    "create sequence rollcall.routable_agents": "and is no view",
    "create view rollcall.routable_agents as select id from public.agents": "that Rollcall did not make",
}


@pytest.mark.parametrize("ddl", FOREIGN)
def test_what_is_in_the_place_of_a_view_of_ours_is_reported_and_left(live: Live, ddl: str) -> None:
    live.rows("create schema rollcall")
    live.rows(ddl)
    before = live.rows("select oid, relkind, relnatts from pg_class where relname = 'routable_agents'")
    assessment = assess(live.workspace)
    assert assessment.verdict is Verdict.NOT_READY
    assert rules(live)["conflicting_own_object"] == (1, ("rollcall.routable_agents",))
    with pytest.raises(Refused, match=f"rollcall.routable_agents: .*{FOREIGN[ddl]}"):
        live.migrate()
    assert (
        live.rows("select oid, relkind, relnatts from pg_class where relname = 'routable_agents'") == before
    )
    assert live.states()[COLUMNS[0]] == "missing"  # nothing else was made either


def test_a_view_of_ours_that_has_the_very_columns_but_is_somebody_elses_is_left(live: Live) -> None:
    live.migrate()
    live.rows("comment on view rollcall.routable_agents is 'ours now'")
    assert rules(live)["conflicting_own_object"] == (1, ("rollcall.routable_agents",))
    with pytest.raises(Refused, match="that Rollcall did not make"):
        live.migrate()
    comment = "select obj_description('rollcall.routable_agents'::regclass)"
    assert live.rows(comment) == [("ours now",)]


def test_a_view_of_ours_that_would_lose_a_column_is_reported_and_left(live: Live) -> None:
    live.migrate()
    view = "rollcall.routable_agents"
    (definition,) = live.rows(f"select pg_get_viewdef('{view}'::regclass)")[0]
    wider = f"select v.*, 1 as theirs from ({definition.strip().rstrip(';')}) as v".replace("%", "%%")
    live.rows(f"create or replace view {view} as {wider}")
    live.rows(f"comment on view {view} is 'of another version [definition 0]'")
    assert rules(live)["conflicting_own_object"] == (1, (view,))
    with pytest.raises(Refused, match=f"{view}: its column theirs would go .*rollcall detach"):
        live.migrate()
    assert live.rows(f"select count(theirs) >= 0 from {view}") == [(True,)]


# --- what must stop a run ---------------------------------------------------------------------------


STOPS = {
    "missing_replica_identity": (
        ["create publication everybody for table agent_sessions"],
        "alter table agent_sessions replica identity nothing",
        "alter table agent_sessions replica identity default",
        "public.agent_sessions is published by everybody without a replica identity",
    ),
    "session_update_rule": (
        [],
        "create rule quiet as on update to agent_sessions where new.status = 'x' do instead nothing",
        "drop rule quiet on agent_sessions",
        "quiet on public.agent_sessions, on update",
    ),
    "child_table": (
        ["create table elder (like agent_sessions)"],
        "alter table elder inherit agent_sessions",
        "alter table elder no inherit agent_sessions",
        "public.elder inherits from public.agent_sessions",
    ),
    "agents_key_not_unique": (
        [],
        "alter table agents drop constraint agents_pkey cascade, add primary key (id, email)",
        "create unique index on agents (id)",
        "public.agents.id has no unique index of its own",
    ),
    "sessions_key_not_unique": (
        [],
        "alter table agent_sessions drop constraint agent_sessions_pkey, add primary key (id, agent_id)",
        "create unique index on agent_sessions (id)",
        "public.agent_sessions.id has no unique index of its own",
    ),
    "calls_key_not_unique": (
        [],
        "alter table call_sessions drop constraint call_sessions_pkey, add primary key (id, direction)",
        "create unique index on call_sessions (id)",
        "public.call_sessions.id has no unique index of its own",
    ),
}


@pytest.mark.parametrize("name", STOPS)
def test_what_refuses_every_repair_is_a_rule_that_stops_a_run(live: Live, name: str) -> None:
    before, made, mended, key = STOPS[name]
    for statement in before:
        live.rows(statement)
    assert name not in rules(live)
    live.rows(made)
    assert rules(live)[name] == (1, (key,))
    assessment = assess(live.workspace)
    assert assessment.verdict is Verdict.NOT_READY
    assert assessment.checks[Check.DATA_TRUSTWORTHY] == "FAIL"
    live.rows(mended)
    assert name not in rules(live)


def test_a_status_that_the_enum_lacks_stops_a_run(server: PostgresServer, tmp_path: Path) -> None:
    original = Original(server, tmp_path, {"break_status": "away"}, Variant(status="enum"))
    try:
        with original.live() as live:
            key = "the enum of public.agent_sessions.status has no label away"
            assert rules(live)["status_not_in_enum"] == (1, (key,))
            assert assess(live.workspace).verdict is Verdict.NOT_READY
    finally:
        original.drop()


def test_a_table_of_the_same_name_elsewhere_does_not_confuse(live: Live) -> None:
    live.rows("create schema aaa")
    live.rows("create table aaa.agent_sessions (id uuid, last_heartbeat text, device_connected int)")
    live.rows("create index rollcall_open_sessions on aaa.agent_sessions (id)")
    live.rows(f"alter database {live.rows('select current_database()')[0][0]} set search_path = aaa, public")
    assert set(live.states().values()) == {"missing"}
    live.migrate()
    live.assert_complete()
    columns = (
        "select count(*) from pg_attribute where attrelid = 'aaa.agent_sessions'::regclass and attnum > 0"
    )
    assert live.rows(columns) == [(3,)]


def test_nothing_is_sent_that_is_not_additive(live: Live) -> None:
    hostile = Statement("column", COLUMNS[0], "drop table agent_sessions", "because", "none")
    with open_run(live.workspace, "migrate") as run, pytest.raises(Refused, match="nothing was sent"):
        migrate(live.workspace, run, [hostile])
    assert live.rows("select count(*) > 0 from agent_sessions") == [(True,)]


# --- roles ----------------------------------------------------------------------------------------


def test_a_role_that_does_not_own_the_table_is_told_what_to_do(live: Live) -> None:
    (name,) = live.rows("select current_database()")[0]
    live.rows("create role visitor login")
    try:
        live.rows("grant select on agents, agent_sessions, call_sessions to visitor")
        live.rows(f"grant create on database {name} to visitor")
        before = live.catalogue()
        visitor = live.with_settings(url=live.url.replace("postgres@", "visitor@"))
        result = visitor.migrate()
        assert result.skipped[0]["object"] == COLUMNS[0]
        assert "must be owner of table agent_sessions" in result.skipped[0]["reason"]
        assert "ROLLCALL_MIGRATE_ROLE" in result.skipped[0]["reason"]
        assert live.differences(before).added == ()
    finally:
        live.rows("drop owned by visitor")
        live.rows("drop role visitor")


def test_row_level_security_hides_no_difference_of_the_schema(live: Live) -> None:
    live.migrate()
    live.rows("create role bound login")
    try:
        live.rows("grant select on agents, agent_sessions, call_sessions to bound")
        live.rows("alter table agent_sessions enable row level security")
        bound = live.with_settings(url=live.url.replace("postgres@", "bound@"))
        found = rules(bound)
        assert found["hidden_rows"] == (1, ("agent_sessions",))
        assert "conflicting_index" not in found
        assert set(bound.states().values()) == {"present"}
        live.rows("drop index rollcall_open_sessions")
        live.rows("create index rollcall_open_sessions on agent_sessions (agent_id)")
        assert rules(bound)["conflicting_index"] == (1, (INDEXES[1],))
    finally:
        live.rows("drop owned by bound")
        live.rows("drop role bound")
