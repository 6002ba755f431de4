"""A fleet on the workers of a Prefect pool: one is killed, and the scorecard is right for each database."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from rollcall.servers.postgres import PostgresServer
from tests.support.call_centre import share_compilations
from tests.support.fleets import SECRET, FleetOfTests, with_a_database_of_every_kind
from tests.support.production import Production, client_of, descendants, run_now
from tests.support.waiting import until

pytestmark = pytest.mark.slow

FLEET = "rollcall-fleet/fleet"
LONGEST_SECONDS = 1800


@dataclass
class FleetInProduction(Production):
    """Workers whose environment has the fleet's file and what it refers to.

    Attributes:
        variables: of that environment.
    """

    variables: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        return super().environment(**self.variables, **more)


@pytest.fixture
def fleet(server: PostgresServer, tmp_path: Path) -> Iterator[FleetOfTests]:
    with contextlib.ExitStack() as stack:
        yield FleetOfTests(server, tmp_path, stack)


@pytest.fixture
def production(fleet: FleetOfTests, databases: Callable[[], str], tmp_path: Path) -> Iterator[Any]:
    with_a_database_of_every_kind(fleet, silent_port=9)

    for name in ("down_a", "down_b"):
        fleet.add(name, f"postgresql://agent:{SECRET}@127.0.0.1:9/calls", None)
    document = {"databases": fleet.entries, "retries": 1, "retry_pause_seconds": 0, "at_once": 3}
    path = tmp_path / "databases.yml"
    path.write_text(yaml.safe_dump({**document, "deadline_seconds": 45}))
    started = FleetInProduction(tmp_path / "production", databases(), "")
    started.folder.mkdir()
    share_compilations(started.state)
    started.variables = {**fleet.environment, "ROLLCALL_FLEET": str(path)}
    try:
        started.start_server()
        started.prefect("work-pool", "create", "rollcall", "--type", "process")
        started.prefect("deploy", "--name", "fleet", "--name", "fleet-database")
        yield started
    finally:
        started.stop()


def test_each_database_gets_its_verdict_though_one_of_two_workers_is_killed(
    fleet: FleetOfTests, production: FleetInProduction
) -> None:
    with client_of(production) as client:
        production.start_worker("one")
        run = run_now(client, FLEET)
        until(lambda: client.read_flow_run(run).state.is_running())
        second = production.start_worker("two")
        until(lambda: descendants(second.pid))
        for pid in (second.pid, *descendants(second.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        second.wait()
        production.workers.remove(second)

        def is_over() -> bool:
            time.sleep(1)
            return bool(client.read_flow_run(run).state.is_final())

        until(is_over, seconds=LONGEST_SECONDS)
        state = client.read_flow_run(run).state
        assert (state.name, state.is_failed()) == ("SOME_NOT_EVALUATED", True)

    assert len(fleet.expected) == 10
    card = json.loads((production.state / "fleet" / "databases" / "scorecard.json").read_text("utf-8"))
    rows = {row["name"]: row for row in card["databases"]}
    assert {name: row["verdict"] for name, row in rows.items()} == fleet.expected
    assert "password authentication failed" in rows["wrong_password"]["problem"]
    assert_no_secret(production)


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
