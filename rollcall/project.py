"""The dbt project, and the one door to dbt: what is compiled here is what everybody runs.

dbt declares and generates; nothing is executed through it but `select`s on the catalogue. The
first use imports dbt (seconds) and compiles every model once; the SQL is the same before and
after the migration, so one compilation serves a whole run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from rollcall.errors import ConfigurationError, EvaluationError
from rollcall.settings import Settings

__all__ = ["OwnRelation", "Project"]

VIEW = "rollcall_view"
TABLE = "ledger_table"


@dataclass(frozen=True)
class OwnRelation:
    """A relation of Rollcall's own, as dbt declares it.

    Attributes:
        kind: ``table`` or ``view``.
        digest: of a view's definition; its comment in the database ends with it.
    """

    schema: str
    name: str
    kind: str
    statement: str
    digest: str | None


class Project:
    """The compiled dbt project for one database.

    Args:
        settings: where the project is, and the vars to override.
        parameters: libpq's, resolved: host, port, user, password, dbname.
    """

    def __init__(self, settings: Settings, parameters: Mapping[str, str]) -> None:
        self._settings = settings
        self._parameters = parameters

    def sql(self, name: str) -> str:
        """The SQL of a model or analysis, ready to run; ``$1`` and so on are its parameters."""
        return self._inlined(self._node(name).compiled_code)

    @cached_property
    def own_relations(self) -> tuple[OwnRelation, ...]:
        """Our tables and views, each after those that it reads."""
        nodes = {
            key: node
            for key, node in self._manifest.nodes.items()
            if node.resource_type == "model" and node.config.materialized in (TABLE, VIEW)
        }
        return tuple(self._own_relation(nodes[key]) for key in _in_order(nodes))

    @property
    def target_directory(self) -> Path:
        """dbt's scratch folder for this database: two databases never share one."""
        identity = json.dumps([self._parameters.get(name, "") for name in ("host", "port", "dbname", "user")])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return self._settings.state_directory / "dbt" / digest

    @cached_property
    def _manifest(self) -> Any:
        """dbt's manifest with every model compiled."""
        from dbt.cli.main import dbtRunner

        with _environment(self._dbt_environment()):
            parsed = dbtRunner().invoke([*self._global_arguments(), "parse", *self._arguments()])
            if not parsed.success:
                raise _failure(parsed)
            manifest: Any = parsed.result
            compiled = dbtRunner(manifest=manifest).invoke(
                [*self._global_arguments(), "compile", "--no-populate-cache", *self._arguments()]
            )
        if not compiled.success:
            raise _failure(compiled)
        return manifest

    def _global_arguments(self) -> list[str]:
        return ["--quiet", "--no-use-colors", "--log-level", "none", "--log-level-file", "none"]

    def _arguments(self) -> list[str]:
        project = str(self._settings.project_directory)
        return [
            *("--project-dir", project),
            *("--profiles-dir", project),
            *("--target-path", str(self.target_directory)),
            *("--log-path", str(self.target_directory / "logs")),
            *("--vars", json.dumps(self._settings.overrides)),
        ]

    def _node(self, name: str) -> Any:
        for node in self._manifest.nodes.values():
            if node.name == name and node.resource_type in ("model", "analysis"):
                return node
        raise EvaluationError(f"dbt has no model or analysis {name}", "report this as a fault")

    def _own_relation(self, node: Any) -> OwnRelation:
        if node.config.materialized == TABLE:
            return OwnRelation(node.schema, node.name, "table", node.compiled_code.strip(), None)
        definition = self._inlined(node.compiled_code).strip()
        digest = hashlib.md5(definition.encode(), usedforsecurity=False).hexdigest()
        relation = f'"{node.schema}"."{node.name}"'
        statement = self._macro("view_statements")(relation, definition, node.description, digest)
        return OwnRelation(node.schema, node.name, "view", str(statement).strip(), digest)

    def _inlined(self, definition: str) -> str:
        return str(self._macro("inlined")(definition)).strip()

    def _macro(self, name: str) -> Any:
        """One of our macros that needs nothing of dbt's context, rendered by itself."""
        source = self._manifest.macros[f"macro.rollcall.{name}"].macro_sql
        environment = jinja2.Environment(extensions=["jinja2.ext.do"])
        module = environment.from_string(source, globals={"modules": {"re": re}}).module
        return getattr(module, name)

    def _dbt_environment(self) -> dict[str, str]:
        names = {
            "host": "PGHOST",
            "port": "PGPORT",
            "user": "PGUSER",
            "dbname": "PGDATABASE",
            "sslmode": "PGSSLMODE",
            "password": "DBT_ENV_SECRET_ROLLCALL_PASSWORD",
        }
        known = {names[key]: value for key, value in self._parameters.items() if key in names and value}
        return {**known, "DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def _in_order(nodes: Mapping[str, Any]) -> list[str]:
    """The nodes, each after those that it depends on, directly or through others."""
    ordered: list[str] = []

    def visit(key: str) -> None:
        for upstream in nodes[key].depends_on.nodes:
            if upstream in nodes:
                visit(upstream)
        if key not in ordered:
            ordered.append(key)

    for key in sorted(nodes, key=lambda name: (nodes[name].config.materialized != TABLE, name)):
        visit(key)
    return ordered


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """libpq's variables for dbt, and for nobody else in this process afterwards."""
    cleared = {name for name in os.environ if name.startswith("PG")} | set(variables)
    before = {name: os.environ[name] for name in cleared if name in os.environ}
    for name in cleared:
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


def _failure(outcome: Any) -> ConfigurationError | EvaluationError:
    """What dbt could not do, in one line: our own macros' words where they refused."""
    text = str(outcome.exception or "")
    if not text:
        messages = [result.message for result in outcome.result or () if result.message]
        text = messages[0] if messages else "dbt failed without a reason"
    ours = re.search(r"rollcall: ([^\n]+)", text)
    if ours:
        problem, _, hint = ours.group(1).partition("; ")
        return ConfigurationError(problem, hint)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return EvaluationError(f"dbt could not compile the project: {' '.join(lines[:3])}")
