"""Prefect's pages of a run, its parameters and its artifacts, as a reader sees them in Chromium."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollcall.servers.prefect import Api, api_of_serving, client_of
from rollcall.service.scheduling import prepare_prefect
from tests.support.browser import needs_chromium
from tests.support.browser_tab import Tab, tab
from tests.support.call_centre import CallCentre
from tests.support.serving import PASSWORD
from tests.support.waiting import until

pytestmark = [pytest.mark.slow, needs_chromium]


@pytest.fixture(scope="module")
def api(serving: Any, state: Path) -> Api:
    """The API of `rollcall serve`, which has cleaned a call centre at least once."""
    found = api_of_serving(state)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def run(api: Api, scheduled: CallCentre) -> Any:
    """The first flow run that repaired sessions."""
    prepare_prefect(Path(scheduled.workspace.settings.state_directory))
    with client_of(api) as client:
        ended = until(lambda: [run for run in client.read_flow_runs() if run.state_name in VERDICTS])
        client.pause_deployment(client.read_deployment_by_name("rollcall-clean-up/clean-up").id)
        first = min(ended, key=lambda run: run.start_time)
        wanted = {"artifacts": {"flow_run_id": {"any_": [str(first.id)]}}}
        artifacts = client.request("POST", "/artifacts/filter", json=wanted).json()
        yield first, {item["key"].partition("-")[0]: item for item in artifacts}


MISSING_IN_PREFECT = ("/favicon.ico", "undefined.svg")
"""Pictures that Prefect's own pages name and its server does not have."""

VERDICTS = ("READY", "NEEDS_SESSION_CLEANUP", "NEEDS_DATABASE_MIGRATION", "NOT_READY")


@pytest.fixture
def page(api: Api, tmp_path: Path) -> Iterator[Tab]:
    """A tab that is signed in."""
    with tab(tmp_path / "profile") as opened:
        base = api.url.removesuffix("/api")
        opened.open(f"{base}/api/health")
        until(lambda: opened.evaluate("location.pathname") == "/api/health")
        password = base64.b64encode(api.auth_string.encode()).decode()
        opened.evaluate(f"localStorage.setItem('prefect-password', {json.dumps(password)})")
        opened.problems.clear()
        yield opened


def test_the_pages_of_a_run(page: Tab, api: Api, run: Any, scheduled: CallCentre, tmp_path: Path) -> None:
    flow_run, artifacts = run
    database = scheduled.workspace.database.name
    assert flow_run.name.startswith(f"clean {database} ")
    assert flow_run.name.endswith(flow_run.state_name)
    base = api.url.removesuffix("/api")
    of_run = f"runs/flow-run/{flow_run.id}"
    places = {
        "run": (of_run, "", (flow_run.name, "rollcall")),
        "parameters": (of_run, "Parameters", (flow_run.name,)),
        "artifacts": (of_run, "Artifacts", (flow_run.name, "readiness-", "progress-")),
        "readiness": (f"artifacts/artifact/{artifacts['readiness']['id']}", "", ("What was done",)),
        "progress": (f"artifacts/artifact/{artifacts['progress']['id']}", "", ("Clean-up of", "100%")),
        "deployment": (
            f"deployments/deployment/{flow_run.deployment_id}",
            "Description",
            ("Repairs abandoned",),
        ),
    }
    for name, (place, tab_of_page, words) in places.items():
        page.open(f"{base}/{place}")
        if tab_of_page:
            page.wait_for(tab_of_page)
            page.click(tab_of_page)
        text = page.wait_for(*words)
        page.picture(tmp_path / f"{name}.png")
        assert PASSWORD not in text, name
        assert api.auth_string not in text, name
        assert "Traceback" not in text, name
    assert [text for text in page.problems if not text.endswith(MISSING_IN_PREFECT)] == []
