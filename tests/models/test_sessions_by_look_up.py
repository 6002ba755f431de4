"""The views of sessions show the same rows, whichever way they read the application's tables."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from rollcall.ledger.runs import open_run
from rollcall.settings.configuration import load_settings
from rollcall.steps.migrate.migration import migrate
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre, share_compilations

VIEWS = ("agent_sessions", "routable_agents")
# Where indexes cannot serve, or keep no key unique, all open sessions are judged together, as in `assess`.
JUDGED_TOGETHER = "{unindexed_keys: [sessions], agents_table: agents_in_a_view, calls_table: calls_in_a_view}"
IN_UTC = "timezone('utc', now())"
OPEN = "logout_at is null"
# Closed sessions with reversed and extreme times, or still at work; open ones that are abandoned, without an
# agent, with older and newer ones beside them, with calls that are over, missing, shared or another agent's.
DAMAGE = f"""
    alter table agent_sessions drop constraint if exists agent_sessions_agent_id_fkey;
    alter table agent_sessions alter column agent_id drop not null;
    create temporary table damaged on commit drop as
    select id, logout_at is null as was_open,
        row_number() over (partition by logout_at is null order by id) as n
    from agent_sessions;
    update agent_sessions as s
    set logout_at = case n % 6
            when 0 then s.login_at - interval '1 hour' when 1 then 'infinity' when 2 then '-infinity'
            when 3 then '9999-12-31' else s.logout_at
        end,
        login_at = case when n % 5 = 0 then '-infinity' when n % 7 = 0 then 'infinity' else s.login_at end,
        last_activity = case n % 8 when 0 then s.logout_at + interval '2 hours' when 1 then 'infinity'
            else s.last_activity end,
        status = case when n % 9 = 0 then 'available' else s.status end
    from damaged as d where d.id = s.id and not was_open and n <= 420;
    update agent_sessions as s
    set status = case n % 5 when 0 then 'on_call' when 1 then 'odd' when 2 then 'available' else s.status end,
        agent_id = case when n % 17 = 0 then null when n % 19 = 0 then 999999 else s.agent_id end,
        current_call_session_id = case n % 4
            when 0 then (select id from call_sessions where ended_at is null order by id limit 1)
            when 1 then (select id from call_sessions where ended_at is not null order by id limit 1)
            when 2 then gen_random_uuid() else s.current_call_session_id
        end,
        last_activity = case n % 6 when 0 then 'infinity' when 1 then '-infinity'
            when 2 then s.last_activity - interval '1 day' else s.last_activity end,
        login_at = case when n % 6 in (1, 2) then s.login_at - interval '2 days' else s.login_at end
    from damaged as d where d.id = s.id and was_open and n <= 80;
    insert into agent_sessions (id, agent_id, status, login_at, last_activity)
    select gen_random_uuid(), s.agent_id, 'available', {IN_UTC} - interval '10 hours' * (n % 3),
        {IN_UTC} - interval '5 hours' * (n % 3)
    from agent_sessions as s join damaged as d using (id) where was_open and n % 4 = 0
"""
HEARTBEATS = f"""
    update agent_sessions set last_heartbeat = {IN_UTC}, device_connected = id::text > '4'
    where {OPEN} and id::text > '%s'
"""
LONG_AGO = f"""
    update agent_sessions
    set login_at = login_at - interval '9 days', last_activity = last_activity - interval '9 days',
        last_heartbeat = null
    where {OPEN}
"""
CALLS = f"""
    update call_sessions set connected_at = {IN_UTC} - interval '10 minutes'
    where id in (select id from call_sessions where status = 'completed' order by started_at desc limit %s)
"""
STEPS = {
    "as loaded": "select 1",
    "damaged": DAMAGE,
    "few heartbeats": HEARTBEATS % "c",
    "some heartbeats": HEARTBEATS % "1",
    "all heartbeats": HEARTBEATS % "",
    "silent floor": LONG_AGO,
    "with fewer calls than contradict": CALLS % 4,
    "silent feed": CALLS % 400,
}


def judged_together(centre: CallCentre, state: Path) -> dict[str, str]:
    """The definitions of the views where nothing can be looked up."""
    share_compilations(state)
    environment = {
        "ROLLCALL_DATABASE_URL": centre.url,
        "ROLLCALL_STATE_DIR": str(state),
        "ROLLCALL_VARS": JUDGED_TOGETHER,
    }
    project = Workspace(load_settings(environment=environment)).project
    return {name: project.sql(name) for name in VIEWS}


@pytest.mark.medium
def test_the_rows_are_those_of_sessions_judged_together(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    with open_run(centre.workspace, "migrate") as run:
        assert migrate(centre.workspace, run, centre.plan().statements).skipped == []
    centre.rows("create view agents_in_a_view as select * from agents")
    centre.rows("create view calls_in_a_view as select * from call_sessions")
    together = judged_together(centre, tmp_path / "together")
    defects: set[str] = set()
    with psycopg.connect(centre.url) as connection:
        for step, change in STEPS.items():
            connection.execute(change)
            for name, query in together.items():
                shown = f"select * from rollcall.{name}"
                differing = connection.execute(
                    f"(({shown}) except all ({query})) union all (({query}) except all ({shown}))"
                ).fetchall()
                assert differing == [], (step, name)
            found = connection.execute("select distinct unnest(defects) from rollcall.agent_sessions")
            defects |= {row[0] for row in found}
        connection.rollback()
    assert defects >= {
        *("abandoned_session", "orphaned_call_reference", "invalid_on_call", "duplicate_open_session"),
        *("shared_call", "device_lost", "call_of_another_agent", "unknown_agent", "extreme_time"),
        *("unknown_session_status", "reversed_session_times", "extreme_session_times", "closed_but_working"),
    }
