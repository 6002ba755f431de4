"""The simulator as an application with one row per agent for ever, chosen by a preset and `rollcall.yml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import ConfigurationError
from rollcall.sandbox.simulator import Options, Simulation, simulate
from tests.support.simulation import (
    COMPRESSED,
    ROOMY,
    assert_a_clean_up_makes_ready,
    assert_holds,
    connections,
    run,
    settings_of,
)

# agents and sessions are one table, and the calls have names of their own
CONFIGURATION = """
preset: row_per_agent
agents_table: operators
sessions_table: operators
sessions_agent_id_column: id
sessions_status_column: state
sessions_call_id_column: current_conversation
sessions_last_activity_column: last_seen
calls_table: conversations
calls_agent_id_column: operator_id
calls_status_column: phase
calls_started_at_column: began_at
calls_connected_at_column: answered_at
calls_ended_at_column: finished_at
available_statuses: [ready, ready_for_chat]
on_call_status: talking
break_status: paused
closed_status: away
not_working_statuses: [away]
connected_call_status: talking
live_call_statuses: [dialling, ringing, talking]
over_call_statuses: [done, missed, failed]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of `rollcall.yml`."""
    (tmp_path / "rollcall.yml").write_text(CONFIGURATION, "utf-8")
    return tmp_path


def play(database: str, folder: Path, options: Options, *, closed: int, **variables: Any) -> None:
    """Simulate with clean-ups beside; then one more makes the call centre ready."""
    settings = settings_of(database, folder / "state", folder, **variables)
    report = run(settings, options)
    assert_holds(report)
    assert report.heartbeats
    assert report.failures == []
    assert report.clean_ups.errors == {}
    assert report.judgement.closed_dead >= closed
    assert report.judgement.mended > 0
    assert report.judgement.routable > options.agents
    assert report.floor["rings without an answer"] > 0
    assert report.floor["sessions"] <= options.agents  # never a second row of an agent
    assert_a_clean_up_makes_ready(Simulation(settings, options).settings)


@pytest.mark.medium
def test_no_present_agent_is_touched_and_no_ghost_is_left(database: str, folder: Path) -> None:
    options = Options(agents=80, seconds=20, create=True, migrate=True, clean_every=1)
    play(database, folder, options, closed=2, **COMPRESSED)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, 11))
def test_ten_seeds_of_three_hundred_agents(database: str, folder: Path, seed: int) -> None:
    options = Options(agents=300, seconds=60, speed=30, seed=seed, create=True, migrate=True, clean_every=3)
    play(database, folder, options, closed=10, **ROOMY, **connections(seed))


def test_the_preset_alone_has_a_table_for_the_rows(database: str, tmp_path: Path) -> None:
    (tmp_path / "rollcall.yml").write_text("preset: row_per_agent\n", "utf-8")
    settings = settings_of(database, tmp_path / "state", tmp_path, **COMPRESSED)
    report = run(settings, Options(agents=20, seconds=2, speed=300, create=True))
    assert_holds(report)
    assert report.failures == []
    assert report.floor["calls"] > 0
    with psycopg.connect(database) as connection:
        (rows,) = connection.execute("select count(*) from agent_status").fetchone() or (0,)
    assert rows == 20


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"sessions_logout_at_column": "logout_at"}, "the var sessions_login_at_column is no name"),
        ({"sessions_login_at_column": "login_at"}, "it has a login and no logout"),
        ({"calls_connected_at_column": None}, "the var calls_connected_at_column is no name"),
        (
            {
                "sessions_status_column": {
                    "column": "state",
                    "values": {1: "available", 2: "break", 0: "offline"},
                }
            },
            "the var sessions_status_column is no name",
        ),
    ],
)
def test_an_application_that_cannot_be_played_is_refused(
    database: str, tmp_path: Path, variables: dict[str, Any], message: str
) -> None:
    (tmp_path / "rollcall.yml").write_text("preset: row_per_agent\n", "utf-8")
    settings = settings_of(database, tmp_path / "state", tmp_path, **variables)
    with pytest.raises(ConfigurationError, match=message):
        simulate(settings, Options(create=True))
