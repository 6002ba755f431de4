"""Every session and call is shown once, or in quarantine with its reason; totals are those of Python."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rollcall.ledger.runs import open_run
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.undo import undo
from tests.support.call_centre import CallCentre, call_centre
from tests.support.times import instant, whole_seconds

# No constraint of the application is left that would refuse a damaged row.
UNCONSTRAINED = """
    alter table agent_sessions drop constraint agent_sessions_pkey;
    alter table agent_sessions drop constraint if exists agent_sessions_agent_id_fkey;
    alter table agent_sessions
        alter id drop not null, alter agent_id drop not null, alter status drop not null,
        alter login_at drop not null, alter last_activity drop not null;
    alter table call_sessions drop constraint call_sessions_pkey;
    alter table call_sessions drop constraint call_sessions_agent_id_fkey;
    alter table call_sessions
        alter id drop not null, alter status drop not null, alter direction drop not null,
        alter started_at drop not null;
    alter table agents drop constraint agents_pkey, drop constraint agents_email_key;
    alter table agents alter id drop not null;
"""
# each damaged in one way, open and closed
DAMAGED_SESSIONS = """
    insert into agent_sessions (id, agent_id, status, login_at, logout_at, last_activity)
    select gen_random_uuid(), d.agent_id, d.status, d.login_at, closed.logout_at, d.last_activity
    from (values
        (null, 'available', timestamp '2026-03-01 08:00', timestamp '2026-03-01 09:00'),
        (999999, 'available', '2026-03-01 08:00', '2026-03-01 09:00'),
        (1, 'martian', '2026-03-01 08:00', '2026-03-01 09:00'),
        (1, null, '2026-03-01 08:00', '2026-03-01 09:00'),
        (2, 'break', null, '2026-03-01 09:00'),
        (2, 'break', null, null),
        (2, 'available', 'infinity', '2026-03-01 09:00'),
        (3, 'available', '2026-03-01 08:00', '-infinity'),
        (3, 'on_call', '9999-12-31 08:00', '2026-03-01 09:00')
    ) as d (agent_id, status, login_at, last_activity)
    cross join (
        values (null::timestamp), ('2026-03-01 10:00'), ('2026-03-01 07:00'), ('infinity'), ('-infinity')
    ) as closed (logout_at)
"""
DAMAGED_CALLS = """
    insert into call_sessions (id, agent_id, status, direction, started_at, connected_at, ended_at)
    select gen_random_uuid(), d.agent_id, d.status, d.direction, d.started_at, d.connected_at, ended.ended_at
    from (values
        (null, 'completed', 'inbound', timestamp '2026-03-01 08:00', timestamp '2026-03-01 08:00:07.5'),
        (999999, 'completed', 'inbound', '2026-03-01 08:00', '2026-03-01 08:01'),
        (1, 'martian', 'inbound', '2026-03-01 08:00', '2026-03-01 08:01'),
        (1, null, null, '2026-03-01 08:00', '2026-03-01 08:01'),
        (2, 'completed', 'inbound', null, '2026-03-01 08:01'),
        (2, 'connected', 'inbound', '-infinity', '2026-03-01 08:01'),
        (3, 'completed', 'sideways', '2026-03-01 08:00', 'infinity'),
        (3, 'missed_call', 'inbound', '2026-03-01 08:00', null)
    ) as d (agent_id, status, direction, started_at, connected_at)
    cross join (
        values (null::timestamp), ('2026-03-01 08:30'), ('2026-03-01 07:00'), ('infinity')
    ) as ended (ended_at)
"""
# keys that name no row or several rows; of the open sessions others are sound, so that both sides have rows
AMBIGUOUS = """
    create temporary table chosen as
    select s.ctid as place, s.id, s.agent_id, row_number() over (order by s.id) as n
    from agent_sessions as s where s.logout_at is null;
    update agent_sessions as s set id = null from chosen as c where c.place = s.ctid and c.n <= 3;
    insert into agent_sessions (id, agent_id, status, login_at, last_activity)
    select c.id, c.agent_id, 'available', timezone('utc', now()), timezone('utc', now())
    from chosen as c where c.n in (4, 5, 6);
    insert into agent_sessions (id, agent_id, status, login_at, last_activity)
    select c.id, c.agent_id + 1, 'available', timezone('utc', now()), timezone('utc', now())
    from chosen as c where c.n = 7;
    insert into agent_sessions (id, agent_id, status, login_at, logout_at, last_activity)
    select s.id, s.agent_id, s.status, s.login_at, s.logout_at, s.last_activity
    from agent_sessions as s where s.logout_at is not null order by s.id limit 5;
    update agent_sessions as s set id = null
    where s.ctid in (select o.ctid from agent_sessions as o where o.logout_at is not null limit 4);
    insert into agents (id, email, is_active)
    select distinct c.agent_id, 'again', false from chosen as c where c.n in (5, 8, 9);
    update agent_sessions as s set current_call_session_id = referenced.id
    from chosen as c, (select id from call_sessions where ended_at is null order by id limit 1) as referenced
    where c.n in (10, 11) and s.id = c.id;
    insert into call_sessions (id, status, direction, started_at, connected_at, ended_at)
    select c.id, 'completed', 'inbound', c.started_at, c.started_at, c.started_at + interval '1 minute'
    from call_sessions as c
    join agent_sessions as s on s.current_call_session_id = c.id join chosen on chosen.id = s.id
    where chosen.n = 10;
    update call_sessions set id = null
    where ctid in (select ctid from call_sessions where ended_at is not null limit 3)
"""
# Where indexes keep no key unique, all open sessions are judged together; none finds itself by its key.
JUDGED_TOGETHER = {"unindexed_keys": ["agents", "sessions", "calls"]}


def migrated(database: str, state: Path, overrides: dict[str, Any] | None = None) -> CallCentre:
    """A damaged call centre with the views."""
    centre = call_centre(database, state, overrides)
    with open_run(centre.workspace, "migrate") as run:
        assert migrate(centre.workspace, run, centre.plan().statements).skipped == []
    return centre


def rows_of(centre: CallCentre, var: str) -> list[dict[str, Any]]:
    return [row for (row,) in centre.rows(f"select to_jsonb(t) from {centre.table(var)} as t")]


def expected_quarantine(centre: CallCentre, *, finds_itself: bool) -> Counter[Any]:
    """Key, agent and reasons of each open session that a view cannot show exactly once.

    finds_itself: whether the view finds a session again by its key.
    """
    still_open = [row for row in rows_of(centre, "sessions_table") if row["logout_at"] is None]
    sessions = Counter((row["agent_id"], row["id"]) for row in still_open)
    agents = Counter(row["id"] for row in rows_of(centre, "agents_table"))
    calls = Counter(row["id"] for row in rows_of(centre, "calls_table"))
    quarantined: Counter[Any] = Counter()
    for row in still_open:
        agent, key, call = row["agent_id"], row["id"], row["current_call_session_id"]
        holds = {
            "null_key": finds_itself and key is None,
            "ambiguous_key": finds_itself and key is not None and sessions[agent, key] > 1,
            "ambiguous_agent": agent is not None and agents[agent] > 1,
            "ambiguous_call": call is not None and calls[call] > 1,
        }
        if any(holds.values()):
            quarantined[key, agent, tuple(reason for reason in holds if holds[reason])] += 1
    return quarantined


def assert_conserved(centre: CallCentre, *, finds_itself: bool = True) -> Counter[Any]:
    """Each row of the application is shown once, or in quarantine for its reasons. Gives the quarantine."""
    sessions, calls = rows_of(centre, "sessions_table"), rows_of(centre, "calls_table")
    shown = Counter(centre.rows("select session_id::text, agent_id from rollcall.agent_sessions"))
    held = centre.rows("select session_id::text, agent_id, reasons from rollcall.quarantined_sessions")
    quarantined = Counter((key, agent, tuple(reasons)) for key, agent, reasons in held)
    assert quarantined == expected_quarantine(centre, finds_itself=finds_itself)
    assert shown + Counter((key, agent) for key, agent, _ in held) == Counter(
        (row["id"], row["agent_id"]) for row in sessions
    )
    assert Counter(centre.rows("select call_id::text from rollcall.calls")) == Counter(
        (row["id"],) for row in calls
    )
    both_times = [row for row in calls if row["connected_at"] and row["ended_at"]]
    talked = [whole_seconds(instant(row["connected_at"]), instant(row["ended_at"])) for row in both_times]
    known = [seconds for seconds in talked if seconds is not None]
    assert known
    count = len(sessions)
    assert centre.rows("select * from rollcall.conservation order by subject desc") == [
        ("session", count, count - len(held), len(held), None, None, None, 0, None),
        ("call", len(calls), len(calls), 0, sum(known), sum(known), len(talked) - len(known), 0, 0),
    ]
    return quarantined


@pytest.mark.medium
def test_damaged_rows_stay_shown_once_before_and_after_a_clean_up_and_its_undo(
    database: str, tmp_path: Path
) -> None:
    centre = migrated(database, tmp_path)
    assert assert_conserved(centre) == Counter()
    centre.rows("alter table agent_sessions drop constraint if exists agent_sessions_agent_id_fkey")
    centre.rows("alter table call_sessions drop constraint call_sessions_agent_id_fkey")
    for table, columns in {
        "agent_sessions": ("agent_id", "status", "login_at", "last_activity"),
        "call_sessions": ("status", "direction", "started_at"),
    }.items():
        for column in columns:
            centre.rows(f"alter table {table} alter {column} drop not null")
    centre.rows(DAMAGED_SESSIONS)
    centre.rows(DAMAGED_CALLS)
    assert assert_conserved(centre) == Counter()
    _, _, cleaning, _ = centre.run()
    assert cleaning.changed > 0
    assert assert_conserved(centre) == Counter()
    assert undo(centre.workspace, cleaning.run_id).changed == cleaning.changed
    assert assert_conserved(centre) == Counter()


@pytest.mark.medium
@pytest.mark.parametrize("finds_itself", [True, False])
def test_a_session_whose_key_is_ambiguous_is_in_quarantine_with_its_reasons(
    database: str, tmp_path: Path, finds_itself: bool
) -> None:
    centre = migrated(database, tmp_path, None if finds_itself else JUDGED_TOGETHER)
    centre.rows(UNCONSTRAINED)
    centre.rows(AMBIGUOUS)
    quarantined = assert_conserved(centre, finds_itself=finds_itself)
    reasons = {reason for *_, found in quarantined for reason in found}
    by_key = {"null_key", "ambiguous_key"} if finds_itself else set()
    assert reasons == {"ambiguous_agent", "ambiguous_call"} | by_key
    assert max(len(found) for *_, found in quarantined) > 1 or not finds_itself
