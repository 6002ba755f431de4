"""Views and days of an application that does not say when a call was connected, or has no calls."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.ledger.runs import open_run
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from tests.support.builds import BERLIN, START, Zoned, built, in_zone, one_agent
from tests.support.call_centre import share_compilations
from tests.support.floor import TABLES

pytestmark = pytest.mark.medium  # a migration each

HOURS_OF_WORK = 8 * 3600
OF_THE_AGENT = (
    "logged_in_seconds",
    "calls_offered",
    "calls_answered",
    "calls_missed",
    "calls_missed_as_ghost",
    "talk_seconds",
)
OF_THE_QUEUE = (
    "calls_offered",
    "calls_answered",
    "calls_abandoned",
    "calls_answered_in_time",
    "average_speed_of_answer",
    "service_level",
    "calls_missed_with_ghost_available",
)


def days_of(database: str, state: Path, mapping: dict[str, Any]) -> Zoned:
    """Three days of one agent, of which this mapping says what it says."""
    with psycopg.connect(database) as connection:
        connection.execute(TABLES)
    folder = str(share_compilations(state / "state"))
    floor = Zoned(database, in_zone(database, folder, BERLIN, **mapping))
    with open_run(floor.workspace, "migrate") as run:
        assert migrate(floor.workspace, run, make_plan(floor.workspace).statements).skipped == []
    one_agent(floor, days=3)
    built(floor, START + timedelta(days=3))
    return floor


@pytest.mark.parametrize(
    ("mapping", "offered"),
    [({"calls_connected_at_column": None}, 1), ({"calls_table": None}, None)],
    ids=["no connection", "no calls"],
)
def test_what_the_mapping_lacks_is_null_and_the_rest_is_there(
    database: str, tmp_path: Path, mapping: dict[str, Any], offered: int | None
) -> None:
    floor = days_of(database, tmp_path, mapping)
    days = floor.rows(f"select {', '.join(OF_THE_AGENT)} from rollcall.agent_days order by business_day")
    assert days == [(HOURS_OF_WORK, offered, None, None, None, None)] * 3
    queue = floor.rows(
        f"select {', '.join(OF_THE_QUEUE)} from rollcall.queue_intervals"
        " where business_day = '2026-07-07' and local_start::time = '11:00'"
    )
    assert queue == [(offered, *[None] * 6)]
    calls = floor.rows("select was_answered, connected_at, talk_seconds, wait_seconds from rollcall.calls")
    assert calls == [(None,) * 4] * (3 if offered else 0)
    assert floor.rows("select subject, difference, source_talk_seconds from rollcall.conservation") == [
        ("session", 0, None),
        ("call", 0, None),
    ]
