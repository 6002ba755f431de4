"""What every test may use: a PostgreSQL server and a fresh database on it.

The server is the embedded one, unless ``--pg-bin FOLDER`` or ``ROLLCALL_TEST_PG_BIN`` names the
server programs of another PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from rollcall.servers.postgres import PostgresServer

SYSTEM_PG_BIN = Path("/usr/lib/postgresql/15/bin")  # Debian's
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

_test_pg_bin = os.environ.get("ROLLCALL_TEST_PG_BIN")

# A test must never reach a database, or follow a setting, of the person who runs it. Now, not in a
# fixture: dbt and Prefect read their variables when they are imported.
for _name in list(os.environ):
    if _name.startswith(("PG", "ROLLCALL_", "DBT_", "PREFECT_")):
        del os.environ[_name]
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pg-bin",
        metavar="FOLDER",
        type=Path,
        default=Path(_test_pg_bin) if _test_pg_bin else None,
        help="run the tests on the PostgreSQL whose server programs are in FOLDER",
    )
    parser.addoption(
        "--store-contract",
        action="store_true",
        help="store the fields of the --json documents anew (tests/contract/test_contract.py)",
    )


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account may pass when root runs the tests; ``tmp_path`` is not."""
    folder = Path(tempfile.mkdtemp(prefix=f"rollcall-test-{os.getpid()}-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers() -> None:
    """Stop the servers of test runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob("rollcall-test-*-*"):
        pid = folder.name.split("-")[2]
        if Path("/proc/self").exists() and not Path("/proc", pid).exists():
            for data in folder.glob("*/postmaster.pid"):
                PostgresServer(data.parent).stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """One running server for the whole session; nothing on it survives a power cut."""
    _remove_leftovers()
    with temporary_folder() as folder:
        server = PostgresServer(folder / "data", request.config.getoption("--pg-bin"), NOT_DURABLE)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def fresh_database(server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped afterwards with whoever is connected."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(identifier))
    yield server.conninfo(name)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(identifier))


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped after the test with whoever is connected."""
    with fresh_database(server) as url:
        yield url
