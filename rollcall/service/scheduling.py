"""Prefect: its settings, the server for a run, and the served deployments."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import yaml

from rollcall import console
from rollcall.errors import ConfigurationError, RollcallError
from rollcall.process.files import make_private_directory
from rollcall.process.log_format import is_json
from rollcall.servers.prefect import (
    HOST,
    LocalServer,
    api_of_serving,
    auth_file,
    prefect_directory,
    serving,
    using,
)
from rollcall.servers.users_prefect import require_address, users_api, without_user
from rollcall.settings.configuration import PROJECT_DIRECTORY, STATE, VARS, Settings, load_settings
from rollcall.settings.user_file import CONFIG

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.runner import Runner
    from prefect.schedules import Schedule

    from rollcall.report.outcome import RunOutcome

__all__ = [
    "DEPLOYMENTS",
    "prepare_prefect",
    "read_deployments",
    "run_pipeline",
    "serve",
    "start_server_early",
]

DEPLOYMENTS = PROJECT_DIRECTORY / "prefect.yaml"
AUTOMATIONS = PROJECT_DIRECTORY / "automations.yaml"
TERMINATED = 143  # what a shell reports of a program that ended on SIGTERM

_temporary_server: LocalServer | None = None


def prepare_prefect(state_directory: Path) -> None:
    """Set Prefect's defaults before its import; variables that the user has set stay.

    Args:
        state_directory: the folder for Prefect's database and profiles.

    Raises:
        ConfigurationError: the folder is not writable, or PREFECT_API_URL is no address.
    """
    require_address(os.environ.get("PREFECT_API_URL"))
    directory = prefect_directory(state_directory)
    try:
        make_private_directory(directory)
    except OSError as error:
        raise ConfigurationError(
            f"the state directory {state_directory} cannot be written: {error.strerror}",
            "set ROLLCALL_STATE_DIR to a folder of yours",
        ) from error
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": str(directory),
        "PREFECT_UI_STATIC_DIRECTORY": str(directory / "pages"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        # Rollcall's console shows the steps, and the command line the errors
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
        # leases of the concurrency limits that survive the server; in memory, a dead run would keep its slot
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    if is_json():
        defaults["PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER"] = "json"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def run_pipeline(
    variables: str | None,
    approval: str,
    *,
    history: bool,
    full_history: bool = False,
    plan: str | None = None,
    approved_by: str | None = None,
) -> RunOutcome:
    """Run the whole pipeline as a Prefect flow in this process.

    Raises:
        RollcallError: as the steps do.
        ServerFailed: Prefect's server did not start.
        SystemExit: a signal ended the process.
    """
    from rollcall.database.connections import Database
    from rollcall.steps.plan.stored import require_plan

    settings = load_settings(variables)
    if plan is not None:
        require_plan(plan)
    Database.reach(settings.conninfo)  # report a wrong name or password before the slow imports
    prepare_prefect(settings.state_directory)
    with _vars_in_environment(settings), _api(settings):
        from prefect.exceptions import TerminationSignal

        from flows.pipeline import pipeline

        try:
            state = pipeline(
                approval=approval,
                history=history,
                full_history=full_history,
                plan=plan,
                approved_by=approved_by,
                return_state=True,
            )
        except TerminationSignal:
            raise SystemExit(TERMINATED) from None
        result: Any = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    done: RunOutcome = result
    return done


@contextlib.contextmanager
def _vars_in_environment(settings: Settings) -> Iterator[None]:
    """Pass the vars in the environment; the Prefect API can set parameters."""
    before = os.environ.get(VARS)
    os.environ[VARS] = yaml.safe_dump(settings.overrides)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARS]
        else:
            os.environ[VARS] = before


@contextlib.contextmanager
def _api(settings: Settings) -> Iterator[None]:
    """Use the user's Prefect API, that of `rollcall serve`, or a temporary server.

    The slow imports of the steps and a first compilation run while a temporary server starts.
    """
    if users_api():
        yield
        return
    _bypass_proxy()
    api = api_of_serving(settings.state_directory)
    if api is None:
        server = _start_temporary_server(settings.state_directory)
        _prepare_steps(settings)
        server.wait_until_ready()
        api = server.api
    with using(api):
        yield


def start_server_early(state_directory: Path) -> None:
    """Start the temporary server that `run_pipeline` will need; none where there is another one.

    Raises:
        ConfigurationError: as `run_pipeline` does.
    """
    prepare_prefect(state_directory)
    if not users_api() and api_of_serving(state_directory) is None:
        _bypass_proxy()
        _start_temporary_server(state_directory)


def _start_temporary_server(state_directory: Path) -> LocalServer:
    """Start a server once; it ends with the process, after Prefect's last requests."""
    global _temporary_server
    if _temporary_server is None:
        _temporary_server = LocalServer(state_directory)
        _temporary_server.start()
    return _temporary_server


def _prepare_steps(settings: Settings) -> None:
    """Import what the steps need, and compile the project unless it is cached.

    The flow meets an error of the compilation again, and reports it.
    """
    from rollcall.workspace import Workspace

    importlib.import_module("flows.pipeline")
    with contextlib.suppress(RollcallError, psycopg.Error):
        workspace = Workspace(settings)
        _ = workspace.suites
        workspace.project.compile()


def _bypass_proxy() -> None:
    """Connect to this machine without a proxy."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        if HOST not in hosts:
            os.environ[name] = ",".join([*hosts, HOST])


# --- served deployments -------------------------------------------------------------------------


def serve(path: Path = DEPLOYMENTS, port: int | None = None) -> None:
    """Serve the deployments until interrupted or terminated.

    Flow runs are processes of their own, and get the database from this one's environment.

    Args:
        path: a `prefect.yaml`.
        port: that of Rollcall's own Prefect server; none: 4200, or any free one where that is in use.

    Raises:
        ConfigurationError: no database, a file that cannot be read, a port in use, or a `serve` that is at
            work already.
        ServerFailed: Prefect's server did not start.
    """
    settings = load_settings()
    prepare_prefect(settings.state_directory)
    from prefect.runner import Runner

    # the entry points are relative to the project, and flow runs are processes there
    os.environ[STATE] = str(settings.state_directory.resolve())
    os.environ[CONFIG] = str(settings.user_file.path or settings.user_file.folder)
    os.chdir(PROJECT_DIRECTORY)
    deployments = read_deployments(path)
    for document in _documents(path):
        for name, value in _environment_of_runs(document).items():
            os.environ.setdefault(name, value)
    with _lasting_api(settings.state_directory, port) as address:
        _make_missing_automations()
        console.announce(f"serving {'; '.join(map(_described, deployments))}. Watch them: {address}")
        runner = Runner(pause_on_shutdown=True, webserver=False)
        for deployment in deployments:
            runner.add_deployment(deployment)
        asyncio.run(_run_until_stopped(runner))


async def _run_until_stopped(runner: Runner) -> None:
    """Run until Ctrl-C, SIGTERM or SIGHUP, then pause the schedules and stop the flow runs."""
    running = asyncio.create_task(runner.start())
    await asyncio.sleep(0)  # the runner sets a handler of SIGTERM that does not pause the schedules
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


@contextlib.contextmanager
def _lasting_api(state_directory: Path, port: int | None) -> Iterator[str]:
    """Use the user's Prefect server, or one for the block. Gives its address."""
    if url := users_api():
        if port is not None:
            raise ConfigurationError(
                "--port is for Rollcall's own Prefect server, and PREFECT_API_URL names another one",
                "leave one of them out",
            )
        from prefect.settings import PREFECT_UI_URL

        yield without_user(str(PREFECT_UI_URL.value() or url))
        return
    _bypass_proxy()
    with serving(state_directory, port) as server, using(server.api):
        if server.port != server.preferred_port:
            console.show_error(
                f"Port {server.preferred_port} is in use, so Prefect's server listens on {server.port};"
                " --port chooses one."
            )
        _close_interrupted_runs()
        yield f"{server.url} (sign in with the authentication string in {auth_file(state_directory)})"


def _close_interrupted_runs() -> None:
    """Mark the unfinished flow runs of an earlier `rollcall serve` as crashed.

    Otherwise they count against the concurrency limits, and every later run is cancelled.
    """
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.states import Crashed

    unfinished = {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(unfinished)):
            if run.deployment_id is not None:
                client.set_flow_run_state(run.id, Crashed(message="`rollcall serve` ended before it did"))


def _make_missing_automations() -> None:
    """Make those of `automations.yaml` that the server has not, by name; a changed one stays."""
    from prefect import get_client
    from prefect.events.schemas.automations import AutomationCore
    from prefect.exceptions import PrefectHTTPStatusError

    declared = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]
    with get_client(sync_client=True) as client:
        try:
            for automation in map(AutomationCore.model_validate, declared):
                if not client.read_automations_by_name(automation.name):
                    client.create_automation(automation)
        except PrefectHTTPStatusError as error:
            console.show_error(
                f"Prefect's server refuses the automations of {AUTOMATIONS.name} with status"
                f" {error.response.status_code}: a run whose process was killed may stay Running."
            )


def read_deployments(path: Path = DEPLOYMENTS) -> list[RunnerDeployment]:
    """Read the deployments of a `prefect.yaml`, and import their flows.

    Raises:
        ConfigurationError: the file cannot be read, or a deployment in it is invalid.
    """
    try:
        return [_deployment(document) for document in _documents(path)]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"{path} cannot be served ({type(error).__name__}: {reason})",
            "correct it, or restore it from the repository",
        ) from error


def _documents(path: Path) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["deployments"]
    return documents


def _environment_of_runs(document: dict[str, Any]) -> dict[str, str]:
    """The environment variables that a deployment sets for its flow runs."""
    variables: dict[str, str] = document.get("work_pool", {}).get("job_variables", {}).get("env", {})
    return variables


def _deployment(document: dict[str, Any]) -> RunnerDeployment:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.deployments.runner import RunnerDeployment

    limit = document.get("concurrency_limit")
    return RunnerDeployment.from_entrypoint(
        document["entrypoint"],
        name=document["name"],
        description=document["description"],
        tags=document["tags"],
        parameters=document.get("parameters", {}),
        schedules=[_schedule(schedule) for schedule in document.get("schedules", [])],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if isinstance(limit, dict) else limit,
        enforce_parameter_schema=True,
    )


def _schedule(document: dict[str, Any]) -> Schedule:
    from prefect.schedules import Cron, Interval

    options = {name: document[name] for name in ("timezone", "slug") if name in document}
    if "cron" in document:
        return Cron(document["cron"], **options)
    return Interval(timedelta(seconds=document["interval"]), **options)


def _described(deployment: RunnerDeployment) -> str:
    """Like ``nightly (3 2 * * * UTC)``."""
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

    times = []
    for schedule in (item.schedule for item in deployment.schedules or ()):
        if isinstance(schedule, CronSchedule):
            times.append(f"{schedule.cron} {schedule.timezone or 'UTC'}")
        elif isinstance(schedule, IntervalSchedule):
            times.append(f"every {schedule.interval}")
    return f"{deployment.name} ({', '.join(times) or 'on demand'})"
