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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jinja2

from rollcall.errors import ConfigurationError, EvaluationError
from rollcall.settings import PROJECT_DIRECTORY, Settings

__all__ = ["OwnRelation", "Project"]

MACROS = PROJECT_DIRECTORY / "macros" / "migrations"
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
        self._ready: dict[str, str] = {}

    def sql(self, name: str) -> str:
        """The SQL of a model or analysis, ready to run; ``$1`` and so on are its parameters."""
        if name not in self._ready:
            self._ready[name] = _inlined(self._compiled_sql(name))
        return self._ready[name]

    @cached_property
    def own_relations(self) -> tuple[OwnRelation, ...]:
        """Our tables and views, each after those that it reads."""
        nodes = {
            result.node.unique_id: result.node
            for result in self._compiled
            if result.node.config.materialized in (TABLE, VIEW)
        }
        return tuple(_own_relation(nodes[key]) for key in _in_order(nodes))

    @property
    def target_directory(self) -> Path:
        """dbt's scratch folder for this database: two databases never share one."""
        identity = json.dumps([self._parameters.get(name, "") for name in ("host", "port", "dbname", "user")])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        return self._settings.state_directory / "dbt" / digest

    @cached_property
    def _compiled(self) -> Sequence[Any]:
        """dbt's results of one compilation; the SQL of ephemeral models is in the target folder alone."""
        from dbt.cli.main import dbtRunner

        with _environment(self._dbt_environment()):
            outcome = dbtRunner().invoke([*self._global_arguments(), "compile", *self._arguments()])
        if not outcome.success:
            raise _failure(outcome)
        results: Any = outcome.result
        return tuple(results)

    def _global_arguments(self) -> list[str]:
        return [
            *("--quiet", "--no-use-colors", "--log-level", "none", "--log-level-file", "none"),
            "--no-write-json",  # nobody reads the artifacts; writing them takes as long as parsing
        ]

    def _arguments(self) -> list[str]:
        project = str(self._settings.project_directory)
        return [
            *("--select", "resource_type:model", "resource_type:analysis"),
            "--no-populate-cache",
            *("--project-dir", project),
            *("--profiles-dir", project),
            *("--target-path", str(self.target_directory)),
            *("--log-path", str(self.target_directory / "logs")),
            *("--vars", json.dumps(self._settings.overrides)),
        ]

    def _compiled_sql(self, name: str) -> str:
        self._compiled  # noqa: B018 - writes the files
        for folder in ("models", "analyses"):
            for path in (self.target_directory / "compiled" / "rollcall" / folder).rglob(f"{name}.sql"):
                return path.read_text(encoding="utf-8")
        raise EvaluationError(f"dbt has no model or analysis {name}", "report this as a fault")

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


def _own_relation(node: Any) -> OwnRelation:
    if node.config.materialized == TABLE:
        return OwnRelation(node.schema, node.name, "table", node.compiled_code.strip(), None)
    definition = _inlined(node.compiled_code)
    digest = hashlib.md5(definition.encode(), usedforsecurity=False).hexdigest()
    relation = f'"{node.schema}"."{node.name}"'
    statement = _macro("view_statements")(relation, definition, node.description, digest)
    return OwnRelation(node.schema, node.name, "view", str(statement).strip(), digest)


def _inlined(definition: str) -> str:
    return str(_macro("inlined")(definition)).strip()


@cache
def _macro(name: str) -> Any:
    """One of our macros that needs nothing of dbt's context, rendered by itself."""
    source = (MACROS / f"{name}.sql").read_text(encoding="utf-8")
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    return getattr(environment.from_string(source, globals={"modules": {"re": re}}).module, name)


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
