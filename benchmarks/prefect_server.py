"""A Prefect server on PostgreSQL with a process work pool, and workers, as docs/prefect.md sets them up."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from benchmarks.measure import Taken, taken_by
from benchmarks.server import Databases
from rollcall.database.retries import poll
from rollcall.servers.prefect import LocalServer, client_of
from rollcall.settings.configuration import PROJECT_DIRECTORY

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

__all__ = ["Prefect", "running_prefect"]

POOL = "rollcall"
LONGEST_SECONDS = 900.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Prefect:
    """A running server.

    Attributes:
        client: of its API.
        folder: of its data, and of the workers' logs.
        variables: the environment of each process that uses the server.
    """

    client: Any
    folder: Path
    variables: Mapping[str, str]

    def command(self, *arguments: str) -> None:
        """Run a command of Prefect in the folder of prefect.yaml."""
        subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            env={**os.environ, **self.variables},
            cwd=PROJECT_DIRECTORY,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    @contextlib.contextmanager
    def workers(self, names: Sequence[str], variables: Mapping[str, str]) -> Iterator[None]:
        """Start workers that execute one run at a time, and wait until the server knows them.

        Args:
            variables: more of their environment, which their runs inherit.
        """
        with contextlib.ExitStack() as started:
            log = started.enter_context((self.folder / "workers.log").open("ab"))
            for name in names:
                arguments = ("worker", "start", "--pool", POOL, "--name", name, "--limit", "1")
                worker = subprocess.Popen(
                    [sys.executable, "-m", "prefect", *arguments],
                    env={**os.environ, **self.variables, **variables},
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
                started.callback(worker.wait)
                started.callback(worker.terminate)

            def known() -> bool:
                return set(names) <= {worker.name for worker in self.client.read_workers_for_work_pool(POOL)}

            _wait_for(known, "the workers did not start")
            yield

    def run(self, deployment: str) -> FlowRun:
        """Have a worker execute a deployment. Gives the flow run at its end.

        Raises:
            RuntimeError: it failed, or did not end.
        """
        run = self._create_run(deployment)

        def ended() -> bool:
            return bool(self._read(run).state.is_final())

        _wait_for(ended, f"{deployment} did not end")
        return self._completed(run)

    def execute(self, deployment: str, variables: Mapping[str, str]) -> Taken:
        """Execute a deployment in the process that a worker would start for it.

        Args:
            variables: more of its environment.

        Raises:
            RuntimeError: the flow run failed.
        """
        run = self._create_run(deployment)

        def process() -> None:
            subprocess.run(
                [sys.executable, "-m", "prefect.engine", str(run)],
                env={**os.environ, **self.variables, **variables},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
            )

        taken = taken_by(process)
        self._completed(run)
        return taken

    def output(self, module: str, variables: Mapping[str, str]) -> str:
        """What a module prints that calls flows in its own process.

        Args:
            variables: more of its environment.
        """
        done = subprocess.run(
            [sys.executable, "-m", module],
            env={**os.environ, **self.variables, **variables},
            cwd=PROJECT_DIRECTORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            text=True,
        )
        return done.stdout

    def _create_run(self, deployment: str) -> UUID:
        found = self.client.read_deployment_by_name(deployment)
        return UUID(str(self.client.create_flow_run_from_deployment(found.id).id))

    def _read(self, run: UUID) -> FlowRun:
        found: FlowRun = self.client.read_flow_run(run)
        return found

    def _completed(self, run: UUID) -> FlowRun:
        found = self._read(run)
        if found.state is None or not found.state.is_completed():
            raise RuntimeError(f"the flow run {found.name} ended with {found.state}")
        return found


@contextlib.contextmanager
def running_prefect(databases: Databases) -> Iterator[Prefect]:
    """Start a server whose database is on the server of the benchmark, and make the work pool."""
    state = databases.folder / "server"
    address = databases.create("prefect").replace("postgresql://", "postgresql+asyncpg://", 1)
    server = LocalServer(state, temporary=False)
    with contextlib.ExitStack() as stack:
        with _environment(PREFECT_HOME=str(state / "home"), PREFECT_API_DATABASE_CONNECTION_URL=address):
            server.start()
        stack.callback(server.stop)
        server.wait_until_ready()
        api = server.api
        variables = {
            "PREFECT_API_URL": api.url,
            "PREFECT_API_AUTH_STRING": api.auth_string,
            "PREFECT_HOME": str(databases.folder / "home"),
        }
        client = stack.enter_context(client_of(api))
        prefect = Prefect(client, state, variables)
        prefect.command("work-pool", "create", POOL, "--type", "process")
        yield prefect


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Variables that the processes inherit that are started in the block."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def _wait_for(happened: Callable[[], bool], otherwise: str) -> None:
    if not poll(happened, seconds=LONGEST_SECONDS, pause=POLL_SECONDS):
        raise RuntimeError(f"{otherwise} within {LONGEST_SECONDS:.0f} s")
