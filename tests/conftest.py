"""Fixtures of all tests: a PostgreSQL server and a fresh database on it.

The server is the embedded one, unless ``--pg-bin FOLDER`` or ``ROLLCALL_TEST_PG_BIN`` names the
server programs of another PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollcall import console
from rollcall.servers.postgres import PostgresServer
from tests.support.compilations import remember_injections
from tests.support.postgres import fresh_database, running_server

_test_pg_bin = os.environ.get("ROLLCALL_TEST_PG_BIN")
_lint_failed = "ROLLCALL_LINT_FAILED" in os.environ

# A test must never reach a database, or follow a setting, of the user. This cannot be a fixture: dbt and
# Prefect read their variables when they are imported.
for _name in list(os.environ):
    if _name.startswith(("PG", "ROLLCALL_", "DBT_", "PREFECT_")):
        del os.environ[_name]
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

# The fixtures `floor`, `berlin`, `original`, `live`, `scheduled`, `serving` and `suites` stand beside what
# they make.
# Plugins are imported after the lines above have run.
pytest_plugins = (
    "tests.support.floor",
    "tests.support.builds",
    "tests.support.live_migration",
    "tests.support.serving",
    "tests.support.suites",
)


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


@pytest.fixture(autouse=True)
def _standard_output() -> None:
    """An earlier command with ``--json`` in this process has moved the console to standard error."""
    console.use_stdout()


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
    remember_injections()
    _remove_leftovers()
    with running_server(request.config.getoption("--pg-bin")) as server:
        yield server


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped after the test with its connections."""
    with fresh_database(server) as url:
        yield url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show a failure of the linters, which `make test` runs before the tests."""
    if _lint_failed:
        terminalreporter.section("lint failed", red=True, bold=True)
        terminalreporter.line("The messages stand above the tests. `make lint` shows them again.")
