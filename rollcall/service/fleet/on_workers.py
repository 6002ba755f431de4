"""Judge the databases of a fleet on the workers of a Prefect work pool: one deployment run for each.

A worker finds the file of the fleet, and what the file refers to, in its own environment. A deployment run
has the name of a database as its parameter, and leaves the standing of that database as an artifact.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollcall.errors import ConfigurationError
from rollcall.service.fleet.entries import LOCAL, Entry, Fleet, host_of, read_fleet
from rollcall.service.fleet.judging import ASSESS, CLEAN, Answer, judge
from rollcall.service.fleet.run import keep
from rollcall.service.fleet.scorecard import Scorecard, Standing, read_scorecard, standing_of
from rollcall.settings.configuration import state_directory

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

__all__ = ["FLEET", "STANDING", "configured_fleet", "judge_on_workers", "standing_here"]

FLEET = "ROLLCALL_FLEET"
STANDING = "fleet-standing"  # the key of the artifact
POLL_SECONDS = 1.0
GRACE_SECONDS = 60.0  # beyond the deadline, which the run itself keeps: its start, and its end
START_SECONDS = 3600.0  # how long a run may wait for a worker


def configured_fleet(environment: Mapping[str, str] = os.environ) -> tuple[Fleet, str]:
    """The fleet that the environment names, and the name of its file.

    Raises:
        ConfigurationError: no file is named, or it is no fleet.
    """
    path = environment.get(FLEET)
    if not path:
        raise ConfigurationError(f"the variable {FLEET} is not set", "set it to the path of databases.yml")
    return read_fleet(Path(path)), Path(path).stem


def standing_here(name: str, *, clean: bool) -> list[dict[str, Any]]:
    """Judge one database of the configured fleet in processes of this machine: a table with one row."""
    fleet, _ = configured_fleet()
    found: list[Standing] = []

    def done(entry: Entry, answers: Mapping[str, Answer], attempts: int, seconds: float) -> None:
        found.append(standing_of(entry, answers, attempts, seconds, None))

    state = state_directory(os.environ).resolve()
    judge(fleet.only({name}), (CLEAN, ASSESS) if clean else (ASSESS,), state, whole=fleet, done=done)
    return [asdict(standing) | {"blocked_by": list(standing.blocked_by)} for standing in found]


async def judge_on_workers(
    deployment: str, *, clean: bool, only: set[str] | None = None
) -> tuple[Scorecard, Path]:
    """Judge the configured fleet with a run of a deployment for each database, and write the scorecard.

    Args:
        deployment: its flow calls `standing_here` with the parameters `name` and `clean`.
        clean: as in `rollcall fleet`.
        only: judge these databases; the others keep their standing.

    Raises:
        ConfigurationError: there is no such fleet, or no database of such a name.
    """
    from prefect import get_client

    started_at = datetime.now(UTC)
    fleet, stem = configured_fleet()
    folder = state_directory(os.environ).resolve() / "fleet" / stem
    before = read_scorecard(folder)
    chosen = fleet.only(only) if only else fleet
    places = asyncio.Semaphore(fleet.at_once)
    hosts: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(fleet.at_once_per_host))

    async with get_client() as client:

        async def judged(entry: Entry) -> Standing:
            async with hosts[_host(fleet, entry)], places:
                standing = await _judged(client, deployment, fleet, entry, clean=clean)
                return standing.compared_with(before.get(entry.name))

        standings = await asyncio.gather(*map(judged, chosen.databases))
    return keep(fleet, folder, started_at, standings, before)


def _host(fleet: Fleet, entry: Entry) -> str:
    """The server of an entry; this machine where only other workers know the URL."""
    try:
        return host_of(entry.url.resolve(fleet.folder, os.environ))
    except ConfigurationError:
        return LOCAL


async def _judged(
    client: PrefectClient, deployment: str, fleet: Fleet, entry: Entry, *, clean: bool
) -> Standing:
    """Start runs until one leaves a standing, as often as the entry's retries say."""
    from prefect.deployments.flow_runs import arun_deployment

    began = time.monotonic()
    attempts, problem = 0, ""
    while attempts <= fleet.retries_of(entry):
        attempts += 1
        try:
            run = await arun_deployment(
                deployment, parameters={"name": entry.name, "clean": clean}, timeout=0, client=client
            )
            problem = await _ended(client, run, fleet.deadline_of(entry))
            row = await _row(client, run)
        except Exception as error:  # of Prefect's API; the other databases go on
            problem, row = f"Prefect gave no result: {type(error).__name__}.", None
        if row is not None:
            return Standing(**row)
    answers = {ASSESS[0]: Answer(None, None, problem)}
    return standing_of(entry, answers, attempts, time.monotonic() - began, None)


async def _ended(client: PrefectClient, run: FlowRun, deadline_seconds: int) -> str:
    """Wait until a run ends; one that does not is marked as crashed. Gives why there may be no result."""
    from prefect.states import Crashed

    created = time.monotonic()
    started: float | None = None
    while True:
        state = (await client.read_flow_run(run.id)).state
        now = time.monotonic()
        if state is None or state.is_final():
            return f"Its run {run.name} ended without a result."
        if not state.is_scheduled():  # a worker has taken it, and may be killed before the run begins
            started = started or now
        if started is not None and now - started > deadline_seconds + GRACE_SECONDS:
            problem = f"Its run {run.name} did not end: its worker is gone, or hangs."
            break
        if started is None and now - created > START_SECONDS:
            problem = f"No worker has started its run {run.name}."
            break
        await asyncio.sleep(POLL_SECONDS)
    await client.set_flow_run_state(run.id, Crashed(message=problem), force=True)
    return problem


async def _row(client: PrefectClient, run: FlowRun) -> dict[str, Any] | None:
    """The standing that a run has left."""
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    of_the_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    for artifact in await client.read_artifacts(artifact_filter=of_the_run):
        if artifact.key == STANDING:
            row: dict[str, Any] = json.loads(str(artifact.data))[0]
            return row
    return None
