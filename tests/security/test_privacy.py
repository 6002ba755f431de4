"""Quiet and private: nothing is called but the database, and no secret is anywhere.

Every command runs in a process of its own in which Python's sockets refuse, and note, whatever is not
allowed. Where `strace` is there, the kernel is asked as well: libraries that are not Python connect
without asking Python.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from rollcall.sandbox.demo import Scale
from tests.support.call_centre import call_centre
from tests.support.paths import ROOT

SCALE = Scale(agents=60, sessions=600, calls=2_000, days=10)
STRACE = shutil.which("strace")

SECRETS = {
    "url": "Url-s3cret/ü&%#@:x",
    "environment": "Env-s3cret-9f$1",
    "pgpass": "Pgpass-s3cret-77",
    "service": "Service-s3cret-55",
    "bystander": "Cloud-s3cret-abcdef",  # not ours: another key in the environment of the job
    "malformed": "Malf0rmed-s3cret",
}
GIVEN = (".pgpass", ".pg_service.conf")  # where we put secrets ourselves
VALUE = "Zyxwvut-personal"  # what the application knows of people; keys and counts alone may leave

GUARD = """
import os, socket

_allowed = os.environ["TEST_ALLOWED_SOCKETS"].split(",")
_log = os.environ["TEST_SOCKET_LOG"]

def _check(what, family, address):
    host = address[0] if isinstance(address, tuple) else str(address)
    if family == socket.AF_UNIX and "unix" in _allowed:
        return
    if host in ("127.0.0.1", "::1", "localhost") and "loopback" in _allowed:
        return
    with open(_log, "a") as log:
        log.write(f"{what} {address!r}\\n")
    raise ConnectionRefusedError(f"the test refuses {what} {address!r}")

def _guarded(name):
    original = getattr(socket.socket, name)
    def method(self, *arguments):
        _check(name, self.family, arguments[-1])
        return original(self, *arguments)
    setattr(socket.socket, name, method)

for _name in ("connect", "connect_ex", "sendto"):
    _guarded(_name)

_getaddrinfo = socket.getaddrinfo
def getaddrinfo(host, *arguments, **named):
    if host is not None:
        host_text = host.decode() if isinstance(host, bytes) else host
        _check("getaddrinfo", None, (host_text,))
    return _getaddrinfo(host, *arguments, **named)
socket.getaddrinfo = getaddrinfo
"""


class Sealed:
    """Commands in a home of their own, whose every file can be searched afterwards."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.said: list[str] = []
        self.commands: set[str] = set()
        for name in ("home", "state", "tmp", "out", "site"):
            (folder / name).mkdir()
        (folder / "site" / "sitecustomize.py").write_text(GUARD, "utf-8")
        self.log = folder / "sockets.log"
        self.log.touch()

    def __call__(
        self, *arguments: str, allowed: str = "unix", prefix: tuple[str, ...] = (), **environment: str
    ) -> int:
        """Run a command; its exit code."""
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
        variables = {
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": f"{self.folder / 'site'}:{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TEST_ALLOWED_SOCKETS": allowed,
            "TEST_SOCKET_LOG": str(self.log),
            "ROLLCALL_STATE_DIR": str(self.folder / "state"),
            "ROLLCALL_DATABASE_URL": self.url,
            "SOMEBODYS_API_KEY": SECRETS["bystander"],
        }
        process = subprocess.Popen(
            [*prefix, sys.executable, "-c", "from rollcall.cli import main; main()", *arguments],
            env={**inherited, **variables, **environment},
            cwd=self.folder / "out",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        watching = threading.Thread(target=self._watch, args=(process,), daemon=True)
        watching.start()
        out, err = process.communicate(timeout=400)
        watching.join()
        self.said += [out, err]
        return process.returncode

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """What any account of the machine can see of it: the command lines of all its processes."""
        while process.poll() is None:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    command = path.read_bytes().decode("utf-8", "replace")
                except OSError:
                    continue
                if "rollcall" in command or "prefect" in command or "dbt" in command:
                    self.commands.add(command)
            time.sleep(0.2)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """All that it said and wrote, by where."""
        for number, text in enumerate(self.said):
            yield f"output {number}", text.encode()
        for command in self.commands:
            yield "command line", command.encode()
        for path in self.folder.rglob("*"):
            if path.is_file() and path.parent.name != "site" and path.name not in GIVEN:
                yield str(path.relative_to(self.folder)), path.read_bytes()

    def assert_nowhere(self, *texts: str) -> None:
        searched = 0
        for where, content in self.everything():
            searched += 1
            for text in texts:
                for form in forms_of(text):
                    assert form not in content, f"{text} is in {where}"
        assert searched > 5


def forms_of(secret: str) -> set[bytes]:
    """As it is, and as a URL, JSON or base64 would have it."""
    raw = secret.encode()
    return {
        raw,
        quote(secret, safe="").encode(),
        quote(secret).encode(),
        json.dumps(secret)[1:-1].encode(),
        base64.b64encode(raw).rstrip(b"="),
    }


@pytest.fixture
def sealed(database: str, tmp_path: Path) -> Sealed:
    """A damaged call centre whose people have values that must not leave it."""
    (tmp_path / "load").mkdir()
    centre = call_centre(database, tmp_path / "load", scale=SCALE)
    shutil.rmtree(tmp_path / "load")
    centre.rows("alter table agent_sessions add column note text")
    centre.rows("update agent_sessions set note = %s", VALUE)
    centre.rows("update agents set first_name = %s, last_name = %s, email = %s || id", VALUE, VALUE, VALUE)
    return Sealed(tmp_path, database)


def with_password(url: str, password: str) -> str:
    return url.replace("postgres@", f"postgres:{quote(password, safe='')}@")


@pytest.mark.slow
def test_what_only_reads_talks_to_the_database_alone_and_tells_no_secret(sealed: Sealed) -> None:
    url = with_password(sealed.url, SECRETS["url"])
    parameters = conninfo_to_dict(sealed.url)
    (sealed.folder / "home" / ".pgpass").write_text(f"*:*:*:*:{SECRETS['pgpass']}\n")
    (sealed.folder / "home" / ".pgpass").chmod(0o600)
    by_variables = {
        "ROLLCALL_DATABASE_URL": "",
        "PGHOST": str(parameters["host"]),
        "PGPORT": str(parameters["port"]),
        "PGUSER": "postgres",
        "PGDATABASE": str(parameters["dbname"]),
    }
    reports = ("--junit", "j.xml", "--markdown", "m.md", "--report", "reports")
    assert sealed("assess", "--history", *reports, ROLLCALL_DATABASE_URL=url) == 11
    assert sealed("assess", "--json", PGPASSWORD=SECRETS["environment"], **by_variables) == 11
    assert sealed("assess", **by_variables) == 11  # by ~/.pgpass
    service = "".join(f"{name}={parameters[name]}\n" for name in ("host", "port", "user", "dbname"))
    (sealed.folder / "home" / ".pg_service.conf").write_text(
        f"[floor]\n{service}password={SECRETS['service']}\n"
    )
    assert (
        sealed("plan", "--json", "--out", "plan.jsonl", "--sql", "plan.sql", ROLLCALL_DATABASE_URL=url) == 0
    )
    assert sealed("plan", ROLLCALL_DATABASE_URL="", PGSERVICE="floor") == 0
    assert sealed("doctor", ROLLCALL_DATABASE_URL=url) in (0, 12)
    assert sealed("history", ROLLCALL_DATABASE_URL=url) == 0
    assert sealed.log.read_text() == ""
    sealed.assert_nowhere(*SECRETS.values(), VALUE)


@pytest.mark.medium
def test_a_whole_run_talks_to_this_machine_alone_and_tells_no_secret(sealed: Sealed) -> None:
    """Prefect's server and its database included; the ledger's images stay in the database."""
    url = with_password(sealed.url, SECRETS["url"])
    code = sealed("run", "--yes", allowed="unix,loopback", ROLLCALL_DATABASE_URL=url)
    assert code == 0, sealed.said
    assert sealed.log.read_text() == ""
    assert list((sealed.folder / "state").rglob("*.db")), "Prefect's database was searched too"
    sealed.assert_nowhere(*SECRETS.values(), VALUE)
    with psycopg.connect(sealed.url) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'rollcall_ops'"
        ).fetchall()
        kept = [row for (table,) in tables for row in connection.execute(f"select t::text from {table} as t")]
    assert len(tables) > 5
    assert len(kept) > 100
    for secret in SECRETS.values():
        assert secret not in str(kept), "the ledger keeps images, and no secret"


def test_the_guard_refuses_and_notes_whatever_a_part_of_us_would_call(tmp_path: Path) -> None:
    """Otherwise an empty log would prove nothing: this is what telemetry looks like to it."""
    sealed = Sealed(tmp_path, "")
    calls = "import urllib.request as u; u.urlopen('http://telemetry.example/track', timeout=1)"
    done = subprocess.run(
        [sys.executable, "-c", calls],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path / "site"),
            "TEST_ALLOWED_SOCKETS": "unix,loopback",
            "TEST_SOCKET_LOG": str(sealed.log),
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert "telemetry.example" in sealed.log.read_text()


@pytest.mark.medium
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:{}@host:not-a-port/x",
        "postgresql://someone:{}@host:5432:6/x%",
        "postgresql://someone:{}@[::1/x",
        "postgresql://someone@127.0.0.1:9/x?password={}&sslmode=never",
        "host=127.0.0.1 port=9 user=someone password={} connect_timeout=never",
        "host=127.0.0.1 port=9 password='{}",
        "mysql://someone:{}@127.0.0.1/x",
    ],
)
def test_an_error_text_tells_no_secret(tmp_path: Path, url: str) -> None:
    sealed = Sealed(tmp_path, url.format(SECRETS["malformed"]))
    for debug in ("", "1"):
        assert sealed("assess", allowed="unix,loopback", ROLLCALL_DEBUG=debug) in (1, 2)
    for text in sealed.said:
        assert SECRETS["malformed"] not in text


@pytest.mark.medium
def test_an_error_of_the_server_tells_no_statement_with_values(sealed: Sealed) -> None:
    """What a trigger of the application says is shown; the row that it was given is not."""
    with psycopg.connect(sealed.url, autocommit=True) as connection:
        connection.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            " raise exception 'no changes today' using detail = new.note; end $$"
        )
        connection.execute(
            "create trigger refuse before update on agent_sessions for each row execute function refuse()"
        )
    assert sealed("clean") in (1, 5)
    assert "no changes today" in "".join(sealed.said)
    sealed.assert_nowhere(VALUE)


@pytest.mark.skipif(STRACE is None, reason="no strace")
@pytest.mark.slow
def test_the_kernel_saw_no_connection_but_the_databases(sealed: Sealed) -> None:
    trace = sealed.folder / "trace.txt"
    options = ("-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto", "-o", str(trace))
    probe = subprocess.run([str(STRACE), *options, "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("strace is not allowed here")
    assert sealed("assess", "--report", "reports", prefix=(str(STRACE), *options)) == 11
    seen = trace.read_text("utf-8", "replace")
    assert re.search(r"connect\(\d+, \{sa_family=AF_UNIX, sun_path=\".*PGSQL", seen)
    assert not re.search(r"sa_family=AF_INET", seen)
