"""The trigger URL, served for real and requested over HTTP."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.steps import flags
from tests.support.call_centre import CallCentre, call_centre
from tests.support.command import heed_signals, rollcall
from tests.support.paths import ROOT
from tests.support.postgres import fresh_database
from tests.support.serving import PASSWORD, environment
from tests.support.waiting import PATIENCE, until

TOKEN = "planted-token-of-the-trigger-9c1f"
TINY = Scale(agents=40, sessions=200, calls=400, days=10)


@dataclass
class Trigger:
    """A process that serves the trigger URL of a call centre."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def request(self, method: str, path: str, token: str | None = TOKEN) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=PATIENCE, trust_env=False)

    def ended(self, run: httpx.Response) -> dict[str, Any]:
        """Wait for the end of a clean-up that a request has started."""
        path = httpx.URL(run.json()["url"]).path

        def document() -> dict[str, Any] | None:
            shown: dict[str, Any] = self.request("GET", path).json()
            return shown if shown["state"] == "ended" else None

        found: dict[str, Any] = until(document)
        return found


@contextlib.contextmanager
def triggered(url: str, state: Path, *options: str, **more: str) -> Iterator[Trigger]:
    """`rollcall serve --trigger` in a process of its own, on any free port."""
    with tempfile.NamedTemporaryFile("w+", dir=state, suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rollcall", "serve", "--trigger", "127.0.0.1:0", *options],
            env=environment(state, url, ROLLCALL_TRIGGER_TOKEN=TOKEN, **more),
            cwd=ROOT,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=heed_signals,
        )
        path = Path(log.name)
        try:
            until(lambda: "readyz" in path.read_text() or process.poll() is not None)
            found = re.match(r"POST (http://127\.0\.0\.1:\d+)/runs", path.read_text())
            assert found is not None, path.read_text()
            yield Trigger(found[1], process, path)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@pytest.fixture(scope="module")
def centre(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    """A damaged call centre that is migrated; its URL has a password that is not needed."""
    with fresh_database(server) as url:
        with_password = url.replace("postgres@", f"postgres:{PASSWORD}@", 1)
        found = call_centre(with_password, tmp_path_factory.mktemp("state"), scale=TINY)
        state = found.workspace.settings.state_directory
        assert rollcall("migrate", url=with_password, state=state).returncode == 0
        yield found


@pytest.fixture(scope="module")
def trigger(centre: CallCentre) -> Iterator[Trigger]:
    with triggered(centre.url, centre.workspace.settings.state_directory) as started:
        yield started


@pytest.mark.medium
def test_a_request_starts_the_clean_up_and_its_url_tells_how_it_ended(
    centre: CallCentre, trigger: Trigger
) -> None:
    before = trigger.request("GET", "/readyz", token=None)
    assert (before.status_code, before.json()["is_ready"]) == (503, False)
    flags.switch(centre.workspace, "pause_cleaning", on=True)  # the clean-up waits, so that it is at work

    started = trigger.request("POST", "/runs")
    assert started.status_code == 202
    assert started.headers["location"] == started.json()["url"]
    second = trigger.request("POST", "/runs")
    assert (second.status_code, second.json()["url"]) == (409, started.json()["url"])
    assert trigger.request("GET", "/healthz", token=None).status_code == 200

    flags.switch(centre.workspace, "pause_cleaning", on=False)
    ended = trigger.ended(started)
    assert ended["exit_code"] == 0, trigger.log.read_text()
    assert ended["changed"] == ended["planned"] > 0
    [(changed, verdict)] = centre.rows(
        "select changed, verdict from rollcall_ops.runs where run_id = %s", ended["run_id"]
    )
    assert changed == ended["changed"]
    assert verdict is not None
    shown = until(
        lambda: (
            (answer := trigger.request("GET", "/readyz", token=None)).json()["run_id"] == ended["run_id"]
            and answer
        )
    )
    assert shown.json()["verdict"] == verdict
    assert shown.json()["is_stale"] is False
    assert shown.status_code == (200 if verdict == "READY" else 503)


@pytest.mark.medium
def test_a_run_that_something_else_has_started_is_not_run_beside(
    centre: CallCentre, trigger: Trigger
) -> None:
    with open_run(centre.workspace, "clean", "a test"):
        answer = trigger.request("POST", "/runs")
    assert answer.status_code == 409
    assert "Another run is at work: server process" in answer.json()["error"]


@pytest.mark.medium
def test_a_later_switch_of_a_flag_does_not_hide_a_failed_run(centre: CallCentre, trigger: Trigger) -> None:
    with pytest.raises(RuntimeError), open_run(centre.workspace, "clean", "a test"):
        raise RuntimeError("it fails")
    for on in (True, False):
        flags.switch(centre.workspace, "pause_cleaning", on=on)
    assert until(lambda: trigger.request("GET", "/readyz", token=None).json()["last_run_failed"])


@pytest.mark.medium
def test_the_metrics_are_those_of_the_command(centre: CallCentre, trigger: Trigger) -> None:
    answer = trigger.request("GET", "/metrics")
    assert answer.status_code == 200
    assert 'rollcall_verdict{database="' in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert trigger.request("GET", "/metrics").text == answer.text  # kept: the instant is the same


@pytest.mark.medium
def test_without_the_token_nothing_starts_and_guesses_are_limited(
    centre: CallCentre, trigger: Trigger
) -> None:
    runs = centre.rows("select count(*) as number from rollcall_ops.runs")
    for path in ("/metrics", "/runs/0123456789abcdef"):
        assert trigger.request("GET", path, token=None).status_code == 401
    answers = [trigger.request("POST", "/runs", token=f"{TOKEN}{n}").status_code for n in range(12)]
    assert set(answers) == {401, 429}
    assert answers == sorted(answers)
    limited = trigger.request("POST", "/runs", token=None)
    assert limited.status_code == 429
    assert 0 < int(limited.headers["retry-after"]) <= 60
    assert trigger.request("GET", "/runs/0123456789abcdef").status_code == 404  # the right token goes on
    assert centre.rows("select count(*) as number from rollcall_ops.runs") == runs


@pytest.mark.medium
def test_neither_the_token_nor_the_password_is_shown(trigger: Trigger) -> None:
    text = trigger.log.read_text()
    assert "started by a request" in text
    assert TOKEN not in text
    assert PASSWORD not in text
    seen = subprocess.run(["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True)
    assert TOKEN not in seen.stdout


@pytest.mark.medium
def test_too_many_starts_are_refused_and_a_stop_ends_the_run_in_order(centre: CallCentre) -> None:
    state = centre.workspace.settings.state_directory
    flags.switch(centre.workspace, "pause_cleaning", on=True)
    with triggered(centre.url, state, "--stale-after", "0") as trigger:
        assert trigger.request("GET", "/readyz", token=None).json()["is_stale"] is True
        codes = [trigger.request("POST", "/runs").status_code for _ in range(11)]
        assert codes == [202, *[409] * 9, 429]
        trigger.process.send_signal(signal.SIGTERM)
        assert trigger.process.wait(PATIENCE) == 0
        assert "ended with exit code" in trigger.log.read_text()
    flags.switch(centre.workspace, "pause_cleaning", on=False)
    unfinished = "select run_id from rollcall_ops.runs where finished_at is null"
    assert centre.rows(unfinished) == []


@pytest.mark.medium
def test_the_clean_up_of_a_killed_trigger_goes_on_to_its_end(centre: CallCentre) -> None:
    unfinished = "select run_id from rollcall_ops.runs where command = 'clean' and finished_at is null"
    flags.switch(centre.workspace, "pause_cleaning", on=True)
    with triggered(centre.url, centre.workspace.settings.state_directory) as trigger:
        assert trigger.request("POST", "/runs").status_code == 202
        ((run_id,),) = until(lambda: centre.rows(unfinished))
        trigger.process.kill()
        trigger.process.wait(PATIENCE)
    flags.switch(centre.workspace, "pause_cleaning", on=False)
    until(lambda: not centre.rows(unfinished))
    ended = "select failure, verdict is not null from rollcall_ops.runs where run_id = %s"
    assert centre.rows(ended, run_id) == [(None, True)]


@pytest.mark.medium
def test_connections_that_send_no_request_lock_it_out_for_seconds_only(trigger: Trigger) -> None:
    """Half of them send nothing, the others a part of a request."""
    port = httpx.URL(trigger.url).port
    with contextlib.ExitStack() as stack:
        for number in range(60):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            if number % 2:
                idle.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert trigger.request("GET", "/healthz", token=None).status_code == 503
        until(lambda: trigger.request("GET", "/healthz", token=None).status_code == 200)
        answer = trigger.request("POST", "/runs", token=None)
    assert answer.status_code in (401, 429)
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("token", ["", "Qz7-few", "has a space and is long enough", "ümlaut-" * 4])
def test_without_a_usable_token_it_does_not_start(token: str, tmp_path: Path) -> None:
    done = rollcall("serve", "--trigger", "127.0.0.1:0", state=tmp_path, ROLLCALL_TRIGGER_TOKEN=token)
    assert done.returncode == 2
    assert done.stderr.startswith("rollcall: ROLLCALL_TRIGGER_TOKEN is")
    assert len(done.stderr.splitlines()) == 1
    assert not token or token not in done.stderr


def test_an_address_in_use_is_an_error_and_no_other_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = rollcall(
            "serve",
            "--trigger",
            str(port),
            url="postgresql://postgres@127.0.0.1:1/none",
            state=tmp_path,
            ROLLCALL_TRIGGER_TOKEN=TOKEN,
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use" in done.stderr
