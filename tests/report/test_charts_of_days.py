"""What the report's charts of days and hours show is what plain Python makes of presence and calls."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rollcall.ledger.trend import read_ghost_days, read_hours_of_day
from rollcall.report.charts_of_days import ghost_hours_by_day, service_level_by_hour
from rollcall.rules.results import GhostDay, HourOfDay
from tests.support.builds import BERLIN, Zoned, built, in_zone, write
from tests.support.intervals import QUARTER, played, quarters

BEGIN = datetime(2026, 7, 11, 20, 2, tzinfo=UTC)
END = BEGIN + timedelta(hours=46, minutes=20)
DAYS = [date(2026, 7, 11) + timedelta(days=number) for number in range(3)]
UNOBSERVED = datetime(2026, 7, 1, 9, tzinfo=UTC)
CLEANED = datetime(2026, 7, 13, 9, tzinfo=UTC)
SERVICE_LEVEL = 20


@pytest.mark.medium
def test_the_days_and_hours_of_the_report_are_those_of_python(berlin: Zoned) -> None:
    agents = [berlin.agent() for _ in range(4)]
    day = played(random.Random(23), agents, BEGIN, 46)
    early = replace(day.calls[0], started=UNOBSERVED, connected=None, ended=UNOBSERVED + timedelta(minutes=1))
    day.calls.append(replace(early, direction="inbound"))
    write(berlin, day)
    session = berlin.session(berlin.agent(), 600)
    assert berlin.clean().changed == 1
    berlin.rows("update rollcall_ops.changes set changed_at = %s where session_id = %s", CLEANED, session)
    built(berlin, END)
    workspace = in_zone(berlin.url, berlin.state, BERLIN, report_days=400)
    with workspace.database.snapshot() as snapshot:
        ghost_days = read_ghost_days(snapshot, workspace.project)
        hours = read_hours_of_day(snapshot, workspace.project)

    lost: dict[date, float] = defaultdict(float)
    offered: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in [UNOBSERVED.date(), *DAYS]:
        for begin in (quarter for quarter in quarters(BERLIN, one) if quarter <= END):
            rows = [day.agent_interval(str(agent), begin, begin + QUARTER) or {} for agent in agents]
            lost[one] += sum((row.get("ghost") or timedelta(0)).total_seconds() for row in rows) / 3600
            queue = day.queue_interval(begin, begin + QUARTER, SERVICE_LEVEL)
            counts = offered[begin.astimezone(ZoneInfo(BERLIN)).hour]
            counts[0] += queue["offered"]
            counts[1] += queue["in_time"]
            counts[2] += queue["counted"]

    # the day that no look observed has calls and no bar
    assert [(g.business_day, g.is_after_first_clean_up) for g in ghost_days] == [
        (one, one == DAYS[2]) for one in DAYS
    ]
    assert [g.ghost_hours for g in ghost_days] == pytest.approx([lost[one] for one in DAYS], abs=1e-4)
    assert [
        (h.hour_of_day, h.calls_offered, h.calls_answered_in_time, h.calls_of_service_level) for h in hours
    ] == [(hour, *counts) for hour, counts in sorted(offered.items()) if counts[2]]
    assert any(counts[2] < counts[0] for counts in offered.values())
    assert {h.within_seconds for h in hours} == {SERVICE_LEVEL}


def test_a_day_that_was_observed_in_part_counts_for_that_part() -> None:
    whole = GhostDay(DAYS[0], 6.0, 24.0, is_after_first_clean_up=False)
    part = replace(whole, business_day=DAYS[1], ghost_hours=3.0, observed_hours=2.0)
    days = ghost_hours_by_day([whole, part])
    assert days is not None
    assert "8.3 hours per 24 observed hours before the first clean-up (2 days)" in days.sentence


def test_nothing_is_drawn_where_nothing_was_observed() -> None:
    one = GhostDay(DAYS[0], 1.0, 24.0, is_after_first_clean_up=False)
    assert ghost_hours_by_day([]) is None
    assert ghost_hours_by_day([one]) is None
    assert service_level_by_hour([]) is None
    days = ghost_hours_by_day([one, replace(one, business_day=DAYS[2])])
    assert days is not None
    assert [value["day"] for value in days.spec["data"]["values"]] == ["2026-07-11", "2026-07-13"]
    assert days.spec["encoding"]["x"]["scale"]["domain"] == [day.isoformat() for day in DAYS]
    levels = service_level_by_hour([HourOfDay(9, 6, 3, 4, within_seconds=20)])
    assert levels is not None
    assert levels.spec["data"]["values"] == [{"hour": 9, "level": 0.75}]
    assert "Of 4 offered calls 75% were answered within 20 seconds" in levels.sentence
    assert levels.sentence.endswith("Not counted are 2 answered calls of unknown waiting time.")
