"""The dbt project for one database: the SQL that everybody runs, compiled once and kept.

A compilation depends on the project's files, on the vars and on the columns of the application's
tables. It is kept in the state directory with a digest of the first two and the rows of
`application_columns`; while all are the same, nobody waits for dbt.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import tempfile
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from rollcall.compilation import Compilation, OwnRelation, compile_project
from rollcall.database import Database
from rollcall.errors import EvaluationError
from rollcall.settings import Settings

__all__ = ["OwnRelation", "Project"]

SOURCES = ("models", "macros", "analyses", "seeds")
COLUMNS = "application_columns"


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

    @property
    def target_directory(self) -> Path:
        """The scratch folder for this database: two databases never share one."""
        parameters = self._database.parameters
        identity = [parameters.get(name, "") for name in ("host", "port", "dbname", "user")]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
        return self._settings.state_directory / "dbt" / digest

    @cached_property
    def _compilation(self) -> Compilation:
        digest = self._digest()
        kept = self._kept(digest)
        if kept is not None:
            return kept
        compilation = compile_project(self._settings, self._database.parameters, self.target_directory)
        self._keep(digest, compilation)
        return compilation

    @property
    def _file(self) -> Path:
        return self.target_directory / "compilation.json"

    def _digest(self) -> str:
        """Of everything but the catalogue that the compiled SQL depends on."""
        root = self._settings.project_directory
        digest = hashlib.sha256()
        versions = [importlib.metadata.version(name) for name in ("dbt-core", "dbt-postgres")]
        digest.update(json.dumps([versions, self._settings.overrides], sort_keys=True).encode())
        files = [path for folder in SOURCES for path in (root / folder).rglob("*") if path.is_file()]
        for path in sorted([root / "dbt_project.yml", root / "profiles.yml", *files]):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()

    def _columns(self, query: str) -> list[dict[str, Any]]:
        with self._database.snapshot() as snapshot:
            return snapshot.rows(query)

    def _kept(self, digest: str) -> Compilation | None:
        """What was compiled before, if it would come out the same now."""
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(document, dict) or document.get("digest") != digest:
            return None
        if self._columns(document["sql"][COLUMNS]) != document["columns"]:
            return None
        return Compilation(
            sql=document["sql"],
            own_relations=tuple(OwnRelation(**relation) for relation in document["own_relations"]),
        )

    def _keep(self, digest: str, compilation: Compilation) -> None:
        document = {
            "digest": digest,
            "columns": self._columns(compilation.sql[COLUMNS]),
            "sql": dict(compilation.sql),
            "own_relations": [asdict(relation) for relation in compilation.own_relations],
        }
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self._file.parent, prefix="compilation-", delete=False
        ) as file:
            json.dump(document, file)
        os.replace(file.name, self._file)  # noqa: PTH105 - a name, not a Path
