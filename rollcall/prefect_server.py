"""A Prefect server of our own, on this machine only: a child process that never outlives its parent.

The parent listens before it starts the child, so that no other process can take the port, and keeps
a pipe open to it: when the parent ends, however it ends, the pipe closes and the child leaves.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rollcall.errors import ConfigurationError, RollcallError

__all__ = ["LocalServer", "ServerFailed", "prefect_directory", "serving", "url_of_serving"]

HOST = "127.0.0.1"
STANDARD_PORT = 4200
START_SECONDS = 180.0
STOP_SECONDS = 15.0
GRACE_SECONDS = 3
POLL_SECONDS = 0.05
UNREACHED = (OSError, http.client.HTTPException)


class ServerFailed(RollcallError):
    """Prefect's server did not start."""


def prefect_directory(state_directory: Path) -> Path:
    """The folder of everything that Prefect keeps: its database, its log, its pages."""
    return state_directory / "prefect"


class LocalServer:
    """A Prefect server that lives as long as this process, at the most.

    Args:
        state_directory: its data are kept below.
        temporary: for flows of this process only: it has no pages and starts no scheduled runs.
        port: the port to prefer; any other where that one is taken, or 0 for any.
    """

    def __init__(self, state_directory: Path, *, temporary: bool = True, port: int = 0) -> None:
        self._directory = prefect_directory(state_directory)
        self._temporary = temporary
        self._preferred_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it in the background; `wait_until_ready` tells when it answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with _listen(self._preferred_port) as listener, self._log.open("ab") as log:
            self.port = listener.getsockname()[1]
            mode = "temporary" if self._temporary else "lasting"
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(listener.fileno()), mode, str(self._directory)],
                env={**os.environ, "PREFECT_API_URL": self.api_url},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(listener.fileno(),),
                start_new_session=True,  # Ctrl-C is for the parent, which still has to report
            )
        atexit.register(self.stop)

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it answers.

        Raises:
            ServerFailed: it ended, or does not answer in time; says where its log is.
        """
        deadline = time.monotonic() + seconds
        while not _answers(self.port):
            if self._process is None or self._process.poll() is not None:
                raise self._failed("Prefect's server ended while it started")
            if time.monotonic() > deadline:
                self.stop()
                raise self._failed(f"Prefect's server did not answer within {seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Let it finish what it was told, and end it."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.stop)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def _log(self) -> Path:
        return self._directory / "server.log"

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(
            what,
            f"read the end of {self._log}; {self._directory} holds nothing but Prefect's own records,"
            " so it may be removed",
        )


# --- the server that `rollcall serve` keeps -----------------------------------------------------


@contextlib.contextmanager
def serving(state_directory: Path) -> Iterator[LocalServer]:
    """A lasting server, which other commands on the same state directory find while it is there.

    Raises:
        ConfigurationError: there is one already.
        ServerFailed: it did not start.
    """
    server = LocalServer(state_directory, temporary=False, port=STANDARD_PORT)
    with _serving_file(state_directory) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                f"`rollcall serve` is at work already, its Prefect server is {file.read().strip()}",
                "stop that one first, or set PREFECT_API_URL or another ROLLCALL_STATE_DIR",
            ) from None
        try:
            server.start()
            server.wait_until_ready()
            file.truncate(0)
            file.write(server.url)
            file.flush()
            yield server
        finally:
            server.stop()


def url_of_serving(state_directory: Path) -> str | None:
    """The API of the server that a running `rollcall serve` keeps here, or none."""
    with contextlib.suppress(OSError), _serving_file(state_directory) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            url = file.read().strip()
            return f"{url}/api" if url and _answers(int(url.rpartition(":")[2])) else None
    return None


def _serving_file(state_directory: Path) -> IO[str]:
    """The file that a running `rollcall serve` holds locked; it says where its server is."""
    path = prefect_directory(state_directory) / "serving"
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return socket.create_server((HOST, 0))


def _answers(port: int) -> bool:
    """Whether a Prefect server answers; asked directly, past any proxy."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.client.OK
    except UNREACHED:
        return False
    finally:
        connection.close()


# --- the child ----------------------------------------------------------------------------------


def _serve(descriptor: int, *, temporary: bool, directory: Path) -> None:
    """Be the server, until the pipe from the parent closes."""
    parent = threading.Thread(target=sys.stdin.buffer.read, daemon=True)
    parent.start()
    import uvicorn

    lock = (directory / "starting").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # two that start at once would both make the tables
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            lock.close()

        async def on_tick(self, counter: int) -> bool:
            return not parent.is_alive() or await super().on_tick(counter)

    app = create_app(ephemeral=temporary, final=True)
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=GRACE_SECONDS)
    if parent.is_alive():  # else leave before its tables are touched
        Server(config).run(sockets=[socket.socket(fileno=descriptor)])
    os._exit(0)  # whatever threads it still has


if __name__ == "__main__":
    _serve(int(sys.argv[1]), temporary=sys.argv[2] == "temporary", directory=Path(sys.argv[3]))
