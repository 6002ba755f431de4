"""A fleet on the workers of a Prefect pool: one of two is killed, or the only one."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import yaml

from rollcall.servers.postgres import PostgresServer
from rollcall.servers.prefect import client_of
from tests.support.call_centre import share_compilations
from tests.support.fleets import SECRET, FleetOfTests, with_a_database_of_every_kind
from tests.support.production import Production, descendants, run_now
from tests.support.waiting import until

pytestmark = pytest.mark.slow

FLEET = "rollcall-fleet/fleet"
LONGEST_SECONDS = 1800


@pytest.fixture
def fleet(server: PostgresServer, tmp_path: Path) -> Iterator[FleetOfTests]:
    with contextlib.ExitStack() as stack:
        yield FleetOfTests(server, tmp_path, stack)


@pytest.fixture
def production(databases: Callable[[], str], tmp_path: Path) -> Iterator[Production]:
    """A server with the deployments of a fleet; its workers have the fleet's file and what it refers to."""
    started = Production(tmp_path / "production", databases(), "")
    started.folder.mkdir()
    share_compilations(started.state)
    try:
        started.start_server()
        started.prefect("work-pool", "create", "rollcall", "--type", "process")
        started.prefect("deploy", "--name", "fleet", "--name", "fleet-database")
        started.prefect("automation", "create", "--from-file", "automations.yaml")
        yield started
    finally:
        started.stop()


def give(fleet: FleetOfTests, production: Production, **document: Any) -> None:
    """Write the fleet's file for the workers."""
    path = fleet.folder / "databases.yml"
    path.write_text(yaml.safe_dump({"databases": fleet.entries, "retry_pause_seconds": 0, **document}))
    production.of_workers = {**fleet.environment, "ROLLCALL_FLEET": str(path)}


def end_of(client: Any, run: UUID) -> Any:
    """The final state of a flow run."""

    def is_over() -> bool:
        time.sleep(1)
        return bool(client.read_flow_run(run).state.is_final())

    until(is_over, seconds=LONGEST_SECONDS)
    return client.read_flow_run(run).state


def rows_of_scorecard(production: Production) -> dict[str, dict[str, Any]]:
    card = json.loads((production.state / "fleet" / "databases" / "scorecard.json").read_text("utf-8"))
    return {row["name"]: row for row in card["databases"]}


@pytest.mark.timeout(LONGEST_SECONDS + 600)
def test_each_of_fifty_gets_its_verdict_though_one_of_two_workers_is_killed(
    fleet: FleetOfTests, production: Production
) -> None:
    with_a_database_of_every_kind(fleet, silent_port=9)
    fleet.copies(40)
    for name in ("down_a", "down_b"):
        fleet.add(name, f"postgresql://agent:{SECRET}@127.0.0.1:9/calls", None)
    assert len(fleet.expected) == 50
    give(fleet, production, retries=1, at_once=3, deadline_seconds=120)
    with client_of(production.api) as client:
        production.start_worker("one")
        run = run_now(client, FLEET)
        until(lambda: client.read_flow_run(run).state.is_running())
        second = production.start_worker("two")
        until(lambda: descendants(second.pid))
        production.kill(second)
        state = end_of(client, run)
        assert (state.name, state.is_failed()) == ("SOME_NOT_EVALUATED", True)

    rows = rows_of_scorecard(production)
    assert {name: row["verdict"] for name, row in rows.items()} == fleet.expected
    assert "password authentication failed" in rows["wrong_password"]["problem"]
    assert "unknown_session_status" in {rule["rule"] for rule in rows["unknown_status"]["blocked_by"]}
    assert_no_secret(production)


@pytest.mark.timeout(LONGEST_SECONDS)
def test_the_fleet_crashes_with_its_worker_and_the_next_one_judges_all(
    fleet: FleetOfTests, production: Production
) -> None:
    fleet.sound("ready")
    fleet.damaged("damaged")
    give(fleet, production, at_once=1)
    with client_of(production.api) as client:
        worker = production.start_worker("one")
        run = run_now(client, FLEET)
        until(lambda: len(client.read_flow_runs()) > 1)
        production.kill(worker)
        assert client.read_flow_run(run).state.is_running()
        production.start_worker("two")
        assert end_of(client, run).is_crashed()
        following = end_of(client, run_now(client, FLEET))
        assert (following.name, following.is_completed()) == ("SOME_NOT_READY", True)
    assert {name: row["verdict"] for name, row in rows_of_scorecard(production).items()} == fleet.expected


def assert_no_secret(production: Production) -> None:
    """Neither in a file of server, workers and runs, nor in a row of Prefect's database."""
    for path in production.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    with psycopg.connect(production.prefect_database) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public'"
        ).fetchall()
        assert tables
        for (table,) in tables:
            query = f'select count(*) from "{table}" as kept where strpos(kept::text, %s) > 0'
            assert connection.execute(query, [SECRET]).fetchone() == (0,), table
