"""The dbt project for one database: the SQL that everybody runs, compiled once and kept.

A compilation depends on the project's files, on the vars and on the columns of the application's
tables (`application_columns`). It is kept in the state directory under a digest of them; while all
are the same, nobody waits for dbt.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import psycopg

from rollcall.compilation import Compilation, OwnRelation, compile_project
from rollcall.database import Database
from rollcall.errors import EvaluationError
from rollcall.settings import Settings

__all__ = ["OwnRelation", "Project"]

SOURCES = ("models", "macros", "analyses", "seeds")
COLUMNS = "application_columns"
KEPT = 10


class Project:
    """The compiled dbt project.

    Args:
        settings: where the project is, the vars to override, where to keep what was compiled.
        database: whose catalogue it is compiled against.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def sql(self, name: str) -> str:
        """The SQL of a model or analysis, ready to run; ``$1`` and so on are its parameters."""
        try:
            return self._compilation.sql[name]
        except KeyError:
            raise EvaluationError(f"dbt has no model or analysis {name}", "report this as a fault") from None

    @property
    def own_relations(self) -> tuple[OwnRelation, ...]:
        """Our tables and views, each after those that it reads."""
        return self._compilation.own_relations

    @cached_property
    def _compilation(self) -> Compilation:
        kept = self._kept()
        if kept is not None:
            return kept
        compilation = compile_project(self._settings, self._database.parameters, self._target)
        self._keep(compilation)
        return compilation

    @property
    def _target(self) -> Path:
        """dbt's scratch folder for this database: two databases never share one."""
        parameters = self._database.parameters
        identity = [parameters.get(name, "") for name in ("host", "port", "dbname", "user")]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
        return self._settings.state_directory / "dbt" / digest

    @cached_property
    def _folder(self) -> Path:
        """Where compilations of this project with these vars are kept, one file for each set of columns."""
        root = self._settings.project_directory
        digest = hashlib.sha256()
        versions = [importlib.metadata.version(name) for name in ("dbt-core", "dbt-postgres")]
        digest.update(json.dumps([versions, self._settings.overrides], sort_keys=True).encode())
        files = [path for folder in SOURCES for path in (root / folder).rglob("*") if path.is_file()]
        for path in sorted([root / "dbt_project.yml", root / "profiles.yml", *files]):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
        return self._settings.state_directory / "compiled" / digest.hexdigest()[:16]

    def _file(self, query: str) -> Path:
        """The file for the application's columns as they are. query: the SQL of `application_columns`."""
        with self._database.snapshot() as snapshot:
            columns = json.dumps(snapshot.rows(query))
        return self._folder / f"{hashlib.sha256(columns.encode()).hexdigest()[:16]}.json"

    def _kept(self) -> Compilation | None:
        """What was compiled before, if it would come out the same now."""
        try:
            query = (self._folder / f"{COLUMNS}.sql").read_text(encoding="utf-8")
            document = json.loads(self._file(query).read_text(encoding="utf-8"))
            return Compilation(
                sql=document["sql"],
                own_relations=tuple(OwnRelation(**relation) for relation in document["own_relations"]),
            )
        except (OSError, ValueError, KeyError, TypeError, psycopg.Error):
            return None

    def _keep(self, compilation: Compilation) -> None:
        query = compilation.sql[COLUMNS]
        document = {
            "sql": dict(compilation.sql),
            "own_relations": [asdict(relation) for relation in compilation.own_relations],
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self._folder / f"{COLUMNS}.sql", query)
        _write(self._file(query), json.dumps(document))
        _prune(self._folder.parent)


def _write(path: Path, text: str) -> None:
    """All of it or nothing: another process may read it at the same time."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def _prune(folder: Path) -> None:
    """Keep the latest few: every other configuration and version leaves one behind."""
    kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for stale in kept[KEPT:]:
        shutil.rmtree(stale, ignore_errors=True)
