"""Every fault that hand-written scripts for this task have had (docs/domain.md), by its name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import ConfigurationError, Refused
from rollcall.ledger.runs import open_run
from rollcall.rules.results import Verdict
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations
from tests.support.floor import TABLES, Floor
from tests.support.waiting import until

HEARTBEAT_COLUMNS = ("last_heartbeat", "device_connected", "max_concurrent_calls")


def unmigrated(database: str, state: Path, statements: str = "", **variables: Any) -> Workspace:
    """The application's tables as they are before our migration."""
    with psycopg.connect(database) as connection:
        connection.execute(TABLES)
        for column in HEARTBEAT_COLUMNS:
            connection.execute(f"alter table agent_sessions drop column {column}")
        if statements:
            connection.execute(statements)
    import yaml

    environment = {
        "ROLLCALL_DATABASE_URL": database,
        "ROLLCALL_STATE_DIR": str(share_compilations(state)),
        "ROLLCALL_VARS": yaml.safe_dump(variables),
    }
    return Workspace(load_settings(environment=environment))


@pytest.mark.parametrize("status", ["initiated", "connecting", "ringing", "connected", "queued"])
def test_live_statuses_unknown_to_a_clean_up_cut_the_references_of_agents_who_were_talking(
    floor: Floor, status: str
) -> None:
    agent = floor.agent()
    call = floor.call(agent, 20, status, "outbound", connected=19 if status == "connected" else None)
    floor.session(agent, seen=20, status="on_call", call=call, login=200)
    before = floor.digest()
    assert floor.clean().planned == 0
    assert floor.digest() == before


def test_abandoned_on_call_sessions_became_available_and_were_dialled_first(floor: Floor) -> None:
    """One plan, one remedy: abandoned sessions are closed, and no other becomes available unproven."""
    gone = floor.session(seen=600, status="on_call", call=floor.call(None, 700, ended=650))
    quiet = floor.session(seen=60, status="on_call", call=floor.call(None, 90, ended=80))
    floor.clean()
    assert floor.row(gone)["status"] == "offline"
    assert floor.row(gone)["logout_at"] is not None
    assert floor.row(quiet)["status"] == "break"
    query = "select 1 from agent_sessions where status = 'available' and logout_at is null"
    assert floor.rows(query) == []


def test_a_script_that_set_a_column_the_table_does_not_have_still_exited_with_zero(
    database: str, tmp_path: Path
) -> None:
    workspace = unmigrated(database, tmp_path, sessions_logout_at_column="ended_on")
    with pytest.raises(ConfigurationError, match="column ended_on does not exist") as refusal:
        make_plan(workspace)
    assert refusal.value.exit_code == 2


def test_a_heartbeat_time_out_marked_a_whole_floor_offline_before_any_client_sent_heartbeats(
    floor: Floor,
) -> None:
    for minutes in range(1, 110, 5):
        floor.session(seen=minutes, heartbeat=None)
    before = floor.digest()
    assert floor.clean().planned == 0
    assert floor.digest() == before


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_naive_utc_timestamps_compared_with_now_in_another_time_zone(floor: Floor, zone: str) -> None:
    present, gone = floor.session(seen=90), floor.session(seen=150)
    floor.rows(f"alter role current_user set timezone = '{zone}'")
    try:
        assert [change["session_id"] for change in floor.plan().changes()] == [gone]
        floor.clean()
    finally:
        floor.rows("alter role current_user reset timezone")
    assert floor.row(present)["status"] == "available"
    assert floor.row(gone)["logout_at"] == floor.row(gone)["last_activity"]


def test_a_unique_index_that_enforces_nothing_because_nulls_are_distinct(floor: Floor) -> None:
    """Two open sessions of one agent: the application's index lets them be, the rule names the older one."""
    agent = floor.agent()
    floor.rows("create unique index one_open on agent_sessions (agent_id, logout_at) where logout_at is null")
    try:
        older, newer = floor.session(agent, seen=30, login=90), floor.session(agent, seen=30, login=60)
        rules = {rule.name: rule for rule in assess(floor.workspace).rules}
    finally:
        floor.rows("drop index one_open")
    assert rules["duplicate_open_session"].sample_keys == (older,)
    assert newer not in rules["duplicate_open_session"].sample_keys


@pytest.mark.medium
def test_a_check_for_one_column_of_three_in_any_schema_passed_a_half_migrated_database(
    database: str, tmp_path: Path
) -> None:
    workspace = unmigrated(
        database,
        tmp_path,
        "alter table agent_sessions add column last_heartbeat timestamp(3);"
        "create schema other; create table other.agent_sessions (last_heartbeat timestamp(3),"
        " device_connected boolean default false, max_concurrent_calls integer default 1);"
        "insert into agents (email) values ('a')",
    )
    assessment = assess(workspace)
    assert assessment.verdict is Verdict.NEEDS_DATABASE_MIGRATION
    missing = {rule.name: rule.violations for rule in assessment.rules}["missing_column"]
    assert missing >= 2


@pytest.mark.medium
def test_a_backfill_declared_abandoned_sessions_device_connected(database: str, tmp_path: Path) -> None:
    workspace = unmigrated(
        database,
        tmp_path,
        "insert into agents (email) values ('a');"
        "insert into agent_sessions (agent_id, status, login_at, last_activity)"
        " values (1, 'available', timezone('utc', now()) - interval '9 hours',"
        " timezone('utc', now()) - interval '8 hours')",
    )
    plan = make_plan(workspace)
    with open_run(workspace, "migrate") as run:
        assert not migrate(workspace, run, plan.statements).skipped
    with psycopg.connect(database) as connection:
        rows = connection.execute(f"select {', '.join(HEARTBEAT_COLUMNS)} from agent_sessions").fetchall()
    assert rows == [(None, False, 1)]


def test_open_offline_sessions_counted_as_stuck_but_never_closed_kept_the_verdict_yellow_for_ever(
    floor: Floor,
) -> None:
    tab_closed = floor.session(status="offline", call=floor.call(None, 400, ended=390))
    just_closed = floor.session(seen=30, status="offline")
    assert floor.clean().changed == 1
    assert floor.row(tab_closed)["logout_at"] is not None
    assert floor.row(just_closed)["logout_at"] is None
    rules = {rule.name: rule for rule in assess(floor.workspace).rules}
    assert rules["open_but_offline"].sample_keys == (just_closed,)
    assert rules["abandoned_session"].violations == 0
    assert rules["open_but_offline"].severity.value == "info"


@pytest.mark.medium
def test_indexes_on_the_heartbeat_columns_made_every_heartbeat_rewrite_every_index(
    database: str, tmp_path: Path
) -> None:
    workspace = unmigrated(
        database,
        tmp_path,
        "alter table agent_sessions set (fillfactor = 50);"
        "insert into agents (email) select 'a' || n from generate_series(1, 50) as n;"
        "insert into agent_sessions (agent_id, status, login_at, last_activity)"
        " select n, 'available', timezone('utc', now()), timezone('utc', now())"
        " from generate_series(1, 50) as n",
    )
    plan = make_plan(workspace)
    with open_run(workspace, "migrate") as run:
        assert not migrate(workspace, run, plan.statements).skipped
    # an analyze of the server's own, just then, keeps old versions, so that a page gets full: once more, then
    shares = (share_of_heap_only_updates(database) for _ in range(5))
    assert any(share >= 0.99 for share in shares)


def share_of_heap_only_updates(database: str) -> float:
    """Send 20 heartbeats for each of the 50 sessions."""
    query = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'agent_sessions'"

    def counted() -> tuple[int, int]:
        with psycopg.connect(database) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row[0], row[1]

    updates, hot = counted()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("vacuum full agent_sessions")
        for _ in range(20):
            connection.execute(
                "update agent_sessions set last_heartbeat = clock_timestamp(), device_connected = true,"
                " last_activity = clock_timestamp()"
            )
    # the statistics of a connection are there when it has ended
    until(lambda: counted()[0] >= updates + 1_000)
    more_updates, more_hot = counted()
    assert more_updates == updates + 1_000
    return (more_hot - hot) / 1_000


def test_missed_inbound_calls_counted_as_activity_so_a_ghost_was_never_found(floor: Floor) -> None:
    agent = floor.agent()
    ghost = floor.session(agent, seen=300)
    for minutes in range(1, 300, 15):
        floor.call(agent, minutes, "missed_call", "inbound", ended=minutes - 0.5)
    assert [change["session_id"] for change in floor.plan().changes()] == [ghost]
    floor.clean()
    assert floor.row(ghost)["logout_at"] == floor.row(ghost)["last_activity"]


def with_statuses(database: str, state: Path, *statuses: str) -> Workspace:
    """One abandoned session, whose status can be one of these."""
    labels = ", ".join(f"'{status}'" for status in statuses)
    return unmigrated(
        database,
        state,
        f"create type session_status as enum ({labels});"
        "alter table agent_sessions alter column status drop default;"
        "alter table agent_sessions alter column status type session_status using status::session_status;"
        "insert into agents (email) values ('a');"
        "insert into agent_sessions (agent_id, status, login_at, last_activity)"
        " values (1, 'available', now() - interval '2 days', now() - interval '2 days')",
    )


@pytest.mark.medium
def test_a_status_type_without_the_closed_status_is_refused_beforehand(database: str, tmp_path: Path) -> None:
    workspace = with_statuses(database, tmp_path, "available", "on_call", "break", "ended")
    plan = make_plan(workspace)
    assert plan.change_count == 1
    with open_run(workspace, "clean") as run, pytest.raises(Refused, match="has no value offline") as refusal:
        clean(workspace, run, plan)
    assert refusal.value.exit_code == 4
    assert "set the var that names it (closed_status" in str(refusal.value)


@pytest.mark.medium
def test_a_status_that_the_type_lacks_and_this_plan_does_not_write_is_no_obstacle(
    database: str, tmp_path: Path
) -> None:
    workspace = with_statuses(database, tmp_path, "available", "on_call", "offline")
    assert {rule.name: rule.violations for rule in assess(workspace).rules}["status_not_in_enum"] == 1
    plan = make_plan(workspace)
    with open_run(workspace, "clean") as run:
        assert clean(workspace, run, plan).changed == 1


@pytest.mark.medium
def test_the_cleaned_view_shows_the_logout_that_cleaning_writes(database: str, tmp_path: Path) -> None:
    """`closed_logout_at: now`: before the clean-up as after it, not the last sign of life."""
    workspace = unmigrated(
        database,
        tmp_path,
        "insert into agents (email) values ('a');"
        "insert into agent_sessions (agent_id, status, login_at, last_activity)"
        " values (1, 'available', timezone('utc', now()) - interval '9 hours',"
        " timezone('utc', now()) - interval '8 hours')",
        closed_logout_at="now",
    )
    pending = make_plan(workspace)
    view = """
        select is_open, logout_at, duration_seconds - extract(epoch from logout_at - login_at), now()
        from rollcall.agent_sessions
    """
    with open_run(workspace, "run") as run, psycopg.connect(database, autocommit=True) as connection:
        assert not migrate(workspace, run, pending.statements).skipped
        is_open, logout_at, rounding, now = connection.execute(view).fetchone() or ()
        assert (is_open, logout_at) == (False, now)
        assert abs(rounding) <= 0.5
        plan = make_plan(workspace)
        assert clean(workspace, run, plan).changed == 1
        is_open, logout_at, _, now = connection.execute(view).fetchone() or ()
    assert is_open is False
    assert abs(logout_at - plan.judged_at) < timedelta(milliseconds=1), "the column keeps milliseconds"


@pytest.mark.medium
@pytest.mark.parametrize("child", [True, False])
def test_keys_that_name_several_sessions_are_refused_and_named(
    database: str, tmp_path: Path, child: bool
) -> None:
    """A child table with a key of its parent, and a configured key that is none."""
    rows = (
        "insert into agents (email) values ('a'), ('b');"
        "insert into agent_sessions (agent_id, status, login_at, last_activity)"
        " select agent, 'available', now() - interval '9 hours', now() - interval '8 hours'"
        " from unnest(array[1, 1, 2, 2]) as planted (agent);"
    )
    if child:
        rows += (
            "create table elder () inherits (agent_sessions);"
            "insert into elder select * from agent_sessions where agent_id = 1;"
        )
    variables = {} if child else {"sessions_id_column": "agent_id"}
    workspace = unmigrated(database, tmp_path, rows, **variables)
    rule, key = (
        ("child_table", "public.elder inherits from public.agent_sessions")
        if child
        else ("sessions_key_not_unique", "public.agent_sessions.agent_id has no unique index of its own")
    )
    assessment = assess(workspace)
    assert {r.name: r.sample_keys for r in assessment.rules}[rule] == (key,)
    assert assessment.verdict is Verdict.NOT_READY
    images = "select to_jsonb(s) from agent_sessions as s order by 1"
    with psycopg.connect(database, autocommit=True) as connection:
        before = connection.execute(images).fetchall()
        plan = make_plan(workspace)
        with open_run(workspace, "clean") as run, pytest.raises(Refused, match=key) as refusal:
            clean(workspace, run, plan)
        assert refusal.value.exit_code == 4
        assert connection.execute(images).fetchall() == before
