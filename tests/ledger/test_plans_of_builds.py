"""A build reads the quarter hours of the days that it builds, however many days there are."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from rollcall.ledger.runs import open_run
from tests.support.builds import Zoned
from tests.support.plans import rows_read

pytestmark = pytest.mark.medium  # hundreds of thousands of quarter hours

AGENTS, QUARTER_HOURS = 100, 40
OF_A_DAY = AGENTS * QUARTER_HOURS
BUILT_DAYS = """
    insert into rollcall_ops.built_days (
        business_day, starts_at, ends_at, settings, observed_seconds, looks, calls, built_by
    )
    select day::date, day, day + interval '1 day', '', 86400, 288, 0, %s
    from generate_series(timestamptz '2026-03-01Z', '2026-06-08Z', '1 day') as day
"""
BUILT_QUARTER_HOURS = f"""
    insert into rollcall_ops.built_agent_intervals (
        agent_id, interval_start, local_start, business_day, observed_seconds, logged_in_seconds, built_by
    )
    select
        agent::text, d.starts_at + number * interval '15 minutes', '2026-03-01', d.business_day, 900, 900,
        d.built_by
    from rollcall_ops.built_days as d
    cross join generate_series(1, {QUARTER_HOURS}) as number
    cross join generate_series(1, {AGENTS}) as agent
    order by d.business_day
"""


@pytest.fixture
def many_days(berlin: Zoned) -> Zoned:
    """A hundred days that a run has built and summed."""
    run = run_of(berlin)
    berlin.rows(BUILT_DAYS, run)
    berlin.rows(BUILT_QUARTER_HOURS)
    # the statistics are those of a table that grows while it is built
    berlin.rows("analyze rollcall_ops.built_agent_intervals, rollcall_ops.built_days")
    berlin.rows(berlin.workspace.project.sql("sum_agent_days"))
    return berlin


def run_of(floor: Zoned) -> str:
    with open_run(floor.workspace, "build") as run:
        return run.id


def quarter_hours_read(floor: Zoned, run: str) -> tuple[int, int]:
    """How many quarter hours are read to remove the replaced ones, and to sum. What is changed is undone."""
    sql = floor.workspace.project.sql
    with floor.connect(autocommit=False) as connection:
        removal = explained(connection, sql("remove_replaced").replace("$1", f"'{run}'"))
        connection.execute(sql("remove_replaced_days"))
        return removal, explained(connection, sql("sum_agent_days"))


def explained(connection: psycopg.Connection[Any], query: str) -> int:
    row = connection.execute(f"explain (analyze, timing off, format json) {query}").fetchone()
    assert row
    return rows_read(row[0][0]["Plan"], "built_agent_intervals")


def test_a_build_reads_no_other_days(many_days: Zoned) -> None:
    later = run_of(many_days)
    again = "update rollcall_ops.{} set built_by = %s where business_day = '2026-06-08'"
    many_days.rows(again.format("built_days"), later)
    many_days.rows(again.format("built_agent_intervals") + " and agent_id <> '1'", later)
    assert quarter_hours_read(many_days, later) == (OF_A_DAY, OF_A_DAY - QUARTER_HOURS)


def test_the_days_that_a_run_has_summed_are_not_read_again(many_days: Zoned) -> None:
    ((run,),) = many_days.rows("select distinct built_by from rollcall_ops.built_days")
    assert quarter_hours_read(many_days, run) == (0, 0)
