"""The dbt project for one database: SQL that is compiled once and cached.

A compilation depends on the project's files, on the vars and on the columns of the application's tables
(`rollcall.database.catalog.columns`). It is cached in the state directory under a digest of them; dbt
starts only when they change, and parses the project only when files or vars other than numbers change.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from rollcall.database.catalog.check import check_application
from rollcall.database.catalog.columns import read_application_columns
from rollcall.database.connections import Database, Row
from rollcall.dbt.compilation import (
    Compilation,
    RollcallRelation,
    compile_project,
    compiled_variables,
    document_project,
    parsed_variables,
)
from rollcall.errors import EvaluationError
from rollcall.settings.configuration import Settings

__all__ = ["Project", "RollcallRelation"]

SOURCES = ("models", "macros", "analyses", "seeds")
KEPT = 50  # parsed projects, and compilations of each; one takes a few megabytes


class Project:
    """The compiled dbt project.

    Args:
        settings: the project's folder, the vars to override, the state directory.
        database: the database whose catalog it is compiled for.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    def sql(self, name: str) -> str:
        """The SQL of a model or analysis, executable; ``$1`` and so on are its parameters."""
        try:
            return self.compilation.sql[name]
        except KeyError:
            raise EvaluationError(f"dbt has no model or analysis {name}", "report this as a fault") from None

    @property
    def rollcall_relations(self) -> tuple[RollcallRelation, ...]:
        """Rollcall's tables and views, in the order of their dependencies."""
        return self.compilation.rollcall_relations

    def compile(self) -> None:
        """Read the application's columns and compile, unless cached; holds no transaction."""
        _ = self.compilation

    @cached_property
    def compilation(self) -> Compilation:
        """The compiled project, read from the state folder or compiled on the first use."""
        columns = self._columns()
        file = self._file(columns)
        kept = _read(file)
        if kept is not None:
            return kept
        compilation = compile_project(
            self._settings, self._database.name, columns, self._target, self._folder / "parsed"
        )
        _keep(compilation, file)
        return compilation

    def documentation(self) -> str:
        """dbt's documentation of the project for this database, as one HTML page that loads nothing."""
        with tempfile.TemporaryDirectory() as target:
            return document_project(self._settings, self._database.name, self._columns(), Path(target))

    def _columns(self) -> list[Row]:
        """The columns of the application's tables, checked against the mapping."""
        columns = read_application_columns(self._database, self._settings)
        check_application(columns, self._database, self._settings)
        return columns

    @property
    def _target(self) -> Path:
        """dbt's target folder for this database; every database needs its own."""
        digest = hashlib.sha256(json.dumps(self._database.identity).encode()).hexdigest()[:12]
        return self._settings.state_directory / "dbt" / digest

    @cached_property
    def _folder(self) -> Path:
        """The cache folder of what is parsed alike: one file for each set of columns and numbers."""
        root = self._settings.project_directory
        digest = hashlib.sha256()
        versions = [importlib.metadata.version(name) for name in ("dbt-core", "dbt-postgres")]
        parsed_alike = [versions, parsed_variables(self._settings)]
        digest.update(json.dumps(parsed_alike, sort_keys=True).encode())
        files = [path for folder in SOURCES for path in (root / folder).rglob("*") if path.is_file()]
        for path in sorted([root / "dbt_project.yml", root / "profiles.yml", *files]):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
        return self._settings.state_directory / "compiled" / digest.hexdigest()[:16]

    def _file(self, columns: list[Row]) -> Path:
        """The cache file for the application's columns and these vars."""
        compiled_alike = json.dumps([columns, compiled_variables(self._settings)], sort_keys=True)
        return self._folder / f"{hashlib.sha256(compiled_alike.encode()).hexdigest()[:16]}.json"


def _read(file: Path) -> Compilation | None:
    """Read a cached compilation and note its use; None where it is missing or damaged."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        with contextlib.suppress(OSError):  # a cache that is read-only is used as it is
            for used in (file, file.parent):
                os.utime(used)
        return Compilation(
            sql=document["sql"],
            rollcall_relations=tuple(
                RollcallRelation(**relation) for relation in document["rollcall_relations"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(compilation: Compilation, file: Path) -> None:
    document = {
        "sql": dict(compilation.sql),
        "rollcall_relations": [asdict(relation) for relation in compilation.rollcall_relations],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, json.dumps(document))
    _prune(file.parent.glob("*.json"))
    _prune(file.parent.parent.iterdir())


def _write(path: Path, text: str) -> None:
    """Write the file atomically: another process may read it at the same time."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def _prune(entries: Iterable[Path]) -> None:
    """Keep what was used last: every configuration and version creates an entry."""
    with contextlib.suppress(FileNotFoundError):  # another process prunes at the same time
        for stale in sorted(entries, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
            if stale.is_dir():
                shutil.rmtree(stale, ignore_errors=True)
            else:
                stale.unlink()
