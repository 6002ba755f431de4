"""Two cleans, an undo and a migration at once beside writers, while the server ends their connections."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.sandbox.demo import Scale
from tests.support.call_centre import CallCentre, call_centre

SCALE = Scale(agents=120, sessions=1_500, calls=2_000, days=10)
ROUNDS = 3
RETURNERS = 5
HONEST_ENDS = {0, 1, 3, 4, 5}
"""Done, ended by a lost connection, the lease held, refused, partly done."""


def command(centre: CallCentre, *arguments: str) -> subprocess.Popen[str]:
    settings = centre.workspace.settings
    environment = {
        **os.environ,
        "ROLLCALL_DATABASE_URL": centre.url,
        "ROLLCALL_STATE_DIR": str(settings.state_directory),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "rollcall", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(centre: CallCentre, *arguments: str) -> Any:
    out, errors = (process := command(centre, *arguments)).communicate(timeout=300)
    assert process.returncode == 0, out + errors
    return json.loads(out) if "--json" in arguments else None


@contextlib.contextmanager
def repeated(statement: str, centre: CallCentre, pause: float) -> Iterator[list[Any]]:
    """Execute a statement again and again in a thread; gives the rows of all."""
    done, rows = threading.Event(), []

    def work() -> None:
        while not done.wait(pause):
            rows.extend(centre.rows(statement))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield rows
    finally:
        done.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_commands_at_once_and_lost_connections_harm_no_living_session(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, scale=SCALE)
    planned = [change["session_id"] for change in centre.plan().changes() if change["remedy"] == "close"]
    assert len(planned) > 3 * RETURNERS
    returners = planned[:RETURNERS]
    living = ", ".join(f"'{key}'" for key in returners)
    return_again = (
        "update agent_sessions set last_activity = now() at time zone 'UTC', logout_at = null"
        f" where id in ({living}) returning 1"
    )
    end_a_connection = (
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and application_name like 'rollcall%' and xact_start is not null order by random() limit 1"
    )
    centre.rows(return_again)
    first = finished(centre, "clean", "--json")
    assert first["changed"] > RETURNERS

    with repeated(return_again, centre, 0.05) as returned, repeated(end_a_connection, centre, 1.0) as ended:
        for _ in range(ROUNDS):
            at_once = [
                command(centre, *arguments)
                for arguments in (("clean",), ("undo", first["run_id"]), ("migrate",), ("clean",))
            ]
            for process in at_once:
                out, errors = process.communicate(timeout=300)
                assert process.returncode in HONEST_ENDS, out + errors
                assert "this is a fault" not in errors
                assert "Traceback" not in errors
    assert len(returned) > RETURNERS
    assert ended

    finished(centre, "run", "--yes")
    harmed = f"select * from rollcall_ops.changes where session_id in ({living})"
    assert centre.rows(harmed) == []
    assert (
        centre.rows(f"select id from agent_sessions where id in ({living}) and logout_at is not null") == []
    )
    assert centre.rows("select indexrelid::regclass from pg_index where not indisvalid") == []
    again = finished(centre, "plan", "--json")
    assert (again["statements"], again["changes"]) == ([], [])
    for run in finished(centre, "history", "--json"):
        if run["command"] in ("clean", "run") and run["changed"]:
            assert finished(centre, "verify", "--run", run["run_id"], "--json")["proof"]["holds"], run
