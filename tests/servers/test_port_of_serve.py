"""The port of `rollcall serve`: the chosen one or none. A move from the usual port is reported."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall.servers.prefect import api_of_serving
from tests.support.command import heed_signals
from tests.support.paths import ROOT
from tests.support.serving import environment
from tests.support.waiting import PATIENCE, until

WITH_A_USUAL_PORT = (
    "import sys; from rollcall.servers import prefect; prefect.STANDARD_PORT = int(sys.argv.pop(1));"
    "from rollcall.cli import main; main()"
)
NO_DATABASE = "postgresql://postgres@127.0.0.1:1/none"


@contextlib.contextmanager
def served(state: Path, *options: str, usual: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """`rollcall serve` in a process of its own; it is ended afterwards. No flow run needs its database.

    Args:
        usual: a port of the test in the place of 4200, which another program may use or leave at any moment.
    """
    program = ["-m", "rollcall"] if usual is None else ["-c", WITH_A_USUAL_PORT, str(usual)]
    process = subprocess.Popen(
        [sys.executable, *program, "serve", *options],
        env=environment(state, NO_DATABASE),
        cwd=ROOT,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_signals,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def taken() -> Iterator[int]:
    """A port in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.medium
def test_a_chosen_port_in_use_is_an_error(tmp_path: Path) -> None:
    with taken() as port, served(tmp_path, "--port", str(port)) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors.splitlines() == [
        f"rollcall: Port {port} of 127.0.0.1 cannot be used: Address already in use. Stop the process that "
        "uses it, or give another --port."
    ]
    assert api_of_serving(tmp_path) is None


@pytest.mark.slow
def test_a_chosen_port_is_taken(tmp_path: Path) -> None:
    with taken() as port:
        pass
    with served(tmp_path, "--port", str(port)) as process:
        api = until(lambda: api_of_serving(tmp_path) or process.poll() is not None)
        assert api.url == f"http://127.0.0.1:{port}/api"


@pytest.mark.slow
def test_a_move_from_the_usual_port_is_reported(tmp_path: Path) -> None:
    with taken() as usual, served(tmp_path, usual=usual) as process:
        api = until(lambda: api_of_serving(tmp_path) or process.poll() is not None)
        assert process.stderr is not None
        assert f"Port {usual} is in use, so Prefect's server listens on" in process.stderr.readline()
    assert not api.url.startswith(f"http://127.0.0.1:{usual}/")
