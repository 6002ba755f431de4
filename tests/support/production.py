"""Prefect as docs/prefect.md sets it up: a server on PostgreSQL, a work pool, workers in processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from rollcall.servers.prefect import Api
from rollcall.settings.configuration import PROJECT_DIRECTORY
from tests.support.command import heed_signals
from tests.support.waiting import PATIENCE, until

POOL = "rollcall"
CLEAN_UP = "rollcall-clean-up/clean-up"
LEASES = "prefect.server.concurrency.lease_storage.filesystem"
SESSIONS = 40_000
ABANDONED = """
    with agent as (
        insert into agents (email) select gen_random_uuid()::text from generate_series(1, 400) returning id
    )
    insert into agent_sessions (agent_id, status, login_at, last_activity)
    select
        agent.id, 'available', timezone('utc', now()) - interval '40 hours',
        timezone('utc', now()) - interval '30 hours' - made.n * interval '1 second'
    from agent cross join generate_series(1, %s / 400) as made (n)
"""
"""Makes 400 agents and as many abandoned sessions as the parameter says."""


@dataclass
class Production:
    """A Prefect server with its own database, and workers for one database of an application.

    Attributes:
        folder: the folders of the server and of the workers, and their logs.
        prefect_database: the URL of the server's database.
        application: the URL of the application's database.
        project: the folder of prefect.yaml.
        python: of the environment that Rollcall is installed in.
        of_workers: more variables of the workers' environment.
    """

    folder: Path
    prefect_database: str
    application: str
    project: Path = PROJECT_DIRECTORY
    python: Path = Path(sys.executable)
    port: int = field(default_factory=lambda: _free_port())
    auth_string: str = field(default_factory=lambda: f"rollcall:{secrets.token_urlsafe(16)}", repr=False)
    server: subprocess.Popen[str] | None = None
    workers: list[subprocess.Popen[str]] = field(default_factory=list)
    of_workers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> Api:
        return Api(f"{self.url}/api", self.auth_string)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def environment(self, **more: str) -> dict[str, str]:
        """Of each process: it knows the API, and no database."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "ROLLCALL_", "PG"))
        }
        return {
            **inherited,
            "PREFECT_API_URL": self.api.url,
            "PREFECT_API_AUTH_STRING": self.auth_string,
            "PREFECT_HOME": str(self.folder / "home"),
            "DO_NOT_TRACK": "1",
            **more,
        }

    def start_server(self) -> None:
        """Start `prefect server start`, and wait until it answers."""
        address = self.prefect_database.replace("postgresql://", "postgresql+asyncpg://", 1)
        variables = self.environment(
            PREFECT_HOME=str(self.folder / "server"),
            PREFECT_API_DATABASE_CONNECTION_URL=address,
            PREFECT_SERVER_API_AUTH_STRING=self.auth_string,
            PREFECT_SERVER_CORS_ALLOWED_ORIGINS=self.url,
            PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE=LEASES,
            PREFECT_UI_STATIC_DIRECTORY=str(self.folder / "pages"),
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS="1",
        )
        arguments = ("server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        self.server = self._start("server", arguments, variables)

        def answers() -> bool:
            assert self.server is not None
            assert self.server.poll() is None, (self.folder / "server.log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return False

        until(answers)

    def stop_server(self) -> None:
        assert self.server is not None
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(PATIENCE)

    def kill(self, *processes: subprocess.Popen[str]) -> None:
        """SIGKILL processes with all that they have started, as a power loss does."""
        for process in processes:
            for pid in (process.pid, *descendants(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
        self.workers = [worker for worker in self.workers if worker not in processes]
        if self.server in processes:
            self.server = None

    def start_worker(self, name: str) -> subprocess.Popen[str]:
        variables = self.environment(
            ROLLCALL_DATABASE_URL=self.application,
            ROLLCALL_STATE_DIR=str(self.state),
            PREFECT_WORKER_QUERY_SECONDS="1",
            **self.of_workers,
        )
        worker = self._start(name, ("worker", "start", "--pool", POOL, "--name", name), variables)
        self.workers.append(worker)
        return worker

    def prefect(self, *arguments: str) -> str:
        """Run a command of Prefect in the folder of prefect.yaml; gives its output."""
        done = subprocess.run(
            [str(self.python), "-m", "prefect", "--no-prompt", *arguments],
            env=self.environment(),
            cwd=self.project,
            text=True,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self) -> None:
        """Take the steps of docs/prefect.md."""
        self.prefect("work-pool", "create", POOL, "--type", "process")
        self.prefect("deploy", "--all")
        self.prefect("automation", "create", "--from-file", "automations.yaml")

    def stop(self) -> None:
        for process in self.workers:
            process.send_signal(signal.SIGTERM)
        for process in self.workers:
            process.wait(PATIENCE)
        if self.server is not None and self.server.poll() is None:
            self.stop_server()

    def _start(
        self, name: str, arguments: tuple[str, ...], variables: dict[str, str]
    ) -> subprocess.Popen[str]:
        with (self.folder / f"{name}.log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                [str(self.python), "-m", "prefect", *arguments],
                env=variables,
                cwd=self.folder,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=heed_signals,
            )


def schedule_every(client: Any, deployment: str, seconds: int) -> None:
    """Put an interval of the tests in the place of a deployment's schedules."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import IntervalSchedule

    found = client.read_deployment_by_name(deployment)
    for schedule in found.schedules:
        client.delete_deployment_schedule(found.id, schedule.id)
    interval = IntervalSchedule(interval=timedelta(seconds=seconds))
    created = DeploymentScheduleCreate(schedule=interval, active=True)
    client.request(
        "POST",
        "/deployments/{id}/schedules",
        path_params={"id": found.id},
        json=[created.model_dump(mode="json", exclude_unset=True)],
    )


def run_now(client: Any, deployment: str, **parameters: Any) -> UUID:
    """Start a deployment by hand; gives the flow run's id."""
    found = client.read_deployment_by_name(deployment)
    run = client.create_flow_run_from_deployment(found.id, parameters=parameters)
    return UUID(str(run.id))


def rows(production: Production, query: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(production.application, autocommit=True) as connection:
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def changed(production: Production) -> int:
    if rows(production, "select to_regclass('rollcall_ops.changes')") == [(None,)]:
        return 0
    return int(rows(production, "select count(*) from rollcall_ops.changes")[0][0])


def assert_each_changed_once(production: Production) -> None:
    """Each abandoned session was closed, and the ledger has one change of it."""
    total, closed = rows(production, "select count(*), count(logout_at) from agent_sessions")[0]
    changes, sessions = rows(
        production, "select count(*), count(distinct session_id) from rollcall_ops.changes"
    )[0]
    assert total == closed == changes == sessions


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], text=True, capture_output=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found = [pid]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
