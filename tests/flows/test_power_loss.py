"""Server, workers and run are killed at once in a clean-up: Prefect recovers, and an alert says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

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
    schedule_every,
)
from tests.support.receivers import TOKEN, Webhook, webhook
from tests.support.waiting import until

pytestmark = pytest.mark.slow

EVERY_SECONDS = 20
MISSED_MINUTES = 1


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


@pytest.fixture
def production(databases: Callable[[], str], hook: Webhook, tmp_path: Path) -> Iterator[Production]:
    started = Production(tmp_path / "production", databases(), databases())
    started.folder.mkdir()
    alerts = {"channels": {"team": {"env": "TEAM_URL"}}, "missed_minutes": {"clean": MISSED_MINUTES}}
    (tmp_path / "rollcall.yml").write_text(yaml.safe_dump({"alerts": alerts}))
    started.of_workers = {"ROLLCALL_CONFIG": str(tmp_path), "TEAM_URL": hook.url}
    rows(started, TABLES)
    rows(started, ABANDONED, 400)
    try:
        started.start_server()
        started.deploy()
        started.start_worker("one")
        yield started
    finally:
        started.stop()


def test_after_the_loss_of_everything_the_next_clean_up_finishes_the_work(
    production: Production, hook: Webhook
) -> None:
    with client_of(production.api) as client:
        schedule_every(client, CLEAN_UP, EVERY_SECONDS)
        until(lambda: [run for run in client.read_flow_runs() if run.state.is_completed()])
        until(lambda: not descendants(production.workers[0].pid))
        assert hook.texts == []
        before = changed(production)
        rows(production, ABANDONED, SESSIONS)
        until(lambda: changed(production) > before + 1_000)
        (zombie,) = [run for run in client.read_flow_runs() if run.state.is_running()]
        assert production.server is not None
        production.kill(production.server, *production.workers)
    assert before < changed(production) < before + SESSIONS, "everything was killed after the work"

    production.start_server()
    with client_of(production.api) as client:
        assert client.read_flow_run(zombie.id).state.is_running()
        production.start_worker("two")
        until(lambda: client.read_flow_run(zombie.id).state.is_crashed())

        def ended_later() -> list[Any]:
            found = client.read_flow_runs()
            return [run for run in found if run.state.is_completed() and run.start_time > zombie.start_time]

        until(ended_later, seconds=600)
        client.pause_deployment(client.read_deployment_by_name(CLEAN_UP).id)
    assert_each_changed_once(production)
    (missed,) = [text for text in hook.texts if "No clean-up has ended since" in text]
    assert "It runs again now." in missed
    assert TOKEN not in "".join(log.read_text(errors="replace") for log in production.folder.glob("*.log"))
