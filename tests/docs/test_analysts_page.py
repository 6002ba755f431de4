"""docs/analysts.md: each query runs, and its answer is what Python makes of the application's rows."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from rollcall.ledger.intervals import build
from rollcall.ledger.presence import record_presence
from rollcall.ledger.runs import open_run
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre
from tests.support.cookbook import QUERIES, answer
from tests.support.postgres import fresh_database
from tests.support.times import whole_seconds

ZONE = ZoneInfo("Europe/Berlin")


class Cleaned(NamedTuple):
    """A call centre after a run, and its sessions before."""

    centre: CallCentre
    before: dict[str, Any]


@pytest.fixture(scope="module")
def cleaned(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cleaned]:
    """The tests only read it."""
    with fresh_database(server) as url:
        centre = call_centre(url, tmp_path_factory.mktemp("state"))
        before = centre.images()
        centre.run()
        with open_run(centre.workspace, "verify") as run:
            run.note_rules("after", assess(centre.workspace))
            record_presence(run)
            record_presence(run)  # what is between two looks is observed
            build(run)
        yield Cleaned(centre, before)


def is_live(call: dict[str, Any], variables: dict[str, Any]) -> bool:
    """Whether the call goes on: a live status, no end, and a start that is not too long ago."""
    live_since = datetime.now(UTC) - timedelta(hours=variables["live_call_max_hours"])
    has_live_status = call["status"] in variables["live_call_statuses"]
    return has_live_status and call["ended_at"] is None and instant(call["started_at"]) > live_since


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_each_query_has_an_answer(cleaned: Cleaned, number: int) -> None:
    assert cleaned.centre.rows(QUERIES[number].replace("%", "%%"))


def test_the_calls_by_hour(cleaned: Cleaned) -> None:
    variables = cleaned.centre.variables
    hours: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
    for row in cleaned.centre.images("calls_table", "calls_id_column").values():
        if row["direction"] == "inbound" and (row["connected_at"] or not is_live(row, variables)):
            hour = datetime.fromisoformat(row["started_at"]).replace(minute=0, second=0, microsecond=0)
            hours[hour].append(row)  # business_time_zone is UTC
    expected = []
    for hour, rows in sorted(hours.items()):
        waits = [
            whole_seconds(instant(row["started_at"]), instant(row["connected_at"]))
            for row in rows
            if row["connected_at"]
        ]
        known = [wait for wait in waits if wait is not None]
        quick = sum(wait <= 20 for wait in known)
        average = statistics.mean(known) if known else None
        level = quick / (len(rows) - len(waits) + len(known))
        expected.append((hour, len(rows), len(waits), pytest.approx(average), pytest.approx(level)))
    shown = answer(cleaned.centre, "as service_level\n")
    assert [
        (*counts, average and float(average), float(level)) for *counts, average, level in shown if counts[1]
    ] == expected
    assert 0 < sum(row[2] for row in shown) < sum(row[1] for row in shown)


def test_the_talking_time_of_agents(cleaned: Cleaned) -> None:
    talked: dict[str, float] = defaultdict(float)
    answered: dict[str, int] = defaultdict(int)
    for row in cleaned.centre.images("calls_table", "calls_id_column").values():
        if row["agent_id"] and row["connected_at"]:
            agent = str(row["agent_id"])
            answered[agent] += row["direction"] == "inbound"
            if row["ended_at"]:
                talked[agent] += max(
                    whole_seconds(instant(row["connected_at"]), instant(row["ended_at"])) or 0, 0
                )
    shown = {agent: (number, hours) for agent, number, hours in answer(cleaned.centre, "as talking_hours")}
    assert {agent: number for agent, (number, _) in shown.items() if number} == {
        agent: number for agent, number in answered.items() if number
    }
    hours = {agent: float(hours) for agent, (_, hours) in shown.items() if hours}
    # the parts of a call in its quarter hours are rounded to seconds
    assert hours == pytest.approx({agent: s / 3600 for agent, s in talked.items() if s}, rel=1e-3)
    assert len(hours) > 10


def test_the_hours_lost_to_ghosts(cleaned: Cleaned) -> None:
    after = cleaned.centre.images()
    before = cleaned.before
    closed = {key for key in before if before[key]["logout_at"] is None and after[key]["logout_at"]}
    changed = dict(cleaned.centre.rows("select session_id, changed_at from rollcall_ops.changes"))
    weeks: dict[date, list[float]] = defaultdict(list)
    for key in closed:
        local = changed[key].astimezone(ZONE).date()
        lost = (changed[key] - instant(after[key]["logout_at"])).total_seconds() / 3600
        weeks[local - timedelta(days=local.weekday())].append(lost)
    shown = answer(cleaned.centre, "ghost_hours")
    assert [(week, ghosts, float(hours)) for week, ghosts, hours in shown] == [
        (week, len(hours), pytest.approx(sum(hours))) for week, hours in sorted(weeks.items())
    ]
    assert shown


def test_the_days_and_intervals_have_every_inbound_call_and_all_talking_time(cleaned: Cleaned) -> None:
    variables = cleaned.centre.variables
    calls = cleaned.centre.images("calls_table", "calls_id_column").values()
    inbound = [
        row for row in calls
        if row["direction"] == "inbound" and (row["connected_at"] or not is_live(row, variables))
    ]  # fmt: skip
    levels = answer(cleaned.centre, "level_of_hour")
    assert sum(offered for _, offered, *_ in levels) == len(inbound) > 0
    ended = [row for row in calls if row["connected_at"] and row["ended_at"] and row["agent_id"]]
    talked = sum(
        max((instant(row["ended_at"]) - instant(row["connected_at"])).total_seconds(), 0) for row in ended
    )
    shown = answer(cleaned.centre, "hours_of_talk")
    assert float(sum(hours for _, _, _, hours, _ in shown)) == pytest.approx(talked / 3600, rel=1e-3)
