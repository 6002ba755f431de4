"""docs/analysts.md: the answers about calls, sessions and repairs are those of Python, on damaged data."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rollcall.ledger.runs import open_run
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre
from tests.support.cookbook import answer
from tests.support.postgres import fresh_database

pytestmark = pytest.mark.medium  # a migration and a clean-up

ZONE = ZoneInfo("Europe/Berlin")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def centre(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    """A call centre after a run; the tests only read it."""
    with fresh_database(server) as url:
        made = call_centre(url, tmp_path_factory.mktemp("state"))
        made.run()
        with open_run(made.workspace, "verify") as run:
            run.note_rules("after", assess(made.workspace))
        yield made


@pytest.fixture(scope="module")
def calls(centre: CallCentre) -> list[Row]:
    return list(centre.images("calls_table", "calls_id_column").values())


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def talk_seconds(call: Row) -> float | None:
    connected, ended = instant(call["connected_at"]), instant(call["ended_at"])
    if connected is None or ended is None or ended < connected:
        return None
    return (ended - connected).total_seconds()


def test_the_talking_time_of_one_agent(centre: CallCentre, calls: list[Row]) -> None:
    ((agent,),) = centre.rows("select agent_id from rollcall.calls where agent_id is not null limit 1")
    of_directions: dict[str, list[Row]] = defaultdict(list)
    for call in calls:
        if call["agent_id"] == agent:
            of_directions[call["direction"]].append(call)
    shown = answer(centre, "as average_talk_seconds")
    assert [(direction, number) for direction, number, *_ in shown] == [
        (direction, len(rows)) for direction, rows in sorted(of_directions.items())
    ]
    for direction, _, answered, hours, average in shown:
        rows = of_directions[direction]
        assert answered == sum(row["connected_at"] is not None for row in rows)
        known = [seconds for row in rows if (seconds := talk_seconds(row)) is not None]
        # each call is rounded to a second
        assert float(hours or 0) * 3600 == pytest.approx(sum(known), abs=0.5 * len(known))
        assert (average is None) == (not known)
        if known:
            assert float(average) == pytest.approx(statistics.mean(known), abs=0.5)
    assert sum(answered for _, _, answered, *_ in shown) > 0


def test_what_is_wrong_with_calls(centre: CallCentre, calls: list[Row]) -> None:
    variables = centre.variables
    live_since = datetime.now(UTC) - timedelta(hours=variables["live_call_max_hours"])
    expected: Counter[str] = Counter()
    for call in calls:
        started, connected, ended = (
            instant(call[name]) for name in ("started_at", "connected_at", "ended_at")
        )
        times = [time for time in (started, connected, ended) if time is not None]
        has_live_status = call["status"] in variables["live_call_statuses"]
        assert started is not None
        expected["reversed_call_times"] += times != sorted(times)
        expected["ended_call_still_live"] += has_live_status and ended is not None
        expected["zombie_call"] += has_live_status and ended is None and started <= live_since
    shown = dict(answer(centre, "as defect,"))
    assert shown == {name: number for name, number in expected.items() if number}
    assert len(shown) == 3


def test_the_logged_in_hours(centre: CallCentre) -> None:
    shown = answer(centre, "from rollcall.agent_sessions")
    now = datetime.now(UTC)
    hours: dict[Any, float] = defaultdict(float)
    sessions: Counter[Any] = Counter()
    for row in centre.images().values():
        login, logout = instant(row["login_at"]), instant(row["logout_at"])
        assert login is not None
        if logout is not None and logout < login:
            continue  # at an unknown time
        key = row["agent_id"], login.astimezone(ZONE).date()
        hours[key] += ((logout or now) - login).total_seconds() / 3600
        sessions[key] += 1
    assert {(agent, day): number for agent, day, number, _ in shown} == sessions
    # a session that goes on has grown by the time that the query took
    assert {(agent, day): float(value) for agent, day, _, value in shown} == pytest.approx(hours, abs=0.02)


def changes(centre: CallCentre) -> list[Row]:
    """What the ledger says of the one clean-up, as it was written."""
    query = (
        "select to_jsonb(c) || jsonb_build_object('judged_at', r.judged_at) from rollcall_ops.changes as c"
    )
    return [row for (row,) in centre.rows(f"{query} join rollcall_ops.runs as r on r.run_id = c.run_id")]


def test_the_agents_that_do_not_log_out(centre: CallCentre) -> None:
    closed = Counter(str(row["agent_id"]) for row in changes(centre) if row["remedy"] == "close")
    shown = answer(centre, "closed_by_rollcall")
    assert [number for _, number, _ in shown] == sorted(closed.values(), reverse=True)[:20]
    assert all(closed[str(agent)] == number for agent, number, _ in shown)


def test_what_ghosts_were_before_their_repair(centre: CallCentre) -> None:
    sessions = centre.images()
    closed = {str(row["session_id"]): row for row in changes(centre) if row["remedy"] == "close"}
    shown = answer(centre, "as repaired_by")
    assert len(shown) == len(closed) > 0
    for key, agent, login, before, now, seen, repaired_at, run_id in shown:
        change, session = closed[str(key)], sessions[str(key)]
        assert (agent, login, seen) == (
            session["agent_id"],
            instant(session["login_at"]),
            instant(session["logout_at"]),
        )
        assert (before, now) == (change["before_image"]["status"], session["status"])
        assert (repaired_at, run_id) == (datetime.fromisoformat(change["changed_at"]), change["run_id"])


def seconds_from(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_the_repairs_of_rules_and_of_one_session(centre: CallCentre) -> None:
    made = changes(centre)
    repairs = Counter(rule for row in made for rule in row["rules"])
    shown = answer(centre, "as repairs,")
    assert {rule: number for rule, number, *_ in shown} == repairs
    for rule, _, median, longest in shown:
        taken = [
            (
                datetime.fromisoformat(row["changed_at"]) - datetime.fromisoformat(row["judged_at"])
            ).total_seconds()
            for row in made
            if rule in row["rules"]
        ]
        assert float(median) == pytest.approx(statistics.median(taken), abs=1)
        assert float(longest) == pytest.approx(max(taken), abs=1)

    last = max(made, key=lambda row: str(row["session_id"]))
    ((changed, command, rules, before, after, logout, undone_by),) = answer(centre, "max(session_id)")
    assert (command, rules, undone_by) == ("run", last["rules"], None)
    assert (changed, logout) == (
        datetime.fromisoformat(last["changed_at"]),
        instant(last["after_image"]["logout_at"]),
    )
    assert (before, after) == (last["before_image"]["status"], last["after_image"]["status"])


def test_the_agents_without_calls_and_the_readiness(centre: CallCentre) -> None:
    sessions = centre.images().values()
    agents = centre.images("agents_table", "agents_id_column").values()
    active = [row for row in agents if row["is_active"] and not row["is_ai_agent"] and row["role"] == "agent"]
    newest: dict[Any, Row] = {}
    for row in sorted(sessions, key=lambda row: (row["login_at"], row["id"])):
        if row["logout_at"] is None:
            newest[row["agent_id"]] = row
    expected = Counter(
        "not_logged_in" if row["id"] not in newest else "not_available"
        for row in active
        if row["id"] not in newest or newest[row["id"]]["status"] != "available"
    )
    assert dict(answer(centre, "as reason,")) == expected  # the abandoned sessions are closed
    assert len(expected) == 2

    failing = {rule.name: rule.violations for rule in assess(centre.workspace).rules if rule.violations}
    shown = answer(centre, "rollcall.readiness_history")
    assert {rule: number for _, rule, _, number, _ in shown} == failing


def test_that_everything_is_there(centre: CallCentre, calls: list[Row]) -> None:
    rows = {row[0]: row[1:] for row in answer(centre, "rollcall.conservation")}
    talked = sum(talk_seconds(call) or 0 for call in calls)
    assert rows["session"][:4] == (len(centre.images()), len(centre.images()), 0, 0)
    assert rows["call"][:4] == (len(calls), len(calls), 0, 0)
    assert float(rows["call"][4]) == pytest.approx(talked, abs=0.5 * len(calls))
    assert rows["call"][6] == 0
    assert answer(centre, "in_quarantine") == [(0, 0, 0, 0, 0)]
