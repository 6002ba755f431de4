"""The flows on a real Prefect server and a real PostgreSQL, and the schedules of `prefect.yaml`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollcall.errors import EvaluationError, Refused
from rollcall.ledger.runs import open_run
from rollcall.pipeline import steps
from rollcall.report.outcome import RunOutcome
from rollcall.servers.prefect import api_of_serving, client_of
from rollcall.service.scheduling import DEPLOYMENTS, prepare_prefect, read_deployments
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.plan.stored import write_plan
from tests.support.call_centre import CallCentre, call_centre
from tests.support.command import rollcall
from tests.support.floor import Floor
from tests.support.outages import heartbeat_outage
from tests.support.receivers import webhook
from tests.support.serving import PASSWORD, environment, servers_of, started
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.medium  # one Prefect server serves all of them

PIPELINE = ["assess", "plan", "approve", "migrate", "clean", "verify", "publish", "summarise"]


@pytest.fixture(scope="module")
def prefect(serving: subprocess.Popen[str], state: Path) -> Iterator[Any]:
    """A client of that Prefect server, which the flows of this process use too."""
    before = dict(os.environ)
    prepare_prefect(state)
    api = api_of_serving(state)
    assert api is not None
    with client_of(api) as client:
        yield client
    os.environ.clear()  # the folders of these tests are not those of the next file's processes
    os.environ.update(before)


def run(flow: Any, centre: CallCentre | Floor, state: Path, **parameters: Any) -> Any:
    """Run a flow in this process; gives its last state."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLLCALL_DATABASE_URL", centre.url)
        patch.setenv("ROLLCALL_STATE_DIR", str(state))
        return flow(**parameters, return_state=True)


def tasks_of(prefect: Any, ended: Any) -> list[str]:
    """The names of a flow run's tasks, in the order in which they ran, once all are recorded."""
    from prefect.client.schemas.filters import FlowRunFilter

    run_id = str(ended.state_details.flow_run_id)
    wanted = FlowRunFilter.model_validate({"id": {"any_": [run_id]}})

    def recorded() -> list[Any]:
        runs = prefect.read_task_runs(flow_run_filter=wanted)
        is_over = any(run.name.startswith("summarise") for run in runs)  # the last task of every flow
        return runs if is_over and all(run.state and run.state.is_final() for run in runs) else []

    time.sleep(1)
    return [run.name.rsplit("-", 1)[0] for run in sorted(until(recorded), key=lambda run: run.start_time)]


def event_of(prefect: Any, name: str, run_id: str) -> dict[str, Any]:
    """The event of a run of ours, once Prefect has it."""

    def emitted() -> list[dict[str, Any]]:
        wanted = {"filter": {"event": {"name": [name]}}}
        events = prefect.request("POST", "/events/filter", json=wanted).json()["events"]
        return [event for event in events if event["payload"]["run"] == run_id]

    (event,) = until(emitted)
    return dict(event)


@pytest.fixture(scope="module")
def centre(databases: Callable[[], str], state: Path) -> CallCentre:
    """Another call centre, for the flows of this process."""
    return call_centre(databases(), state)


@pytest.fixture(scope="module")
def ready(prefect: Any, centre: CallCentre, state: Path) -> Any:
    """The last state of the pipeline on the damaged call centre."""
    from flows.pipeline import pipeline

    return run(pipeline, centre, state, approval="yes")


# --- the deployments that are declared ----------------------------------------------------------


def test_every_deployment_names_a_flow_that_takes_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT_DIRECTORY)
    from prefect.flows import load_flow_from_entrypoint

    deployments = read_deployments()
    names = [deployment.name for deployment in deployments]
    assert " ".join(names) == "clean-up nightly assess propose apply-approved-plan fleet fleet-database"
    approval = {"plan_hash": "0" * 64, "approved_by": "Ada"}
    asked = {"apply-approved-plan": approval, "fleet-database": {"name": "berlin"}}
    for deployment in deployments:
        flow = load_flow_from_entrypoint(str(deployment.entrypoint), use_placeholder_flow=False)
        flow.validate_parameters({**deployment.parameters, **asked.get(deployment.name, {})})
        assert deployment.description
        assert deployment.tags
        assert "migrate" not in flow.fn.__code__.co_names, f"{deployment.name} migrates unattended"
        for item in deployment.schedules or ():
            assert item.schedule.timezone, f"{deployment.name} does not say its time zone"


def test_the_schedules_and_what_happens_when_runs_collide() -> None:
    declared = {item["name"]: item for item in yaml.safe_load(DEPLOYMENTS.read_text())["deployments"]}
    crons = {name: [s["cron"] for s in item.get("schedules", [])] for name, item in declared.items()}
    assert crons["clean-up"] == ["*/5 * * * *"]
    assert len(crons["nightly"]) == 1
    assert crons["assess"] == []
    limits = {name: item.get("concurrency_limit") for name, item in declared.items()}
    assert limits["clean-up"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert limits["nightly"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert [name for name, limit in limits.items() if limit is None] == ["fleet-database"]


# --- scheduled ----------------------------------------------------------------------------------


def test_a_scheduled_run_cleans_and_a_second_one_is_cancelled(scheduled: CallCentre, prefect: Any) -> None:
    planned = {change["session_id"] for change in scheduled.plan().changes()}
    before = scheduled.images()

    def finished() -> list[Any]:
        exists = scheduled.rows("select to_regclass('rollcall_ops.runs') is not null")
        query = "select approved_by, changed from rollcall_ops.runs where finished_at is not null"
        return scheduled.rows(query) if exists[0][0] else []

    approved_by, changed = until(finished)[0]
    prefect.pause_deployment(prefect.read_deployment_by_name("rollcall-clean-up/clean-up").id)
    assert "(schedule)" in approved_by
    assert changed == len(planned) > 0
    after = scheduled.images()
    assert {key for key in before if before[key] != after[key]} == planned
    assert before.keys() == after.keys()
    assert "last_heartbeat" not in next(iter(after.values())), "a scheduled run migrated"

    states = {run.state_name for run in prefect.read_flow_runs()}
    assert "Cancelled" in states, states


def test_prefect_itself_deploys_them(prefect: Any, state: Path) -> None:
    """After the scheduled run: what is deployed here takes the place of what is served."""
    from prefect.client.schemas.actions import WorkPoolCreate

    prefect.create_work_pool(WorkPoolCreate(name="rollcall", type="process"))
    deployed = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        env={
            **os.environ,
            "PREFECT_API_URL": str(prefect.api_url),
            "PREFECT_API_AUTH_STRING": (state / "prefect" / "auth-string").read_text(),
            "PREFECT_HOME": str(state / "cli"),
        },
        cwd=PROJECT_DIRECTORY,
        text=True,
        capture_output=True,
        check=False,
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    nightly = prefect.read_deployment_by_name("rollcall-nightly/nightly")
    assert nightly.work_pool_name == "rollcall"
    assert [item.schedule.cron for item in nightly.schedules] == ["3 2 * * *"]


# --- the flows ----------------------------------------------------------------------------------


def test_the_pipeline_makes_a_call_centre_ready(ready: Any, prefect: Any) -> None:
    outcome = ready.result(raise_on_failure=False)
    assert isinstance(outcome, RunOutcome), outcome
    assert ready.is_completed()
    assert ready.name == "READY"
    assert tasks_of(prefect, ready) == PIPELINE


def test_the_verdict_is_kept_as_an_artifact(ready: Any, prefect: Any) -> None:
    artifacts = prefect.request("POST", "/artifacts/filter", json={}).json()
    run_id = str(ready.state_details.flow_run_id)
    texts = [
        item["data"]
        for item in artifacts
        if item["key"].startswith("readiness-") and item["flow_run_id"] == run_id
    ]
    assert len(texts) == 1
    assert "READY" in texts[0].upper()


def test_a_clean_up_leaves_at_once_when_another_run_holds_the_lease(
    ready: Any, centre: CallCentre, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.clean import clean

    before = centre.images()
    with open_run(centre.workspace, "test"):
        ended = run(clean, centre, state)
    assert ended.is_cancelled()
    assert ended.name == "LEASE_HELD"
    assert "another run is at work" in capsys.readouterr().err
    assert centre.images() == before


def test_the_nightly_run_reports_what_it_judged_though_another_run_holds_the_lease(
    floor: Floor, state: Path, prefect: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.nightly import nightly

    floor.session()
    before, reports = floor.digest(), set((state / "reports").glob("2*"))
    with open_run(floor.workspace, "test"):
        ended = run(nightly, floor, state)
    assert (ended.is_cancelled(), ended.name) == (True, "LEASE_HELD")
    assert "another run is at work" in ended.message
    assert "another run is at work" in capsys.readouterr().err
    assert floor.digest() == before
    assert tasks_of(prefect, ended)[3:] == ["publish", "summarise"]
    (report,) = set((state / "reports").glob("2*")) - reports
    result = json.loads((report / "result.json").read_text())
    assert (result["run_id"], result["plan"]["change_count"], result["cleaning"]) == (None, 1, None)
    counts = {rule["name"]: rule["violations"] for rule in result["before"]["rules"]}
    assert (counts["abandoned_session"], counts["reversed_session_times"]) == (1, 0)
    assert (report / "index.html").exists()


def test_what_a_person_must_look_at_fails_the_run_and_is_said_when_it_is_new(
    ready: Any,
    centre: CallCentre,
    state: Path,
    prefect: Any,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows.assess import assess
    from flows.clean import clean
    from flows.pipeline import pipeline

    (tmp_path / "rollcall.yml").write_text("alerts: {lasting_minutes: 0}\n")
    monkeypatch.setenv("ROLLCALL_CONFIG", str(tmp_path))
    statuses = centre.rows("select id::text, status from agent_sessions where logout_at is null limit 1")
    centre.rows("update agent_sessions set status = 'a new one' where id = %s", statuses[0][0])
    try:
        runs = len(centre.rows("select 1 from rollcall_ops.runs"))
        stopped = run(pipeline, centre, state, approval="yes")
        assert (stopped.is_failed(), stopped.name) == (True, "NOT_READY")
        assert tasks_of(prefect, stopped) == ["assess", "publish", "summarise"]
        assert len(centre.rows("select 1 from rollcall_ops.runs")) == runs, "a run that stopped is no change"

        assert run(assess, centre, state, history=False).name == "NOT_READY"
        assert "changed from" not in capsys.readouterr().err, "one judgement is no change that lasts"

        went_on = run(clean, centre, state)
        assert (went_on.is_failed(), went_on.name) == (True, "NOT_READY")
        assert "verify" in tasks_of(prefect, went_on)
        assert run(clean, centre, state).name == "NOT_READY"
        assert capsys.readouterr().err.count("changed from READY to NOT_READY") == 1, (
            "said once, not each time"
        )
    finally:
        centre.rows("update agent_sessions set status = %s where id = %s", statuses[0][1], statuses[0][0])


def test_the_nightly_run_judges_the_history_and_reports(
    ready: Any, centre: CallCentre, state: Path, prefect: Any
) -> None:
    from flows.nightly import nightly

    ended = run(nightly, centre, state)
    assert ended.name == "READY"
    assert tasks_of(prefect, ended) == [
        *("assess", "plan", "approve", "clean", "verify", "publish", "summarise", "alert", "build"),
    ]
    outcome = ended.result()
    built = "select count(distinct built_by), min(built_by) from rollcall_ops.built_agent_intervals"
    assert centre.rows(built) == [(1, outcome.run_id)]
    assert "reversed_session_times" in {rule.name for rule in outcome.latest.rules}
    result = json.loads((state / "reports" / outcome.run_id / "result.json").read_text())
    assert result["verdict"] == "READY"
    page = (state / "reports" / outcome.run_id / "index.html").read_text()
    assert "Present agents</h2>" in page, "the report of the night has its charts"


@pytest.mark.parametrize("name", ["clean", "nightly"])
def test_a_tripped_breaker_changes_nothing_and_alerts(
    floor: Floor, state: Path, prefect: Any, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    from flows.clean import clean
    from flows.nightly import nightly

    heartbeat_outage(floor)
    before = floor.digest()
    ended = run({"clean": clean, "nightly": nightly}[name], floor, state)
    assert floor.digest() == before
    assert (ended.is_failed(), ended.name) == (True, "BREAKER_TRIPPED")
    assert "the breaker tripped" in ended.message
    assert "30 of 31 working sessions would be closed" in capsys.readouterr().err
    ((run_id, failure, finished),) = floor.rows(
        "select run_id, failure, finished_at is not null from rollcall_ops.runs"
    )
    assert "BreakerTripped: the breaker tripped" in failure
    assert finished, "the lease is free for a person"
    event = event_of(prefect, "rollcall.breaker.tripped", run_id)
    assert "the breaker tripped" in event["payload"]["reason"]
    assert (state / "reports" / run_id).exists() is (name == "nightly"), "the nightly judgement is reported"


def test_flows_and_cron_send_one_message_about_one_change(
    floor: Floor, state: Path, prefect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.clean import clean
    from flows.nightly import nightly

    (tmp_path / "rollcall.yml").write_text("alerts: {channels: {team: {env: TEAM_URL}}}\n")
    monkeypatch.setenv("ROLLCALL_CONFIG", str(tmp_path))
    heartbeat_outage(floor)
    nowhere = Floor(floor.url.replace("/floor_", "/missing_", 1), floor.workspace)
    with webhook() as team:
        monkeypatch.setenv("TEAM_URL", team.url)
        environment = {"ROLLCALL_CONFIG": str(tmp_path), "TEAM_URL": team.url}
        assert run(clean, floor, state).name == "BREAKER_TRIPPED"
        assert rollcall("clean", "--unattended", url=floor.url, state=state, **environment).returncode == 4
        assert run(nightly, floor, state).name == "BREAKER_TRIPPED"
        assert [message["title"].count("the breaker tripped") for message in team.messages] == [1]

        assert run(clean, nowhere, state).is_failed()
        assert rollcall("clean", "--unattended", url=nowhere.url, state=state, **environment).returncode == 1
        assert run(clean, nowhere, state).is_failed()
        assert ["The command clean failed" in message["title"] for message in team.messages] == [False, True]


@pytest.mark.parametrize("name", ["clean", "nightly", "run"])
def test_a_failed_proof_is_published_before_it_fails_the_run(
    floor: Floor,
    state: Path,
    prefect: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    from flows.clean import clean
    from flows.nightly import nightly
    from flows.pipeline import pipeline

    floor.session()
    verify = steps.verify_run

    def delete_the_session_and_verify(*arguments: Any) -> Any:
        floor.rows("delete from agent_sessions")
        return verify(*arguments)

    monkeypatch.setattr(steps, "verify_run", delete_the_session_and_verify)
    flow = {"clean": clean, "nightly": nightly, "run": pipeline}[name]
    ended = run(flow, floor, state, **({"approval": "yes"} if name == "run" else {}))
    assert ended.is_failed()
    error = ended.result(raise_on_failure=False)
    assert isinstance(error, EvaluationError)
    assert "does not hold" in str(error)
    ((run_id, failure),) = floor.rows("select run_id, failure from rollcall_ops.runs")
    assert "does not hold" in failure
    result = json.loads((state / "reports" / run_id / "result.json").read_text())
    assert result["verification"]["proof"]["holds"] is False
    assert "does not hold" in (state / "reports" / run_id / "index.html").read_text()
    if name != "run":  # a person is there
        assert "does not hold" in capsys.readouterr().err
        event = event_of(prefect, "rollcall.proof.failed", run_id)
        assert "does not hold" in event["payload"]["reason"]


def test_run_executes_an_approved_plan_and_just_that(
    floor: Floor, state: Path, prefect: Any, tmp_path: Path
) -> None:
    from flows.pipeline import pipeline

    planned = floor.session()
    path = tmp_path / "plan.jsonl"
    write_plan(floor.plan(), path)
    late = floor.session()
    ended = run(pipeline, floor, state, plan=str(path))
    outcome = ended.result(raise_on_failure=False)
    assert isinstance(outcome, RunOutcome), outcome
    assert tasks_of(prefect, ended) == PIPELINE
    assert outcome.cleaning is not None
    assert (outcome.cleaning.changed, outcome.cleaning.skipped) == (1, [])
    assert (floor.row(planned)["status"], floor.row(late)["status"]) == ("offline", "available")
    ((approved_by, plan_hash),) = floor.rows("select approved_by, plan_hash from rollcall_ops.runs")
    assert str(path) in approved_by
    assert plan_hash == json.loads(path.read_text().splitlines()[0])["hash"]


def test_run_refuses_a_plan_that_was_changed(floor: Floor, state: Path, prefect: Any, tmp_path: Path) -> None:
    from flows.pipeline import pipeline

    floor.session()
    path = tmp_path / "plan.jsonl"
    write_plan(floor.plan(), path)
    path.write_text(path.read_text().replace("available", "aveilable", 1))
    before = floor.digest()
    ended = run(pipeline, floor, state, plan=str(path))
    assert ended.is_failed()
    error = ended.result(raise_on_failure=False)
    assert isinstance(error, Refused)
    assert error.exit_code == 4
    assert "is not as it was made" in str(error)
    assert floor.digest() == before
    assert floor.rows("select 1 from rollcall_ops.runs") == []


def test_nothing_that_prefect_keeps_holds_the_password(
    ready: Any, centre: CallCentre, state: Path, prefect: Any
) -> None:
    from flows.clean import clean

    nowhere = replace(centre, url=centre.url.replace("/test_", "/missing_", 1))
    assert PASSWORD in nowhere.url
    assert run(clean, nowhere, state).is_failed(), "the text of an error is kept, too"
    files = [path for path in (state / "prefect").rglob("*") if path.is_file()]
    assert any(path.name == "prefect.db" for path in files)
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


# --- the processes ------------------------------------------------------------------------------


@pytest.mark.slow
def test_ctrl_c_leaves_no_server_and_nothing_in_the_home_directory(
    scheduled: CallCentre, tmp_path: Path
) -> None:
    state, home = tmp_path / "state", tmp_path / "home"
    home.mkdir()
    code = "import sys; sys.argv = ['rollcall', 'run', '--yes']; from rollcall.cli import main; main()"
    nowhere = "http://127.0.0.1:9"  # what is on this machine must not be asked for through a proxy
    variables = environment(
        state, scheduled.url, HOME=str(home), HTTP_PROXY=nowhere, ALL_PROXY=nowhere, PYTHONUNBUFFERED="1"
    )
    process = started(code, env=variables)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Plan"):
            break
    assert len(servers_of(state)) == 1
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert servers_of(state) == []
    assert "Traceback" not in err
    assert list(home.iterdir()) == []


def test_a_server_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    process = started(
        "from pathlib import Path; from rollcall.servers.prefect import LocalServer; import time;"
        f" server = LocalServer(Path({str(tmp_path)!r})); server.start(); server.wait_until_ready();"
        " print('ready', flush=True); time.sleep(600)"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert len(servers_of(tmp_path)) == 1
    process.kill()
    process.communicate()
    until(lambda: not servers_of(tmp_path))


def test_sigterm_ends_serve_in_order(serving: subprocess.Popen[str], prefect: Any, state: Path) -> None:
    """The last test of this file: it takes the server away."""
    process = serving
    until(lambda: any(run.start_time for run in prefect.read_flow_runs()))  # the runner is at work
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    assert "serving clean-up (every 0:00:02). Watch them: http://127.0.0.1:" in out
    assert "Traceback" not in err
    assert servers_of(state) == []
    assert api_of_serving(state) is None
    assert not (state / "prefect" / "auth-string").exists()
