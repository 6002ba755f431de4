"""The production recipe of docs/prefect.md: a server on PostgreSQL, two workers, kills and a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from rollcall.servers.prefect import client_of
from tests.support.floor import TABLES
from tests.support.production import (
    ABANDONED,
    CLEAN_UP,
    SESSIONS,
    Production,
    assert_each_changed_once,
    changed,
    descendants,
    rows,
    run_now,
    schedule_every,
)
from tests.support.waiting import until

pytestmark = pytest.mark.slow

HEARTBEAT_SECONDS = 120
"""Of automations.yaml; a lease of a concurrency limit lasts for 300 s, which is longer."""


@pytest.fixture(scope="module")
def production(
    databases: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    started = Production(tmp_path_factory.mktemp("production"), databases(), databases())
    rows(started, TABLES)
    rows(started, ABANDONED, 400)
    try:
        started.start_server()
        started.deploy()
        for name in ("one", "two"):
            started.start_worker(name)
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def client(production: Production) -> Iterator[Any]:
    with client_of(production.api) as found:
        yield found


def state_of(client: Any, run: UUID) -> Any:
    return client.read_flow_run(run).state


def is_idle(client: Any) -> bool:
    states = [run.state for run in client.read_flow_runs()]
    return not any(state.is_pending() or state.is_running() for state in states)


def test_scheduled_runs_happen_on_both_workers(production: Production, client: Any) -> None:
    schedule_every(client, CLEAN_UP, 10)

    def ended_well() -> bool:
        return len([run for run in client.read_flow_runs() if run.state.is_completed()]) >= 2

    until(ended_well)
    client.pause_deployment(client.read_deployment_by_name(CLEAN_UP).id)
    until(lambda: is_idle(client))  # a run that the schedule has begun has the slot of the next test's


def test_the_run_of_a_killed_worker_crashes_and_the_next_one_finishes_its_work(
    production: Production, client: Any
) -> None:
    until(lambda: not any(map(descendants, (worker.pid for worker in production.workers))))
    before = changed(production)
    rows(production, ABANDONED, SESSIONS)
    run = run_now(client, CLEAN_UP)
    until(lambda: changed(production) > before + 1_000)
    (worker,) = [process for process in production.workers if descendants(process.pid)]
    production.kill(worker)
    killed_at = time.monotonic()
    done = changed(production)
    assert before < done < before + SESSIONS, "it was killed after its work"
    assert state_of(client, run).is_running()

    until(lambda: not state_of(client, run).is_running())
    assert state_of(client, run).is_crashed()
    assert time.monotonic() - killed_at < 2 * HEARTBEAT_SECONDS
    following = run_now(client, CLEAN_UP)
    until(lambda: state_of(client, following).is_final())
    assert state_of(client, following).is_completed(), state_of(client, following)
    assert_each_changed_once(production)


def test_a_run_outlives_a_restart_of_the_server(production: Production, client: Any) -> None:
    before = changed(production)
    rows(production, ABANDONED, SESSIONS)
    run = run_now(client, CLEAN_UP)
    until(lambda: changed(production) > before)
    production.stop_server()
    assert changed(production) < before + SESSIONS, "it was stopped after the work"
    production.start_server()
    until(lambda: state_of(client, run).is_final())
    assert state_of(client, run).is_completed(), state_of(client, run)
    assert_each_changed_once(production)


def test_no_secret_is_in_a_log(production: Production) -> None:
    logs: list[Path] = list(production.folder.glob("*.log"))
    assert len(logs) >= 3
    for log in logs:
        assert production.auth_string.partition(":")[2] not in log.read_text(errors="replace"), log
