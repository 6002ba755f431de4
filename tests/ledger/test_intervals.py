"""Days and intervals of agents and of the queue: each number is what Python makes of presence and calls."""

from __future__ import annotations

import json
import random
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from rollcall.errors import ConfigurationError
from rollcall.ledger.runs import open_run
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from tests.support.builds import (
    BERLIN,
    NEW_YORK,
    START,
    Zoned,
    assert_full_is_the_same,
    built,
    contents,
    in_zone,
    one_agent,
    write,
)
from tests.support.command import rollcall
from tests.support.floor import TABLES
from tests.support.intervals import CALLS, TIMES, Call, Day, Shown, played, quarters

pytestmark = pytest.mark.medium  # several compilations

AGENT_COLUMNS = [
    *(f"{name}_seconds" for name in TIMES),
    *(f"calls_{name}" for name in CALLS[:-1]),
    "talk_seconds",
]


def seconds(value: Any) -> Any:
    return round(value.total_seconds(), 6) if isinstance(value, timedelta) else value


def assert_as_python_computes(
    berlin: Zoned, day: Day, zone: str, first: date, last: date, end: datetime
) -> None:
    """Every row of the three views for these local days, and no other."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    spans = [(one, q) for one in days for q in quarters(zone, one) if q <= end]
    agents = sorted({shown.agent for shown in day.shown} | {str(c.agent) for c in day.calls if c.agent})
    columns = ", ".join(AGENT_COLUMNS)
    expected = {}
    for business_day, begin in spans:
        for agent in agents:
            row = day.agent_interval(agent, begin, begin + timedelta(minutes=15))
            if row is not None:
                local = begin.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
                expected[agent, begin] = (business_day, local, *map(seconds, row.values()))
    shown = berlin.rows(
        f"select agent_id, interval_start, business_day, local_start, observed_seconds, {columns}"
        " from rollcall.agent_intervals"
    )
    found = {(row[0], row[1]): (*row[2:4], *map(rounded, row[4:])) for row in shown}
    assert found == expected
    assert found

    queue = {
        begin: (
            business_day,
            *map(seconds, day.queue_interval(begin, begin + timedelta(minutes=15), 20).values()),
        )
        for business_day, begin in spans
    }
    shown = berlin.rows(
        "select interval_start, business_day, observed_seconds, calls_offered, calls_answered,"
        " calls_abandoned, calls_answered_in_time, average_speed_of_answer,"
        " service_level, calls_missed_with_ghost_available, wait_seconds_of_answered,"
        " calls_answered_with_known_wait, calls_of_service_level"
        " from rollcall.queue_intervals"
    )
    assert {row[0]: tuple(map(rounded, row[1:])) for row in shown} == {
        begin: tuple(map(rounded, row)) for begin, row in queue.items()
    }

    sums: dict[Any, list[Any]] = {}
    for (agent, _), row in expected.items():
        total = sums.setdefault((agent, row[0]), [0] * len(AGENT_COLUMNS))
        for place, value in enumerate(row[3:]):
            total[place] += value or 0
    shown = berlin.rows(
        f"select agent_id, business_day, {columns}, observed_seconds, occupancy from rollcall.agent_days"
    )
    assert {(row[0], row[1]) for row in shown} == sums.keys()
    for agent, business_day, *values, observed, occupancy in shown:
        begin, *_, final = [q for one, q in spans if one == business_day]
        total = sums[agent, business_day]
        whole = seconds(day.observed(begin, min(final, end) + timedelta(minutes=15)))
        assert rounded(observed) == pytest.approx(whole)
        if not whole:
            total = [None if name in AGENT_COLUMNS[:6] or "ghost" in name else value
                     for name, value in zip(AGENT_COLUMNS, total, strict=True)]  # fmt: skip
            assert occupancy is None
        assert [rounded(value) for value in values] == pytest.approx(total, abs=1e-4)
        if whole:
            on_call, available = total[2], total[1]
            share = on_call / (on_call + available) if on_call + available else None
            assert rounded(occupancy) == pytest.approx(share, abs=1e-4)


def rounded(value: Any) -> Any:
    return value if value is None or isinstance(value, (date, str)) else round(float(value), 6)


# begin, hours: through midnight and a change of daylight-saving time
CHANGES = {
    "Berlin, a day of 25 hours": (BERLIN, datetime(2026, 10, 24, 20, 2, tzinfo=UTC), 30, 25),
    "Berlin, a day of 23 hours": (BERLIN, datetime(2026, 3, 28, 21, 2, tzinfo=UTC), 28, 23),
    "New York, a day of 25 hours": (NEW_YORK, datetime(2026, 11, 1, 2, 2, tzinfo=UTC), 30, 25),
    "New York, a day of 23 hours": (NEW_YORK, datetime(2026, 3, 8, 3, 2, tzinfo=UTC), 28, 23),
}


@pytest.mark.parametrize(("zone", "begin", "hours", "length"), CHANGES.values(), ids=CHANGES.keys())
def test_every_number_is_that_of_python_through_a_change_of_daylight_saving_time(
    berlin: Zoned, zone: str, begin: datetime, hours: int, length: int
) -> None:
    workspace = berlin.workspace if zone == BERLIN else in_zone(berlin.url, berlin.state, zone)
    day = played(random.Random(length), [berlin.agent() for _ in range(4)], begin, hours)
    write(berlin, day)
    end = begin + timedelta(hours=hours, minutes=20)
    first, last = (moment.astimezone(ZoneInfo(zone)).date() for moment in (begin, end))
    assert len(list(quarters(zone, first + timedelta(days=1)))) == length * 4
    assert built(berlin, end, workspace=workspace).first_day == first.isoformat()
    assert_as_python_computes(berlin, day, zone, first, last, end)


def test_incremental_builds_give_the_rows_of_a_full_build(berlin: Zoned) -> None:
    begin = datetime(2026, 10, 19, 6, tzinfo=UTC)
    day = played(random.Random(7), [berlin.agent() for _ in range(3)], begin, 24 * 9)
    write(berlin, day)
    keys = [key for (key,) in berlin.rows("select id from call_sessions order by started_at")]
    for hours in (40, 42, 90, 150, 24 * 9 + 1):
        at = begin + timedelta(hours=hours)
        # what the application had not written by then
        berlin.rows(
            "create table later as select * from call_sessions where started_at > %s", at.replace(tzinfo=None)
        )
        berlin.rows(
            "create table later_looks as select * from rollcall_ops.presence_looks where look_at > %s", at
        )
        berlin.rows(
            "create table later_shown as select * from rollcall_ops.presence where valid_from > %s", at
        )
        berlin.rows("delete from call_sessions where started_at > %s", at.replace(tzinfo=None))
        berlin.rows("delete from rollcall_ops.presence_looks where look_at > %s", at)
        berlin.rows("delete from rollcall_ops.presence where valid_from > %s", at)
        assert built(berlin, at).days > 0
        berlin.rows("insert into call_sessions select * from later")
        berlin.rows("insert into rollcall_ops.presence_looks select * from later_looks")
        berlin.rows("insert into rollcall_ops.presence select * from later_shown")
        berlin.rows("drop table later, later_looks, later_shown")
    assert len(keys) == berlin.rows("select count(*) from call_sessions")[0][0]
    assert_full_is_the_same(berlin, begin + timedelta(hours=24 * 9 + 1))


def test_a_late_change_of_a_call_is_taken_in_and_no_row_is_left(berlin: Zoned) -> None:
    agent, _ = one_agent(berlin)
    end = START + timedelta(days=6)
    built(berlin, end)
    other = berlin.agent()
    moved = "update call_sessions set agent_id = %s, connected_at = null, status = 'missed_call'"
    berlin.rows(f"{moved} where started_at = %s", other, datetime(2026, 7, 11, 9))
    berlin.rows("delete from rollcall_ops.presence where session_id = 's5'")
    built(berlin, end)
    query = "select calls_answered, calls_missed from rollcall.agent_days where agent_id = %s"
    query += " and business_day = %s"
    assert berlin.rows(query, str(other), date(2026, 7, 11)) == [(0, 1)]
    assert berlin.rows(query, str(agent), date(2026, 7, 11)) == []
    assert_full_is_the_same(berlin, end)


def test_a_day_whose_calls_or_looks_are_gone_keeps_its_rows(berlin: Zoned) -> None:
    one_agent(berlin)
    end = START + timedelta(days=6)
    built(berlin, end)
    before = contents(berlin)
    berlin.rows("delete from call_sessions where started_at < %s", datetime(2026, 7, 7))
    berlin.rows("delete from rollcall_ops.presence where valid_from < %s", START + timedelta(days=2))
    berlin.rows("delete from rollcall_ops.presence_looks where look_at < %s", START + timedelta(days=2))
    done = built(berlin, end, full=True)
    assert done.kept_days == 2  # 8 July has a part of its looks; the build does not reach 6 July
    assert contents(berlin) == before
    other = in_zone(berlin.url, berlin.state, BERLIN, service_level_seconds=5)
    done = built(berlin, end, workspace=other)
    assert (done.first_day, done.kept_days) == ("2026-07-06", 3)
    levels = berlin.rows(
        "select business_day, service_level from rollcall.queue_intervals where calls_offered > 0 order by 1"
    )
    assert [level for _, level in levels] == [1, 1, 1, 0, 0, 0]  # the kept days have the level of their build
    assert built(berlin, end, workspace=other).days == 4


def test_a_partial_day_is_built_again_and_days_before_the_oldest_call_have_no_number(berlin: Zoned) -> None:
    one_agent(berlin)
    built(berlin, START + timedelta(days=2, hours=11))  # the third day is not over
    end = START + timedelta(days=6)
    berlin.rows("delete from call_sessions where started_at < %s", datetime(2026, 7, 10))
    built(berlin, end)
    numbers = dict(
        berlin.rows("select business_day::text, calls_offered from rollcall.agent_days order by 1")
    )
    assert (numbers["2026-07-06"], numbers["2026-07-07"]) == (1, 1), "they keep what they had"
    assert numbers["2026-07-08"] is None, "it was not over, and its calls are gone"
    observed = berlin.rows(
        "select observed_seconds from rollcall.agent_days where business_day = '2026-07-08'"
    )
    assert observed[0][0] > 20 * 3600


def test_another_time_zone_needs_a_full_build_and_its_sources(berlin: Zoned) -> None:
    one_agent(berlin)
    end = START + timedelta(days=6)
    built(berlin, end)
    other = in_zone(berlin.url, berlin.state, NEW_YORK)
    with pytest.raises(ConfigurationError, match="of another time zone than America/New_York") as refused:
        built(berlin, end, workspace=other)
    assert "--full" in str(refused.value.hint)
    built(berlin, end, full=True, workspace=other)
    days = "select business_day, sum(observed_seconds) from rollcall.queue_intervals group by 1 order by 1"
    sums = berlin.rows(days)
    assert sums == berlin.rows(
        "select business_day, observed_seconds from rollcall_ops.built_days order by 1"
    )
    berlin.rows("delete from call_sessions where started_at < %s", datetime(2026, 7, 9))
    with pytest.raises(ConfigurationError, match="are gone"):
        built(berlin, end, full=True)
    assert berlin.rows(days) == sums


def test_a_call_that_ends_at_midnight_adds_no_row_to_the_next_day(berlin: Zoned) -> None:
    one_agent(berlin)
    berlin.rows("update call_sessions set ended_at = started_at + interval '13 hours'")  # midnight in Berlin
    built(berlin, START + timedelta(days=6))
    midnights = "select count(*) from rollcall.agent_intervals where extract(hour from local_start) = 0"
    assert berlin.rows(midnights) == [(0,)]


def test_what_nothing_observed_is_null_and_what_did_not_happen_is_zero(berlin: Zoned) -> None:
    agent = berlin.agent()
    started = START + timedelta(hours=1)
    calls = [Call(agent, "inbound", started, None, started + timedelta(seconds=9))]
    write(berlin, Day(calls=calls))
    built(berlin, START + timedelta(hours=2))
    columns = "observed_seconds, logged_in_seconds, ghost_seconds, calls_missed, calls_missed_as_ghost"
    unobserved = (0, None, None, 1, None)
    assert berlin.rows(f"select {columns} from rollcall.agent_intervals") == [unobserved]
    assert berlin.rows(f"select {columns} from rollcall.agent_days") == [unobserved]
    queue = "select calls_missed_with_ghost_available, service_level from rollcall.queue_intervals"
    queue += " where calls_offered {}"
    assert berlin.rows(queue.format("= 1")) == [(None, 0)]
    assert set(berlin.rows(queue.format("= 0"))) == {(None, None)}

    write(berlin, Day(looks=[(START, None), (START + timedelta(hours=2), START)]))
    built(berlin, START + timedelta(hours=2))
    assert berlin.rows(f"select {columns} from rollcall.agent_intervals") == [(900, 0, 0, 1, 0)]
    assert berlin.rows(queue.format("= 1")) == [(0, 0)]


def test_after_call_work_is_known_where_a_status_shows_it(berlin: Zoned) -> None:
    agent = berlin.agent()
    shown = [
        Shown(
            "s",
            str(agent),
            status,
            "there",
            True,
            START + timedelta(minutes=15 * n),
            START + timedelta(minutes=15 * n + 15),
        )
        for n, status in enumerate(["available", "on_call", "wrap_up"])
    ]
    write(berlin, Day(looks=[(START, None), (START + timedelta(hours=1), START)], shown=shown))
    query = "select after_call_seconds, logged_in_seconds, round(occupancy, 4) from rollcall.agent_days"
    built(berlin, START + timedelta(hours=1))
    assert berlin.rows(query) == [(None, 2700, Decimal("0.5"))]
    knows = {"other_working_statuses": ["wrap_up"], "after_call_statuses": ["wrap_up"]}
    built(berlin, START + timedelta(hours=1), workspace=in_zone(berlin.url, berlin.state, BERLIN, **knows))
    assert berlin.rows(query) == [(900, 2700, Decimal("0.6667"))]


def test_what_the_application_does_not_say_of_calls_is_null(berlin: Zoned) -> None:
    one_agent(berlin)
    silent = in_zone(berlin.url, berlin.state, BERLIN, calls_direction_column=None)
    with open_run(silent, "migrate") as run:
        assert migrate(silent, run, make_plan(silent).statements).skipped == []
    built(berlin, START + timedelta(days=1), workspace=silent)
    assert berlin.rows(
        "select calls_offered, calls_answered, calls_missed, calls_missed_as_ghost, sum(talk_seconds)"
        " from rollcall.agent_days group by 1, 2, 3, 4"
    ) == [(None, None, None, None, 290)]
    assert berlin.rows("select distinct calls_offered, service_level from rollcall.queue_intervals") == [
        (None, None)
    ]
    with open_run(berlin.workspace, "migrate") as run:  # as the other tests expect it
        migrate(berlin.workspace, run, make_plan(berlin.workspace).statements)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Local/Office"])
def test_a_zone_that_postgresql_does_not_know_is_an_error_of_the_configuration(
    berlin: Zoned, tmp_path: Path, zone: str
) -> None:
    office = tmp_path / "zones" / "Local" / "Office"  # this machine knows it, and PostgreSQL does not
    office.parent.mkdir(parents=True)
    usual = zoneinfo.TZPATH
    utc = next(Path(folder, "UTC") for folder in usual if Path(folder, "UTC").is_file())
    office.write_bytes(utc.read_bytes())
    zoneinfo.reset_tzpath([str(tmp_path / "zones"), *usual])
    try:
        refused = rollcall(
            "build", url=berlin.url, state=tmp_path / "state", ROLLCALL_VARS=f"business_time_zone: {zone}"
        )
    finally:
        zoneinfo.reset_tzpath(usual)
    assert refused.returncode == 2
    expected = "no time zone" if zone == "Mars/Olympus" else "PostgreSQL does not know the time zone"
    assert expected in refused.stderr
    assert f": {zone}." in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert berlin.rows("select count(*) from rollcall_ops.built_days") == [(0,)]


def test_a_build_before_the_migration_says_what_is_missing(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(TABLES)
    refused = rollcall("build", url=database, state=tmp_path, ROLLCALL_VARS=f"business_time_zone: {BERLIN}")
    assert refused.returncode == 1
    assert "The view rollcall.calls, which a build reads, is not deployed" in refused.stderr
    assert "`rollcall migrate` makes it" in refused.stderr


def test_the_command_builds_and_says_so(berlin: Zoned, tmp_path: Path) -> None:
    one_agent(berlin)
    zone = {"url": berlin.url, "state": tmp_path, "ROLLCALL_VARS": f"business_time_zone: {BERLIN}"}
    done = json.loads(rollcall("build", "--json", **zone).stdout)
    assert done["first_day"] == "2026-07-06"
    assert done["kept_days"] == 0
    assert done["days"] == berlin.rows("select count(*) from rollcall_ops.built_days")[0][0] > 7
    again = rollcall("build", **zone)
    assert again.returncode == 0
    assert "Built 4 days from " in again.stdout
    full = json.loads(rollcall("build", "--full", "--json", **zone).stdout)
    assert {**full, "run_id": ""} == {**done, "run_id": ""}
    assert berlin.rows("select command from rollcall_ops.runs order by run_id desc limit 1") == [("build",)]
