"""The production recipe of docs/prefect.md: a server on PostgreSQL, two workers, kills and a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support.floor import TABLES
from tests.support.production import (
    CLEAN_UP,
    Production,
    client_of,
    descendants,
    run_now,
    schedule_every,
)
from tests.support.waiting import until

pytestmark = pytest.mark.slow

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
HEARTBEAT_SECONDS = 120
"""Of automations.yaml; a lease of a concurrency limit lasts for 300 s, which is longer."""


@pytest.fixture(scope="module")
def production(
    databases: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    started = Production(tmp_path_factory.mktemp("production"), databases(), databases())
    with psycopg.connect(started.application, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute(ABANDONED, [400])
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
    with client_of(production) as found:
        yield found


def rows(production: Production, query: str, *parameters: Any) -> list[Any]:
    with psycopg.connect(production.application, autocommit=True) as connection:
        cursor = connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def changed(production: Production) -> int:
    if rows(production, "select to_regclass('rollcall_ops.changes')") == [(None,)]:
        return 0
    return int(rows(production, "select count(*) from rollcall_ops.changes")[0][0])


def state_of(client: Any, run: UUID) -> Any:
    return client.read_flow_run(run).state


def test_scheduled_runs_happen_on_both_workers(production: Production, client: Any) -> None:
    schedule_every(client, CLEAN_UP, 10)

    def ended_well() -> bool:
        return len([run for run in client.read_flow_runs() if run.state.is_completed()]) >= 2

    until(ended_well)
    client.pause_deployment(client.read_deployment_by_name(CLEAN_UP).id)


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


def assert_each_changed_once(production: Production) -> None:
    """Each abandoned session was closed, and the ledger has one change of it."""
    total, closed = rows(production, "select count(*), count(logout_at) from agent_sessions")[0]
    changes, sessions = rows(
        production, "select count(*), count(distinct session_id) from rollcall_ops.changes"
    )[0]
    assert total == closed == changes == sessions


def test_no_secret_is_in_a_log(production: Production) -> None:
    logs: list[Path] = list(production.folder.glob("*.log"))
    assert len(logs) >= 3
    for log in logs:
        assert production.auth_string.partition(":")[2] not in log.read_text(errors="replace"), log
