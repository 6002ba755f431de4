"""A Prefect server on this machine: a child process that never outlives its parent.

The parent opens the listening socket before it starts the child, so that no other process can take the port.
It keeps a pipe open to the child; when the parent ends for any reason, the pipe closes and the child exits.
The API runs code as its user, so every request needs an authentication string, which is new for each start.
The child receives it in its environment, other commands of the same account in a file with mode 0600. Pages
of other origins cannot use the API.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import http.client
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from rollcall.database.retries import poll
from rollcall.errors import ConfigurationError, RollcallError
from rollcall.process.files import make_private_directory
from rollcall.process.lifetime import start_quickly

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

__all__ = [
    "Api",
    "LocalServer",
    "ServerFailed",
    "answers_without_authentication",
    "api_of_serving",
    "auth_file",
    "client_of",
    "prefect_directory",
    "serving",
    "using",
]

HOST = "127.0.0.1"
STANDARD_PORT = 4200
START_SECONDS = 180.0
STOP_SECONDS = 15.0
GRACE_SECONDS = 3
POLL_SECONDS = 0.05
ANSWER_SECONDS = 5
UNREACHED = (OSError, http.client.HTTPException)


OURS = (
    "ROLLCALL_",
    "PG",
    "DBT_",
)  # prefixes of variables that Prefect's server does not need; some are secret


@dataclass(frozen=True)
class Api:
    """The API of a local Prefect server.

    Attributes:
        url: such as ``http://127.0.0.1:4200/api``.
        auth_string: user and password of HTTP's basic authentication, ``user:password``.
    """

    url: str
    auth_string: str = field(repr=False)


class ServerFailed(RollcallError):
    """Prefect's server did not start."""


def prefect_directory(state_directory: Path) -> Path:
    """The folder of Prefect's data: its database, its log and its pages."""
    return state_directory / "prefect"


def auth_file(state_directory: Path) -> Path:
    """The authentication string of a running `rollcall serve`, readable by its owner only."""
    return prefect_directory(state_directory) / "auth-string"


class LocalServer:
    """A Prefect server that runs at most as long as this process.

    Args:
        state_directory: the folder of its data is below it.
        temporary: for flows of this process only, without pages and scheduled runs.
        port: the preferred port; 0 means any free port.
        may_move: take any free port where the preferred one is in use.
    """

    def __init__(
        self, state_directory: Path, *, temporary: bool = True, port: int = 0, may_move: bool = True
    ) -> None:
        self._directory = prefect_directory(state_directory)
        self._temporary = temporary
        self.preferred_port = port
        self._may_move = may_move
        self._process: subprocess.Popen[bytes] | None = None
        self._auth_string = f"rollcall:{secrets.token_urlsafe(32)}"
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def api(self) -> Api:
        return Api(f"{self.url}/api", self._auth_string)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server in the background; call `wait_until_ready` before using it.

        Raises:
            ConfigurationError: the port is in use, and the server may not move.
        """
        make_private_directory(self._directory)
        with _listen(self.preferred_port, may_move=self._may_move) as listener, self._log.open("ab") as log:
            self.port = listener.getsockname()[1]
            mode = "temporary" if self._temporary else "lasting"
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(listener.fileno()), mode, str(self._directory)],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(listener.fileno(),),
                start_new_session=True,  # Ctrl-C must not reach the child: the parent still reports to it
            )
        atexit.register(self.stop)

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until the server answers.

        Raises:
            ServerFailed: it ended, or did not answer in time; names its log.
        """

        def answers() -> bool:
            if _answers(self.port):
                return True
            if self._process is None or self._process.poll() is not None:
                raise self._failed("Prefect's server ended while it started")
            return False

        if not poll(answers, seconds=seconds, pause=POLL_SECONDS):
            self.stop()
            raise self._failed(f"Prefect's server did not answer within {seconds:.0f} s")

    def stop(self) -> None:
        """End the server, after a grace period for running requests."""
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
    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {
            **inherited,
            "PREFECT_API_URL": self.api.url,
            "PREFECT_API_AUTH_STRING": self._auth_string,
            "PREFECT_SERVER_API_AUTH_STRING": self._auth_string,
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "",
        }

    @property
    def _log(self) -> Path:
        return self._directory / "server.log"

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(
            what,
            f"read the end of {self._log}; {self._directory} holds nothing but Prefect's own records,"
            " so it may be removed",
        )


# --- the server of `rollcall serve` -------------------------------------------------------------


@contextlib.contextmanager
def serving(state_directory: Path, port: int | None = None) -> Iterator[LocalServer]:
    """Run a server that other commands with the same state directory can find.

    Args:
        port: its port; none: 4200, or any free one where that is in use.

    Raises:
        ConfigurationError: such a server is running already, or the port is in use.
        ServerFailed: it did not start.
    """
    server = LocalServer(
        state_directory,
        temporary=False,
        port=STANDARD_PORT if port is None else port,
        may_move=port is None,
    )
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
            with _private_file(auth_file(state_directory)) as secret:
                secret.truncate(0)
                secret.write(server.api.auth_string)
            file.truncate(0)
            file.write(server.url)
            file.flush()
            yield server
        finally:
            auth_file(state_directory).unlink(missing_ok=True)
            server.stop()


def api_of_serving(state_directory: Path) -> Api | None:
    """The API of a running `rollcall serve` with this state directory, or None."""
    with contextlib.suppress(OSError), _serving_file(state_directory) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            url = file.read().strip()
            if url and _answers(int(url.rpartition(":")[2])):
                return Api(f"{url}/api", auth_file(state_directory).read_text(encoding="utf-8"))
    return None


def using(api: Api) -> contextlib.AbstractContextManager[object]:
    """Have the flows and clients of this process use an API."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    return temporary_settings({PREFECT_API_URL: api.url, PREFECT_API_AUTH_STRING: api.auth_string})


@contextlib.contextmanager
def client_of(api: Api) -> Iterator[SyncPrefectClient]:
    """A client of an API, which the flows of this process use too."""
    from prefect import get_client

    with using(api), get_client(sync_client=True) as client:
        yield client


def answers_without_authentication(api_url: str) -> bool | None:
    """Whether a Prefect API answers without authentication; None where it does not answer.

    The request carries no credential of the user, and changes nothing.
    """
    try:
        parts = urlsplit(api_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    except (*UNREACHED, ValueError):  # not a valid address
        return None
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/admin/version")
        return connection.getresponse().status == http.client.OK
    except (*UNREACHED, ValueError):
        return None
    finally:
        connection.close()


def _serving_file(state_directory: Path) -> IO[str]:
    """The file that a running `rollcall serve` keeps locked; contains the server's URL."""
    return _private_file(prefect_directory(state_directory) / "serving")


def _private_file(path: Path) -> IO[str]:
    """Open a file for reading and writing, and restrict it to its owner."""
    make_private_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def _listen(port: int, *, may_move: bool) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if may_move:
            return socket.create_server((HOST, 0))
        raise ConfigurationError(
            f"port {port} of {HOST} cannot be used: {str(error.strerror).partition(' (')[0]}",
            "stop the process that uses it, or give another --port",
        ) from None


def _answers(port: int) -> bool:
    """Whether a Prefect server answers on the port, without any proxy."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.client.OK
    except UNREACHED:
        return False
    finally:
        connection.close()


# --- the child ----------------------------------------------------------------------------------


def _serve(descriptor: int, *, temporary: bool, directory: Path) -> None:
    """Run the server in the child process until the pipe from the parent closes."""
    os.umask(0o077)
    start_quickly()
    parent = threading.Thread(target=sys.stdin.buffer.read, daemon=True)
    parent.start()
    import uvicorn

    lock = (directory / "starting").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # two servers that start at once would both create the tables
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            lock.close()

        async def on_tick(self, counter: int) -> bool:
            return not parent.is_alive() or await super().on_tick(counter)

    app = create_app(ephemeral=temporary, final=True)
    config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=GRACE_SECONDS)
    if parent.is_alive():  # otherwise exit before any access to the tables
        Server(config).run(sockets=[socket.socket(fileno=descriptor)])
    os._exit(0)  # without waiting for remaining threads


if __name__ == "__main__":
    _serve(int(sys.argv[1]), temporary=sys.argv[2] == "temporary", directory=Path(sys.argv[3]))
