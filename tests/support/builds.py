"""A floor whose days are those of Berlin, and what builds make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from rollcall.ledger.intervals import Build, build
from rollcall.ledger.runs import open_run
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations
from tests.support.floor import TABLES, Floor, empty
from tests.support.intervals import Call, Day, Shown
from tests.support.postgres import fresh_database

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
BUILT = ("built_agent_intervals", "built_agent_days", "built_queue_intervals", "built_days")
START = datetime(2026, 7, 6, 8, tzinfo=UTC)
VIEWS = {
    "agent_intervals": "agent_id, interval_start",
    "agent_days": "agent_id, business_day",
    "queue_intervals": "interval_start",
}


class Zoned(Floor):
    """A floor whose days are those of Berlin. state: the folder of what is compiled for it."""

    state = ""


@pytest.fixture(scope="module")
def migrated_berlin(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoned]:
    state = share_compilations(tmp_path_factory.mktemp("intervals"))
    with fresh_database(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        floor = Zoned(url, in_zone(url, str(state), BERLIN))
        with open_run(floor.workspace, "migrate") as run:
            migrate(floor.workspace, run, make_plan(floor.workspace).statements)
        floor.state = str(state)
        yield floor


def in_zone(url: str, state: str, zone: str, **variables: Any) -> Workspace:
    environment = {
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": state,
        "ROLLCALL_VARS": json.dumps({"business_time_zone": zone, **variables}),
    }
    return Workspace(load_settings(environment=environment))


@pytest.fixture
def berlin(migrated_berlin: Zoned) -> Zoned:
    """A floor without sessions, calls, looks, and nothing built."""
    empty(migrated_berlin)
    migrated_berlin.rows("truncate rollcall_ops.presence, rollcall_ops.presence_looks")
    for table in BUILT:
        migrated_berlin.rows(f"delete from rollcall_ops.{table}")
    return migrated_berlin


def write(floor: Zoned, day: Day) -> None:
    with open_run(floor.workspace, "clean") as run:
        day.write(floor, run.id)


def built(floor: Zoned, at: datetime, *, full: bool = False, workspace: Workspace | None = None) -> Build:
    with open_run(workspace or floor.workspace, "build") as run:
        return build(run, full=full, judged_at=at)


def one_agent(floor: Zoned, days: int = 6) -> tuple[int, Day]:
    """An agent, shown available from 08:00 to 16:00 UTC, with one answered call a day; looks all the time."""
    agent = floor.agent()
    day = Day()
    moment, previous = START, None
    while moment <= START + timedelta(days=days):
        day.looks.append((moment, previous))
        previous, moment = moment, moment + timedelta(minutes=10)
    for number in range(days):
        since = START + timedelta(days=number)
        day.shown.append(
            Shown(f"s{number}", str(agent), "available", "there", True, since, since + timedelta(hours=8))
        )
        started = since + timedelta(hours=1)
        connected, ended = started + timedelta(seconds=10), started + timedelta(minutes=5)
        day.calls.append(Call(agent, "inbound", started, connected, ended))
    write(floor, day)
    return agent, day


def find_gone(floor: Zoned, *sessions: str) -> datetime:
    """Record a look by which these are ghosts' from an hour after their begin. Gives an instant after it."""
    ((last,),) = floor.rows("select max(look_at) from rollcall_ops.presence_looks")
    look = last + timedelta(minutes=10)
    for session in sessions:
        floor.rows("update rollcall_ops.presence set superseded_by = %s where session_id = %s", look, session)
        floor.rows(
            "insert into rollcall_ops.presence (session_id, agent_id, status, presence, reasons,"
            " has_live_call, valid_from, valid_to, recorded_by, ended_by)"
            " select session_id, agent_id, status, 'ghost', reasons, false,"
            " valid_from + interval '1 hour', valid_to, %s, %s"
            " from rollcall_ops.presence where session_id = %s",
            look,
            look,
            session,
        )
    floor.rows(
        "insert into rollcall_ops.presence_looks (look_at, run_id, previous_at, open_sessions)"
        " select %s, min(run_id), max(look_at), 0 from rollcall_ops.presence_looks",
        look,
    )
    return look + timedelta(minutes=1)


def contents(floor: Zoned) -> dict[str, list[Any]]:
    return {view: floor.rows(f"select * from rollcall.{view} order by {key}") for view, key in VIEWS.items()}


def assert_full_is_the_same(floor: Zoned, at: datetime) -> None:
    """A full build of empty tables gives the rows that the incremental builds gave."""
    incremental = contents(floor)
    for table in BUILT:
        floor.rows(f"delete from rollcall_ops.{table}")
    assert built(floor, at, full=True).days > 0
    assert contents(floor) == incremental
