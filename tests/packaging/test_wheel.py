"""The wheel, installed into an environment of its own and used in an empty folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall import __version__
from tests.support.installed import execute
from tests.support.postgres import temporary_folder

DATABASE = "call_centre"


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(installed: Path) -> None:
    """It carries the dbt project, the suites and the deployments; the checkout is not needed."""
    rollcall = installed / "rollcall"
    with temporary_folder() as empty:
        assert execute(rollcall, "--version", cwd=empty).strip() == f"rollcall {__version__}"
        assert "What to do" in execute(rollcall, "rules", "zombie_call", cwd=empty)
        try:
            demo = json.loads(execute(rollcall, "demo", "--json", cwd=empty))
            assert demo["verdict"] == "READY"
            assert sorted(path.name for path in empty.iterdir()) == [".rollcall"]
            settings = json.loads(execute(rollcall, "config", "--json", cwd=empty))
            assert settings["state_directory"] == str(empty / ".rollcall")
            assert str(installed.parent) in settings["project_directory"]
            url = at_server(f"print(server.conninfo({DATABASE!r}))", installed, empty).strip()
            found = json.loads(
                execute(rollcall, "assess", "--json", "--history", cwd=empty, ROLLCALL_DATABASE_URL=url)
            )
            assert found["verdict"] == "READY"
        finally:
            remove = "server.stop(); shutil.rmtree(server.data_directory, ignore_errors=True)"
            at_server(remove, installed, empty)


def at_server(statement: str, installed: Path, empty: Path) -> str:
    """Execute a statement about the demo's server, of which the data is elsewhere when root runs it."""
    program = (
        "import shutil; from pathlib import Path; from rollcall.servers.postgres import PostgresServer;"
        f" server = PostgresServer(Path('.rollcall/postgres')); {statement}"
    )
    return execute(installed / "python", "-c", program, cwd=empty)
