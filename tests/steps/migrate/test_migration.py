"""Migrating a live database: what is added, what is proven, and as which role."""

from __future__ import annotations

import contextlib
import ctypes
import sys

import psycopg
import pytest

from rollcall.steps.migrate.table_contents import Contents, compare_contents
from rollcall.steps.verify import verify
from tests.support.declared import COLUMNS, INDEXES, TABLES, rules
from tests.support.live_migration import Live, Victim

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
    before, views = live.catalog(), [live.rows(rows.format(name)) for name in ("busy", "per_agent")]
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


@pytest.mark.medium
def test_the_proof_names_foreign_changes_meanwhile(live: Live) -> None:
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


@pytest.mark.medium
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
        assert proof.catalog == result.proof
        assert set(proof.executed) > {*COLUMNS, *INDEXES}
        assert proof.changed_since == ("comment public.agents.email added",)
        # nothing else wrote while it migrated
        assert [
            (t.table, t.rows_before, t.rows_after, t.written, t.is_same) for t in proof.catalog.tables
        ] == [(table, count, count, 0, True) for table, count in sorted(rows.items())]
    document = proven.to_json()["migration"]
    assert (document["holds"], document["identical"]) == (True, result.proof.identical)
    with pytest.raises(psycopg.errors.UniqueViolation):
        live.rows(
            "insert into rollcall_ops.catalogue_snapshots select * from rollcall_ops.catalogue_snapshots"
        )


@pytest.mark.medium
def test_verify_shows_foreign_changes_during_the_migration(live: Live) -> None:
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
    assert proof.catalog.unexpected == (
        "column public.agents.theirs added",
        "column public.call_sessions.duration_seconds changed",
        "index public.theirs added",
    )
    assert proof.changed_since == ()
    sessions, agents, calls = proof.catalog.tables
    assert sessions.table == "public.agent_sessions"
    assert (agents.is_same, agents.written, agents.rows_before == agents.rows_after) == (False, 1, True)
    assert (calls.is_same, calls.written) == (True, 0)
    assert (sessions.is_same, sessions.written, sessions.rows_after) == (
        False,
        0,
        (sessions.rows_before or 0) - 1,
    )
    assert all(table.holds for table in proof.catalog.tables)  # each difference is explained


def test_of_a_run_that_was_cut_off_verify_compares_with_what_is_now(live: Live) -> None:
    assert Victim(live, stops_at=2).wait() == -9
    ((run_id,),) = live.rows("select run_id from rollcall_ops.runs")
    proof = verify(live.workspace, run_id).migration
    assert proof is not None
    assert (proof.is_complete, proof.holds) == (False, True)
    assert set(proof.catalog.added) == {f"column {name}" for name in COLUMNS[:1]}
    live.rows("drop index agent_sessions_agent_id_idx")
    proof = verify(live.workspace, run_id).migration
    assert proof is not None
    assert proof.catalog.unexpected == ("index public.agent_sessions_agent_id_idx removed",)


def test_a_row_that_differs_without_a_write_breaks_the_proof() -> None:
    before = {"agents": Contents(rows=3, digest="1", written=None, as_of="7")}
    for rows, digest, written, holds in (
        (3, "2", 0, False),
        (3, "2", 1, True),
        (2, "2", 0, True),
        (3, "1", 0, True),
    ):
        (table,) = compare_contents(before, {"agents": Contents(rows, digest, written, "8")})
        assert table.holds is holds


@pytest.mark.medium
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


@pytest.mark.medium
def test_a_second_run_takes_no_strong_lock_and_does_not_wait(live: Live) -> None:
    live.migrate()
    with live.reader(), live.probed() as probes:
        result = live.migrate()  # while the reader stays: a statement that waits for it would be skipped
    assert (result.executed, result.skipped) == ([], [])
    assert probes.locks == set()


@pytest.mark.medium
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


# --- roles ----------------------------------------------------------------------------------------


def test_a_role_that_does_not_own_the_table_is_told_what_to_do(live: Live) -> None:
    (name,) = live.rows("select current_database()")[0]
    live.rows("create role visitor login")
    try:
        live.rows("grant select on agents, agent_sessions, call_sessions to visitor")
        live.rows(f"grant create on database {name} to visitor")
        before = live.catalog()
        visitor = live.with_settings(url=live.url.replace("postgres@", "visitor@"))
        result = visitor.migrate()
        assert result.skipped[0]["object"] == COLUMNS[0]
        assert "must be owner of table agent_sessions" in result.skipped[0]["reason"]
        assert "ROLLCALL_MIGRATE_ROLE" in result.skipped[0]["reason"]
        assert live.differences(before).added == ()
    finally:
        live.rows("drop owned by visitor")
        live.rows("drop role visitor")


@pytest.mark.medium
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


def unused_keys() -> int:
    """How many thread-specific keys of the system this process could still make."""
    library, key = ctypes.CDLL(None), ctypes.c_uint()
    made = []
    while library.pthread_key_create(ctypes.byref(key), None) == 0:
        made.append(key.value)
    for value in made:
        library.pthread_key_delete(value)
    return len(made)


@pytest.mark.medium
@pytest.mark.skipif(sys.platform != "linux", reason="the keys are counted with glibc")
def test_the_statements_of_a_migration_keep_no_key_of_the_system_each(live: Live) -> None:
    """The library of the grammar keeps one for each thread that parses; a process without any is aborted."""
    unused = unused_keys()
    assert len(live.migrate().executed) > 20
    assert unused - unused_keys() < 10
