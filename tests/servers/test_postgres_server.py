"""The server that Rollcall runs itself: found again, mended, private. On both kinds of binaries."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rollcall.errors import ConfigurationError, ServerError
from rollcall.process.files import private_files
from rollcall.servers import account
from rollcall.servers.postgres import PostgresServer
from tests.support.postgres import NOT_DURABLE, SYSTEM_PG_BIN, temporary_folder
from tests.support.waiting import until

LONGEST_SECONDS = 120
"""After this a forked child that does not end is ended by the system."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose servers are stopped, whatever the test did."""
    with temporary_folder() as folder:
        yield folder
        for data in folder.glob("**/PG_VERSION"):
            if data.parent.name != "base" and (data.parent / "global").exists():
                PostgresServer(data.parent).stop()


@pytest.fixture(params=["embedded", pytest.param("system", marks=pytest.mark.system_postgres)])
def programs(request: pytest.FixtureRequest) -> Path | None:
    if request.param == "embedded":
        return None
    if not (SYSTEM_PG_BIN / "postgres").exists():
        pytest.skip(f"no PostgreSQL of the system in {SYSTEM_PG_BIN}")
    return SYSTEM_PG_BIN


def new_server(folder: Path, programs: Path | None = None) -> PostgresServer:
    return PostgresServer(folder / "data", programs, NOT_DURABLE)


def ask(server: PostgresServer, question: str) -> str:
    with psycopg.connect(server.conninfo()) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return str(row[0])


def pid_of(server: PostgresServer) -> int:
    return int((server.data_directory / "postmaster.pid").read_text().splitlines()[0])


def wait_until_gone(pid: int) -> None:
    def is_gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(is_gone)


@pytest.mark.medium
def test_starts_is_found_again_and_stops(folder: Path, programs: Path | None) -> None:
    server = new_server(folder, programs)
    assert not server.is_running
    server.stop()  # nothing to stop, nothing made
    assert list(folder.iterdir()) == []

    server.start()
    assert server.is_running
    assert ask(server, "show server_version").split()[0] == server.version
    assert ask(server, "select current_user") == "postgres"
    with psycopg.connect(server.conninfo()) as connection:
        connection.execute("create table kept as select 42 as n")

    again = new_server(folder, programs)
    pid = pid_of(server)
    again.start()
    assert pid_of(again) == pid
    assert again.conninfo() == server.conninfo()

    again.stop()
    assert not server.is_running
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.conninfo())
    again.stop()

    server.start()
    assert ask(server, "select n from kept") == "42"


def test_outlives_the_process_that_started_it(folder: Path) -> None:
    """Also when that process, and all of its process group, is killed."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path\n"
            "from rollcall.servers.postgres import PostgresServer\n"
            "PostgresServer(Path(sys.argv[1])).start()\n"
            "print('started', flush=True); time.sleep(600)",
            str(folder / "data"),
        ],
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    server = new_server(folder)
    assert server.is_running
    server.stop()
    assert child.stdout.read() == ""  # the server kept no end of our pipe
    child.stdout.close()


@pytest.mark.medium
def test_starts_again_after_its_process_was_killed(folder: Path, programs: Path | None) -> None:
    server = new_server(folder, programs)
    server.start()
    killed = pid_of(server)
    os.kill(killed, signal.SIGKILL)
    wait_until_gone(killed)
    assert not server.is_running
    assert (server.data_directory / "postmaster.pid").exists()
    server.start()
    assert pid_of(server) != killed
    assert ask(server, "select 1") == "1"


@pytest.mark.medium
def test_a_stale_pid_file_may_name_a_foreign_process(folder: Path) -> None:
    """Usual in containers: after a restart the same small process ids are given out again."""
    server = new_server(folder)
    server.start()
    pid_file = server.data_directory / "postmaster.pid"
    stale = pid_file.read_text().splitlines()
    owner = pid_file.stat()
    killed = pid_of(server)
    os.kill(killed, signal.SIGKILL)
    wait_until_gone(killed)
    other = subprocess.Popen(["sleep", "600"], user=owner.st_uid)
    try:
        pid_file.write_text("\n".join([str(other.pid), *stale[1:]]) + "\n")
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        assert not server.is_running
        server.start()
        assert ask(server, "select 1") == "1"
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_living_server_without_socket_is_restarted(folder: Path) -> None:
    server = new_server(folder)
    server.start()
    (server.data_directory / ".s.PGSQL.5432").unlink()
    assert not server.is_running
    server.start()
    assert ask(server, "select 1") == "1"


def test_listens_on_a_private_socket_and_nowhere_else(folder: Path, programs: Path | None) -> None:
    server = new_server(folder, programs)
    server.start()
    assert ask(server, "show listen_addresses") == ""
    assert server.data_directory.stat().st_mode & 0o077 == 0
    inodes = {
        os.readlink(fd).removeprefix("socket:[").rstrip("]")
        for fd in Path(f"/proc/{pid_of(server)}/fd").iterdir()
        if os.readlink(fd).startswith("socket:")
    }
    for table in ("tcp", "tcp6", "udp", "udp6"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        assert not inodes & {line.split()[9] for line in lines}, table
    # even if it is told to, no password-less entry waits for the network
    admitting = "select count(*) from pg_hba_file_rules where type <> 'local'"
    assert ask(server, f"{admitting} and auth_method <> 'reject'") == "0"


@pytest.mark.parametrize("name", ["listen_addresses", "port", "unix_socket_directories", "a b"])
def test_where_it_listens_cannot_be_chosen(folder: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be chosen"):
        PostgresServer(folder / "data", settings={name: "*"})


def test_settings_are_used(folder: Path) -> None:
    server = PostgresServer(
        folder / "data", settings={**NOT_DURABLE, "application_name": 'it\'s "$HOME" \\ here'}
    )
    server.start()
    assert ask(server, "select reset_val from pg_settings where name = 'application_name'") == (
        'it\'s "$HOME" \\ here'
    )


def test_two_processes_start_it_at_once(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    starters = [context.Process(target=new_server(folder).start) for _ in range(3)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert [starter.exitcode for starter in starters] == [0, 0, 0]
    assert ask(new_server(folder), "select 1") == "1"


def test_a_killed_start_leaves_nothing_half_made(folder: Path) -> None:
    unfinished = folder / "data.new-killed"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server = new_server(folder)
    server.start()
    assert sorted(path.name for path in folder.iterdir()) == ["data", "data.lock"]


def test_a_failed_initdb_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = new_server(folder)
    fake = folder / "bin"
    fake.mkdir()
    for program in ("initdb", "pg_ctl", "postgres"):
        (fake / program).write_text("#!/bin/sh\necho 'initdb: error: No space left on device' >&2\nexit 1\n")
        (fake / program).chmod(0o755)
    server = new_server(folder, fake)
    with pytest.raises(ServerError, match=r"No space left.*The disk is full"):
        server.start()
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "data.lock"]


def test_a_long_or_odd_path(folder: Path) -> None:
    """A socket's path may have some hundred bytes only; a folder's may have spaces and quotes."""
    server = new_server(folder / ("it's a, " + 20 * "long "))
    server.start()
    assert ask(server, "select 1") == "1"
    socket_folder = Path(ask(server, "show unix_socket_directories").strip('"'))
    assert socket_folder.stat().st_mode & 0o077 == 0
    assert new_server(server.data_directory.parent).is_running
    server.stop()
    assert not socket_folder.exists()


def test_no_server_programs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_PG_BIN", str(folder))
    with pytest.raises(ConfigurationError, match=r"has no initdb.*ROLLCALL_PG_BIN"):
        PostgresServer(folder / "data")


def test_a_foreign_folder_is_left_alone(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "thesis.txt").write_text("years of work")
    with pytest.raises(ServerError, match="in the way"):
        new_server(folder).start()
    assert (folder / "data" / "thesis.txt").read_text() == "years of work"


@pytest.mark.system_postgres
def test_data_of_another_version_is_refused(folder: Path) -> None:
    if not (SYSTEM_PG_BIN / "postgres").exists():
        pytest.skip(f"no PostgreSQL of the system in {SYSTEM_PG_BIN}")
    server = new_server(folder, SYSTEM_PG_BIN)
    server.start()
    server.stop()
    with pytest.raises(ServerError, match=r"made by PostgreSQL 15, but .* version 18"):
        new_server(folder).start()


@pytest.mark.medium
@as_root
def test_root_works_below_a_folder_that_only_root_may_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkout below /root: data and programs are elsewhere, and /root stays closed."""
    monkeypatch.setattr(account, "ROOT_STATE", folder / "state")
    monkeypatch.setattr(account.Account, "can_reach", _only_below(folder / "state"))
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = new_server(closed)
    server.start()
    assert ask(server, "select 1") == "1"
    assert server.data_directory.parent == folder / "state"
    assert str(server.data_directory) in caplog.text
    assert closed.stat().st_mode & 0o777 == 0o700
    assert new_server(closed).is_running
    running = Path(os.readlink(f"/proc/{pid_of(server)}/exe"))
    assert running.is_relative_to(folder / "state")


@pytest.mark.medium
@as_root
def test_the_account_of_root_may_pass_to_programs_that_a_command_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data where the account can go, programs below /root: the umask of commands closes what they make."""
    monkeypatch.setattr(account, "ROOT_STATE", folder / "state")
    monkeypatch.setattr(account.Account, "can_reach", _only_below(folder))
    server = new_server(folder)
    with private_files():
        server.start()
    assert ask(server, "select 1") == "1"
    running = Path(os.readlink(f"/proc/{pid_of(server)}/exe"))
    assert running.is_relative_to(folder / "state")


def _only_below(allowed: Path):  # type: ignore[no-untyped-def]
    return lambda self, folder: folder.is_relative_to(allowed)


@as_root
def test_root_without_the_right_to_look_at_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container root may not see the working folder of another user's process."""
    server = new_server(folder)
    server.start()
    readlink = os.readlink

    def denied(path: str | Path) -> str:
        if str(path).endswith("/cwd"):
            raise PermissionError(13, "Permission denied", str(path))
        return readlink(path)

    monkeypatch.setattr(os, "readlink", denied)
    server.stop()
    assert not server.is_running


@as_root
def test_the_data_of_another_user_is_named_as_such(folder: Path) -> None:
    """First `sudo make run`, then `make run`."""
    server = new_server(folder)
    server.start()
    nobody = pwd.getpwnam("nobody")
    programs = server.programs_directory
    reader, writer = socket.socketpair()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_SECONDS)
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            PostgresServer(folder / "data", programs).start()
            writer.sendall(b"started")
        except BaseException as error:
            writer.sendall(repr(error).encode())
        finally:
            os._exit(0)
    writer.close()
    said = b"".join(iter(lambda: reader.recv(10_000), b""))
    os.waitpid(child, 0)
    reader.close()
    assert said.startswith(b"ServerError")
    assert b"belongs to the user postgres" in said


@as_root
def test_programs_that_the_account_cannot_reach_are_named(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    reader, writer = socket.socketpair()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST_SECONDS)
        try:
            os.setgroups([])
            os.setuid(pwd.getpwnam("nobody").pw_uid)
            PostgresServer(folder / "data", private / "bin")
        except BaseException as error:
            writer.sendall(repr(error).encode())
        finally:
            os._exit(0)
    writer.close()
    said = b"".join(iter(lambda: reader.recv(10_000), b""))
    os.waitpid(child, 0)
    reader.close()
    assert said.startswith(b"ConfigurationError")
    assert b"cannot be reached" in said
