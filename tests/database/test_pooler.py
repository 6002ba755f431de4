"""Behind PgBouncer (Debian's): what reads works as without it and leaves nothing behind; what needs
a connection of its own is refused, unless the pooler gives it one."""

from __future__ import annotations

import contextlib
import dataclasses
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from rollcall.cli import app
from rollcall.errors import Refused
from rollcall.ledger.pooler import refuse_pooler
from rollcall.ledger.runs import open_run
from rollcall.pipeline import steps
from rollcall.pipeline.job import Approval, Job
from rollcall.sandbox.demo import Scale
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from rollcall.steps.doctor.examination import examine
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.steps.verify import verify
from rollcall.workspace import Workspace
from tests.support.call_centre import CallCentre, call_centre, share_compilations
from tests.support.paths import ROOT
from tests.support.postgres import temporary_folder
from tests.support.waiting import until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
SCALE = Scale(agents=220, sessions=1_500, calls=4_000, days=20)
PORT = 6432  # names the socket file; nothing listens on a network port

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no pgbouncer on this machine (Debian: pgbouncer)")


@dataclasses.dataclass
class Pooler:
    """PgBouncer in front of the test server; the database is named as behind it."""

    folder: Path
    database: str

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{self.database}?host={self.folder}&port={PORT}"

    def clients(self) -> list[psycopg.Connection[Any]]:
        """As many connections in a transaction as the pool has processes: each gets another one."""
        return [psycopg.connect(self.url, prepare_threshold=None) for _ in range(4)]


@contextlib.contextmanager
def pooler(
    server: PostgresServer, database: str, mode: str, pool_size: int = 4, listen: str = ""
) -> Iterator[Pooler]:
    """PgBouncer on a socket, and on the network port that `listen` names as an address and a port."""
    address, _, port = listen.partition(":")
    behind = conninfo_to_dict(server.conninfo(database))
    account = server.data_directory.stat().st_uid
    with temporary_folder() as folder:
        (folder / "users.txt").write_text('"postgres" ""\n')
        (folder / "pgbouncer.ini").write_text(
            f"""\
[databases]
{database} = host={behind["host"]} port={behind["port"]} user=postgres dbname={database}
[pgbouncer]
listen_addr = {address}
listen_port = {port or PORT}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {pool_size}
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
"""
        )
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, account)
        assert PROGRAM is not None
        process = subprocess.Popen(
            [PROGRAM, "-q", *_as_account(account), str(folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until((folder / f".s.PGSQL.{port or PORT}").exists)
            yield Pooler(folder, database)
        finally:
            process.terminate()
            process.wait()


def _as_account(uid: int) -> list[str]:
    """PgBouncer refuses to work as root."""
    name = pwd.getpwuid(uid).pw_name
    return ["-u", name] if pwd.getpwnam(name).pw_uid != 0 else []


@pytest.fixture(scope="module")
def behind(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    """A damaged call centre, migrated, reached directly."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute("create database pooled")
        centre = call_centre(server.conninfo("pooled"), tmp_path_factory.mktemp("pooled"), scale=SCALE)
        with open_run(centre.workspace, "migrate") as run:
            migrate(centre.workspace, run, centre.plan().statements)
        yield centre
        connection.execute("drop database pooled with (force)")


def through(centre: CallCentre, pooler: Pooler) -> Workspace:
    """The same call centre through the pooler; compiled through it too."""
    settings = dataclasses.replace(centre.workspace.settings, conninfo=pooler.url)
    return Workspace(settings)


@pytest.fixture(scope="module")
def in_transaction_mode(server: PostgresServer, behind: CallCentre) -> Iterator[tuple[Pooler, Workspace]]:
    with pooler(server, "pooled", "transaction") as front:
        yield front, through(behind, front)


def counts(workspace: Workspace, judged_at: datetime | None = None) -> dict[str, Any]:
    assessment = assess(workspace, judged_at, history=True)
    return {
        "verdict": assessment.verdict,
        "rules": {(rule.suite, rule.name): rule.violations for rule in assessment.rules},
        "pending": (assessment.pending_statements, assessment.pending_changes),
        "facts": assessment.facts,
    }


@pytest.mark.medium
def test_assess_and_plan_give_the_same_through_it(
    behind: CallCentre, in_transaction_mode: tuple[Pooler, Workspace]
) -> None:
    _, pooled = in_transaction_mode
    now = datetime.now(UTC)
    assert counts(pooled, now) == counts(behind.workspace, now)

    earlier = now - timedelta(days=2)  # fewer sessions were abandoned then; a later instant is not believed
    assert counts(pooled, earlier) == counts(behind.workspace, earlier)
    assert counts(pooled, earlier)["facts"] != counts(pooled, now)["facts"]
    through_it, direct = make_plan(pooled, now), make_plan(behind.workspace, now)
    when = dict.fromkeys(("made_at", "expires_at"))
    assert {**through_it.header, **when} == {**direct.header, **when}  # the digest of all changes, too
    assert through_it.change_count > 0
    assert make_plan(pooled).judged_at >= now
    assert verify(pooled).assessment.verdict is assess(behind.workspace).verdict


@pytest.mark.medium
def test_nothing_of_ours_is_left_on_a_server_connection(
    behind: CallCentre, in_transaction_mode: tuple[Pooler, Workspace]
) -> None:
    front, pooled = in_transaction_mode
    assess(pooled, datetime.now(UTC), history=True)
    make_plan(pooled, datetime.now(UTC))
    examine(pooled)
    with contextlib.suppress(Refused), open_run(pooled, "clean"):
        pass

    with psycopg.connect(behind.url) as fresh:
        usual = session_state(fresh)
    clients = front.clients()
    try:
        pids = {pid_of(client) for client in clients}
        assert len(pids) == len(clients)  # every process of the pool is looked at
        assert [session_state(client) for client in clients] == [usual] * len(clients)
        clients[0].execute("set statement_timeout = '1s'")  # rolled back with its transaction
        assert session_state(clients[0]) != usual
    finally:
        for client in clients:
            client.close()


def pid_of(connection: psycopg.Connection[Any]) -> Any:
    return connection.execute("select pg_backend_pid()").fetchone()


def session_state(connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
    """What a client could have left in its server process, but for what libpq itself negotiates."""
    settings = connection.execute(
        "select name, setting from pg_settings where source in ('session', 'override', 'interactive')"
        " and name not in ('application_name', 'client_encoding', 'DateStyle', 'TimeZone',"
        " 'standard_conforming_strings', 'transaction_isolation', 'transaction_deferrable',"
        " 'transaction_read_only', 'is_superuser', 'session_authorization', 'data_checksums',"
        " 'in_hot_standby', 'wal_buffers', 'huge_pages_status', 'shared_memory_size',"
        " 'shared_memory_size_in_huge_pages', 'server_encoding', 'lc_ctype', 'lc_collate',"
        " 'config_file', 'data_directory', 'hba_file', 'ident_file', 'num_os_semaphores') order by name"
    ).fetchall()
    ours = connection.execute(
        "select nullif(current_setting('rollcall.judged_at', true), ''), current_user, session_user,"
        " (select count(*) from pg_locks where locktype = 'advisory'),"
        " (select count(*) from pg_prepared_statements), (select count(*) from pg_cursors),"
        " (select count(*) from pg_listening_channels())"
    ).fetchone()
    return settings, ours


def test_doctor_names_the_pooler(behind: CallCentre, in_transaction_mode: tuple[Pooler, Workspace]) -> None:
    _, pooled = in_transaction_mode
    direct = {finding.name for finding in examine(behind.workspace).findings}
    diagnosis = examine(pooled)
    assert {finding.name for finding in diagnosis.findings} == direct | {"pooler"}
    assert diagnosis.is_blocked
    assert diagnosis.findings[0].found == ("the server process changes between two transactions",)


def test_what_would_change_something_is_refused(
    behind: CallCentre, in_transaction_mode: tuple[Pooler, Workspace]
) -> None:
    _, pooled = in_transaction_mode
    before = behind.rows("select nspname from pg_namespace where nspname like 'rollcall%'")
    with pytest.raises(Refused, match="pooler in transaction mode") as refusal, open_run(pooled, "clean"):
        pytest.fail("a run began")
    assert refusal.value.exit_code == 4
    assert "pool_mode = session" in str(refusal.value)
    assert behind.rows("select nspname from pg_namespace where nspname like 'rollcall%'") == before
    assert behind.rows("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


HOSTS = {
    "ep-cool-1234-pooler.eu-central-1.aws.neon.tech": "Neon: the same host without `-pooler`",
    "aws-0-eu-central-1.pooler.supabase.com": "Supabase: port 5432 instead of 6543",
    "crm.proxy-abc123.eu-central-1.rds.amazonaws.com": "RDS Proxy: the endpoint of the database itself",
    "pooler.example.test": "PgBouncer: the server itself, or a port of the pooler with pool_mode = session",
}


@pytest.fixture(scope="module")
def on_the_network(server: PostgresServer, behind: CallCentre) -> Iterator[str]:
    """The address and the port of a pooler in transaction mode."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pooler(server, "pooled", "transaction", listen=f"127.0.0.1:{port}"):
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("host", HOSTS)
def test_the_refusal_says_what_the_host_wants(behind: CallCentre, on_the_network: str, host: str) -> None:
    address, _, port = on_the_network.partition(":")
    conninfo = f"host={host} hostaddr={address} port={port} user=postgres dbname=pooled"
    settings = dataclasses.replace(behind.workspace.settings, conninfo=conninfo)
    with pytest.raises(Refused, match="pooler in transaction mode") as refusal:
        refuse_pooler(Workspace(settings))
    said = str(refusal.value)
    assert HOSTS[host] in said
    others = {advice for name, advice in HOSTS.items() if name != host}
    assert all((advice in said) is (host == "pooler.example.test") for advice in others)


@pytest.mark.parametrize("command", ["migrate", "clean"])
def test_the_commands_are_refused(
    behind: CallCentre,
    in_transaction_mode: tuple[Pooler, Workspace],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    front, _ = in_transaction_mode
    sessions = behind.images()
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", front.url)
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(share_compilations(tmp_path)))
    done = CliRunner().invoke(app, [command])
    assert isinstance(done.exception, Refused), done.output
    assert behind.images() == sessions


def test_a_plan_that_could_not_be_executed_is_not_shown(
    in_transaction_mode: tuple[Pooler, Workspace],
) -> None:
    _, pooled = in_transaction_mode
    with pytest.raises(Refused, match="pooler in transaction mode"):
        steps.plan(Job(pooled, "run", Approval.YES))


@pytest.mark.slow
def test_the_whole_run_is_refused(
    behind: CallCentre, in_transaction_mode: tuple[Pooler, Workspace], tmp_path: Path
) -> None:
    front, _ = in_transaction_mode
    sessions = behind.images()
    environment = {"ROLLCALL_DATABASE_URL": front.url, "ROLLCALL_STATE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "from rollcall.cli import main; main()", "run", "--yes"],
        cwd=ROOT,
        env={**environment, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "pooler in transaction mode" in done.stderr
    assert "Traceback" not in done.stderr
    assert behind.images() == sessions


def test_traffic_of_others_does_not_hide_it(
    server: PostgresServer, behind: CallCentre, in_transaction_mode: tuple[Pooler, Workspace]
) -> None:
    front, pooled = in_transaction_mode
    clients = front.clients()[:2]
    try:
        for client in clients:
            client.execute("select 1")  # in a transaction: holds a process of the pool
        with pytest.raises(Refused):
            refuse_pooler(pooled)
    finally:
        for client in clients:
            client.close()


@pytest.mark.medium
def test_a_pool_of_one_process_is_seen_in_time(server: PostgresServer, behind: CallCentre) -> None:
    with pooler(server, "pooled", "transaction", pool_size=1) as front:
        started = time.monotonic()
        with pytest.raises(Refused):
            refuse_pooler(reached(behind, front))
        assert time.monotonic() - started < 60


def test_a_pooler_in_statement_mode_is_refused(server: PostgresServer, behind: CallCentre) -> None:
    with pooler(server, "pooled", "statement") as front, pytest.raises(Refused):
        refuse_pooler(reached(behind, front))


def test_a_pooler_in_session_mode_is_fine(server: PostgresServer, behind: CallCentre) -> None:
    with pooler(server, "pooled", "session") as front:
        pooled = reached(behind, front)
        found = {finding.name for finding in examine(pooled).findings}
        assert "session_pooler" in found
        assert "pooler" not in found
        refuse_pooler(pooled)
        with contextlib.closing(pooled.database.connect()) as connection:
            ours = pooled.process_id_of(connection)
            assert behind.rows("select count(*) from pg_stat_activity where pid = %s", ours) == [(1,)]
            assert ours != connection.info.backend_pid, "that is what the pooler said"


def reached(centre: CallCentre, front: Pooler) -> Workspace:
    """Through the pooler, with what is compiled already: dbt needs transactions."""
    pooled = through(centre, front)
    pooled.project = centre.workspace.project
    return pooled


def test_a_direct_connection_is_no_pooler(behind: CallCentre) -> None:
    refuse_pooler(behind.workspace)
    assert not {"pooler", "session_pooler"} & {f.name for f in examine(behind.workspace).findings}
