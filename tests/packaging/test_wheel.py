"""The wheel, installed into an environment of its own and used in an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rollcall import __version__
from tests.support.paths import ROOT
from tests.support.postgres import temporary_folder

DATABASE = "call_centre"
UV = ROOT / ".venv" / "bin" / "uv"


def execute(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder() -> None:
    """It carries the dbt project, the suites and the deployments; the checkout is not needed."""
    with temporary_folder() as folder:
        source = folder / "source"
        shutil.copytree(
            ROOT,
            source,
            ignore=shutil.ignore_patterns(".*", "target", "build", "*.egg-info", "site", "__pycache__"),
        )
        execute(UV, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", cwd=source)
        shutil.rmtree(source)
        (wheel,) = (folder / "dist").glob("*.whl")
        execute(UV, "venv", "--quiet", "--python", ROOT / ".venv/bin/python", folder / "env", cwd=folder)
        execute(
            *(UV, "pip", "install", "--quiet", "--python", folder / "env/bin/python"),
            *("--constraint", ROOT / "requirements.txt", wheel),
            cwd=folder,
        )
        rollcall = folder / "env" / "bin" / "rollcall"
        empty = folder / "empty"
        empty.mkdir()
        assert execute(rollcall, "--version", cwd=empty).strip() == f"rollcall {__version__}"
        try:
            demo = json.loads(execute(rollcall, "demo", "--json", cwd=empty))
            assert demo["verdict"] == "READY"
            assert sorted(path.name for path in empty.iterdir()) == [".rollcall"]
            settings = json.loads(execute(rollcall, "config", "--json", cwd=empty))
            assert settings["state_directory"] == str(empty / ".rollcall")
            assert str(folder / "env") in settings["project_directory"]
            url = at_server(f"print(server.conninfo({DATABASE!r}))", folder).strip()
            found = json.loads(
                execute(rollcall, "assess", "--json", "--history", cwd=empty, ROLLCALL_DATABASE_URL=url)
            )
            assert found["verdict"] == "READY"
        finally:
            remove = "server.stop(); shutil.rmtree(server.data_directory, ignore_errors=True)"
            at_server(remove, folder)


def at_server(statement: str, folder: Path) -> str:
    """Execute a statement about the demo's server, of which the data is elsewhere when root runs it."""
    program = (
        "import shutil; from pathlib import Path; from rollcall.servers.postgres import PostgresServer;"
        f" server = PostgresServer(Path('.rollcall/postgres')); {statement}"
    )
    return execute(folder / "env/bin/python", "-c", program, cwd=folder / "empty")
