"""The history is read as far as it changed, and its counts are those of the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollcall.ledger.readings import NO_EARLIER_READING, ON_REQUEST, begin_reading
from rollcall.ledger.runs import open_run
from rollcall.report.words import (
    history_sentence,
)
from rollcall.rules.results import Assessment, HistoryReading
from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.assessment import assess
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre, share_compilations, workspace_of
from tests.support.postgres import fresh_database
from tests.support.waiting import until

SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
OVERLAP = timedelta(hours=48)


@pytest.fixture(scope="module")
def shared(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    with fresh_database(server) as url:
        centre = call_centre(url, tmp_path_factory.mktemp("state"), scale=SCALE)
        centre.run()
        yield centre


@pytest.fixture
def centre(shared: CallCentre) -> CallCentre:
    """A migrated call centre whose history was never read for the record; what a test breaks it leaves."""
    shared.rows("truncate rollcall_ops.history_passes, rollcall_ops.history_failures")
    return shared


def read(centre: CallCentre, **other: Any) -> Assessment:
    """Read the history for the record, as a run does."""
    with open_run(centre.workspace, "test") as run:
        assessment = assess(centre.workspace, history=True, **other)
        run.note_rules("before", assessment)
    return assessment


def counts(assessment: Assessment) -> dict[str, int]:
    return {rule.name: rule.violations for rule in assessment.rules if rule.suite == "history"}


def reading(assessment: Assessment) -> HistoryReading:
    assert assessment.history is not None
    return assessment.history


def add_session(centre: CallCentre, closed: timedelta, status: str = "offline") -> str:
    """A session that was closed this long ago, sound but for its status; its key."""
    ((key,),) = centre.rows(
        """
        insert into agent_sessions (id, agent_id, status, login_at, last_activity, logout_at)
        select gen_random_uuid(), a.id, %s, t.closed_at - interval '1 hour', t.closed_at, t.closed_at
        from (select min(id) as id from agents) as a
        cross join (select now() at time zone 'UTC' - %s as closed_at) as t
        returning id::text
        """,
        status,
        closed,
    )
    return str(key)


def add_reversed_call(
    centre: CallCentre, started: timedelta, agent: str = "(select min(id) from agents)"
) -> str:
    ((key,),) = centre.rows(
        f"""
        insert into call_sessions (id, agent_id, status, direction, started_at, ended_at)
        select gen_random_uuid(), {agent}, 'failed', 'outbound', t.started_at,
            t.started_at - interval '1 minute'
        from (select now() at time zone 'UTC' - %s as started_at) as t
        returning id::text
        """,
        started,
    )
    return str(key)


def add_extreme_times(centre: CallCentre) -> None:
    """A closed session and a call, ended days ago, whose beginning cannot be calculated with."""
    session = add_session(centre, timedelta(days=3))
    centre.rows("update agent_sessions set login_at = '-infinity' where id = %s", session)
    call = add_reversed_call(centre, timedelta(days=3))
    centre.rows("update call_sessions set started_at = '-infinity' where id = %s", call)


# --- what is counted --------------------------------------------------------------------------


@pytest.mark.medium
def test_the_first_reading_is_a_full_one_and_the_next_one_counts_the_same(centre: CallCentre) -> None:
    add_extreme_times(centre)
    first = read(centre)
    assert reading(first).why_full == "no reading is recorded yet"
    assert min(counts(first).values()) > 0

    second = assess(centre.workspace, history=True)
    assert counts(second) == counts(first)
    assert reading(second).since == first.snapshot_at - OVERLAP
    assert reading(second).full_at == first.snapshot_at
    assert reading(second).known == sum(counts(first).values())
    assert {rule.suite for rule in first.rules} - {rule.suite for rule in second.rules} == {
        "cleaned_sessions"
    }

    on_request = assess(centre.workspace, full_history=True)
    assert counts(on_request) == counts(first)
    assert reading(on_request).why_full == ON_REQUEST


@pytest.mark.medium
def test_a_reading_of_a_clock_that_was_ahead_is_not_believed(centre: CallCentre) -> None:
    """By its instant, everything that changed since would count as read."""
    read(centre)
    centre.rows("update rollcall_ops.history_passes set read_at = read_at + interval '9 days'")
    broken = add_session(centre, timedelta(days=3), "on_call")
    found = assess(centre.workspace, history=True)
    assert reading(found).why_full == "the last reading was recorded by a clock that was ahead"
    assert reading(found).full_at is None
    assert broken in {key for rule in found.rules if rule.name == "closed_but_working" for key in rule.keys}


def test_what_was_closed_or_moved_since_is_found(centre: CallCentre) -> None:
    before = counts(read(centre))
    new = {
        add_session(centre, timedelta(minutes=5), "available"),
        add_session(centre, OVERLAP - timedelta(hours=1), "on_call"),
    }
    calls = {
        add_reversed_call(centre, timedelta(hours=3)),
        add_reversed_call(centre, timedelta(hours=3), agent="null"),
        add_reversed_call(centre, OVERLAP - timedelta(hours=1), agent="(select max(id) from agents)"),
    }
    found = assess(centre.workspace, history=True)
    assert not reading(found).is_full
    assert counts(found)["closed_but_working"] == before["closed_but_working"] + len(new)
    assert counts(found)["reversed_call_times"] == before["reversed_call_times"] + len(calls)
    keys = {rule.name: set(rule.keys) for rule in found.rules}
    assert new <= keys["closed_but_working"]
    assert calls <= keys["reversed_call_times"]
    assert counts(found) == counts(assess(centre.workspace, full_history=True))


@pytest.mark.medium
def test_what_changed_long_after_it_was_closed_is_found_by_a_full_reading_and_then_known(
    centre: CallCentre,
) -> None:
    key = add_session(centre, timedelta(days=5))
    before = counts(read(centre))
    centre.rows("update agent_sessions set status = 'available' where id::text = %s", key)
    changed = assess(centre.workspace, history=True)
    assert counts(changed) == before, "not read; that is what the sentence says"
    assert f"since {reading(changed).since:%Y-%m-%d %H:%M:%S} UTC" in history_sentence(reading(changed))

    full = read(centre, full_history=True)
    assert counts(full)["closed_but_working"] == before["closed_but_working"] + 1
    assert counts(assess(centre.workspace, history=True)) == counts(full)


@pytest.mark.medium
def test_what_is_known_is_judged_again_however_old_it_is(centre: CallCentre) -> None:
    mended, purged = (add_session(centre, timedelta(days=5), "available") for _ in range(2))
    gone = add_reversed_call(centre, timedelta(days=5))
    before = counts(read(centre))
    centre.rows("update agent_sessions set status = 'offline' where id::text = %s", mended)
    centre.rows("delete from agent_sessions where id::text = %s", purged)
    centre.rows("delete from call_sessions where id::text = %s", gone)
    after = read(centre)
    assert not reading(after).is_full
    assert counts(after)["closed_but_working"] == before["closed_but_working"] - 2
    assert counts(after)["reversed_call_times"] == before["reversed_call_times"] - 1
    assert counts(after) == counts(assess(centre.workspace, full_history=True))
    resolved = centre.rows("select key from rollcall_ops.history_failures where resolved_by is not null")
    assert {key for (key,) in resolved} == {mended, purged, gone}
    # and what fails again is known again
    centre.rows("update agent_sessions set status = 'available' where id::text = %s", mended)
    read(centre, full_history=True)
    again = assess(centre.workspace, history=True)
    assert mended in next(rule.keys for rule in again.rules if rule.name == "closed_but_working")


@pytest.mark.medium
def test_readings_are_added_and_never_changed(centre: CallCentre) -> None:
    read(centre)
    first = centre.rows("select * from rollcall_ops.history_passes")
    read(centre)
    assert centre.rows("select * from rollcall_ops.history_passes order by recorded_at limit 1") == first


# --- what is read -----------------------------------------------------------------------------


def tuples_read(centre: CallCentre, *, full: bool) -> dict[str, tuple[int, int]]:
    """By table how often it was read whole, and how many rows the count of the history read of it."""
    project = centre.workspace.project
    with centre.workspace.database.snapshot() as snapshot:
        begin_reading(snapshot, project, full=full)
        query = (
            "select relname, seq_scan, seq_tup_read + coalesce(idx_tup_fetch, 0) as tuples"
            " from pg_stat_xact_user_tables where relname in ('agent_sessions', 'call_sessions')"
        )
        before = {row["relname"]: row for row in snapshot.rows(query)}
        snapshot.row(project.sql("history_counts"))
        after = {row["relname"]: row for row in snapshot.rows(query)}
        return {
            name: (row["seq_scan"] - before[name]["seq_scan"], row["tuples"] - before[name]["tuples"])
            for name, row in after.items()
        }


@pytest.mark.medium
def test_the_rest_of_the_tables_is_not_read(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, scale=SCALE)
    centre.run()
    centre.rows(
        """
        insert into agent_sessions (id, agent_id, status, login_at, last_activity, logout_at)
        select gen_random_uuid(), 1 + n %% 50, 'offline', t.day, t.day, t.day + interval '1 hour'
        from generate_series(1, 20000) as n
        cross join lateral (select now() at time zone 'UTC' - n * interval '5 minutes' as day) as t
        where %s
        """,
        True,
    )
    centre.rows(
        """
        insert into call_sessions (id, agent_id, status, direction, started_at, ended_at)
        select gen_random_uuid(), 1 + n %% 50, 'completed', 'outbound', t.day, t.day + interval '1 minute'
        from generate_series(1, 40000) as n
        cross join lateral (select now() at time zone 'UTC' - n * interval '150 seconds' as day) as t
        where %s
        """,
        True,
    )
    centre.rows("vacuum analyze agent_sessions")
    centre.rows("vacuum analyze call_sessions")
    first = read(centre)
    sessions, calls = (
        centre.rows(f"select count(*) from {table} where {moved} >= %s", reading_since(first))[0][0]
        for table, moved in (
            ("agent_sessions", "logout_at"),
            ("call_sessions", "greatest(started_at, ended_at)"),
        )
    )
    known = sum(counts(first).values())
    changed, full = tuples_read(centre, full=False), tuples_read(centre, full=True)
    # a row or two per agent to find the next agent's calls
    assert changed["agent_sessions"][0] == changed["call_sessions"][0] == 0, "a table was read whole"
    assert sessions <= changed["agent_sessions"][1] <= sessions + known < 2_000
    assert calls <= changed["call_sessions"][1] <= calls + known + 2 * 60 < 4_000
    assert full["agent_sessions"][1] > 20_000
    assert full["call_sessions"][1] > 40_000


def passes(centre: CallCentre, judged: Callable[[], object]) -> dict[str, float]:
    """By table how many times its rows something reads, by all scans together."""

    def rows_read() -> dict[str, int]:
        others = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        until(lambda: centre.rows(others) == [(0,)])  # what a connection read is counted when it ends
        return dict(
            centre.rows(
                """
                select t.relname::text, t.seq_tup_read + sum(i.idx_tup_read)::bigint
                from pg_stat_user_tables as t
                join pg_stat_user_indexes as i on i.relid = t.relid
                where t.relname in ('agent_sessions', 'call_sessions')
                group by t.relid, t.relname, t.seq_tup_read
                """
            )
        )

    before = rows_read()
    judged()
    return {
        table: (count - before[table]) / centre.rows(f"select count(*) from {table}")[0][0]
        for table, count in rows_read().items()
    }


@pytest.mark.medium
def test_all_of_the_history_is_read_in_three_passes(database: str, tmp_path: Path) -> None:
    """The closed sessions and the calls with their keys, and the deployed view of all sessions."""
    scale = Scale(agents=60, sessions=20_000, calls=20_000, days=30)
    centre = call_centre(database, tmp_path, scale=scale)
    centre.run()
    add_extreme_times(centre)
    centre.rows("vacuum analyze agent_sessions")
    centre.rows("vacuum analyze call_sessions")
    found: list[Assessment] = []
    full = passes(centre, lambda: found.append(assess(centre.workspace, full_history=True)))
    suites = {rule.suite for rule in found[0].rules}
    assert {"history", "cleaned_sessions", "routable_agents"} <= suites
    assert min(counts(found[0]).values()) > 0
    assert full["agent_sessions"] + full["call_sessions"] < 3.5
    read(centre)
    changed = passes(centre, lambda: assess(centre.workspace, history=True))
    assert max(changed.values()) < 0.5


def reading_since(recorded: Assessment) -> datetime:
    """Since when the reading after this one reads, as the application writes it."""
    return (recorded.snapshot_at - OVERLAP).astimezone(UTC).replace(tzinfo=None)


# --- when everything is read --------------------------------------------------------------------


@pytest.mark.medium
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("update rollcall_ops.history_passes set definition = 'another'", "the rules are not those"),
        ("update rollcall_ops.history_passes set is_carried = false", "more fails than is kept by key"),
        (
            "update rollcall_ops.history_passes set read_at = read_at - interval '8 days'",
            "the last full reading is too long ago",
        ),
        ("drop index rollcall_closed_sessions", "the indexes that find what changed are missing"),
        ("truncate rollcall_ops.history_passes", "no reading is recorded yet"),
    ],
)
def test_what_cannot_be_relied_on_is_read_in_full(centre: CallCentre, change: str, why: str) -> None:
    first = read(centre)
    assert reading(assess(centre.workspace, history=True)).why_full == ""
    definition = centre.rows("select pg_get_indexdef('rollcall_closed_sessions'::regclass)")[0][0]
    centre.rows(change)
    try:
        again = assess(centre.workspace, history=True)
    finally:
        if "drop" in change:
            centre.rows(definition)
    assert why in reading(again).why_full
    assert why in history_sentence(reading(again))
    assert counts(again) == counts(first)


@pytest.mark.medium
def test_another_threshold_makes_it_a_full_reading(centre: CallCentre, tmp_path: Path) -> None:
    read(centre)
    environment = {
        "ROLLCALL_DATABASE_URL": centre.url,
        "ROLLCALL_VARS": "{settle_minutes: 9}",
        "ROLLCALL_STATE_DIR": str(share_compilations(tmp_path)),
    }
    other = Workspace(load_settings(environment=environment))
    assert "the rules are not those" in reading(assess(other, history=True)).why_full


@pytest.mark.medium
def test_more_failures_than_are_kept_are_counted_all_the_same(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, {"history_failures_kept": 2}, scale=SCALE)
    centre.run()
    first = read(centre)
    assert sum(counts(first).values()) > 2
    assert centre.rows("select count(*) from rollcall_ops.history_failures") == [(0,)]
    second = read(centre)
    assert reading(second).is_full
    assert counts(second) == counts(first)


@pytest.mark.medium
def test_a_role_without_rights_on_the_ledger_reads_everything(centre: CallCentre, tmp_path: Path) -> None:
    read(centre)
    role = f"watcher_{datetime.now(UTC):%H%M%S%f}"
    centre.rows(f"create role {role} login")
    try:
        centre.rows(f"grant select on agents, agent_sessions, call_sessions to {role}")
        centre.rows(f"grant usage on schema rollcall to {role}")
        centre.rows(f"grant select on all tables in schema rollcall to {role}")
        watcher = workspace_of(centre.url.replace("postgres@", f"{role}@"), tmp_path)
        found = assess(watcher, history=True)
        assert reading(found).why_full == NO_EARLIER_READING
        assert counts(found) == counts(assess(centre.workspace, full_history=True))
    finally:
        centre.rows(f"drop owned by {role}")
        centre.rows(f"drop role {role}")


def test_an_assess_that_is_not_recorded_moves_nothing(centre: CallCentre) -> None:
    first = read(centre)
    for _ in range(2):
        assert reading(assess(centre.workspace, history=True)).since == first.snapshot_at - OVERLAP
