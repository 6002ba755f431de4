"""The views for analysts: each number equals what plain Python makes of the application's rows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import Variant
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.flags import switch
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.undo import undo
from tests.support.call_centre import CallCentre, call_centre
from tests.support.matrix import quick_first
from tests.support.times import instant, whole_seconds

INSERT = "insert into call_sessions (id, status, direction, started_at, connected_at, ended_at)"
CALLS = "select call_id::text as key, to_jsonb(c) from rollcall.calls as c"


@pytest.fixture
def centre(database: str, tmp_path: Path) -> CallCentre:
    """A damaged call centre whose database is migrated."""
    centre = call_centre(database, tmp_path)
    deploy(centre)
    return centre


def deploy(centre: CallCentre) -> None:
    with open_run(centre.workspace, "migrate") as run:
        migrate(centre.workspace, run, centre.plan().statements)


def expected_call(row: dict[str, Any], variables: dict[str, Any], now: datetime) -> dict[str, Any]:
    started, connected, ended = (instant(row[name]) for name in ("started_at", "connected_at", "ended_at"))
    dated = started or min(filter(None, (connected, ended)), default=None)
    live_since = now - timedelta(hours=variables["live_call_max_hours"])
    has_live_status = row["status"] in variables["live_call_statuses"]
    is_known = row["status"] in variables["live_call_statuses"] + variables["over_call_statuses"]
    is_recent = ended is None and dated is not None and dated > live_since
    defects = {
        "unknown_call_status": not is_known,
        "zombie_call": has_live_status and ended is None and dated is not None and dated <= live_since,
        "ended_call_still_live": has_live_status and ended is not None,
        "reversed_call_times": ended is not None and started is not None and ended < started,
    }
    return {
        "agent_id": row["agent_id"],
        "status": row["status"],
        "is_live": has_live_status and is_recent if is_known or not is_recent else None,
        "was_answered": connected is not None,
        "wait_seconds": whole_seconds(started, connected or ended),
        "talk_seconds": whole_seconds(connected, ended),
        "defects": [name for name, is_violated in defects.items() if is_violated],
    }


def assert_every_call_is_right(centre: CallCentre) -> int:
    """Every call of the application is in the view once, with what Python calculates of it."""
    now = centre.rows("select now()")[0][0]
    rows = centre.images("calls_table", "calls_id_column")
    shown = centre.rows(CALLS)
    assert len(shown) == len(rows)
    found = dict(shown)
    for key, row in rows.items():
        expected = expected_call(row, centre.variables, now)
        assert {name: found[key][name] for name in expected} == expected, row
        for name in ("started_at", "connected_at", "ended_at"):
            given = found[key][name]
            assert (given and datetime.fromisoformat(given)) == instant(row[name])
    return sum(call["talk_seconds"] or 0 for call in found.values())


@pytest.mark.medium
def test_every_call_is_there_once_before_and_after_a_clean_up_and_its_undo(centre: CallCentre) -> None:
    centre.rows(
        f"{INSERT} values"
        " (gen_random_uuid(), 'completed', 'inbound', '2026-03-01 10:00', '2026-03-01 10:05', '2026-03-01'),"
        " (gen_random_uuid(), 'connected', 'inbound', '2026-03-01 10:00', null, '2026-03-01 10:01'),"
        " (gen_random_uuid(), 'martian', 'inbound', '2026-03-01 10:00', null, null),"
        " (gen_random_uuid(), 'martian', 'inbound', timezone('utc', now()), null, null)"
    )
    talked = assert_every_call_is_right(centre)
    assert talked > 0
    _, _, cleaning, _ = centre.run()
    assert cleaning.changed > 0
    assert assert_every_call_is_right(centre) == talked
    undo(centre.workspace, cleaning.run_id)
    assert assert_every_call_is_right(centre) == talked


@pytest.mark.medium
def test_a_time_that_cannot_be_calculated_with_is_null_and_a_defect(centre: CallCentre) -> None:
    centre.rows(
        f"{INSERT} values"
        f" ('{uuid.UUID(int=170)}', 'completed', 'inbound', '-infinity', '2026-03-01', 'infinity')"
    )
    columns = "started_at, ended_at, wait_seconds, talk_seconds, is_live, defects"
    query = f"select {columns} from rollcall.calls where call_id::text like '%%00aa'"
    assert centre.rows(query) == [(None, None, None, None, False, ["extreme_call_times"])]
    centre.rows(
        f"{INSERT} values"
        f" ('{uuid.UUID(int=187)}', 'completed', 'inbound', '2026-03-01', 'infinity', '2026-03-01 00:10')"
    )
    columns = "was_answered, connected_at, wait_seconds, talk_seconds, defects"
    query = f"select {columns} from rollcall.calls where call_id::text like '%%00bb'"
    assert centre.rows(query) == [(True, None, None, None, ["extreme_call_times"])]


@pytest.mark.medium
def test_each_change_is_shown_with_what_was_before_and_the_run_that_undid_it(centre: CallCentre) -> None:
    before = centre.images()
    _, _, cleaning, _ = centre.run()
    after = centre.images()
    query = (
        "select session_id, status_before, status_after, call_id_before, call_id_after,"
        " logout_at_before, logout_at_after, undone_by from rollcall.session_changes where run_id = %s"
    )
    changes = centre.rows(query, cleaning.run_id)
    assert len(changes) == cleaning.changed
    assert {change[0] for change in changes} == {key for key in before if before[key] != after[key]}
    for key, *values, undone_by in changes:
        old, new = before[key], after[key]
        assert values == [
            old["status"],
            new["status"],
            old["current_call_session_id"],
            new["current_call_session_id"],
            instant(old["logout_at"]),
            instant(new["logout_at"]),
        ]
        assert undone_by is None

    back = undo(centre.workspace, cleaning.run_id)
    assert {change[-1] for change in centre.rows(query, cleaning.run_id)} == {back.run_id}
    reverted = centre.rows(query, back.run_id)
    assert {row[0]: row[1:3] for row in reverted} == {
        key: (after[key]["status"], before[key]["status"]) for key, *_ in changes
    }


@pytest.mark.medium
def test_the_time_to_repair_begins_with_the_first_judgement_that_saw_it(centre: CallCentre) -> None:
    with open_run(centre.workspace, "verify") as run:
        run.note_rules("after", assess(centre.workspace))
    ((seen_at,),) = centre.rows("select max(recorded_at) from rollcall_ops.rule_results")
    (another,) = centre.rows(
        "insert into agent_sessions (id, agent_id, status, login_at, last_activity)"
        " select gen_random_uuid(), s.agent_id, 'available', s.login_at, s.last_activity"
        " from agent_sessions as s"
        " join demo_truth.sessions as t on t.session_id = s.id::text and t.expected = 'closed' limit 1"
        " returning id::text"
    )[0]
    _, _, cleaning, _ = centre.run()

    repairs = centre.rows("select session_id, rule, run_id, first_seen_at from rollcall.time_to_repair")
    rules = dict(centre.rows("select session_id, rules from rollcall_ops.changes"))
    assert {(key, rule) for key, rule, *_ in repairs} == {(key, rule) for key in rules for rule in rules[key]}
    assert {run_id for _, _, run_id, _ in repairs} == {cleaning.run_id}
    for key, _, _, first_seen_at in repairs:
        assert (first_seen_at > seen_at) == (key == another)

    back = undo(centre.workspace, cleaning.run_id)
    undone = centre.rows("select distinct run_id, undone_by from rollcall.time_to_repair")
    assert undone == [(cleaning.run_id, back.run_id)]


@pytest.mark.medium
def test_a_repair_of_which_the_ledger_keeps_too_few_keys_has_no_time(centre: CallCentre) -> None:
    with open_run(centre.workspace, "verify") as run:
        run.note_rules("after", assess(centre.workspace))
    ((seen_at,),) = centre.rows("select max(recorded_at) from rollcall_ops.rule_results")
    cut = "update rollcall_ops.rule_results set sample_keys = sample_keys[1:2], keys_since = keys_since[1:2]"
    centre.rows(f"{cut} where rule = 'abandoned_session'")
    plan = centre.plan()
    with open_run(centre.workspace, "clean") as run:
        run.note_rules("before", assess(centre.workspace))
        assert clean(centre.workspace, run, plan).changed > 0
    query = (
        "select session_id, first_seen_at, seconds_to_repair from rollcall.time_to_repair"
        " where rule = 'abandoned_session' order by session_id"
    )

    def assert_only_the_first_two_are_known() -> None:
        first, second, *others = centre.rows(query)
        assert first[1] < seen_at > second[1]
        assert len(others) > 2
        assert {row[1:] for row in others} == {(None, None)}

    assert_only_the_first_two_are_known()
    # the same where it is the last judgement that has too few
    centre.rows(f"{cut} where rule = 'abandoned_session' and stage = 'before'")
    assert_only_the_first_two_are_known()
    # nothing had been recorded before it: the run saw the others first
    centre.rows("update rollcall_ops.rule_results set new = null where run_id = %s", run.id)
    assert all(seconds is not None for *_, seconds in centre.rows(query))


def newest_open_sessions(centre: CallCentre) -> dict[Any, dict[str, Any]]:
    """By agent, the newest open session, as the application has it."""
    newest: dict[Any, dict[str, Any]] = {}
    for row in sorted(centre.images().values(), key=lambda row: (row["login_at"], row["id"])):
        if row["logout_at"] is None:
            newest[row["agent_id"]] = row
    return newest


def is_heard(session: dict[str, Any], variables: dict[str, Any]) -> bool:
    """Whether the latest heartbeat of a session is fresh."""
    heard = instant(session["last_heartbeat"])
    return heard is not None and heard > datetime.now(UTC) - timedelta(minutes=variables["presence_minutes"])


@pytest.mark.parametrize("is_cleaned", quick_first([True, False]))
def test_each_active_agent_is_routable_or_has_every_reason_why_not(
    database: str, tmp_path: Path, is_cleaned: bool
) -> None:
    centre = call_centre(database, tmp_path, variant=Variant(migrated=True))
    deploy(centre)
    if is_cleaned:
        centre.run()
    truth = centre.truth()
    agents = centre.images("agents_table", "agents_id_column").values()
    people = {
        row["id"]
        for row in agents
        if row["is_active"] and not row["is_ai_agent"] and row["role"] in centre.variables["agent_roles"]
    }
    newest = newest_open_sessions(centre)
    for flag in (False, True):
        switch(centre.workspace, "route_by_heartbeat", on=flag, force=True, reason="a test")
        shown = {
            row.pop("agent_id"): row
            for (row,) in centre.rows("select to_jsonb(r) from rollcall.routability as r")
        }
        assert set(shown) == people
        routable = {agent for (agent,) in centre.rows("select agent_id from rollcall.routable_agents")}
        assert {agent for agent, row in shown.items() if row["is_routable"]} == routable
        assert routable
        for agent, row in shown.items():
            session = newest.get(agent)
            found = set(row["reasons"])
            assert ("not_logged_in" in found) == (session is None)
            if session is None:
                assert found == {"not_logged_in"}
                assert row["free_call_slots"] is None
                continue
            assert row["session_id"] == session["id"]
            assert ("abandoned" in found) == (not is_cleaned and truth[session["id"]][0] == "closed")
            assert ("not_available" in found) == (session["status"] != centre.variables["available_status"])
            assert ("no_fresh_heartbeat" in found) == (flag and not is_heard(session, centre.variables))
            assert ("device_not_connected" in found) == (flag and not session["device_connected"])
            assert ("no_free_call_slot" in found) == (flag and row["free_call_slots"] == 0)


@pytest.mark.medium
def test_each_column_is_described_in_the_database(centre: CallCentre) -> None:
    """An analyst reads it in psql, or in a tool for queries."""
    columns = centre.rows(
        "select c.relname, a.attname, col_description(c.oid, a.attnum) from pg_class as c"
        " join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace = 'rollcall'::regnamespace and c.relkind = 'v'"
    )
    assert len(columns) > 60
    assert [column[:2] for column in columns if not column[2]] == []
    assert ("calls", "wait_seconds") in {column[:2] for column in columns}
