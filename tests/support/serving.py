"""`rollcall serve` in a process of its own, with a clean-up on a schedule of the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from rollcall.servers.postgres import PostgresServer
from rollcall.servers.prefect import LocalServer, api_of_serving, client_of
from rollcall.service.scheduling import DEPLOYMENTS, prepare_prefect
from rollcall.settings.configuration import PROJECT_DIRECTORY
from tests.support.call_centre import CallCentre, call_centre
from tests.support.waiting import PATIENCE, until

PASSWORD = "planted-password-7f3a"
CLEAN_UP = yaml.safe_load(DEPLOYMENTS.read_text())["deployments"][0]


def environment(state: Path, url: str, **more: str) -> dict[str, str]:
    """A database, folders of the test's own, and Prefect that looks often.

    Without the PREFECT_* variables that a flow within this process has set: they name its folders.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {
        **inherited,
        "ROLLCALL_DATABASE_URL": url,
        "ROLLCALL_STATE_DIR": str(state),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
        **more,
    }


def started(code: str, **options: Any) -> subprocess.Popen[str]:
    """A process that runs some Python, and that Ctrl-C reaches even if the tests run in the background.

    A process with much output gets a file for it: a full pipe stops its writer.
    """
    return subprocess.Popen(
        [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler); {code}"],
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=PROJECT_DIRECTORY,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def servers_of(state: Path) -> list[int]:
    """The Prefect servers that keep their data below a state directory."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,args="], text=True, capture_output=True, check=True
    ).stdout
    lines = [line.split(None, 1) for line in listed.splitlines()]
    return [int(pid) for pid, args in lines if "-m rollcall.servers.prefect" in args and str(state) in args]


@pytest.fixture(scope="module")
def databases(server: PostgresServer) -> Iterator[Callable[[], str]]:
    """Makes databases for the tests of one file; the URLs hold a password that is not needed."""
    names: list[str] = []

    def make() -> str:
        names.append(f"test_{uuid.uuid4().hex[:12]}")
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(names[-1])))
        return server.conninfo(names[-1]).replace("postgres@", f"postgres:{PASSWORD}@", 1)

    yield make
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def scheduled(databases: Callable[[], str], state: Path) -> CallCentre:
    """The call centre whose clean-up is scheduled. It was never migrated."""
    return call_centre(databases(), state)


@pytest.fixture(scope="module")
def seconds_between_runs() -> int:
    """How often the clean-up is scheduled; a file whose tests need no run has a fixture of its own."""
    return 2


@pytest.fixture(scope="module")
def serving(scheduled: CallCentre, state: Path, seconds_between_runs: int) -> Iterator[subprocess.Popen[str]]:
    """`rollcall serve` with its own server and the clean-up of prefect.yaml, on another schedule."""
    path = state / "prefect.yaml"
    schedules = [{"interval": seconds_between_runs, "slug": "of-the-tests"}]
    path.write_text(yaml.safe_dump({"deployments": [{**CLEAN_UP, "schedules": schedules}]}))
    code = "from pathlib import Path; from rollcall.service.scheduling import serve; "
    code += f"serve(Path({str(path)!r}))"
    process = started(code, env=environment(state, scheduled.url))
    try:
        until(lambda: api_of_serving(state) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def prefect(state: Path) -> Iterator[Any]:
    """A client of a Prefect server, which the flows of this process use too."""
    before = dict(os.environ)
    prepare_prefect(state)
    server = LocalServer(state)
    server.start()
    try:
        server.wait_until_ready()
        api = server.api
        with client_of(api) as client:
            yield client
    finally:
        server.stop()
        os.environ.clear()  # the folders of these tests are not those of the next file's processes
        os.environ.update(before)
