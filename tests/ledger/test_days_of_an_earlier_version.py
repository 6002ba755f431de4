"""Waits that are unknown, and days of an earlier version, which did not count them: no wrong number."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.builds import START, Zoned, built, one_agent
from tests.support.cookbook import answer

pytestmark = pytest.mark.medium  # several compilations

END = START + timedelta(days=6)
OF_WAITS = (
    "calls_answered_in_time, average_speed_of_answer, service_level, wait_seconds_of_answered,"
    " calls_answered_with_known_wait, calls_of_service_level"
)
OTHERS = "business_day::text, calls_offered, calls_answered, calls_abandoned"
WITH_CALLS = f"select {OTHERS}, {OF_WAITS} from rollcall.queue_intervals where calls_offered > 0 order by 1"
NOTHING = (None,) * 6


def connect_at_no_time(floor: Zoned, *started: datetime) -> None:
    """Make calls answered, with a time of connection that is none."""
    floor.rows("update call_sessions set connected_at = 'infinity' where started_at = any(%s)", list(started))


def as_of_an_earlier_version(floor: Zoned) -> None:
    """The built rows as they are when the column was added to their table."""
    floor.rows("update rollcall_ops.built_queue_intervals set calls_answered_with_known_wait = null")
    floor.rows("update rollcall_ops.built_days set settings = replace(settings, 'columns 2 | ', '')")


def by_day(floor: Zoned) -> dict[str, Any]:
    return {day: (counts, waits) for day, *counts, waits in (
        (*row[:4], row[4:]) for row in floor.rows(WITH_CALLS)
    )}  # fmt: skip


def test_an_answered_call_of_unknown_wait_is_in_no_mean_and_no_share(berlin: Zoned) -> None:
    agent, _ = one_agent(berlin, days=1)
    times = [START + timedelta(hours=1, minutes=number) for number in (1, 2, 3, 4)]
    naive = [moment.replace(tzinfo=None) for moment in times]
    berlin.rows(
        "insert into call_sessions (agent_id, status, direction, started_at, connected_at, ended_at)"
        " values (%s, 'completed', 'inbound', %s, 'infinity', %s), (%s, 'completed', 'inbound', %s, %s, %s),"
        " (%s, 'missed_call', 'inbound', %s, null, %s), (%s, 'completed', 'inbound', %s, %s, %s)",
        *(agent, naive[0], naive[0] + timedelta(minutes=3)),
        *(agent, naive[1], naive[1] - timedelta(seconds=5), naive[1] + timedelta(minutes=3)),
        *(agent, naive[2], naive[2] + timedelta(seconds=9)),
        *(agent, naive[3], naive[3] + timedelta(seconds=50), naive[3] + timedelta(minutes=3)),
    )
    built(berlin, START + timedelta(days=1))
    # waits of 10 and 50 seconds; two waits are unknown, and one call was abandoned
    counts, (in_time, speed, level, waited, known, counted) = by_day(berlin)["2026-07-06"]
    assert counts == [5, 4, 1]
    assert (in_time, speed, waited, known, counted) == (1, 30, 60, 2, 3)
    assert float(level) == pytest.approx(1 / 3)
    ((_, _, average, share),) = [row[1:] for row in answer(berlin, "as service_level") if row[1]]
    assert (float(average), float(share)) == (30, pytest.approx(1 / 3))
    (of_hour,) = [row for row in answer(berlin, "level_of_hour") if row[1]]
    assert [float(value) for value in of_hour] == [11, 5, pytest.approx(1 / 3), 30]


def test_days_of_an_earlier_version_are_built_again_or_say_nothing_of_waits(berlin: Zoned) -> None:
    one_agent(berlin)
    connect_at_no_time(berlin, datetime(2026, 7, 7, 9), datetime(2026, 7, 9, 9))
    built(berlin, END)
    right = by_day(berlin)
    assert right["2026-07-08"] == ([1, 1, 0], (1, 10, 1, 10, 1, 1))
    assert right["2026-07-09"] == ([1, 1, 0], (0, None, None, 0, 0, 0))
    as_of_an_earlier_version(berlin)
    assert {waits for _, waits in by_day(berlin).values()} == {NOTHING}
    assert {level for *_, level, _ in answer(berlin, "level_of_hour")} == {None}

    berlin.rows("delete from call_sessions where started_at < %s", datetime(2026, 7, 8))
    done = built(berlin, END)
    assert (done.first_day, done.kept_days) == ("2026-07-06", 2)
    again = by_day(berlin)
    gone = ("2026-07-06", "2026-07-07")
    assert again == {day: (row[0], NOTHING if day in gone else row[1]) for day, row in right.items()}
    # three known waits and no more are in the sums, though six calls were offered
    (of_hour,) = [row for row in answer(berlin, "level_of_hour") if row[1]]
    assert of_hour[1:] == (6, 1, 10)
    assert built(berlin, END).days == 4, "no day is built a third time"
