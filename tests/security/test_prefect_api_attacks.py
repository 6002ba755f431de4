"""Attacks on the Prefect API that `rollcall serve` and `rollcall run` start.

The attacker is another account of the same machine, or a page in its browser: it reaches the port, and has no
credential of the database and none of the API.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.routing import APIWebSocketRoute
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rollcall.servers.prefect import Api, LocalServer, answers_without_authentication, api_of_serving
from rollcall.service.scheduling import read_deployments
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.doctor.examination import examine
from tests.support.call_centre import CallCentre
from tests.support.floor import Floor
from tests.support.serving import PASSWORD, environment, started
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.medium  # a Prefect server is started

PARAMETERS = {
    "apply-approved-plan": {"plan_hash", "approved_by"},  # tests/flows/test_approval.py tries to evade them
    "fleet": {"clean", "only"},  # names of the fleet's file, which the worker's environment names
    "fleet-database": {"name", "clean"},
}
NO_BREAKER = {"abandoned_after_hours": 0.0001, "breaker_min_sessions": 1e6, "settle_minutes": 0.001}


@pytest.fixture(scope="module")
def seconds_between_runs() -> int:
    """No run is needed, and each takes a process with Great Expectations in it."""
    return 1_000_000


@pytest.fixture
def api(serving: subprocess.Popen[str], state: Path) -> Api:
    def answering() -> Api | None:
        assert serving.poll() is None, serving.communicate()
        return api_of_serving(state)  # a server that is busy may miss one request

    found = until(answering)
    assert isinstance(found, Api)
    return found


def request(
    api: Api, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Status, document and headers of an answer."""
    parts = urlsplit(api.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(
            method, parts.path + path, content, {"Content-Type": "application/json", **headers}
        )
        response = connection.getresponse()
        text = response.read()
        document = json.loads(text) if text.startswith((b"{", b"[")) else None
        return response.status, document, {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


def signed(auth_string: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(auth_string.encode()).decode()}"}


def deployment_of(api: Api) -> dict[str, Any]:
    """The deployment of the clean-up, once `serve` has registered it."""
    path, signature = "/deployments/name/rollcall-clean-up/clean-up", signed(api.auth_string)
    until(lambda: request(api, "GET", path, **signature)[0] == 200)
    return dict(request(api, "GET", path, **signature)[1])


@pytest.mark.parametrize(
    "headers", [{}, signed("rollcall:guess"), signed("rollcall:"), {"Authorization": "Basic x"}]
)
def test_a_stranger_cannot_start_a_clean_up(api: Api, scheduled: CallCentre, headers: dict[str, str]) -> None:
    deployment = deployment_of(api)
    before = scheduled.rows("select count(*) from agent_sessions where logout_at is null")
    body = {"parameters": {"variables": json.dumps(NO_BREAKER)}, "state": {"type": "SCHEDULED"}}
    status, _, _ = request(api, "POST", f"/deployments/{deployment['id']}/create_flow_run", body, **headers)
    assert status == 401
    status, _, _ = request(api, "POST", "/flow_runs/", {"flow_id": deployment["flow_id"]}, **headers)
    assert status == 401
    assert scheduled.rows("select count(*) from agent_sessions where logout_at is null") <= before


def test_a_stranger_cannot_change_what_a_deployment_runs(api: Api, tmp_path: Path) -> None:
    deployment = deployment_of(api)
    for body in (
        {"entrypoint": f"{tmp_path}/evil.py:flow"},
        {"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "id"}}]},
        {"parameters": {"variables": "{}"}},
    ):
        assert request(api, "PATCH", f"/deployments/{deployment['id']}", body)[0] == 401
    after = deployment_of(api)
    assert {name: after[name] for name in ("entrypoint", "pull_steps", "parameters")} == {
        name: deployment[name] for name in ("entrypoint", "pull_steps", "parameters")
    }


def test_a_stranger_reads_nothing(api: Api) -> None:
    for method, path in (
        ("POST", "/deployments/filter"),
        ("POST", "/flow_runs/filter"),
        ("POST", "/artifacts/filter"),
        ("POST", "/logs/filter"),
        ("GET", "/admin/settings"),
        ("GET", "/admin/version"),
    ):
        assert request(api, method, path, {} if method == "POST" else None)[0] == 401, path
    assert answers_without_authentication(api.url) is False


def test_a_page_of_another_origin_may_not_use_the_api(api: Api) -> None:
    preflight = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    status, _, headers = request(api, "OPTIONS", "/flow_runs/", **preflight)
    assert status >= 400
    assert "access-control-allow-origin" not in headers
    _, _, headers = request(api, "GET", "/health", Origin="https://evil.example")
    assert "access-control-allow-origin" not in headers


def first_answer(api: Api, path: str, token: str | None, subprotocol: str | None) -> str:
    """What a WebSocket answers to a client that authenticates itself, or says that it was closed."""
    url = f"ws{api.url.removeprefix('http')}{path}"
    wanted = None if subprotocol is None else [subprotocol]
    try:
        with connect(
            url, subprotocols=wanted, origin="https://evil.example", open_timeout=PATIENCE
        ) as socket:
            socket.send(json.dumps({"type": "auth", "token": token}))
            return str(json.loads(socket.recv(timeout=PATIENCE))["type"])
    except (ConnectionClosed, InvalidStatus):
        return "closed"


def web_sockets() -> list[str]:
    """The path of every WebSocket of Prefect's API, so that a new one is attacked too."""
    from prefect.server.api.server import API_ROUTERS

    routes = [route for router in API_ROUTERS for route in router.routes]
    return [
        route.path.format(work_pool_name="any") for route in routes if isinstance(route, APIWebSocketRoute)
    ]


def test_a_stranger_opens_no_web_socket(api: Api) -> None:
    paths = web_sockets()
    assert {"/events/in", "/events/out", "/logs/out"} <= set(paths)
    for path in paths:
        assert first_answer(api, path, "guess", "prefect") == "closed", path
        assert first_answer(api, path, None, "prefect") == "closed", path
        assert first_answer(api, path, api.auth_string, None) == "closed", path
    assert first_answer(api, "/events/out", api.auth_string, "prefect") == "auth_success"


def test_parameters_are_an_allow_list(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the API is told, the configuration is that of the serving process."""
    deployment = deployment_of(api)
    assert deployment["enforce_parameter_schema"]
    assert deployment["parameter_openapi_schema"]["properties"] == {}
    monkeypatch.chdir(PROJECT_DIRECTORY)
    from prefect.exceptions import ParameterBindError
    from prefect.flows import load_flow_from_entrypoint

    for declared in read_deployments():
        flow = load_flow_from_entrypoint(str(declared.entrypoint), use_placeholder_flow=False)
        assert set(flow.parameters.properties) <= PARAMETERS.get(declared.name, {"history", "full_history"})
        with pytest.raises(ParameterBindError):
            flow(variables=json.dumps(NO_BREAKER))


@pytest.mark.slow
def test_doctor_warns_of_a_server_without_a_password(
    floor: Floor, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", api.url)
    assert "open_prefect_api" not in {finding.name for finding in examine(floor.workspace).findings}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--no-services"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            "PREFECT_HOME": str(tmp_path),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}/api"
        until(lambda: answers_without_authentication(url) is not None)
        monkeypatch.setenv("PREFECT_API_URL", url)
        (finding,) = (one for one in examine(floor.workspace).findings if one.name == "open_prefect_api")
        assert "answers without a password" in finding.found[0]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_prefect_server_that_is_down_is_named(scheduled: CallCentre, tmp_path: Path) -> None:
    """One line that names the variable, and no password."""
    variables = environment(
        tmp_path, scheduled.url, PREFECT_API_URL=f"http://someone:{PASSWORD}@127.0.0.1:9/api"
    )
    code = "import sys; sys.argv = ['rollcall', {!r}, *{!r}]; from rollcall.cli import main; main()"
    for command, arguments in (("run", ["--yes"]), ("serve", [])):
        process = started(code.format(command, arguments), env=variables)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2, out + err
        assert len(err.strip().splitlines()) == 1, err
        assert "PREFECT_API_URL" in err
        assert "http://127.0.0.1:9/api" in err
        assert PASSWORD not in out + err


@pytest.mark.parametrize(
    "address",
    [
        f"http://someone:{PASSWORD}@127.0.0.1:port/api",
        f"http://{PASSWORD}@[::1/api",
        f"someone:{PASSWORD}@127.0.0.1/api",
    ],
)
def test_an_address_that_is_none_is_named(scheduled: CallCentre, tmp_path: Path, address: str) -> None:
    said = refusal(["run", "--yes"], environment(tmp_path, scheduled.url, PREFECT_API_URL=address))
    assert said.startswith("rollcall: PREFECT_API_URL is no address of a server")


def test_a_server_that_refuses_is_named(api: Api, scheduled: CallCentre, tmp_path: Path) -> None:
    """With a wrong credential, and where something else than Prefect's API answers."""
    for address, remedy in ((api.url, "PREFECT_API_AUTH_STRING"), (f"{api.url}/none", "/api")):
        variables = environment(
            tmp_path, scheduled.url, PREFECT_API_URL=address, PREFECT_API_AUTH_STRING=f"x:{PASSWORD}"
        )
        said = refusal(["run", "--yes"], variables)
        assert said.startswith("rollcall: The Prefect server that PREFECT_API_URL names")
        assert address in said
        assert remedy in said


def refusal(arguments: list[str], variables: dict[str, str]) -> str:
    """The one line with which a command ends that cannot begin."""
    done = subprocess.run(
        [sys.executable, "-m", "rollcall", *arguments],
        env=variables,
        cwd=PROJECT_DIRECTORY,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done.stderr


def test_the_authentication_string_is_readable_by_its_owner_alone(
    api: Api, state: Path, serving: subprocess.Popen[str]
) -> None:
    for path in (state / "prefect" / "auth-string", state / "prefect" / "serving"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    password = api.auth_string.partition(":")[2]
    assert len(password) >= 40
    arguments = subprocess.run(
        ["ps", "-ww", "-eo", "args="], text=True, capture_output=True, check=True
    ).stdout
    assert password not in arguments
    for database in (state / "prefect").glob("prefect.db*"):
        assert stat.S_IMODE(database.stat().st_mode) == 0o600, database
    assert password not in (state / "prefect" / "server.log").read_text()


def test_the_server_is_not_told_of_the_database(api: Api, scheduled: CallCentre, state: Path) -> None:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], text=True, capture_output=True, check=True)
    (pid,) = [
        line.split()[0]
        for line in listed.stdout.splitlines()
        if "-m rollcall.servers.prefect" in line and str(state) in line
    ]
    environment = Path(f"/proc/{pid}/environ")
    if not environment.exists():
        pytest.skip("this system does not show a process's environment")
    names = {entry.partition(b"=")[0].decode() for entry in environment.read_bytes().split(b"\0")}
    assert not {name for name in names if name.startswith(("ROLLCALL_", "PG"))}


def test_the_temporary_server_is_closed_too_and_each_start_has_another_string(tmp_path: Path) -> None:
    strings = set()
    for _ in range(2):
        server = LocalServer(tmp_path)
        server.start()
        try:
            server.wait_until_ready()
            assert request(server.api, "POST", "/flow_runs/filter", {})[0] == 401
            signature = signed(server.api.auth_string)
            assert request(server.api, "POST", "/flow_runs/filter", {}, **signature)[0] == 200
            strings.add(server.api.auth_string)
        finally:
            server.stop()
    assert len(strings) == 2
    assert "PREFECT_SERVER_API_AUTH_STRING" not in os.environ
