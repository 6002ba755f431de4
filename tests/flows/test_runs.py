"""What a flow run is called, what it keeps on Prefect's pages, and when a step is tried again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollcall.pipeline import steps
from tests.support.floor import Floor

pytestmark = pytest.mark.medium


@pytest.fixture
def run(prefect: Any, state: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a flow; gives its last state."""

    def ended(flow: Any, floor: Floor, **parameters: Any) -> Any:
        monkeypatch.setenv("ROLLCALL_DATABASE_URL", floor.url)
        monkeypatch.setenv("ROLLCALL_STATE_DIR", str(state))
        return flow(**parameters, return_state=True)

    return ended


def test_a_step_that_reads_is_tried_again_after_a_lost_connection_only(
    run: Callable[..., Any], floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import tasks
    from flows.assess import assess

    floor.agent()
    monkeypatch.setattr(tasks, "LOST_CONNECTION_SECONDS", 0)
    assess_it, breaks = steps.assess, ["pg_terminate_backend(pg_backend_pid())", "1 / 0"]

    def break_and_assess(job: Any) -> Any:
        if breaks:
            floor.rows(f"select {breaks.pop(0)}")
        return assess_it(job)

    monkeypatch.setattr(steps, "assess", break_and_assess)
    ended = run(assess, floor)
    assert ended.is_failed()
    assert "division by zero" in str(ended.result(raise_on_failure=False))
    assert breaks == []
    assert run(assess, floor).is_completed()


def test_a_run_is_named_and_keeps_artifacts_under_the_name_of_its_database(
    run: Callable[..., Any], prefect: Any, floor: Floor
) -> None:
    from flows.clean import clean

    floor.session()
    ended = run(clean, floor)
    flow_run = prefect.read_flow_run(ended.state_details.flow_run_id)
    database = floor.workspace.database.name
    assert re.fullmatch(rf"clean {database} \d\d:\d\d {flow_run.state_name}", flow_run.name)
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(flow_run.id)]}}}
    artifacts = prefect.request("POST", "/artifacts/filter", json=wanted).json()
    found = {item["key"].partition("-")[0]: item for item in artifacts}
    assert found.keys() == {"readiness", "progress"}
    assert all(database.replace("_", "-") in item["key"] for item in artifacts)
    assert found["progress"]["data"] == 100
    assert flow_run.state_name.replace("_", " ") in found["readiness"]["data"]


def test_a_run_with_nothing_to_do_shows_no_progress(
    run: Callable[..., Any], prefect: Any, floor: Floor
) -> None:
    from flows.clean import clean

    floor.agent()
    ended = run(clean, floor)
    wanted = {"artifacts": {"flow_run_id": {"any_": [str(ended.state_details.flow_run_id)]}}}
    (only,) = prefect.request("POST", "/artifacts/filter", json=wanted).json()
    assert only["key"].startswith("readiness-")
