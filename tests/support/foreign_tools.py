"""Migration tools of other projects, installed by the test that runs them, from pinned versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.paths import ROOT

UV = ROOT / ".venv" / "bin" / "uv"
PYTHON_PACKAGES = {
    "django": ("django==5.2.19", "psycopg[binary]==3.3.9"),
    "alembic": ("alembic==1.20.1", "sqlalchemy==2.1.9", "psycopg[binary]==3.3.9"),
}
NODE_PACKAGES = {
    "typeorm": ("typeorm@0.3.31", "pg@8.23.1", "reflect-metadata@0.2.2", "esbuild@0.28.2"),
    "drizzle": ("drizzle-orm@0.45.4", "drizzle-kit@0.31.11", "pg@8.23.1"),
}
SECONDS = 300


class ForeignTool:
    """A project of another tool in a folder of its own.

    Args:
        folder: of the project; the programs are in it.
        url: of the database, which the programs find in libpq's variables.
    """

    def __init__(self, name: str, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        folder.mkdir(parents=True, exist_ok=True)
        if name in PYTHON_PACKAGES:
            self._install_python(PYTHON_PACKAGES[name])
        else:
            self._install_node(NODE_PACKAGES[name])

    def _install_python(self, packages: tuple[str, ...]) -> None:
        self.programs = self.folder / "env" / "bin"
        self._install(str(UV), "venv", "--quiet", "--python", sys.executable, "env")
        self._install(str(UV), "pip", "install", "--quiet", "--python", "env/bin/python", *packages)

    def _install_node(self, packages: tuple[str, ...]) -> None:
        if shutil.which("npm") is None:
            pytest.skip("node is not installed")
        self.programs = self.folder / "node_modules" / ".bin"
        self.write("package.json", '{"private": true}')
        self._install("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages)

    def _install(self, *command: str) -> None:
        done = self._execute(*command)
        if done.returncode != 0:
            pytest.skip(f"the package registry is not reachable: {done.stderr.strip()[-300:]}")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def run(self, program: str, *arguments: str, fails: bool = False) -> str:
        """Run a program of the tool. Gives both of its outputs."""
        done = self._execute(str(self.programs / program), *arguments)
        assert (done.returncode != 0) == fails, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def _execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **libpq_variables(self.url), "NO_COLOR": "1", "CI": "1"}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )


def libpq_variables(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    return {names[key]: str(value) for key, value in parts.items() if key in names}
