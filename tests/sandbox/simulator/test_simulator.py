"""The simulator on a real server: no present agent is touched, no ghost is left, and the judge can fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.cli.main import INTERRUPTED
from rollcall.errors import ConfigurationError, Refused
from rollcall.sandbox.demo.rows import Words
from rollcall.sandbox.demo.schema import Schema, Variant
from rollcall.sandbox.simulator import Options, Simulation, simulate
from rollcall.sandbox.simulator.scripts import Decisions, Pace
from rollcall.settings.configuration import PROJECT_DIRECTORY
from tests.support.call_centre import CAMEL_CASE, share_compilations
from tests.support.command import heed_signals
from tests.support.postgres import running_server
from tests.support.simulation import COMPRESSED, ROOMY, assert_holds, connections, run, settings_of
from tests.support.waiting import PATIENCE, until

# --- beside a clean-up every second ---------------------------------------------------------------


@pytest.mark.medium
@pytest.mark.parametrize(
    "migrated",
    [
        pytest.param(False, id="before the migration", marks=pytest.mark.slow),
        pytest.param(True, id="with heartbeats"),
    ],
)
def test_no_present_agent_is_touched_and_no_ghost_is_left(
    database: str, tmp_path: Path, migrated: bool
) -> None:
    options = Options(agents=80, seconds=20, create=True, migrate=migrated, clean_every=1)
    report = run(settings_of(database, tmp_path, **COMPRESSED), options)
    assert_holds(report)
    assert report.heartbeats is migrated
    assert report.failures == []
    assert report.clean_ups.errors == {}
    assert report.judgement.closed_dead >= 5
    assert report.floor["rings without an answer"] > 0


@pytest.mark.medium
def test_by_heartbeat_present_agents_are_routable_and_those_who_left_are_not(
    database: str, tmp_path: Path
) -> None:
    options = Options(
        agents=60, seconds=20, create=True, migrate=True, route_by_heartbeat=True, clean_every=2
    )
    report = run(settings_of(database, tmp_path, **ROOMY), options)
    assert_holds(report)
    assert report.judgement.routable > 20


# --- the judge can fail ---------------------------------------------------------------------------


@pytest.mark.medium
def test_a_clean_up_that_goes_by_last_activity_alone_is_caught(database: str, tmp_path: Path) -> None:
    async def close_whatever_is_idle(simulation: Simulation) -> None:
        connection = await psycopg.AsyncConnection.connect(database, autocommit=True)
        async with connection:
            while not simulation.ending.is_set():
                await connection.execute(
                    """
                    update agent_sessions
                    set status = 'offline', logout_at = now() at time zone 'utc'
                    where logout_at is null
                        and last_activity < now() at time zone 'utc' - interval '1 second'
                    """
                )
                await asyncio.sleep(0.5)

    settings = settings_of(database, tmp_path, **COMPRESSED)
    report = run(settings, Options(agents=60, seconds=8, create=True), close_whatever_is_idle)
    assert not report.holds
    found = {finding.what for finding in report.wronged}
    assert {"closed under a living agent", "changed during a live call"} <= found
    assert all(finding.history for finding in report.wronged)


@pytest.mark.medium
def test_ghosts_that_stay_open_are_named(database: str, tmp_path: Path) -> None:
    settings = settings_of(database, tmp_path, **{**COMPRESSED, "abandoned_after_hours": 0.0006})
    report = run(settings, Options(agents=60, seconds=7, speed=200, create=True))
    assert not report.holds
    assert not report.wronged
    assert report.left_open
    assert {finding.what for finding in report.left_open} == {"left open: not cleaned"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "wronged", "left"),
    [pytest.param(0.3, True, False, id="too early"), pytest.param(3, False, True, id="too late")],
)
def test_rollcall_with_another_window_is_caught(
    database: str, tmp_path: Path, factor: float, wronged: bool, left: bool
) -> None:
    options = Options(agents=80, seconds=25, create=True, clean_every=1)
    simulation = Simulation(settings_of(database, tmp_path, **COMPRESSED), options)
    simulation.prepare()
    simulation.overrides = {
        **simulation.overrides,
        "abandoned_after_hours": COMPRESSED["abandoned_after_hours"] * factor,
    }
    report = asyncio.run(simulation.run())
    assert (bool(report.wronged), bool(report.left_open)) == (wronged, left)


# --- decisions --------------------------------------------------------------------------------------


def decisions(seed: int) -> list[Any]:
    made = Decisions(seed, Pace(speed=100, window=5, longest_call=4, calls_per_hour=7))
    return [
        [list(islice(made.agent(number), 50)) for number in range(1, 6)],
        list(islice(made.inbound(20), 50)),
        list(islice(made.heartbeats(1), 50)),
        list(islice(made.kills(2), 50)),
    ]


def test_a_seed_decides_everything() -> None:
    assert decisions(1) == decisions(1)
    assert all(ours != theirs for ours, theirs in zip(decisions(1), decisions(2), strict=True))
    agents = decisions(1)[0]
    assert all(ours != theirs for ours, theirs in pairwise(agents))


# --- other applications, and what is refused --------------------------------------------------------


@pytest.mark.medium
@pytest.mark.parametrize(
    ("overrides", "variant"),
    [
        pytest.param(CAMEL_CASE, Variant(migrated=True), id="quoted camelCase names, migrated"),
        pytest.param({}, Variant(timestamps="timestamptz", status="enum"), id="timestamptz and enum status"),
        pytest.param({}, Variant(keys="bigint", agent_keys="bigint"), id="bigint keys"),
        pytest.param({}, Variant(keys="text", agent_keys="text", partitioned=True), id="text, partitioned"),
        pytest.param({"app_time_zone": "America/New_York"}, Variant(), id="local time"),
    ],
)
def test_another_application_needs_configuration_only(
    database: str, tmp_path: Path, overrides: dict[str, Any], variant: Variant
) -> None:
    settings = settings_of(database, tmp_path, **COMPRESSED, **overrides)
    with contextlib.closing(psycopg.connect(database)) as connection, connection.cursor() as cursor:
        schema = Schema(settings.variables, variant, Words(settings.variables).status_values())
        schema.create_tables(cursor)
        schema.add_constraints(cursor, all_agents_known=True)
        connection.commit()
    report = run(settings, Options(agents=20, seconds=2, speed=300))
    assert_holds(report)
    assert report.failures == []
    assert report.floor["calls"] > 0


def test_a_database_that_may_be_in_use_is_refused(database: str, tmp_path: Path) -> None:
    settings = settings_of(database, tmp_path)
    options = Options(agents=3, seconds=0.5, create=True)
    simulate(settings, options)
    with psycopg.connect(database) as connection:
        connection.execute("drop schema demo_truth cascade")
    with pytest.raises(Refused, match="neither by the demo nor by the simulator"):
        simulate(settings, replace(options, create=False))
    name = database.rpartition("/")[2].partition("?")[0]
    assert simulate(settings, replace(options, create=False), confirmed=name).failures == []


@pytest.mark.parametrize(
    ("options", "variables", "message"),
    [
        (Options(agents=0), {}, "--agents must be above zero"),
        (Options(kill_every=1), {}, "add --clean-every"),
        (Options(route_by_heartbeat=True), {}, "add --migrate"),
        (Options(), {}, "there is no table public.agents"),
        (Options(create=True, speed=1), {"abandoned_after_hours": 0.0001}, "too short"),
    ],
)
def test_what_cannot_work_is_refused(
    database: str, tmp_path: Path, options: Options, variables: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        simulate(settings_of(database, tmp_path, **variables), options)


# --- the command ------------------------------------------------------------------------------------


PROGRAM = (sys.executable, "-c", "import rollcall.cli; rollcall.cli.main()")


def variables(database: str, tmp_path: Path) -> dict[str, str]:
    state = str(share_compilations(tmp_path))
    return {**os.environ, "ROLLCALL_DATABASE_URL": database, "ROLLCALL_STATE_DIR": state}


def command(database: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "simulate", *arguments],
        env=variables(database, tmp_path),
        cwd=PROJECT_DIRECTORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.medium
def test_the_command_says_what_it_saw(database: str, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    done = command(database, tmp_path, "--create", "--agents=10", "--seconds=2", f"--truth={truth}")
    assert done.returncode == 0, done.stderr
    assert "no session changed under a living agent" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    events = [json.loads(line) for line in truth.read_text().splitlines()]
    assert {"arrived", "wrote"} <= {event["event"] for event in events}

    ghosts = "{abandoned_after_hours: 0.0006, live_call_max_hours: 0.001}"
    done = command(database, tmp_path, "--seed=2", "--seconds=6", "--speed=200", "--json", "--vars", ghosts)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["holds"] is False
    assert document["changed_wrongly"] == []
    assert all(finding["history"] for finding in document["left_open"])
    assert document["latency_ms"]["log in"]["p99"] >= document["latency_ms"]["log in"]["p50"] > 0


@pytest.mark.medium
def test_ctrl_c_leaves_one_line_and_no_process(database: str, tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to all of its processes, of which the clean-up beside must be none."""
    process = subprocess.Popen(
        [*PROGRAM, "simulate", "--create", "--migrate", "--agents=10", "--seconds=300", "--clean-every=0.5"],
        env=variables(database, tmp_path),
        cwd=PROJECT_DIRECTORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
        process_group=0,
    )
    others = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    with psycopg.connect(database, autocommit=True) as connection:
        until(lambda: process.poll() is not None or has_sessions(connection))
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE)
        until(lambda: not connection.execute(others).fetchall())
    assert error.splitlines() == [
        "rollcall: interrupted; what was done is recorded, and the next run goes on from there"
    ]
    assert process.returncode == INTERRUPTED


def has_sessions(connection: psycopg.Connection[Any]) -> bool:
    """Whether the traffic has begun."""
    with contextlib.suppress(psycopg.errors.UndefinedTable):
        return connection.execute("select 1 from agent_sessions limit 1").fetchone() is not None
    return False


# --- for minutes ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, 21))
def test_five_hundred_agents(database: str, tmp_path: Path, seed: int) -> None:
    options = Options(agents=500, seconds=60, speed=30, seed=seed, create=True, migrate=True, clean_every=3)
    report = run(settings_of(database, tmp_path, **ROOMY, **connections(seed)), options)
    assert_holds(report)
    assert report.failures == []
    assert report.judgement.closed_dead >= 50


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_clean_up_is_killed_at_random(database: str, tmp_path: Path, seed: int) -> None:
    options = Options(
        agents=150,
        seconds=90,
        speed=60,
        seed=seed,
        create=True,
        migrate=True,
        clean_every=1,
        kill_every=1.5,
    )
    report = run(settings_of(database, tmp_path, **ROOMY, **connections(seed)), options)
    assert_holds(report)
    assert report.failures == []
    assert report.clean_ups.kills >= 30
    assert report.judgement.closed_dead >= 10


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_database_is_restarted(tmp_path: Path) -> None:
    async def restart_now_and_then(simulation: Simulation) -> None:
        for pause in (15, 12, 18):
            await asyncio.sleep(pause)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)

    with running_server() as server:
        options = Options(agents=100, seconds=60, speed=60, seed=1, create=True, migrate=True, clean_every=1)
        settings = settings_of(server.conninfo(), tmp_path, **ROOMY)
        report = run(settings, options, restart_now_and_then)
    assert_holds(report)
    assert report.failures == []
    assert report.interruptions > 0
    assert report.judgement.closed_dead >= 5
