"""Corrections of presence reach every day that they are about, also if a build is killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import psycopg
import pytest

from rollcall.workspace import Workspace
from tests.support.builds import (
    BERLIN,
    BUILT,
    START,
    Zoned,
    assert_full_is_the_same,
    built,
    find_gone,
    in_zone,
    one_agent,
)
from tests.support.waiting import until

pytestmark = pytest.mark.medium  # several compilations


def test_a_correction_by_a_later_look_reaches_days_that_no_build_repeats(berlin: Zoned) -> None:
    one_agent(berlin)
    end = START + timedelta(days=6)
    assert built(berlin, end).days == 7
    assert built(berlin, end).days == 4  # the last day, and build_days_again before it
    later = find_gone(berlin, "s0")
    assert built(berlin, later).first_day == "2026-07-06"
    assert berlin.rows(
        "select ghost_seconds, ghost_available_seconds, logged_in_seconds from rollcall.agent_days"
        " order by business_day limit 1"
    ) == [(25200, 25200, 0)]
    assert_full_is_the_same(berlin, later)


def killed_at(berlin: Zoned, workspace: Workspace, end: datetime, holds: str) -> None:
    """Kill a build that waits for a lock of this statement, in the middle of its own."""
    waiting = (
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )
    with berlin.connect(autocommit=False) as blocker, ThreadPoolExecutor(1) as thread:
        blocker.execute(holds)
        killed = thread.submit(built, berlin, end, workspace=workspace)
        ((pid,),) = until(lambda: berlin.rows(waiting))
        berlin.rows("select pg_terminate_backend(%s)", pid)
        with pytest.raises(psycopg.OperationalError):
            killed.result()
        blocker.rollback()


def test_a_build_that_is_killed_leaves_whole_days_and_the_next_one_goes_on(berlin: Zoned) -> None:
    one_agent(berlin)
    end = START + timedelta(days=6)
    small = in_zone(berlin.url, berlin.state, BERLIN, build_days_at_once=2)
    third_day = (
        "insert into rollcall_ops.built_queue_intervals (interval_start, local_start,"
        " business_day, observed_seconds, built_by)"
        " values ('2026-07-08 10:00Z', '2026-07-08 12:00', '2026-07-08', 0, '')"
    )
    killed_at(berlin, small, end, third_day)
    days = "select max(business_day) from rollcall_ops.{}"
    assert {berlin.rows(days.format(table))[0][0] for table in BUILT} == {date(2026, 7, 7)}
    assert built(berlin, end, workspace=small).first_day == "2026-07-06"
    assert_full_is_the_same(berlin, end)


def test_no_correction_is_lost_by_a_build_that_is_killed_between_its_portions(berlin: Zoned) -> None:
    one_agent(berlin)
    built(berlin, START + timedelta(days=6))
    later = find_gone(berlin, "s0", "s2")
    small = in_zone(berlin.url, berlin.state, BERLIN, build_days_at_once=2)
    ghosts = "select sum(ghost_seconds) from rollcall.agent_days where business_day = %s"
    third_day = (
        "update rollcall_ops.built_queue_intervals set built_by = built_by"
        " where interval_start = '2026-07-08 10:00Z'"
    )
    killed_at(berlin, small, later, third_day)
    assert berlin.rows(ghosts, date(2026, 7, 6)) == [(25200,)], "the first portion is built"
    assert berlin.rows(ghosts, date(2026, 7, 8)) == [(0,)]
    built(berlin, later, workspace=small)
    assert berlin.rows(ghosts, date(2026, 7, 8)) == [(25200,)]
    assert_full_is_the_same(berlin, later)


def test_portions_have_the_calls_that_last_for_days_and_those_without_an_ordinary_start(
    berlin: Zoned,
) -> None:
    one_agent(berlin)
    moved = "update call_sessions set {} where started_at = %s"
    berlin.rows(moved.format("ended_at = '2026-07-11 10:00'"), datetime(2026, 7, 6, 9))
    berlin.rows(moved.format("started_at = 'infinity'"), datetime(2026, 7, 8, 9))
    berlin.rows(moved.format("started_at = '-infinity'"), datetime(2026, 7, 9, 9))
    each_day = in_zone(berlin.url, berlin.state, BERLIN, build_days_at_once=1)
    built(berlin, START + timedelta(days=6), full=True, workspace=each_day)
    usual = 290  # seconds of the call of each day; the long one is the whole of the days in its midst
    days = berlin.rows(
        "select business_day, calls_answered, talk_seconds from rollcall.agent_days order by business_day"
    )
    assert days[1:6] == [
        (date(2026, 7, 7), 1, 86400 + usual),
        (date(2026, 7, 8), 1, 86400 + usual),
        (date(2026, 7, 9), 1, 86400 + usual),
        (date(2026, 7, 10), 1, 86400 + usual),
        (date(2026, 7, 11), 1, 12 * 3600 + usual),
    ]
    assert_full_is_the_same(berlin, START + timedelta(days=6))


def test_a_day_is_the_sum_of_its_quarter_hours_and_is_summed_again_if_it_is_missing(berlin: Zoned) -> None:
    one_agent(berlin)
    end = START + timedelta(days=6)
    built(berlin, end)
    days = "select * from rollcall.agent_days order by business_day"
    before = berlin.rows(days)
    sums = "sum(logged_in_seconds), sum(ghost_seconds), sum(calls_offered), sum(talk_seconds)"
    query = f"select agent_id, business_day, {sums} from rollcall.{{}} group by 1, 2 order by 2"
    of_intervals = berlin.rows(query.format("agent_intervals"))
    assert len(of_intervals) == 6
    assert berlin.rows(query.format("agent_days")) == of_intervals
    # as after an upgrade: the oldest day, which no build repeats, was built without its sums
    berlin.rows("delete from rollcall_ops.built_agent_days where business_day <= '2026-07-07'")
    assert len(berlin.rows(days)) == 4
    assert built(berlin, end).days == 4
    assert berlin.rows(days) == before
    berlin.rows(
        "insert into rollcall_ops.built_agent_days (agent_id, business_day, built_by)"
        " values ('gone', '2026-07-12', '')"
    )
    built(berlin, end)
    assert berlin.rows(days) == before
