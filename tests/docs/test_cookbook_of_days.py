"""docs/analysts.md: the answers about days, intervals and presence are those of plain Python."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from tests.support.builds import BERLIN, Zoned, built, write
from tests.support.cookbook import answer
from tests.support.intervals import QUARTER, Day, played

pytestmark = pytest.mark.medium  # a migration, and two and a half days of looks

BEGIN = datetime(2026, 7, 11, 20, 2, tzinfo=UTC)  # a Saturday; the week ends within
HOURS = 56
END = BEGIN + timedelta(hours=HOURS, minutes=20)
ZONE = ZoneInfo(BERLIN)
SERVICE_LEVEL = 20
FIRST_CLEAN_UP = datetime(2026, 7, 13, 9, tzinfo=UTC)


class Played(NamedTuple):
    """Days that were played and built, and what Python makes of each quarter hour."""

    floor: Zoned
    day: Day
    agents: list[str]

    def quarters(self) -> Iterator[datetime]:
        local = BEGIN.astimezone(ZONE).replace(hour=0, minute=0, second=0)
        moment = local.astimezone(UTC)
        while moment <= END:
            yield moment
            moment += QUARTER

    def agent_rows(self) -> Iterator[tuple[str, date, dict[str, Any]]]:
        for moment in self.quarters():
            for agent in self.agents:
                row = self.day.agent_interval(agent, moment, moment + QUARTER)
                if row is not None:
                    yield agent, local_day(moment), {name: hours(value) for name, value in row.items()}

    def queue_rows(self) -> Iterator[tuple[datetime, dict[str, Any]]]:
        for moment in self.quarters():
            yield moment.astimezone(ZONE), self.day.queue_interval(moment, moment + QUARTER, SERVICE_LEVEL)


def hours(value: Any) -> Any:
    return value.total_seconds() / 3600 if isinstance(value, timedelta) else value


def local_day(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def numbers(rows: list[Any]) -> list[Any]:
    """The rows with decimals as floats, compared to a thousandth of a second of an hour."""
    return [tuple(round(float(v), 6) if hasattr(v, "is_nan") else v for v in row) for row in rows]


def close_to(expected: list[Any]) -> list[Any]:
    return [tuple(pytest.approx(v, abs=1e-5) if isinstance(v, float) else v for v in row) for row in expected]


@pytest.fixture
def played_days(berlin: Zoned) -> Played:
    agents = [berlin.agent() for _ in range(4)]
    day = played(random.Random(17), agents, BEGIN, HOURS)
    write(berlin, day)
    built(berlin, END)
    return Played(berlin, day, [str(agent) for agent in agents])


def test_the_answers_about_days(played_days: Played) -> None:
    weeks: dict[Any, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    days: dict[date, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    teams: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    members: dict[str, set[str]] = defaultdict(set)
    for agent, day, row in played_days.agent_rows():
        team = "north" if agent in ("1", "2") else "south"
        members[team].add(agent)
        for sums in (weeks[monday(day), agent], days[day], teams[team]):
            for name, value in row.items():
                sums[name] += value or 0

    def occupancy(sums: dict[str, float]) -> float:
        return sums["on_call"] / (sums["on_call"] + sums["available"])

    assert numbers(answer(played_days.floor, "occupancy_of_week")) == close_to(
        [(*key, sums["logged_in"], sums["talk"], occupancy(sums)) for key, sums in sorted(weeks.items())]
    )
    assert numbers(answer(played_days.floor, "occupancy_of_team")) == close_to(
        [(team, len(members[team]), occupancy(sums)) for team, sums in sorted(teams.items())]
    )
    assert numbers(answer(played_days.floor, "hours_of_ghosts")) == close_to(
        [
            (day, sums["ghost"], sums["ghost_available"], round(sums["missed_as_ghost"]))
            for day, sums in sorted(days.items())
        ]
    )
    assert sum(sums["missed_as_ghost"] for sums in days.values()) > 0


def test_the_hours_lost_before_and_after_the_first_clean_up(played_days: Played) -> None:
    floor = played_days.floor
    session = floor.session(floor.agent(), 600)
    assert floor.clean().changed == 1
    floor.rows(
        "update rollcall_ops.changes set changed_at = %s where session_id = %s", FIRST_CLEAN_UP, session
    )
    lost: dict[Any, float] = defaultdict(float)
    observed: dict[Any, set[date]] = defaultdict(set)
    for _, day, row in played_days.agent_rows():
        key = monday(day), day >= local_day(FIRST_CLEAN_UP)
        lost[key] += row["ghost"] or 0
        observed[key].add(day)
    shown = numbers(answer(floor, "hours_lost"))
    assert shown == close_to([(*key, len(observed[key]), value) for key, value in sorted(lost.items())])
    assert {is_after for _, is_after, *_ in shown} == {False, True}


def test_the_answers_about_the_queue(played_days: Played) -> None:
    by_hour: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    by_day: dict[date, list[Any]] = defaultdict(lambda: [0, None])
    for local, row in played_days.queue_rows():
        for name in ("offered", "in_time", "counted", "waited", "known_waits"):
            by_hour[local.hour][name] += row[name]
        day = by_day[local.date()]
        day[0] += row["abandoned"]
        if row["missed_with_ghost"] is not None:
            day[1] = (day[1] or 0) + row["missed_with_ghost"]
    assert numbers(answer(played_days.floor, "level_of_hour")) == close_to(
        [
            (
                hour,
                sums["offered"],
                sums["in_time"] / sums["counted"] if sums["counted"] else None,
                sums["waited"] / sums["known_waits"] if sums["known_waits"] else None,
            )
            for hour, sums in sorted(by_hour.items())
        ]
    )
    assert any(sums["counted"] < sums["offered"] for sums in by_hour.values())
    shown = answer(played_days.floor, "missed_with_a_ghost_shown_available")
    assert shown == [(day, *values) for day, values in sorted(by_day.items())]
    assert sum(with_a_ghost or 0 for *_, with_a_ghost in shown) > 0


def test_the_hours_by_what_was_shown_and_what_was_true(played_days: Played) -> None:
    expected: dict[Any, float] = defaultdict(float)
    for one in played_days.day.shown:
        until = one.until or played_days.day.last_look
        expected[local_day(one.since), one.status, one.presence] += hours(until - one.since)
    shown = answer(played_days.floor, "hours_in_this_state")
    assert {tuple(key): float(value) for *key, value in shown} == pytest.approx(dict(expected), abs=1e-5)
