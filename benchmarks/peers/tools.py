"""The tools, each set up as its own users would: files in a folder, a command, and the keys that it finds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg.conninfo import conninfo_to_dict

from benchmarks.peers.environment import HERE, scripts_of_peers
from benchmarks.peers.rules import RULES, rendered
from benchmarks.server import connect

__all__ = ["Found", "Tool", "all_tools", "queries_tool"]

SODA_ROWS = 1_000_000  # the default of 100 also limits the count
DBT_AUDIT = "benchmark_dbt_test__audit"


@dataclass(frozen=True)
class Found:
    """What a tool finds of one rule: the exact count, and the keys, or some of them."""

    count: int
    keys: frozenset[str]


@dataclass(frozen=True)
class Tool:
    """One tool with the rules in its form.

    Attributes:
        command: judges all rules once.
        codes: the exit codes of a command that has judged.
        found: by rule, what the tool finds.
    """

    name: str
    command: Sequence[str]
    folder: Path
    codes: tuple[int, ...]
    found: Callable[[], dict[str, Found]]

    def judge(self) -> None:
        _output(self.command, self.folder, self.codes)


def all_tools(url: str, folder: Path, judged_at: datetime | None = None) -> list[Tool]:
    """Every tool, with its files below the folder. judged_at: of the queries; none: when each runs."""
    queries = rendered(judged_at)
    scripts = scripts_of_peers()
    makers = {"queries": _queries, "soda": _soda, "gx": _gx, "dbt": _dbt}
    for name in makers:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [make(url, folder / name, queries, scripts) for name, make in makers.items()]


def queries_tool(name: str, url: str, folder: Path, queries: Mapping[str, str]) -> Tool:
    """A client that executes queries one after the other."""
    files = _sql_files(folder / "queries" / name.partition(" (")[0].replace(" ", "_"), queries)
    command = (str(scripts_of_peers() / "python"), str(HERE / "with_queries.py"), url, str(files))

    def found() -> dict[str, Found]:
        document = json.loads(_output(command, folder))
        return {rule: Found(len(keys), frozenset(keys)) for rule, keys in document.items()}

    return Tool(name, command, folder, (0,), found)


def _queries(url: str, folder: Path, queries: Mapping[str, str], scripts: Path) -> Tool:
    return queries_tool("one query per rule", url, folder, queries)


def _soda(url: str, folder: Path, queries: Mapping[str, str], scripts: Path) -> Tool:
    server = conninfo_to_dict(url)
    connection = {
        "host": server["host"],
        "port": str(server["port"]),
        "username": server["user"],
        "password": "",
        "database": server["dbname"],
        "schema": "public",
    }
    _write_yaml(folder / "configuration.yml", {"data_source call_centre": {"type": "postgres", **connection}})
    checks = [
        {"failed rows": {"name": rule, "fail query": query, "samples limit": SODA_ROWS}}
        for rule, query in queries.items()
    ]
    _write_yaml(folder / "checks.yml", {"checks": checks})
    files = ("configuration.yml", "checks.yml")
    command = (str(scripts / "soda"), "scan", "-d", "call_centre", "-c", *files)

    def found() -> dict[str, Found]:
        script = (str(scripts / "python"), str(HERE / "keys_of_soda.py"), *files)
        document = json.loads(_output(script, folder).splitlines()[-1])
        return {rule: _counted(given) for rule, given in document.items()}

    return Tool("Soda", command, folder, (0, 2), found)


def _gx(url: str, folder: Path, queries: Mapping[str, str], scripts: Path) -> Tool:
    server = conninfo_to_dict(url)
    address = (
        f"postgresql+psycopg2://{server['user']}@localhost:{server['port']}/{server['dbname']}"
        f"?host={server['host']}"
    )
    command = (str(scripts / "python"), str(HERE / "with_gx.py"), address, str(_sql_files(folder, queries)))

    def found() -> dict[str, Found]:
        document = json.loads(_output(command, folder).splitlines()[-1])  # it prints warnings before
        return {rule: _counted(given) for rule, given in document.items()}

    return Tool("Great Expectations", command, folder, (0,), found)


def _dbt(url: str, folder: Path, queries: Mapping[str, str], scripts: Path) -> Tool:
    server = conninfo_to_dict(url)
    target = {
        "type": "postgres",
        "host": server["host"],
        "port": int(str(server["port"])),
        "user": server["user"],
        "password": "",
        "dbname": server["dbname"],
        "schema": "benchmark",
        "threads": 4,
    }
    _write_yaml(folder / "profiles.yml", {"rules": {"target": "all", "outputs": {"all": target}}})
    _write_yaml(folder / "dbt_project.yml", {"name": "rules", "profile": "rules", "version": "1.0.0"})
    (folder / "tests").mkdir(exist_ok=True)
    for rule, query in queries.items():
        (folder / "tests" / f"{rule}.sql").write_text(query, "utf-8")
    command = (str(scripts / "dbt"), "--no-send-anonymous-usage-stats", "test", "--profiles-dir", ".")

    def found() -> dict[str, Found]:
        _output((*command, "--store-failures"), folder, (0, 1))
        with connect(url) as connection:
            return {rule: _all(_stored(connection, rule)) for rule in RULES}

    return Tool("dbt", command, folder, (0, 1), found)


def _stored(connection: psycopg.Connection[Any], rule: str) -> list[str]:
    query = psycopg.sql.SQL("select id::text from {}").format(psycopg.sql.Identifier(DBT_AUDIT, rule))
    return [key for (key,) in connection.execute(query)]


def _counted(given: Mapping[str, Any]) -> Found:
    return Found(given["count"], frozenset(given["keys"]))


def _all(keys: Sequence[str]) -> Found:
    return Found(len(keys), frozenset(keys))


def _sql_files(folder: Path, queries: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for rule, query in queries.items():
        (folder / f"{rule}.sql").write_text(query, "utf-8")
    return folder


def _write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")


def _output(command: Sequence[str], folder: Path, codes: tuple[int, ...] = (0,)) -> str:
    """The standard output of a tool.

    Raises:
        RuntimeError: its exit code is not among these.
    """
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode not in codes:
        raise RuntimeError(
            f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}"
        )
    return done.stdout


def _environment() -> dict[str, str]:
    """Without telemetry, and without Python's settings of this process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {
        **inherited,
        "DO_NOT_TRACK": "1",
        "SODA_TELEMETRY_ENABLED": "false",
        "GX_ANALYTICS_ENABLED": "false",
    }
